/* Positions are depth-first order, so a walk needs no stack: a subtree is over when the
 * next position lies behind its run. */
#include "graph/graph_dom_build.h"

static uint32_t shared_up(const struct cs_dom *dom, uint32_t i)
{
	return dom->shared_up[cs_graph_shared(dom->graph, dom->shared[i])];
}

/* From now on, the leaves of `at`. */
static void open(struct cs_dom_walk *w, uint32_t at)
{
	const struct cs_dom *dom = w->dom;

	w->at = w->open = at;
	w->edge = w->edge_end = 0;
	if (!at)
		return;

	uint32_t inner = cs_graph_inner(dom->graph, dom->node[at]);

	w->edge = dom->graph->first[inner];
	w->edge_end = dom->graph->first[inner + 1];
}

void cs_dom_walk_init(struct cs_dom_walk *w, const struct cs_dom *dom, uint32_t node,
		      bool only_children)
{
	uint32_t low = 0, high = dom->shared_count, top = 0;

	*w = (struct cs_dom_walk){ .dom = dom, .only_children = only_children };
	if (node != CS_GRAPH_NONE) {
		if (!cs_graph_is_inner(dom->graph, node) || !cs_dom_is_reached(dom, node)) {
			w->shared = UINT32_MAX;
			return;
		}
		top = dom->pos[cs_graph_inner(dom->graph, node)];
	}
	while (low < high) { /* the first shared leaf at or behind top */
		uint32_t middle = low + (high - low) / 2;

		if (shared_up(dom, middle) < top)
			low = middle + 1;
		else
			high = middle;
	}
	w->shared = low;
	w->top = top;
	w->next = top + 1;
	w->end = top + dom->span[top];
	open(w, top);
}

static bool next_leaf(struct cs_dom_walk *w, uint32_t *leaf)
{
	const struct cs_dom *dom = w->dom;

	while (w->edge < w->edge_end) {
		uint32_t code = dom->graph->edges[w->edge++];

		*leaf = code & ~CS_GRAPH_LEAF;
		if (code & CS_GRAPH_LEAF && !cs_graph_is_shared(dom->graph, *leaf))
			return true;
	}
	if (w->shared >= dom->shared_count || shared_up(dom, w->shared) != w->at)
		return false;
	*leaf = dom->shared[w->shared++];
	return true;
}

bool cs_dom_walk_next(struct cs_dom_walk *w, struct cs_dom_step *step)
{
	const struct cs_dom *dom = w->dom;
	uint32_t next = w->next, leaf;

	if (next_leaf(w, &leaf)) {
		*step = (struct cs_dom_step){ CS_DOM_LEAF, leaf, dom->weight(dom->ctx, leaf) };
		return true;
	}
	if (!w->only_children && w->open != w->top && next == w->open + dom->span[w->open]) {
		*step = (struct cs_dom_step){ CS_DOM_LEAVE, dom->node[w->open], 0 };
		w->open = dom->up[w->open];
		return true;
	}
	if (next >= w->end)
		return false;
	*step = (struct cs_dom_step){ CS_DOM_ENTER, dom->node[next], dom->retained[next] };
	w->next = w->only_children ? next + dom->span[next] : next + 1;
	if (!w->only_children)
		open(w, next);
	return true;
}
