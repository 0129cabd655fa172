/* type, code, module: CPython Objects/typeobject.c, codeobject.c, moduleobject.c, 3.8 to 3.14. */
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum { MODULE_STATE_MAX = 1 << 16, CACHED_WORDS = 4 };

/* Strings that name the instances' attributes: the table is the class' own. */
static void visit_shared_keys(struct py_visitor *v, cs_addr keys)
{
	struct py_keys k;
	const unsigned char *p;

	if (!keys || !py_keys_load(v->py, keys, &k))
		return;
	p = py_words(v, k.entries, k.nentries * (k.entry_len / 8));
	for (uint64_t i = 0; p && i < k.nentries; i++)
		py_emit(v, &(struct py_edge){ .to = cs_le64(p + (i + 1) * k.entry_len - 16),
					      .kind = PY_EDGE_KEY, .hold = PY_HIDDEN,
					      .index = (int64_t)i });
}

static void visit_heap_type(struct py_visitor *v, const struct py_obj *o)
{
	static const struct {
		enum py_field field;
		const char *label;
	} names[] = { { PY_HT_NAME, "__name__" },
		      { PY_HT_QUALNAME, "__qualname__" },
		      { PY_HT_SLOTS, "__slots__" },
		      { PY_TP_SUBCLASSES, "__subclasses__" } };
	const struct py_layout *l = &v->py->layout;

	if (o->room < py_off(l, PY_HT_SIZE))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		py_emit_member(v, cs_le64(o->p + l->off[names[i].field]), PY_HIDDEN, names[i].label);
	if (py_has(l, PY_HT_MODULE))
		py_emit_member(v, cs_le64(o->p + l->off[PY_HT_MODULE]), v->strong, "ht_module");
	visit_shared_keys(v, cs_le64(o->p + l->off[PY_HT_CACHED_KEYS]));
}

/* Static types are not known to the collector. */
void py_visit_type(struct py_visitor *v, const struct py_obj *o)
{
	static const struct {
		enum py_field field;
		const char *label;
	} members[] = { { PY_TP_CACHE, "tp_cache" },
			{ PY_TP_MRO, "__mro__" },
			{ PY_TP_BASES, "__bases__" },
			{ PY_TP_BASE, "__base__" } };
	const struct py_layout *l = &v->py->layout;
	uint8_t strong;
	bool is_heap;

	if (o->room < py_off(l, PY_TP_SIZE))
		return;
	is_heap = cs_le64(o->p + l->off[PY_TP_FLAGS]) & PY_FLAG_HEAPTYPE;
	strong = is_heap ? v->strong : PY_HIDDEN;
	py_emit_member(v, py_type_dict(v->py, o->addr), strong, "__dict__");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		py_emit_member(v, cs_le64(o->p + l->off[members[i].field]), strong, members[i].label);
	if (is_heap)
		visit_heap_type(v, o);
}

/* 3.12+: what co_code, co_varnames, ... were computed to is kept in a block. */
void py_visit_code(struct py_visitor *v, const struct py_obj *o)
{
	static const char *const labels[CACHED_WORDS] = { "co_code", "co_varnames", "co_cellvars",
							  "co_freevars" };
	const struct py_layout *l = &v->py->layout;
	const unsigned char *p;

	if (!py_has(l, PY_CODE_CACHED) || o->room < py_off(l, PY_CODE_CACHED) + 8)
		return;
	p = py_words(v, cs_le64(o->p + l->off[PY_CODE_CACHED]), CACHED_WORDS);
	for (size_t i = 0; p && i < CACHED_WORDS; i++)
		py_emit_member(v, cs_le64(p + i * 8), PY_HIDDEN, labels[i]);
}

/* The state is a struct of the module's own. */
void py_visit_module(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	bool has_room = py_has(l, PY_MODULE_DEF) && py_in_room(v, o, PY_MODULE_DEF) &&
			py_in_room(v, o, PY_MODULE_STATE);
	cs_addr def = has_room ? cs_le64(o->p + l->off[PY_MODULE_DEF]) : 0;
	uint64_t size = def ? py_word(v->py, def + py_off(l, PY_MODULE_DEF_SIZE)) : 0;

	/* -1: none */
	if (size && size <= MODULE_STATE_MAX)
		py_emit_guesses(v, cs_le64(o->p + l->off[PY_MODULE_STATE]), size);
}
