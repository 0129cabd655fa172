/* py_shapes.h - which members of CPython's C structs are references, by type name.
 *
 * The rows are generated from DWARF; a row is used only for a type whose
 * tp_basicsize is the struct's size, so a layout of another build finds none.
 */
#ifndef CS_PY_SHAPES_H
#define CS_PY_SHAPES_H
#include <stdint.h>

/* How an object holds what an edge leads to. */
enum py_hold {
	PY_STRONG, /* a counted reference that tp_traverse visits */
	PY_HIDDEN, /* a counted reference that it does not visit */
	PY_WEAK,   /* does not keep it alive */
	PY_OWNED,  /* no object: a block that is this object's */
	PY_GUESS,  /* a word that may be a reference: nobody knows the layout */
	PY_PLACE,      /* in shapes only: no reference, but leads to some */
	PY_KEEPS_TYPE, /* in shapes only: instances do not visit their heap type */
};

struct py_member {
	const char *label;
	uint16_t off;  /* from the object's start */
	uint8_t hold;  /* enum py_hold */
	uint8_t count; /* words */
};

struct py_shape {
	const char *names;     /* tp_name; alternatives between '|' */
	uint8_t from, to;      /* minor versions, both included */
	uint16_t size;	       /* tp_basicsize; 0: any */
	const struct py_member *members;
	uint16_t member_count;
};

/* The shape of the C type of that name in 3.`minor`, or NULL. O(rows). */
const struct py_shape *py_shape_of(const char *name, unsigned minor, uint64_t basicsize);
#endif
