#include "cpython/py_dict.h"
#include "fake_py.h"
#include "cs_test.h"

#define KEYS (FAKE_BASE + 0x10000)
#define DICT (FAKE_BASE + 0x18000)
#define TEXT (FAKE_BASE + 0x20000)
#define WIDE (FAKE_BASE + 0x30000)

static void old_keys(struct fake_py *f, uint64_t slots, uint64_t usable, uint64_t nentries)
{
	const struct py_layout *l = &f->py->layout;

	fake_put(f, KEYS + py_off(l, PY_KEYS_REFCNT), 1);
	fake_put(f, KEYS + py_off(l, PY_KEYS_SLOTS), slots);
	fake_put(f, KEYS + py_off(l, PY_KEYS_USABLE), usable);
	fake_put(f, KEYS + py_off(l, PY_KEYS_NENTRIES), nentries);
}

static void new_keys(struct fake_py *f, unsigned log2, unsigned log2_index, unsigned kind,
		     uint64_t usable, uint64_t nentries)
{
	const struct py_layout *l = &f->py->layout;

	fake_put(f, KEYS + py_off(l, PY_KEYS_REFCNT), 1);
	*fake_at(f, KEYS + py_off(l, PY_KEYS_LOG2_SIZE)) = (unsigned char)log2;
	*fake_at(f, KEYS + py_off(l, PY_KEYS_LOG2_INDEX_BYTES)) = (unsigned char)log2_index;
	*fake_at(f, KEYS + py_off(l, PY_KEYS_KIND)) = (unsigned char)kind;
	fake_put(f, KEYS + py_off(l, PY_KEYS_USABLE), usable);
	fake_put(f, KEYS + py_off(l, PY_KEYS_NENTRIES), nentries);
}

TEST(tables_up_to_3_10_have_the_size_cpython_counts)
{
	static const struct {
		uint64_t slots, usable, nentries, size; /* 0: refused */
	} rows[] = {
		{ 8, 5, 0, 40 + 8 + 5 * 24 },
		{ 16, 0, 10, 40 + 16 + 10 * 24 },
		{ 256, 1, 2, 40 + 512 + 170 * 24 },
		{ 65536, 1, 2, 40 + 65536 * 4 + 43690 * 24 },
		{ 1, 0, 0, 40 + 1 }, /* the static empty table */
		{ 0, 0, 0, 0 },
		{ 7, 0, 0, 0 },
		{ 24, 0, 0, 0 },
		{ 1ull << 41, 0, 0, 0 },
		{ 1ull << 63, 0, 0, 0 },
		{ UINT64_MAX, 0, 0, 0 },
		{ 8, 5, 9, 0 },
		{ 8, 9, 0, 0 },
		{ 8, UINT64_MAX, 0, 0 },
		{ 8, 0, UINT64_MAX, 0 },
	};
	struct fake_py f;

	fake_py_begin(&f, 9);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct py_keys k = { .size = 0 };

		old_keys(&f, rows[i].slots, rows[i].usable, rows[i].nentries);
		assert_int_equal(py_keys_load(f.py, KEYS, &k), rows[i].size != 0);
		assert_int_equal(k.size, rows[i].size);
	}
	fake_py_end(&f);
}

TEST(tables_from_3_11_on_have_the_size_cpython_counts)
{
	static const struct {
		unsigned log2, index, kind;
		uint64_t usable, nentries, size;
		bool is_split;
	} rows[] = {
		{ 3, 3, 0, 5, 0, 32 + 8 + 5 * 24, false },
		{ 3, 3, 1, 5, 0, 32 + 8 + 5 * 16, false },
		{ 3, 3, 2, 5, 0, 32 + 8 + 5 * 16, true },
		{ 8, 9, 1, 0, 3, 32 + 512 + 170 * 16, false },
		{ 0, 3, 1, 0, 0, 32 + 8, false }, /* the static empty table */
		{ 3, 3, 3, 5, 0, 0, false },
		{ 3, 3, 255, 5, 0, 0, false },
		{ 3, 2, 1, 5, 0, 0, false },
		{ 3, 7, 1, 5, 0, 0, false },
		{ 41, 43, 1, 0, 0, 0, false },
		{ 64, 66, 1, 0, 0, 0, false },
		{ 255, 255, 1, 0, 0, 0, false },
		{ 3, 255, 1, 5, 0, 0, false },
		{ 3, 3, 1, 5, 9, 0, false },
		{ 3, 3, 1, UINT64_MAX, 0, 0, false },
	};

	for (unsigned minor = 11; minor <= 14; minor++) {
		struct fake_py f;

		fake_py_begin(&f, minor);
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct py_keys k = { .size = 0 };

			new_keys(&f, rows[i].log2, rows[i].index, rows[i].kind, rows[i].usable,
				 rows[i].nentries);
			assert_int_equal(py_keys_load(f.py, KEYS, &k), rows[i].size != 0);
			assert_int_equal(k.size, rows[i].size);
			assert_int_equal(k.is_split, rows[i].is_split);
		}
		fake_py_end(&f);
	}
}

TEST(the_biggest_table_there_may_be_does_not_overflow)
{
	struct fake_py f;
	struct py_keys k;

	fake_py_begin(&f, 12);
	new_keys(&f, 40, 43, 0, 0, 1ull << 40);
	assert_true(py_keys_load(f.py, KEYS, &k));
	assert_true(k.size > k.usable * 24 && k.size < 1ull << 46);
	cs_addr key, value;
	assert_false(py_keys_entry(f.py, &k, 0, &key, &value));
	assert_false(py_keys_entry(f.py, &k, UINT64_MAX / 24, &key, &value));
	fake_py_end(&f);
}

static void dict_with(struct fake_py *f, const char *const *keys, size_t n)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr entries = KEYS + py_off(l, PY_KEYS_INDICES) + 16;

	fake_put(f, DICT + py_off(l, PY_DICT_KEYS), KEYS);
	new_keys(f, 4, 4, 1, 10 - n, n);
	for (size_t i = 0; i < n; i++) {
		fake_put(f, entries + i * 16, keys[i] ? TEXT + i * 0x100 : 0);
		fake_put(f, entries + i * 16 + 8, 0x1000 + i);
		if (keys[i])
			fake_str(f, TEXT + i * 0x100, keys[i]);
	}
}

TEST(a_key_is_found_among_deleted_and_broken_ones)
{
	static const char *const keys[] = { "a", NULL, "__module", "__module__", "b" };
	struct fake_py f;

	fake_py_begin(&f, 12);
	dict_with(&f, keys, 5);
	assert_int_equal(py_dict_get(f.py, DICT, "__module__"), 0x1003);
	assert_int_equal(py_dict_get(f.py, DICT, "__modul"), 0);
	/* a str whose length lies is no key, and no reason to stop */
	fake_put(&f, TEXT + py_off(&f.py->layout, PY_STR_LENGTH), 1ull << 62);
	*fake_at(&f, TEXT + 0x200 + py_off(&f.py->layout, PY_STR_STATE)) = 0xff;
	assert_int_equal(py_dict_get(f.py, DICT, "__module__"), 0x1003);
	/* a split table has its values elsewhere */
	fake_put(&f, DICT + py_off(&f.py->layout, PY_DICT_VALUES), KEYS);
	assert_int_equal(py_dict_get(f.py, DICT, "__module__"), 0);
	fake_put(&f, DICT + py_off(&f.py->layout, PY_DICT_VALUES), 0);
	f.py->steps_left = 3;
	assert_int_equal(py_dict_get(f.py, DICT, "__module__"), 0);
	fake_py_end(&f);
}

/* Take the memory away at every place in turn. */
TEST(every_absent_byte_is_no_key_rather_than_a_crash)
{
	static const char *const keys[] = { "a", "__module__" };

	for (cs_addr cut = KEYS - 16; cut < TEXT + 0x200; cut += cut < KEYS + 0x200 || cut > TEXT ? 8 : 0x1000) {
		struct fake_py f;
		char text[64];

		fake_py_begin(&f, 12);
		dict_with(&f, keys, 2);
		fake_cut(&f, cut);
		assert_int_equal(py_dict_get(f.py, DICT, "__module__"), 0);
		assert_false(py_str_text(f.py, TEXT + 0x300, text, sizeof(text), NULL));
		fake_py_end(&f);
	}
}

/* A str of that kind with its characters behind it. */
static void wide_str(struct fake_py *f, unsigned kind, const uint32_t *chars, size_t n)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr data = WIDE + py_off(l, PY_COMPACT_SIZE);

	fake_put(f, WIDE + py_off(l, PY_STR_LENGTH), n);
	*fake_at(f, WIDE + py_off(l, PY_STR_STATE)) = (unsigned char)(kind << 2 | 1 << 5);
	for (size_t i = 0; i < n; i++)
		memcpy(fake_at(f, data + i * kind), &chars[i], kind);
}

TEST(text_of_every_kind_becomes_utf8)
{
	static const uint32_t one[] = { 'a', 0x7f, 0x80, 0xff };
	static const uint32_t two[] = { 'a', 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xffff };
	static const uint32_t four[] = { 'a', 0x10000, 0x10ffff, 0x110000, UINT32_MAX, 0xdabc };
	static const struct {
		unsigned kind;
		const uint32_t *chars;
		size_t n;
		const char *want;
	} rows[] = {
		{ 1, one, 4, "a\x7f\xc2\x80\xc3\xbf" },
		{ 2, two, 8, "a\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf??\xee\x80\x80\xef\xbf\xbf" },
		{ 4, four, 6, "a\xf0\x90\x80\x80\xf4\x8f\xbf\xbf???" },
	};
	struct fake_py f;
	char text[64];
	size_t len;

	fake_py_begin(&f, 11);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		wide_str(&f, rows[i].kind, rows[i].chars, rows[i].n);
		assert_true(py_str_text(f.py, WIDE, text, sizeof(text), &len));
		assert_int_equal(len, strlen(rows[i].want));
		assert_string_equal(text, rows[i].want);
	}
	fake_py_end(&f);
}

TEST(text_never_leaves_its_buffer)
{
	static const uint32_t chars[] = { 0x10ffff, 0x10ffff, 0x10ffff, 0x10ffff };
	struct fake_py f;

	fake_py_begin(&f, 12);
	wide_str(&f, 4, chars, 4);
	for (size_t cap = 0; cap < 24; cap++) {
		char text[32];
		size_t len = 0;

		memset(text, 'x', sizeof(text));
		assert_int_equal(py_str_text(f.py, WIDE, text, cap, &len), cap > 0);
		assert_true(!cap || (len < cap && !text[len] && len % 4 == 0));
		for (size_t i = cap; i < sizeof(text); i++)
			assert_int_equal(text[i], 'x');
	}
	fake_py_end(&f);
}

TEST(what_is_no_str_has_no_text)
{
	struct fake_py f;
	char text[64];
	const struct py_layout *l;

	fake_py_begin(&f, 9);
	l = &f.py->layout;
	fake_str(&f, TEXT, "hello");
	assert_true(py_str_text(f.py, TEXT, text, sizeof(text), NULL));
	for (unsigned kind = 0; kind < 8; kind++) {
		*fake_at(&f, TEXT + py_off(l, PY_STR_STATE)) = (unsigned char)(kind << 2 | 1 << 5 | 1 << 6);
		assert_int_equal(py_str_text(f.py, TEXT, text, sizeof(text), NULL),
				 kind == 1 || kind == 2 || kind == 4);
	}
	fake_str(&f, TEXT, "hello");
	fake_put(&f, TEXT + py_off(l, PY_STR_LENGTH), 1ull << 40);
	assert_false(py_str_text(f.py, TEXT, text, sizeof(text), NULL));
	/* not compact: its data is elsewhere, or nowhere */
	fake_str(&f, TEXT, "hello");
	*fake_at(&f, TEXT + py_off(l, PY_STR_STATE)) = 1 << 2;
	fake_put(&f, TEXT + py_off(l, PY_STR_DATA), WIDE);
	memcpy(fake_at(&f, WIDE), "there", 5);
	assert_true(py_str_text(f.py, TEXT, text, sizeof(text), NULL));
	assert_string_equal(text, "there");
	fake_put(&f, TEXT + py_off(l, PY_STR_DATA), 0);
	assert_false(py_str_text(f.py, TEXT, text, sizeof(text), NULL));
	fake_put(&f, TEXT + py_off(l, PY_STR_DATA), UINT64_MAX - 2);
	assert_false(py_str_text(f.py, TEXT, text, sizeof(text), NULL));
	fake_py_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_up_to_3_10_have_the_size_cpython_counts),
		cmocka_unit_test(tables_from_3_11_on_have_the_size_cpython_counts),
		cmocka_unit_test(the_biggest_table_there_may_be_does_not_overflow),
		cmocka_unit_test(a_key_is_found_among_deleted_and_broken_ones),
		cmocka_unit_test(every_absent_byte_is_no_key_rather_than_a_crash),
		cmocka_unit_test(text_of_every_kind_becomes_utf8),
		cmocka_unit_test(text_never_leaves_its_buffer),
		cmocka_unit_test(what_is_no_str_has_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
