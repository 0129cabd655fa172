/* py_family.h - how objects of one family are measured and what they own.
 *
 * A family is a C struct of CPython (dict, str, deque, ...); subclasses belong
 * to the family of their base. One table; each function reads only the object
 * and what it points at, checks every count against the room it claims.
 */
#ifndef CS_PY_FAMILY_H
#define CS_PY_FAMILY_H
#include "cpython/py.h"

/* Of a big block only so many bytes are at hand: what tells it from others lies
 * within, for no member a layout names lies farther in than 16 KiB
 * (py_layout_check) and none is looked for at more than the sum of two. The rest
 * may be a buffer of gigabytes, at the other end of a slow wire. */
enum { PY_SEEN = 64 << 10 };

/* One object under the census' eye. */
struct py_obj {
	cs_addr addr;
	const unsigned char *p; /* its first byte; the block's first PY_SEEN may be read */
	uint64_t room;		/* up to the end of its block */
	const struct py_type *type;
};

struct py_family {
	const char *name; /* of the CPython type, as tp_name says */
	uint64_t flag;	  /* tp_flags bit that marks it, 0 none */
	/* Bytes from the object's start that it needs at least; 0: impossible.
	 * NULL: basicsize + items, from ob_size when there is an itemsize. */
	uint64_t (*need)(struct py *py, const struct py_obj *o);
	/* __sizeof__() (without the GC and other pre-headers). NULL: tp_basicsize
	 * + ob_size * tp_itemsize. */
	uint64_t (*sizeof_)(struct py *py, const struct py_obj *o);
	/* Claim the blocks only it owns. NULL: none. */
	void (*claim)(struct py *py, const struct py_obj *o);
	/* The short way for the many: when the object owns no other block, its need
	 * and its __sizeof__ in one look; false: take the long way. NULL: always. */
	bool (*leaf)(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size);
	bool varies; /* `need` may be less than the block has: shrunk in place */
	/* What the functions above read of the object without asking for its room:
	 * these fields (0 ends the list) and so many bytes. A type whose objects
	 * are shorter is no such family, whatever its flags and name say. */
	enum py_field reads[3];
	uint8_t reads_bytes;
	uint8_t tail; /* so many bytes at the end of the struct may not be there */
};

/* What an object's type is called, as --by-type has it. */
static inline const char *py_type_name(const struct py *py, const struct py_obj *o)
{
	return py->model->types.items[o->type->model_nr].name;
}

extern const struct py_family py_family_object; /* everything without a family */

/* The family that this very type begins, or NULL (look at its base). */
const struct py_family *py_family_of_type(struct py *py, cs_addr type);

/* Was this type made by a class statement (or type(), or PyErr_NewException)? */
bool py_is_python_class(struct py *py, cs_addr type);

/* Fill is_fixed, is_leaf, need, shallow of a new type. */
void py_family_prepare(struct py *py, struct py_type *type);

/* __sizeof__ + pre-headers: what sys.getsizeof answers. */
uint64_t py_getsizeof(struct py *py, const struct py_obj *o);

/* tp_basicsize + |ob_size| * tp_itemsize. */
uint64_t py_default_sizeof(struct py *py, const struct py_obj *o);

/* The block CPython was given at addr, headers of its debug allocator aside. */
bool py_block_at(struct py *py, cs_addr addr, struct cs_block *out);

/* Mark the block at addr (as its allocator hands it out) as owned by o, when
 * it is a used block nobody owns. 0 and non-blocks are ignored. Returns whether
 * it was claimed now. */
bool py_claim(struct py *py, const struct py_obj *o, cs_addr addr);
#endif
