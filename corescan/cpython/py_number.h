/* py_number.h - ints and floats as Python prints them. */
#ifndef CS_PY_NUMBER_H
#define CS_PY_NUMBER_H
#include "cpython/py_family.h"

/* Decimal digits of an int object, NUL-terminated. False, out untouched: it has more than
 * 480 bits, is not all there, or the text is longer than cap - 1. */
bool py_int_text(struct py *py, const struct py_obj *o, char *out, size_t cap);

/* How many bits an int object has room for; *negative as its sign. */
uint64_t py_int_bits(struct py *py, const struct py_obj *o, bool *negative);

/* The shortest digits that read back as the same double, as repr() lays them out. cap at
 * least 32. */
void py_float_text(double value, char *out, size_t cap);
#endif
