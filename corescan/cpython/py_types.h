/* py_types.h - which addresses are type objects, and what we know of each type. */
#ifndef CS_PY_TYPES_H
#define CS_PY_TYPES_H
#include "cpython/py.h"

#define PY_NO_TYPE UINT32_MAX

/* The index in py->types of the type object at addr, or PY_NO_TYPE when there
 * is none. Verified once, then O(1). PY_NO_TYPE also without memory. */
uint32_t py_type_slow(struct py *py, cs_addr addr);

static inline size_t py_type_hit(cs_addr addr)
{
	return (addr >> 4 ^ addr >> 12) % PY_TYPE_HITS;
}

static inline uint32_t py_type_at(struct py *py, cs_addr addr)
{
	size_t hit = py_type_hit(addr);
	uint32_t nr;

	if (addr % 8 || !addr)
		return PY_NO_TYPE;
	if (py->type_hits[hit].addr == addr)
		return py->type_hits[hit].nr;
	if (!cs_map_get(&py->type_by_addr, addr, &nr))
		return py_type_slow(py, addr);
	py->type_hits[hit].addr = addr;
	py->type_hits[hit].nr = nr;
	return nr;
}

/* The short way for ints and floats: is the object in this block, which the census found
 * to be one, of a type met lately whose objects refer to nothing? *row is its row in
 * model->types. False says nothing. */
static inline bool py_atom_at_block(struct py *py, const struct cs_block *block, uint32_t *row)
{
	enum { HEAD = 16, PREFETCH_AHEAD = 1024 };
	const unsigned char *p = py->skew || block->state != CS_BLOCK_OBJECT ?
					 NULL : cs_mem_view(py->mem, block->addr, HEAD);
	const struct py_type *t;
	cs_addr type;

	if (!p || py->layout.off[PY_OB_TYPE] > HEAD - 8)
		return false;
	__builtin_prefetch(p + PREFETCH_AHEAD);
	type = cs_le64(p + py->layout.off[PY_OB_TYPE]);
	if (!type || py->type_hits[py_type_hit(type)].addr != type)
		return false;
	t = &py->types.items[py->type_hits[py_type_hit(type)].nr];
	*row = t->model_nr;
	return t->is_atom && !t->pre;
}

/* Does an object seem to begin at addr: is its type's type a metatype? Adds no
 * type, so indexes and pointers into py->types stay good. */
bool py_seems_object(struct py *py, cs_addr addr);

/* The type of the object at addr; NULL: there is none. */
const struct py_type *py_type_of(struct py *py, cs_addr addr);

/* __dict__ of a type; of a static one from the interpreter (3.12+). 0: none. */
cs_addr py_type_dict(struct py *py, cs_addr type);

/* tp_name, bounded and NUL-terminated, or NULL when its bytes are nowhere. */
const char *py_tp_name(struct py *py, cs_addr type);
#endif
