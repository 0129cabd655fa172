/* Immediate dominators from depth-first numbers: semi-NCA (Georgiadis, Tarjan, Werneck,
 * Finding Dominators in Practice, 2006), whose two stages are bounded like this:
 *
 * 1 Semidominators, from the last number to the first, by path compression without
 *   balancing: O(edges log nodes) at worst, as in Lengauer and Tarjan's simple version.
 * 2 The dominator of v is the nearest ancestor of its parent, in the tree made so far,
 *   with a number <= semi[v]. Climbing step by step is quadratic on some graphs, so
 *   after CLIMBS steps a node the rest climbs by skipping (Myers, An Applicative
 *   Random-Access Stack, 1983): O(log nodes) each. */
#include "graph/graph_dom_build.h"

enum {
	CLIMBS = 4,
	LONG_MASK = 0x3ffff, /* steps of one path between two looks: 1 to 10 ms */
	AHEAD = 6,	     /* numbers to look ahead */
};

/* The least semidominator on v's path up to, not including, the first number <= done.
 * The path is turned round on the way up and made short on the way down. *stops is set when
 * a path is long and the pulse ended; nothing holds then. */
static uint32_t least(struct dom_build *b, uint32_t v, uint32_t done, bool *stops)
{
	struct dom_link *link = b->link;
	uint32_t below = 0, up, steps = 0;

	while ((up = link[v].up) > done) {
		link[v].up = below;
		below = v;
		v = up;
		if (!(++steps & LONG_MASK) && cs_pulse_look(b->pulse)) {
			*stops = true;
			return 0;
		}
	}

	uint32_t label = link[v].label;

	while (below) {
		uint32_t w = below;

		below = link[w].up;
		link[w].up = up;
		if (label < link[w].label)
			link[w].label = label;
		else
			label = link[w].label;
		if (!(++steps & LONG_MASK) && cs_pulse_look(b->pulse))
			*stops = true;
	}
	return label;
}

static void look_ahead(const struct dom_build *b, uint32_t i)
{
	if (i > 2 * AHEAD && b->head[i - 2 * AHEAD])
		__builtin_prefetch(&b->backs[b->head[i - 2 * AHEAD] - 1]);
	if (i > AHEAD && b->head[i - AHEAD])
		__builtin_prefetch(&b->link[b->backs[b->head[i - AHEAD] - 1].from]);
}

static cs_status semidominators(struct dom_build *b)
{
	uint32_t rounds = 0;
	bool stops = false;

	for (uint32_t i = b->count; i; i--) {
		uint32_t semi = b->semi[i];

		look_ahead(b, i);
		for (uint32_t e = b->head[i]; e && semi; e = b->backs[e - 1].next) {
			uint32_t other = least(b, b->backs[e - 1].from, i, &stops);

			semi = other < semi ? other : semi;
			if (!(++rounds & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
				stops = true;
			if (stops)
				return CS_STOPPED;
		}
		b->semi[i] = b->link[i].label = semi;
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* From here on link[v] is: up, an ancestor to skip to; label, the depth. */
static void hang(struct dom_link *link, uint32_t v, uint32_t parent)
{
	uint32_t skip = link[parent].up;
	uint32_t near = link[parent].label - link[skip].label;
	uint32_t far = link[skip].label - link[link[skip].up].label;

	link[v].up = near == far ? link[skip].up : parent;
	link[v].label = link[parent].label + 1;
}

static cs_status climb_skipping(struct dom_build *b, uint32_t from)
{
	struct dom_link *link = b->link;

	link[0] = (struct dom_link){ 0, 0 };
	for (uint32_t i = 1; i <= b->count; i++) {
		uint32_t v = b->idom[i];

		if (i >= from)
			while (v > b->semi[i])
				v = link[v].up > b->semi[i] ? link[v].up : b->idom[v];
		b->idom[i] = v;
		hang(link, i, v);
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

cs_status cs_dom_solve(struct dom_build *b)
{
	cs_status st = semidominators(b);
	uint64_t steps = 0, most = (uint64_t)b->count * CLIMBS;

	if (st)
		return st;
	for (uint32_t i = 1; i <= b->count; i++) {
		uint32_t v = b->idom[i];

		for (; v > b->semi[i] && steps <= most; steps++)
			v = b->idom[v];
		if (steps > most)
			return climb_skipping(b, i);
		b->idom[i] = v;
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(b->pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}
