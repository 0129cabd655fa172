/* py_types.h - which addresses are type objects, and what we know of each type. */
#ifndef CS_PY_TYPES_H
#define CS_PY_TYPES_H
#include "cpython/py.h"

#define PY_NO_TYPE UINT32_MAX

/* The index in py->types of the type object at addr, or PY_NO_TYPE when there
 * is none. Verified once, then O(1). PY_NO_TYPE also without memory. */
uint32_t py_type_slow(struct py *py, cs_addr addr);

static inline uint32_t py_type_at(struct py *py, cs_addr addr)
{
	size_t hit = (addr >> 4 ^ addr >> 12) % PY_TYPE_HITS;
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

/* Does an object seem to begin at addr: is its type's type a metatype? Adds no
 * type, so indexes and pointers into py->types stay good. */
bool py_seems_object(struct py *py, cs_addr addr);

/* tp_name, bounded and NUL-terminated, or NULL when its bytes are nowhere. */
const char *py_tp_name(struct py *py, cs_addr type);
#endif
