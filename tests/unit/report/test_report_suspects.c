/* Suspects in sentences: what accumulates, how much, where, and what to ask next. */
#include "report/report_suspects.h"

#include "report/report.h"

#include "cs_test.h"
#include "fake_model.h"

#include <stdlib.h>
#include <string.h>

static struct cs_arena words;

static int end(void **state)
{
	(void)state;
	cs_arena_deinit(&words);
	words = (struct cs_arena){ 0 };
	return 0;
}

static void says(const struct cs_suspect_row *row, const char *text, const char *option)
{
	assert_string_equal(cs_suspect_text(row, 1000 << 20, &words), text);
	assert_string_equal(cs_suspect_option(row, &words), option);
}

static const struct cs_suspect_row holder = {
	.kind = CS_SUSPECT_HOLDER, .name = "app.cache.SESSIONS", .type = "dict", .bytes = 612 << 20,
	.count = 412000, .count_of = "entries", .parts = "app.models.Session", .parts_count = 412000,
	.addr = 0x7f00,
};

static void a_holder_says_what_it_is_made_of(void **state)
{
	struct cs_suspect_row row = holder;

	(void)state;
	says(&row, "app.cache.SESSIONS, a dict of 412,000 entries, keeps 612.0 MiB (61 %) alive. "
		   "Most of it: 412,000 app.models.Session, which nothing else holds.",
	     "--why app.models.Session");
	row.is_mixed = row.is_guess = row.is_local = true;
	row.tid = 17;
	row.parts = "int";
	says(&row, "It seems that app.cache.SESSIONS, a dict of 412,000 entries, keeps 612.0 MiB "
		   "(61 %) alive. Most in it: 412,000 int, which nothing else holds. It goes when "
		   "that function returns, in thread 17.", "--why 0x7f00");
	row = holder;
	row.is_cache = true;
	row.parts = NULL;
	says(&row, "app.cache.SESSIONS, a functools.lru_cache without a maxsize of 412,000 entries, "
		   "keeps 612.0 MiB (61 %) alive.", "--why 0x7f00");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_HOLDER, .type = "(malloc, type unknown)",
				       .bytes = 1 << 20, .addr = 0x7f00, .is_chain = true };
	says(&row, "a block of memory at 0x7f00 keeps 1.0 MiB (0 %) alive. There a linked list, or a "
		   "tree, of its kind begins.", "--why 0x7f00");
}

static void the_others_say_what_is_wrong(void **state)
{
	struct cs_suspect_row row = { .kind = CS_SUSPECT_OBJECT, .name = "app.BLOB", .type = "bytes",
				      .bytes = 100 << 20, .addr = 0x7f00 };

	(void)state;
	says(&row, "app.BLOB, a bytes, has 100.0 MiB (10 %) in itself.", "--why 0x7f00");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_GROUP, .name = "a.X", .also = "b.Y",
				       .type = "app.Order", .bytes = 100 << 20, .count = 5000 };
	says(&row, "5,000 app.Order have 100.0 MiB (10 %); each is held from more than one place, "
		   "such as a.X and b.Y.", "--why app.Order");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_GARBAGE, .bytes = 100 << 20, .count = 9,
				       .parts = "app.Node", .parts_count = 6 };
	says(&row, "9 objects are garbage that only holds itself and was not collected: 100.0 MiB "
		   "(10 %), most of it 6 app.Node.", "--leaks");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_LEAKED, .bytes = 100 << 20, .count = 9 };
	says(&row, "Nothing points to 9 blocks any more that were never given back: 100.0 MiB (10 %) "
		   "leaked.", "--leaks");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_FREE, .bytes = 100 << 20, .type = "malloc" };
	says(&row, "100.0 MiB (10 %) is free inside the heaps of malloc and was not given back.",
	     "--arenas");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_COPIES, .bytes = 100 << 20, .count = 70,
				       .parts = "'abc'", .parts_count = 60, .addr = 0x7f00 };
	says(&row, "70 strings say what others say already: 100.0 MiB (10 %). The text that wastes "
		   "most, 'abc', is there 60 times.", "--object 0x7f00");
	row.parts = NULL; /* --no-values */
	says(&row, "70 strings say what others say already: 100.0 MiB (10 %). The text that wastes "
		   "most is there 60 times.", "--object 0x7f00");
	row = (struct cs_suspect_row){ .kind = CS_SUSPECT_ROOM, .bytes = 100 << 20, .count = 2,
				       .parts_count = 90 << 20, .addr = 0x7f00, .type = "list",
				       .name = "a.X" };
	says(&row, "2 containers have room for much more than they hold: 100.0 MiB (10 %) unused, "
		   "90.0 MiB of it in a.X, a list.", "--object 0x7f00");
}

static char *page(size_t count, enum cs_format format)
{
	struct cs_report_options options = { .format = format, .target = "core.1", .look.width = 80 };
	struct cs_answer answer = { 0 };
	struct cs_error err = { 0 };
	struct cs_model m = { 0 };
	size_t len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	fake_model_worker(&m);
	for (size_t i = 0; i < count; i++) {
		struct cs_suspect_row row = holder;

		row.bytes -= i << 20;
		assert_true(cs_vec_push(&answer.suspects, row));
	}
	options.suspects = &answer;
	assert_int_equal(cs_report_write(out, &m, NULL, 0, &options, &err), CS_OK);
	assert_int_equal(fclose(out), 0);
	cs_vec_free(&answer.suspects);
	cs_model_deinit(&m);
	return text;
}

static void the_page_has_five_sentences_at_most(void **state)
{
	static const char last[] = "  5 Then app.cache.SESSIONS 608.0 MiB; ";
	char *text = page(0, CS_FORMAT_TEXT);

	(void)state;
	assert_null(strstr(text, "SUSPECTS"));
	free(text);
	text = page(5, CS_FORMAT_TEXT);
	assert_non_null(strstr(text, "\nSUSPECTS\n  1 app.cache.SESSIONS, a dict of 412,000 entries, "));
	assert_non_null(strstr(text, "\n  5 app.cache.SESSIONS, a dict"));
	assert_non_null(strstr(text, "\n    corescan core.1 --why app.models.Session\n"));
	free(text);
	text = page(12, CS_FORMAT_TEXT);
	assert_non_null(strstr(text, last));
	assert_non_null(strstr(text, "2 more.\n    corescan core.1 --suspects\n"));
	assert_null(strstr(text, "\n  6 "));
	free(text);
	text = page(12, CS_FORMAT_JSON);
	assert_non_null(strstr(text, "{\"view\":\"suspects\",\"rows\":["));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_holder_says_what_it_is_made_of, end),
		cmocka_unit_test_teardown(the_others_say_what_is_wrong, end),
		cmocka_unit_test(the_page_has_five_sentences_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
