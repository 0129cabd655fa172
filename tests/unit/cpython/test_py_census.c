/* Types, objects, what they own, lists of the collector: each told by its shape. */
#include "cpython/py_census.h"
#include "cpython/py_gc.h"
#include "cpython/py_own.h"
#include "cpython/py_types.h"
#include "cpython/py_value.h"
#include "fake_py.h"
#include "cs_test.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <unistd.h>

#define HEAP (FAKE_BASE + 0x20000)
#define AT(n) (HEAP + 0x10 + (uint64_t)(n) * 0x100) /* what malloc returned */
enum { HEAP_LEN = 0x20000 };

static const enum py_field type_words[] = { PY_TP_BASICSIZE, PY_TP_ITEMSIZE, PY_TP_FLAGS, PY_TP_MRO,
					    PY_OB_TYPE };

/* A heap of chunks 0x100 apart from AT(0) on; free but for those a test begins. */
static void begin(struct fake_py *f, unsigned minor)
{
	fake_py_begin(f, minor);
	fake_heap(f, HEAP, HEAP_LEN);
	cs_tile_set(f->model.blocks.spans.items[0].tiles, 0, CS_BLOCK_FREE);
	cs_blocks_seal(&f->model.blocks);
}

/* A used chunk for `need` bytes at AT(n). */
static void chunk(struct fake_py *f, unsigned n, uint64_t need)
{
	uint64_t size = cs_align_up(need + 8, 16) < 32 ? 32 : cs_align_up(need + 8, 16);

	fake_chunk(f, AT(n));
	cs_span_mark(&f->model.blocks.spans.items[0], AT(n) - 16 + size, CS_BLOCK_FREE);
}

/* An object of that type in a chunk of its own. */
static void object(struct fake_py *f, unsigned n, cs_addr type, uint64_t pre, uint64_t refcnt,
		   uint64_t need)
{
	chunk(f, n, pre + need);
	fake_put(f, AT(n) + pre, refcnt);
	fake_put(f, AT(n) + pre + 8, type);
}

static const struct cs_type *row(struct fake_py *f, const char *name)
{
	for (size_t i = 0; i < f->model.types.count; i++)
		if (!strcmp(f->model.types.items[i].name, name))
			return &f->model.types.items[i];
	fail_msg("no type %s", name);
	return NULL;
}

static uint64_t count(struct fake_py *f, const char *name)
{
	return row(f, name)->count;
}

TEST(a_type_is_what_the_interpreter_relies_on)
{
	static const struct {
		enum py_field field;
		uint64_t value;
		bool is_type;
	} rows[] = {
		{ PY_TP_BASICSIZE, 16, true },	     { PY_TP_BASICSIZE, 15, false },
		{ PY_TP_BASICSIZE, 1 << 20, true },  { PY_TP_BASICSIZE, (1 << 20) + 1, false },
		{ PY_TP_BASICSIZE, UINT64_MAX, false }, { PY_TP_ITEMSIZE, UINT64_MAX, false },
		{ PY_TP_ITEMSIZE, 1 << 20, true },   { PY_TP_FLAGS, 0, false },
		{ PY_TP_FLAGS, PY_FLAG_TYPE, false }, { PY_TP_FLAGS, UINT64_MAX, true },
		{ PY_TP_MRO, 0, false },	     { PY_TP_MRO, UINT64_MAX - 8, false },
		{ PY_TP_MRO, FAKE_TYPE, false },     { PY_OB_TYPE, 0, false },
		{ PY_OB_TYPE, FAKE_TYPE + 1, false }, { PY_OB_TYPE, FAKE_TYPES, false },
		{ PY_OB_TYPE, UINT64_MAX & ~7ull, false }, { PY_TP_NAME, 0, true },
		{ PY_TP_NAME, UINT64_MAX, true },    { PY_TP_BASE, FAKE_TYPES, true },
		{ PY_TP_BASE, UINT64_MAX, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fake_py f;
		cs_addr t;

		begin(&f, 11);
		t = fake_py_type(&f, "x.T", 0, 32, 0, 0);
		assert_int_equal(t, FAKE_TYPES);
		fake_put(&f, t + py_off(&f.py->layout, rows[i].field), rows[i].value);
		for (int again = 0; again < 2; again++)
			assert_int_equal(py_type_at(f.py, t) != PY_NO_TYPE, rows[i].is_type);
		assert_int_equal(f.py->types.count, rows[i].is_type);
		fake_py_end(&f);
	}
}

TEST(a_type_cut_off_anywhere_is_none)
{
	for (uint64_t cut = 0; cut < 0x800; cut += 8) {
		struct fake_py f;
		cs_addr t;

		begin(&f, 12);
		t = fake_py_type(&f, "x.T", 0, 32, 0, 0);
		fake_cut(&f, t + cut);
		/* its mro lies behind it */
		if (py_type_at(f.py, t) != PY_NO_TYPE)
			assert_true(cut > py_off(&f.py->layout, PY_TP_SIZE));
		fake_py_end(&f);
	}
}

TEST(metatypes_that_loop_lead_nowhere)
{
	struct fake_py f;
	cs_addr a, b, c;

	begin(&f, 10);
	a = fake_py_type(&f, "a", PY_FLAG_TYPE, 880, 40, 0);
	b = fake_py_type(&f, "b", PY_FLAG_TYPE, 880, 40, 0);
	c = fake_py_type(&f, "c", 0, 32, 0, 0);
	fake_put(&f, a + 8, b);
	fake_put(&f, b + 8, a);
	fake_put(&f, c + 8, a);
	assert_int_equal(py_type_at(f.py, c), PY_NO_TYPE);
	assert_int_equal(py_type_at(f.py, a), PY_NO_TYPE);
	fake_put(&f, a + 8, a);
	assert_int_equal(py_type_at(f.py, c + 8), PY_NO_TYPE);
	fake_py_end(&f);
}

TEST(types_of_one_name_share_a_row_and_thousands_of_names_take_no_time)
{
	enum { TYPES = 400 };
	struct fake_py f;
	char name[32];

	begin(&f, 12);
	for (int i = 0; i < TYPES; i++) {
		snprintf(name, sizeof(name), "t%d", i / 2);
		assert_int_not_equal(py_type_at(f.py, fake_py_type(&f, name, 0, 32, 0, 0)), PY_NO_TYPE);
	}
	assert_int_equal(f.py->types.count, TYPES);
	assert_int_equal(f.model.types.count, TYPES / 2);
	fake_py_end(&f);
}

TEST(an_object_is_counted_where_its_type_says_it_lies)
{
	struct fake_py f;
	cs_addr plain, tracked;

	begin(&f, 11);
	plain = fake_py_type(&f, "x.Plain", 0, 48, 0, 0);
	tracked = fake_py_type(&f, "x.Tracked", PY_FLAG_HAVE_GC, 48, 0, 0);
	object(&f, 0, plain, 0, 1, 48);
	object(&f, 1, plain, 16, 1, 48);   /* not where plain objects lie */
	object(&f, 2, tracked, 16, 1, 48);
	fake_put(&f, AT(2), 8);		   /* in one of the collector's lists */
	object(&f, 3, tracked, 0, 1, 48);  /* no room for the collector's header */
	object(&f, 4, plain, 0, 0, 48);	   /* dead */
	object(&f, 5, plain, 0, 1ull << 41, 48);
	object(&f, 6, plain, 0, 1, 200);   /* malloc would not give so much */
	object(&f, 7, plain, 0, 1, 16);	   /* nor so little */
	object(&f, 8, tracked, 16, 0, 48); /* dead, kept for reuse */
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(count(&f, "x.Plain"), 1);
	assert_int_equal(count(&f, "x.Tracked"), 1);
	assert_int_equal(row(&f, "x.Tracked")->shallow, 64);
	assert_int_equal(f.py->tracked, 1);
	for (unsigned n = 0; n < 9; n++)
		assert_int_equal(fake_state(&f, AT(n)), n == 0 || n == 2 ? CS_BLOCK_OBJECT :
							n == 8		 ? CS_BLOCK_CACHED :
									   CS_BLOCK_USED);
	fake_py_end(&f);
}

/* Word 16 of a tracked object is where an untracked one's type would be: the
 * nearer one that fits is taken. */
TEST(of_two_places_the_first_that_fits_is_taken)
{
	struct fake_py f;
	cs_addr plain, tracked;

	begin(&f, 12);
	plain = fake_py_type(&f, "x.Plain", 0, 64, 0, 0);
	tracked = fake_py_type(&f, "x.Tracked", PY_FLAG_HAVE_GC, 48, 0, 0);
	object(&f, 0, tracked, 16, 1, 48);
	fake_put(&f, AT(0), 1);
	fake_put(&f, AT(0) + 8, plain); /* as if it were its type word */
	object(&f, 1, tracked, 16, 1, 48);
	fake_put(&f, AT(1), 0); /* here it cannot be alive */
	fake_put(&f, AT(1) + 8, plain);
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(count(&f, "x.Plain"), 1);
	assert_int_equal(count(&f, "x.Tracked"), 1);
	fake_py_end(&f);
}

TEST(a_block_has_one_owner)
{
	struct fake_py f;
	const struct py_layout *l;
	cs_addr list;

	begin(&f, 11);
	l = &f.py->layout;
	list = fake_py_type(&f, "list", PY_FLAG_LIST | PY_FLAG_HAVE_GC, 40, 0, 0);
	for (unsigned n = 0; n < 3; n++) {
		object(&f, n, list, 16, 1, 40);
		fake_put(&f, AT(n) + 16 + py_off(l, PY_LIST_ITEM), AT(5));
		fake_put(&f, AT(n) + 16 + py_off(l, PY_LIST_ALLOCATED), 10);
	}
	fake_put(&f, AT(2) + 16 + py_off(l, PY_LIST_ITEM), AT(0)); /* an object is no table */
	chunk(&f, 5, 80);
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(fake_state(&f, AT(5)), CS_BLOCK_OWNED);
	assert_int_equal(fake_state(&f, AT(0)), CS_BLOCK_OBJECT);
	assert_int_equal(count(&f, "list"), 3);
	assert_int_equal(row(&f, "list")->bytes, 3 * 56 + 88);
	assert_int_equal(py_owner_of(f.py, AT(5)), AT(0) + 16);
	fake_py_end(&f);
}

/* Types that say they are a family, and that their objects are shorter than its struct. */
TEST(a_type_too_short_for_its_family_belongs_to_none)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} rows[] = {
		{ "x", PY_FLAG_LONG },	  { "x", PY_FLAG_LIST },     { "x", PY_FLAG_TYPE },
		{ "x", PY_FLAG_DICT },	  { "set", 0 },		     { "frozenset", 0 },
		{ "bytearray", 0 },	  { "collections.deque", 0 }, { "array.array", 0 },
		{ "frame", 0 },		  { "module", 0 },	     { "collections.OrderedDict", 0 },
		{ "StgDict", 0 },	  { "_ctypes.CType_Type", 0 },
	};

	for (unsigned minor = 8; minor <= 14; minor++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct fake_py f;
			uint32_t nr;

			begin(&f, minor);
			nr = py_type_at(f.py, fake_py_type(&f, rows[i].name, rows[i].flag, 16, 0, 0));
			assert_int_not_equal(nr, PY_NO_TYPE);
			assert_ptr_equal(f.py->types.items[nr].family, &py_family_object);
			fake_py_end(&f);
		}
}

static const struct {
	const char *name;
	uint64_t flag;
} families[] = {
	{ "int", PY_FLAG_LONG }, { "str", PY_FLAG_STR }, { "bytes", PY_FLAG_BYTES },
	{ "tuple", PY_FLAG_TUPLE }, { "list", PY_FLAG_LIST }, { "dict", PY_FLAG_DICT },
	{ "type", PY_FLAG_TYPE }, { "set", 0 }, { "bytearray", 0 }, { "collections.deque", 0 },
	{ "array.array", 0 }, { "code", 0 }, { "frame", 0 }, { "generator", 0 }, { "module", 0 },
	{ "collections.OrderedDict", 0 }, { "StgDict", 0 }, { "_io.BufferedReader", 0 },
	{ "_io.BytesIO", 0 }, { "_io.StringIO", 0 }, { "_struct.Struct", 0 }, { "numpy.ndarray", 0 },
	{ "xml.etree.ElementTree.Element", 0 }, { "_ctypes.CType_Type", 0 }, { "float", 0 },
	{ "function", 0 }, { "_asyncio.Task", 0 },
};

/* Every family, objects as short as they may be, at the very end of memory: the
 * sanitizer sees what is read behind it. Of every generation. */
TEST(no_family_reads_behind_its_object)
{
	for (unsigned minor = 8; minor <= 14; minor++)
		for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
			for (uint64_t size = 16; size <= 240; size += 8) {
				struct fake_py f;
				struct py_obj o;
				char value[100];
				cs_addr t, at = FAKE_BASE + FAKE_LEN - size;

				begin(&f, minor);
				t = fake_py_type(&f, families[i].name, families[i].flag, size,
						 size % 16 ? 4 : 0, 0);
				memset(fake_at(&f, at), size % 24 ? 0x81 : 0, size);
				fake_put(&f, at, 1);
				fake_put(&f, at + 8, t);
				if (py_object_static(f.py, at, &o)) {
					py_getsizeof(f.py, &o);
					py_value(f.py, &o, value, sizeof(value));
				}
				if (py_object_in(f.py, at, fake_at(&f, at), size, &o)) {
					py_getsizeof(f.py, &o);
					if (o.type->family->claim)
						o.type->family->claim(f.py, &o);
					py_value(f.py, &o, value, sizeof(value));
				}
				fake_py_end(&f);
			}
}

/* --- big blocks --- */

enum { BIG_LEN = 0xc0000 };

/* How far into the big block memory was asked for. */
static uint64_t asked;

static bool note_fetch(struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	cs_addr end = seg->start + off + len;

	if (end > AT(0) && seg->start + off >= AT(0) && end - AT(0) > asked)
		asked = end - AT(0);
	return true;
}

/* One block as big as the heap, with an object of that type in it. */
static cs_addr begin_big(struct fake_py *f, unsigned minor)
{
	fake_py_begin(f, minor);
	fake_heap(f, HEAP, BIG_LEN);
	cs_blocks_seal(&f->model.blocks);
	f->mem.segs.items[0].fetch = note_fetch;
	asked = 0;
	return AT(0);
}

TEST(of_a_big_block_only_the_front_is_looked_at)
{
	struct fake_py f;
	cs_addr at = begin_big(&f, 11), t;

	t = fake_py_type(&f, "bytes", PY_FLAG_BYTES, 33, 1, 0);
	fake_put(&f, at, 1);
	fake_put(&f, at + 8, t);
	fake_put(&f, at + 16, BIG_LEN - 100);
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(fake_state(&f, at), CS_BLOCK_OBJECT);
	assert_int_equal(row(&f, "bytes")->bytes, BIG_LEN - 8);
	assert_int_equal(row(&f, "bytes")->shallow, 33 + BIG_LEN - 100);
	assert_in_range(asked, 24, PY_SEEN);
	fake_py_end(&f);
}

TEST(a_big_block_that_is_not_all_there_is_told_by_nobody)
{
	struct fake_py f;
	cs_addr at = begin_big(&f, 11), t;

	t = fake_py_type(&f, "bytes", PY_FLAG_BYTES, 33, 1, 0);
	fake_put(&f, at, 1);
	fake_put(&f, at + 8, t);
	fake_put(&f, at + 16, BIG_LEN - 100);
	fake_cut(&f, HEAP + BIG_LEN - 16);
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(fake_state(&f, at), CS_BLOCK_USED);
	assert_int_equal(asked, 0);
	fake_py_end(&f);
}

/* Values behind an object that is longer than the front itself. */
TEST(inline_values_far_behind_the_front_are_found)
{
	static const uint64_t basic[] = { PY_SEEN - 80, PY_SEEN - 64, PY_SEEN - 8, PY_SEEN,
					  BIG_LEN - 0x1000 };

	for (size_t i = 0; i < sizeof(basic) / sizeof(*basic); i++)
		for (unsigned capacity = 10; capacity <= 200; capacity += 190) {
			uint64_t need = basic[i] + (capacity + 1) * 8 + cs_align_up(capacity, 8);
			struct fake_py f;
			cs_addr at = begin_big(&f, 13), t;

			t = fake_py_type(&f, "Long", PY_FLAG_INLINE_VALUES, basic[i], 0, 0);
			cs_span_mark(&f.model.blocks.spans.items[0],
				     HEAP + cs_align_up(16 + need, 16), CS_BLOCK_FREE);
			fake_put(&f, at, 1);
			fake_put(&f, at + 8, t);
			*fake_at(&f, at + basic[i]) = (unsigned char)capacity;
			assert_int_equal(py_census(f.py, NULL), CS_OK);
			assert_int_equal(fake_state(&f, at), CS_BLOCK_OBJECT);
			assert_in_range(asked, basic[i] < PY_SEEN - 64 ? 24 : basic[i] + 1, need);

			/* of another capacity the block's size would be wrong */
			*fake_at(&f, at + basic[i]) = (unsigned char)(capacity + 20);
			cs_span_mark(&f.model.blocks.spans.items[0], HEAP, CS_BLOCK_USED);
			assert_int_equal(py_census(f.py, NULL), CS_OK);
			assert_int_equal(fake_state(&f, at), CS_BLOCK_USED);
			fake_py_end(&f);
		}
}

/* Members that no type or collector needs, as far in as py_layout_check() allows. */
static void place_far(struct fake_py *f)
{
	struct py_layout *l = &f->py->layout;

	for (int i = PY_HT_SIZE; i < PY_FIELD_COUNT; i++)
		if (l->off[i] != PY_NO_FIELD && (i < PY_KEYS_REFCNT || i > PY_VALUES_VALUES))
			l->off[i] = (1 << 14) - 8 - (*py_field_names[i].path ? 8 : 0);
	assert_int_equal(py_layout_check(l, NULL), CS_OK);
}

/* Every family, whatever a hostile layout says where its members are: behind the
 * front of a big block nothing is read, for it may not be there. */
TEST(no_family_reads_behind_the_front_of_a_big_block)
{
	static const int fills[] = { 0, 0x01, 0x81, 0xff };

	for (unsigned minor = 8; minor <= 14; minor++)
		for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
			for (size_t k = 0; k < sizeof(fills) / sizeof(*fills); k++)
				for (int far = 0; far < 2; far++) {
					struct fake_py f;
					cs_addr at = begin_big(&f, minor), t;
					unsigned char *behind = fake_at(&f, at + PY_SEEN);

					if (far)
						place_far(&f);
					t = fake_py_type(&f, families[i].name, families[i].flag,
							 1 << 15, 1, 0);
					memset(fake_at(&f, at), fills[k], PY_SEEN);
					fake_put(&f, at, 1);
					fake_put(&f, at + py_off(&f.py->layout, PY_OB_TYPE), t);
					ASAN_POISON_MEMORY_REGION(behind, BIG_LEN - 32 - PY_SEEN);
					assert_int_equal(py_census(f.py, NULL), CS_OK);
					ASAN_UNPOISON_MEMORY_REGION(behind, BIG_LEN - 32 - PY_SEEN);
					assert_in_range(asked, 0, PY_SEEN);
					fake_py_end(&f);
				}
}

/* The whole census with each word of a type spoiled in turn. */
TEST(a_type_that_changes_its_mind_changes_no_memory)
{
	static const uint64_t values[] = { 0, 1, 8, 16, 48, 1 << 20, UINT32_MAX, UINT64_MAX, HEAP };

	for (size_t w = 0; w < sizeof(type_words) / sizeof(*type_words); w++)
		for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
			struct fake_py f;
			cs_addr t;

			begin(&f, 13);
			t = fake_py_type(&f, "dict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 48, 0, 0);
			fake_put(&f, t + py_off(&f.py->layout, type_words[w]), values[v]);
			for (unsigned n = 0; n < 40; n++) {
				object(&f, n, t, n % 3 * 16, 1, 16 + n * 4);
				memset(fake_at(&f, AT(n) + n % 3 * 16 + 16), (int)(n * 11), n * 4);
			}
			assert_int_equal(py_census(f.py, NULL), CS_OK);
			assert_int_equal(py_own_leftovers(f.py, NULL), CS_OK);
			fake_py_end(&f);
		}
}

/* --- bounds --- */

/* Objects without number begin the same long list. */
TEST(a_list_that_every_object_begins_is_walked_a_few_times)
{
	struct fake_py f;
	cs_addr t, codes = FAKE_BASE + 0x80000;

	begin(&f, 11);
	t = fake_py_type(&f, "_struct.Struct", 0, 48, 0, 0);
	f.py->steps_left = 10000;
	for (cs_addr at = codes; at < FAKE_BASE + FAKE_LEN; at += 8)
		fake_put(&f, at, 1);
	for (unsigned n = 0; n < 400; n++) {
		object(&f, n, t, 0, 1, 48);
		fake_put(&f, AT(n) + 32, codes);
	}
	assert_int_equal(py_census(f.py, NULL), CS_OK);
	assert_int_equal(count(&f, "_struct.Struct"), 400);
	assert_int_equal(f.py->steps_left, 0);
	assert_string_equal(f.model.anomalies.items[0].kind, "python.limit");
	fake_py_end(&f);
}

/* A thread that is its own next, with a chunk that is its own previous. */
TEST(threads_and_stack_chunks_that_loop_end)
{
	struct fake_py f;
	const struct py_layout *l;
	cs_addr interp = FAKE_BASE + 0x50000, thread = FAKE_BASE + 0x60000, stack = FAKE_BASE + 0x70000;

	begin(&f, 11);
	l = &f.py->layout;
	f.py->interps[0] = interp;
	f.py->interp_count = 1;
	f.py->steps_left = 300000;
	fake_put(&f, interp + py_off(l, PY_IS_THREADS_HEAD), thread);
	fake_put(&f, thread + py_off(l, PY_TS_NEXT), thread);
	fake_put(&f, thread + py_off(l, PY_TS_DATASTACK_CHUNK), stack);
	fake_put(&f, stack + py_off(l, PY_STACK_CHUNK_SIZE), 4096);
	fake_put(&f, stack + py_off(l, PY_STACK_CHUNK_PREVIOUS), stack);
	alarm(20);
	assert_int_equal(py_own_runtime(f.py, NULL), CS_OK);
	alarm(0);
	assert_int_equal(f.py->steps_left, 0);
	assert_true(f.model.regions.count <= 300000);
	fake_py_end(&f);
}

/* --- the collector --- */

enum { GC_AT = 0x60000 };

/* Three generations and a permanent one; `n` objects in the first. */
static void collector(struct fake_py *f, unsigned n)
{
	const struct py_layout *l;
	cs_addr gc = FAKE_BASE + GC_AT, heads[4];

	begin(f, 12);
	l = &f->py->layout;
	f->py->interps[0] = gc - py_off(l, PY_IS_GC);
	f->py->interp_count = 1;
	for (unsigned g = 0; g < 3; g++)
		heads[g] = gc + py_off(l, PY_GC_GENERATIONS) + g * py_off(l, PY_GC_GENERATION_SIZE);
	heads[3] = gc + py_off(l, PY_GC_PERMANENT);
	for (unsigned g = 0; g < 4; g++) {
		fake_put(f, heads[g], heads[g]);
		fake_put(f, heads[g] + 8, heads[g]);
	}
	for (unsigned i = 0; i < n; i++) {
		fake_put(f, i ? AT(i - 1) : heads[0], AT(i));
		fake_put(f, AT(i), heads[0]);
		fake_put(f, AT(i) + 8, i ? AT(i - 1) : heads[0]);
	}
}

TEST(the_collectors_lists_are_counted_link_by_link)
{
	for (unsigned n = 0; n < 4; n++) {
		struct fake_py f;
		struct py_gc_counts gc;

		collector(&f, n);
		assert_int_equal(py_gc_walk(f.py, &gc), CS_OK);
		assert_int_equal(gc.generation[0], n);
		assert_int_equal(gc.generation[1] + gc.generation[2] + gc.permanent, 0);
		assert_true(gc.is_whole);
		assert_int_equal(f.model.anomaly_count, 0);
		fake_py_end(&f);
	}
}

TEST(a_list_that_does_not_lead_back_is_told_and_ends)
{
	/* to itself, back into the list, nowhere, out of memory, to 0 */
	static const cs_addr to[] = { AT(2), AT(1), AT(9), UINT64_MAX & ~7ull, 0 };

	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++) {
		struct fake_py f;
		struct py_gc_counts gc;

		collector(&f, 4);
		fake_put(&f, AT(2), to[i]);
		assert_int_equal(py_gc_walk(f.py, &gc), CS_OK);
		assert_false(gc.is_whole);
		assert_true(f.model.anomaly_count >= 1);
		assert_true(gc.generation[0] <= FAKE_LEN / 16);
		fake_py_end(&f);
	}
}

/* Each interpreter shows lists that never end: together they are one walk. */
TEST(lists_without_end_are_walked_once_in_all)
{
	struct fake_py f;
	struct py_gc_counts gc;
	uint64_t sum;

	collector(&f, 4);
	fake_put(&f, AT(2), AT(1));
	for (size_t i = 1; i < PY_INTERPS_MAX; i++)
		f.py->interps[i] = f.py->interps[0];
	f.py->interp_count = PY_INTERPS_MAX;
	assert_int_equal(py_gc_walk(f.py, &gc), CS_OK);
	sum = gc.generation[0] + gc.generation[1] + gc.generation[2] + gc.permanent;
	assert_true(sum <= FAKE_LEN / 16 + 4);
	fake_py_end(&f);
}

TEST(heads_that_are_nowhere_are_not_found)
{
	struct fake_py f;
	struct py_gc_counts gc;

	collector(&f, 1);
	fake_cut(&f, FAKE_BASE + GC_AT);
	assert_int_equal(py_gc_walk(f.py, &gc), CS_NOTFOUND);
	fake_py_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_is_what_the_interpreter_relies_on),
		cmocka_unit_test(a_type_cut_off_anywhere_is_none),
		cmocka_unit_test(metatypes_that_loop_lead_nowhere),
		cmocka_unit_test(types_of_one_name_share_a_row_and_thousands_of_names_take_no_time),
		cmocka_unit_test(an_object_is_counted_where_its_type_says_it_lies),
		cmocka_unit_test(of_two_places_the_first_that_fits_is_taken),
		cmocka_unit_test(a_block_has_one_owner),
		cmocka_unit_test(a_type_too_short_for_its_family_belongs_to_none),
		cmocka_unit_test(no_family_reads_behind_its_object),
		cmocka_unit_test(of_a_big_block_only_the_front_is_looked_at),
		cmocka_unit_test(a_big_block_that_is_not_all_there_is_told_by_nobody),
		cmocka_unit_test(inline_values_far_behind_the_front_are_found),
		cmocka_unit_test(no_family_reads_behind_the_front_of_a_big_block),
		cmocka_unit_test(a_type_that_changes_its_mind_changes_no_memory),
		cmocka_unit_test(a_list_that_every_object_begins_is_walked_a_few_times),
		cmocka_unit_test(threads_and_stack_chunks_that_loop_end),
		cmocka_unit_test(the_collectors_lists_are_counted_link_by_link),
		cmocka_unit_test(a_list_that_does_not_lead_back_is_told_and_ends),
		cmocka_unit_test(lists_without_end_are_walked_once_in_all),
		cmocka_unit_test(heads_that_are_nowhere_are_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
