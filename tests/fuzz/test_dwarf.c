/* Another door for bytes: a program's file with its debug data.
 *
 * `make fuzz-dwarf` links it with libFuzzer (clang). In the tests it is a plain program: it
 * replays the files it is given, or without one builds a small program, which it spoils: each
 * section cut, filled, its bytes forged. Whatever the bytes, there is an answer within seconds
 * and little memory. What is in them is read with ASan, what libdw does is not: `make check`
 * finds its crashes, a libdw built with ASan the rest. */
#include "image/dwarf_places.h"
#include "image/dwarf_types.h"
#include "image/elf_file.h"
#include "image/image_unwind.h"
#include "model/model.h"
#include "native/native.h"
#include "cs_test.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STACK_LEN = 4096, PLACES = 24, ROOM_MAX = 1 << 22 };

#define BASE 0x7f0000000000ull
#define STACK 0x7ffe00000000ull

/* A process that ran the file: its bytes where they belong, and a stack that is full of
 * addresses of its code. */
struct process {
	struct cs_mem mem;
	struct cs_image image;
	struct cs_module module;
	struct cs_mapping mappings[2];
	struct cs_thread threads[PLACES];
	unsigned char stack[STACK_LEN];
	unsigned char *room;
	uint64_t places[PLACES];
	size_t count;
};

/* Where functions begin, and some bytes on; with few symbols anywhere. */
static void find_places(struct process *p, const struct cs_elf *elf)
{
	struct cs_elf_table t = cs_elf_table(elf, false);
	const struct cs_elf_load *l;
	size_t loads = cs_elf_loads(elf, &l);

	for (size_t i = 0; t.syms && i < t.count && p->count < PLACES; i++) {
		const unsigned char *sym = t.syms + i * sizeof(Elf64_Sym);

		if (ELF64_ST_TYPE(sym[offsetof(Elf64_Sym, st_info)]) == STT_FUNC)
			p->places[p->count++] = cs_le64(sym + offsetof(Elf64_Sym, st_value)) + i % 8;
	}
	while (p->count < PLACES) {
		p->places[p->count] = loads ? l[p->count % loads].vaddr + 64 * p->count : 64 * p->count;
		p->count++;
	}
}

static void add_memory(struct process *p, cs_addr start, uint64_t len, const unsigned char *data)
{
	assert_int_equal(cs_mem_add(&p->mem, (struct cs_mem_seg){ .start = start, .len = len, .data = data },
				    NULL), CS_OK);
}

static void begin(struct process *p, struct cs_elf *elf)
{
	*p = (struct process){ .module = { .path = "/bin/forged", .elf = elf, .bias = BASE, .is_exe = true,
					   .range = { BASE, ROOM_MAX }, .writable = { { BASE, ROOM_MAX } },
					   .writable_count = 1, .file = CS_FILE_MATCHED } };
	find_places(p, elf);
	for (size_t i = 0; i < STACK_LEN; i += 8) {
		uint64_t word = i % 24 ? BASE + p->places[i / 24 % PLACES] + 4 : STACK + i + 40;

		memcpy(p->stack + i, &word, 8);
	}
	p->room = calloc(1, ROOM_MAX);
	assert_non_null(p->room);
	add_memory(p, STACK, STACK_LEN, p->stack);
	add_memory(p, BASE, ROOM_MAX, p->room);
	cs_mem_seal(&p->mem, NULL);
	p->mappings[0] = (struct cs_mapping){ .range = { BASE, ROOM_MAX }, .prot = 7 };
	p->mappings[1] = (struct cs_mapping){ .range = { STACK, STACK_LEN }, .prot = 6,
					      .module = CS_NO_MODULE };
	for (size_t i = 0; i < PLACES; i++) {
		struct cs_thread *t = &p->threads[i];

		*t = (struct cs_thread){ .tid = (int)i + 1, .sp = STACK + 8 * i,
					 .pc = BASE + p->places[i] };
		for (unsigned r = 0; r < CS_REGS; r++)
			cs_regs_set(&t->regs, r, STACK + 64 * r);
		cs_regs_set(&t->regs, CS_REG_SP, t->sp);
		cs_regs_set(&t->regs, CS_REG_PC, t->pc);
	}
	p->image = (struct cs_image){ .mem = &p->mem, .page_size = 4096, .pid = 1,
				      .modules = { &p->module, 1, 1 }, .mappings = { p->mappings, 2, 2 },
				      .threads = { p->threads, PLACES, PLACES } };
}

static void end(struct process *p)
{
	cs_arena_deinit(&p->image.strings);
	cs_mem_deinit(&p->mem);
	free(p->room);
}

static void read_types(struct process *p)
{
	struct cs_native_options options = { .hints = NULL };
	struct cs_model model = { .anomaly_count = 0 };
	struct cs_native *native = NULL;
	struct cs_error err = { .text = "" };

	cs_blocks_seal(&model.blocks);
	if (cs_native_types(&p->image, &model, &options, &native, &err) && !*err.text)
		abort(); /* a failure without words */
	cs_native_destroy(native);
	cs_model_deinit(&model);
}

static void read_stacks(struct process *p)
{
	struct cs_unwind *u = NULL;

	if (cs_unwind_open(&p->image, &u, NULL))
		return;
	for (size_t i = 0; i < PLACES; i++) {
		const struct cs_unwind_frame *frames;
		struct cs_unwind_name names[CS_UNWIND_NAMES];
		const char *ends;
		size_t count;

		if (cs_unwind_thread(u, &p->threads[i], &frames, &count, &ends, NULL))
			continue;
		for (size_t k = 0; k < count && k < 16; k++)
			cs_unwind_names(u, &frames[k], names);
	}
	cs_unwind_close(u);
}

static int64_t size_of_order; /* what the debug data said of it last */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_dwarf_want wants[] = { { "_object|order", "next|kind.value", true, 0 },
					 { "order", "", true, 0 } };
	struct process *p = malloc(sizeof(*p));
	int fd = memfd_create("program", 0);
	struct cs_elf *elf;
	char path[64];

	if (!p || fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!cs_elf_open(path, &elf, NULL)) {
		begin(p, elf);
		cs_ignore(cs_dwarf_members(elf, wants, 2, NULL), "any answer is good");
		size_of_order = wants[1].value;
		read_types(p);
		read_stacks(p);
		end(p);
		cs_elf_close(elf);
	}
	close(fd);
	free(p);
	return 0;
}

#ifndef FUZZER
enum { SECONDS_MAX = 20, MIB_MAX = 1500, SPOILED = 60 };

static unsigned char *read_all(const char *path, size_t *len)
{
	FILE *in = fopen(path, "rb");
	unsigned char *bytes = NULL;
	long end = -1;

	if (in && !fseek(in, 0, SEEK_END) && (end = ftell(in)) >= 0 && !fseek(in, 0, SEEK_SET))
		bytes = malloc((size_t)end + 1);
	if (bytes && fread(bytes, 1, (size_t)end, in) != (size_t)end)
		end = -1;
	if (in)
		fclose(in);
	*len = end < 0 ? 0 : (size_t)end;
	return bytes;
}

static const char program[] =
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"struct order { order *next; long kind; char name[24]; void *box; int list[]; } *first;\n"
	"namespace shop {\n"
	"struct Shape { virtual ~Shape() {} double x; Shape *next; };\n"
	"template <class T> struct Box : Shape { T item; T *more[4]; };\n"
	"union value { Shape *shape; long number; };\n"
	"struct order { order *next; value kind; char name[24]; Box<int> *box; order *list[]; };\n"
	"static thread_local order *of_thread;\n"
	"order *all; Shape *shapes[8];\n"
	"inline int inner(order *o) { static order *kept; kept = o; return strlen(o->name); }\n"
	"int outer(order *o, int n) { order *own = o->next; int s = 0;\n"
	"  for (int i = 0; i < n; i++) { Shape *each = shapes[i]; s += inner(own) + (each != 0); }\n"
	"  of_thread = own; return s; }\n"
	"}\n"
	"int main(int argc, char **argv) { shop::all = (shop::order *)calloc(1, 200);\n"
	"  shop::shapes[0] = new shop::Box<int>(); return shop::outer(shop::all, argc); }\n";

/* The program, built with these flags; false: there is no compiler. */
static bool build(const char *flags, unsigned char **out, size_t *len)
{
	char dir[] = "/tmp/corescan-dwarf-XXXXXX", command[512];
	bool ok;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "%s/p.cc", dir);
	f = fopen(command, "w");
	assert_non_null(f);
	fputs(program, f);
	fclose(f);
	snprintf(command, sizeof(command), "c++ -w -Wl,--build-id %s %s/p.cc -o %s/p 2>/dev/null", flags, dir,
		 dir);
	ok = !system(command);
	snprintf(command, sizeof(command), "%s/p", dir);
	*out = ok ? read_all(command, len) : NULL;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	return *out;
}

/* A case in time; how much memory all of them took is looked at in the end. */
static void replay(const unsigned char *bytes, size_t len, const char *what, uint64_t which)
{
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	LLVMFuzzerTestOneInput(bytes, len);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	if (to.tv_sec - from.tv_sec > SECONDS_MAX)
		fail_msg("%s, %lu: takes %ld s", what, (unsigned long)which, (long)(to.tv_sec - from.tv_sec));
}

static uint64_t random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A section's header in the file; its name through *name. */
static unsigned char *section(unsigned char *file, size_t nr, const char **name)
{
	unsigned char *table = file + cs_le64(file + offsetof(Elf64_Ehdr, e_shoff));
	unsigned char *names = table + cs_le16(file + offsetof(Elf64_Ehdr, e_shstrndx)) * sizeof(Elf64_Shdr);

	if (nr >= cs_le16(file + offsetof(Elf64_Ehdr, e_shnum)))
		return NULL;
	table += nr * sizeof(Elf64_Shdr);
	*name = (char *)file + cs_le64(names + offsetof(Elf64_Shdr, sh_offset)) + cs_le32(table);
	return table;
}

static void spoil_section(const unsigned char *good, size_t len, size_t nr, unsigned char *file)
{
	static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff, 0x16, 0x21 };
	const char *name;
	unsigned char *header = (memcpy(file, good, len), section(file, nr, &name));
	uint64_t off = cs_le64(header + offsetof(Elf64_Shdr, sh_offset)), random = nr * 2654435761u + 1;
	uint64_t size = cs_le64(header + offsetof(Elf64_Shdr, sh_size)), cut;

	for (uint64_t part = 0; part < 8; part++) { /* the rest is gone, or nothing but one byte */
		memcpy(file, good, len);
		cut = size * part / 8;
		memcpy(header + offsetof(Elf64_Shdr, sh_size), &cut, 8);
		replay(file, len, name, part);
		memcpy(file, good, len);
		memset(file + off + cut, values[part % sizeof(values)], size - cut);
		replay(file, len, name, 100 + part);
	}
	for (uint64_t at = 0; at < size && at < 48; at++) { /* headers lie in front */
		memcpy(file, good, len);
		file[off + at] = values[random_of(&random) % sizeof(values)];
		replay(file, len, name, 200 + at);
	}
	for (uint64_t i = 0; i < SPOILED; i++) {
		memcpy(file, good, len);
		for (uint64_t n = 1ull << i % 7; n; n--)
			file[off + random_of(&random) % size] = i % 2 ?
				(unsigned char)random_of(&random) : values[random_of(&random) % sizeof(values)];
		replay(file, len, name, 1000 + i);
	}
}

static void spoil(const char *flags)
{
	unsigned char *good, *file;
	struct rusage usage;
	const char *name;
	size_t len;

	if (!build(flags, &good, &len))
		skip(); /* no C++ compiler */
	file = malloc(len);
	assert_non_null(file);
	replay(good, len, "unspoiled", 0);
	assert_int_equal(size_of_order, 48); /* it is read at all */
	for (size_t nr = 1; section(good, nr, &name); nr++)
		if ((!strncmp(name, ".debug_", 7) || !strncmp(name, ".eh_frame", 9)) &&
		    cs_le64(section(good, nr, &name) + offsetof(Elf64_Shdr, sh_size)))
			spoil_section(good, len, nr, file);
	free(file);
	free(good);
	getrusage(RUSAGE_SELF, &usage);
	if (usage.ru_maxrss / 1024 > MIB_MAX)
		fail_msg("%ld MiB", usage.ru_maxrss / 1024);
}

TEST(spoiled_dwarf_5_is_answered)
{
	spoil("-g -O2");
}

TEST(spoiled_dwarf_4_with_type_units_is_answered)
{
	spoil("-gdwarf-4 -O1 -fdebug-types-section");
}

TEST(spoiled_packed_sections_are_answered)
{
	spoil("-g -O0 -gz");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoiled_dwarf_5_is_answered),
		cmocka_unit_test(spoiled_dwarf_4_with_type_units_is_answered),
		cmocka_unit_test(spoiled_packed_sections_are_answered),
	};

	for (int i = 1; i < argc; i++) {
		size_t len;
		unsigned char *bytes = read_all(argv[i], &len);

		if (bytes)
			LLVMFuzzerTestOneInput(bytes, len);
		free(bytes);
	}
	return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
