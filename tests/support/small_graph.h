/* small_graph.h - graphs small enough that truth is a plain search. */
#ifndef SMALL_GRAPH_H
#define SMALL_GRAPH_H
#include "graph/graph.h"

enum { SMALL_NODES = 320, SMALL_EDGES = 4096, SMALL_ROOTS = 12, SMALL_KINDS = 8 };

struct small_graph {
	unsigned n, edge_count, root_count, stretch;
	unsigned from[SMALL_EDGES], to[SMALL_EDGES]; /* by from; parallel and self edges */
	unsigned first[SMALL_NODES + 1];
	unsigned root[SMALL_ROOTS], tag[SMALL_ROOTS];
};

/* 0 <= result < below; the same for the same seed. */
unsigned small_any(uint64_t *seed, unsigned below);

/* A graph of one of SMALL_KINDS shapes with 1..most nodes. */
void small_random(struct small_graph *s, unsigned kind, unsigned most, uint64_t seed);

/* Add to s, in any order; then sort once before it is used. */
void small_edge(struct small_graph *s, unsigned from, unsigned to);
void small_sort(struct small_graph *s);

/* Node i of s is node i * stretch + stretch / 2 of the real graph; the others are alone. */
uint32_t small_real(const struct small_graph *s, unsigned i);
unsigned small_of(const struct small_graph *s, uint32_t real); /* s->n: none */
struct cs_graph *small_build(const struct small_graph *s);

/* seen[i]: can be reached from start[i] nodes (NULL: roots) without entering walls[i]. */
void small_reach(const struct small_graph *s, const bool *start, const bool *walls, bool *seen);

uint64_t small_weight(void *ctx, uint32_t real);
#endif
