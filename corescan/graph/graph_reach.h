/* graph_reach.h - what can be reached from where, and who refers to a node.
 *
 * Bitmaps have a bit for each node, 64 to a word, node 0 the lowest of the first.
 */
#ifndef CS_GRAPH_REACH_H
#define CS_GRAPH_REACH_H
#include "graph/graph.h"

/* Words of a bitmap of nodes. */
static inline uint64_t cs_graph_bitmap_len(const struct cs_graph *graph)
{
	return graph->node_count / 64 + 1;
}

/* Everything that can be reached from the nodes in `start`, themselves included, without
 * entering a node in `walls` (a wall in start is not entered either). start NULL: from
 * the roots; walls NULL: none. `reached` is the caller's and overwritten; it may be the
 * same as start or walls. O(nodes + edges); 4 bytes an inner node at most meanwhile.
 * CS_NOMEM, CS_STOPPED: *reached holds nothing of use. */
cs_status cs_graph_reach(const struct cs_graph *graph, const uint64_t *start,
			 const uint64_t *walls, uint64_t *reached, struct cs_pulse *pulse,
			 struct cs_error *err);

/* Who refers to a node: one scan over all edges, 1 to 2 ms for 4 million. */
struct cs_graph_referrers {
	const struct cs_graph *graph;
	struct cs_pulse *pulse;
	uint32_t code;
	uint32_t inner; /* the referrer handed out last is in front of it */
	uint32_t rounds;
	uint64_t edge; /* to look at next */
};

/* Borrows graph and pulse. */
void cs_graph_referrers_init(struct cs_graph_referrers *w, const struct cs_graph *graph,
			     uint32_t node, struct cs_pulse *pulse);

/* The next referrer in ascending order, each once however many edges it has to the
 * node. CS_NOTFOUND: no more; CS_STOPPED; *referrer untouched. */
cs_status cs_graph_referrers_next(struct cs_graph_referrers *w, uint32_t *referrer,
				  struct cs_error *err);
#endif
