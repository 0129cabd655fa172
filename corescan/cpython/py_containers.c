/* list, dict, OrderedDict, set, deque, array, instance values: CPython
 * Objects/ and Modules/_collectionsmodule.c, arraymodule.c, 3.8 to 3.14. */
#include "cpython/py_dict.h"
#include "cpython/py_families.h"

enum {
	SET_ENTRY = 16,
	/* dequeobject and its blocks: same offsets in every version, in a module
	 * whose debug data is often apart */
	DEQUE_LEFTBLOCK = 24, DEQUE_RIGHTBLOCK = 32, DEQUE_LEFTINDEX = 40,
	DEQUE_NUMFREE = 72, DEQUE_FREEBLOCKS = 80, DEQUE_FREE_MAX = 16,
	BLOCK_LEN = 64, BLOCK_SIZE = 528, BLOCK_RIGHT = 520,
	/* PyODictObject (Objects/odictobject.c) */
	OD_FIRST = 48, OD_FAST_NODES = 64, OD_FAST_NODES_SIZE = 72, OD_NODE = 32, OD_NEXT = 16,
	/* arrayobject, struct arraydescr (Modules/arraymodule.c) */
	ARRAY_ITEM = 24, ARRAY_ALLOCATED = 32, ARRAY_DESCR = 40, DESCR_ITEMSIZE = 4,
	ITEMSIZE_MAX = 64,
};

/* Steps a list of blocks may have: no more than blocks of that size fit. */
static uint64_t steps_max(struct py *py, uint64_t size)
{
	return py->mem->present / size + 1;
}

uint64_t py_list_sizeof(struct py *py, const struct py_obj *o)
{
	return (uint64_t)o->type->basicsize + 8 * cs_le64(o->p + py->layout.off[PY_LIST_ALLOCATED]);
}

void py_list_claim(struct py *py, const struct py_obj *o)
{
	py_claim(py, o, cs_le64(o->p + py->layout.off[PY_LIST_ITEM]));
}

/* Slots of a split table's values: as many as its keys can ever name. */
static uint64_t shared_usable(const struct py *py, const struct py_keys *k)
{
	/* 3.8-3.10: USABLE_FRACTION(dk_size); 3.11+: dk_nentries + dk_usable */
	return py_minor(&py->layout) >= 11 ? k->nentries + (uint64_t)k->room : k->usable;
}

static bool values_embedded(struct py *py, cs_addr values)
{
	const unsigned char *p;

	if (!py_has(&py->layout, PY_VALUES_CAPACITY))
		return false;
	p = cs_mem_view(py->mem, values, 8);
	return p && p[2];
}

uint64_t py_dict_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	cs_addr values = cs_le64(o->p + l->off[PY_DICT_VALUES]);
	uint64_t size = (uint64_t)o->type->basicsize;
	struct py_keys k;

	if (!py_keys_load(py, cs_le64(o->p + l->off[PY_DICT_KEYS]), &k))
		return size;
	if (values && !values_embedded(py, values))
		size += 8 * shared_usable(py, &k);
	if (k.refcnt == 1)
		size += k.size;
	return size;
}

/* A values array's block: from 3.11 on bytes of insertion order lie in front
 * of it, how many says the byte before the values; from 3.13 on a header. */
static void claim_values(struct py *py, const struct py_obj *o, cs_addr values)
{
	const unsigned char *p;

	if (!values)
		return;
	if (py_minor(&py->layout) == 11 || py_minor(&py->layout) == 12) {
		p = cs_mem_view(py->mem, values - 1, 1);
		if (p)
			py_claim(py, o, values - *p);
	} else if (!values_embedded(py, values)) {
		py_claim(py, o, values);
	}
}

void py_dict_claim(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;

	/* Shared keys are claimed by their class, which is met first (it is
	 * malloc'ed); what is left of them belongs to a class that has gone. */
	py_claim(py, o, cs_le64(o->p + l->off[PY_DICT_KEYS]));
	claim_values(py, o, cs_le64(o->p + l->off[PY_DICT_VALUES]));
}

/* 3.11: values pointer 32 bytes in front of the object; 3.12: 24 in front,
 * values - 1 when odd. From 3.13 on values are inline or hang on the dict. */
void py_instance_claim(struct py *py, const struct py_obj *o)
{
	uint64_t word;

	if (py_minor(&py->layout) == 11)
		claim_values(py, o, py_word(py, o->addr - 32));
	else if (py_minor(&py->layout) == 12 && (word = py_word(py, o->addr - 24)) & 1)
		claim_values(py, o, word + 1);
}

uint64_t py_odict_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t used = cs_le64(o->p + py->layout.off[PY_DICT_USED]);

	return py_dict_sizeof(py, o) + 8 * cs_le64(o->p + OD_FAST_NODES_SIZE) + OD_NODE * used;
}

void py_odict_claim(struct py *py, const struct py_obj *o)
{
	cs_addr node = cs_le64(o->p + OD_FIRST);
	uint64_t left = steps_max(py, OD_NODE);

	py_dict_claim(py, o);
	py_claim(py, o, cs_le64(o->p + OD_FAST_NODES));
	/* a node that is claimed already ends a forged circle */
	while (node && left-- && !py_stops(py) && py_claim(py, o, node))
		node = py_word(py, node + OD_NEXT);
}

static cs_addr set_table(struct py *py, const struct py_obj *o)
{
	cs_addr table = cs_le64(o->p + py->layout.off[PY_SET_TABLE]);

	return table == o->addr + py_off(&py->layout, PY_SET_SMALLTABLE) ? 0 : table;
}

uint64_t py_set_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t mask = cs_le64(o->p + py->layout.off[PY_SET_MASK]);

	return (uint64_t)o->type->basicsize + (set_table(py, o) ? (mask + 1) * SET_ENTRY : 0);
}

void py_set_claim(struct py *py, const struct py_obj *o)
{
	py_claim(py, o, set_table(py, o));
}

uint64_t py_deque_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t n = cs_le64(o->p + py->layout.off[PY_OB_SIZE]);
	uint64_t blocks = (cs_le64(o->p + DEQUE_LEFTINDEX) + n + BLOCK_LEN - 1) / BLOCK_LEN;

	return (uint64_t)o->type->basicsize + blocks * BLOCK_SIZE;
}

void py_deque_claim(struct py *py, const struct py_obj *o)
{
	cs_addr block = cs_le64(o->p + DEQUE_LEFTBLOCK), last = cs_le64(o->p + DEQUE_RIGHTBLOCK);
	uint64_t left = steps_max(py, BLOCK_SIZE);

	while (block && left-- && !py_stops(py) && py_claim(py, o, block) && block != last)
		block = py_word(py, block + BLOCK_RIGHT);
	if (py_minor(&py->layout) < 11 || o->room < DEQUE_FREEBLOCKS + 8 * DEQUE_FREE_MAX)
		return;

	uint64_t n = cs_le64(o->p + DEQUE_NUMFREE);

	for (uint64_t i = 0; i < n && i < DEQUE_FREE_MAX; i++)
		py_claim(py, o, cs_le64(o->p + DEQUE_FREEBLOCKS + 8 * i));
}

uint64_t py_array_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t allocated = cs_le64(o->p + ARRAY_ALLOCATED);
	uint32_t item = 0;

	if (!cs_mem_u32(py->mem, cs_le64(o->p + ARRAY_DESCR) + DESCR_ITEMSIZE, &item) ||
	    item > ITEMSIZE_MAX)
		item = 1;
	return (uint64_t)o->type->basicsize + allocated * item;
}

void py_array_claim(struct py *py, const struct py_obj *o)
{
	py_claim(py, o, cs_le64(o->p + ARRAY_ITEM));
}
