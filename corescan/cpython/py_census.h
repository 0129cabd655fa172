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

/* Runs after cs_blocks_seal(); fills model->types and block states. */
cs_status py_census(struct py *py, struct cs_error *err);
#endif
