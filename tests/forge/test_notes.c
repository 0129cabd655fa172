/* What notes say is taken by owner and type; what contradicts itself is left out. */
#include "forge_core.h"
#include "cs_test.h"

#include <stdlib.h>
#include <string.h>

static struct cs_core *core;
static struct cs_image *image;

/* Build, open, look; the forge is used up. */
static void take(struct forge *f)
{
	size_t len;
	unsigned char *file = forge_build(f, &len);

	forge_deinit(f);
	assert_int_equal(forge_open(file, len, &core, NULL), CS_OK);
	free(file);
	assert_int_equal(cs_image_of_core(core, NULL, &image, NULL), CS_OK);
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

static void some_memory(struct forge *f)
{
	forge_load(f, FORGE_TEXT, PF_R | PF_X, 0x1000, 0x2000);
	forge_load(f, FORGE_HEAP, PF_R | PF_W, 0x4000, 0x4000);
}

TEST(the_picture_of_an_ordinary_core)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_ordinary(&f);
	take(&f);
	assert_int_equal(image->pid, 100);
	assert_int_equal(image->signal, 6);
	assert_string_equal(image->command, "prog --now");
	assert_int_equal(image->threads.count, 2);
	assert_int_equal(image->threads.items[0].tid, 100);
	assert_int_equal(image->threads.items[0].pc, FORGE_TEXT + 0x10);
	assert_int_equal(image->threads.items[0].sp, FORGE_STACK + 0x100);
	assert_int_equal(image->threads.items[0].fs_base, FORGE_HEAP + 0x40);
	assert_int_equal(image->threads.items[1].tid, 101);
	assert_int_equal(image->mappings.count, 4);
	assert_int_equal(cs_image_mapping(image, FORGE_TEXT)->kind, CS_MAPPING_FILE);
	assert_string_equal(cs_image_mapping(image, FORGE_TEXT)->path, "/nowhere/prog");
	assert_int_equal(cs_image_mapping(image, FORGE_TEXT)->prot, CS_PROT_R | CS_PROT_X);
	assert_int_equal(cs_image_mapping(image, FORGE_HEAP)->kind, CS_MAPPING_ANON);
	assert_int_equal(cs_image_mapping(image, FORGE_STACK)->kind, CS_MAPPING_STACK);
	assert_null(cs_image_mapping(image, FORGE_HEAP - 1));
	assert_null(cs_image_mapping(image, 0));
}

TEST(the_order_of_notes_does_not_matter)
{
	static const uint64_t auxv[] = { AT_RANDOM, FORGE_STACK + 8, AT_NULL, 0 };
	const struct forge_file files[] = { { FORGE_TEXT, FORGE_TEXT + 0x2000, 0, "/nowhere/p" } };
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_files(&f, files, 1);
	forge_note(&f, "GDB", 0xff000000, "<target/>", 9);
	forge_auxv(&f, auxv, 2);
	forge_psinfo(&f, 42, "p");
	forge_thread(&f, 42, FORGE_STACK, 11);
	some_memory(&f);
	forge_load(&f, FORGE_STACK, PF_R | PF_W, 0x1000, 0x1000);
	take(&f);
	assert_int_equal(image->pid, 42);
	assert_int_equal(image->signal, 11);
	assert_int_equal(cs_image_mapping(image, FORGE_STACK)->kind, CS_MAPPING_STACK);
	assert_string_equal(cs_image_mapping(image, FORGE_TEXT)->path, "/nowhere/p");
}

TEST(a_type_means_nothing_without_its_owner)
{
	static const unsigned char junk[400] = { 0 };
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_note(&f, "GNU", NT_PRPSINFO, junk, 136);
	forge_note(&f, "LINUX", NT_PRSTATUS, junk, 336);
	forge_note(&f, "", NT_PRSTATUS, junk, 336);
	forge_note(&f, "CORE", NT_PRSTATUS, junk, 335); /* too short */
	forge_note(&f, "CORE", NT_PRPSINFO, junk, 20);
	forge_note(&f, "CORE", NT_SIGINFO, junk, 2);
	forge_thread(&f, 9, FORGE_HEAP, 0);
	some_memory(&f);
	take(&f);
	assert_int_equal(image->threads.count, 1);
	assert_int_equal(image->pid, 9); /* of the first thread */
	assert_int_equal(image->signal, 0);
	assert_string_equal(image->command, "");
	assert_int_equal(cs_image_mapping(image, FORGE_HEAP)->kind, CS_MAPPING_STACK);
}

TEST(the_signal_may_stand_in_siginfo_and_sigstop_is_gcores)
{
	static const unsigned char segv[128] = { 11 };
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_thread(&f, 9, FORGE_HEAP, 19);
	forge_note(&f, "CORE", NT_SIGINFO, segv, sizeof(segv));
	some_memory(&f);
	take(&f);
	assert_int_equal(image->signal, 11);
}

TEST(a_note_with_a_bad_owner_does_not_hide_those_behind_it)
{
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_note(&f, "CORE", 77, "abcd", 4);
	memcpy(f.notes.items + 12, "XXXXXXXX", 8); /* no NUL: n_namesz is 5 */
	memset(f.notes.items + 20, 'X', f.notes.count - 20);
	forge_thread(&f, 9, FORGE_HEAP, 0);
	some_memory(&f);
	take(&f);
	assert_int_equal(core->notes.count, 2);
	assert_string_equal(core->notes.items[0].owner, "");
	assert_int_equal(image->threads.count, 1);
}

TEST(note_sizes_that_lie_end_the_notes)
{
	static const uint32_t lies[] = { UINT32_MAX, UINT32_MAX - 3, 0x80000000u, 100000 };

	for (size_t field = 0; field < 2; field++)
		for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
			struct forge f = { .loads = { NULL, 0, 0 } };
			size_t at;

			forge_thread(&f, 9, FORGE_HEAP, 0);
			at = f.notes.count;
			forge_thread(&f, 10, FORGE_HEAP, 0);
			memcpy(f.notes.items + at + 4 * field, &lies[i], 4);
			some_memory(&f);
			take(&f);
			assert_int_equal(image->threads.count, 1);
			assert_int_equal(core->header_lies, 1);
			drop(NULL);
			start(NULL);
		}
}

/* The picture of a core whose NT_FILE had `count` written over its count. */
static void with_count(uint64_t count)
{
	const struct forge_file files[] = {
		{ FORGE_TEXT, FORGE_TEXT + 0x1000, 0, "/a" },
		{ FORGE_TEXT + 0x1000, FORGE_TEXT + 0x2000, 1, "/a" },
	};
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_files(&f, files, 2);
	memcpy(f.notes.items + 20, &count, 8); /* header 12, "CORE" 8 */
	some_memory(&f);
	take(&f);
}

TEST(an_absurd_file_count_is_not_believed)
{
	static const uint64_t counts[] = { 0, 3, 4, 1000, 1ull << 32, UINT64_MAX / 24 + 1, UINT64_MAX };

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		with_count(counts[i]);
		assert_int_equal(image->mappings.count, 2); /* the PT_LOADs */
		assert_null(cs_image_mapping(image, FORGE_TEXT)->path);
		drop(NULL);
		start(NULL);
	}
	with_count(2);
	assert_int_equal(image->mappings.count, 3);
	assert_string_equal(cs_image_mapping(image, FORGE_TEXT)->path, "/a");
	assert_int_equal(cs_image_mapping(image, FORGE_TEXT + 0x1000)->file_off, 0x1000);
}

TEST(file_ranges_that_lie_are_left_out)
{
	const struct forge_file files[] = {
		{ FORGE_TEXT, FORGE_TEXT, 0, "/empty" },
		{ FORGE_TEXT + 0x1000, FORGE_TEXT, 0, "/backwards" },
		{ FORGE_TEXT, FORGE_TEXT + 0x1000, UINT64_MAX / 2, "/offset" },
		{ FORGE_TEXT, FORGE_TEXT + 0x1000, 0, "/good" },
		{ FORGE_TEXT + 0x800, FORGE_TEXT + 0x1800, 0, "/overlap" },
		{ 0, UINT64_MAX, 0, "/everything" },
	};
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_files(&f, files, 5);
	some_memory(&f);
	take(&f);
	assert_string_equal(cs_image_mapping(image, FORGE_TEXT)->path, "/good");
	for (size_t i = 1; i < image->mappings.count; i++)
		assert_true(cs_range_end(image->mappings.items[i - 1].range) <=
			    image->mappings.items[i].range.start);
	drop(NULL);
	start(NULL);
	f = (struct forge){ .loads = { NULL, 0, 0 } };
	forge_files(&f, files, 6);
	some_memory(&f);
	take(&f);
	assert_int_equal(image->mappings.count, 1);
}

TEST(names_tell_shared_mappings)
{
	static const char *const names[] = { "/dev/zero (deleted)", "/memfd:x (deleted)", "/dev/shm/y",
					     "/SYSV00000000 (deleted)" };
	struct forge f = { .loads = { NULL, 0, 0 } };
	struct forge_file files[5];

	for (uint64_t i = 0; i < 4; i++) {
		forge_load(&f, FORGE_HEAP + i * 0x2000, PF_R | PF_W, 0x1000, 0x1000);
		files[i] = (struct forge_file){ FORGE_HEAP + i * 0x2000,
						FORGE_HEAP + i * 0x2000 + 0x1000, 0, names[i] };
	}
	forge_files(&f, files, 4);
	take(&f);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(cs_image_mapping(image, FORGE_HEAP + i * 0x2000)->kind,
				 CS_MAPPING_SHARED);
}

TEST(the_kernels_pages_are_told_by_auxv_and_address)
{
	static const uint64_t auxv[] = { AT_SYSINFO_EHDR, 0x7fff0006000, AT_NULL, 0 };
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_auxv(&f, auxv, 2);
	forge_load(&f, 0x7fff0000000, PF_R | PF_W, 0x1000, 0x1000);
	forge_load(&f, 0x7fff0001000, PF_R, 0, 0x4000); /* vvar */
	forge_load(&f, 0x7fff0005000, PF_R, 0, 0x1000); /* vvar_vclock */
	forge_load(&f, 0x7fff0006000, PF_R | PF_X, 0x2000, 0x2000);
	forge_load(&f, 0xffffffffff600000, PF_X, 0x1000, 0x1000);
	take(&f);
	assert_int_equal(cs_image_mapping(image, 0x7fff0000000)->kind, CS_MAPPING_ANON);
	assert_int_equal(cs_image_mapping(image, 0x7fff0001000)->kind, CS_MAPPING_KERNEL);
	assert_int_equal(cs_image_mapping(image, 0x7fff0005000)->kind, CS_MAPPING_KERNEL);
	assert_int_equal(cs_image_mapping(image, 0x7fff0006000)->kind, CS_MAPPING_KERNEL);
	assert_int_equal(cs_image_mapping(image, 0xffffffffff600000)->kind, CS_MAPPING_KERNEL);
}

TEST(mappings_gcore_left_out_are_known_from_the_file_note)
{
	const struct forge_file files[] = {
		{ FORGE_TEXT, FORGE_TEXT + 0x2000, 0, "/a" },
		{ FORGE_TEXT + 0x2000, FORGE_TEXT + 0x8000, 2, "/a" },
	};
	struct forge f = { .loads = { NULL, 0, 0 } };

	forge_files(&f, files, 2);
	some_memory(&f);
	take(&f);
	assert_int_equal(image->mappings.count, 3);
	assert_int_equal(cs_image_mapping(image, FORGE_TEXT + 0x7fff)->prot, 0);
	assert_int_equal(core->mem.mapped, 0x8000 + 0x4000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, drop)
	const struct CMUnitTest tests[] = {
		CASE(the_picture_of_an_ordinary_core),
		CASE(the_order_of_notes_does_not_matter),
		CASE(a_type_means_nothing_without_its_owner),
		CASE(the_signal_may_stand_in_siginfo_and_sigstop_is_gcores),
		CASE(a_note_with_a_bad_owner_does_not_hide_those_behind_it),
		CASE(note_sizes_that_lie_end_the_notes),
		CASE(an_absurd_file_count_is_not_believed),
		CASE(file_ranges_that_lie_are_left_out),
		CASE(names_tell_shared_mappings),
		CASE(the_kernels_pages_are_told_by_auxv_and_address),
		CASE(mappings_gcore_left_out_are_known_from_the_file_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
