/* waste.h - what is there twice, and what is there for nothing.
 *
 * Objects are looked at one by one: while the graph is made, when somebody will ask
 * (they are at hand then), else in a walk of its own.
 */
#ifndef CS_WASTE_H
#define CS_WASTE_H
#include "base/vec.h"
#include "cpython/py_family.h"
#include "model/blocks.h"

struct cs_heap_graph;

struct cs_copies { /* strs with a text that another has too; the first of each does not count */
	uint64_t count, bytes;
	uint64_t most; /* strs with the text that wastes most */
	uint32_t example; /* a node with that text; CS_NO_NODE: none */
};

struct cs_spare_room {
	uint64_t count, bytes; /* containers, and what they do not need */
	uint64_t most;	       /* bytes of the one that has most of it */
	uint32_t example;      /* that one; CS_NO_NODE: none */
};

struct cs_waste { /* 8 bytes a str */
	CS_VEC(uint64_t) strs; /* see waste.c */
	unsigned char *look;   /* by row in model->types: are objects of the type looked at, and how */
	size_t types;
	struct cs_spare_room room;
	bool is_out_of_memory;
};

/* Ready to look at objects. CS_NOMEM. */
cs_status cs_waste_create(const struct py *py, struct cs_waste **out, struct cs_error *err);
/* Add what another saw, of objects behind all that this one did. */
void cs_waste_append(struct cs_waste *waste, const struct cs_waste *other);
void cs_waste_destroy(struct cs_waste *waste);

void cs_waste_look_slow(struct cs_waste *w, struct py *py, const struct py_obj *o, uint32_t node,
			uint64_t len);

/* Look at the object in a node's block of len bytes. */
static inline void cs_waste_look(struct cs_waste *w, struct py *py, const struct py_obj *o,
				 uint32_t node, uint64_t len)
{
	if (o->type->model_nr < w->types && w->look[o->type->model_nr])
		cs_waste_look_slow(w, py, o, node, len);
}

/* What there is of both; once, for what was seen is sorted and given up. Uses the waste
 * the graph was made with, or looks at all objects itself. CS_NOMEM, CS_STOPPED. */
cs_status cs_waste_answer(struct cs_heap_graph *hg, struct cs_copies *copies,
			  struct cs_spare_room *room, struct cs_error *err);
#endif
