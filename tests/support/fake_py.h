/* fake_py.h - a CPython made by hand: some memory, a layout, types and objects in it.
 *
 * One stretch of memory at FAKE_BASE that a test fills word by word, a struct py
 * whose layout is the first generated row of a minor version, and `type`, the type
 * of types, at FAKE_TYPE. fake_heap() makes a part of the memory a malloc heap.
 */
#ifndef FAKE_PY_H
#define FAKE_PY_H
#include "cpython/py.h"

#define FAKE_BASE 0x10000000ull
#define FAKE_TYPE (FAKE_BASE + 0x1000)
#define FAKE_TYPES (FAKE_BASE + 0x2000) /* of fake_py_type() */
enum { FAKE_LEN = 1 << 20, FAKE_TYPE_ROOM = 0x800 };

struct fake_py {
	unsigned char *bytes; /* FAKE_LEN, at FAKE_BASE */
	struct cs_mem mem;
	struct cs_image image;
	struct cs_module module; /* without file or symbols */
	struct cs_model model;
	struct py *py;
	cs_addr next_type;
};

void fake_py_begin(struct fake_py *f, unsigned minor);
void fake_py_end(struct fake_py *f);

unsigned char *fake_at(struct fake_py *f, cs_addr addr);
void fake_put(struct fake_py *f, cs_addr addr, uint64_t value);
void fake_put32(struct fake_py *f, cs_addr addr, uint32_t value);
uint64_t fake_get(struct fake_py *f, cs_addr addr);

/* Take the memory away from `addr` on, as if it had not been dumped. */
void fake_cut(struct fake_py *f, cs_addr addr);

/* A READY type of that shape; base 0 for none. Returns its address. */
cs_addr fake_py_type(struct fake_py *f, const char *name, uint64_t flags, uint64_t basicsize,
		     uint64_t itemsize, cs_addr base);

/* A compact ASCII str. */
void fake_str(struct fake_py *f, cs_addr addr, const char *text);

/* A malloc heap over [addr, addr + len), all one used chunk; returns the span. */
uint32_t fake_heap(struct fake_py *f, cs_addr addr, uint64_t len);

/* Begin a used chunk whose user bytes are at addr. */
void fake_chunk(struct fake_py *f, cs_addr addr);

/* State of the block at addr (of its user bytes); fails when there is none. */
enum cs_block_state fake_state(struct fake_py *f, cs_addr addr);
#endif
