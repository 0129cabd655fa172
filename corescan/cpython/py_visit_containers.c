/* list, tuple, dict, OrderedDict, set, deque: CPython Objects/listobject.c, tupleobject.c,
 * dictobject.c, odictobject.c, setobject.c, Modules/_collectionsmodule.c, 3.8 to 3.14. */
#include "cpython/py_visitor.h"

enum {
	VALUES_EMBEDDED = 2, VALUES_HEAD = 4, /* bytes: capacity, size, embedded, valid */
	INTERNED_MIN = 512, INTERNED_SAMPLES = 64, STATE_INTERNED = 3, /* PyASCIIObject.state */
	ENTRY_WORDS = 3, SET_ENTRY = 16, DUMMY_HASH = -1,
	/* PyODictObject and its nodes {key, hash, next, prev}, as in py_containers.c */
	OD_FIRST = 48, OD_FAST_NODES = 64, OD_NODE_WORDS = 4, OD_NEXT = 16, OD_LEN = 80,
	/* dequeobject and its blocks {left, data[64], right} */
	DEQUE_LEFTBLOCK = 24, DEQUE_RIGHTBLOCK = 32, DEQUE_LEFTINDEX = 40, DEQUE_RIGHTINDEX = 48,
	DEQUE_LEN = 56, BLOCK_WORDS = 66, BLOCK_ITEMS = 64, BLOCK_DATA = 8, BLOCK_RIGHT = 520,
};

void py_visit_list(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	cs_addr items;

	if (!py_in_room(v, o, PY_LIST_ITEM) || !py_in_room(v, o, PY_OB_SIZE))
		return;
	items = cs_le64(o->p + l->off[PY_LIST_ITEM]);
	py_emit_block(v, items, "items");
	py_emit_array(v, items, cs_le64(o->p + l->off[PY_OB_SIZE]), v->strong);
}

void py_visit_tuple(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	uint64_t at = py_off(l, PY_TUPLE_ITEM), room = o->room > at ? (o->room - at) / 8 : 0;
	uint64_t count = py_in_room(v, o, PY_OB_SIZE) ? cs_le64(o->p + l->off[PY_OB_SIZE]) : 0;

	if (v->plan->sequence_fields > count)
		count = v->plan->sequence_fields;
	if (v->refs) {
		py_add_refs(v, o->p + at, count < room ? count : room, 8, v->strong);
		return;
	}
	for (uint64_t i = 0; i < count && i < room; i++) {
		if (py_told_to_stop(v, i))
			return;
		py_emit_index(v, cs_le64(o->p + at + i * 8), v->strong, i);
	}
}

/* --- dict --- */

/* Up to 3.10 a table that takes any keys has the lookup function `lookdict`; so has
 * object.__subclasses__, whose keys are numbers. */
static cs_addr lookdict(struct py_visitor *v)
{
	const struct py_layout *l = &v->py->layout;
	cs_addr base = v->py->type_type, next = base;

	if (v->plans->knows_lookdict)
		return v->plans->lookdict;
	for (int i = 0; next && i < 4; i++) {
		base = next;
		next = py_word(v->py, base + py_off(l, PY_TP_BASE));
	}
	next = py_word(v->py, base + py_off(l, PY_TP_SUBCLASSES));
	next = next ? py_word(v->py, next + py_off(l, PY_DICT_KEYS)) : 0;
	v->plans->knows_lookdict = true;
	v->plans->lookdict = next ? py_word(v->py, next + py_off(l, PY_KEYS_LOOKUP)) : 0;
	return v->plans->lookdict;
}

/* Does tp_traverse visit the keys? Not where it knows that all are strings. */
static bool visits_keys(struct py_visitor *v, const struct py_keys *k)
{
	const struct py_layout *l = &v->py->layout;

	if (py_has(l, PY_KEYS_LOOKUP))
		return py_word(v->py, k->addr + py_off(l, PY_KEYS_LOOKUP)) == lookdict(v);
	return k->entry_len == ENTRY_WORDS * 8;
}

/* --- the interpreter's dict of interned strings: it counts neither key nor value (they go when
 * nobody else holds them; Objects/unicodeobject.c) --- */

static cs_addr interned_dict(struct py_visitor *v)
{
	struct py *py = v->py;
	cs_addr at;

	if (v->plans->knows_interned)
		return v->plans->interned;
	v->plans->knows_interned = true;
	if (py_has(&py->layout, PY_IS_INTERNED) && py->interp_count)
		v->plans->interned = py_word(py, py->interps[py->interp_count - 1] +
							 py_off(&py->layout, PY_IS_INTERNED));
	else if (py->module && !cs_module_symbol(py->module, py->image, "interned", &at, NULL))
		v->plans->interned = py_word(py, at);
	return v->plans->interned;
}

void py_find_dict_marks(struct py *py, struct py_plans *plans)
{
	struct py_visitor v = { .py = py, .plans = plans };

	if (py_has(&py->layout, PY_KEYS_LOOKUP))
		lookdict(&v);
	interned_dict(&v);
}

/* Up to 3.11 a stripped interpreter does not say where it is: a big dict that only one holds,
 * of strings that are all interned and their own values. */
static bool looks_interned(struct py_visitor *v, const struct py_obj *o, const struct py_keys *k)
{
	const struct py_layout *l = &v->py->layout;

	if (py_has(l, PY_IS_INTERNED) || k->nentries < INTERNED_MIN || cs_le64(o->p) != 1)
		return false;
	for (uint64_t i = 0; i < k->nentries; i += k->nentries / INTERNED_SAMPLES) {
		const unsigned char *p;
		cs_addr key, value;

		if (!py_keys_entry(v->py, k, i, &key, &value) || (value && value != key))
			return false;
		p = value ? cs_mem_view(v->py->mem, key + py_off(l, PY_STR_STATE), 1) : NULL;
		if (value && (!p || !(*p & STATE_INTERNED)))
			return false;
	}
	return true;
}

static bool is_interned(struct py_visitor *v, const struct py_obj *o, const struct py_keys *k)
{
	cs_addr known = interned_dict(v);

	if (!known && looks_interned(v, o, k))
		known = v->plans->interned = o->addr;
	return o->addr == known;
}

/* Entries are {[hash,] key, value}. Of a split table only the keys are looked at. */
static void visit_entries(struct py_visitor *v, const struct py_keys *k, bool with_values,
			  bool is_weak)
{
	const unsigned char *p = py_words(v, k->entries, k->nentries * (k->entry_len / 8));
	uint8_t hold = is_weak ? PY_WEAK : v->strong;
	uint8_t key_hold = is_weak ? PY_WEAK : visits_keys(v, k) ? v->strong : PY_HIDDEN;

	if (!p)
		return;
	p += k->entry_len - 16;
	if (v->refs && !with_values) {
		py_add_refs(v, p, k->nentries, k->entry_len, key_hold);
		return;
	}
	for (uint64_t i = 0; i < k->nentries; i++, p += k->entry_len) {
		cs_addr key = cs_le64(p), value = with_values ? cs_le64(p + 8) : 0;

		if (py_told_to_stop(v, i))
			return;
		if (!value && with_values)
			continue; /* deleted */
		if (v->refs) {
			py_add_ref(v, value, hold);
			py_add_ref(v, key, key_hold);
			continue;
		}
		py_emit(v, &(struct py_edge){ .to = value, .kind = PY_EDGE_VALUE, .hold = hold,
					      .name = key, .index = (int64_t)i });
		py_emit(v, &(struct py_edge){ .to = key, .kind = PY_EDGE_KEY, .hold = key_hold,
					      .index = (int64_t)i });
	}
}

/* A split table's values, in the order of the shared keys. */
static void visit_split(struct py_visitor *v, const struct py_keys *k, cs_addr values)
{
	const struct py_layout *l = &v->py->layout;
	const unsigned char *p, *names, *head = NULL;

	if (py_has(l, PY_VALUES_CAPACITY)) {
		head = cs_mem_view(v->py->mem, values, VALUES_HEAD);
		if (!head || (head[VALUES_EMBEDDED] && !py_dict_has_values(v->py)))
			return; /* the instance shows them */
		if (!head[VALUES_EMBEDDED])
			py_emit_block(v, values, "values");
		p = py_words(v, values + py_off(l, PY_VALUES_VALUES), k->nentries);
	} else {
		if (py_minor(l) >= 11 && (head = cs_mem_view(v->py->mem, values - 1, 1)))
			py_emit_block(v, values - *head, "values");
		else if (py_minor(l) < 11)
			py_emit_block(v, values, "values");
		p = py_words(v, values, k->nentries);
	}
	names = cs_mem_view(v->py->mem, k->entries, k->nentries * k->entry_len);
	if (v->refs) {
		py_add_refs(v, p, p && names ? k->nentries : 0, 8, v->strong);
		return;
	}
	for (uint64_t i = 0; p && names && i < k->nentries; i++) {
		if (py_told_to_stop(v, i))
			return;
		py_emit(v, &(struct py_edge){
			.to = cs_le64(p + i * 8), .kind = PY_EDGE_VALUE, .hold = v->strong,
			.name = cs_le64(names + (i + 1) * k->entry_len - 16), .index = (int64_t)i });
	}
}

void py_visit_dict(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	cs_addr values;
	struct py_keys k;

	if (!py_in_room(v, o, PY_DICT_VALUES) || !py_in_room(v, o, PY_DICT_KEYS))
		return;
	values = cs_le64(o->p + l->off[PY_DICT_VALUES]);
	if (!py_keys_load(v->py, cs_le64(o->p + l->off[PY_DICT_KEYS]), &k))
		return;
	if (values)
		visit_split(v, &k, values);
	/* keys that a class shares are the class' own */
	if (values && k.refcnt != 1)
		return;
	py_emit_block(v, k.addr, "keys");
	visit_entries(v, &k, !values, !values && is_interned(v, o, &k));
}

/* The nodes hold the keys once more. */
void py_visit_odict(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr node = o->room >= OD_LEN ? cs_le64(o->p + OD_FIRST) : 0;

	while (node) {
		const unsigned char *p = py_words(v, node, OD_NODE_WORDS);

		if (!p || cs_pulse_stops(v->py->model->pulse))
			return;
		py_emit(v, &(struct py_edge){ .to = cs_le64(p), .kind = PY_EDGE_KEY,
					      .hold = v->strong });
		node = cs_le64(p + OD_NEXT);
	}
}

void py_visit_set(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	const unsigned char *p;
	uint64_t slots;

	if (!py_in_room(v, o, PY_SET_MASK) || !py_in_room(v, o, PY_SET_TABLE) ||
	    !cs_add(cs_le64(o->p + l->off[PY_SET_MASK]), 1, &slots) || slots > UINT64_MAX / SET_ENTRY)
		return;
	p = py_words(v, cs_le64(o->p + l->off[PY_SET_TABLE]), slots * 2);
	for (uint64_t i = 0; p && i < slots; i++, p += SET_ENTRY) {
		if (py_told_to_stop(v, i))
			return;
		/* a deleted entry leaves a dummy with a hash nothing has */
		if (cs_le64(p) && (int64_t)cs_le64(p + 8) != DUMMY_HASH)
			py_emit(v, &(struct py_edge){ .to = cs_le64(p), .kind = PY_EDGE_KEY,
						      .hold = v->strong });
	}
}

void py_visit_deque(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr block, last;
	uint64_t from, to, index = 0;

	if (o->room < DEQUE_LEN)
		return;
	block = cs_le64(o->p + DEQUE_LEFTBLOCK);
	last = cs_le64(o->p + DEQUE_RIGHTBLOCK);
	from = cs_le64(o->p + DEQUE_LEFTINDEX);
	while (block) {
		const unsigned char *p = py_words(v, block, BLOCK_WORDS);

		if (!p || cs_pulse_stops(v->py->model->pulse))
			return;
		to = block == last ? cs_le64(o->p + DEQUE_RIGHTINDEX) + 1 : BLOCK_ITEMS;
		for (; from < to && from < BLOCK_ITEMS; from++)
			py_emit_index(v, cs_le64(p + BLOCK_DATA + from * 8), v->strong, index++);
		if (block == last)
			return;
		from = 0;
		block = cs_le64(p + BLOCK_RIGHT);
	}
}
