#include "report/report_number.h"

#include "cs_test.h"

#define GIB (1024ull * 1024 * 1024)

TEST(counts_have_thousands_separators)
{
	static const struct {
		uint64_t n;
		const char *want;
	} rows[] = {
		{ 0, "0" },	      { 999, "999" },
		{ 1000, "1,000" },    { 5210332, "5,210,332" },
		{ 12345, "12,345" },  { UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	char buf[CS_NUMBER_LEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cs_number_count(buf, rows[i].n);
		assert_string_equal(buf, rows[i].want);
	}
}

TEST(bytes_are_rounded_to_units)
{
	static const struct {
		uint64_t n;
		const char *want, *tight;
	} rows[] = {
		{ 0, "0 B", "0B" },
		{ 1023, "1023 B", "1023B" },
		{ 1024, "1.0 KiB", "1.0K" },
		{ 1536, "1.5 KiB", "1.5K" },
		/* never 1024.0 of a unit: that is 1.0 of the next */
		{ 1024 * 1024 - 1, "1.0 MiB", "1.0M" },
		{ GIB - 1, "1.00 GiB", "1.00G" },
		{ 642149581, "612.4 MiB", "612.4M" },
		{ GIB + GIB / 20, "1.05 GiB", "1.05G" },
		{ UINT64_MAX, "16.00 EiB", "16.00E" },
	};
	char buf[CS_NUMBER_LEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cs_number_bytes(buf, rows[i].n, false);
		assert_string_equal(buf, rows[i].want);
		cs_number_bytes(buf, rows[i].n, true);
		assert_string_equal(buf, rows[i].tight);
	}
}

TEST(percent_is_exact_to_a_thousandth)
{
	assert_int_equal(cs_number_percent(1, 0), 0);
	assert_int_equal(cs_number_percent(1, 3), 33333);
	assert_int_equal(cs_number_percent(2, 3), 66667);
	assert_int_equal(cs_number_percent(UINT64_MAX, UINT64_MAX), 100000);
}

TEST(sizes_are_read_as_people_write_them)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "0", 0 },	    { "4096", 4096 },	   { "512k", 512 * 1024 },
		{ "512K", 524288 }, { "2G", 2 * GIB },	   { "2GiB", 2 * GIB },
		{ "2gb", 2 * GIB }, { "1.5k", 1536 },	   { "1.25MiB", 1310720 },
		{ "10B", 10 },	    { "1T", 1024 * GIB },
	};
	uint64_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(cs_number_parse_size(rows[i].text, &n, NULL), CS_OK);
		assert_int_equal(n, rows[i].want);
	}
}

TEST(what_is_not_a_size_is_refused)
{
	static const char *const bad[] = { "",	  "-1",	  "k",	  "1x",	   "1kk",	  "1.5",
					   "1.k", "1 k",  "0x10", "1e3",   "1.2345k",	  "99999999999G",
					   "1kib ", "18446744073709551616", "16384P" };
	struct cs_error err;
	uint64_t n = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = 0;
		assert_int_equal(cs_number_parse_size(bad[i], &n, &err), CS_USAGE);
		assert_int_not_equal(err.text[0], 0);
		assert_int_equal(n, 7);
	}
}

TEST(addresses_are_hexadecimal_or_decimal)
{
	static const char *const bad[] = { "", "0x", "zz", "-1", "0x1g", "0x10000000000000000",
					   "18446744073709551616", " 1", "1 " };
	cs_addr a = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cs_number_parse_address(bad[i], &a));
	assert_int_equal(a, 7);
	assert_true(cs_number_parse_address("0x7fFf12345678", &a));
	assert_int_equal(a, 0x7fff12345678);
	assert_true(cs_number_parse_address("0XFF", &a));
	assert_int_equal(a, 255);
	assert_true(cs_number_parse_address("4096", &a));
	assert_int_equal(a, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_have_thousands_separators),
		cmocka_unit_test(bytes_are_rounded_to_units),
		cmocka_unit_test(percent_is_exact_to_a_thousandth),
		cmocka_unit_test(sizes_are_read_as_people_write_them),
		cmocka_unit_test(what_is_not_a_size_is_refused),
		cmocka_unit_test(addresses_are_hexadecimal_or_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
