#include "graph/graph.h"
#include "graph/graph_memory.h"

#include <stdlib.h>
#include <string.h>

enum {
	GROW_LEAST = 1024,
	AHEAD = 24,	  /* edges: about what a miss takes to arrive */
	LOOK_MASK = 8191, /* rounds between two looks at the clock, 0.1 ms */
};

cs_status cs_graph_create(uint64_t node_count, struct cs_graph **out, struct cs_error *err)
{
	if (node_count > CS_GRAPH_NODES_MAX)
		return cs_fail(err, CS_LIMIT, 0, "a graph of %" PRIu64 " nodes", node_count);

	struct cs_graph *g = calloc(1, sizeof(*g));
	bool ok = g != NULL;

	if (ok) {
		g->node_count = (uint32_t)node_count;
		g->at = CS_GRAPH_NONE;
		g->edge_cap = g->first_cap = GROW_LEAST;
		g->words = cs_graph_alloc(node_count / 64 + 1, sizeof(*g->words));
		g->first = cs_graph_alloc(g->first_cap, sizeof(*g->first));
		g->edges = cs_graph_alloc(g->edge_cap, sizeof(*g->edges));
		ok = g->words && g->first && g->edges;
	}
	if (!ok) {
		cs_graph_destroy(g);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a graph");
	}
	*out = g;
	return CS_OK;
}

void cs_graph_destroy(struct cs_graph *graph)
{
	if (!graph)
		return;
	cs_graph_free(graph->words);
	cs_graph_free(graph->first);
	cs_graph_free(graph->edges);
	cs_vec_free(&graph->roots);
	free(graph);
}

/* Make *items hold twice as many, at most `most`. */
static bool grow(uint32_t **items, uint64_t *cap, uint64_t most)
{
	uint64_t wanted = *cap * 2 < most ? *cap * 2 : most;
	uint32_t *grown = cs_graph_resize(*items, wanted, sizeof(**items));

	if (!grown)
		return false;
	*items = grown;
	*cap = wanted;
	return true;
}

bool cs_graph_room(struct cs_graph *g)
{
	if (g->failed)
		return false;
	if (g->edge_count == CS_GRAPH_EDGES_MAX) {
		g->failed = CS_LIMIT;
		return false;
	}
	if (g->edge_count == g->edge_cap && !grow(&g->edges, &g->edge_cap, CS_GRAPH_EDGES_MAX)) {
		g->failed = CS_NOMEM;
		return false;
	}
	if (g->is_open)
		return true;
	assert(g->at != CS_GRAPH_NONE);
	if (g->inner_count == g->first_cap &&
	    !grow(&g->first, &g->first_cap, CS_GRAPH_NODES_MAX + 1ull)) {
		g->failed = CS_NOMEM;
		return false;
	}
	g->first[g->inner_count++] = (uint32_t)g->edge_count;
	g->words[g->at / 64].inner |= 1ull << g->at % 64;
	g->is_open = true;
	return true;
}

/* Make room for `more` in an array that holds `used`. */
static bool reserve(uint32_t **items, uint64_t *cap, uint64_t used, uint64_t more)
{
	uint32_t *grown = NULL;

	if (used + more <= *cap)
		return true;
	grown = cs_graph_resize(*items, used + more, sizeof(**items));
	if (!grown)
		return false;
	*items = grown;
	*cap = used + more;
	return true;
}

void cs_graph_append(struct cs_graph *g, const struct cs_graph *other)
{
	uint64_t edges = g->edge_count;

	assert(other->node_count == g->node_count);
	if (!g->failed)
		g->failed = other->failed;
	if (!g->failed && other->edge_count > CS_GRAPH_EDGES_MAX - edges)
		g->failed = CS_LIMIT;
	if (!g->failed && (!reserve(&g->edges, &g->edge_cap, edges, other->edge_count) ||
			   !reserve(&g->first, &g->first_cap, g->inner_count, other->inner_count)))
		g->failed = CS_NOMEM;
	if (g->failed)
		return;
	memcpy(g->edges + edges, other->edges, other->edge_count * sizeof(*g->edges));
	for (uint32_t i = 0; i < other->inner_count; i++)
		g->first[g->inner_count + i] = other->first[i] + (uint32_t)edges;
	for (uint32_t i = 0; i <= g->node_count / 64; i++)
		g->words[i].inner |= other->words[i].inner;
	g->edge_count += other->edge_count;
	g->inner_count += other->inner_count;
	g->at = other->at == CS_GRAPH_NONE ? g->at : other->at;
	g->is_open = false;
}

void cs_graph_root(struct cs_graph *g, uint32_t node, uint32_t tag)
{
	assert(node < g->node_count);
	if (!cs_vec_push(&g->roots, (struct cs_graph_root){ node, tag }))
		g->failed = CS_NOMEM;
}

static void count_words(struct cs_graph *g)
{
	uint32_t inner = 0, shared = 0;

	for (uint32_t i = 0; i <= g->node_count / 64; i++) {
		struct cs_graph_word *w = &g->words[i];

		w->inner_before = inner;
		w->shared_before = shared;
		inner += cs_count_bits(w->inner);
		shared += cs_count_bits(w->shared);
	}
	assert(inner == g->inner_count);
	g->shared_count = shared;
}

/* Nodes become codes; a leaf met for the second time is shared. */
CS_COUNTS_BITS
static cs_status encode(struct cs_graph *g, uint64_t *met, struct cs_pulse *pulse,
			struct cs_error *err)
{
	uint32_t *edges = g->edges;

	for (uint64_t e = 0; e < g->edge_count; e++) {
		uint32_t node = edges[e] & ~CS_GRAPH_MARK;

		/* the array has room for AHEAD more, zero or a node */
		__builtin_prefetch(&g->words[(edges[e + AHEAD] & ~CS_GRAPH_MARK) / 64]);
		if (!(e & LOOK_MASK) && cs_pulse_look(pulse))
			return cs_pulse_fail(err);
		if (cs_graph_is_inner(g, node)) {
			edges[e] = cs_graph_inner(g, node);
			continue;
		}

		uint64_t bit = 1ull << node % 64;

		edges[e] = node | CS_GRAPH_LEAF;
		g->words[node / 64].shared |= met[node / 64] & bit;
		met[node / 64] |= bit;
	}
	return CS_OK;
}

cs_status cs_graph_seal(struct cs_graph *g, struct cs_pulse *pulse, struct cs_error *err)
{
	uint64_t *met = NULL;
	uint32_t *edges = NULL, *first = NULL;

	if (!g->failed) {
		met = cs_graph_alloc(g->node_count / 64 + 1, sizeof(*met));
		edges = cs_graph_resize(g->edges, g->edge_count + AHEAD, sizeof(*edges));
		first = cs_graph_resize(g->first, g->inner_count + 1ull, sizeof(*first));
		g->edges = edges ? edges : g->edges;
		g->first = first ? first : g->first;
	}
	if (!met || !edges || !first) {
		cs_graph_free(met);
		if (g->failed == CS_LIMIT)
			return cs_fail(err, CS_LIMIT, 0, "a graph of more than %" PRIu32 " edges",
				       CS_GRAPH_EDGES_MAX);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a graph of %" PRIu64 " edges",
			       g->edge_count);
	}
	memset(edges + g->edge_count, 0, AHEAD * sizeof(*edges));
	first[g->inner_count] = (uint32_t)g->edge_count;
	count_words(g);

	cs_status st = encode(g, met, pulse, err);

	cs_graph_free(met);
	for (size_t i = 0; i < g->roots.count; i++) {
		uint32_t node = g->roots.items[i].node;

		if (!cs_graph_is_inner(g, node))
			g->words[node / 64].shared |= 1ull << node % 64;
	}
	count_words(g);
	return st;
}

uint32_t cs_graph_node(const struct cs_graph *g, uint32_t inner)
{
	uint32_t low = 0, high = g->node_count / 64;

	assert(inner < g->inner_count);
	while (low < high) { /* the last word with inner_before <= inner */
		uint32_t middle = low + (high - low + 1) / 2;

		if (g->words[middle].inner_before <= inner)
			low = middle;
		else
			high = middle - 1;
	}

	uint64_t bits = g->words[low].inner;

	for (uint32_t skip = inner - g->words[low].inner_before; skip; skip--)
		bits &= bits - 1;
	return low * 64 + (uint32_t)__builtin_ctzll(bits);
}

const uint32_t *cs_graph_edges(const struct cs_graph *g, uint32_t node, uint32_t *count)
{
	*count = 0;
	if (!cs_graph_is_inner(g, node))
		return NULL;

	uint32_t inner = cs_graph_inner(g, node);

	*count = g->first[inner + 1] - g->first[inner];
	return g->edges + g->first[inner];
}

uint64_t cs_graph_bytes(const struct cs_graph *g)
{
	return sizeof(*g) + cs_graph_len(g->words) + cs_graph_len(g->first) +
	       cs_graph_len(g->edges) + g->roots.cap * sizeof(*g->roots.items);
}
