/* py_instance.h - attributes of instances and modules, by name. */
#ifndef CS_PY_INSTANCE_H
#define CS_PY_INSTANCE_H
#include "cpython/py.h"

/* What the instance's own dict (or its inline values) has under a name; 0 when
 * it has no such thing. Neither slots nor what its class has. O(attributes). */
cs_addr py_instance_get(struct py *py, cs_addr instance, const char *name);

/* A global of a module in sys.modules of an interpreter; 0 when there is none. */
cs_addr py_module_global(struct py *py, cs_addr interp, const char *module, const char *name);

/* An int that is not negative and fits; false when addr is no such int. */
bool py_int_value(struct py *py, cs_addr addr, uint64_t *out);
#endif
