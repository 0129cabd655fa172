/* JSON and CSV: what other programs read. */
#include "report/report.h"

#include "cs_test.h"
#include "fake_model.h"

#include <stdlib.h>
#include <string.h>

static const char *const page[] = { NULL };

TEST(json_has_the_documented_shape)
{
	static const char *const views[] = { "by-type", NULL };
	struct cs_report_options o = { .format = CS_FORMAT_JSON, .has_top = true, .top = 1 };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	cs_model_anomaly(&m, "malloc.chunk", 0x7f00, "size 0x%x", 3);
	text = fake_report(&m, &o, views);
	assert_string_equal(
		text,
		"{\"corescan\":{\"schema\":1,\"version\":\"" CS_VERSION "\"},\n"
		" \"target\":{\"kind\":\"core\",\"path\":\"core.1\",\"pid\":4711,"
		"\"command\":\"python3 worker.py --queue mail\",\"machine\":\"x86_64\",\"signal\":6,"
		"\"threads\":5,\n"
		"   \"python\":{\"version\":\"3.11.2\",\"layout\":\"dwarf\",\"free_threaded\":false,"
		"\"debug\":false},\n"
		"   \"libc\":{\"version\":\"2.36\",\"arenas\":7,\"found_by\":\"relocation\"},\n"
		"   \"bytes\":{\"mapped\":0,\"present\":1039204096,\"missing\":0,\"truncated\":false}},\n"
		" \"views\":[\n"
		"  {\"view\":\"by-type\",\"rows\":[\n"
		"    {\"type\":\"str\",\"kind\":\"python\",\"count\":5210332,\"shallow\":200000000,"
		"\"bytes\":400000000,\"percent\":38.491}],\n"
		"   \"more\":{\"rows\":6,\"count\":1538840,\"shallow\":269004096,\"bytes\":518004096},\n"
		"   \"total\":{\"count\":6749172,\"shallow\":469004096,\"bytes\":918004096}}],\n"
		" \"anomalies\":{\"count\":1,\"rows\":[\n"
		"    {\"kind\":\"malloc.chunk\",\"address\":\"0x7f00\",\"text\":\"size 0x3\"}]}}\n");
	free(text);
	cs_model_deinit(&m);
}

TEST(json_is_json_whatever_the_target_holds)
{
	static const char *const views[] = { "summary", "by-type", "by-size", "arenas", "bins",
					     "chunks", "object", "doctor", NULL };
	struct cs_report_options o = { .format = CS_FORMAT_JSON };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	m.target.path = "/tmp/\"quoted\"\\\xff\n";
	m.target.command = "\033[31m";
	m.target.libc.version = NULL;
	m.target.libc.other = "jemalloc";
	m.target.python.supported = false;
	m.target.stopped_ns = 5;
	m.target.lost = m.target.swapped = 1;
	for (unsigned byte = 1; byte < 256; byte++) {
		char name[] = { 'a', (char)byte, '"', (char)byte, 0 };

		fake_type(&m, name, CS_KIND_C, byte, byte);
	}
	cs_model_anomaly(&m, "x", 1, "\xed\xa0\x80 \" \\ \001");
	text = fake_report(&m, &o, views);
	assert_true(fake_is_json(text));
	free(text);
	text = fake_report(&m, &o, page);
	assert_true(fake_is_json(text));
	free(text);
	cs_model_deinit(&m);
}

TEST(an_empty_model_is_a_document_too)
{
	struct cs_report_options o = { .format = CS_FORMAT_JSON };
	struct cs_model m;
	char *text;

	fake_model_empty(&m);
	text = fake_report(&m, &o, page);
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "\"python\":null"));
	assert_non_null(strstr(text, "\"libc\":null"));
	assert_null(strstr(text, "python.objects"));
	assert_non_null(strstr(text, "{\"view\":\"by-type\",\"rows\":[],"));
	assert_false(cs_report_is_partial(&m));
	free(text);
	cs_model_deinit(&m);
}

/* objects + owned + typed, and the two kinds nobody could explain */
TEST(types_sum_to_the_memory_in_use)
{
	struct cs_report_options o = { .format = CS_FORMAT_JSON };
	struct cs_ask types = { .view = cs_view_find("by-type") };
	struct cs_ask ledger = { .view = cs_view_find("summary") };
	struct cs_model m;
	struct cs_table t;

	fake_model_worker(&m);
	assert_int_equal(cs_report_table(&m, &types, &o, &t, NULL), CS_OK);
	assert_int_equal(t.total[4], 612000000 + 286000000 + 20000000 + 4096);
	assert_int_equal(t.total_rows, 7); /* a type without objects is no row */
	cs_table_deinit(&t);
	assert_int_equal(cs_report_table(&m, &ledger, &o, &t, NULL), CS_OK);
	assert_int_equal(t.total[1], m.target.present);
	assert_int_equal(t.total_rows, CS_CATEGORIES);
	assert_int_equal(t.total[2], 100000);
	cs_table_deinit(&t);
	cs_model_deinit(&m);
}

TEST(csv_is_a_header_and_exact_rows)
{
	static const char *const views[] = { "by-type", NULL };
	struct cs_report_options o = { .format = CS_FORMAT_CSV, .type = "[ls]*" };
	struct cs_model m;
	char *text;

	fake_model_worker(&m);
	text = fake_report(&m, &o, views);
	assert_string_equal(text, "type,kind,count,shallow,bytes,percent\n"
				  "str,python,5210332,200000000,400000000,38.491\n"
				  "list,python,301774,23999968,47999936,4.619\n"
				  "\"std::map<std::string, int>\",c++,1,32,64,0\n");
	free(text);
	cs_model_deinit(&m);
}

static char *write_one(const struct cs_model *m, const struct cs_ask *ask,
		       const struct cs_report_options *o)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(cs_report_write(out, m, ask, 1, o, NULL), CS_OK);
	fclose(out);
	return text;
}

/* A column for each attribute; an int is a number, what is missing null. */
TEST(attributes_are_columns_of_instances)
{
	static const char *const names[] = { "b.c", "bytes" };
	struct cs_instance_row rows[] = { { 0x7f10, 64, 4096 }, { 0x7f20, 64, 0 } };
	struct cs_attr_value values[] = { { "-5", true }, { "'x\"'", false }, { "1.5", false }, { NULL, false } };
	struct cs_answer answer = { .attr_names = names, .attr_count = 2, .rows_behind = 3,
				    .bytes_behind = 300 };
	struct cs_ask ask = { .view = cs_view_find("instances"), .answer = &answer, .text = "T" };
	struct cs_report_options o = { .format = CS_FORMAT_JSON, .attrs = "b.c,bytes" };
	struct cs_model m;
	char *text;

	answer.instances.items = rows;
	answer.instances.count = 2;
	answer.values.items = values;
	answer.values.count = 4;
	fake_model_worker(&m);
	text = write_one(&m, &ask, &o);
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "{\"address\":\"0x7f10\",\"bytes\":64,\"retained\":4096,"
				     "\"b.c\":-5,\".bytes\":\"'x\\\"'\"}"));
	assert_non_null(strstr(text, "\"retained\":null,\"b.c\":\"1.5\",\".bytes\":null}"));
	assert_non_null(strstr(text, "\"more\":{\"rows\":3,\"bytes\":300},"));
	assert_non_null(strstr(text, "\"total\":{\"bytes\":428}"));
	free(text);
	o.format = CS_FORMAT_CSV;
	text = write_one(&m, &ask, &o);
	assert_string_equal(text, "address,bytes,retained,b.c,.bytes\n0x7f10,64,4096,-5,\"'x\"\"'\"\n"
				  "0x7f20,64,,1.5,\n");
	free(text);
	cs_model_deinit(&m);
}

TEST(no_values_leaves_the_value_out)
{
	const struct cs_answer_row rows[] = { { "type", "str", 0, false },
					      { "value", "'secret'", 0, false },
					      { "address", NULL, 0x7f00, true } };
	struct cs_answer answer = { 0 };
	struct cs_ask ask = { .view = cs_view_find("object"), .answer = &answer };
	struct cs_report_options o = { .format = CS_FORMAT_JSON };
	struct cs_model m;
	struct cs_table t;

	fake_model_empty(&m);
	for (size_t i = 0; i < 3; i++)
		assert_true(cs_vec_push(&answer.rows, rows[i]));
	for (int hidden = 0; hidden < 2; hidden++) {
		o.no_values = hidden;
		assert_int_equal(cs_report_table(&m, &ask, &o, &t, NULL), CS_OK);
		assert_int_equal(t.total_rows, 3 - hidden);
		cs_table_deinit(&t);
	}
	cs_vec_free(&answer.rows);
	cs_model_deinit(&m);
}

TEST(questions_that_make_no_sense_are_refused)
{
	static const struct {
		struct cs_report_options o;
		const char *view, *words;
	} rows[] = {
		{ { .sort = "size" }, "by-type", "type, kind, count, shallow, bytes, percent, retained" },
		{ { .type = "x" }, "by-size", "ask --by-type" },
		{ { .min = 1 }, "doctor", "--doctor has none" },
		{ { .format = CS_FORMAT_CSV }, NULL, "name one view" },
		{ { .attrs = "a" }, "by-type", "--attrs names attributes of --instances TYPE" },
		{ { .sort = "a", .attrs = "a" }, "instances", "address, bytes, retained" },
		{ { .sort = "bytes" }, "referrers", "--referrers is in an order of its own" },
		{ { 0 }, "fragmentation", "not available in this version" },
	};
	struct cs_error err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cs_ask ask = { .view = rows[i].view ? cs_view_find(rows[i].view) : NULL };

		assert_int_equal(cs_report_check(&rows[i].o, &ask, rows[i].view ? 1 : 0, &err), CS_USAGE);
		assert_non_null(strstr(err.text, rows[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_the_documented_shape),
		cmocka_unit_test(json_is_json_whatever_the_target_holds),
		cmocka_unit_test(an_empty_model_is_a_document_too),
		cmocka_unit_test(types_sum_to_the_memory_in_use),
		cmocka_unit_test(csv_is_a_header_and_exact_rows),
		cmocka_unit_test(attributes_are_columns_of_instances),
		cmocka_unit_test(no_values_leaves_the_value_out),
		cmocka_unit_test(questions_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
