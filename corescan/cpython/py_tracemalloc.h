/* py_tracemalloc.h - tracemalloc's tables of a target: who allocated each traced block.
 *
 * Where debug data or the layout leads to them they are read there; else, in stripped
 * builds before 3.12, the interpreter's data is searched for a table that proves itself.
 *
 * Invariants
 *  - A trace is only kept when its entry's hash is that of its address and of its
 *    bucket, and its traceback's that of the lines and file names in it.
 *  - Whatever the tables say, no more entries are read than memory has room for.
 *  - What cannot be read or contradicts itself is told as one anomaly, with the first
 *    address; the rest stands, marked as partial.
 */
#ifndef CS_PY_TRACEMALLOC_H
#define CS_PY_TRACEMALLOC_H
#include "cpython/py.h"

/* Fill model->sites, once; after the census, so that blocks in use are known. CS_NOMEM,
 * CS_STOPPED: it is empty. Not tracing, or no sign of tracemalloc, is CS_OK: see its state.
 * O(entries of the tables). */
cs_status py_tracemalloc_load(struct py *py, struct cs_error *err);
#endif
