#include "base/num.h"
#include "cs_test.h"

TEST(loads_are_little_endian_at_any_alignment)
{
	const unsigned char b[] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8 };

	assert_int_equal(cs_le16(b + 1), 0x0201);
	assert_int_equal(cs_le32(b + 1), 0x04030201);
	assert_true(cs_le64(b + 1) == 0x0807060504030201);
}

TEST(sums_that_do_not_fit_are_refused_and_leave_out_alone)
{
	uint64_t v = 7;

	assert_false(cs_add(UINT64_MAX, 1, &v));
	assert_false(cs_mul(UINT64_MAX, 2, &v));
	assert_int_equal(v, 7);
	assert_true(cs_add(UINT64_MAX - 1, 1, &v));
	assert_true(v == UINT64_MAX);
	assert_true(cs_mul(1ull << 32, 1ull << 31, &v));
	assert_true(v == 1ull << 63);
}

TEST(a_range_holds_what_lies_wholly_inside)
{
	static const struct {
		struct cs_range r;
		uint64_t addr, len;
		bool has;
	} rows[] = {
		{ { 0x1000, 0x100 }, 0x1000, 0x100, true },
		{ { 0x1000, 0x100 }, 0x1000, 0x101, false },
		{ { 0x1000, 0x100 }, 0x10ff, 1, true },
		{ { 0x1000, 0x100 }, 0x1100, 0, true },
		{ { 0x1000, 0x100 }, 0x1100, 1, false },
		{ { 0x1000, 0x100 }, 0xfff, 1, false },
		{ { 0x1000, 0x100 }, 0x1001, UINT64_MAX, false },
		{ { UINT64_MAX - 0xf, 0xf }, UINT64_MAX - 1, 1, true },
		{ { UINT64_MAX - 0xf, 0xf }, UINT64_MAX - 1, 2, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(cs_range_has(rows[i].r, rows[i].addr, rows[i].len), rows[i].has);
}

TEST(alignment_goes_down_and_up)
{
	assert_int_equal(cs_align_down(0x1fff, 0x1000), 0x1000);
	assert_int_equal(cs_align_up(0x1001, 0x1000), 0x2000);
	assert_int_equal(cs_align_up(0x1000, 0x1000), 0x1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_little_endian_at_any_alignment),
		cmocka_unit_test(sums_that_do_not_fit_are_refused_and_leave_out_alone),
		cmocka_unit_test(a_range_holds_what_lies_wholly_inside),
		cmocka_unit_test(alignment_goes_down_and_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
