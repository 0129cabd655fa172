/* C types with references outside their structs. Their structs are in modules whose debug data
 * is rarely at hand; the offsets are from the sources named, the same in every version. */
#include "cpython/py_visitor.h"

enum {
	/* lru_cache_object, Modules/_functoolsmodule.c: root is {prev, next, hash, key, result} */
	LINK_NEXT = 24, LINK_KEY = 40, LINK_RESULT = 48, LINK_WORDS = 7,
	/* ElementObject and its extra, Modules/_elementtree.c; text and tail carry a flag bit */
	ELEMENT_TEXT = 24, ELEMENT_TAIL = 32, ELEMENT_EXTRA = 40, JOIN_BIT = 1, EXTRA_WORDS = 4,
	EXTRA_LENGTH = 8, EXTRA_CHILDREN = 24,
	/* ElementIterObject: stack of {parent, index} */
	ITER_STACK = 16, ITER_USED = 24, LOCATOR = 16,
	/* enum HandlerTypes, Modules/pyexpat.c: all but the dummy, with expat since 1.95.4 */
	EXPAT_HANDLERS = 22,
	/* Modules/_pickle.c: PyMemoTable {mask, used, allocated, table}, entries {key, value} */
	MEMO_WORDS = 4, MEMO_ALLOCATED = 16, MEMO_TABLE = 24, MEMO_ENTRY = 16, PDATA_ITEMS = 24,
	CAPSULE_LEN = 16,
	/* pysqlite_Node {head, key, data, count, prev, next}, Modules/_sqlite/cache.h */
	NODE_NEXT = 48, NODE_WORDS = 7,
	CALLBACK_WORDS = 2, /* sqlite3's {callable, module} */
	/* teedataobject, Modules/itertoolsmodule.c */
	TEE_READ = 24, TEE_VALUES = 40, TEE_ITEMS = 57,
	/* datetime.time, datetime: a flag behind the hash, then the data, then tzinfo */
	HAS_TZINFO = 24, TIME_TZINFO = 32, DATETIME_TZINFO = 40,
	/* PyArrayObject_fields, numpy ndarraytypes.h 1.x and 2.x */
	ARRAY_DATA = 16, ARRAY_NDIM = 24, ARRAY_DIMS = 32, ARRAY_BASE = 48, ARRAY_DESCR = 56,
	ARRAY_MEM_HANDLER = 88, ARRAY_LEN_OLD = 80, DESCR_TYPE_NUM = 28, NPY_OBJECT = 17, NDIM_MAX = 64,
	ARRAY_FLAGS = 64, ARRAY_CONTIGUOUS = 3,
};

#define MEMO_VISITED (PY_HEX(3, 11) + 0x300)

static bool reaches(const struct py_obj *o, uint64_t off)
{
	return o->room >= off + 8;
}

/* ob_size, which is the number of items; 0 where it is not to be read. */
static uint64_t item_count(struct py_visitor *v, const struct py_obj *o)
{
	return py_in_room(v, o, PY_OB_SIZE) ? cs_le64(o->p + v->py->layout.off[PY_OB_SIZE]) : 0;
}

/* functools.lru_cache visits what its links hold for them, and their type from 3.10 on. So the
 * links, which the collector does not know, show nothing themselves. */
static void visit_lru_cache(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr link = reaches(o, LINK_NEXT) ? cs_le64(o->p + LINK_NEXT) : 0;

	while (link && link != o->addr) {
		const unsigned char *p = py_words(v, link, LINK_WORDS);

		if (!p || cs_pulse_stops(v->py->model->pulse))
			return;
		py_emit_member(v, link, PY_HIDDEN, "link");
		py_emit_member(v, cs_le64(p + LINK_KEY), v->strong, "key");
		py_emit_member(v, cs_le64(p + LINK_RESULT), v->strong, "result");
		if (py_minor(&v->py->layout) >= 10)
			py_emit_member(v, cs_le64(p + v->py->layout.off[PY_OB_TYPE]), v->strong,
				       "link type");
		link = cs_le64(p + LINK_NEXT);
	}
}

static void visit_element(struct py_visitor *v, const struct py_obj *o)
{
	const unsigned char *p;

	if (!reaches(o, ELEMENT_EXTRA))
		return;
	py_emit_member(v, cs_le64(o->p + ELEMENT_TEXT) & ~(cs_addr)JOIN_BIT, v->strong, "text");
	py_emit_member(v, cs_le64(o->p + ELEMENT_TAIL) & ~(cs_addr)JOIN_BIT, v->strong, "tail");
	p = py_words(v, cs_le64(o->p + ELEMENT_EXTRA), EXTRA_WORDS);
	if (!p)
		return;
	py_emit_member(v, cs_le64(p), v->strong, "attrib");
	py_emit_array(v, cs_le64(p + EXTRA_CHILDREN), cs_le64(p + EXTRA_LENGTH), v->strong);
}

static void visit_element_iterator(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t used = reaches(o, ITER_USED) ? cs_le64(o->p + ITER_USED) : 0, words;
	const unsigned char *p = cs_mul(used, LOCATOR / 8, &words) ?
					 py_words(v, cs_le64(o->p + ITER_STACK), words) :
					 NULL;

	for (uint64_t i = 0; p && i < used; i++)
		py_emit_index(v, cs_le64(p + i * LOCATOR), v->strong, i);
}

static void visit_tee_data(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t read = reaches(o, TEE_READ) ? cs_le32(o->p + TEE_READ) : 0;

	for (uint64_t i = 0; i < read && i < TEE_ITEMS && reaches(o, TEE_VALUES + i * 8); i++)
		py_emit_index(v, cs_le64(o->p + TEE_VALUES + i * 8), v->strong, i);
}

/* hamt nodes: items from tp_basicsize on. */
static void visit_own_items(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t at = (uint64_t)o->type->basicsize;
	uint64_t count = item_count(v, o);

	for (uint64_t i = 0; i < count && reaches(o, at + i * 8); i++)
		py_emit_index(v, cs_le64(o->p + at + i * 8), v->strong, i);
}

static void visit_tzinfo(struct py_visitor *v, const struct py_obj *o, uint64_t off)
{
	if (reaches(o, off) && o->p[HAS_TZINFO])
		py_emit_member(v, cs_le64(o->p + off), v->strong, "tzinfo");
}

static void visit_time(struct py_visitor *v, const struct py_obj *o)
{
	visit_tzinfo(v, o, TIME_TZINFO);
}

static void visit_datetime(struct py_visitor *v, const struct py_obj *o)
{
	visit_tzinfo(v, o, DATETIME_TZINFO);
}

/* An array of objects holds them; one that is not in one piece does not own its data. */
static void visit_ndarray(struct py_visitor *v, const struct py_obj *o)
{
	uint32_t type_num = 0, ndim;
	uint64_t count = 1;
	const unsigned char *dims;

	if (!reaches(o, ARRAY_FLAGS))
		return;
	py_emit_member(v, cs_le64(o->p + ARRAY_BASE), v->strong, "base");
	py_emit_member(v, cs_le64(o->p + ARRAY_DESCR), v->strong, "dtype");
	if (o->type->basicsize > ARRAY_LEN_OLD && reaches(o, ARRAY_MEM_HANDLER))
		py_emit_member(v, cs_le64(o->p + ARRAY_MEM_HANDLER), v->strong, "mem_handler");
	ndim = cs_le32(o->p + ARRAY_NDIM);
	if (!cs_mem_u32(v->py->mem, cs_le64(o->p + ARRAY_DESCR) + DESCR_TYPE_NUM, &type_num) ||
	    type_num != NPY_OBJECT || ndim > NDIM_MAX || cs_le64(o->p + ARRAY_BASE))
		return;
	dims = cs_mem_view(v->py->mem, cs_le64(o->p + ARRAY_DIMS), ndim * 8);
	for (uint32_t i = 0; dims && i < ndim; i++)
		if (!cs_mul(count, cs_le64(dims + i * 8), &count))
			return;
	if (dims || !ndim)
		py_emit_array(v, cs_le64(o->p + ARRAY_DATA), count, v->strong);
}

static uint64_t place_word(struct py_visitor *v, const struct py_obj *o, const char *label)
{
	const unsigned char *p = py_place(v, o, label);

	return p ? cs_le64(p) : 0;
}

static void visit_expat(struct py_visitor *v, const struct py_obj *o)
{
	py_emit_array(v, place_word(v, o, "handlers"), EXPAT_HANDLERS, v->strong);
}

/* Picklers visit their memos from some 3.11 between .2 and .7 on. */
static uint8_t memo_hold(struct py_visitor *v)
{
	return v->py->layout.version >= MEMO_VISITED ? v->strong : PY_HIDDEN;
}

static void visit_pickler(struct py_visitor *v, const struct py_obj *o)
{
	const unsigned char *p = py_words(v, place_word(v, o, "memo"), MEMO_WORDS);
	uint64_t count = p ? cs_le64(p + MEMO_ALLOCATED) : 0, words;

	if (!count || !cs_mul(count, MEMO_ENTRY / 8, &words))
		return;
	py_emit_block(v, place_word(v, o, "memo"), "memo");
	py_emit_block(v, cs_le64(p + MEMO_TABLE), "memo table");
	p = py_words(v, cs_le64(p + MEMO_TABLE), words);
	for (uint64_t i = 0; p && i < count; i++)
		py_emit_index(v, cs_le64(p + i * MEMO_ENTRY), memo_hold(v), i);
}

static void visit_unpickler(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr memo = place_word(v, o, "memo");

	py_emit_block(v, memo, "memo");
	py_emit_array(v, memo, place_word(v, o, "memo_size"), memo_hold(v));
}

/* The unpickler's stack. */
static void visit_pdata(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr items = reaches(o, PDATA_ITEMS) ? cs_le64(o->p + PDATA_ITEMS) : 0;

	py_emit_block(v, items, "items");
	py_emit_array(v, items, item_count(v, o), PY_HIDDEN);
}

/* A ring from 3.13 on, a list before. */
static void visit_simple_queue(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t count = place_word(v, o, "num_items"), cap = place_word(v, o, "items_cap");
	uint64_t first = place_word(v, o, "get_idx");
	cs_addr items = place_word(v, o, "items");
	const unsigned char *p = py_words(v, items, cap);

	py_emit_block(v, items, "items");
	for (uint64_t i = 0; p && i < count && i < cap && first < cap; i++)
		py_emit_index(v, cs_le64(p + (first + i) % cap * 8), v->strong, i);
}

static void visit_connection(struct py_visitor *v, const struct py_obj *o)
{
	static const char *const labels[] = { "trace_ctx", "progress_ctx", "authorizer_ctx" };

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		cs_addr context = place_word(v, o, labels[i]);
		const unsigned char *p = py_words(v, context, CALLBACK_WORDS);

		py_emit_block(v, context, labels[i]);
		for (unsigned k = 0; p && k < CALLBACK_WORDS; k++)
			py_emit_member(v, cs_le64(p + k * 8), v->strong, labels[i]);
	}
}

/* sqlite3's statement cache up to 3.10: a list of nodes, of which `next` is the last word. */
static void visit_sqlite_cache(struct py_visitor *v, const struct py_obj *o)
{
	cs_addr node = place_word(v, o, "first");

	if (place_word(v, o, "decref_factory") & UINT32_MAX)
		py_emit_member(v, place_word(v, o, "factory"), v->strong, "factory");
	for (uint64_t i = 0; node; i++) {
		const unsigned char *p = py_words(v, node, NODE_WORDS);

		py_emit_index(v, node, v->strong, i);
		if (!p || cs_pulse_stops(v->py->model->pulse))
			return;
		node = cs_le64(p + NODE_NEXT);
	}
}

/* From 3.13 on a capsule may have a traverse function of its own (socket's visits the first
 * word of what it points at). */
static void visit_capsule(struct py_visitor *v, const struct py_obj *o)
{
	if (place_word(v, o, "traverse_func"))
		py_emit_guesses(v, place_word(v, o, "pointer"), CAPSULE_LEN);
}

/* re's templates: {index, literal} from tp_basicsize on. */
static void visit_template(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t at = (uint64_t)o->type->basicsize + 8;
	uint64_t count = item_count(v, o);

	for (uint64_t i = 0; i < count && reaches(o, at + i * 16); i++)
		py_emit_index(v, cs_le64(o->p + at + i * 16), v->strong, i);
}

const struct py_visit_name py_visit_extensions[] = {
	{ "pyexpat.xmlparser", visit_expat },
	{ "_pickle.Pickler", visit_pickler },
	{ "_pickle.Unpickler", visit_unpickler },
	{ "_pickle.Pdata", visit_pdata },
	{ "_queue.SimpleQueue", visit_simple_queue },
	{ "sqlite3.Connection", visit_connection },
	{ "sqlite3.Cache", visit_sqlite_cache },
	{ "PyCapsule", visit_capsule },
	{ "_sre.SRE_Template", visit_template },
	{ "functools._lru_cache_wrapper", visit_lru_cache },
	{ "xml.etree.ElementTree.Element", visit_element },
	{ "_elementtree._element_iterator", visit_element_iterator },
	{ "itertools._tee_dataobject", visit_tee_data },
	{ "hamt_bitmap_node", visit_own_items },
	{ "hamt_collision_node", visit_own_items },
	{ "datetime.time", visit_time },
	{ "datetime.datetime", visit_datetime },
	{ "numpy.ndarray", visit_ndarray },
	{ NULL, NULL },
};
