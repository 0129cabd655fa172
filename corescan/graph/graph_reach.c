#include "graph/graph_reach.h"
#include "graph/graph_memory.h"

#include <string.h>

enum {
	AHEAD = 8,	  /* edges to look ahead */
	LOOK_MASK = 8191, /* rounds between two looks at the clock, less than 1 ms */
	LANES = 64,	  /* edges compared at once */
};

struct reach {
	const struct cs_graph *g;
	const uint64_t *walls;
	uint64_t *reached; /* leaves; inner nodes at the end */
	uint64_t *met;	   /* bitmap of inner numbers: entered, or a wall */
	uint32_t *stack;   /* entered, edges not yet followed: each inner node once */
	uint32_t depth, cap, rounds;
	struct cs_pulse *pulse;
};

static bool has(const uint64_t *bits, uint32_t nr)
{
	return bits[nr / 64] >> nr % 64 & 1;
}

static cs_status enter(struct reach *r, uint32_t code)
{
	uint32_t nr = code & ~CS_GRAPH_LEAF;

	if (code & CS_GRAPH_LEAF) {
		if (!r->walls || !has(r->walls, nr))
			r->reached[nr / 64] |= 1ull << nr % 64;
		return CS_OK;
	}
	if (has(r->met, nr))
		return CS_OK;
	r->met[nr / 64] |= 1ull << nr % 64;
	if (r->depth == r->cap) {
		uint32_t *grown = cs_graph_resize(r->stack, 2ull * r->cap, sizeof(*grown));

		if (!grown)
			return CS_NOMEM;
		r->stack = grown;
		r->cap *= 2;
	}
	r->stack[r->depth++] = nr;
	return CS_OK;
}

static cs_status follow(struct reach *r)
{
	const struct cs_graph *g = r->g;

	while (r->depth) {
		uint32_t nr = r->stack[--r->depth];

		for (uint64_t e = g->first[nr], end = g->first[nr + 1]; e < end; e++) {
			uint32_t soon = g->edges[e + AHEAD];

			if (!(soon & CS_GRAPH_LEAF))
				__builtin_prefetch(&r->met[soon / 64]);

			cs_status st = enter(r, g->edges[e]);

			if (st)
				return st;
			if (!(++r->rounds & LOOK_MASK) && cs_pulse_look(r->pulse))
				return CS_STOPPED;
		}
	}
	return CS_OK;
}

/* The bits of inner nodes, moved to their inner numbers. */
static cs_status gather(const struct reach *r, const uint64_t *nodes, uint64_t *inners)
{
	const struct cs_graph *g = r->g;

	for (uint32_t i = 0, nr = 0; i <= g->node_count / 64; i++) {
		for (uint64_t bits = g->words[i].inner; bits; bits &= bits - 1, nr++)
			inners[nr / 64] |= (nodes[i] >> __builtin_ctzll(bits) & 1) << nr % 64;
		if (!(i & LOOK_MASK) && cs_pulse_look(r->pulse)) /* 64 nodes each */
			return CS_STOPPED;
	}
	return CS_OK;
}

/* The other way; inner numbers in `except` stay out. */
static cs_status scatter(const struct reach *r, const uint64_t *except)
{
	const struct cs_graph *g = r->g;

	for (uint32_t i = 0, nr = 0; i <= g->node_count / 64; i++) {
		for (uint64_t bits = g->words[i].inner; bits; bits &= bits - 1, nr++)
			if (has(r->met, nr) && !(except && has(except, nr)))
				r->reached[i] |= bits & -bits;
		if (!(i & LOOK_MASK) && cs_pulse_look(r->pulse)) /* 64 nodes each */
			return CS_STOPPED;
	}
	return CS_OK;
}

static cs_status from_start(struct reach *r, const uint64_t *start)
{
	cs_status st = CS_OK;

	if (!start) {
		for (size_t i = 0; !st && i < r->g->roots.count; i++)
			st = enter(r, cs_graph_code(r->g, r->g->roots.items[i].node));
		return st ? st : follow(r);
	}
	for (uint32_t i = 0; !st && i <= r->g->node_count / 64; i++) {
		for (uint64_t bits = start[i]; !st && bits; bits &= bits - 1) {
			st = enter(r, cs_graph_code(r->g, i * 64 + (uint32_t)__builtin_ctzll(bits)));
			if (!st && r->depth)
				st = follow(r);
		}
		if (!st && !(i & LOOK_MASK / 64) && cs_pulse_look(r->pulse))
			st = CS_STOPPED;
	}
	return st;
}

cs_status cs_graph_reach(const struct cs_graph *g, const uint64_t *start, const uint64_t *walls,
			 uint64_t *reached, struct cs_pulse *pulse, struct cs_error *err)
{
	uint64_t len = cs_graph_bitmap_len(g), inner_len = g->inner_count / 64 + 1;
	struct reach r = { .g = g, .walls = walls, .cap = LANES, .pulse = pulse };
	uint64_t *except = walls ? cs_graph_alloc(inner_len, sizeof(*except)) : NULL;
	cs_status st = CS_NOMEM;

	r.reached = cs_graph_alloc(len, sizeof(*r.reached));
	r.met = cs_graph_alloc(inner_len, sizeof(*r.met));
	r.stack = cs_graph_alloc(r.cap, sizeof(*r.stack));
	if (r.reached && r.met && r.stack && (except || !walls)) {
		st = walls ? gather(&r, walls, except) : CS_OK;
		if (!st && walls)
			memcpy(r.met, except, inner_len * sizeof(*except));
		if (!st)
			st = from_start(&r, start);
	}
	if (!st)
		st = scatter(&r, except);
	if (!st)
		memcpy(reached, r.reached, len * sizeof(*reached));
	cs_graph_free(except);
	cs_graph_free(r.reached);
	cs_graph_free(r.met);
	cs_graph_free(r.stack);
	if (st == CS_STOPPED)
		return cs_pulse_fail(err);
	return st ? cs_fail(err, st, 0, "no memory to walk %" PRIu32 " nodes", g->node_count) : CS_OK;
}

void cs_graph_referrers_init(struct cs_graph_referrers *w, const struct cs_graph *graph,
			     uint32_t node, struct cs_pulse *pulse)
{
	*w = (struct cs_graph_referrers){ .graph = graph, .pulse = pulse,
					  .code = cs_graph_code(graph, node) };
}

/* The first edge at or after `e` with that code, or the number of edges. */
static uint64_t seek(struct cs_graph_referrers *w, uint64_t e, bool *stops)
{
	const struct cs_graph *g = w->graph;
	const uint32_t *edges = g->edges;

	for (; g->edge_count - e >= LANES; e += LANES) {
		uint32_t hits = 0;

		if (!(++w->rounds & LOOK_MASK) && cs_pulse_look(w->pulse)) {
			*stops = true;
			return e;
		}

		for (unsigned i = 0; i < LANES; i++)
			hits |= edges[e + i] == w->code;
		if (hits)
			break;
	}
	while (e < g->edge_count && edges[e] != w->code)
		e++;
	return e;
}

cs_status cs_graph_referrers_next(struct cs_graph_referrers *w, uint32_t *referrer,
				  struct cs_error *err)
{
	const struct cs_graph *g = w->graph;
	bool stops = false;
	uint32_t low = w->inner, high = g->inner_count;

	w->edge = seek(w, w->edge, &stops);
	if (stops)
		return cs_pulse_fail(err);
	if (w->edge == g->edge_count)
		return CS_NOTFOUND;
	while (high - low > 1) { /* first[low] <= edge < first[high] */
		uint32_t middle = low + (high - low) / 2;

		if (g->first[middle] <= w->edge)
			low = middle;
		else
			high = middle;
	}
	*referrer = cs_graph_node(g, low);
	w->inner = low + 1;
	w->edge = g->first[low + 1];
	return CS_OK;
}
