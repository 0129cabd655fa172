/* heap_edges.h - what every block in use refers to, told to a graph node by node.
 *
 * Where memory is mapped files and there is enough to do, two threads share the
 * nodes between them (cpython/py_reader.h); the edges are the same, in the same order.
 */
#ifndef CS_HEAP_EDGES_H
#define CS_HEAP_EDGES_H
#include "scan/heap_graph.h"

/* On an edge, until they are sealed: the count of what it leads to does not include it. */
#define CS_EDGE_UNCOUNTED CS_GRAPH_MARK

struct cs_edge_guess { /* at an object: what may be a pointer, and nothing more */
	uint64_t edge; /* index in graph->edges */
	uint32_t from;
};

struct cs_edge_notes {
	CS_VEC(struct cs_edge_guess) guesses;
	CS_VEC(uint32_t) selves; /* nodes, once for each counted reference to itself */
	bool is_out_of_memory;
};

/* Tell hg->graph the edges of all nodes, blocks and frames, and fill hg->words and hg->types
 * (and hg->waste, when there is one). *notes begins empty. CS_NOMEM, CS_STOPPED; what
 * the graph could not take is left to cs_graph_seal(). */
cs_status cs_heap_edges(struct cs_heap_graph *hg, struct cs_edge_notes *notes, struct cs_error *err);
#endif
