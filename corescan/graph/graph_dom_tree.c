/* From immediate dominators by number to positions in the dominator tree. */
#include "graph/graph_dom_build.h"
#include "base/own.h"
#include "graph/graph_memory.h"

static bool stops(struct cs_pulse *pulse, uint32_t i)
{
	return !(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse);
}

/* semi[number] becomes its position, link[number].label the size of its subtree.
 * A dominator's number is less than those it dominates, so two sweeps do. */
static cs_status place(struct dom_build *b)
{
	struct dom_link *link = b->link;
	uint32_t *pos = b->semi;

	for (uint32_t i = 0; i <= b->count; i++) {
		link[i].label = 1;
		if (stops(b->pulse, i))
			return CS_STOPPED;
	}
	for (uint32_t i = b->count; i; i--) {
		link[b->idom[i]].label += link[i].label;
		if (stops(b->pulse, i))
			return CS_STOPPED;
	}
	pos[0] = 0;
	link[0].up = 1; /* the first position its next child gets */
	for (uint32_t i = 1; i <= b->count; i++) {
		struct dom_link *parent = &link[b->idom[i]];

		pos[i] = parent->up;
		parent->up += link[i].label;
		link[i].up = pos[i] + 1;
		if (stops(b->pulse, i))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* From arrays by number to arrays by position: head holds up, inner span. */
static cs_status arrange(struct dom_build *b, struct cs_dom *dom)
{
	const uint32_t *pos = b->semi;

	dom->up = cs_steal(b->head);
	dom->span = cs_steal(b->inner);
	for (uint32_t i = 0; i <= b->count; i++) {
		dom->up[pos[i]] = pos[b->idom[i]];
		dom->span[pos[i]] = b->link[i].label;
		if (stops(b->pulse, i))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* By inner number: pos; by position: node and its own weight. */
static cs_status name(struct dom_build *b, struct cs_dom *dom)
{
	const struct cs_graph *g = b->g;
	const uint32_t *pos = b->semi;

	dom->node = cs_steal(b->idom);
	dom->pos = cs_steal(b->number);
	dom->retained = (uint64_t *)cs_steal(b->link);
	dom->node[0] = CS_GRAPH_NONE;
	dom->retained[0] = 0;
	for (uint32_t i = 0, nr = 0; i <= g->node_count / 64; i++) {
		for (uint64_t bits = g->words[i].inner; bits; bits &= bits - 1, nr++) {
			uint32_t p = pos[dom->pos[nr]];

			dom->pos[nr] = p;
			if (!p)
				continue;
			dom->node[p] = i * 64 + (uint32_t)__builtin_ctzll(bits);
			dom->retained[p] = dom->weight(dom->ctx, dom->node[p]);
		}
		if (!(i & 255) && cs_pulse_look(b->pulse)) /* 64 nodes each */
			return CS_STOPPED;
	}
	return CS_OK;
}

cs_status cs_dom_tree(struct dom_build *b, struct cs_dom *dom)
{
	cs_status st = place(b);

	dom->count = b->count;
	cs_graph_free(cs_steal(b->backs));
	if (!st)
		st = arrange(b, dom);
	if (!st)
		st = name(b, dom);
	cs_graph_free(cs_steal(b->semi));
	return st;
}
