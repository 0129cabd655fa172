/* Line tables by hand, after the documents that describe them. */
#include "cpython/py_line.h"
#include "fake_py.h"
#include "cs_test.h"

#include <stdlib.h>

#define CODE (FAKE_BASE + 0x10000)
#define TABLE (FAKE_BASE + 0x11000)

enum { FIRST = 10 };

static void begin(struct fake_py *f, unsigned minor, const unsigned char *table, uint64_t len)
{
	const struct py_layout *l;

	fake_py_begin(f, minor);
	l = &f->py->layout;
	fake_put32(f, CODE + py_off(l, PY_CODE_FIRSTLINENO), FIRST);
	fake_put(f, CODE + py_off(l, py_has(l, PY_CODE_LNOTAB) ? PY_CODE_LNOTAB : PY_CODE_LINETABLE), TABLE);
	fake_put(f, TABLE + py_off(l, PY_OB_SIZE), len);
	memcpy(fake_at(f, TABLE + py_off(l, PY_BYTES_SVAL)), table, len);
}

struct row {
	int64_t at;
	uint32_t line;
};

static void expect(unsigned minor, const unsigned char *table, uint64_t len, const struct row *rows,
		   size_t count)
{
	struct fake_py f;

	begin(&f, minor, table, len);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(py_line(f.py, CODE, rows[i].at), rows[i].line);
	fake_py_end(&f);
}

#define EXPECT(minor, table, rows) \
	expect(minor, table, sizeof(table), rows, sizeof(rows) / sizeof(*rows))

TEST(lnotab_counts_bytes_and_lines)
{
	/* 255 bytes without a line in between, and a line that goes back */
	static const unsigned char table[] = { 6, 1, 8, 2, 255, 0, 5, 1, 4, 0xfe };
	static const struct row rows[] = { { -1, 10 },	{ 0, 10 },   { 5, 10 },	  { 6, 11 },
					   { 13, 11 },	{ 14, 13 },  { 273, 13 }, { 274, 14 },
					   { 278, 12 }, { 9999, 12 } };

	EXPECT(8, table, rows);
	EXPECT(9, table, rows);
}

TEST(pairs_of_3_10_know_of_code_without_a_line)
{
	static const unsigned char table[] = { 4, 1, 6, 0x80, 2, 3, 0, 100, 2, 0xff };
	static const struct row rows[] = { { -2, 10 }, { 0, 11 },   { 3, 11 },	 { 4, 0 },  { 9, 0 },
					   { 10, 14 }, { 12, 113 }, { 13, 113 }, { 14, 0 } };

	EXPECT(10, table, rows);
}

#define ENTRY(kind, units) (0x80 | (kind) << 3 | ((units) - 1))

TEST(location_tables_of_3_11_skip_columns)
{
	static const unsigned char table[] = {
		ENTRY(0, 1),  0x12,		      /* short: the same line */
		ENTRY(13, 2), 0x04,		      /* no columns: +2 */
		ENTRY(14, 1), 0x07, 0x00, 0x05, 0x05, /* long: -3 */
		ENTRY(15, 8),			      /* none */
		ENTRY(12, 1), 0x01, 0x02,	      /* one line: +2 */
		ENTRY(13, 1), 0x50, 0x1f,	      /* +1000 in two pieces */
		ENTRY(10, 1), 0x01, 0x02, ENTRY(11, 1), 0x01, 0x02,
	};
	static const struct row rows[] = { { -2, 10 },	{ 0, 10 },    { 2, 12 },  { 5, 12 },
					   { 6, 9 },	{ 8, 0 },     { 23, 0 },  { 24, 11 },
					   { 26, 1011 }, { 28, 1011 }, { 30, 1012 }, { 32, 0 } };

	for (unsigned minor = 11; minor <= 14; minor++)
		EXPECT(minor, table, rows);
}

/* Any bytes, at the very end of memory: an answer, and nothing read behind them. */
TEST(any_table_gives_an_answer)
{
	unsigned seed = 1;

	for (unsigned minor = 8; minor <= 14; minor++)
		for (uint64_t len = 0; len < 64; len++) {
			unsigned char table[64];
			struct fake_py f;

			for (uint64_t i = 0; i < len; i++)
				table[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
			begin(&f, minor, table, len);
			fake_cut(&f, TABLE + py_off(&f.py->layout, PY_BYTES_SVAL) + len);
			for (int64_t at = -2; at < 600; at += 7)
				py_line(f.py, CODE, at);
			py_line(f.py, CODE, INT64_MAX);
			fake_put(&f, TABLE + py_off(&f.py->layout, PY_OB_SIZE), len + 1);
			assert_int_equal(py_line(f.py, CODE, 0), 0);
			fake_put(&f, TABLE + py_off(&f.py->layout, PY_OB_SIZE), UINT64_MAX);
			assert_int_equal(py_line(f.py, CODE, 0), 0);
			fake_py_end(&f);
		}
}

TEST(a_table_has_no_more_looks_than_there_are)
{
	static unsigned char table[0x8000]; /* 3.10: 16384 pairs of no code */
	struct fake_py f;

	begin(&f, 10, table, sizeof(table));
	f.py->steps_left = 100;
	assert_int_equal(py_line(f.py, CODE, 0), 0);
	assert_int_equal(f.py->steps_left, 0);
	fake_py_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lnotab_counts_bytes_and_lines),
		cmocka_unit_test(pairs_of_3_10_know_of_code_without_a_line),
		cmocka_unit_test(location_tables_of_3_11_skip_columns),
		cmocka_unit_test(any_table_gives_an_answer),
		cmocka_unit_test(a_table_has_no_more_looks_than_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
