/* This very program unwinds itself: its own stack, registers and file, in an image made
 * by hand. */
#include "image/dwarf_places.h"
#include "image/elf_functions.h"
#include "image/image_unwind.h"
#include "self_elf.h"
#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))

/* What is seen of this process. */
struct self {
	struct cs_mem mem;
	struct cs_image image;
	struct cs_thread thread;
	unsigned char *stack; /* a copy */
};

/* Past the sanitizer's zones between variables. */
__attribute__((no_sanitize("address"))) static void copy_stack(unsigned char *to, uint64_t from, uint64_t len)
{
	const volatile unsigned char *p = (const unsigned char *)(uintptr_t)from;

	for (uint64_t i = 0; i < len; i++)
		to[i] = p[i];
}

static void set_registers(struct cs_regs *regs, const ucontext_t *at)
{
	static const int order[CS_REGS] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
					    REG_RBP, REG_RSP, REG_R8,  REG_R9,	REG_R10, REG_R11,
					    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };

	for (unsigned i = 0; i < CS_REGS; i++)
		cs_regs_set(regs, i, (uint64_t)at->uc_mcontext.gregs[order[i]]);
}

static void make_self(struct self *s, const ucontext_t *at, uint64_t stack_len)
{
	uint64_t sp = (uint64_t)at->uc_mcontext.gregs[REG_RSP] & ~15ull;
	struct cs_module module = { .path = "/bin/self", .elf = self_elf, .bias = self_bias };
	const struct cs_elf_load *loads;
	size_t count = cs_elf_loads(self_elf, &loads);

	*s = (struct self){ .thread = { .tid = 1 } };
	s->stack = malloc(stack_len + 1);
	assert_non_null(s->stack);
	copy_stack(s->stack, sp, stack_len);
	if (stack_len)
		assert_int_equal(cs_mem_add(&s->mem, (struct cs_mem_seg){ .start = sp, .len = stack_len,
					    .data = s->stack }, NULL), CS_OK);
	cs_mem_seal(&s->mem, NULL);
	module.range = (struct cs_range){ self_bias + cs_align_down(loads[0].vaddr, 4096), 0 };
	module.range.len = cs_align_up(self_bias + loads[count - 1].vaddr + loads[count - 1].memsz, 4096) -
			   module.range.start;
	s->image = (struct cs_image){ .mem = &s->mem, .page_size = 4096 };
	assert_true(cs_vec_push(&s->image.modules, module));
	assert_true(cs_vec_push(&s->image.mappings, (struct cs_mapping){ .range = module.range }));
	set_registers(&s->thread.regs, at);
}

static void end_self(struct self *s)
{
	cs_vec_free(&s->image.modules);
	cs_vec_free(&s->image.mappings);
	cs_arena_deinit(&s->image.strings);
	cs_mem_deinit(&s->mem);
	free(s->stack);
}

struct result {
	char functions[64][64];
	size_t count;
	char ends[200];
};

static void unwind(struct self *s, struct result *out)
{
	const struct cs_unwind_frame *frames;
	struct cs_unwind *u;
	const char *ends;
	size_t count;

	*out = (struct result){ .count = 0 };
	assert_int_equal(cs_unwind_open(&s->image, &u, NULL), CS_OK);
	assert_int_equal(cs_unwind_thread(u, &s->thread, &frames, &count, &ends, NULL), CS_OK);
	for (size_t i = 0; i < count; i++) {
		struct cs_unwind_name names[CS_UNWIND_NAMES];
		size_t n = cs_unwind_names(u, &frames[i], names);

		for (size_t k = 0; k < n && out->count < 64; k++)
			snprintf(out->functions[out->count++], 64, "%s",
				 names[k].function ? names[k].function : "?");
	}
	snprintf(out->ends, sizeof(out->ends), "%s", ends ? ends : "");
	cs_unwind_close(u);
}

/* What each test does at the innermost place. */
static void (*act)(const ucontext_t *at);

NOINLINE static int innermost(int n)
{
	ucontext_t at;

	if (getcontext(&at))
		return 0;
	act(&at);
	return n + 1;
}

NOINLINE static int middle(int n)
{
	return innermost(n) * 2;
}

NOINLINE static int outermost(int n)
{
	return middle(n) + middle(n);
}

/* Enough of the stack for all frames up to main(). */
enum { STACK = 4096 };

static void act_whole(const ucontext_t *at)
{
	struct result r;
	struct self s;

	make_self(&s, at, STACK);
	unwind(&s, &r);
	assert_in_range(r.count, 4, 64);
	assert_string_equal(r.functions[0], "innermost");
	assert_string_equal(r.functions[1], "middle");
	assert_string_equal(r.functions[2], "outermost");
	/* cmocka is a library this image does not have */
	assert_non_null(strstr(r.ends, "is in no file"));
	end_self(&s);
}

static void act_without_stack(const ucontext_t *at)
{
	struct result r;
	struct self s;

	make_self(&s, at, 0);
	unwind(&s, &r);
	assert_int_equal(r.count, 1);
	assert_non_null(strstr(r.ends, "memory"));
	end_self(&s);
}

static void act_few_registers(const ucontext_t *at)
{
	struct result r;
	struct self s;

	make_self(&s, at, STACK);
	s.thread.regs.known = 1u << CS_REG_SP | 1u << CS_REG_PC;
	unwind(&s, &r);
	assert_string_equal(r.functions[0], "innermost");
	assert_true(strstr(r.ends, "register") || strstr(r.ends, "in no file"));
	s.thread.regs.known = 1u << CS_REG_SP;
	unwind(&s, &r);
	assert_int_equal(r.count, 0);
	assert_string_equal(r.ends, "its registers are not known");
	end_self(&s);
}

/* Any words on the stack: an end is come to, with a reason. */
static void act_spoiled(const ucontext_t *at)
{
	unsigned char whole[STACK];
	struct result r;
	struct self s;

	make_self(&s, at, STACK);
	memcpy(whole, s.stack, STACK);
	for (unsigned word = 0; word < STACK / 8; word += 3)
		for (unsigned v = 0; v < 3; v++) {
			uint64_t values[] = { 0, UINT64_MAX, s.thread.regs.values[CS_REG_PC] };

			memcpy(s.stack, whole, STACK);
			for (unsigned i = word; i < STACK / 8; i += 16)
				memcpy(s.stack + 8 * i, &values[v], 8);
			unwind(&s, &r);
			assert_in_range(r.count, 1, 64);
		}
	end_self(&s);
}

#define ACT(what)                                         \
	do {                                              \
		act = what;                               \
		assert_int_not_equal(outermost(1), 0);    \
	} while (0)

TEST(a_stack_is_the_calls_that_were_made)
{
	ACT(act_whole);
}

TEST(without_its_stacks_memory_a_thread_has_one_frame)
{
	ACT(act_without_stack);
}

TEST(few_registers_go_as_far_as_they_do)
{
	ACT(act_few_registers);
}

TEST(a_spoiled_stack_comes_to_an_end)
{
	ACT(act_spoiled);
}

TEST(a_program_counter_in_no_file_is_one_frame)
{
	struct result r;
	struct self s;
	ucontext_t at;

	assert_int_equal(getcontext(&at), 0);
	at.uc_mcontext.gregs[REG_RIP] = 0x1234;
	make_self(&s, &at, 256);
	unwind(&s, &r);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.functions[0], "?");
	assert_non_null(strstr(r.ends, "0x1234 is in no file"));
	end_self(&s);
}

TEST(without_any_file_there_is_no_unwinder)
{
	struct cs_mem mem = { .segs = { NULL, 0, 0 } };
	struct cs_image image = { .mem = &mem, .page_size = 4096 };
	struct cs_error err = { .text = "" };
	struct cs_unwind *u = NULL;

	assert_int_equal(cs_unwind_open(&image, &u, &err), CS_UNSUPPORTED);
	assert_null(u);
	assert_string_not_equal(err.text, "");
	cs_arena_deinit(&image.strings);
}

/* ---- names */

int cs_test_alias(int n);
int __cs_test_alias_internal(int n) __attribute__((alias("cs_test_alias")));
NOINLINE int cs_test_alias(int n)
{
	return n * 3;
}

TEST(a_function_is_named_from_its_start_to_its_end)
{
	struct cs_elf_functions *f = cs_elf_functions_create(self_elf, NULL);
	uint64_t at = (uintptr_t)middle - self_bias, start;
	const char *name;
	size_t len;

	assert_non_null(f);
	for (uint64_t off = 0; off < 2; off++) {
		assert_int_equal(cs_elf_functions_find(f, at + off, &name, &len, &start), CS_OK);
		assert_int_equal(len, strlen("middle"));
		assert_memory_equal(name, "middle", len);
		assert_int_equal(start, at);
	}
	assert_int_equal(cs_elf_functions_find(f, (uintptr_t)&self_elf - self_bias, &name, &len, &start),
			 CS_NOTFOUND);
	assert_int_equal(cs_elf_functions_find(f, 0, &name, &len, &start), CS_NOTFOUND);
	assert_int_equal(cs_elf_functions_find(f, UINT64_MAX, &name, &len, &start), CS_NOTFOUND);
	cs_elf_functions_destroy(f);
}

TEST(of_two_names_the_plainer_one_is_taken)
{
	struct cs_elf_functions *f = cs_elf_functions_create(self_elf, NULL);
	const char *name;
	uint64_t start;
	size_t len;

	assert_non_null(f);
	assert_int_equal(cs_elf_functions_find(f, (uintptr_t)cs_test_alias - self_bias, &name, &len,
					       &start), CS_OK);
	assert_int_equal(len, strlen("cs_test_alias"));
	assert_memory_equal(name, "cs_test_alias", len);
	cs_elf_functions_destroy(f);
}

static inline __attribute__((always_inline)) uint64_t here(void)
{
	uint64_t at;

	__asm__ volatile("lea (%%rip), %0" : "=r"(at));
	return at;
}

enum { LINE_OF_INLINED = __LINE__ - 4 };

TEST(dwarf_tells_lines_and_what_was_inlined)
{
	struct cs_dwarf_place places[4];
	uint64_t at = here() - 1; /* in the instruction, not behind it */
	size_t n = cs_dwarf_places(self_elf, at - self_bias, places, 4);

	assert_int_equal(n, 2);
	assert_string_equal(places[0].function, "here");
	assert_int_equal(places[0].line, LINE_OF_INLINED);
	assert_string_equal(places[1].function, "dwarf_tells_lines_and_what_was_inlined");
	assert_int_equal(places[1].line, __LINE__ - 7);
	assert_non_null(strstr(places[1].file, "test_image_unwind.c"));
	assert_int_equal(cs_dwarf_places(self_elf, at - self_bias, places, 1), 1);
	assert_int_equal(cs_dwarf_places(self_elf, 0, places, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_is_the_calls_that_were_made),
		cmocka_unit_test(without_its_stacks_memory_a_thread_has_one_frame),
		cmocka_unit_test(few_registers_go_as_far_as_they_do),
		cmocka_unit_test(a_spoiled_stack_comes_to_an_end),
		cmocka_unit_test(a_program_counter_in_no_file_is_one_frame),
		cmocka_unit_test(without_any_file_there_is_no_unwinder),
		cmocka_unit_test(a_function_is_named_from_its_start_to_its_end),
		cmocka_unit_test(of_two_names_the_plainer_one_is_taken),
		cmocka_unit_test(dwarf_tells_lines_and_what_was_inlined),
	};

	return cmocka_run_group_tests(tests, self_open, self_close);
}
