/* py_weakref.h - the weak references to an object, which it lists itself. */
#ifndef CS_PY_WEAKREF_H
#define CS_PY_WEAKREF_H
#include "cpython/py_family.h"

/* The first weak reference to o, and the one after another; 0: there are no more. Whoever
 * follows them bounds the steps: a forged list has no end. Static builtin types of 3.12 and
 * later keep theirs elsewhere: 0. */
cs_addr py_weakref_first(struct py *py, const struct py_obj *o);
cs_addr py_weakref_next(struct py *py, cs_addr weakref, cs_addr object);
#endif
