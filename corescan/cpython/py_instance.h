/* py_instance.h - attributes of instances and modules, by name. */
#ifndef CS_PY_INSTANCE_H
#define CS_PY_INSTANCE_H
#include "cpython/py_family.h"

/* Where an object keeps its own attributes: a table of names, and values that are in it
 * (values 0) or in the same order in an array. All-zero: nowhere. */
struct py_attrs {
	cs_addr keys, values;
	uint64_t capacity; /* of values */
};

/* Of an instance of the type; o->p may be NULL where only an address is known (then nothing
 * is found behind an object's items). */
void py_instance_place(struct py *py, const struct py_type *type, const struct py_obj *o,
		       struct py_attrs *out);

/* Of a dict. */
void py_dict_place(struct py *py, cs_addr dict, struct py_attrs *out);

/* Where a name was in shared keys, for the next instance of the class. All-zero at first,
 * one for each name. */
struct py_attrs_memo {
	cs_addr keys;
	uint64_t nentries, index;
};

/* The value under a name of len bytes (less than 248); 0 when there is none. O(names), O(1)
 * with a memo of the same shared keys; memo may be NULL. */
cs_addr py_attrs_get(struct py *py, const struct py_attrs *at, const char *name, size_t len,
		     struct py_attrs_memo *memo);

/* What the instance's own dict (or its inline values) has under a name; 0 when
 * it has no such thing. Neither slots nor what its class has. O(attributes). */
cs_addr py_instance_get(struct py *py, cs_addr instance, const char *name);

/* A global of a module in sys.modules of an interpreter; 0 when there is none. */
cs_addr py_module_global(struct py *py, cs_addr interp, const char *module, const char *name);

/* An int that is not negative and fits; false when addr is no such int. */
bool py_int_value(struct py *py, cs_addr addr, uint64_t *out);
#endif
