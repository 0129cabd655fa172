/* References told by hand-made objects: named, bounded, and never believed further than memory goes. */
#include "cpython/py_types.h"
#include "cpython/py_visit.h"
#include "fake_py.h"
#include "cs_test.h"

#include <stdio.h>

#define AT(n) (FAKE_BASE + 0x20000 + (uint64_t)(n) * 0x200)
#define TARGET(n) (FAKE_BASE + 0x80000 + (uint64_t)(n) * 0x40) /* only an address */
enum { EDGES_MAX = 64 };

struct told {
	struct py_edge edges[EDGES_MAX];
	size_t count;
};

static void take(void *ctx, const struct py_edge *edge)
{
	struct told *t = ctx;

	if (t->count < EDGES_MAX)
		t->edges[t->count] = *edge;
	t->count++;
}

static void never_full(struct py_refs *refs)
{
	fail_msg("full with %u", refs->count);
}

/* What is told without names is what was told with them, in the same order. */
static void assert_same_refs(struct fake_py *f, const struct py_obj *o, const struct told *t)
{
	struct py_refs refs = { .full = never_full, .from = 77 };
	uint32_t n = 0;

	py_visit_refs(f->py, o, &refs);
	for (size_t i = 0; i < t->count; i++) {
		if (t->edges[i].hold == PY_WEAK)
			continue;
		assert_true(n < refs.count);
		assert_int_equal(refs.items[n].to, t->edges[i].to);
		assert_int_equal(refs.items[n].hold, t->edges[i].hold);
		assert_int_equal(refs.items[n++].from, 77);
	}
	assert_int_equal(n, refs.count);
}

/* Edges of an object of that type at addr, `room` bytes long. */
static struct told visit(struct fake_py *f, cs_addr addr, cs_addr type, uint64_t room)
{
	struct told t = { .count = 0 };
	uint32_t nr;

	fake_put(f, addr, 1);
	fake_put(f, addr + py_off(&f->py->layout, PY_OB_TYPE), type);
	nr = py_type_at(f->py, type);
	assert_int_not_equal(nr, PY_NO_TYPE);

	struct py_obj o = { addr, fake_at(f, addr), room, &f->py->types.items[nr] };

	py_visit(f->py, &o, take, &t);
	if (t.count <= EDGES_MAX && !py_visit_was_cut(f->py))
		assert_same_refs(f, &o, &t);
	return t;
}

static const struct py_edge *edge_to(const struct told *t, cs_addr to)
{
	for (size_t i = 0; i < t->count && i < EDGES_MAX; i++)
		if (t->edges[i].to == to)
			return &t->edges[i];
	return NULL;
}

static void assert_edge(const struct told *t, cs_addr to, enum py_edge_kind kind, enum py_hold hold)
{
	const struct py_edge *e = edge_to(t, to);

	assert_non_null(e);
	assert_int_equal(e->kind, kind);
	assert_int_equal(e->hold, hold);
}

static cs_addr list_type(struct fake_py *f)
{
	cs_addr type = fake_py_type(f, "list", PY_FLAG_LIST | PY_FLAG_HAVE_GC, 40, 0, 0);

	fake_put(f, type + py_off(&f->py->layout, PY_TP_TRAVERSE), 0x1000);
	return type;
}

TEST(a_list_shows_its_items_and_their_block)
{
	struct fake_py f;

	fake_py_begin(&f, 11);
	fake_put(&f, AT(0) + py_off(&f.py->layout, PY_OB_SIZE), 2);
	fake_put(&f, AT(0) + py_off(&f.py->layout, PY_LIST_ITEM), AT(1));
	fake_put(&f, AT(1), TARGET(0));
	fake_put(&f, AT(1) + 8, TARGET(1));

	struct told t = visit(&f, AT(0), list_type(&f), 40);

	assert_int_equal(t.count, 3);
	assert_edge(&t, AT(1), PY_EDGE_BLOCK, PY_OWNED);
	assert_edge(&t, TARGET(0), PY_EDGE_INDEX, PY_STRONG);
	assert_int_equal(edge_to(&t, TARGET(1))->index, 1);
	fake_py_end(&f);
}

TEST(a_list_longer_than_memory_has_no_items)
{
	struct fake_py f;
	const uint64_t lengths[] = { FAKE_LEN / 8, UINT64_MAX, UINT64_MAX / 8 + 2, 1ull << 60 };

	fake_py_begin(&f, 11);

	cs_addr type = list_type(&f);

	fake_put(&f, AT(0) + py_off(&f.py->layout, PY_LIST_ITEM), AT(1));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		fake_put(&f, AT(0) + py_off(&f.py->layout, PY_OB_SIZE), lengths[i]);

		struct told t = visit(&f, AT(0), type, 40);

		assert_int_equal(t.count, 1); /* the block */
		py_visit_begin(f.py);
	}
	fake_py_end(&f);
}

TEST(a_tuple_ends_with_its_block)
{
	struct fake_py f;

	fake_py_begin(&f, 13);

	cs_addr type = fake_py_type(&f, "tuple", PY_FLAG_TUPLE | PY_FLAG_HAVE_GC, 24, 8, 0);

	fake_put(&f, AT(0) + py_off(&f.py->layout, PY_OB_SIZE), UINT64_MAX);
	for (unsigned i = 0; i < 8; i++)
		fake_put(&f, AT(0) + 24 + i * 8, TARGET(i));
	assert_int_equal(visit(&f, AT(0), type, 24 + 3 * 8).count, 3);
	assert_int_equal(visit(&f, AT(0), type, 24).count, 0);
	fake_py_end(&f);
}

/* A table of two entries with two slots; keys at AT(3), AT(4). */
static void put_table(struct fake_py *f, unsigned kind)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr entries = AT(2) + py_off(l, PY_KEYS_INDICES) + 8;
	uint64_t skip = kind ? 0 : 8, len = 16 + skip;

	fake_put(f, AT(2), 1);
	*fake_at(f, AT(2) + py_off(l, PY_KEYS_LOG2_SIZE)) = 3;
	*fake_at(f, AT(2) + py_off(l, PY_KEYS_LOG2_INDEX_BYTES)) = 3;
	*fake_at(f, AT(2) + py_off(l, PY_KEYS_KIND)) = (unsigned char)kind;
	fake_put(f, AT(2) + py_off(l, PY_KEYS_NENTRIES), 3);
	fake_put(f, entries + skip, AT(3));
	fake_put(f, entries + skip + 8, TARGET(0));
	fake_put(f, entries + len + skip, AT(5)); /* deleted */
	fake_put(f, entries + len + skip + 8, 0);
	fake_put(f, entries + 2 * len + skip, AT(4));
	fake_put(f, entries + 2 * len + skip + 8, TARGET(1));
	fake_put(f, AT(0) + py_off(l, PY_DICT_KEYS), AT(2));
	fake_put(f, AT(0) + py_off(l, PY_DICT_VALUES), 0);
}

TEST(a_dict_names_its_values_and_visits_only_keys_that_may_be_anything)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		struct fake_py f;

		fake_py_begin(&f, 12);

		cs_addr type = fake_py_type(&f, "dict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 48, 0, 0);

		fake_put(&f, type + py_off(&f.py->layout, PY_TP_TRAVERSE), 0x1000);
		put_table(&f, kind);

		struct told t = visit(&f, AT(0), type, 48);

		assert_int_equal(t.count, 5);
		assert_edge(&t, AT(2), PY_EDGE_BLOCK, PY_OWNED);
		assert_edge(&t, TARGET(1), PY_EDGE_VALUE, PY_STRONG);
		assert_true(edge_to(&t, TARGET(1))->name == AT(4));
		assert_edge(&t, AT(3), PY_EDGE_KEY, kind ? PY_HIDDEN : PY_STRONG);
		assert_null(edge_to(&t, AT(5)));
		fake_py_end(&f);
	}
}

/* A dict of `count` strings that are their own values, at AT(0). */
static void put_strings(struct fake_py *f, uint64_t count, unsigned char state)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr keys = FAKE_BASE + 0x40000, entries = keys + py_off(l, PY_KEYS_INDICES) + 2048;
	cs_addr text = FAKE_BASE + 0x60000;

	fake_put(f, keys, 1);
	*fake_at(f, keys + py_off(l, PY_KEYS_LOG2_SIZE)) = 10;
	*fake_at(f, keys + py_off(l, PY_KEYS_LOG2_INDEX_BYTES)) = 11;
	*fake_at(f, keys + py_off(l, PY_KEYS_KIND)) = 1;
	fake_put(f, keys + py_off(l, PY_KEYS_NENTRIES), count);
	*fake_at(f, text + py_off(l, PY_STR_STATE)) = state;
	for (uint64_t i = 0; i < count; i++) {
		fake_put(f, entries + i * 16, text);
		fake_put(f, entries + i * 16 + 8, text);
	}
	fake_put(f, AT(0) + py_off(l, PY_DICT_KEYS), keys);
}

TEST(only_the_dict_of_interned_strings_does_not_keep_them_alive)
{
	const struct {
		uint64_t count;
		unsigned char state;
		enum py_hold hold;
	} rows[] = { { 600, 0x65, PY_WEAK }, { 600, 0x64, PY_STRONG }, { 500, 0x65, PY_STRONG } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_py f;

		fake_py_begin(&f, 11);

		cs_addr type = fake_py_type(&f, "dict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 48, 0, 0);

		fake_put(&f, type + py_off(&f.py->layout, PY_TP_TRAVERSE), 0x1000);
		put_strings(&f, rows[i].count, rows[i].state);

		struct told t = visit(&f, AT(0), type, 48);

		assert_int_equal(t.count, 1 + 2 * rows[i].count);
		assert_edge(&t, FAKE_BASE + 0x60000, PY_EDGE_VALUE, rows[i].hold);
		fake_py_end(&f);
	}
}

/* type.__new__ made it: tp_name is the text of ht_name. */
static cs_addr python_class(struct fake_py *f, cs_addr base, uint64_t flags, uint64_t basicsize)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr type = fake_py_type(f, "Made", flags | PY_FLAG_HEAPTYPE | PY_FLAG_HAVE_GC, basicsize, 0, base);

	fake_str(f, AT(20), "Made");
	fake_put(f, type + py_off(l, PY_HT_NAME), AT(20));
	fake_put(f, type + py_off(l, PY_TP_NAME), AT(20) + py_off(l, PY_ASCII_SIZE));
	return type;
}

TEST(an_instance_shows_slots_and_type_but_none_outside_the_object)
{
	struct fake_py f;

	fake_py_begin(&f, 10);

	const struct py_layout *l = &f.py->layout;
	cs_addr object = fake_py_type(&f, "object", 0, 16, 0, 0);
	cs_addr type = python_class(&f, object, 0, 32);
	cs_addr defs = type + fake_get(&f, FAKE_TYPE + py_off(l, PY_TP_BASICSIZE));
	const uint64_t offsets[] = { 16, 24, 32, UINT64_MAX - 7 }; /* the last two lie behind it */

	fake_put(&f, type + py_off(l, PY_OB_SIZE), 4);
	fake_put(&f, type + py_off(l, PY_HT_SLOTS), AT(6));
	fake_put(&f, AT(6) + py_off(l, PY_OB_SIZE), 4);
	for (unsigned i = 0; i < 4; i++) {
		fake_put(&f, AT(6) + py_off(l, PY_TUPLE_ITEM) + i * 8, AT(7 + i));
		fake_put32(&f, defs + i * 40 + 8, 16); /* T_OBJECT_EX */
		fake_put(&f, defs + i * 40 + 16, offsets[i]);
		fake_put(&f, AT(0) + 16 + i * 8, TARGET(i));
	}

	struct told t = visit(&f, AT(0), type, 32);

	assert_int_equal(t.count, 3);
	assert_edge(&t, TARGET(0), PY_EDGE_SLOT, PY_STRONG);
	assert_true(edge_to(&t, TARGET(1))->name == AT(8));
	assert_edge(&t, type, PY_EDGE_TYPE, PY_STRONG);
	fake_py_end(&f);
}

TEST(what_a_known_struct_holds_is_named_and_another_size_only_guessed)
{
	for (unsigned more = 0; more <= 8; more += 8) {
		struct fake_py f;

		fake_py_begin(&f, 11);

		cs_addr object = fake_py_type(&f, "object", 0, 16, 0, 0);
		cs_addr type = fake_py_type(&f, "cell", PY_FLAG_HAVE_GC, 24 + more, 0, object);

		fake_put(&f, type + py_off(&f.py->layout, PY_TP_TRAVERSE), 0x1000);
		fake_put(&f, AT(0) + 16, AT(1));
		fake_put(&f, AT(1) + py_off(&f.py->layout, PY_OB_TYPE), type); /* an object */
		fake_put(&f, AT(0) + 24, AT(2)); /* none */

		struct told t = visit(&f, AT(0), type, 24 + more);

		assert_int_equal(t.count, 1);
		assert_edge(&t, AT(1), more ? PY_EDGE_WORD : PY_EDGE_MEMBER, more ? PY_GUESS : PY_STRONG);
		if (!more)
			assert_string_equal(t.edges[0].label, "cell_contents");
		fake_py_end(&f);
	}
}

TEST(members_behind_a_forged_size_are_left_out)
{
	struct fake_py f;

	fake_py_begin(&f, 11);

	/* a shape of any size, and a type that is shorter than it */
	cs_addr type = fake_py_type(&f, "generator", PY_FLAG_HAVE_GC, 16, 0, 0);

	for (unsigned i = 2; i < 24; i++)
		fake_put(&f, AT(0) + i * 8, TARGET(i));
	assert_int_equal(visit(&f, AT(0), type, 16).count, 0);
	fake_py_end(&f);
}

TEST(a_circle_of_nodes_ends_with_the_budget)
{
	struct fake_py f;

	fake_py_begin(&f, 11);

	cs_addr dict = fake_py_type(&f, "dict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 48, 0, 0);
	cs_addr type = fake_py_type(&f, "collections.OrderedDict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 112, 0, dict);

	fake_put(&f, type + py_off(&f.py->layout, PY_TP_TRAVERSE), 0x1000);
	fake_put(&f, AT(0) + 48, AT(1));      /* od_first */
	fake_put(&f, AT(1), TARGET(0));	      /* its key */
	fake_put(&f, AT(1) + 16, AT(1));      /* next: itself */
	assert_false(py_visit_was_cut(f.py));

	struct told t = visit(&f, AT(0), type, 112);

	assert_true(t.count > 1000);
	assert_true(py_visit_was_cut(f.py));
	assert_true(visit(&f, AT(0), type, 112).count < 8); /* only what it holds in itself */
	py_visit_begin(f.py);
	assert_false(py_visit_was_cut(f.py));
	fake_py_end(&f);
}

/* A frame at AT(10) of a code object at AT(12) with two locals, the second a cell, and two
 * words of stack. */
static void put_frame(struct fake_py *f, int32_t stacktop)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr type = fake_py_type(f, "code", 0, 184, 2, 0);

	fake_put(f, AT(12) + py_off(l, PY_OB_TYPE), type);
	fake_put32(f, AT(12) + py_off(l, PY_CODE_NLOCALSPLUS), 2);
	fake_put32(f, AT(12) + py_off(l, PY_CODE_STACKSIZE), 2);
	fake_put(f, AT(12) + py_off(l, PY_CODE_LOCALSPLUSNAMES), AT(13));
	fake_put(f, AT(12) + py_off(l, PY_CODE_LOCALSPLUSKINDS), AT(14));
	fake_put(f, AT(13) + py_off(l, PY_OB_SIZE), 2);
	fake_put(f, AT(13) + py_off(l, PY_TUPLE_ITEM), AT(15));
	fake_put(f, AT(13) + py_off(l, PY_TUPLE_ITEM) + 8, AT(16));
	fake_put(f, AT(14) + py_off(l, PY_BYTES_SVAL), 0x4020);
	fake_str(f, AT(15), "here");
	fake_str(f, AT(16), "shared");
	fake_put(f, AT(10) + py_off(l, PY_IFRAME_CODE), AT(12));
	fake_put32(f, AT(10) + py_off(l, PY_IFRAME_STACKTOP), (uint32_t)stacktop);
	fake_put(f, AT(10) + py_off(l, PY_IFRAME_LOCALSPLUS), TARGET(0));
	fake_put(f, AT(10) + py_off(l, PY_IFRAME_LOCALSPLUS) + 8, TARGET(1));
	fake_put(f, AT(10) + py_off(l, PY_IFRAME_LOCALSPLUS) + 16, AT(12)); /* an object */
	fake_put(f, AT(10) + py_off(l, PY_IFRAME_LOCALSPLUS) + 24, TARGET(3)); /* stale */
}

TEST(a_frame_names_locals_and_guesses_the_stack_while_it_runs)
{
	for (int32_t top = -1; top <= 3; top += 4) {
		struct fake_py f;
		struct told t = { .count = 0 };
		char text[64];

		fake_py_begin(&f, 11);
		put_frame(&f, top);
		py_visit_frame(f.py, AT(10), take, &t);
		assert_int_equal(t.count, 4); /* code, two locals, one on the stack */
		py_edge_text(f.py, edge_to(&t, TARGET(0)), text, sizeof(text));
		assert_string_equal(text, "local here");
		py_edge_text(f.py, edge_to(&t, TARGET(1)), text, sizeof(text));
		assert_string_equal(text, "closure cell shared");
		assert_int_equal(t.edges[3].kind, PY_EDGE_STACK);
		assert_int_equal(t.edges[3].hold, top < 0 ? PY_GUESS : PY_HIDDEN);
		fake_py_end(&f);
	}
}

TEST(absurd_slots_of_a_frame_are_not_followed)
{
	struct fake_py f;
	const uint32_t absurd[] = { UINT32_MAX, 1 << 20, 1 << 19 };

	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		struct told t = { .count = 0 };

		fake_py_begin(&f, 11);
		put_frame(&f, 3);
		fake_put32(&f, AT(12) + py_off(&f.py->layout, PY_CODE_NLOCALSPLUS), absurd[i]);
		py_visit_frame(f.py, AT(10), take, &t);
		assert_int_equal(t.count, 1); /* its code */
		fake_py_end(&f);
	}
}

/* Take memory away behind every word that objects lead to. */
TEST(what_is_not_there_is_not_shown)
{
	for (cs_addr cut = AT(0) + 0x80; cut < AT(18); cut += 8) {
		struct fake_py f;
		struct told t = { .count = 0 };

		fake_py_begin(&f, 12);

		cs_addr type = fake_py_type(&f, "dict", PY_FLAG_DICT | PY_FLAG_HAVE_GC, 48, 0, 0);

		put_table(&f, 1);
		put_frame(&f, -1);
		fake_cut(&f, cut);
		assert_true(visit(&f, AT(0), type, 48).count <= 5);
		py_visit_frame(f.py, AT(10), take, &t);
		assert_true(t.count <= 4);
		fake_py_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_shows_its_items_and_their_block),
		cmocka_unit_test(a_list_longer_than_memory_has_no_items),
		cmocka_unit_test(a_tuple_ends_with_its_block),
		cmocka_unit_test(a_dict_names_its_values_and_visits_only_keys_that_may_be_anything),
		cmocka_unit_test(only_the_dict_of_interned_strings_does_not_keep_them_alive),
		cmocka_unit_test(an_instance_shows_slots_and_type_but_none_outside_the_object),
		cmocka_unit_test(what_a_known_struct_holds_is_named_and_another_size_only_guessed),
		cmocka_unit_test(members_behind_a_forged_size_are_left_out),
		cmocka_unit_test(a_circle_of_nodes_ends_with_the_budget),
		cmocka_unit_test(a_frame_names_locals_and_guesses_the_stack_while_it_runs),
		cmocka_unit_test(absurd_slots_of_a_frame_are_not_followed),
		cmocka_unit_test(what_is_not_there_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
