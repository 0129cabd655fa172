/* A core cut anywhere opens as far as it goes, and says what is lost. */
#include "forge_core.h"
#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *whole;
static size_t whole_len;

static int build(void **state)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	(void)state;
	forge_ordinary(&f);
	whole = forge_build(&f, &whole_len);
	forge_deinit(&f);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	free(whole);
	return 0;
}

/* Every byte that is there is right; returns how many are. */
static uint64_t check_bytes(struct cs_core *core)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < core->loads.count; i++) {
		const struct cs_core_load *l = &core->loads.items[i];

		for (uint64_t k = 0; k < l->memsz; k++) {
			const unsigned char *p = cs_mem_view(&core->mem, l->start + k, 1);

			assert_int_equal(p != NULL, k < l->present);
			if (p)
				assert_int_equal(*p, forge_pattern(l->start + k));
		}
		assert_int_equal(cs_mem_present(&core->mem, l->start, l->memsz), l->present);
		sum += l->present;
	}
	return sum;
}

TEST(the_whole_core_is_whole)
{
	struct cs_core *core;

	assert_int_equal(forge_open(whole, whole_len, &core, NULL), CS_OK);
	assert_int_equal(core->loads.count, 4);
	assert_int_equal(core->notes.count, 5);
	assert_int_equal(core->mem.mapped, (2 + 4 + 16 + 2) * 0x1000);
	assert_int_equal(core->mem.present, (1 + 4 + 2) * 0x1000);
	assert_int_equal(core->mem.truncated, 0);
	assert_int_equal(core->header_lies, 0);
	assert_int_equal(core->lost_headers, 0);
	assert_int_equal(core->lost_notes, 0);
	assert_int_equal(check_bytes(core), core->mem.present);
	cs_core_close(core);
}

/* What does not even hold its headers is refused with these words. */
TEST(a_cut_inside_the_headers_is_told)
{
	static const struct {
		size_t len;
		cs_status status;
		const char *words;
	} rows[] = {
		{ 0, CS_CORRUPT, "the file is empty" },
		{ 1, CS_CORRUPT, "no ELF header" },
		{ 3, CS_CORRUPT, "no ELF header" },
		{ 4, CS_CORRUPT, "truncated inside the ELF header" },
		{ 63, CS_CORRUPT, "truncated inside the ELF header" },
		{ 64, CS_CORRUPT, "no program header" },
		{ 64 + 55, CS_CORRUPT, "no program header" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cs_error err = { .text = "" };
		struct cs_core *core = NULL;

		assert_int_equal(forge_open(whole, rows[i].len, &core, &err), rows[i].status);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_null(core);
	}
}

TEST(a_cut_inside_the_program_headers_keeps_those_before_it)
{
	for (size_t n = 1; n <= 4; n++) {
		struct cs_core *core;

		assert_int_equal(forge_open(whole, 64 + 56 * n + 7, &core, NULL), CS_OK);
		assert_int_equal(core->lost_headers, 5 - n);
		assert_int_equal(core->loads.count, n - 1);
		assert_int_equal(core->mem.present, 0);
		assert_true(core->lost_notes > 0);
		cs_core_close(core);
	}
}

TEST(a_cut_inside_the_notes_keeps_those_before_it)
{
	Elf64_Phdr *notes = forge_phdr(whole, 0);
	size_t last = 0;

	for (uint64_t cut = 0; cut <= notes->p_filesz; cut += 4) {
		struct cs_core *core;
		struct cs_image *image;

		assert_int_equal(forge_open(whole, notes->p_offset + cut, &core, NULL), CS_OK);
		assert_int_equal(core->lost_notes, notes->p_filesz - cut);
		assert_true(core->notes.count >= last);
		last = core->notes.count;
		assert_int_equal(cs_image_of_core(core, NULL, &image, NULL), CS_OK);
		cs_image_destroy(image);
		cs_core_close(core);
	}
	assert_int_equal(last, 5);
}

TEST(a_cut_inside_the_memory_counts_what_is_lost)
{
	static const unsigned permille[] = { 10, 300, 600, 990, 999 };
	Elf64_Phdr *first = forge_phdr(whole, 1);

	for (size_t i = 0; i < sizeof(permille) / sizeof(*permille); i++) {
		size_t body = whole_len - first->p_offset;
		size_t len = first->p_offset + body * permille[i] / 1000;
		struct cs_core *core;
		struct cs_image *image;

		assert_int_equal(forge_open(whole, len, &core, NULL), CS_OK);
		assert_int_equal(core->mem.truncated, whole_len - len);
		assert_int_equal(core->mem.present, 7 * 0x1000 - (whole_len - len));
		assert_int_equal(core->mem.mapped, 24 * 0x1000);
		assert_int_equal(core->header_lies, 0);
		assert_int_equal(check_bytes(core), core->mem.present);
		assert_int_equal(cs_image_of_core(core, NULL, &image, NULL), CS_OK);
		assert_int_equal(image->threads.count, 2);
		assert_string_equal(image->command, "prog --now");
		cs_image_destroy(image);
		cs_core_close(core);
	}
}

TEST(every_page_boundary_is_a_place_to_be_cut)
{
	for (size_t len = 0; len <= whole_len; len += 512) {
		struct cs_core *core;
		struct cs_error err = { .text = "" };

		if (forge_open(whole, len, &core, &err) == CS_OK) {
			assert_int_equal(check_bytes(core), core->mem.present);
			cs_core_close(core);
		} else {
			assert_true(*err.text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_core_is_whole),
		cmocka_unit_test(a_cut_inside_the_headers_is_told),
		cmocka_unit_test(a_cut_inside_the_program_headers_keeps_those_before_it),
		cmocka_unit_test(a_cut_inside_the_notes_keeps_those_before_it),
		cmocka_unit_test(a_cut_inside_the_memory_counts_what_is_lost),
		cmocka_unit_test(every_page_boundary_is_a_place_to_be_cut),
	};

	return cmocka_run_group_tests(tests, build, drop);
}
