/* py_gc.h - the collector's lists, walked link by link. */
#ifndef CS_PY_GC_H
#define CS_PY_GC_H
#include "cpython/py.h"

struct py_gc_counts {
	uint64_t generation[3], permanent; /* objects in each list */
	bool is_whole;			   /* every list led back to its head */
	bool is_collecting;		   /* stopped inside a collection: lists are in pieces */
};

/* Walk every list of every interpreter; bounded by what memory can hold.
 * Contradictions are anomalies. CS_NOTFOUND: the heads cannot be found. */
cs_status py_gc_walk(struct py *py, struct py_gc_counts *out);
#endif
