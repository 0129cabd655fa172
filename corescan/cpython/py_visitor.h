/* py_visitor.h - how one type's references are handed out; for py_visit*.c only. */
#ifndef CS_PY_VISITOR_H
#define CS_PY_VISITOR_H
#include "cpython/py_plan.h"
#include "cpython/py_visit.h"

enum { PY_SMALLEST_ADDRESS = 4096, PY_ROUNDS = 1 << 14 };

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

/* Does a dict that shares its instance's inline values visit them (gh-130327)? In 3.13.0 the
 * instance does, and not the dict. The fix is in 3.13.5 as Debian has it, so we say from .1 on. */
bool py_dict_has_values(struct py *py);

py_visit_fn py_visit_list, py_visit_tuple, py_visit_dict, py_visit_odict, py_visit_set,
	py_visit_deque, py_visit_type, py_visit_code, py_visit_frame_object, py_visit_generator,
	py_visit_module, py_visit_stg, py_visit_stg_hidden;
extern const struct py_visit_name {
	const char *name;
	py_visit_fn *fn;
} py_visit_extensions[]; /* ends with NULL */
#endif
