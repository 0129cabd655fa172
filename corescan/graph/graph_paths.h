/* graph_paths.h - why something is alive: shortest ways from the roots to it.
 *
 * A way is looked for from its end back to the roots, so it costs what lies
 * around the end, not the whole heap; that takes the edges the other way
 * round, which are made once and serve every question.
 */
#ifndef CS_GRAPH_PATHS_H
#define CS_GRAPH_PATHS_H
#include "graph/graph.h"

/* Edges between inner nodes, the other way round: 4 bytes each and 4 an inner node. */
struct cs_graph_reverse;

/* O(nodes + edges). Borrows nothing. CS_NOMEM, CS_STOPPED: *out untouched. */
cs_status cs_graph_reverse_create(const struct cs_graph *graph, struct cs_pulse *pulse,
				  struct cs_graph_reverse **out, struct cs_error *err);
void cs_graph_reverse_destroy(struct cs_graph_reverse *reverse);

struct cs_path {
	uint32_t root, tag; /* a root and its tag */
	uint32_t length;    /* nodes on the way, both ends included */
};

struct cs_paths;

/* Shortest ways from roots to any node in `targets` (a bitmap of nodes), one for each
 * distinct tag that has any, to the nearest target: sorted by length, then tag. Of roots
 * equally near that of the least node. At most `most` of them, the nearest; 0: all.
 * Borrows graph until destroyed, reverse and targets only now.
 * O(nodes + edges) at worst; 8 bytes an inner node at most, 4 of them kept.
 * CS_NOMEM, CS_STOPPED: *out untouched. */
cs_status cs_paths_create(const struct cs_graph *graph, const struct cs_graph_reverse *reverse,
			  const uint64_t *targets, uint32_t most, struct cs_pulse *pulse,
			  struct cs_paths **out, struct cs_error *err);
void cs_paths_destroy(struct cs_paths *paths);

/* The ways found; borrowed, *count may be 0. */
const struct cs_path *cs_paths_found(const struct cs_paths *paths, size_t *count);

/* The node after `node` on its way to the target, CS_GRAPH_NONE at the target. For nodes
 * that a way leads through: its root, and what this returned. O(log nodes). */
uint32_t cs_paths_next(const struct cs_paths *paths, uint32_t node);
#endif
