/* py_plan.h - what there is to visit in the instances of a type, worked out once. */
#ifndef CS_PY_PLAN_H
#define CS_PY_PLAN_H
#include "base/arena.h"
#include "cpython/py_dict.h"
#include "cpython/py_family.h"
#include "cpython/py_shapes.h"

enum { PY_VISITS_MAX = 4 };

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

/* What visiting dicts finds out once and keeps in plans. */
void py_find_dict_marks(struct py *py, struct py_plans *plans);

/* Made at the first question; NULL without memory. */
struct py_plans *py_plans_of(struct py *py);

/* The plan of a type; NULL without memory. */
const struct py_plan *py_plan_of(struct py *py, struct py_plans *plans, const struct py_type *type);
#endif
