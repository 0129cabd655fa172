#include "report/report.h"

#include "cs_test.h"
#include "fake_model.h"

#include <stdlib.h>
#include <string.h>

TEST(free_chunks_meet_by_arena_list_and_size)
{
	static const char *const views[] = { "bins", NULL };
	struct cs_report_options o = { .format = CS_FORMAT_CSV };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = fake_report(&m, &o, views);
	assert_string_equal(text, "arena,bin,size,count,bytes\n"
				  "mmapped,tcache,8176,1,8176\n"
				  "0x7f1234000030,bin,1040,1,1040\n"
				  "main,bin,1040,1,1040\n"
				  "main,tcache,64,1,64\n"
				  "main,tcache,32,2,64\n"
				  "0x7f1234000030,fastbin,48,1,48\n"
				  "main,fastbin,48,1,48\n");
	free(text);

	/* a heap whose arena nobody knows */
	m.blocks.spans.items[0].arena = 0;
	m.blocks.spans.items[1].arena = 99;
	text = fake_report(&m, &o, views);
	assert_non_null(strstr(text, "\n,bin,1040,1,1040\n,bin,1040,1,1040\n"));
	free(text);
	cs_model_deinit(&m);
}

TEST(a_page_of_chunks_says_what_is_around_it)
{
	static const struct cs_chunk_row rows[] = {
		{ 0x10010, 656, NULL, CS_BLOCK_USED },	 { 0x102a0, 32, "dict", CS_BLOCK_OBJECT },
		{ 0x102c0, 32, NULL, CS_BLOCK_TCACHE }, { 0x102e0, 1232, NULL, CS_BLOCK_UNCARVED },
	};
	struct cs_answer answer = { .rows_before = 20, .rows_behind = 1700 };
	struct cs_ask ask = { .view = cs_view_find("chunks"), .answer = &answer };
	struct cs_seen seen;
	struct cs_report_options o = { .no_header = true, .is_gdb = true, .skip = 20, .seen = &seen };
	struct cs_model m;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fake_model_worker(&m);
	for (size_t i = 0; i < 4; i++)
		assert_true(cs_vec_push(&answer.chunks, rows[i]));
	assert_int_equal(cs_report_write(out, &m, &ask, 1, &o, NULL), CS_OK);
	fclose(out);
	assert_string_equal(text, "ADDRESS        size  state   type\n"
				  "   20 before\n"
				  "     0x10010    656  used\n"
				  "     0x102a0     32  object  dict\n"
				  "     0x102c0     32  tcache\n"
				  "     0x102e0  1,232  top\n"
				  "  1,700 more\n"
				  "\n"
				  "  corescan bins                            where free memory waits\n");
	assert_int_equal(seen.shown, 4);
	assert_int_equal(seen.more, 1700);
	assert_int_equal(seen.last_address, 0x102e0);
	free(text);
	cs_vec_free(&answer.chunks);
	cs_model_deinit(&m);
}

TEST(an_address_outside_of_every_heap_is_told)
{
	static const char *const views[] = { "chunks", NULL };
	struct cs_report_options o = { .no_header = true };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = fake_report(&m, &o, views);
	assert_non_null(strstr(text, "  none\n  0x0 is in no heap of malloc.\n"));
	free(text);
	cs_model_deinit(&m);
}

TEST(every_state_has_a_word)
{
	for (unsigned i = 0; i < CS_BLOCK_STATES; i++)
		assert_non_null(cs_chunk_state_name(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_chunks_meet_by_arena_list_and_size),
		cmocka_unit_test(a_page_of_chunks_says_what_is_around_it),
		cmocka_unit_test(an_address_outside_of_every_heap_is_told),
		cmocka_unit_test(every_state_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
