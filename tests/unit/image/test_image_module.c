/* Cores forged around a real ELF file: this very program. */
#include "forge_core.h"
#include "image/elf_file.h"
#include "cs_test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE 0x7f0000000000ull

enum { PAGE = 4096 };

extern int cs_test_marker;
int cs_test_marker = 0x1234567; /* a symbol to look for */

static char self[PATH_MAX];
static struct cs_elf *elf;
static struct cs_core *core;
static struct cs_image *image;

static uint64_t up(uint64_t v)
{
	return cs_align_up(v, PAGE);
}

static uint64_t down(uint64_t v)
{
	return cs_align_down(v, PAGE);
}

enum { WITH_HEADER = 1, WITH_FILES = 2, AS_DATA = 4, NO_DATA = 8, NO_DATA_PHDR = 16 };

/* Map the file at base as the loader would (or as one piece of data), under
 * that name; the header page gets `patch` written over its build id. */
static void map_self(struct forge *f, cs_addr base, const char *path, int how, const char *patch)
{
	static unsigned char header[4][PAGE];
	static int used;
	struct forge_file files[16];
	const struct cs_elf_load *l;
	size_t len, id_len, n = cs_elf_loads(elf, &l), count = 0;
	const unsigned char *bytes = cs_elf_bytes(elf, &len), *id = cs_elf_build_id(elf, &id_len);
	unsigned char *page = header[used++ % 4];

	memcpy(page, bytes, PAGE);
	assert_true(id >= bytes && id + id_len <= bytes + PAGE);
	if (patch)
		memcpy(page + (id - bytes), patch, strlen(patch));
	if (how & AS_DATA) {
		files[count++] = (struct forge_file){ base, base + up(len), 0, path };
		forge_load_bytes(f, base, PF_R, page, PAGE, up(len));
	}
	for (size_t i = 0; i < n && !(how & AS_DATA); i++) {
		uint64_t start = base + down(l[i].vaddr), end = base + up(l[i].vaddr + l[i].filesz);
		uint64_t bss = base + up(l[i].vaddr + l[i].memsz);
		bool dumped = l[i].flags & PF_W;

		files[count++] = (struct forge_file){ start, end, down(l[i].off) / PAGE, path };
		if (!i && how & WITH_HEADER)
			forge_load_bytes(f, start, l[i].flags & 7, page, PAGE, end - start);
		else if (dumped && how & NO_DATA_PHDR)
			; /* as gcore leaves out what it does not dump */
		else if (dumped && !(how & NO_DATA))
			forge_load_bytes(f, start, l[i].flags & 7, bytes + down(l[i].off),
					 l[i].off + l[i].filesz - down(l[i].off), end - start);
		else
			forge_load(f, start, l[i].flags & 7, 0, end - start);
		if (bss > end)
			forge_load(f, end, PF_R | PF_W, bss - end, bss - end);
	}
	if (how & WITH_FILES)
		forge_files(f, files, count);
}

static void take(struct forge *f, const struct cs_image_options *options)
{
	size_t len;
	unsigned char *file = forge_build(f, &len);

	forge_deinit(f);
	assert_int_equal(forge_open(file, len, &core, NULL), CS_OK);
	free(file);
	assert_int_equal(cs_image_of_core(core, options, &image, NULL), CS_OK);
}

static const struct cs_module *only_module(enum cs_file_state state)
{
	assert_int_equal(image->modules.count, 1);
	assert_int_equal(image->modules.items[0].file, state);
	assert_int_equal(image->modules.items[0].elf != NULL, state <= CS_FILE_UNVERIFIED);
	return image->modules.items;
}

static int open_self(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(cs_elf_open(self, &elf, NULL), CS_OK);
	return 0;
}

static int close_self(void **state)
{
	(void)state;
	cs_elf_close(elf);
	return 0;
}

static int start(void **state)
{
	(void)state;
	core = NULL;
	image = NULL;
	return 0;
}

static int drop(void **state)
{
	(void)state;
	cs_image_destroy(image);
	cs_core_close(core);
	return 0;
}

static void check_text(const struct cs_module *m, bool readable)
{
	struct cs_range text;
	unsigned char *copy;

	assert_int_equal(cs_module_section(m, ".text", &text), CS_OK);
	copy = malloc(text.len);
	assert_non_null(copy);
	if (!readable) {
		assert_int_equal(cs_mem_read(image->mem, text.start, copy, text.len, NULL), CS_FAULT);
	} else {
		assert_int_equal(cs_mem_read(image->mem, text.start, copy, text.len, NULL), CS_OK);
		assert_memory_equal(copy, cs_elf_view(elf, text.start - m->bias, text.len), text.len);
	}
	assert_int_equal(cs_mem_present(image->mem, text.start, text.len), 0);
	free(copy);
}

TEST(a_file_with_the_same_build_id_lends_its_pages)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	uint32_t marker;
	cs_addr addr;

	map_self(&f, BASE, self, WITH_HEADER | WITH_FILES, NULL);
	take(&f, NULL);

	const struct cs_module *m = only_module(CS_FILE_MATCHED);

	assert_int_equal(m->bias, BASE);
	assert_string_equal(m->path, self);
	assert_string_equal(m->file_path, self);
	check_text(m, true);
	assert_int_equal(cs_module_symbol(image->modules.items, image, "cs_test_marker", &addr, NULL), CS_OK);
	assert_true(cs_mem_u32(image->mem, addr, &marker)); /* .data, from the core */
	assert_int_equal(marker, 0x1234567);
	assert_int_equal(cs_module_symbol(image->modules.items, image, "no_such_thing", &addr, NULL),
			 CS_NOTFOUND);
}

TEST(a_writable_page_that_was_not_dumped_is_absent)
{
	static const int ways[] = { NO_DATA, NO_DATA_PHDR };

	for (size_t i = 0; i < 2; i++) {
		struct forge f = { .loads = { NULL, 0, 0 } };
		struct cs_range data;

		map_self(&f, BASE, self, WITH_HEADER | WITH_FILES | ways[i], NULL);
		take(&f, NULL);
		assert_int_equal(cs_module_section(only_module(CS_FILE_MATCHED), ".data", &data), CS_OK);
		assert_null(cs_mem_view(image->mem, data.start, 1));
		drop(NULL);
		start(NULL);
	}
}

TEST(a_module_reaches_to_the_end_of_its_bss)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	const struct cs_elf_load *l;
	size_t n = cs_elf_loads(elf, &l);
	cs_addr end = BASE + up(l[n - 1].vaddr + l[n - 1].memsz);
	struct cs_range w[4];

	map_self(&f, BASE, self, WITH_HEADER | WITH_FILES, NULL);
	forge_load(&f, end, PF_R | PF_W, PAGE, PAGE); /* a neighbour */
	take(&f, NULL);

	const struct cs_module *m = only_module(CS_FILE_MATCHED);

	assert_int_equal(cs_range_end(m->range), end);
	assert_int_equal(cs_module_writable(m, image, w, 4), 1);
	assert_int_equal(w[0].start, BASE + down(l[n - 1].vaddr));
	assert_int_equal(cs_range_end(w[0]), end);
	assert_int_equal(cs_image_mapping(image, end - 1)->module, 0);
	assert_int_equal(cs_image_mapping(image, end)->module, CS_NO_MODULE);
	assert_int_equal(cs_module_writable(m, image, w, 0), 0);
}

TEST(another_build_is_refused)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	const struct cs_image_options exe = { .exe = self };

	map_self(&f, BASE, self, WITH_HEADER | WITH_FILES, "another build id");
	take(&f, &exe);
	only_module(CS_FILE_MISMATCH);
	assert_null(cs_mem_view(image->mem, BASE + 2 * PAGE, 1));
}

TEST(a_file_that_is_gone_is_missing)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	struct cs_range w[4];

	map_self(&f, BASE, "/nowhere/at all/prog", WITH_HEADER | WITH_FILES, NULL);
	take(&f, NULL);

	const struct cs_module *m = only_module(CS_FILE_MISSING);

	assert_int_equal(m->bias, BASE); /* the headers in memory say so */
	assert_int_equal(cs_module_writable(m, image, w, 4), 1);
	assert_int_equal(m->build_id_len, 20);
}

TEST(without_its_header_page_a_file_of_that_layout_is_unverified)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	map_self(&f, BASE, self, WITH_FILES, NULL);
	take(&f, NULL);

	const struct cs_module *m = only_module(CS_FILE_UNVERIFIED);

	assert_int_equal(m->bias, BASE);
	assert_int_equal(m->build_id_len, 20);
	check_text(m, true);
}

TEST(a_deleted_file_is_looked_for_under_its_old_name)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s (deleted)", self);
	map_self(&f, BASE, path, WITH_HEADER | WITH_FILES, NULL);
	take(&f, NULL);
	assert_string_equal(only_module(CS_FILE_MATCHED)->file_path, self);
}

TEST(the_sysroot_goes_first)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	char root[] = "/tmp/root-XXXXXX", link[64];
	const struct cs_image_options o = { .sysroot = root };

	assert_non_null(mkdtemp(root));
	snprintf(link, sizeof(link), "%s/prog", root);
	assert_int_equal(symlink(self, link), 0);
	map_self(&f, BASE, "/prog", WITH_HEADER | WITH_FILES, NULL);
	take(&f, &o);
	assert_string_equal(only_module(CS_FILE_MATCHED)->file_path, link);
	unlink(link);
	rmdir(root);
}

TEST(the_option_exe_is_for_the_executable_only)
{
	static const uint64_t other[] = { AT_ENTRY, FORGE_HEAP, AT_NULL, 0 };
	const uint64_t mine[] = { AT_PHDR, BASE + 64, AT_NULL, 0 };
	const struct cs_image_options o = { .exe = self };

	for (int is_exe = 0; is_exe < 2; is_exe++) {
		struct forge f = { .loads = { NULL, 0, 0 } };

		forge_auxv(&f, is_exe ? mine : other, 2);
		forge_load(&f, FORGE_HEAP, PF_R | PF_W, PAGE, PAGE);
		map_self(&f, BASE, "/nowhere/prog", WITH_HEADER | WITH_FILES, NULL);
		take(&f, &o);
		assert_int_equal(only_module(is_exe ? CS_FILE_MATCHED : CS_FILE_MISSING)->is_exe, is_exe);
		assert_int_equal(image->exe_path != NULL, is_exe);
		drop(NULL);
		start(NULL);
	}
}

TEST(a_file_read_through_mmap_is_no_module)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	map_self(&f, BASE, self, AS_DATA | WITH_FILES, NULL);
	take(&f, NULL);
	assert_int_equal(image->modules.count, 0);
}

TEST(the_same_file_may_be_loaded_twice)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	struct forge_file files[32];
	const struct cs_elf_load *l;
	size_t n = cs_elf_loads(elf, &l), count = 0;

	for (uint64_t base = BASE; base <= BASE + (1 << 30); base += 1 << 30) {
		map_self(&f, base, self, WITH_HEADER, NULL);
		for (size_t i = 0; i < n; i++)
			files[count++] = (struct forge_file){ base + down(l[i].vaddr),
							      base + up(l[i].vaddr + l[i].filesz),
							      down(l[i].off) / PAGE, self };
	}
	forge_files(&f, files, count);
	take(&f, NULL);
	assert_int_equal(image->modules.count, 2);
	assert_int_equal(image->modules.items[0].bias, BASE);
	assert_int_equal(image->modules.items[1].bias, BASE + (1 << 30));
	assert_int_equal(image->modules.items[1].file, CS_FILE_MATCHED);
}

TEST(without_a_file_note_modules_are_told_by_their_magic)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	const uint64_t auxv[] = { AT_PHDR, BASE + 64, AT_NULL, 0 };
	const struct cs_image_options o = { .exe = self };

	forge_auxv(&f, auxv, 2);
	map_self(&f, BASE, self, WITH_HEADER, NULL);
	take(&f, &o);

	const struct cs_module *m = only_module(CS_FILE_MATCHED);

	assert_string_equal(m->path, "");
	assert_string_equal(m->file_path, self);
	assert_true(m->is_exe);
	check_text(m, true);
}

TEST(headers_in_memory_that_lie_make_no_giant_module)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	const struct forge_file files[] = {
		{ BASE, BASE + PAGE, 0, "/nowhere/a" },
		{ BASE + 0x10000, BASE + 0x11000, 0, "/nowhere/b" },
	};
	unsigned char page[PAGE] = { 0 };
	Elf64_Ehdr *e = (Elf64_Ehdr *)page;
	Elf64_Phdr *ph = (Elf64_Phdr *)(page + 64);
	size_t len;

	memcpy(page, cs_elf_bytes(elf, &len), sizeof(*e));
	e->e_phoff = 64;
	e->e_phnum = 2;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_memsz = UINT64_MAX / 2 };
	ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_filesz = UINT64_MAX };
	forge_files(&f, files, 2);
	forge_load_bytes(&f, BASE, PF_R | PF_W, page, PAGE, PAGE);
	forge_load(&f, BASE + 0x10000, PF_R, PAGE, PAGE);
	take(&f, NULL);

	const struct cs_module *m = only_module(CS_FILE_MISSING);
	struct cs_range w[2];

	assert_int_equal(m->range.len, 0x10000); /* not into the next file */
	assert_int_equal(cs_module_writable(m, image, w, 2), 1);
	assert_true(cs_range_end(w[0]) <= BASE + 0x10000);
}

/* A copy of the file with its program headers moved to the end, as patchelf does. */
static struct cs_elf *with_far_headers(char *path)
{
	size_t len, table;
	const unsigned char *bytes = cs_elf_bytes(elf, &len);
	unsigned char *copy;
	struct cs_elf *moved;
	Elf64_Ehdr *e;

	table = ((const Elf64_Ehdr *)bytes)->e_phnum * sizeof(Elf64_Phdr);
	copy = malloc(len + table);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	e = (Elf64_Ehdr *)copy;
	memcpy(copy + len, bytes + e->e_phoff, table);
	memset(copy + e->e_phoff, 0xee, table);
	e->e_phoff = len;
	strcpy(path, forge_write(copy, len + table));
	free(copy);
	assert_int_equal(cs_elf_open(path, &moved, NULL), CS_OK);
	return moved;
}

TEST(program_headers_that_were_moved_away_come_from_the_file)
{
	char path[64];
	struct cs_elf *plain = elf;

	elf = with_far_headers(path);
	for (int other = 0; other < 2; other++) {
		struct forge f = { .loads = { NULL, 0, 0 } };

		map_self(&f, BASE, path, WITH_HEADER | WITH_FILES, other ? "another build id" : NULL);
		take(&f, NULL);

		const struct cs_module *m = only_module(other ? CS_FILE_MISMATCH : CS_FILE_MATCHED);

		if (!other) {
			assert_int_equal(m->bias, BASE);
			check_text(m, true);
		}
		drop(NULL);
		start(NULL);
	}
	unlink(path);
	cs_elf_close(elf);
	elf = plain;
}

TEST(another_layout_without_header_page_is_refused)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	const struct forge_file files[] = {
		{ BASE, BASE + PAGE, 0, self },
		{ BASE + PAGE, BASE + 0x100000, 3, self }, /* not where its text would be */
	};

	forge_files(&f, files, 2);
	forge_load(&f, BASE, PF_R, 0, PAGE);
	forge_load(&f, BASE + PAGE, PF_R | PF_X, 0, 0x100000 - PAGE);
	take(&f, NULL);
	only_module(CS_FILE_MISMATCH);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, drop)
	const struct CMUnitTest tests[] = {
		CASE(a_file_with_the_same_build_id_lends_its_pages),
		CASE(a_writable_page_that_was_not_dumped_is_absent),
		CASE(a_module_reaches_to_the_end_of_its_bss),
		CASE(another_build_is_refused),
		CASE(a_file_that_is_gone_is_missing),
		CASE(without_its_header_page_a_file_of_that_layout_is_unverified),
		CASE(a_deleted_file_is_looked_for_under_its_old_name),
		CASE(the_sysroot_goes_first),
		CASE(the_option_exe_is_for_the_executable_only),
		CASE(a_file_read_through_mmap_is_no_module),
		CASE(the_same_file_may_be_loaded_twice),
		CASE(without_a_file_note_modules_are_told_by_their_magic),
		CASE(headers_in_memory_that_lie_make_no_giant_module),
		CASE(program_headers_that_were_moved_away_come_from_the_file),
		CASE(another_layout_without_header_page_is_refused),
	};

	return cmocka_run_group_tests(tests, open_self, close_self);
}
