/* graph.h - who refers to whom: nodes 0..n-1, their edges, the roots.
 *
 * Filled once, node by node in ascending order, sealed, then only read. Knows
 * nothing of addresses, objects or heaps: what a node is, how much it weighs
 * and what a root's tag means is the caller's business.
 *
 * Most nodes of a heap have no edges (leaves), and most leaves one referrer.
 * Nodes that have edges (inner nodes) get a dense number of their own, and
 * only they pay for an offset. In a sealed graph an edge is a code: the inner
 * number of its target, or the leaf's node with the top bit set, so that a
 * walk tells a leaf without looking anywhere.
 *
 * Memory: 4 bytes an edge, 4 an inner node, 3/8 of a byte a node.
 *
 * Invariants of a sealed graph
 *  - Edges of a node keep the order in which they were added; a self edge or a
 *    second edge to the same node is an edge like any other.
 *  - `shared` marks the leaves that are roots or have several edges to them;
 *    any other leaf has one edge or none, reachable or not.
 */
#ifndef CS_GRAPH_H
#define CS_GRAPH_H
#include "base/num.h"
#include "base/pulse.h"
#include "base/vec.h"

#include <assert.h>

#define CS_GRAPH_NONE UINT32_MAX	     /* no node; of dominators: what stands above all roots */
#define CS_GRAPH_LEAF 0x80000000u	     /* an edge's code: the rest is a node without edges */
#define CS_GRAPH_MARK 0x80000000u	     /* filling: the filler's own, on an edge; sealing takes it off */
#define CS_GRAPH_NODES_MAX 0x7fffffffu	     /* the top bit is taken */
#define CS_GRAPH_EDGES_MAX (UINT32_MAX - 64) /* offsets are 32 bits */

struct cs_graph_word { /* of 64 nodes */
	uint64_t inner, shared;
	uint32_t inner_before, shared_before; /* how many in the words in front */
};

struct cs_graph_root {
	uint32_t node, tag;
};

struct cs_graph { /* read it; the functions write */
	uint32_t node_count, inner_count, shared_count;
	struct cs_graph_word *words;
	uint32_t *first; /* of an inner node: its first edge; one more at the end */
	uint32_t *edges; /* codes; nodes until sealed, some with a mark */
	uint64_t edge_count, edge_cap, first_cap;
	CS_VEC(struct cs_graph_root) roots;
	uint32_t at;	  /* filling: the node begun last */
	bool is_open;	  /* filling: it has an edge already */
	cs_status failed; /* filling: CS_NOMEM or CS_LIMIT, told by cs_graph_seal() */
};

/* A graph of that many nodes. CS_LIMIT: more than CS_GRAPH_NODES_MAX. CS_NOMEM. */
cs_status cs_graph_create(uint64_t node_count, struct cs_graph **out, struct cs_error *err);
void cs_graph_destroy(struct cs_graph *graph);

/* Internal to cs_graph_edge(). */
bool cs_graph_room(struct cs_graph *graph);

/* The edges to come are this node's. Nodes may be left out, not come twice. */
static inline void cs_graph_begin_node(struct cs_graph *graph, uint32_t node)
{
	assert(node < graph->node_count && (node > graph->at || graph->at == CS_GRAPH_NONE));
	graph->at = node;
	graph->is_open = false;
}

/* An edge from the node begun last. Out of memory or past CS_GRAPH_EDGES_MAX the edge is
 * dropped and graph->failed set, for a filler that wants to stop early. */
static inline void cs_graph_edge(struct cs_graph *graph, uint32_t to)
{
	assert((to & ~CS_GRAPH_MARK) < graph->node_count);
	if ((!graph->is_open || graph->edge_count == graph->edge_cap) && !cs_graph_room(graph))
		return;
	graph->edges[graph->edge_count++] = to;
}

/* Add what another graph of as many nodes was told of nodes behind all of this one's;
 * roots are left out, and it stays as it was. Failures as cs_graph_edge(). O(edges) of the other. */
void cs_graph_append(struct cs_graph *graph, const struct cs_graph *other);

/* Something outside the graph holds this node. A node may be a root several times, with
 * different tags. Any time before sealing. */
void cs_graph_root(struct cs_graph *graph, uint32_t node, uint32_t tag);

/* All is said: number the inner nodes, find the shared leaves. Call once. O(nodes + edges).
 * CS_NOMEM, CS_LIMIT: now or while filling. CS_STOPPED. After a failure only
 * cs_graph_destroy() may be called. */
cs_status cs_graph_seal(struct cs_graph *graph, struct cs_pulse *pulse, struct cs_error *err);

/* ---- of a sealed graph ---- */

static inline bool cs_graph_is_inner(const struct cs_graph *graph, uint32_t node)
{
	return graph->words[node / 64].inner >> node % 64 & 1;
}

static inline bool cs_graph_is_shared(const struct cs_graph *graph, uint32_t node)
{
	return graph->words[node / 64].shared >> node % 64 & 1;
}

/* The number of an inner node, of a shared leaf. */
static inline uint32_t cs_graph_inner(const struct cs_graph *graph, uint32_t node)
{
	const struct cs_graph_word *w = &graph->words[node / 64];
	uint64_t below = w->inner & ((1ull << node % 64) - 1);

	return w->inner_before + cs_count_bits(below);
}

static inline uint32_t cs_graph_shared(const struct cs_graph *graph, uint32_t node)
{
	const struct cs_graph_word *w = &graph->words[node / 64];
	uint64_t below = w->shared & ((1ull << node % 64) - 1);

	return w->shared_before + cs_count_bits(below);
}

/* The node with that inner number. O(log nodes). */
uint32_t cs_graph_node(const struct cs_graph *graph, uint32_t inner);

/* How an edge says this node. */
static inline uint32_t cs_graph_code(const struct cs_graph *graph, uint32_t node)
{
	return cs_graph_is_inner(graph, node) ? cs_graph_inner(graph, node) : node | CS_GRAPH_LEAF;
}

/* The edges of a node in the order they were added: *count codes, borrowed from the
 * graph. cs_graph_target() says which node a code means, O(log nodes). */
const uint32_t *cs_graph_edges(const struct cs_graph *graph, uint32_t node, uint32_t *count);
static inline uint32_t cs_graph_target(const struct cs_graph *graph, uint32_t code)
{
	return code & CS_GRAPH_LEAF ? code & ~CS_GRAPH_LEAF : cs_graph_node(graph, code);
}

/* Bytes it holds. */
uint64_t cs_graph_bytes(const struct cs_graph *graph);
#endif
