/* py_arenas.h - where the arenas of CPython's small-object allocator are.
 *
 * Invariants
 *  - No two overlap, and of each at least a page is in memory: there are no more of
 *    them than pages.
 */
#ifndef CS_PY_ARENAS_H
#define CS_PY_ARENAS_H
#include "cpython/py.h"

struct py_arena {
	cs_addr address, pool_address; /* pool_address: of the first pool never used */
	uint64_t len;
	uint32_t pools, index; /* index: of its record, in the array of its interpreter */
};

struct py_arenas {
	CS_VEC(struct py_arena) items; /* by address; the caller frees them */
	const char *found_by; /* in words */
	uint64_t absent; /* arenas of which nothing is in memory */
};

/* Find those of all interpreters; py->pool_size is known. Sets py->arenas_array, and
 * where in an interpreter its state hangs when the layout was wrong there. Without memory
 * fewer arenas, never wrong ones. */
void py_arenas_find(struct py *py, struct py_arenas *out);
#endif
