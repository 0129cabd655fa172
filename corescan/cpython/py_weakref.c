/* CPython Include/cpython/weakrefobject.h and Include/object.h, 3.8 to 3.14: tp_weaklistoffset
 * says where an object has the head of its list; below 0 it lies in front (3.12+). */
#include "cpython/py_weakref.h"

#include "cpython/py_types.h"

enum {
	/* tp_traverse, tp_clear, tp_richcompare, tp_weaklistoffset follow each other */
	WEAKLISTOFFSET_FROM_TRAVERSE = 24,
	FRONT_MAX = 32,
	WR_OBJECT = 16, WR_NEXT = 48, /* PyWeakReference */
};

/* Is it a weak reference to that object? */
static cs_addr checked(struct py *py, cs_addr weakref, cs_addr object)
{
	return weakref && weakref % 8 == 0 && py_word(py, weakref + WR_OBJECT) == object &&
			       py_seems_object(py, weakref) ?
		       weakref : 0;
}

cs_addr py_weakref_first(struct py *py, const struct py_obj *o)
{
	int64_t off = (int64_t)py_word(py, o->type->addr + py_off(&py->layout, PY_TP_TRAVERSE) +
					       WEAKLISTOFFSET_FROM_TRAVERSE);

	if (!off || off < -FRONT_MAX || off >= (int64_t)o->type->basicsize)
		return 0;
	return checked(py, py_word(py, o->addr + (uint64_t)off), o->addr);
}

cs_addr py_weakref_next(struct py *py, cs_addr weakref, cs_addr object)
{
	return checked(py, py_word(py, weakref + WR_NEXT), object);
}
