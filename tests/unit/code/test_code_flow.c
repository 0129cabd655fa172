/* The assembler makes the code; what registers hold at its last call is written beside it. */
#include "code/code_flow.h"
#include "code/code_names.h"

#include "cs_test.h"

#include <string.h>

/* Code between two labels, ending with the call asked about. */
#define CODE(name, text)                                                                           \
	__asm__(".pushsection .text.code_flow,\"ax\",@progbits\n.local code_" #name                \
		"\ncode_" #name ":\n" text "\nend_" #name ":\n.popsection\n");                     \
	extern const unsigned char code_##name[], end_##name[]

#define CALL "call elsewhere_in_the_tests\n"
#define JUMP_OUT "jmp elsewhere_in_the_tests\n"
__asm__(".pushsection .text.code_other,\"ax\",@progbits\nelsewhere_in_the_tests: ret\n.popsection");

CODE(constant, "mov $40,%edi\n" CALL);
CODE(tail, "mov $40,%edi\n" JUMP_OUT);
CODE(zero, "xor %edi,%edi\n" CALL);
CODE(wide, "movabs $0x123456789a,%rdi\n" CALL);
CODE(pushed, "push $32\npop %rdi\n" CALL);
CODE(copied, "push %rbx\nmov %rdi,%rbx\n" CALL "mov %rbx,%rdi\n" CALL);
CODE(copied_half, "push %rbx\nmov %edi,%ebx\n" CALL "movslq %ebx,%rdi\n" CALL);
CODE(saved, "push %rbp\nmov %rsp,%rbp\nsub $32,%rsp\nmov %rdi,-0x18(%rbp)\n" CALL
	    "mov -0x18(%rbp),%rax\nmov %rax,%rdi\n" CALL);
CODE(saved_below, "sub $24,%rsp\nmov %rsi,8(%rsp)\n" CALL "mov 8(%rsp),%rdi\n" CALL);
CODE(pushed_over, "sub $24,%rsp\nmovq $7,8(%rsp)\npush %rax\npush %rcx\nmov 24(%rsp),%rdi\n" CALL);
CODE(header, "lea 16(%rdi),%rdi\n" CALL);
CODE(header_added, "add $16,%rdi\n" CALL);
CODE(clobbered, "mov $40,%edi\n" CALL CALL);
CODE(low_byte, "mov $40,%edi\nmov $1,%dil\n" CALL);
CODE(multiplied, "imul $24,%rdi,%rdi\n" CALL);
CODE(moved_if, "mov $40,%edi\nmov $48,%eax\ntest %rsi,%rsi\ncmove %rax,%rdi\n" CALL);
CODE(text_moved, "mov $40,%edi\nrep movsb\n" CALL);
CODE(exchanged, "mov $40,%edi\nxchg %rax,%rdi\n" CALL);
CODE(compared, "mov $40,%edi\ncmp $5,%rdi\ntest %edi,%edi\n" CALL);
CODE(branch_out, "mov $40,%edi\ntest %rsi,%rsi\nje 1f\n" CALL "mov $40,%edi\n1: " CALL);
CODE(two_ways_same, "test %rsi,%rsi\nje 1f\nmov $40,%edi\njmp 2f\n1: mov $40,%edi\n2: " CALL);
CODE(two_ways, "test %rsi,%rsi\nje 1f\nmov $40,%edi\njmp 2f\n1: mov $48,%edi\n2: " CALL);
CODE(padded, "mov $40,%ebx\ntest %rsi,%rsi\nje 1f\nret\n.p2align 5\n1: mov %rbx,%rdi\n" CALL);
CODE(loop_keeps, "mov $40,%ebx\n1: " CALL "test %eax,%eax\njne 1b\nmov %rbx,%rdi\n" CALL);
CODE(loop_changes, "mov $40,%ebx\n1: mov %rbx,%rdi\n" CALL "inc %rbx\ntest %eax,%eax\njne 1b\n"
		   "mov %rbx,%rdi\n" CALL);
CODE(loop_first, "mov $40,%ebx\njmp 2f\n1: mov $48,%ebx\n2: " CALL "test %eax,%eax\njne 1b\n"
		 "mov %rbx,%rdi\n" CALL);
CODE(local_given_away,
     "sub $24,%rsp\nmovq $7,8(%rsp)\nlea 8(%rsp),%rdi\n" CALL "mov 8(%rsp),%rdi\n" CALL);
CODE(local_below_given_away,
     "sub $24,%rsp\nmovq $7,(%rsp)\nlea 8(%rsp),%rdi\n" CALL "mov (%rsp),%rdi\n" CALL);
CODE(local_written_by_index, "sub $24,%rsp\nmovq $7,8(%rsp)\nmovb $1,(%rsp,%rdi)\n"
			     "mov 8(%rsp),%rdi\n" CALL);
CODE(local_written_wide,
     "sub $24,%rsp\nmovq $7,8(%rsp)\nmovups %xmm0,(%rsp)\nmov 8(%rsp),%rdi\n" CALL);
CODE(local_written_half, "sub $24,%rsp\nmovq $7,8(%rsp)\nmovl $9,8(%rsp)\nmov 8(%rsp),%rdi\n" CALL);
CODE(local_half, "sub $24,%rsp\nmovl $9,8(%rsp)\nmov 8(%rsp),%edi\n" CALL);
CODE(behind_a_jump, "mov $40,%edi\njmp *%rax\nmov $1,%eax\n" CALL);
CODE(set_behind_a_jump, "jmp *%rax\nmov $40,%edi\n" CALL);
CODE(aligned, "push %rbp\nmov %rsp,%rbp\nand $-32,%rsp\nmovq $7,8(%rsp)\nmov 8(%rsp),%rdi\n" CALL);
CODE(branch_protected, "endbr64\nmov $40,%edi\n" CALL);
CODE(no_instruction, "mov $40,%edi\n.byte 0x06\nnop\n" CALL);
CODE(left, "push %rbp\nmov %rsp,%rbp\npush %rbx\nmov %rdi,-24(%rbp)\nmov "
	   "-24(%rbp),%rsi\nleave\nmov %rsi,%rdi\n" JUMP_OUT);

#define KNOWN(name, kind, arg, n)                                                                  \
	{                                                                                          \
#name, code_##name, end_##name,                                                    \
		{                                                                                  \
			n, kind, arg                                                               \
		}                                                                                  \
	}

static const struct {
	const char *name;
	const unsigned char *code, *end;
	struct code_value rdi;
} rows[] = {
	KNOWN(constant, CODE_NUMBER, 0, 40),
	KNOWN(tail, CODE_NUMBER, 0, 40),
	KNOWN(zero, CODE_NUMBER, 0, 0),
	KNOWN(wide, CODE_NUMBER, 0, 0x123456789a),
	KNOWN(pushed, CODE_NUMBER, 0, 32),
	KNOWN(copied, CODE_ARG, 0, 0),
	KNOWN(copied_half, CODE_ARG, 0, 0),
	KNOWN(saved, CODE_ARG, 0, 0),
	KNOWN(saved_below, CODE_ARG, 1, 0),
	KNOWN(pushed_over, CODE_NUMBER, 0, 7),
	KNOWN(header, CODE_ARG, 0, 16),
	KNOWN(header_added, CODE_ARG, 0, 16),
	KNOWN(clobbered, CODE_UNKNOWN, 0, 0),
	KNOWN(low_byte, CODE_UNKNOWN, 0, 0),
	KNOWN(multiplied, CODE_UNKNOWN, 0, 0),
	KNOWN(moved_if, CODE_UNKNOWN, 0, 0),
	KNOWN(text_moved, CODE_UNKNOWN, 0, 0),
	KNOWN(exchanged, CODE_UNKNOWN, 0, 0),
	KNOWN(compared, CODE_NUMBER, 0, 40),
	KNOWN(branch_out, CODE_NUMBER, 0, 40),
	KNOWN(two_ways_same, CODE_NUMBER, 0, 40),
	KNOWN(two_ways, CODE_UNKNOWN, 0, 0),
	KNOWN(padded, CODE_NUMBER, 0, 40),
	KNOWN(loop_keeps, CODE_NUMBER, 0, 40),
	KNOWN(loop_changes, CODE_UNKNOWN, 0, 0),
	KNOWN(loop_first, CODE_UNKNOWN, 0, 0),
	KNOWN(local_given_away, CODE_UNKNOWN, 0, 0),
	KNOWN(local_below_given_away, CODE_NUMBER, 0, 7),
	KNOWN(local_written_by_index, CODE_UNKNOWN, 0, 0),
	KNOWN(local_written_wide, CODE_UNKNOWN, 0, 0),
	KNOWN(local_written_half, CODE_UNKNOWN, 0, 0),
	KNOWN(local_half, CODE_NUMBER, 0, 9),
	KNOWN(behind_a_jump, CODE_UNKNOWN, 0, 0),
	KNOWN(set_behind_a_jump, CODE_NUMBER, 0, 40),
	KNOWN(aligned, CODE_UNKNOWN, 0, 0),
	KNOWN(branch_protected, CODE_NUMBER, 0, 40),
	KNOWN(no_instruction, CODE_UNKNOWN, 0, 0),
	KNOWN(left, CODE_ARG, 0, 0),
};

static struct code_flow *flow;

/* The last call of code that would lie at 0x1000. */
static struct code_call last_call(const unsigned char *code, const unsigned char *end,
				  const uint64_t *entries, size_t entry_count)
{
	struct code_body body = {.code = code,
				 .vaddr = 0x1000,
				 .len = (size_t)(end - code),
				 .is_function = true,
				 .entries = entries,
				 .entry_count = entry_count};
	struct code_call call = {.end = 0x1000 + (uint64_t)(end - code)};

	assert_true(code_flow_calls(flow, &body, &call, 1, NULL, NULL));
	return call;
}

TEST(values_are_followed_to_the_call_or_dropped)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct code_call call = last_call(rows[i].code, rows[i].end, NULL, 0);

		if (!call.is_there || call.args[0].kind != rows[i].rdi.kind ||
		    call.args[0].arg != rows[i].rdi.arg || call.args[0].n != rows[i].rdi.n)
			fail_msg("%s: rdi is of kind %d, %d, %ld", rows[i].name, call.args[0].kind,
				 call.args[0].arg, (long)call.args[0].n);
	}
}

TEST(nothing_is_known_where_others_jump_to)
{
	/* behind the five bytes that set edi */
	const uint64_t entry = 0x1005;

	assert_int_equal(last_call(code_constant, end_constant, &entry, 1).args[0].kind,
			 CODE_UNKNOWN);
}

TEST(bytes_that_only_look_like_a_call_are_none)
{
	static const unsigned char code[] = {0x48, 0xb8, 1, 2, 0xe8, 3, 0, 0, 0, 9, 0xc3};
	struct code_body body = {
		.code = code, .vaddr = 0x1000, .len = sizeof(code), .is_function = true};
	struct code_call call = {.end = 0x1009};

	assert_true(code_flow_calls(flow, &body, &call, 1, NULL, NULL));
	assert_false(call.is_there);
}

/* Any bytes at all end, and answer for every call asked about. */
TEST(any_bytes_can_be_read)
{
	unsigned char code[512];
	uint32_t seed = 1;

	for (int round = 0; round < 300; round++) {
		struct code_body body = {
			.code = code, .vaddr = UINT64_MAX - 700, .len = sizeof(code)};
		struct code_call calls[2] = {{.end = body.vaddr + 17}, {.end = body.vaddr + 400}};

		for (size_t i = 0; i < sizeof(code); i++) {
			seed = seed * 1664525 + 1013904223;
			/* many short jumps */
			code[i] = (unsigned char)(seed >> 24);
			if (seed >> 8 & 1)
				code[i] = (unsigned char)(0x70 | (seed >> 9 & 0xf));
		}
		assert_true(code_flow_calls(flow, &body, calls, 2, NULL, NULL));
	}
}

TEST(known_names_are_found_whole)
{
	assert_non_null(code_name_find("malloc", 6));
	assert_non_null(code_name_find("malloc@plt", 6));
	assert_null(code_name_find("mallo", 5));
	assert_null(code_name_find("mallocx", 7));
	assert_int_equal(code_name_find("calloc", 6)->count, 0);
	assert_int_equal(code_name_find("PyMem_Calloc", 12)->size, 1);
	assert_int_equal(code_name_find("wcsdup", 6)->size, CODE_NO_ARG);
	assert_non_null(code_name_find("_ZnwmSt11align_val_tRKSt9nothrow_t", 34));
	assert_non_null(code_name_find("vasprintf", 9));
	assert_null(code_name_find("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_followed_to_the_call_or_dropped),
		cmocka_unit_test(nothing_is_known_where_others_jump_to),
		cmocka_unit_test(bytes_that_only_look_like_a_call_are_none),
		cmocka_unit_test(any_bytes_can_be_read),
		cmocka_unit_test(known_names_are_found_whole),
	};
	int failed;

	flow = code_flow_create();
	failed = flow ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	code_flow_destroy(flow);
	return failed;
}
