/* waste.h - what is there twice, and what is there for nothing. */
#ifndef CS_WASTE_H
#define CS_WASTE_H
#include "scan/heap_graph.h"

struct cs_copies { /* strs with a text that another has too; the first of each does not count */
	uint64_t count, bytes;
	uint64_t most; /* strs with the text that wastes most */
	uint32_t example; /* a node with that text; CS_NO_NODE: none */
};

struct cs_spare_room {
	uint64_t count, bytes; /* containers, and what they do not need */
	uint64_t most;	       /* bytes of the one that has most of it */
	uint32_t example;      /* that one; CS_NO_NODE: none */
};

/* One pass over the strs and containers of the graph; 8 bytes a str meanwhile, twice.
 * CS_NOMEM, CS_STOPPED. */
cs_status cs_waste(struct cs_heap_graph *hg, struct cs_copies *copies, struct cs_spare_room *room,
		   struct cs_error *err);
#endif
