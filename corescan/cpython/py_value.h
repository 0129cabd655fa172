/* py_value.h - a short, one-line preview of an object's value, as repr() would begin. */
#ifndef CS_PY_VALUE_H
#define CS_PY_VALUE_H
#include "cpython/py_family.h"

/* Write at most cap - 1 bytes of preview of o, NUL-terminated; "" when there is
 * nothing to say. Never follows more than a handful of pointers. */
void py_value(struct py *py, const struct py_obj *o, char *out, size_t cap);

/* What len() says: entries of a dict, items of a list, tuple, set, deque, bytearray or
 * bytes, characters of a str. False: it is none of these, or its count is impossible. */
bool py_length(struct py *py, const struct py_obj *o, uint64_t *out);
#endif
