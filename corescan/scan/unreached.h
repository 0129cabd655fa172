/* unreached.h - objects nobody reaches: which the collector would free, which it cannot.
 *
 * The collector frees what is referred to by itself only. An object whose count is
 * higher than the references there are has a reference somebody forgot to give back:
 * it stays, with all it leads to, until the process ends. */
#ifndef CS_UNREACHED_H
#define CS_UNREACHED_H
#include "scan/heap_graph.h"

/* Of the objects that no root reaches those with a count too high (`stuck`), and with
 * everything they lead to (`kept`). Bitmaps of nodes, all zero before. CS_NOMEM,
 * CS_STOPPED. O(nodes + references of what is not reached). */
cs_status cs_unreached_stuck(struct cs_heap_graph *hg, uint64_t *stuck, uint64_t *kept,
			     struct cs_error *err);
#endif
