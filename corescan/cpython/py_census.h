/* py_census.h - look at every used block: is it an object, of which type, what does it own?
 *
 * Facts only: a block is an object when the type it points at is a type, the
 * type's own rule says how far into the block the object lies, the reference
 * count is a count, and the size fits. What nothing explains stays USED.
 *
 * Invariants
 *  - malloc blocks come before pymalloc blocks: classes (always malloc'ed)
 *    claim shared keys before instances' dicts can.
 *  - Every block is looked at once; a block claimed before is not looked at.
 */
#ifndef CS_PY_CENSUS_H
#define CS_PY_CENSUS_H
#include "cpython/py_family.h"

/* Object at a used block whose bytes are at p (len bytes), or false. */
bool py_object_in(struct py *py, cs_addr block, const unsigned char *p, uint64_t len,
		  struct py_obj *out);

/* The live object in a block the census found to be one; false for other blocks. */
bool py_object_at_block(struct py *py, const struct cs_block *block, struct py_obj *out);

/* An object that is no block: in a module's data (None, static types). */
bool py_object_static(struct py *py, cs_addr addr, struct py_obj *out);

/* How many references to it CPython counts; UINT64_MAX: it is immortal. */
uint64_t py_refcount(struct py *py, const struct py_obj *o);

/* The object that owns the block at addr; 0 when none claims it. O(all objects). */
cs_addr py_owner_of(struct py *py, cs_addr addr);

/* Runs after cs_blocks_seal(); fills model->types and block states. */
cs_status py_census(struct py *py, struct cs_error *err);
#endif
