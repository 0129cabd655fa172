/* py_attr.h - an attribute of an object, found as Python finds it, but running nothing.
 *
 * object.__getattribute__, type's and module's: a data descriptor of the class, then what
 * the object has itself (dict, inline values), then the class along its MRO. Slots and C
 * members are read; a property would have to be run, so only its kind is told. What a
 * __getattr__ of the class would make up is missing.
 */
#ifndef CS_PY_ATTR_H
#define CS_PY_ATTR_H
#include "cpython/py_instance.h"

enum { PY_ATTR_NAME_MAX = 128, PY_ATTR_PARTS_MAX = 16, PY_ATTR_TEXT = 320 };

enum py_attr_state {
	PY_ATTR_MISSING,
	PY_ATTR_OBJECT,	  /* object */
	PY_ATTR_TEXT_IS,  /* of a C struct, no object: text */
	PY_ATTR_COMPUTED, /* code would have to run; object: the descriptor */
};

struct py_attr {
	enum py_attr_state state;
	cs_addr object;
	bool is_integer; /* text is one */
	char text[32];
};

struct py_attr_part { /* "b" of "a.b", and what was found out about it last */
	char name[PY_ATTR_NAME_MAX];
	size_t len;
	cs_addr type, found; /* what the class `type` has under the name */
	struct py_attrs_memo memo;
};

struct py_attr_path {
	size_t count;
	struct py_attr_part parts[PY_ATTR_PARTS_MAX];
};

/* "a.b" of len bytes. False: an empty name, one too long, or too many. */
bool py_attr_path_set(struct py_attr_path *path, const char *text, size_t len);

/* Follow the path from the object at addr. O(attributes and classes), mostly O(1) when the
 * object before was of the same class. The path remembers things: one target each. */
void py_attr_get(struct py *py, cs_addr addr, struct py_attr_path *path, struct py_attr *out);

/* What was found in short: 5, 1.5, None, 'text', list of 3, app.Order 0x7f..; "" when
 * missing. cap at least PY_ATTR_TEXT. no_text: no text of the target ("str of 4"). Returns
 * whether it is an int of 64 bits, whose digits can stand for themselves. */
bool py_attr_text(struct py *py, const struct py_attr *attr, bool no_text, char *out, size_t cap);
#endif
