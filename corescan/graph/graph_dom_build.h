/* graph_dom_build.h - inside the making of dominators: what its three stages hand on.
 *
 * number: depth-first numbers 1..count of reached inner nodes, 0 above the roots.
 * solve:  immediate dominators of those numbers.
 * tree:   positions in the dominator tree; leaves; sums.
 *
 * Arrays change hands between stages instead of being added; each has
 * inner_count + 1 items, of which `count` + 1 pages are touched.
 */
#ifndef CS_GRAPH_DOM_BUILD_H
#define CS_GRAPH_DOM_BUILD_H
#include "graph/graph_dom.h"

enum { CS_DOM_LOOK_MASK = 4095 }; /* rounds between two looks at the clock, less than 1 ms */

struct cs_dom {
	const struct cs_graph *graph;
	cs_graph_weight_fn weight;
	void *ctx;
	uint32_t count;	       /* reached inner nodes */
	uint32_t *pos;	       /* by inner number; 0: not reached */
	uint32_t *node;	       /* by position, like the next three */
	uint32_t *up;	       /* position of the immediate dominator */
	uint32_t *span;	       /* positions of the subtree */
	uint64_t *retained;
	uint64_t *leaf_reached; /* bitmap of nodes: leaves that are not shared */
	uint32_t *shared_up;   /* by number of the shared leaf; CS_GRAPH_NONE: not reached */
	uint32_t *shared;      /* the reached ones by shared_up, then node: nodes */
	uint32_t shared_count; /* of `shared` */
};

struct dom_link { /* of the forest that solve compresses; tree: room for retained sizes */
	uint32_t up, label;
};

struct dom_back { /* an edge to a node met before its source and not left since, or left */
	uint32_t next, from;
};

struct dom_build {
	const struct cs_graph *g;
	struct cs_pulse *pulse;
	uint32_t count;
	uint32_t *number; /* by inner number; 0: not reached */
	uint32_t *inner;  /* by number, like the next four */
	uint32_t *idom;	  /* number: the parent of the depth-first walk */
	uint32_t *semi;	  /* number: the least number with an edge ahead to it */
	uint32_t *head;	  /* number: 1 + the first of its backs; 0: none */
	struct dom_link *link;
	struct dom_back *backs;
	uint64_t back_count, back_cap;
};

cs_status cs_dom_number(struct dom_build *b);			  /* graph_dom_number.c */
cs_status cs_dom_solve(struct dom_build *b);			  /* graph_dom_solve.c */
cs_status cs_dom_tree(struct dom_build *b, struct cs_dom *dom);	  /* graph_dom_tree.c */
cs_status cs_dom_leaves(struct cs_dom *dom, struct cs_pulse *pulse); /* graph_dom_leaves.c */
#endif
