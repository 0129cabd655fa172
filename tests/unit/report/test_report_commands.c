#include "report/report_commands.h"

#include "cs_test.h"
#include "fake_model.h"
#include "report/report.h"
#include "report/report_escape.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 6 };

static size_t count_words(const char *const *words)
{
	size_t n = 0;

	while (n < WORDS_MAX && words[n])
		n++;
	return n;
}

/* What a command writes about a model; NULL with err filled. answer: of its view. */
static char *run(const struct cs_model *m, const char *name, const char *const *words,
		 struct cs_report_options *options, const struct cs_answer *answer,
		 struct cs_error *err)
{
	const struct cs_command *command = cs_command_find(name);
	const char *argument = NULL;
	char *text = NULL;
	size_t len;
	cs_status st;

	assert_non_null(command);
	st = cs_command_read(command, count_words(words), words, options, &argument, err);
	if (!st) {
		struct cs_ask ask = { .view = cs_view_find(command->is.view), .answer = answer };
		FILE *out = open_memstream(&text, &len);

		st = cs_report_write(out, m, &ask, 1, options, err);
		fclose(out);
	}
	if (!st)
		return text;
	free(text);
	return NULL;
}

static const char *const no_words[] = { NULL };

TEST(each_built_view_has_a_command_and_the_others_none)
{
	const struct cs_view *view;
	char name[64];

	for (size_t i = 0; (view = cs_view_at(i)); i++) {
		const struct cs_command *command;

		snprintf(name, sizeof(name), "corescan %s", view->name);
		command = cs_command_find(name);
		assert_true(!command == !view->build);
		if (!command)
			continue;
		assert_string_equal(command->is.view, view->name);
		assert_string_equal(command->is.help, view->help);
		assert_true(!command->is.argument == !view->argument);
		assert_int_equal(command->is.is_required, view->argument != NULL);
	}
	assert_string_equal(cs_command_find("pyheap sites")->is.view, "by-site");
	assert_string_equal(cs_command_find("corescan heap sites")->is.view, "by-site");
	assert_null(cs_command_find("pyheap no such"));
	assert_null(cs_command_find(""));
}

TEST(a_prefix_comes_before_what_it_begins_and_names_are_unique)
{
	const struct cs_command *a, *b;

	for (size_t i = 0; (a = cs_command_at(i)); i++) {
		const char *blank = strrchr(a->is.name, ' ');
		bool has_prefix = !blank;

		for (size_t k = 0; k < i; k++) {
			b = cs_command_at(k);
			assert_string_not_equal(a->is.name, b->is.name);
			has_prefix = has_prefix ||
				     (!b->is.view && strlen(b->is.name) == (size_t)(blank - a->is.name) &&
				      !strncmp(a->is.name, b->is.name, strlen(b->is.name)));
		}
		if (!has_prefix)
			fail_msg("%s comes without its prefix", a->is.name);
		assert_true(*a->is.help);
	}
	assert_null(cs_command_at(1000));
}

TEST(words_are_the_argument_and_the_options_of_the_report)
{
	static const struct {
		const char *name, *words[WORDS_MAX];
		uint64_t top, min;
		const char *sort, *type, *argument, *attrs;
		enum cs_format format;
		bool has_top, no_values, is_brief;
	} rows[] = {
		{ "pyheap top", { NULL }, .has_top = true, .top = 10 },
		{ "pyheap top", { "3" }, .has_top = true, .top = 3 },
		{ "pyheap top", { "0" }, .has_top = true, .top = 0 },
		{ "pyheap top", { "3", "--top", "4" }, .has_top = true, .top = 4 },
		{ "pyheap types", { NULL }, .type = NULL },
		{ "pyheap types", { "str*" }, .type = "str*" },
		{ "pyheap types", { "--type=a", "--top=0" }, .type = "a", .has_top = true },
		{ "pyheap types", { "--sort", "count", "a*", "--min=1k" }, .type = "a*",
		  .sort = "count", .min = 1024 },
		{ "pyheap types", { "--", "--top" }, .type = "--top" },
		{ "corescan heap types", { "x", "--type", "y" }, .type = "y" },
		{ "pyheap object", { "0x10" }, .argument = "0x10" },
		{ "pyheap find", { "app.T" }, .argument = "app.T" },
		{ "pyheap find", { "T", "a,b.c" }, .argument = "T", .attrs = "a,b.c" },
		{ "pyheap find", { "--attrs=x", "T" }, .argument = "T", .attrs = "x" },
		{ "corescan instances", { "T", "--attrs", "x" }, .argument = "T", .attrs = "x" },
		{ "pyheap referrers", { "16" }, .argument = "16" },
		{ "corescan heap whatis", { "16" }, .argument = "16", .is_brief = true },
		{ "corescan heap chunks", { NULL }, .argument = NULL },
		{ "corescan heap chunks", { "16" }, .argument = "16" },
		{ "corescan object", { "--no-values", "16" }, .argument = "16", .no_values = true },
		{ "corescan summary", { "--json" }, .format = CS_FORMAT_JSON },
		{ "corescan summary", { "--format=csv" }, .format = CS_FORMAT_CSV },
		{ "corescan by-size", { "--top", "5", "--format", "csv" }, .format = CS_FORMAT_CSV,
		  .has_top = true, .top = 5 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cs_report_options o = { 0 };
		const char *argument = NULL;

		assert_int_equal(cs_command_read(cs_command_find(rows[i].name),
						 count_words(rows[i].words), rows[i].words, &o,
						 &argument, NULL), CS_OK);
		assert_int_equal(o.has_top, rows[i].has_top);
		assert_int_equal(o.top, rows[i].top);
		assert_int_equal(o.min, rows[i].min);
		assert_int_equal(o.format, rows[i].format);
		assert_int_equal(o.no_values, rows[i].no_values);
		assert_int_equal(o.is_brief, rows[i].is_brief);
		assert_string_equal(o.attrs ? o.attrs : "", rows[i].attrs ? rows[i].attrs : "");
		assert_string_equal(o.sort ? o.sort : "", rows[i].sort ? rows[i].sort : "");
		assert_string_equal(o.type ? o.type : "", rows[i].type ? rows[i].type : "");
		assert_string_equal(argument ? argument : "",
				    rows[i].argument ? rows[i].argument : "");
	}
}

TEST(wrong_words_are_told_with_what_there_is)
{
	static const struct {
		const char *name, *words[WORDS_MAX], *says;
	} rows[] = {
		{ "pyheap top", { "x" }, "'x' is not a number of rows (0 means all)" },
		{ "pyheap top", { "-1" }, "'-1' is not a number of rows (0 means all)" },
		{ "pyheap top", { "1", "2" }, "'2' is one word too many: pyheap top takes one N" },
		{ "pyheap summary", { "2" },
		  "'2': pyheap summary takes no argument, only options like --top 5" },
		{ "pyheap object", { NULL }, "pyheap object needs an argument: ADDR" },
		{ "pyheap object", { "--json" }, "pyheap object needs an argument: ADDR" },
		{ "pyheap types", { "--frobnicate" },
		  "there is no option '--frobnicate': there are --top N, --sort COLUMN, --min SIZE, "
		  "--type GLOB, --attrs A,B.C, --group-by KEY, --cumulative, --format FORMAT, --json, "
		  "--no-values" },
		{ "pyheap types", { "--to=3" },
		  "there is no option '--to=3': there are --top N, --sort COLUMN, --min SIZE, "
		  "--type GLOB, --attrs A,B.C, --group-by KEY, --cumulative, --format FORMAT, --json, "
		  "--no-values" },
		{ "pyheap types", { "--top" }, "--top needs a value: N" },
		{ "pyheap types", { "--json=1" }, "--json takes no value" },
		{ "pyheap types", { "--format", "xml" },
		  "there is no format 'xml': use text, json or csv" },
		{ "pyheap types", { "--sort", "no" },
		  "there is no column 'no' to sort by: corescan by-type has type, kind, count, shallow, "
		  "bytes, percent, retained" },
		{ "corescan heap arenas", { "--type", "x" },
		  "--type picks rows by their type, and corescan arenas has none: ask corescan by-type" },
		{ "corescan doctor", { "--min", "1" },
		  "--min picks rows by their bytes, and corescan doctor has none" },
		{ "corescan heap chunks", { "--sort", "size" },
		  "corescan chunks is in the order of addresses" },
		{ "pyheap", { NULL }, "pyheap what? top, types, summary, threads, object, why, find, "
		  "referrers, referents, dominators, leaks, sites" },
		{ "pyheap find", { NULL }, "pyheap find needs an argument: TYPE [ATTRS]" },
		{ "pyheap find", { "T", "a,,b" }, "'' is not the name of an attribute" },
		{ "pyheap find", { "T", "a", "b" },
		  "'b' is one word too many: pyheap find takes one TYPE [ATTRS] (in quotes, if it has blanks)" },
		{ "pyheap object", { "16", "--attrs", "a" },
		  "--attrs names attributes of corescan instances TYPE" },
		{ "pyheap referrers", { "16", "--sort", "bytes" },
		  "corescan referrers is in an order of its own" },
		{ "corescan heap", { "x" },
		  "corescan heap what? arenas, chunks, bins, whatis, types, sizes, leaks, sites" },
	};
	struct cs_model m;

	fake_model_worker(&m);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cs_report_options o = { .is_gdb = true };
		struct cs_error err = { .text = "" };

		assert_null(run(&m, rows[i].name, rows[i].words, &o, NULL, &err));
		assert_string_equal(err.text, rows[i].says);
		assert_int_equal(err.status, CS_USAGE);
	}
	cs_model_deinit(&m);
}

TEST(what_was_set_for_good_holds_until_a_word_says_otherwise)
{
	static const struct {
		const char *name, *words[WORDS_MAX];
		bool has_top, has_sort, has_min;
		uint64_t top;
		const char *type;
	} rows[] = {
		/* pages of 7 rows, but never a part of what has no pages, nor of data */
		{ "corescan by-type", { NULL }, true, true, true, 7, "x" },
		{ "corescan by-type", { "--top", "2" }, true, true, true, 2, "x" },
		{ "pyheap top", { NULL }, true, true, true, 7, "x" },
		{ "pyheap types", { "y" }, true, true, true, 7, "y" },
		{ "pyheap types", { "--json" }, false, true, true, 0, "x" },
		{ "pyheap summary", { NULL }, false, false, true, 0, NULL },
		{ "corescan doctor", { NULL }, false, false, false, 0, NULL },
		{ "corescan heap sizes", { NULL }, true, true, true, 7, NULL },
		{ "corescan heap chunks", { NULL }, true, false, false, 7, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cs_report_options o = { .has_top = true, .top = 7, .sort = "count",
					       .min = 5, .type = "x", .no_values = true };
		const char *argument;

		assert_int_equal(cs_command_read(cs_command_find(rows[i].name),
						 count_words(rows[i].words), rows[i].words, &o,
						 &argument, NULL), CS_OK);
		assert_int_equal(o.has_top, rows[i].has_top);
		if (o.has_top)
			assert_int_equal(o.top, rows[i].top);
		assert_int_equal(o.sort != NULL, rows[i].has_sort);
		assert_int_equal(o.min != 0, rows[i].has_min);
		assert_string_equal(o.type ? o.type : "", rows[i].type ? rows[i].type : "");
		assert_true(o.no_values);
	}
}

/* More rows than a page in every table, some equal in all but their name. */
static void many_rows(struct cs_model *m)
{
	char name[32];

	fake_model_worker(m);
	for (unsigned i = 0; i < 57; i++) {
		struct cs_size_row size = { 16 * i + 16, CS_ALLOC_GLIBC, i % 5, 160 };

		snprintf(name, sizeof(name), "app.T%u", i);
		fake_type(m, name, i % 3 ? CS_KIND_PYTHON : CS_KIND_C, 1, 1000 + i / 10);
		assert_true(cs_vec_push(&m->sizes, size));
		cs_model_finding(m, name, "a test", NULL, "%u", i);
	}
}

/* Lines of all pages behind their heading are the lines of the whole. */
static void check_pages(const struct cs_model *m, const char *name, const char *top)
{
	const char *const whole_words[] = { "--format", "csv", "--top", "0", NULL };
	const char *const words[] = { "--format", "csv", "--top", top, NULL };
	struct cs_report_options o = { 0 };
	char *whole = run(m, name, whole_words, &o, NULL, NULL), *at = strchr(whole, '\n') + 1;
	struct cs_seen seen = { .more = 1 };
	uint64_t skip = 0;

	for (; seen.more; skip += seen.shown) {
		struct cs_report_options page = { .skip = skip, .seen = &seen };
		char *text = run(m, name, words, &page, NULL, NULL), *rows = strchr(text, '\n') + 1;

		assert_true(seen.shown == strtoull(top, NULL, 10) || !seen.more);
		assert_memory_equal(at, rows, strlen(rows));
		at += strlen(rows);
		free(text);
	}
	assert_string_equal(at, "");
	free(whole);
}

TEST(the_pages_of_a_table_are_the_table)
{
	static const char *const tops[] = { "1", "2", "7", "20", "1000" };
	const struct cs_command *command;
	struct cs_model m;

	many_rows(&m);
	for (size_t i = 0; (command = cs_command_at(i)); i++)
		for (size_t k = 0; k < 5; k++)
			if (command->is.view && !command->is.is_required &&
			    strcmp(command->is.view, "chunks"))
				check_pages(&m, command->is.name, tops[k]);
	cs_model_deinit(&m);
}

TEST(before_and_shown_and_more_are_the_total)
{
	struct cs_ask ask = { .view = cs_view_find("by-type") };
	struct cs_report_options o = { .has_top = true, .top = 20 };
	struct cs_model m;

	many_rows(&m);
	for (o.skip = 0; o.skip < 80; o.skip += 13) {
		uint64_t sums[CS_COLUMNS_MAX] = { 0 };
		struct cs_table t;

		assert_int_equal(cs_report_table(&m, &ask, &o, &t, NULL), CS_OK);
		for (size_t i = 0; i < t.order.count; i++)
			for (size_t c = 0; c < t.column_count; c++)
				sums[c] += cs_table_row(&t, t.order.items[i])[c].number;
		for (size_t c = 0; c < t.column_count; c++)
			if (t.columns[c].flags & CS_COL_SUM)
				assert_int_equal(t.before[c] + sums[c] + t.more[c], t.total[c]);
		assert_int_equal(t.before_rows + t.order.count + t.more_rows, t.total_rows);
		assert_int_equal(t.total_rows, 7 + 57);
		cs_table_deinit(&t);
	}
	cs_model_deinit(&m);
}

static uint64_t total_of(const struct cs_model *m, const char *name)
{
	const char *const words[] = { "--json", "--top", "0", NULL };
	struct cs_report_options o = { 0 };
	char *text = run(m, name, words, &o, NULL, NULL);
	const char *total = strstr(text, "\"total\":{");
	uint64_t bytes;

	assert_non_null(total);
	bytes = strtoull(strstr(total, "\"bytes\":") + 8, NULL, 10);
	assert_null(strstr(text, strstr(name, "pyheap") ? "\"kind\":\"c\"" : "\"kind\":\"python\""));
	free(text);
	return bytes;
}

TEST(json_of_a_page_says_what_is_before_it)
{
	const char *const words[] = { "--json", "--top=5", NULL };
	struct cs_report_options o = { .skip = 2 };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = run(&m, "pyheap types", words, &o, NULL, NULL);
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "\"before\":{\"rows\":2,\"count\":6034433,\"shallow\":350000000,"
				     "\"bytes\":700000000}"));
	assert_null(strstr(text, "\"more\""));
	free(text);
	cs_model_deinit(&m);
}

TEST(pythons_types_and_all_others_are_the_table_of_types)
{
	struct cs_ask ask = { .view = cs_view_find("by-type") };
	struct cs_report_options o = { 0 };
	struct cs_model m;
	struct cs_table t;

	many_rows(&m);
	assert_int_equal(cs_report_table(&m, &ask, &o, &t, NULL), CS_OK);
	assert_int_equal(total_of(&m, "pyheap types") + total_of(&m, "corescan heap types"),
			 t.total[4]);
	assert_int_equal(total_of(&m, "pyheap top"), total_of(&m, "pyheap types"));
	cs_table_deinit(&t);
	cs_model_deinit(&m);
}

TEST(the_last_address_is_the_objects_or_the_last_one_shown)
{
	static const struct cs_answer_row all[] = {
		{ "address", NULL, 0x13, true }, { "block", NULL, 0x10, true },
		{ "object", NULL, 0x20, true },	 { "owner", NULL, 0x30, true },
	};
	static const struct {
		size_t from, count;
		cs_addr want;
	} rows[] = { { 0, 4, 0x20 }, { 0, 2, 0x10 }, { 0, 1, 0x13 }, { 3, 1, 0 } };
	const char *const words[] = { "0x13", NULL }, *const two[] = { "--top", "2", NULL };
	struct cs_answer answer = { 0 }, chunks = { 0 };
	struct cs_seen seen;
	struct cs_report_options o = { .seen = &seen };
	struct cs_model m;

	fake_model_worker(&m);
	for (size_t i = 0; i < 4; i++) {
		answer.rows.count = 0;
		for (size_t k = 0; k < rows[i].count; k++)
			assert_true(cs_vec_push(&answer.rows, all[rows[i].from + k]));
		seen.last_address = 1;
		free(run(&m, "pyheap object", words, &o, &answer, NULL));
		assert_int_equal(seen.last_address, rows[i].want);
	}
	for (cs_addr addr = 0x100; addr < 0x130; addr += 0x10)
		assert_true(cs_vec_push(&chunks.chunks, (struct cs_chunk_row){ .addr = addr }));
	free(run(&m, "corescan heap chunks", two, &o, &chunks, NULL));
	assert_int_equal(seen.last_address, 0x120); /* the page is made by the scan */
	free(run(&m, "corescan heap arenas", no_words, &o, NULL, NULL));
	assert_int_equal(seen.last_address, 0);
	cs_vec_free(&answer.rows);
	cs_vec_free(&chunks.chunks);
	cs_model_deinit(&m);
}

/* Every command's page with this look, line by line to check. */
static void each_page(const struct cs_model *m, const struct cs_report_options *look,
		      void (*check)(const struct cs_command *command, char *text))
{
	const char *const words[] = { "0x10", NULL };
	const struct cs_command *command;

	for (size_t i = 0; (command = cs_command_at(i)); i++) {
		struct cs_report_options o = *look;
		char *text;

		if (!command->is.view)
			continue;
		text = run(m, command->is.name, command->is.is_required ? words : no_words, &o, NULL,
			   NULL);
		assert_non_null(text);
		check(command, text);
		free(text);
	}
}

static void check_ascii(const struct cs_command *command, char *text)
{
	for (char *c = text; *c; c++)
		if (*c < 0)
			fail_msg("%s: byte %02x in '%.40s'", command->is.name, (unsigned char)*c, c);
	assert_true(*text != '\n');
	assert_null(strstr(text, "core.1")); /* no header, and hints without a target */
}

/* The last line but one is "  COMMAND [ADDR]   why", the command a row of the table. */
static void check_hint(const struct cs_command *command, char *text)
{
	char *end = strrchr(text, '\n'), *line;
	const struct cs_command *to, *best = NULL;

	*end = 0;
	line = strrchr(text, '\n') + 1;
	for (size_t i = 0; (to = cs_command_at(i)); i++)
		if (to->is.view && !strncmp(line + 2, to->is.name, strlen(to->is.name)) &&
		    line[2 + strlen(to->is.name)] == ' ')
			best = to;
	if (strncmp(line, "  ", 2) || !best || best == command)
		fail_msg("%s ends in '%s'", command->is.name, line);
	if (best->is.is_required && !strstr(line, best->is.argument))
		fail_msg("%s: '%s' says nothing of %s", command->is.name, line, best->is.argument);
	for (line = text; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end)
			*end = 0;
		if (cs_text_width(line, true) > 80)
			fail_msg("%s: too long: %s", command->is.name, line);
	}
}

TEST(what_is_set_for_a_debugger_is_how_text_looks)
{
	struct cs_report_options o = { .target = "core.1", .look.is_utf8 = true };
	struct cs_error err;
	struct cs_model m;

	many_rows(&m);
	fake_type(&m,
		  "na\u00efve.\u4f60\u597d\xff.a long name that goes on and on \u2026 and on and on",
		  CS_KIND_PYTHON, 1, 900000000);
	assert_int_equal(cs_report_set_look(&o, "header", "0", NULL), CS_OK);
	assert_int_equal(cs_report_set_look(&o, "commands", "gdb", NULL), CS_OK);
	each_page(&m, &o, check_hint);
	assert_int_equal(cs_report_set_look(&o, "ascii", "1", NULL), CS_OK);
	assert_int_equal(cs_report_set_look(&o, "width", "60", NULL), CS_OK);
	each_page(&m, &o, check_ascii);
	assert_int_equal(o.look.width, 60);
	assert_int_equal(cs_report_set_look(&o, "bars", "1", NULL), CS_OK);
	assert_int_equal(cs_report_set_look(&o, "color", "1", NULL), CS_OK);
	assert_true(o.look.has_bars && o.look.has_color && o.no_header && !o.look.is_utf8);
	assert_int_equal(cs_report_set_look(&o, "ascii", "0", NULL), CS_OK);
	assert_int_equal(cs_report_set_look(&o, "header", "1", NULL), CS_OK);
	assert_true(o.look.is_utf8 && !o.no_header);
	assert_int_equal(cs_report_set_look(&o, "ascii", NULL, NULL), CS_OK);
	assert_true(o.look.is_utf8);
	assert_int_equal(cs_report_set_look(&o, "ascii", "yes", &err), CS_USAGE);
	assert_string_equal(err.text, "ascii is 1 or 0, not 'yes'");
	assert_int_equal(cs_report_set_look(&o, "commands", "lldb", NULL), CS_USAGE);
	assert_int_equal(cs_report_set_look(&o, "width", "wide", NULL), CS_USAGE);
	assert_int_equal(cs_report_set_look(&o, "top", "1", NULL), CS_NOTFOUND);
	cs_model_deinit(&m);
}

TEST(what_is_missing_is_one_sentence)
{
	char text[240] = "";
	struct cs_model m;
	FILE *out;

	fake_model_worker(&m);
	out = fmemopen(text, sizeof(text), "w");
	cs_report_write_missing(out, &m, "--doctor");
	fclose(out);
	assert_string_equal(text, "");
	m.anomaly_count = 1234;
	m.target.missing = 1258291;
	m.target.swapped = 4096;
	m.target.truncated = true;
	m.target.python.supported = false;
	out = fmemopen(text, sizeof(text), "w");
	cs_report_write_missing(out, &m, "--doctor");
	fclose(out);
	assert_string_equal(text, "1,234 anomalies (--doctor), 1.2 MiB mapped but not in the core, "
				  "4.0 KiB swapped out, the core is truncated, "
				  "CPython 3.11.2 is not supported");
	m.target.lost = 80;
	m.anomaly_count = 1;
	out = fmemopen(text, sizeof(text), "w");
	cs_report_write_missing(out, &m, NULL);
	fclose(out);
	assert_string_equal(text, "1 anomaly, 1.2 MiB mapped but not in the core, 80 B lost to "
				  "truncation, 4.0 KiB swapped out, CPython 3.11.2 is not supported");
	cs_model_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_built_view_has_a_command_and_the_others_none),
		cmocka_unit_test(a_prefix_comes_before_what_it_begins_and_names_are_unique),
		cmocka_unit_test(words_are_the_argument_and_the_options_of_the_report),
		cmocka_unit_test(wrong_words_are_told_with_what_there_is),
		cmocka_unit_test(what_was_set_for_good_holds_until_a_word_says_otherwise),
		cmocka_unit_test(the_pages_of_a_table_are_the_table),
		cmocka_unit_test(before_and_shown_and_more_are_the_total),
		cmocka_unit_test(json_of_a_page_says_what_is_before_it),
		cmocka_unit_test(pythons_types_and_all_others_are_the_table_of_types),
		cmocka_unit_test(the_last_address_is_the_objects_or_the_last_one_shown),
		cmocka_unit_test(what_is_set_for_a_debugger_is_how_text_looks),
		cmocka_unit_test(what_is_missing_is_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
