/* py_obmalloc.h - every arena, pool and block of CPython's small-object allocator.
 *
 * Invariants
 *  - A pool is tiled only when its header satisfies every equation; else it
 *    is one LOST tile and an anomaly.
 *  - After the walk each block of py->pools is USED or FREE in the model.
 */
#ifndef CS_PY_OBMALLOC_H
#define CS_PY_OBMALLOC_H
#include "cpython/py.h"

cs_status py_obmalloc_walk(struct py *py, struct cs_error *err);

/* The span whose tiles are this pool's; NULL when sealing dropped it because
 * another heap claims the same memory. */
struct cs_span *py_pool_span(struct py *py, const struct py_pool *pool);
#endif
