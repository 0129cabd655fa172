/* Headers that lie lose the lying part, and only that. */
#include "forge_core.h"
#include "cs_test.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *file;
static size_t len;
static struct cs_core *core;
static struct cs_error err;

static int build(void **state)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	(void)state;
	forge_ordinary(&f);
	file = forge_build(&f, &len);
	forge_deinit(&f);
	core = NULL;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int drop(void **state)
{
	(void)state;
	free(file);
	cs_core_close(core);
	return 0;
}

static Elf64_Ehdr *ehdr(void)
{
	return (Elf64_Ehdr *)file;
}

static void refused(cs_status status, const char *words)
{
	assert_int_equal(forge_open(file, len, &core, &err), status);
	assert_null(core);
	assert_non_null(strstr(err.text, words));
}

static void opened(uint64_t lies)
{
	assert_int_equal(forge_open(file, len, &core, &err), CS_OK);
	assert_int_equal(core->header_lies, lies);
}

static bool heap_is_right(uint64_t off, uint64_t n)
{
	const unsigned char *p = cs_mem_view(&core->mem, FORGE_HEAP + off, n);

	for (uint64_t i = 0; p && i < n; i++)
		if (p[i] != forge_pattern(FORGE_HEAP + off + i))
			return false;
	return p != NULL;
}

TEST(a_32_bit_core_is_named)
{
	file[EI_CLASS] = ELFCLASS32;
	refused(CS_UNSUPPORTED, "32-bit");
}

TEST(a_big_endian_core_is_named)
{
	file[EI_DATA] = ELFDATA2MSB;
	refused(CS_UNSUPPORTED, "big-endian");
}

TEST(an_unknown_class_is_named)
{
	file[EI_CLASS] = 9;
	refused(CS_UNSUPPORTED, "unknown class");
}

TEST(another_machine_is_named)
{
	ehdr()->e_machine = EM_AARCH64;
	refused(CS_UNSUPPORTED, "machine 183");
}

TEST(an_executable_is_no_core)
{
	ehdr()->e_type = ET_EXEC;
	refused(CS_CORRUPT, "not a core");
}

TEST(program_headers_of_another_size_are_refused)
{
	ehdr()->e_phentsize = 32;
	refused(CS_CORRUPT, "32 bytes instead of 56");
}

TEST(no_program_header_is_refused)
{
	ehdr()->e_phnum = 0;
	refused(CS_CORRUPT, "no program header");
}

TEST(a_table_beyond_the_file_is_refused)
{
	ehdr()->e_phoff = UINT64_MAX - 8;
	refused(CS_CORRUPT, "no program header");
}

TEST(a_count_beyond_the_file_is_cut_to_it)
{
	ehdr()->e_phnum = 60000;
	assert_int_equal(forge_open(file, len, &core, &err), CS_OK);
	assert_true(core->lost_headers > 50000);
	assert_true(heap_is_right(0, 0x4000));
}

TEST(an_extended_count_without_section_header_is_cut_too)
{
	ehdr()->e_phnum = PN_XNUM;
	assert_int_equal(forge_open(file, len, &core, &err), CS_OK);
	assert_true(core->lost_headers > 60000);
	cs_core_close(core);
	core = NULL;
	ehdr()->e_shoff = len - 8; /* a section header that does not fit */
	assert_int_equal(forge_open(file, len, &core, &err), CS_OK);
	assert_true(heap_is_right(0, 0x4000));
}

TEST(an_offset_that_overflows_leaves_the_segment_without_bytes)
{
	forge_phdr(file, 2)->p_offset = UINT64_MAX - 0x100;
	opened(1);
	assert_null(cs_mem_view(&core->mem, FORGE_HEAP, 1));
	assert_int_equal(core->mem.mapped, 24 * 0x1000);
	assert_int_equal(core->mem.present, 3 * 0x1000);
}

TEST(a_segment_that_wraps_around_is_dropped)
{
	forge_phdr(file, 2)->p_vaddr = UINT64_MAX - 0x100;
	opened(1);
	assert_int_equal(core->loads.count, 3);
}

TEST(more_file_than_memory_is_cut_to_the_memory)
{
	forge_phdr(file, 2)->p_memsz = 0x1000;
	opened(1);
	assert_true(heap_is_right(0, 0x1000));
	assert_null(cs_mem_view(&core->mem, FORGE_HEAP, 0x1001));
}

TEST(absurd_sizes_are_truncation_and_do_not_wrap_the_sum)
{
	for (size_t nr = 1; nr <= 4; nr++) {
		forge_phdr(file, nr)->p_filesz = UINT64_MAX - forge_phdr(file, nr)->p_offset - 1;
		forge_phdr(file, nr)->p_memsz = forge_phdr(file, nr)->p_filesz;
		forge_phdr(file, nr)->p_vaddr = nr * 0x100;
	}
	assert_int_equal(forge_open(file, len, &core, &err), CS_OK);
	assert_true(core->mem.truncated == UINT64_MAX);
	assert_true(core->mem.present <= core->mem.mapped);
}

TEST(overlapping_segments_count_once)
{
	forge_phdr(file, 4)->p_vaddr = FORGE_HEAP + 0x3000; /* the stack, over the heap's last page */
	opened(1);
	assert_int_equal(core->mem.present, (1 + 4 + 1) * 0x1000);
	assert_true(heap_is_right(0, 0x4000));
	assert_int_equal(core->mem.mapped, (2 + 5 + 16) * 0x1000);
}

TEST(bytes_past_the_end_of_the_file_are_absent)
{
	forge_phdr(file, 2)->p_offset = len - 0x800;
	opened(0);
	assert_non_null(cs_mem_view(&core->mem, FORGE_HEAP, 0x800));
	assert_null(cs_mem_view(&core->mem, FORGE_HEAP, 0x801));
	assert_int_equal(core->mem.truncated, 0x3800);
}

TEST(seventy_thousand_segments_are_all_there)
{
	enum { SEGMENTS = 70000 };
	struct forge f = { .loads = { NULL, 0, 0 } };

	free(file);
	for (uint64_t i = 0; i < SEGMENTS; i++) /* two pages apart, so nothing joins */
		forge_load_bytes(&f, 0x10000000 + i * 0x2000, PF_R | PF_W, "12345678", i % 16 ? 0 : 8,
				 0x1000);
	file = forge_build(&f, &len);
	forge_deinit(&f);
	assert_int_equal(ehdr()->e_phnum, PN_XNUM);
	opened(0);
	assert_int_equal(core->loads.count, SEGMENTS);
	assert_int_equal(core->mem.segs.count, SEGMENTS / 16);
	for (uint64_t i = 0; i < SEGMENTS; i += 16)
		assert_memory_equal(cs_mem_view(&core->mem, 0x10000000 + i * 0x2000, 8), "12345678", 8);

	struct cs_image *image;

	assert_int_equal(cs_image_of_core(core, NULL, &image, &err), CS_OK);
	assert_int_equal(image->mappings.count, SEGMENTS);
	cs_image_destroy(image);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, build, drop)
	const struct CMUnitTest tests[] = {
		CASE(a_32_bit_core_is_named),
		CASE(a_big_endian_core_is_named),
		CASE(an_unknown_class_is_named),
		CASE(another_machine_is_named),
		CASE(an_executable_is_no_core),
		CASE(program_headers_of_another_size_are_refused),
		CASE(no_program_header_is_refused),
		CASE(a_table_beyond_the_file_is_refused),
		CASE(a_count_beyond_the_file_is_cut_to_it),
		CASE(an_extended_count_without_section_header_is_cut_too),
		CASE(an_offset_that_overflows_leaves_the_segment_without_bytes),
		CASE(a_segment_that_wraps_around_is_dropped),
		CASE(more_file_than_memory_is_cut_to_the_memory),
		CASE(absurd_sizes_are_truncation_and_do_not_wrap_the_sum),
		CASE(overlapping_segments_count_once),
		CASE(bytes_past_the_end_of_the_file_are_absent),
		CASE(seventy_thousand_segments_are_all_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
