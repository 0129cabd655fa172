#include "cpython/py_debug_offsets.h"
#include "fake_py.h"
#include "cs_test.h"

static const struct py_row *each_row(const struct py_row *after, unsigned *minor)
{
	const struct py_row *row = after ? py_row_next(after, PY_HEX(3, *minor)) : NULL;

	while (!row && *minor < 14)
		row = py_row_next(NULL, PY_HEX(3, ++*minor));
	return row;
}

/* Of every generation the fields its code asks for. */
TEST(every_row_has_what_its_generation_reads)
{
	static const struct {
		unsigned from, before;
		enum py_field field;
	} fields[] = {
		{ 8, 99, PY_RT_INTERPRETERS_HEAD }, { 8, 99, PY_IS_THREADS_HEAD }, { 8, 99, PY_IS_SYSDICT },
		{ 8, 99, PY_TS_INTERP },	    { 8, 99, PY_OB_TYPE },	   { 8, 99, PY_OB_SIZE },
		{ 8, 99, PY_TP_NAME },		    { 8, 99, PY_TP_FLAGS },	   { 8, 99, PY_TP_MRO },
		{ 8, 99, PY_TP_DICT },		    { 8, 99, PY_HT_CACHED_KEYS },  { 8, 99, PY_DICT_KEYS },
		{ 8, 99, PY_DICT_VALUES },	    { 8, 99, PY_KEYS_USABLE },	   { 8, 99, PY_KEYS_INDICES },
		{ 8, 99, PY_KEYS_NENTRIES },	    { 8, 99, PY_POOL_HEADER_SIZE }, { 8, 99, PY_ARENA_SIZE },
		{ 8, 99, PY_GC_HEAD_SIZE },	    { 8, 99, PY_GC_GENERATIONS },  { 8, 99, PY_STR_STATE },
		{ 8, 99, PY_ASCII_SIZE },	    { 8, 99, PY_TUPLE_ITEM },	   { 8, 99, PY_LONG_DIGIT },
		{ 8, 9, PY_RT_GC },		    { 9, 99, PY_IS_GC },	   { 8, 11, PY_KEYS_SLOTS },
		{ 11, 99, PY_KEYS_KIND },	    { 11, 99, PY_KEYS_LOG2_SIZE }, { 11, 99, PY_KEYS_LOG2_INDEX_BYTES },
		{ 8, 12, PY_STR_WSTR },		    { 12, 99, PY_LONG_TAG },	   { 12, 99, PY_OBMALLOC_ARENAS },
		{ 12, 99, PY_IS_OBMALLOC },	    { 13, 99, PY_VALUES_CAPACITY }, { 10, 99, PY_MAP_MID_SIZE },
		{ 11, 99, PY_TS_DATASTACK_CHUNK },  { 13, 99, PY_IS_FREELISTS },   { 8, 11, PY_FRAME_CODE },
		{ 11, 99, PY_FRAME_FRAME },	    { 11, 99, PY_GEN_IFRAME },	   { 11, 99, PY_IFRAME_CODE },
		{ 8, 99, PY_CODE_NLOCALS },	    { 11, 99, PY_CODE_NLOCALSPLUS },
	};
	unsigned minor = 7, rows = 0;

	for (const struct py_row *row = NULL; (row = each_row(row, &minor)); rows++) {
		struct py_layout l;

		py_layout_of_row(&l, row);
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			if (minor < fields[i].from)
				continue;
			if (py_has(&l, fields[i].field) != (minor < fields[i].before))
				fail_msg("row %s, field %s", row->name, py_field_names[fields[i].field].name);
		}
		/* a keys table has one geometry */
		assert_int_not_equal(py_has(&l, PY_KEYS_SLOTS), py_has(&l, PY_KEYS_KIND));
		assert_int_equal(row->version >> 16, 3 << 8 | minor);
	}
	assert_true(rows >= 7);
}

TEST(every_row_hangs_together)
{
	unsigned minor = 7;

	for (const struct py_row *row = NULL; (row = each_row(row, &minor));) {
		struct py_layout l;
		struct cs_error err = { .text = "" };

		py_layout_of_row(&l, row);
		assert_int_equal(py_layout_check(&l, &err), CS_OK);
		assert_string_equal(err.text, "");
	}
}

/* Any field, anywhere else it could not be. */
TEST(no_field_may_lie_outside_of_its_struct)
{
	static const int32_t bad[] = { -2, INT32_MIN, 1 << 24, INT32_MAX };
	unsigned minor = 7;

	for (const struct py_row *row = NULL; (row = each_row(row, &minor));) {
		for (int f = 0; f < PY_FIELD_COUNT; f++)
			for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
				struct py_layout l;

				py_layout_of_row(&l, row);
				l.off[f] = bad[i];
				assert_int_equal(py_layout_check(&l, NULL), CS_CORRUPT);
			}
	}
}

TEST(a_member_is_read_whole)
{
	static const struct {
		enum py_field field, size;
		int32_t past;
	} rows[] = {
		{ PY_TP_MRO, PY_TP_SIZE, -7 },	       { PY_TP_FLAGS, PY_TP_SIZE, 0 },
		{ PY_STR_STATE, PY_ASCII_SIZE, -7 },   { PY_STR_LENGTH, PY_ASCII_SIZE, 0 },
		{ PY_SET_TABLE, PY_SET_SIZE, 0 },      { PY_POOL_COUNT, PY_POOL_HEADER_SIZE, -3 },
		{ PY_ARENA_ADDRESS, PY_ARENA_SIZE, 0 }, { PY_KEYS_KIND, PY_KEYS_INDICES, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct py_layout l;

		py_layout_of_row(&l, py_row_next(NULL, PY_HEX(3, 13)));
		l.off[rows[i].field] = l.off[rows[i].size] + rows[i].past;
		assert_int_equal(py_layout_check(&l, NULL), CS_CORRUPT);
	}
}

enum { AT_FLOAT_313 = 480, AT_TYPE_313 = 360, COOKIE_LEN = 800 };

static void cookie(struct fake_py *f, unsigned minor)
{
	f->py->runtime = FAKE_BASE + 0x8000;
	memset(fake_at(f, f->py->runtime), 0xff, COOKIE_LEN);
	memcpy(fake_at(f, f->py->runtime), "xdebugpy", 8);
	fake_put(f, f->py->runtime + 8, PY_HEX(3, minor) | 0x1f0);
}

TEST(the_targets_own_table_replaces_a_row_where_it_differs)
{
	struct fake_py f;

	fake_py_begin(&f, 13);
	cookie(&f, 13);
	fake_put(&f, f.py->runtime + AT_FLOAT_313, 24);
	fake_put(&f, f.py->runtime + AT_TYPE_313, 8);
	py_debug_offsets_apply(f.py);
	assert_int_equal(f.py->layout.off[PY_FLOAT_FVAL], 24);
	assert_int_equal(f.py->layout.source[PY_OB_TYPE], PY_FROM_TARGET);
	assert_int_equal(f.py->layout.disagreements, 1);
	assert_int_equal(f.py->layout.disagreed_field, PY_FLOAT_FVAL);
	/* all ones is no offset: the row stands */
	assert_int_equal(f.py->layout.source[PY_TP_NAME], PY_FROM_ROW);
	fake_py_end(&f);
}

TEST(a_table_of_another_version_or_cut_short_is_ignored)
{
	for (int way = 0; way < 4; way++) {
		struct fake_py f;

		fake_py_begin(&f, way == 3 ? 12 : 13);
		cookie(&f, way == 0 ? 14 : 13);
		fake_put(&f, f.py->runtime + AT_FLOAT_313, 24);
		if (way == 1)
			*fake_at(&f, f.py->runtime) = 'y';
		if (way == 2)
			fake_cut(&f, f.py->runtime + AT_FLOAT_313 + 8);
		py_debug_offsets_apply(f.py);
		assert_int_equal(f.py->layout.off[PY_FLOAT_FVAL], 16);
		fake_py_end(&f);
	}
}

TEST(a_table_full_of_lies_fails_the_check)
{
	static const uint64_t lies[] = { 16, 4096, (1 << 24) - 1 };

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct fake_py f;

		fake_py_begin(&f, 13);
		cookie(&f, 13);
		fake_put(&f, f.py->runtime + AT_TYPE_313, lies[i]);
		py_debug_offsets_apply(f.py);
		assert_int_equal(py_layout_check(&f.py->layout, NULL), CS_CORRUPT);
		fake_py_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_what_its_generation_reads),
		cmocka_unit_test(every_row_hangs_together),
		cmocka_unit_test(no_field_may_lie_outside_of_its_struct),
		cmocka_unit_test(a_member_is_read_whole),
		cmocka_unit_test(the_targets_own_table_replaces_a_row_where_it_differs),
		cmocka_unit_test(a_table_of_another_version_or_cut_short_is_ignored),
		cmocka_unit_test(a_table_full_of_lies_fails_the_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
