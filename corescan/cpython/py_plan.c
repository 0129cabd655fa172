/* What to visit of a type's instances. CPython Objects/typeobject.c
 * (subtype_traverse, traverse_slots, type_new), 3.8 to 3.14. */
#include "cpython/py_plan.h"

#include "cpython/py_families.h"
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum {
	BASES_MAX = 64,
	SLOTS_MAX = 4096, /* of one class */
	OBJECT_HEAD = 16,
	/* PyMemberDef, Include/structmember.h and descrobject.h; the same in every version */
	MEMBER_DEF = 40, MEMBER_TYPE = 8, MEMBER_OFFSET = 16, MEMBER_OBJECT_EX = 16,
};

/* C types with references outside their structs. */
static const struct py_visit_name visits[] = {
	{ "dict", py_visit_dict },
	{ "list", py_visit_list },
	{ "tuple", py_visit_tuple },
	{ "set", py_visit_set },
	{ "frozenset", py_visit_set },
	{ "collections.OrderedDict", py_visit_odict },
	{ "collections.deque", py_visit_deque },
	{ "type", py_visit_type },
	{ "code", py_visit_code },
	{ "frame", py_visit_frame_object },
	{ "generator", py_visit_generator },
	{ "coroutine", py_visit_generator },
	{ "async_generator", py_visit_generator },
	{ "module", py_visit_module },
	{ "_ctypes.PyCStructType", py_visit_stg },
	{ "_ctypes.UnionType", py_visit_stg },
	{ "_ctypes.PyCPointerType", py_visit_stg },
	{ "_ctypes.PyCArrayType", py_visit_stg_hidden },
	{ "_ctypes.PyCSimpleType", py_visit_stg_hidden },
	{ "_ctypes.PyCFuncPtrType", py_visit_stg },
	{ "_ctypes.CType_Type", py_visit_stg },
	{ NULL, NULL },
};

static py_visit_fn *among(const struct py_visit_name *list, const char *name)
{
	for (; list->name; list++)
		if (!strcmp(list->name, name))
			return list->fn;
	return NULL;
}

/* What is gathered while the bases are walked from the type upwards. */
struct ascent {
	struct py *py;
	struct py_plans *plans;
	const struct py_type *type;
	struct py_plan *plan;
	CS_VEC(struct py_slot) slots;
	cs_addr c_type; /* the first base that is no Python class */
	uint64_t known; /* bytes of the struct that a shape or a visit explains */
	bool is_known;
	size_t visit_count;
};

static uint64_t type_word(const struct ascent *a, cs_addr type, enum py_field field)
{
	return py_word(a->py, type + py_off(&a->py->layout, field));
}

/* The slots a class of its own adds: its PyMemberDefs lie behind the type object,
 * their names in the same order in ht_slots. */
static void add_slots(struct ascent *a, cs_addr type)
{
	const struct py_layout *l = &a->py->layout;
	cs_addr meta = type_word(a, type, PY_OB_TYPE);
	uint64_t count = type_word(a, type, PY_OB_SIZE);
	uint64_t at = type_word(a, meta, PY_TP_BASICSIZE);
	cs_addr names = type_word(a, type, PY_HT_SLOTS);
	const unsigned char *p, *n = NULL;

	if (!count || count > SLOTS_MAX || at > UINT32_MAX)
		return;
	p = cs_mem_view(a->py->mem, type + at, count * MEMBER_DEF);
	if (names && type_word(a, names, PY_OB_SIZE) == count)
		n = cs_mem_view(a->py->mem, names + py_off(l, PY_TUPLE_ITEM), count * 8);
	for (uint64_t i = 0; p && i < count && a->slots.count < SLOTS_MAX; i++) {
		uint64_t off = cs_le64(p + i * MEMBER_DEF + MEMBER_OFFSET);

		if (cs_le32(p + i * MEMBER_DEF + MEMBER_TYPE) != MEMBER_OBJECT_EX ||
		    off > UINT32_MAX || off + 8 > (uint64_t)a->type->basicsize)
			continue;
		/* without memory a slot is missing, as if it was empty */
		if (!cs_vec_push(&a->slots,
				 (struct py_slot){ (uint32_t)off, n ? cs_le64(n + i * 8) : 0 }))
			return;
	}
}

static void add_visit(struct ascent *a, py_visit_fn *fn)
{
	for (size_t i = 0; i < a->visit_count; i++)
		if (a->plan->visits[i] == fn)
			return;
	if (fn && a->visit_count < PY_VISITS_MAX)
		a->plan->visits[a->visit_count++] = fn;
}

/* One C type: its struct, if known, begins with those of its bases. */
static void add_c_type(struct ascent *a, cs_addr type)
{
	const char *name = py_tp_name(a->py, type);
	uint64_t size = type_word(a, type, PY_TP_BASICSIZE);
	const struct py_shape *shape;
	py_visit_fn *fn;

	if (!name)
		return;
	shape = py_shape_of(name, py_minor(&a->py->layout), size);
	fn = among(visits, name);
	if (!fn)
		fn = among(py_visit_extensions, name);
	add_visit(a, fn);
	if (a->is_known || (!shape && !fn && strcmp(name, "object")))
		return;
	a->is_known = true;
	a->known = size;
	if (shape) {
		a->plan->members = shape->members;
		a->plan->member_count = shape->member_count;
	}
}

static void ascend(struct ascent *a)
{
	cs_addr type = a->type->addr;

	for (int i = 0; type && i < BASES_MAX && (!i || py_step(a->py)); i++) {
		if (!a->c_type && py_is_python_class(a->py, type))
			add_slots(a, type);
		else
			add_c_type(a, type);
		if (!a->c_type && !py_is_python_class(a->py, type))
			a->c_type = type;
		type = type_word(a, type, PY_TP_BASE);
	}
}

/* A struct sequence has more items than its length tells. */
static uint64_t sequence_fields(struct ascent *a)
{
	cs_addr dict = a->c_type ? py_type_dict(a->py, a->c_type) : 0;
	cs_addr number = dict ? py_dict_get(a->py, dict, "n_fields") : 0;
	uint32_t n;

	if (!number || !(a->type->flags & PY_FLAG_TUPLE) ||
	    !cs_mem_u32(a->py->mem, number + py_off(&a->py->layout, PY_LONG_DIGIT), &n))
		return 0;
	return n;
}

/* Does the C type's traverse function visit the type of a heap type's instance? CPython's own
 * do from 3.9 on, unless a static type's function is inherited; of others nobody knows. */
static uint8_t c_type_visits_type(const struct ascent *a)
{
	const struct py_plan *p = a->plan;
	uint64_t traverse = type_word(a, a->c_type, PY_TP_TRAVERSE);
	cs_addr owner = a->c_type, base;

	for (int i = 0; i < BASES_MAX; i++) {
		base = type_word(a, owner, PY_TP_BASE);
		if (!base || type_word(a, base, PY_TP_TRAVERSE) != traverse)
			break;
		owner = base;
	}
	if (py_minor(&a->py->layout) < 9 || !(type_word(a, owner, PY_TP_FLAGS) & PY_FLAG_HEAPTYPE))
		return PY_HIDDEN;
	if (!a->is_known || a->known != type_word(a, a->c_type, PY_TP_BASICSIZE))
		return PY_GUESS;
	return p->member_count && p->members[0].hold == PY_KEEPS_TYPE ? PY_HIDDEN : PY_STRONG;
}

static uint8_t type_hold(const struct ascent *a, bool has_traverse)
{
	const struct py_type *t = a->type;
	bool base_is_heap = a->c_type && type_word(a, a->c_type, PY_TP_FLAGS) & PY_FLAG_HEAPTYPE;

	if (!(t->flags & PY_FLAG_HEAPTYPE))
		return PY_KEEPS_TYPE; /* static: nothing counts */
	if (!(t->flags & PY_FLAG_HAVE_GC))
		return PY_HIDDEN;
	if (t->addr != a->c_type && (!has_traverse || !base_is_heap))
		return PY_STRONG;
	return has_traverse ? c_type_visits_type(a) : PY_HIDDEN;
}

static void find_dict(struct ascent *a)
{
	struct py_plan *p = a->plan;
	int32_t off = (int32_t)type_word(a, a->type->addr, PY_TP_DICTOFFSET);

	if (a->type->flags & PY_FLAG_MANAGED_DICT) {
		/* it lies in front of the collector's header */
		p->dict_place = a->type->flags & PY_FLAG_HAVE_GC ? PY_DICT_MANAGED : PY_DICT_NONE;
		return;
	}
	/* the C type's own is a member of its struct */
	if (!off || (a->c_type && (int32_t)type_word(a, a->c_type, PY_TP_DICTOFFSET) == off))
		return;
	if (off > 0 && off + 8 > a->type->basicsize)
		return;
	p->dict_place = off > 0 ? PY_DICT_AT : PY_DICT_FROM_END;
	p->dict_off = off;
}

static void find_keys(struct ascent *a)
{
	const struct py_type *t = a->type;

	if (t->flags & PY_FLAG_HEAPTYPE && t->flags & PY_FLAG_MANAGED_DICT &&
	    !py_keys_load(a->py, type_word(a, t->addr, PY_HT_CACHED_KEYS), &a->plan->keys))
		a->plan->keys = (struct py_keys){ 0 };
}

static void find_unknown(struct ascent *a)
{
	struct py_plan *p = a->plan;
	uint64_t size = a->c_type ? type_word(a, a->c_type, PY_TP_BASICSIZE) : 0;

	if (p->sequence_fields)
		return;
	if (size > (uint64_t)a->type->basicsize)
		size = (uint64_t)a->type->basicsize;
	p->guess_from = (uint32_t)(a->is_known ? a->known : OBJECT_HEAD);
	p->guess_to = (uint32_t)size;
	if (p->guess_to < p->guess_from)
		p->guess_to = p->guess_from;
	p->guess_items = !a->is_known && a->type->itemsize;
}

/* A shape without a size may be longer than what a forged type says. */
static void check_members(struct ascent *a)
{
	for (unsigned i = 0; i < a->plan->member_count; i++) {
		const struct py_member *m = &a->plan->members[i];

		if (m->off + 8 * (int64_t)m->count > a->type->basicsize)
			a->plan->member_count = 0;
	}
}

/* Blocks of their own that the visit functions do not hand out themselves. */
static void find_claims(struct ascent *a)
{
	struct py_plan *p = a->plan;

	p->leaf = a->type->family->leaf;
	p->claim = a->type->family->claim;
	if (p->claim == py_list_claim || p->claim == py_dict_claim)
		p->claim = NULL;
}

static bool keep_slots(struct ascent *a)
{
	size_t len = a->slots.count * sizeof(struct py_slot);
	struct py_slot *copy = len ? cs_arena_alloc(&a->plans->arena, len) : NULL;

	if (copy) {
		memcpy(copy, a->slots.items, len);
		a->plan->slots = copy;
		a->plan->slot_count = (uint16_t)a->slots.count;
	}
	cs_vec_free(&a->slots);
	return copy || !len;
}

static bool work_out(struct py *py, struct py_plans *plans, const struct py_type *type,
		     struct py_plan *out)
{
	struct py_plan plan = { .is_atom = false };
	struct ascent a = { .py = py, .plans = plans, .type = type, .plan = &plan };
	bool has_gc = type->flags & PY_FLAG_HAVE_GC, has_traverse;

	ascend(&a);
	has_traverse = a.c_type && type_word(&a, a.c_type, PY_TP_TRAVERSE);
	plan.strong = has_gc && has_traverse ? PY_STRONG : PY_HIDDEN;
	plan.class_strong = has_gc ? PY_STRONG : PY_HIDDEN;
	plan.type_hold = type_hold(&a, has_traverse);
	plan.sequence_fields = sequence_fields(&a);
	check_members(&a);
	find_dict(&a);
	find_keys(&a);
	find_unknown(&a);
	find_claims(&a);
	plan.is_atom = !plan.member_count && !a.slots.count && !a.visit_count && !plan.dict_place &&
		       plan.type_hold == PY_KEEPS_TYPE && !plan.claim && !plan.guess_items &&
		       plan.guess_from == plan.guess_to;
	if (!keep_slots(&a))
		return false;
	*out = plan;
	return true;
}

const struct py_plan *py_plan_of(struct py *py, struct py_plans *plans, const struct py_type *type)
{
	size_t nr = (size_t)(type - py->types.items);
	struct py_plan *plan;

	while (plans->plans.count <= nr)
		if (!cs_vec_push(&plans->plans, NULL))
			return NULL;
	if (plans->plans.items[nr])
		return plans->plans.items[nr];
	plan = cs_arena_alloc(&plans->arena, sizeof(*plan));
	if (!plan || !work_out(py, plans, type, plan))
		return NULL;
	py->types.items[nr].is_atom = plan->is_atom;
	return plans->plans.items[nr] = plan;
}
