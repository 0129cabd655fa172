/* py_visitor.h - how one type's references are handed out; for py_visit*.c only. */
#ifndef CS_PY_VISITOR_H
#define CS_PY_VISITOR_H
#include "base/arena.h"
#include "cpython/py_dict.h"
#include "cpython/py_visit.h"

enum { PY_VISITS_MAX = 4, PY_SMALLEST_ADDRESS = 4096, PY_ROUNDS = 1 << 14 };

struct py_visitor;
typedef void py_visit_fn(struct py_visitor *v, const struct py_obj *o);

struct py_slot { /* of a Python class with __slots__ */
	uint32_t off;
	cs_addr name;
};

enum py_dict_place {
	PY_DICT_NONE,
	PY_DICT_AT,	  /* a word of the object */
	PY_DICT_FROM_END, /* up to 3.11, of objects with items */
	PY_DICT_MANAGED,  /* in front of the object (3.11+), perhaps as bare values */
};

/* Everything to know about a type's instances, worked out at its first one. */
struct py_plan {
	bool is_atom; /* no edges at all */
	uint8_t strong;	      /* hold of what the C struct's own tp_traverse visits */
	uint8_t class_strong; /* hold of what Python classes added */
	uint8_t type_hold;    /* PY_KEEPS_TYPE: no edge */
	uint8_t dict_place;   /* enum py_dict_place */
	int32_t dict_off;
	const struct py_member *members;
	uint16_t member_count;
	uint16_t slot_count;
	const struct py_slot *slots;
	py_visit_fn *visits[PY_VISITS_MAX]; /* what lies outside the struct; NULL ends */
	bool (*leaf)(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size);
	void (*claim)(struct py *py, const struct py_obj *o);
	uint32_t guess_from, guess_to; /* bytes of the struct nobody knows */
	bool guess_items;	       /* and everything behind it */
	uint64_t sequence_fields;      /* of a struct sequence: its real length */
	struct py_keys keys;	       /* shared keys of the class: names of values */
};

struct py_plans {
	CS_VEC(struct py_plan *) plans; /* by index of the type; of the arena */
	struct cs_arena arena;
	uint64_t words_left; /* budget of this pass */
	cs_addr lookdict;    /* up to 3.10: dk_lookup of tables with any keys */
	cs_addr interned; /* the dict of interned strings; 0 not known */
	bool knows_lookdict, knows_interned;
};

struct py_visitor {
	struct py *py;
	struct py_plans *plans;
	const struct py_plan *plan;
	py_edge_fn *fn;
	void *ctx;
	struct py_refs *refs; /* not NULL: references go there, without names, and fn is not called */
	uint8_t strong; /* hold of what tp_traverse visits */
};

static inline void py_add_ref(struct py_visitor *v, cs_addr to, uint8_t hold)
{
	struct py_refs *r = v->refs;

	if (to < PY_SMALLEST_ADDRESS || hold == PY_WEAK)
		return;
	if (r->count == PY_REFS)
		r->full(r);
	r->items[r->count++] = (struct py_ref){ to, r->from, hold };
}

/* Hand out one edge; NULL and what can be no address are left out. */
static inline void py_emit(struct py_visitor *v, const struct py_edge *e)
{
	if (v->refs)
		py_add_ref(v, e->to, e->hold);
	else if (e->to >= PY_SMALLEST_ADDRESS)
		v->fn(v->ctx, e);
}

/* Words at p, `stride` bytes from each to the next, when nobody wants names. */
void py_add_refs(struct py_visitor *v, const unsigned char *p, uint64_t count, uint64_t stride,
		 uint8_t hold);

static inline void py_emit_member(struct py_visitor *v, cs_addr to, uint8_t hold, const char *label)
{
	py_emit(v, &(struct py_edge){ .to = to, .kind = PY_EDGE_MEMBER, .hold = hold, .label = label });
}

static inline void py_emit_index(struct py_visitor *v, cs_addr to, uint8_t hold, uint64_t index)
{
	py_emit(v, &(struct py_edge){ .to = to, .kind = PY_EDGE_INDEX, .hold = hold,
				      .index = (int64_t)index });
}

static inline void py_emit_block(struct py_visitor *v, cs_addr to, const char *label)
{
	py_emit(v, &(struct py_edge){ .to = to, .kind = PY_EDGE_BLOCK, .hold = PY_OWNED, .label = label });
}

/* May `words` outside an object be looked at? */
static inline bool py_spend(struct py_visitor *v, uint64_t words)
{
	if (words >= v->plans->words_left) {
		v->plans->words_left = 0;
		return false;
	}
	v->plans->words_left -= words;
	return true;
}

/* Asked by loops at their i-th round: shall they end? */
static inline bool py_told_to_stop(struct py_visitor *v, uint64_t i)
{
	return i % PY_ROUNDS == PY_ROUNDS - 1 && cs_pulse_look(v->py->model->pulse);
}

/* Is this field in what may be read of the object? Yes of a field this layout lacks. */
static inline bool py_in_room(struct py_visitor *v, const struct py_obj *o, enum py_field field)
{
	return !py_has(&v->py->layout, field) || py_off(&v->py->layout, field) + 8 <= o->room;
}

/* Borrow words outside the object, paid for; NULL when absent or unpaid. */
const unsigned char *py_words(struct py_visitor *v, cs_addr addr, uint64_t words);

/* count words at addr, each an edge [index]. */
void py_emit_array(struct py_visitor *v, cs_addr addr, uint64_t count, uint8_t hold);

/* The member of that label (as the shape has it), 8 bytes; NULL when this build has none. */
const unsigned char *py_place(struct py_visitor *v, const struct py_obj *o, const char *label);

/* What words of [addr, addr + len) lead to, as guesses. */
void py_emit_guesses(struct py_visitor *v, cs_addr addr, uint64_t len);

/* The blocks an object owns, as py_family's claim function knows them. */
void py_emit_claims(struct py_visitor *v, const struct py_obj *o,
		    void (*claim)(struct py *py, const struct py_obj *o));

/* Locals and stack of an interpreter frame (3.11+) at addr. */
void py_emit_iframe(struct py_visitor *v, cs_addr frame);

/* Does a dict that shares its instance's inline values visit them (gh-130327)? In 3.13.0 the
 * instance does, and not the dict. The fix is in 3.13.5 as Debian has it, so we say from .1 on. */
bool py_dict_has_values(struct py *py);

/* __dict__ of a type; of a static one from the interpreter (3.12+). 0: none. */
cs_addr py_type_dict(struct py *py, cs_addr type);

py_visit_fn py_visit_list, py_visit_tuple, py_visit_dict, py_visit_odict, py_visit_set,
	py_visit_deque, py_visit_type, py_visit_code, py_visit_frame_object, py_visit_generator,
	py_visit_module, py_visit_stg, py_visit_stg_hidden;
extern const struct py_visit_name {
	const char *name;
	py_visit_fn *fn;
} py_visit_extensions[]; /* ends with NULL */

/* What py_visit_dict() finds out once and keeps in plans. */
void py_find_dict_marks(struct py *py, struct py_plans *plans);

/* Made at the first question; NULL without memory. */
struct py_plans *py_plans_of(struct py *py);

/* The plan of a type; NULL without memory. */
const struct py_plan *py_plan_of(struct py *py, struct py_plans *plans, const struct py_type *type);
#endif
