/* Sites as text, JSON and CSV; and as the pickle that tracemalloc reads. */
#include "report/report.h"
#include "report/report_pickle.h"

#include "cs_test.h"
#include "fake_model.h"

#include <stdlib.h>

static void add_file(struct cs_sites *s, const char *name)
{
	assert_true(cs_vec_push(&s->files, (struct cs_site_file){ name, strlen(name) }));
}

static void add_frame(struct cs_sites *s, uint32_t file, uint32_t line, const char *function)
{
	assert_true(cs_vec_push(&s->frames, (struct cs_site_frame){ file, line, function }));
}

/* frames: numbers, a byte each. */
static void add_traceback(struct cs_sites *s, const unsigned char *frames, uint16_t count,
			  uint16_t total)
{
	struct cs_traceback t = { .first = s->stack.count, .count = count, .total = total };

	for (uint16_t i = 0; i < count; i++)
		assert_true(cs_vec_push(&s->stack, frames[i]));
	assert_true(cs_vec_push(&s->tracebacks, t));
}

static void add_trace(struct cs_sites *s, uint32_t traceback, uint64_t size, uint32_t domain)
{
	struct cs_trace trace = { 0x1000, size, traceback, domain };

	assert_true(cs_vec_push(&s->traces, trace));
	s->tracebacks.items[traceback].traces++;
	s->tracebacks.items[traceback].size += size;
	s->tracebacks.items[traceback].bytes += size + 8;
	s->blocks++;
	s->bytes += size + 8;
}

static void begin(struct cs_model *m)
{
	struct cs_sites *s = &m->sites;

	fake_model_worker(m);
	s->state = CS_SITES_ON;
	s->frame_limit = 3;
	s->has_totals = true;
	add_file(s, "/srv/app/cache.py");
	add_file(s, "<string>");
	add_frame(s, 0, 41, "Cache.add");
	add_frame(s, 0, 7, "main");
	add_frame(s, 1, 1, NULL);
	add_traceback(s, (const unsigned char[]){ 0, 1 }, 2, 2);
	add_traceback(s, (const unsigned char[]){ 2 }, 1, 1);
	add_trace(s, 0, 100, 0);
	add_trace(s, 0, 200, 0);
	add_trace(s, 1, 56, 0);
}

static char *report(const struct cs_model *m, struct cs_report_options o)
{
	static const char *const views[] = { "by-site", NULL };

	return fake_report(m, &o, views);
}

TEST(a_line_has_its_count_and_both_sizes)
{
	struct cs_model m;
	char *text;

	begin(&m);
	text = report(&m, (struct cs_report_options){ .format = CS_FORMAT_CSV });
	assert_non_null(strstr(text, "site,function,evidence,count,requested,bytes,frames\n"
				     "/srv/app/cache.py:41,Cache.add,tracemalloc,2,300,316,"
				     "Cache.add (/srv/app/cache.py:41)\n"
				     "<string>:1,,tracemalloc,1,56,64,<string>:1\n"
				     "(not recorded by tracemalloc),,none,"));
	free(text);
	text = report(&m, (struct cs_report_options){ .format = CS_FORMAT_CSV, .site_key = CS_SITE_TRACEBACK });
	assert_non_null(strstr(text, "Cache.add (/srv/app/cache.py:41) < main (/srv/app/cache.py:7)\n"));
	free(text);
	text = report(&m, (struct cs_report_options){ .format = CS_FORMAT_JSON, .site_key = CS_SITE_TRACEBACK });
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "\"frames\":[{\"function\":\"Cache.add\",\"file\":\"/srv/app/cache.py\","
				     "\"line\":41},{\"function\":\"main\",\"file\":\"/srv/app/cache.py\",\"line\":7}]"));
	assert_non_null(strstr(text, "\"frames\":null"));
	free(text);
	text = report(&m, (struct cs_report_options){ .format = CS_FORMAT_JSON, .site_key = CS_SITE_FILE });
	assert_non_null(strstr(text, "{\"site\":\"/srv/app/cache.py\",\"function\":null,\"evidence\":"
				     "\"tracemalloc\",\"count\":2,\"requested\":300,\"bytes\":316,\"frames\":null}"));
	free(text);
	cs_model_deinit(&m);
}

TEST(cumulative_rows_have_no_sum)
{
	struct cs_model m;
	char *text;

	begin(&m);
	text = report(&m, (struct cs_report_options){ .format = CS_FORMAT_JSON, .is_cumulative = true });
	assert_non_null(strstr(text, "\"site\":\"/srv/app/cache.py:7\",\"function\":\"main\",\"evidence\":"
				     "\"tracemalloc\",\"count\":2,\"requested\":300"));
	assert_non_null(strstr(text, "\"total\":{}"));
	free(text);
	cs_model_deinit(&m);
}

TEST(who_did_not_trace_is_told)
{
	static const char *const words[] = { [CS_SITES_UNKNOWN] = "(nothing tells where)",
					     [CS_SITES_OFF] = "(tracemalloc was not on)" };
	struct cs_model m;
	char *text;

	for (unsigned i = 0; i < 2; i++) {
		fake_model_worker(&m);
		m.sites.state = i;
		text = report(&m, (struct cs_report_options){ .no_header = true });
		assert_non_null(strstr(text, words[i]));
		free(text);
		cs_model_deinit(&m);
	}
}

static const struct cs_maker_place places[] = {
	{ "conn.c:12", "open_conn", 96 },
	{ "redis+0x1234", NULL, 96 },
	{ "conn.c:40", "copy_conn", 0 },
};
static const struct cs_maker_row makers[] = {
	{ .first = 0, .kept = 1, .site_count = 1, .count = 10, .requested = 960, .bytes = 1040, .is_likely = true },
	{ .first = 0, .kept = 3, .site_count = 9, .count = 5, .bytes = 520 },
	{ .first = 3, .kept = 0, .site_count = 120, .count = 7, .bytes = 168 },
};

/* What by-site says when the code was looked at. */
static char *report_makers(const struct cs_model *m, struct cs_report_options o)
{
	struct cs_answer answer = { .has_makers = true, .maker_dynamic = 33 };
	struct cs_ask ask = { .view = cs_view_find("by-site"), .answer = &answer };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; i < 3; i++) {
		assert_true(cs_vec_push(&answer.makers, makers[i]));
		assert_true(cs_vec_push(&answer.maker_places, places[i]));
	}
	assert_int_equal(cs_report_write(out, m, &ask, 1, &o, NULL), CS_OK);
	fclose(out);
	cs_vec_free(&answer.makers);
	cs_vec_free(&answer.maker_places);
	return text;
}

TEST(calls_in_the_code_share_the_table)
{
	struct cs_model m;
	char *text, *rest;

	begin(&m);
	text = report_makers(&m, (struct cs_report_options){ .format = CS_FORMAT_CSV });
	assert_non_null(strstr(text, "\nconn.c:12,open_conn,likely,10,960,1040,,open_conn (conn.c:12)\n"));
	assert_non_null(strstr(text, "\nconn.c:12 + 8 more,open_conn,candidate,5,0,520,,"));
	assert_non_null(strstr(text, "\n(one of 120 places),,candidate,7,0,168,,"));
	assert_non_null(strstr(text, "Cache.add,tracemalloc,2,300,316,"));
	rest = strstr(text, "\n(not recorded by tracemalloc),,none,");
	assert_non_null(rest);
	assert_null(strchr(strchr(rest + 1, '\n') + 1, '\n')); /* nothing behind it */
	free(text);
	text = report_makers(&m, (struct cs_report_options){ .format = CS_FORMAT_JSON });
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "\"candidates\":[{\"site\":\"conn.c:12\",\"function\":\"open_conn\","
				     "\"size\":96},{\"site\":\"redis+0x1234\",\"function\":null"));
	assert_non_null(strstr(text, "{\"evidence\":\"likely\",\"count\":10,\"bytes\":1040,"));
	assert_non_null(strstr(text, "{\"evidence\":\"candidate\",\"count\":12,\"bytes\":688,"));
	free(text);
	text = report_makers(&m, (struct cs_report_options){ .no_header = true });
	assert_non_null(strstr(text, "redis+0x1234\n"));
	assert_non_null(strstr(text, "and 6 more\n"));
	assert_non_null(strstr(text, "33"));
	free(text);
	cs_model_deinit(&m);
}

TEST(what_has_no_site_is_last_whatever_is_cut)
{
	static const struct cs_report_options rows[] = {
		{ .has_top = true, .top = 1 },
		{ .has_top = true, .top = 1, .sort = "count" },
		{ .has_top = true, .top = 2, .sort = "site", .skip = 1 },
		{ .min = 1ull << 40 },
	};
	struct cs_model m;

	begin(&m);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned format = 0; format < 3; format++) {
			struct cs_report_options o = rows[i];
			char *text;

			o.format = format;
			text = report_makers(&m, o);
			assert_non_null(strstr(text, "(not recorded by tracemalloc)"));
			free(text);
		}
	cs_model_deinit(&m);
}

TEST(options_that_ask_for_nothing_are_told)
{
	static const struct {
		const char *view;
		struct cs_report_options o;
		const char *words; /* NULL: fine */
	} rows[] = {
		{ "by-site", { .site_key = CS_SITE_FILE, .is_cumulative = true }, NULL },
		{ "by-site", { .site_key = CS_SITE_TRACEBACK, .is_cumulative = true }, "cannot group by traceback" },
		{ "by-type", { .site_key = CS_SITE_FILE }, "--group-by is about --by-site" },
		{ "by-type", { .is_cumulative = true, .is_gdb = true }, "--cumulative is about corescan by-site" },
		{ "by-site", { .attrs = "a" }, "--attrs names attributes" },
	};
	struct cs_report_options o = { .top = 0 };
	struct cs_error err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cs_ask ask = { .view = cs_view_find(rows[i].view) };

		assert_int_equal(cs_report_check(&rows[i].o, &ask, 1, &err), rows[i].words ? CS_USAGE : CS_OK);
		if (rows[i].words)
			assert_non_null(strstr(err.text, rows[i].words));
	}
	assert_int_equal(cs_report_set(&o, "group-by", "function", &err), CS_USAGE);
	assert_non_null(strstr(err.text, "use line, file or traceback"));
	assert_int_equal(cs_report_set(&o, "group-by", "traceback", NULL), CS_OK);
	assert_int_equal(o.site_key, CS_SITE_TRACEBACK);
}

/* The pickle as bytes; malloc'ed. */
static char *pickle(const struct cs_sites *s, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	assert_int_equal(cs_pickle_write(out, s, NULL, NULL), CS_OK);
	fclose(out);
	return text;
}

#define P(bytes) bytes, sizeof(bytes) - 1
#define BEFORE                                                                     \
	"\x80\x02" "ctracemalloc\nSnapshot\n)\x81}(X\x06\0\0\0traces"              \
	"ctracemalloc\n_Traces\n)\x81}X\x07\0\0\0_traces]"
#define AFTER "sbX\x0f\0\0\0traceback_limitK\x03ub."

static void assert_pickle(const struct cs_sites *s, const char *want, size_t want_len)
{
	size_t len;
	char *got = pickle(s, &len);

	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, len);
	free(got);
}

/* What was written once is fetched from the reader's memo: files, frames, tracebacks. */
TEST(a_pickle_says_everything_once)
{
	struct cs_model m;

	begin(&m);
	assert_pickle(&m.sites, P(BEFORE
		"((K\0K\x64X\x11\0\0\0/srv/app/cache.pyq\0K\x29\x86q\x01h\0K\x07\x86q\x02\x86q\x03K\x02t"
		"(K\0K\xc8h\x03K\x02t"
		"(K\0K\x38X\x08\0\0\0<string>q\x04K\x01\x86q\x05\x85q\x06K\x01t" "e" AFTER));
	/* 3.8: no total */
	m.sites.has_totals = false;
	m.sites.traces.count = 1;
	assert_pickle(&m.sites, P(BEFORE
		"(K\0K\x64X\x11\0\0\0/srv/app/cache.pyq\0K\x29\x86q\x01h\0K\x07\x86q\x02\x86q\x03\x87" "e" AFTER));
	m.sites.traces.count = 0;
	assert_pickle(&m.sites, P(BEFORE AFTER));
	cs_model_deinit(&m);
}

TEST(an_int_of_any_size_is_written_as_python_reads_it)
{
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ 0, P("K\0") }, { 255, P("K\xff") }, { 256, P("M\0\x01") }, { 65535, P("M\xff\xff") },
		{ 65536, P("J\0\0\x01\0") }, { INT32_MAX, P("J\xff\xff\xff\x7f") },
		{ 1ull << 31, P("\x8a\x05\0\0\0\x80\0") }, { UINT32_MAX, P("\x8a\x05\xff\xff\xff\xff\0") },
		{ (1ull << 39) - 1, P("\x8a\x05\xff\xff\xff\xff\x7f") },
		{ 1ull << 39, P("\x8a\x06\0\0\0\0\x80\0") },
		{ INT64_MAX, P("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f") },
		{ 1ull << 63, P("\x8a\x09\0\0\0\0\0\0\0\x80\0") },
		{ UINT64_MAX, P("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0") },
	};
	struct cs_model m;
	size_t len;

	begin(&m);
	m.sites.traces.count = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *got;

		m.sites.traces.items[0].size = rows[i].value;
		got = pickle(&m.sites, &len);
		/* behind the list, two marks and the domain */
		assert_memory_equal(got + sizeof(BEFORE) - 1 + 4, rows[i].bytes, rows[i].len);
		assert_int_equal(got[sizeof(BEFORE) - 1 + 4 + rows[i].len], 'X');
		free(got);
	}
	cs_model_deinit(&m);
}

TEST(long_tracebacks_and_memos_take_the_long_way)
{
	unsigned char frames[250];
	struct cs_model m;
	size_t len;
	char *got;

	begin(&m);
	m.sites.traces.count = 0;
	for (unsigned i = 0; i < 250; i++) {
		add_frame(&m.sites, i % 2, 300 + i, NULL);
		frames[i] = (unsigned char)(3 + i);
	}
	add_traceback(&m.sites, frames, 250, 65535);
	for (unsigned i = 0; i < 9; i++)
		add_traceback(&m.sites, frames + i, 4, 4);
	for (uint32_t i = 2; i < 12; i++)
		add_trace(&m.sites, i, 1, UINT32_MAX);
	add_trace(&m.sites, 11, 1, UINT32_MAX);
	got = pickle(&m.sites, &len);
	assert_non_null(memmem(got, len, P("tq\xfcM\xff\xfft")));   /* a mark, 250 items, number 252 */
	assert_non_null(memmem(got, len, P("tq\xffK\x04t")));	    /* the last short place */
	assert_non_null(memmem(got, len, P("tr\0\x01\0\0K\x04t"))); /* the first long one */
	assert_non_null(memmem(got, len, P("K\x01j\x05\x01\0\0K\x04t"))); /* fetched again */
	free(got);
	cs_model_deinit(&m);
}

/* Lone surrogates are three bytes: pickle reads them with "surrogatepass". */
TEST(names_are_written_byte_by_byte)
{
	static const char name[] = "\xc5\xbe \xf0\x9f\x90\x8d \xed\xb2\x80\0.py";
	struct cs_model m;
	size_t len;
	char *got;

	begin(&m);
	m.sites.files.items[0] = (struct cs_site_file){ name, sizeof(name) - 1 };
	got = pickle(&m.sites, &len);
	assert_non_null(memmem(got, len, P("X\x0f\0\0\0\xc5\xbe \xf0\x9f\x90\x8d \xed\xb2\x80\0.pyq\0")));
	free(got);
	cs_model_deinit(&m);
}

TEST(items_come_in_batches)
{
	struct cs_model m;
	size_t len, batches = 0;
	char *got;

	begin(&m);
	m.sites.traces.count = 0;
	for (int i = 0; i < 2000; i++)
		add_trace(&m.sites, 1, 3, 0);
	got = pickle(&m.sites, &len);
	for (size_t i = 0; i + 1 < len; i++)
		batches += !memcmp(got + i, "te", 2);
	assert_int_equal(batches, 2);
	free(got);
	cs_model_deinit(&m);
}

TEST(without_traces_there_is_no_snapshot)
{
	static const char *const words[] = { [CS_SITES_UNKNOWN] = "no traces of tracemalloc were found",
					     [CS_SITES_OFF] = "tracemalloc was not on" };
	struct cs_sites s = { .state = CS_SITES_UNKNOWN };
	struct cs_error err;

	for (unsigned i = 0; i < 2; i++) {
		s.state = i;
		assert_int_equal(cs_pickle_write(NULL, &s, NULL, &err), CS_UNSUPPORTED);
		assert_non_null(strstr(err.text, words[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_its_count_and_both_sizes),
		cmocka_unit_test(cumulative_rows_have_no_sum),
		cmocka_unit_test(who_did_not_trace_is_told),
		cmocka_unit_test(calls_in_the_code_share_the_table),
		cmocka_unit_test(what_has_no_site_is_last_whatever_is_cut),
		cmocka_unit_test(options_that_ask_for_nothing_are_told),
		cmocka_unit_test(a_pickle_says_everything_once),
		cmocka_unit_test(an_int_of_any_size_is_written_as_python_reads_it),
		cmocka_unit_test(long_tracebacks_and_memos_take_the_long_way),
		cmocka_unit_test(names_are_written_byte_by_byte),
		cmocka_unit_test(items_come_in_batches),
		cmocka_unit_test(without_traces_there_is_no_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
