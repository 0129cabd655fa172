#include "scan/heap_graph.h"

#include "cpython/py_census.h"
#include "cpython/py_types.h"
#include "cpython/py_visit.h"
#include "mem/mem_live.h"

#include <stdlib.h>

/* Python counts references. Where all that are counted are known, a word that points
 * at the object too is a leftover (a free list's entry used long ago, a cache that
 * borrows, a slot above the top of a value stack) and keeps nothing alive. So guesses
 * are remembered, and taken back when the counts are complete. */
struct guess {
	uint64_t edge; /* index in graph->edges */
	uint32_t from;
};

struct builder {
	struct py_refs refs; /* first */
	struct cs_heap_graph *hg;
	struct cs_scan *scan;
	uint32_t node;	/* whose edges are being told */
	CS_VEC(struct guess) guesses; /* edges to objects */
	CS_VEC(uint32_t) selves; /* nodes, once for each counted reference to itself */
	/* Counted for those that are guessed at, and others in their groups. */
	uint8_t *known;	 /* references to a node that its count includes; 255: many */
	uint64_t *asked; /* bitmap of groups of nodes */
	bool is_out_of_memory;
};

enum {
	GROUP_SHIFT = 10, /* few are guessed at: their groups' bitmap stays near */
	LOOK_MASK = 65535, /* edges between two looks at the clock */
};

/* On an edge: the count of what it leads to does not include it. */
#define UNCOUNTED CS_GRAPH_MARK

static void add_guess(struct builder *b, uint32_t from, uint32_t to)
{
	struct guess g = { b->hg->graph->edge_count, from };

	cs_graph_edge(b->hg->graph, to | UNCOUNTED);
	if (b->scan->py && g.edge < b->hg->graph->edge_count && !cs_vec_push(&b->guesses, g))
		b->is_out_of_memory = true;
}

static inline __attribute__((always_inline)) void add_reference(struct builder *b, const struct py_ref *ref)
{
	uint32_t to = cs_node_at(&b->hg->nodes, ref->to);
	bool is_counted = ref->hold == PY_STRONG || ref->hold == PY_HIDDEN;

	if (to == CS_NO_NODE)
		return;
	if (to == ref->from) {
		if (is_counted && !cs_vec_push(&b->selves, to))
			b->is_out_of_memory = true;
		return;
	}
	if (b->hg->graph->at != ref->from)
		cs_graph_begin_node(b->hg->graph, ref->from);
	if (ref->hold == PY_GUESS)
		add_guess(b, ref->from, to);
	else
		cs_graph_edge(b->hg->graph, is_counted ? to : to | UNCOUNTED);
}

CS_COUNTS_BITS
static void take_references(struct py_refs *refs)
{
	struct builder *b = (struct builder *)refs;

	for (uint32_t i = 0; i < refs->count; i++)
		cs_node_soon(&b->hg->nodes, refs->items[i].to);
	for (uint32_t i = 0; i < refs->count; i++)
		add_reference(b, &refs->items[i]);
	refs->count = 0;
}

/* What looks like a pointer in memory nobody knows. */
static void guess_edges(struct builder *b, const struct cs_block *block)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, b->scan, &b->hg->nodes, (struct cs_range){ block->addr, block->len });
	while (cs_guess_walk_next(&walk, &guess))
		if (guess.node != b->node)
			add_guess(b, b->node, guess.node);
}

static void node_edges(struct builder *b, const struct cs_block *block)
{
	struct py_obj o;
	uint32_t row;

	if (block->state == CS_BLOCK_OBJECT && b->scan->py) {
		if (py_atom_at_block(b->scan->py, block, &row)) {
			b->hg->types[b->node] = row < CS_NODE_OWNED ? (uint16_t)row : CS_NODE_LONG;
			return;
		}
		if (!py_object_at_block(b->scan->py, block, &o))
			return;
		b->hg->types[b->node] = o.type->model_nr < CS_NODE_OWNED ? (uint16_t)o.type->model_nr :
									 CS_NODE_LONG;
		if (b->hg->waste)
			cs_waste_look(b->hg->waste, b->scan->py, &o, b->node, block->len);
		if (o.type->is_atom)
			return;
		b->refs.from = b->node;
		py_visit_refs(b->scan->py, &o, &b->refs);
	} else if (block->state == CS_BLOCK_USED || block->state == CS_BLOCK_TYPED) {
		take_references(&b->refs);
		cs_graph_begin_node(b->hg->graph, b->node);
		guess_edges(b, block);
	}
}

static void on_frame_edge(void *ctx, const struct py_edge *edge)
{
	struct builder *b = ctx;
	uint32_t to = edge->hold == PY_WEAK ? CS_NO_NODE : cs_node_at(&b->hg->nodes, edge->to);

	if (to == CS_NO_NODE)
		return;
	if (edge->hold == PY_GUESS) /* its value stack, above the top perhaps */
		add_guess(b, b->node, to);
	else
		cs_graph_edge(b->hg->graph, to);
}

static void frame_edges(struct builder *b)
{
	struct cs_heap_graph *hg = b->hg;

	for (uint32_t i = 0; i < hg->roots.frames.count && !cs_pulse_stops(&b->scan->pulse); i++) {
		b->node = hg->nodes.count + i;
		hg->types[b->node] = CS_NODE_BLOCK;
		hg->words[b->node] = 0;
		cs_graph_begin_node(hg->graph, b->node);
		py_visit_frame(b->scan->py, cs_heap_graph_frame(hg, b->node)->range.start,
			       on_frame_edge, b);
	}
}

static cs_status all_edges(struct builder *b, struct cs_error *err)
{
	struct cs_node_walk walk;
	struct cs_block block;

	b->refs.full = take_references;
	if (b->scan->py)
		py_visit_begin(b->scan->py);
	cs_node_walk_init(&walk, &b->hg->nodes);
	while (cs_node_walk_next(&walk, &b->node, &block)) {
		cs_pulse_at(&b->scan->pulse, b->node, b->hg->nodes.count);
		if (cs_pulse_stops(&b->scan->pulse))
			return cs_pulse_fail(err);
		b->hg->types[b->node] = block.state == CS_BLOCK_OWNED ? CS_NODE_OWNED : CS_NODE_BLOCK;
		b->hg->words[b->node] = block.len / 8 < CS_NODE_LONG ? (uint16_t)(block.len / 8) :
								       CS_NODE_LONG;
		node_edges(b, &block);
		if (b->hg->graph->failed)
			break; /* cs_graph_seal() says why */
	}
	take_references(&b->refs);
	frame_edges(b);
	if (b->scan->py && py_visit_was_cut(b->scan->py))
		cs_model_anomaly(&b->scan->model, "python.limit", 0,
				 "references that lead over the same memory again and again were left");
	return CS_OK;
}

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

	for (size_t i = 0; i < b->guesses.count; i++)
		ask(b, g->edges[b->guesses.items[i].edge] & ~UNCOUNTED);
	for (size_t i = 0; i < g->roots.count; i++)
		if (root_is_guess(b, &g->roots.items[i]))
			ask(b, g->roots.items[i].node);
	for (size_t i = 0; i < g->roots.count; i++)
		if (b->hg->roots.items.items[g->roots.items[i].tag].kind == CS_ROOT_PY_FIELD &&
		    !root_is_guess(b, &g->roots.items[i]))
			count_reference(b, g->roots.items[i].node);
	for (size_t i = 0; i < b->selves.count; i++)
		count_reference(b, b->selves.items[i]);
	for (uint64_t e = 0; e < g->edge_count; e++) {
		if (!(g->edges[e] & UNCOUNTED))
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
	for (size_t i = 0; i < b->guesses.count && !cs_pulse_stops(&b->scan->pulse); i++) {
		const struct guess *guess = &b->guesses.items[i];

		if (is_explained(b, g->edges[guess->edge] & ~UNCOUNTED))
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
		st = all_edges(&b, err);
	if (!st && b.is_out_of_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the reference graph");
	if (!st)
		take_back(&b);
	free(b.known);
	free(b.asked);
	cs_vec_free(&b.guesses);
	cs_vec_free(&b.selves);
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
