/* The depth-first walk that dominators stand on.
 *
 * Numbers grow in the order nodes are met, so for an edge v -> w to a node met
 * already: number[w] > number[v] means w was met below v (an edge ahead), less
 * means w is an ancestor or was left before (an edge back). An edge ahead is
 * used up at once, as it only says semi[w] <= v; edges back wait for solve.
 *
 * No stack: link[v].label keeps where v's edges go on, idom[v] who came here. */
#include "graph/graph_dom_build.h"
#include "graph/graph_memory.h"

enum { AHEAD = 4 }; /* edges to look ahead */

static bool add_back(struct dom_build *b, uint32_t to, uint32_t from)
{
	if (b->back_count == b->back_cap) {
		uint64_t cap = b->back_cap * 2;
		struct dom_back *grown = cs_graph_resize(b->backs, cap, sizeof(*grown));

		if (!grown)
			return false;
		b->backs = grown;
		b->back_cap = cap;
	}
	b->backs[b->back_count++] = (struct dom_back){ b->head[to], from };
	b->head[to] = (uint32_t)b->back_count; /* at most CS_GRAPH_EDGES_MAX */
	return true;
}

static uint32_t meet(struct dom_build *b, uint32_t inner, uint32_t from)
{
	uint32_t v = ++b->count;

	b->number[inner] = v;
	b->inner[v] = inner;
	b->idom[v] = b->semi[v] = b->link[v].up = from;
	return v;
}

static void look_ahead(const struct dom_build *b, uint64_t e)
{
	uint32_t soon = b->g->edges[e];

	if (!(soon & CS_GRAPH_LEAF)) {
		__builtin_prefetch(&b->number[soon]);
		__builtin_prefetch(&b->g->first[soon]);
	}
}

/* Everything below v, which was just met. */
static cs_status descend(struct dom_build *b, uint32_t v, uint32_t *rounds)
{
	const uint32_t *edges = b->g->edges, *first = b->g->first;
	uint64_t e = first[b->inner[v]], end = first[b->inner[v] + 1];

	while (v) {
		if (!(++*rounds & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
			return CS_STOPPED;
		if (e == end) { /* back to where we came from */
			v = b->idom[v];
			e = b->link[v].label;
			end = v ? first[b->inner[v] + 1] : 0;
			continue;
		}

		uint32_t to = edges[e++];

		look_ahead(b, e + AHEAD);
		if (to & CS_GRAPH_LEAF)
			continue;

		uint32_t w = b->number[to];

		if (!w) {
			b->link[v].label = (uint32_t)e;
			v = meet(b, to, v);
			e = first[to];
			end = first[to + 1];
			for (unsigned i = 0; i < AHEAD; i++)
				look_ahead(b, e + i);
		} else if (w > v) {
			b->semi[w] = v < b->semi[w] ? v : b->semi[w];
		} else if (w < v && !add_back(b, w, v)) {
			return CS_NOMEM;
		}
	}
	return CS_OK;
}

cs_status cs_dom_number(struct dom_build *b)
{
	const struct cs_graph *g = b->g;
	uint32_t rounds = 0;

	for (size_t i = 0; i < g->roots.count; i++) {
		uint32_t node = g->roots.items[i].node;

		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
			return CS_STOPPED;
		if (!cs_graph_is_inner(g, node))
			continue;

		uint32_t inner = cs_graph_inner(g, node);

		if (b->number[inner]) {
			b->semi[b->number[inner]] = 0;
			continue;
		}

		cs_status st = descend(b, meet(b, inner, 0), &rounds);

		if (st)
			return st;
	}
	return CS_OK;
}
