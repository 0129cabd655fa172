#include "scan/heap_graph.h"

#include "cpython/py_census.h"
#include "mem/mem_live.h"
#include "native/native.h"
#include "scan/heap_edges.h"

#include <stdlib.h>

enum {
	GROUP_SHIFT = 10, /* few are guessed at: their groups' bitmap stays near */
	LOOK_MASK = 65535, /* edges between two looks at the clock */
};

/* Python counts references. Where all that are counted are known, a word that points
 * at the object too is a leftover (a free list's entry used long ago, a cache that
 * borrows, a slot above the top of a value stack) and keeps nothing alive. So guesses
 * are remembered, and taken back when the counts are complete. */
struct builder {
	struct cs_heap_graph *hg;
	struct cs_scan *scan;
	struct cs_edge_notes notes;
	/* Counted for those that are guessed at, and others in their groups. */
	uint8_t *known;	 /* references to a node that its count includes; 255: many */
	uint64_t *asked; /* bitmap of groups of nodes */
};

uint64_t cs_heap_graph_len(const struct cs_heap_graph *hg, uint32_t node)
{
	struct cs_block block;

	if (hg->words[node] != CS_NODE_LONG)
		return hg->words[node] * 8ull;
	cs_node_block(&hg->nodes, node, &block);
	return block.len;
}

uint32_t cs_heap_graph_type(struct cs_heap_graph *hg, uint32_t node)
{
	struct cs_block block;
	struct py_obj o;

	if (hg->types[node] != CS_NODE_LONG)
		return hg->types[node] < CS_NODE_OWNED ? hg->types[node] : CS_NO_TYPE;
	cs_node_block(&hg->nodes, node, &block);
	if (block.state == CS_BLOCK_TYPED)
		return cs_native_row(hg->scan->native, node);
	if (!hg->scan->py || !py_object_at_block(hg->scan->py, &block, &o))
		return CS_NO_TYPE;
	return o.type->model_nr;
}

static uint64_t weight(void *ctx, uint32_t node)
{
	return cs_heap_graph_len(ctx, node);
}

/* Are all references to this object known? */
static bool is_explained(struct builder *b, uint32_t node)
{
	struct cs_block block;
	struct py_obj o;

	if (cs_heap_graph_is_owned(b->hg, node))
		return true; /* its owner alone keeps it, whoever looks into it */
	cs_node_block(&b->hg->nodes, node, &block);
	if (!b->known[node] || b->known[node] == UINT8_MAX)
		return false;
	return b->scan->py && py_object_at_block(b->scan->py, &block, &o) &&
	       py_refcount(b->scan->py, &o) <= b->known[node];
}

static void ask(struct builder *b, uint32_t node)
{
	uint32_t group = node >> GROUP_SHIFT;

	b->asked[group / 64] |= 1ull << group % 64;
}

static void count_reference(struct builder *b, uint32_t to)
{
	uint32_t group = to >> GROUP_SHIFT;

	if (b->asked[group / 64] >> group % 64 & 1 && b->known[to] < UINT8_MAX)
		b->known[to]++;
}

static bool root_is_guess(const struct builder *b, const struct cs_graph_root *root)
{
	return b->hg->roots.items.items[root->tag].is_guess;
}

/* How many references are known to what is guessed at. */
static void count_references(struct builder *b)
{
	const struct cs_graph *g = b->hg->graph;

	for (size_t i = 0; i < b->notes.guesses.count; i++)
		ask(b, g->edges[b->notes.guesses.items[i].edge] & ~CS_EDGE_UNCOUNTED);
	for (size_t i = 0; i < g->roots.count; i++)
		if (root_is_guess(b, &g->roots.items[i]))
			ask(b, g->roots.items[i].node);
	for (size_t i = 0; i < g->roots.count; i++)
		if (b->hg->roots.items.items[g->roots.items[i].tag].kind == CS_ROOT_PY_FIELD &&
		    !root_is_guess(b, &g->roots.items[i]))
			count_reference(b, g->roots.items[i].node);
	for (size_t i = 0; i < b->notes.selves.count; i++)
		count_reference(b, b->notes.selves.items[i]);
	for (uint64_t e = 0; e < g->edge_count; e++) {
		if (!(g->edges[e] & CS_EDGE_UNCOUNTED))
			count_reference(b, g->edges[e]);
		if (!(e & LOOK_MASK) && cs_pulse_look(&b->scan->pulse))
			return;
	}
}

/* A guess taken back becomes an edge to itself, which says nothing. */
static void take_back(struct builder *b)
{
	struct cs_graph *g = b->hg->graph;
	size_t kept = 0;

	count_references(b);
	for (size_t i = 0; i < b->notes.guesses.count && !cs_pulse_stops(&b->scan->pulse); i++) {
		const struct cs_edge_guess *guess = &b->notes.guesses.items[i];

		if (is_explained(b, g->edges[guess->edge] & ~CS_EDGE_UNCOUNTED))
			g->edges[guess->edge] = guess->from;
	}
	for (size_t i = 0; i < g->roots.count; i++) {
		struct cs_graph_root r = g->roots.items[i];

		if (!root_is_guess(b, &r) || !is_explained(b, r.node))
			g->roots.items[kept++] = r;
	}
	g->roots.count = kept;
}

static cs_status build(struct cs_heap_graph *hg, struct cs_error *err)
{
	struct builder b = { .hg = hg, .scan = hg->scan };
	struct cs_pulse *pulse = &hg->scan->pulse;
	cs_status st = cs_pulse_step(pulse, "references", 0, 600, err);

	if (!st)
		st = cs_nodes_init(&hg->nodes, &hg->scan->model.blocks, err);
	if (!st)
		st = cs_graph_create((uint64_t)hg->nodes.count + cs_roots_count_frames(hg->scan),
				     &hg->graph, err);
	if (st)
		return st;
	hg->words = calloc((size_t)hg->graph->node_count + 1, sizeof(*hg->words));
	hg->types = calloc((size_t)hg->graph->node_count + 1, sizeof(*hg->types));
	b.known = calloc((size_t)hg->nodes.count + 1, 1);
	b.asked = calloc((hg->nodes.count >> GROUP_SHIFT) / 64 + 1, sizeof(*b.asked));
	if (!hg->words || !hg->types || !b.known || !b.asked)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the reference graph");
	else
		st = cs_roots_find(hg->scan, &hg->nodes, hg->graph, &hg->roots, err);
	if (!st && hg->scan->options.suspects && hg->scan->py)
		st = cs_waste_create(hg->scan->py, &hg->waste, err);
	if (!st)
		st = cs_heap_edges(hg, &b.notes, err);
	if (!st)
		take_back(&b);
	free(b.known);
	free(b.asked);
	cs_vec_free(&b.notes.guesses);
	cs_vec_free(&b.notes.selves);
	if (!st)
		st = cs_pulse_step(pulse, "who holds whom", 600, 1000, err);
	if (!st)
		st = cs_graph_seal(hg->graph, pulse, err);
	if (!st && cs_model_lacks_memory(&hg->scan->model))
		cs_model_anomaly(&hg->scan->model, "graph.partial", 0,
				 "memory is missing: holders may be missing too, and what looks "
				 "unreachable may not be");
	if (!st)
		st = cs_dom_create(hg->graph, weight, hg, pulse, &hg->dom, err);
	return st;
}

cs_status cs_heap_graph_create(struct cs_scan *scan, struct cs_heap_graph **out, struct cs_error *err)
{
	struct cs_heap_graph *hg = calloc(1, sizeof(*hg));
	cs_status st;

	if (!hg)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the reference graph");
	hg->scan = scan;
	st = build(hg, err);
	if (st)
		cs_heap_graph_destroy(hg);
	else
		*out = hg;
	return st;
}

void cs_heap_graph_destroy(struct cs_heap_graph *hg)
{
	if (!hg)
		return;
	cs_dom_destroy(hg->dom);
	cs_graph_destroy(hg->graph);
	cs_nodes_deinit(&hg->nodes);
	cs_roots_deinit(&hg->roots);
	cs_waste_destroy(hg->waste);
	free(hg->words);
	free(hg->types);
	free(hg);
}

cs_status cs_scan_graph(struct cs_scan *scan, struct cs_heap_graph **out, struct cs_error *err)
{
	cs_status st = CS_OK;

	if (!scan->graph && scan->no_graph.status)
		return cs_fail(err, scan->no_graph.status, 0, "%s", scan->no_graph.text);
	if (!scan->graph && scan->live && !scan->live->is_held_by_caller)
		return cs_fail(err, CS_UNSUPPORTED, 0,
			       "the process runs again: who holds what must be asked for before it is read (option graph)");
	if (!scan->graph)
		st = cs_heap_graph_create(scan, &scan->graph, err);
	if (!st)
		*out = scan->graph;
	return st;
}
