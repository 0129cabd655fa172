/* py_visit.h - every reference a Python object or frame holds, named.
 *
 * An object's references follow from its type: the C struct it begins with
 * (py_shapes, and one function each for what lies outside the struct), the
 * slots, dict or inline values its Python classes add, and its type. What that
 * is, is worked out once per type.
 *
 * Invariants
 *  - The PY_STRONG edges of an object are the multiset gc.get_referents() gives,
 *    unless the object has PY_GUESS edges: then the truth is between the strong
 *    ones and all of them.
 *  - Edges lead where the target says: whoever follows one looks first.
 *  - Memory outside objects is walked within a budget, see py_visit_begin().
 */
#ifndef CS_PY_VISIT_H
#define CS_PY_VISIT_H
#include "cpython/py_family.h"
#include "cpython/py_shapes.h"

enum py_edge_kind {
	PY_EDGE_MEMBER,	   /* of the C struct; label */
	PY_EDGE_TYPE,
	PY_EDGE_ATTRIBUTE, /* in the instance itself; name */
	PY_EDGE_SLOT,	   /* name */
	PY_EDGE_KEY,	   /* of a dict or set */
	PY_EDGE_VALUE,	   /* of a dict; name is the key, any object */
	PY_EDGE_INDEX,	   /* of a sequence; index */
	PY_EDGE_LOCAL,	   /* of a frame; name */
	PY_EDGE_CELL,	   /* of a frame: the variable is shared with closures; name */
	PY_EDGE_STACK,	   /* of a frame: an intermediate result; index */
	PY_EDGE_BLOCK,	   /* memory without a type of its own (PY_OWNED) */
	PY_EDGE_WORD,	   /* a guess; index is its offset in bytes */
};

struct py_edge {
	cs_addr to; /* an object; of PY_EDGE_BLOCK what CPython was given */
	uint8_t kind; /* enum py_edge_kind */
	uint8_t hold; /* enum py_hold */
	const char *label; /* static text, or NULL */
	cs_addr name;	   /* an object, mostly a str; 0: none */
	int64_t index;
};

typedef void py_edge_fn(void *ctx, const struct py_edge *edge);

/* Begin a pass over the target's objects: its walks outside objects (dict tables,
 * lists' items, ...) may look at every present word a few times, whatever a forged
 * target repeats. A pass that used it up gives only what objects hold in themselves. */
void py_visit_begin(struct py *py);

/* Was the budget of this pass used up? */
bool py_visit_was_cut(const struct py *py);

/* Hand every reference of o to fn, in no promised order. O(references). */
void py_visit(struct py *py, const struct py_obj *o, py_edge_fn *fn, void *ctx);

/* References that are followed and not named, many at a time: a graph is made of them. */
struct py_ref {
	cs_addr to;
	uint32_t from; /* the caller's word for the object, see below */
	uint8_t hold;
};

enum { PY_REFS = 512 };

struct py_refs {
	struct py_ref items[PY_REFS];
	uint32_t count;
	uint32_t from; /* what those to come get */
	void (*full)(struct py_refs *refs); /* takes them and sets count to 0 */
};

/* The same references as py_visit(), added to refs, but for the weak ones. */
void py_visit_refs(struct py *py, const struct py_obj *o, struct py_refs *refs);

/* The same of a frame: an interpreter frame (3.11+) or a frame object's address
 * (up to 3.10). The value stack of a running frame is PY_GUESS. */
void py_visit_frame(struct py *py, cs_addr frame, py_edge_fn *fn, void *ctx);

/* Every frame of every thread, innermost first; `thread` is the thread state. */
typedef void py_frame_fn(void *ctx, cs_addr thread, cs_addr frame);
void py_walk_frames(struct py *py, py_frame_fn *fn, void *ctx);

/* The live object at addr, in a heap or in a module's data. False: there is none. */
bool py_object_at(struct py *py, cs_addr addr, struct py_obj *out);

/* An edge as people write it: "['key']", ".attr", "[3]", "local x". Text from the
 * target is in it as it is; NUL-terminated, at most cap - 1 bytes. */
void py_edge_text(struct py *py, const struct py_edge *e, char *buf, size_t cap);
#endif
