/* py_waste.h - memory that says nothing: the same text twice, room for what never came. */
#ifndef CS_PY_WASTE_H
#define CS_PY_WASTE_H
#include "cpython/py_family.h"

/* A number that two strs have in common when their texts are equal, and otherwise only
 * by chance (1 : 2^64, unless somebody chose them to). False: not a str in one block. */
bool py_str_fingerprint(struct py *py, const struct py_obj *o, uint64_t *out);

/* Bytes of a list's, dict's, set's or bytearray's table that one made anew for what it
 * holds would not have. 0 where the room is what its growth asks for. */
uint64_t py_spare_room(struct py *py, const struct py_obj *o);
#endif
