/* py_own.h - blocks that are no objects: the interpreter's own, and its free lists. */
#ifndef CS_PY_OWN_H
#define CS_PY_OWN_H
#include "cpython/py.h"

/* Before the census: interpreter and thread states, arena tables, and the
 * free lists whose links would be taken for objects. */
cs_status py_own_runtime(struct py *py, struct cs_error *err);

/* Mark a used block nobody explained as the interpreter's own; 0 is ignored. */
void py_own_block(struct py *py, cs_addr addr);

/* After it: what is told only once all objects are known. */
cs_status py_own_leftovers(struct py *py, struct cs_error *err);
#endif
