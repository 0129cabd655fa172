/* dead.h - pointers in memory that is over: below a stack's sp, in blocks given back.
 *
 * They keep nothing alive, but tell who let go of a block last. */
#ifndef CS_DEAD_H
#define CS_DEAD_H
#include "scan/heap_graph.h"

/* Of the nodes in `wanted` those that such a pointer leads to: in on_stack what dead
 * stack points to, in in_free what free blocks do. Bitmaps of nodes; the last two all
 * zero before. CS_STOPPED. */
cs_status cs_dead_pointers(struct cs_heap_graph *hg, const uint64_t *wanted, uint64_t *on_stack,
			   uint64_t *in_free, struct cs_error *err);
#endif
