#include "graph/graph_dom_build.h"
#include "graph/graph_memory.h"
#include "graph/graph_reach.h"

#include <stdlib.h>

enum { BACKS_LEAST = 1024 };

static bool build_init(struct dom_build *b, const struct cs_graph *g, struct cs_pulse *pulse)
{
	uint64_t n = g->inner_count + 1ull;

	*b = (struct dom_build){ .g = g, .pulse = pulse, .back_cap = BACKS_LEAST };
	b->number = cs_graph_alloc(n, sizeof(*b->number));
	b->inner = cs_graph_alloc(n, sizeof(*b->inner));
	b->idom = cs_graph_alloc(n, sizeof(*b->idom));
	b->semi = cs_graph_alloc(n, sizeof(*b->semi));
	b->head = cs_graph_alloc(n, sizeof(*b->head));
	b->link = cs_graph_alloc(n, sizeof(*b->link));
	b->backs = cs_graph_alloc(b->back_cap, sizeof(*b->backs));
	return b->number && b->inner && b->idom && b->semi && b->head && b->link && b->backs;
}

static void build_deinit(struct dom_build *b)
{
	cs_graph_free(b->number);
	cs_graph_free(b->inner);
	cs_graph_free(b->idom);
	cs_graph_free(b->semi);
	cs_graph_free(b->head);
	cs_graph_free(b->link);
	cs_graph_free(b->backs);
}

cs_status cs_dom_create(const struct cs_graph *g, cs_graph_weight_fn weight, void *ctx,
			struct cs_pulse *pulse, struct cs_dom **out, struct cs_error *err)
{
	struct cs_dom *dom = calloc(1, sizeof(*dom));
	struct dom_build b;
	bool ok = build_init(&b, g, pulse) && dom;
	cs_status st = ok ? cs_dom_number(&b) : CS_NOMEM;

	if (ok)
		*dom = (struct cs_dom){ .graph = g, .weight = weight, .ctx = ctx };
	if (!st)
		st = cs_dom_solve(&b);
	if (!st)
		st = cs_dom_tree(&b, dom);
	build_deinit(&b);
	if (!st)
		st = cs_dom_leaves(dom, pulse);
	if (!st) {
		*out = dom;
		return CS_OK;
	}
	cs_dom_destroy(dom);
	if (st == CS_STOPPED)
		return cs_pulse_fail(err);
	return cs_fail(err, st, 0, "no memory for the dominators of %" PRIu32 " nodes",
		       g->node_count);
}

void cs_dom_destroy(struct cs_dom *dom)
{
	if (!dom)
		return;
	cs_graph_free(dom->pos);
	cs_graph_free(dom->node);
	cs_graph_free(dom->up);
	cs_graph_free(dom->span);
	cs_graph_free(dom->retained);
	cs_graph_free(dom->leaf_reached);
	cs_graph_free(dom->shared_up);
	cs_graph_free(dom->shared);
	free(dom);
}

bool cs_dom_is_reached(const struct cs_dom *dom, uint32_t node)
{
	const struct cs_graph *g = dom->graph;

	if (cs_graph_is_inner(g, node))
		return dom->pos[cs_graph_inner(g, node)] != 0;
	if (cs_graph_is_shared(g, node))
		return dom->shared_up[cs_graph_shared(g, node)] != CS_GRAPH_NONE;
	return dom->leaf_reached[node / 64] >> node % 64 & 1;
}

uint64_t cs_dom_retained(const struct cs_dom *dom, uint32_t node)
{
	if (node == CS_GRAPH_NONE)
		return dom->retained[0];
	if (!cs_dom_is_reached(dom, node))
		return 0;
	if (cs_graph_is_inner(dom->graph, node))
		return dom->retained[dom->pos[cs_graph_inner(dom->graph, node)]];
	return dom->weight(dom->ctx, node);
}

cs_status cs_dom_parent(const struct cs_dom *dom, uint32_t node, struct cs_pulse *pulse,
			uint32_t *out, struct cs_error *err)
{
	const struct cs_graph *g = dom->graph;
	struct cs_graph_referrers w;

	if (!cs_dom_is_reached(dom, node))
		return CS_NOTFOUND;
	if (cs_graph_is_inner(g, node)) {
		*out = dom->node[dom->up[dom->pos[cs_graph_inner(g, node)]]];
		return CS_OK;
	}
	if (cs_graph_is_shared(g, node)) {
		*out = dom->node[dom->shared_up[cs_graph_shared(g, node)]];
		return CS_OK;
	}
	cs_graph_referrers_init(&w, g, node, pulse);
	return cs_graph_referrers_next(&w, out, err);
}

uint64_t cs_dom_bytes(const struct cs_dom *dom)
{
	return sizeof(*dom) + cs_graph_len(dom->pos) + cs_graph_len(dom->node) +
	       cs_graph_len(dom->up) + cs_graph_len(dom->span) + cs_graph_len(dom->retained) +
	       cs_graph_len(dom->leaf_reached) + cs_graph_len(dom->shared_up) +
	       cs_graph_len(dom->shared);
}
