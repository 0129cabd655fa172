/* graph_dom.h - who keeps what alive: dominators and retained sizes of a sealed graph.
 *
 * A node dominates another when every way from the roots to the other leads
 * through it; the nearest such node is its immediate dominator. What a node
 * retains is everything it dominates, itself included: what would become
 * unreachable with it. Above all roots stands one imaginary node, CS_GRAPH_NONE.
 *
 * Time: near-linear whatever the graph looks like, O(edges log nodes) at worst.
 * Memory: 24 bytes an inner node (less where it is not reached), 8 a shared leaf,
 * 1/8 a node. While it is made 4 more an inner node and 8 for each edge back to
 * a node met earlier; after those are freed, 16 more a shared leaf.
 *
 * Invariants
 *  - Reached inner nodes have positions 1..count in depth-first order of the
 *    dominator tree: a subtree is one run of positions, node above all at 0.
 *  - A leaf that is not shared has no entry: its one referrer is its dominator.
 */
#ifndef CS_GRAPH_DOM_H
#define CS_GRAPH_DOM_H
#include "graph/graph.h"

/* Any unit; sums end at UINT64_MAX instead of overflowing. Asked once for each node
 * reached while dominators are made, and again when a leaf is asked about. */
typedef uint64_t (*cs_graph_weight_fn)(void *ctx, uint32_t node);

struct cs_dom;

/* Dominators of what the roots reach. Borrows graph and ctx until destroyed.
 * CS_NOMEM, CS_STOPPED: *out untouched. */
cs_status cs_dom_create(const struct cs_graph *graph, cs_graph_weight_fn weight, void *ctx,
			struct cs_pulse *pulse, struct cs_dom **out, struct cs_error *err);
void cs_dom_destroy(struct cs_dom *dom);

bool cs_dom_is_reached(const struct cs_dom *dom, uint32_t node);

/* What it retains; 0: not reached. Of CS_GRAPH_NONE: the weight of everything reached. */
uint64_t cs_dom_retained(const struct cs_dom *dom, uint32_t node);

/* The immediate dominator, CS_GRAPH_NONE when only the roots as a whole are. O(1), but
 * for a leaf with one referrer a scan over the edges (1 ms for 4 million).
 * CS_NOTFOUND: not reached; CS_STOPPED. */
cs_status cs_dom_parent(const struct cs_dom *dom, uint32_t node, struct cs_pulse *pulse,
			uint32_t *out, struct cs_error *err);

/* The dominator tree below one node, depth first: each node reached comes once, those that
 * have edges a second time when everything below them has been said. */
enum cs_dom_event { CS_DOM_ENTER, CS_DOM_LEAVE, CS_DOM_LEAF };

struct cs_dom_step {
	enum cs_dom_event event;
	uint32_t node;
	uint64_t retained; /* not filled by LEAVE */
};

struct cs_dom_walk {
	const struct cs_dom *dom;
	uint32_t top, end;	 /* positions: the node it stands on, one past what is below */
	uint32_t at, open, next; /* whose leaves come; the deepest not left; to enter next */
	uint32_t shared;	 /* in the table of shared leaves */
	uint64_t edge, edge_end; /* of `at`, for the leaves that are its own */
	bool only_children;
};

/* Walk everything below `node`, which itself is not handed out; CS_GRAPH_NONE: the whole
 * tree. Only the children (of event ENTER or LEAF) when asked for. O(log nodes) and then
 * O(1) a step and edge. Cannot fail; a node not reached or without edges has nothing. */
void cs_dom_walk_init(struct cs_dom_walk *w, const struct cs_dom *dom, uint32_t node,
		      bool only_children);

/* The same walk below another node. O(1) where nodes follow each other as a walk hands them
 * out, more the farther they are apart. */
void cs_dom_walk_again(struct cs_dom_walk *w, uint32_t node);

/* False: the walk is over, *step untouched. */
bool cs_dom_walk_next(struct cs_dom_walk *w, struct cs_dom_step *step);

/* Bytes it holds. */
uint64_t cs_dom_bytes(const struct cs_dom *dom);
#endif
