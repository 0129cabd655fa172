#include "report/report_table.h"

#include "cs_test.h"

#include <string.h>

static const struct cs_column columns[] = {
	{ "name", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "percent", "%", CS_CELL_PERCENT, 0 },
	{ 0 },
};

static void add(struct cs_table *t, const char *name, uint64_t count, uint64_t bytes)
{
	struct cs_cell cells[] = { cs_cell_text(name), cs_cell_number(CS_CELL_COUNT, count),
				   cs_cell_number(CS_CELL_BYTES, bytes),
				   cs_cell_number(CS_CELL_PERCENT, 0) };

	assert_true(cs_table_add(t, cells));
}

static void five_rows(struct cs_table *t)
{
	cs_table_init(t, columns);
	t->whole = 1000;
	add(t, "app.b", 1, 100);
	add(t, "app.a", 9, 100);
	add(t, "lib.big", 5, 700);
	add(t, "lib.none", 0, 0);
	t->last_row = 4;
	add(t, "last", 3, 100);
}

/* The names in the order selected, joined by blanks. */
static const char *order(const struct cs_table *t, char buf[100])
{
	*buf = 0;
	for (size_t i = 0; i < t->order.count; i++) {
		strcat(buf, i ? " " : "");
		strcat(buf, cs_table_row(t, t->order.items[i])[0].text);
	}
	return buf;
}

TEST(order_is_total_and_the_last_row_stays_last)
{
	static const struct {
		struct cs_select wish;
		const char *want;
	} rows[] = {
		{ { 0 }, "lib.big app.a app.b lib.none last" },
		{ { .sort = "count" }, "app.a lib.big last app.b lib.none" },
		{ { .sort = "name" }, "app.a app.b last lib.big lib.none" },
		{ { .sort = "no such" }, "lib.big app.a app.b lib.none last" },
		{ { .min = 100 }, "lib.big app.a app.b last" },
		{ { .type = "app.*" }, "app.a app.b" },
		{ { .type = "APP.*" }, "" },
		{ { .top = 2 }, "lib.big app.a" },
		{ { .top = 2, .sort = "name", .min = 1 }, "app.a app.b" },
		{ { .top = 99 }, "lib.big app.a app.b lib.none last" },
	};
	struct cs_table t;
	char buf[100];

	five_rows(&t);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(cs_table_select(&t, &rows[i].wish, NULL), CS_OK);
		assert_string_equal(order(&t, buf), rows[i].want);
	}
	cs_table_deinit(&t);
}

TEST(rows_and_more_are_the_total)
{
	struct cs_table t;

	five_rows(&t);
	for (uint64_t top = 0; top < 7; top++) {
		struct cs_select wish = { .top = top };
		uint64_t count = 0, bytes = 0;

		assert_int_equal(cs_table_select(&t, &wish, NULL), CS_OK);
		for (size_t i = 0; i < t.order.count; i++) {
			count += cs_table_row(&t, t.order.items[i])[1].number;
			bytes += cs_table_row(&t, t.order.items[i])[2].number;
		}
		assert_int_equal(t.total[1], 18);
		assert_int_equal(t.total[2], 1000);
		assert_int_equal(t.total[3], 100000);
		assert_int_equal(count + t.more[1], t.total[1]);
		assert_int_equal(bytes + t.more[2], t.total[2]);
		assert_int_equal(t.order.count + t.more_rows, t.total_rows);
	}
	cs_table_deinit(&t);
}

TEST(folding_keeps_the_big_and_the_last)
{
	struct cs_select all = { 0 };
	struct cs_table t;
	char buf[100];

	five_rows(&t);
	assert_int_equal(cs_table_select(&t, &all, NULL), CS_OK);
	cs_table_fold(&t, 200, 1, 8);
	assert_string_equal(order(&t, buf), "lib.big last");
	assert_int_equal(t.more_rows, 3);
	assert_int_equal(t.more[2], 200);
	assert_int_equal(t.more[3], 20000);

	assert_int_equal(cs_table_select(&t, &all, NULL), CS_OK);
	cs_table_fold(&t, 200, 2, 8); /* at least two, the empty one folded alone */
	assert_string_equal(order(&t, buf), "lib.big app.a last");
	assert_int_equal(t.more_rows, 2);

	assert_int_equal(cs_table_select(&t, &all, NULL), CS_OK);
	cs_table_fold(&t, 0, 0, 1);
	assert_string_equal(order(&t, buf), "lib.big last");
	cs_table_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_total_and_the_last_row_stays_last),
		cmocka_unit_test(rows_and_more_are_the_total),
		cmocka_unit_test(folding_keeps_the_big_and_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
