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

/* The first shared leaf at or behind top; it is looked for around `near`. */
static uint32_t find_shared(const struct cs_dom *dom, uint32_t near, uint32_t top)
{
	uint32_t low = 0, high = dom->shared_count, step = 1;

	if (near < high && shared_up(dom, near) < top) {
		for (low = near + 1; step < high - low && shared_up(dom, low + step) < top; step *= 2)
			low += step;
		high = step < high - low ? low + step : high;
	} else if (near < high) {
		for (high = near; step < high && shared_up(dom, high - step) >= top; step *= 2)
			high -= step;
		low = step < high ? high - step : 0;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (shared_up(dom, middle) < top)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void cs_dom_walk_again(struct cs_dom_walk *w, uint32_t node)
{
	const struct cs_dom *dom = w->dom;
	uint32_t top = 0;

	if (node != CS_GRAPH_NONE) {
		top = cs_graph_is_inner(dom->graph, node) ? dom->pos[cs_graph_inner(dom->graph, node)] : 0;
		if (!top) { /* nothing is below it */
			w->edge = w->edge_end = 0;
			w->top = w->open = w->next = w->end = 0;
			w->at = CS_GRAPH_NONE; /* and no shared leaf */
			return;
		}
	}
	w->shared = find_shared(dom, w->shared, top);
	w->top = top;
	w->next = top + 1;
	w->end = top + dom->span[top];
	open(w, top);
}

void cs_dom_walk_init(struct cs_dom_walk *w, const struct cs_dom *dom, uint32_t node,
		      bool only_children)
{
	*w = (struct cs_dom_walk){ .dom = dom, .only_children = only_children,
				   .shared = dom->shared_count / 2 };
	cs_dom_walk_again(w, node);
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
