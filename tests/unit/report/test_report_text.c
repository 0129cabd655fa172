#include "report/report.h"

#include "cs_test.h"
#include "fake_model.h"
#include "report/report_escape.h"

#include <stdlib.h>
#include <string.h>

static const char *const every_view[] = { "summary", "by-type", "by-size", "arenas", "bins",
					     "chunks", "object", "doctor", NULL };
static const char *const page[] = { NULL };

/* Every line at most width columns, none ends in a blank, only plain bytes. */
static void check_lines(char *text, unsigned width, bool is_utf8)
{
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = 0;
		if (cs_text_width(line, is_utf8) > width || (end > line && end[-1] == ' '))
			fail_msg("%u columns: '%s'", width, line);
		for (char *c = line; c < end; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f || (!is_utf8 && *c < 0))
				fail_msg("byte %02x in '%s'", (unsigned char)*c, line);
	}
}

static void hostile(struct cs_model *m)
{
	static char big[900];

	memset(big, 'x', sizeof(big) - 1);
	fake_model_worker(m);
	m->target.path = "/var/\033[31mcrash/\xff\xfe/a very long path that goes on/and on/and on/core";
	m->target.command = big;
	m->target.python.supported = false;
	m->target.python.problem = big;
	m->target.missing = m->target.lost = m->target.swapped = UINT64_MAX / 4;
	fake_type(m, "\033[2J\033[31m\n\r\t\b", CS_KIND_PYTHON, UINT64_MAX / 2, UINT64_MAX / 4);
	fake_type(m, big, CS_KIND_CXX, 1, 2000000000);
	fake_type(m, "\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60"
		     "\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d",
		  CS_KIND_PYTHON, 1, 3000000000);
	fake_type(m, "\u202egnirts\xc3", CS_KIND_PYTHON, 1, 4000000000);
	cs_model_anomaly(m, "malloc.chunk", UINT64_MAX, "%s \033]0;title\007 %s", "words and words", big);
	cs_model_finding(m, big, big, big, "%s", big);
}

TEST(no_line_is_longer_than_the_terminal)
{
	struct cs_report_options o = { .has_top = true, .target = "core.1" };
	struct cs_model m;

	hostile(&m);
	for (unsigned width = CS_WIDTH_MIN; width < 200; width += width < 90 ? 1 : 13) {
		for (unsigned utf8 = 0; utf8 < 2; utf8++) {
			char *text;

			o.look = (struct cs_look){ .width = width, .is_utf8 = utf8, .has_bars = utf8 };
			text = fake_report(&m, &o, every_view);
			check_lines(text, width, utf8);
			free(text);
			text = fake_report(&m, &o, page);
			check_lines(text, width, utf8);
			free(text);
		}
	}
	cs_model_deinit(&m);
}

TEST(a_number_is_never_cut)
{
	static const char *const views[] = { "arenas", "by-type", NULL };
	struct cs_report_options o = { .target = "core.1" };
	struct cs_model m;

	fake_model_worker(&m);
	for (unsigned width = CS_WIDTH_MIN; width < 120; width++) {
		char *text;

		o.look.width = width;
		text = fake_report(&m, &o, views);
		if (!strstr(text, "922.3 MiB") && !strstr(text, "922.3M"))
			fail_msg("%u columns:\n%s", width, text);
		if (!strstr(text, "no room for:") && !strstr(text, "heaps"))
			fail_msg("%u columns: a column is gone and nobody said so\n%s", width, text);
		free(text);
	}
	cs_model_deinit(&m);
}

TEST(the_page_says_whose_memory_where_it_went_and_what_to_ask_next)
{
	struct cs_report_options o = { .target = "core.1", .look = { .is_utf8 = true, .has_bars = true } };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = fake_report(&m, &o, page);
	assert_string_equal(
		text,
		"core.1: python3 worker.py --queue mail   pid 4711, SIGABRT, 5 threads\n"
		"CPython 3.11.2 (layout from DWARF, proven)   glibc 2.36 (7 arenas)\n"
		"991.1 MiB present, nothing missing\n"
		"\n"
		"WHERE IT WENT                   bytes      %\n"
		"  python.objects            583.6 MiB   58.9  ████████████████████\n"
		"  python.owned              272.8 MiB   27.5  █████████▍\n"
		"  malloc.bins                83.9 MiB    8.5  ██▉\n"
		"  modules                    30.4 MiB    3.1  █\n"
		"  malloc.untyped             19.1 MiB    1.9  ▋\n"
		"  16 more                     1.2 MiB    0.1\n"
		"  unexplained                     0 B    0.0\n"
		"\n"
		"TYPES                             count      bytes      %\n"
		"  str                         5,210,332  381.5 MiB   38.5\n"
		"  dict                          824,101  286.1 MiB   28.9\n"
		"  app.models.Session            412,000  143.1 MiB   14.4\n"
		"  list                          301,774   45.8 MiB    4.6\n"
		"  (malloc, type unknown)            900   19.1 MiB    1.9\n"
		"  (pymalloc, type unknown)           64    4.0 KiB    0.0\n"
		"  std::map<std::string, int>          1       64 B    0.0\n"
		"\n"
		"  corescan core.1 --summary                every category\n"
		"  corescan core.1 --by-type --top 0        the types in full\n");
	free(text);
	cs_model_deinit(&m);
}

TEST(what_is_not_there_is_said)
{
	static const char *const views[] = { "summary", NULL };
	struct cs_report_options o = { .target = "core.1" };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	m.target.missing = 4096000;
	m.target.lost = 8192;
	m.target.swapped = 1048576;
	m.target.truncated = true;
	text = fake_report(&m, &o, views);
	assert_non_null(strstr(text, "4.9 MiB missing, truncated"));
	assert_non_null(strstr(text, "3.9 MiB mapped, but not in the core."));
	assert_non_null(strstr(text, "8.0 KiB lost: the core is shorter"));
	assert_non_null(strstr(text, "1.0 MiB swapped out."));
	assert_true(cs_report_is_partial(&m));
	free(text);
	cs_model_deinit(&m);
}

TEST(colour_and_bars_only_when_asked_for)
{
	struct cs_report_options o = { .target = "core.1" };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = fake_report(&m, &o, page);
	assert_null(strchr(text, '\033'));
	for (char *c = text; *c; c++)
		assert_true(*c > 0);
	free(text);
	o.look.has_color = true;
	text = fake_report(&m, &o, page);
	assert_non_null(strchr(text, '\033'));
	free(text);
	cs_model_deinit(&m);
}

TEST(a_name_that_cannot_be_typed_is_not_in_the_next_command)
{
	static const char *const views[] = { "summary", NULL };
	static const char *const names[] = { "a\033b", NULL, "/a/very/long/path/a/very/long/path/a/very/"
								"long/path/a/very/long/path/core" };
	struct cs_report_options o = { 0 };
	struct cs_model m;

	fake_model_worker(&m);
	for (size_t i = 0; i < 3; i++) {
		char *text;

		o.target = names[i];
		text = fake_report(&m, &o, views);
		assert_non_null(strstr(text, "corescan TARGET --by-type"));
		free(text);
	}
	cs_model_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_is_longer_than_the_terminal),
		cmocka_unit_test(a_number_is_never_cut),
		cmocka_unit_test(the_page_says_whose_memory_where_it_went_and_what_to_ask_next),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(colour_and_bars_only_when_asked_for),
		cmocka_unit_test(a_name_that_cannot_be_typed_is_not_in_the_next_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
