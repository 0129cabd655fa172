/* Previews: one line, within the buffer, as repr() would begin. */
#include "cpython/py_census.h"
#include "cpython/py_types.h"
#include "cpython/py_value.h"
#include "fake_py.h"
#include "cs_test.h"

#include <math.h>
#include <stdio.h>

#define OBJ (FAKE_BASE + 0x40000)
#define KEYS (FAKE_BASE + 0x50000)
#define TEXTS (FAKE_BASE + 0x60000)

enum { MINOR = 12 };

static void begin(struct fake_py *f, const char *name, uint64_t flags, uint64_t basic, uint64_t item)
{
	fake_py_begin(f, MINOR);
	fake_put(f, OBJ, 1);
	fake_put(f, OBJ + 8, fake_py_type(f, name, flags, basic, item, 0));
}

static const char *value_of(struct fake_py *f, size_t cap)
{
	static char text[600];
	struct py_obj o;

	memset(text, '#', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_true(py_object_static(f->py, OBJ, &o));
	py_value(f->py, &o, text, cap);
	if (cap)
		assert_in_range(strlen(text), 0, cap - 1);
	for (size_t i = cap; i < sizeof(text) - 1; i++)
		assert_int_equal(text[i], '#');
	return cap ? text : "";
}

static void set_bytes(struct fake_py *f, const char *bytes, size_t n)
{
	fake_put(f, OBJ + py_off(&f->py->layout, PY_OB_SIZE), n);
	memcpy(fake_at(f, OBJ + py_off(&f->py->layout, PY_BYTES_SVAL)), bytes, n);
}

TEST(bytes_are_written_as_python_writes_them)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *want;
	} rows[] = {
		{ "", 0, "b''" },
		{ "plain", 5, "b'plain'" },
		{ "a\0b", 3, "b'a\\x00b'" },
		{ "\xff\x80\x7f\x1b", 4, "b'\\xff\\x80\\x7f\\x1b'" },
		{ "it's \\ \n", 8, "b'it\\'s \\\\ \\n'" },
		{ "123456789.123456789.123456789.123456789.123456789.123456789.1", 61,
		  "b'123456789.123456789.123456789.123456789.123456789.123456789....'" },
	};
	struct fake_py f;

	begin(&f, "bytes", PY_FLAG_BYTES, 33, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_bytes(&f, rows[i].bytes, rows[i].n);
		assert_string_equal(value_of(&f, 512), rows[i].want);
	}
	fake_put(&f, OBJ + py_off(&f.py->layout, PY_OB_SIZE), UINT64_MAX);
	assert_string_equal(value_of(&f, 512) + strlen(value_of(&f, 512)) - 4, "...'");
	fake_py_end(&f);
}

TEST(text_is_quoted_and_what_is_cut_is_said)
{
	struct fake_py f;
	const struct py_layout *l;
	cs_addr data;

	begin(&f, "str", PY_FLAG_STR, 64, 0);
	l = &f.py->layout;
	fake_str(&f, OBJ, "a\tb'c\\");
	assert_string_equal(value_of(&f, 512), "'a\\x09b\\'c\\\\'");
	/* 40 characters of three bytes: not all of them are shown */
	fake_put(&f, OBJ + py_off(l, PY_STR_LENGTH), 40);
	*fake_at(&f, OBJ + py_off(l, PY_STR_STATE)) = 2 << 2 | 1 << 5;
	data = OBJ + py_off(l, PY_COMPACT_SIZE);
	for (unsigned i = 0; i < 40; i++)
		memcpy(fake_at(&f, data + i * 2), "\xac\x20", 2);
	assert_non_null(strstr(value_of(&f, 512), "\xe2\x82\xac...'"));
	fake_put(&f, OBJ + py_off(l, PY_STR_LENGTH), 5);
	assert_null(strstr(value_of(&f, 512), "..."));
	fake_put(&f, OBJ + py_off(l, PY_STR_LENGTH), UINT64_MAX);
	assert_string_equal(value_of(&f, 512), "");
	fake_py_end(&f);
}

TEST(numbers_are_numbers)
{
	static const struct {
		uint64_t tag;
		uint32_t low, high;
		const char *want;
	} rows[] = {
		{ 1 << 3, 7, 0, "7" },
		{ 1 << 3 | 2, 7, 0, "-7" },
		{ 1, 0, 0, "0" },
		{ 2 << 3, 1, 1, "1073741825" },
		{ 2 << 3 | 2, 0x3fffffff, 0x3fffffff, "-1152921504606846975" },
		{ 90 << 3, 1, 1, "a number of about 2700 bits" },
	};
	struct fake_py f;

	begin(&f, "int", PY_FLAG_LONG, 24, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cs_addr digit = OBJ + py_off(&f.py->layout, PY_LONG_DIGIT);

		fake_put(&f, OBJ + py_off(&f.py->layout, PY_LONG_TAG), rows[i].tag);
		fake_put32(&f, digit, rows[i].low);
		fake_put32(&f, digit + 4, rows[i].high);
		assert_string_equal(value_of(&f, 512), rows[i].want);
	}
	fake_py_end(&f);
}

TEST(a_float_is_written_as_python_writes_it)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{ 0.0, "0.0" },	      { -0.0, "-0.0" },	   { 1.0, "1.0" },	  { 100000.0, "100000.0" },
		{ 0.1, "0.1" },	      { 1 / 3.0, "0.3333333333333333" },	  { -2.5e-7, "-2.5e-07" },
		{ 1e16, "1e+16" },    { 1e15, "1000000000000000.0" },		  { 1e-4, "0.0001" },
		{ 1e-5, "1e-05" },    { 5e-324, "5e-324" }, { 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 123456789012345.6, "123456789012345.6" }, { 12.5, "12.5" },	  { 9007199254740993.0, "9007199254740992.0" },
		{ INFINITY, "inf" },  { -INFINITY, "-inf" },
	};
	struct fake_py f;

	begin(&f, "float", 0, 24, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t bits;

		memcpy(&bits, &rows[i].value, 8);
		fake_put(&f, OBJ + 16, bits);
		assert_string_equal(value_of(&f, 512), rows[i].want);
	}
	fake_py_end(&f);
}

TEST(long_ints_are_written_in_full)
{
	struct fake_py f;
	cs_addr digit;

	begin(&f, "int", PY_FLAG_LONG, 24, 4);
	digit = OBJ + py_off(&f.py->layout, PY_LONG_DIGIT);
	/* 10^40 in digits of 30 bits */
	static const uint32_t digits[] = { 0, 668304384, 172751547, 175927511, 7523 };

	fake_put(&f, OBJ + py_off(&f.py->layout, PY_LONG_TAG), 5 << 3 | 2);
	for (size_t i = 0; i < 5; i++)
		fake_put32(&f, digit + i * 4, digits[i]);
	assert_string_equal(value_of(&f, 512), "-10000000000000000000000000000000000000000");
	/* what does not fit is not cut: another number would be a lie */
	assert_string_equal(value_of(&f, 41), "-a number of about 150 bits");
	fake_py_end(&f);
}

TEST(a_float_reads_back_as_itself)
{
	static const double values[] = { 0.1, -0.0, 1e308, 5e-324, 1 / 3.0, INFINITY };
	struct fake_py f;

	begin(&f, "float", 0, 24, 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		uint64_t bits;
		double back;

		memcpy(&bits, &values[i], 8);
		fake_put(&f, OBJ + 16, bits);
		assert_int_equal(sscanf(value_of(&f, 512), "%lf", &back), 1);
		assert_memory_equal(&back, &values[i], 8);
	}
	fake_put(&f, OBJ + 16, UINT64_MAX); /* not a number */
	assert_non_null(strstr(value_of(&f, 512), "nan"));
	fake_py_end(&f);
}

/* A dict with keys of control characters, which take four each. */
static void make_dict(struct fake_py *f, uint64_t used, unsigned log2, uint64_t nentries)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr str = fake_py_type(f, "str", PY_FLAG_STR, 64, 0, 0);
	cs_addr entries = KEYS + py_off(l, PY_KEYS_INDICES) + (1ull << log2);

	fake_put(f, OBJ + py_off(l, PY_DICT_USED), used);
	fake_put(f, OBJ + py_off(l, PY_DICT_KEYS), KEYS);
	*fake_at(f, KEYS + py_off(l, PY_KEYS_LOG2_SIZE)) = (unsigned char)log2;
	*fake_at(f, KEYS + py_off(l, PY_KEYS_LOG2_INDEX_BYTES)) = (unsigned char)log2;
	*fake_at(f, KEYS + py_off(l, PY_KEYS_KIND)) = 1;
	fake_put(f, KEYS + py_off(l, PY_KEYS_NENTRIES), nentries);
	for (unsigned i = 0; i < 8 && log2 < 8; i++) {
		char text[24];

		memset(text, 1, sizeof(text) - 1);
		text[sizeof(text) - 1] = 0;
		fake_str(f, TEXTS + i * 0x100, text);
		fake_put(f, TEXTS + i * 0x100 + 8, str);
		fake_put(f, entries + i * 16, TEXTS + i * 0x100);
		fake_put(f, entries + i * 16 + 8, 1);
	}
}

TEST(a_dict_shows_its_first_keys)
{
	struct fake_py f;

	begin(&f, "dict", PY_FLAG_DICT, 48, 0);
	make_dict(&f, UINT64_MAX, 4, 8);
	assert_true(!strncmp(value_of(&f, 512), "18446744073709551615 entries, keys '\\x01", 38));
	assert_string_equal(value_of(&f, 600 - 1) + strlen(value_of(&f, 600 - 1)) - 6, "', ...");
	fake_py_end(&f);
}

TEST(a_dict_of_2_to_the_40_slots_takes_no_time)
{
	struct fake_py f;

	begin(&f, "dict", PY_FLAG_DICT, 48, 0);
	make_dict(&f, 1ull << 40, 40, 1ull << 40);
	assert_string_equal(value_of(&f, 512), "1099511627776 entries");
	fake_py_end(&f);
}

TEST(no_preview_leaves_its_buffer)
{
	struct fake_py f;

	for (size_t cap = 0; cap < 520; cap++) {
		begin(&f, "dict", PY_FLAG_DICT, 48, 0);
		make_dict(&f, UINT64_MAX, 4, 8);
		value_of(&f, cap);
		fake_py_end(&f);
		begin(&f, "bytes", PY_FLAG_BYTES, 33, 1);
		set_bytes(&f, "\x01\xff'\n\\ \x01\xff'\n\\ \x01\xff'\n\\ \x01\xff'\n\\ ", 24);
		value_of(&f, cap);
		fake_py_end(&f);
		begin(&f, "str", PY_FLAG_STR, 64, 0);
		fake_str(&f, OBJ, "\x01\x02'\n\\ and some more of it, as long as it may be, and then more");
		value_of(&f, cap);
		fake_py_end(&f);
		begin(&f, "int", PY_FLAG_LONG, 24, 4);
		fake_put(&f, OBJ + py_off(&f.py->layout, PY_LONG_TAG), UINT64_MAX);
		value_of(&f, cap);
		fake_py_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_written_as_python_writes_them),
		cmocka_unit_test(text_is_quoted_and_what_is_cut_is_said),
		cmocka_unit_test(numbers_are_numbers),
		cmocka_unit_test(a_float_is_written_as_python_writes_it),
		cmocka_unit_test(long_ints_are_written_in_full),
		cmocka_unit_test(a_float_reads_back_as_itself),
		cmocka_unit_test(a_dict_shows_its_first_keys),
		cmocka_unit_test(a_dict_of_2_to_the_40_slots_takes_no_time),
		cmocka_unit_test(no_preview_leaves_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
