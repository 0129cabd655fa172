/* Leaves hang themselves into a finished tree; then sums.
 *
 * A leaf with one referrer is dominated by it. One with several is dominated by
 * their nearest common ancestor, which is that of the first and the last of
 * them in tree order, a and b: the least `up` of the positions after a up to b
 * (each subtree is a run, so the path from b leaves it at a position in that
 * range, and nothing in the range stands above it). Least of a range: blocks of
 * FAN, blocks of blocks, ...: at most 2 FAN log(nodes) / log(FAN) steps. */
#include "graph/graph_dom_build.h"
#include "graph/graph_memory.h"

#include <string.h>

enum { FAN = 16, LEVELS = 9, AHEAD = 16, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

struct least {
	uint32_t *level[LEVELS]; /* [0] is dom->up, borrowed */
	uint32_t count[LEVELS];
	unsigned levels;
};

struct ends { /* of the positions of a leaf's referrers; last 0: not reached */
	uint32_t first, last;
};

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static void least_deinit(struct least *l)
{
	for (unsigned i = 1; i < l->levels; i++)
		cs_graph_free(l->level[i]);
}

static cs_status least_init(struct least *l, const struct cs_dom *dom, struct cs_pulse *pulse)
{
	*l = (struct least){ .level = { dom->up }, .count = { dom->count + 1 }, .levels = 1 };
	while (l->count[l->levels - 1] > FAN) {
		const uint32_t *from = l->level[l->levels - 1];
		uint32_t n = l->count[l->levels - 1];
		uint32_t *to = cs_graph_alloc(n / FAN + 1, sizeof(*to));

		if (!to)
			return CS_NOMEM;
		memset(to, 0xff, (n / FAN + 1) * sizeof(*to));
		l->level[l->levels] = to;
		l->count[l->levels++] = n / FAN + 1; /* FAN ^ LEVELS > nodes */
		for (uint32_t i = 0; i < n; i++) {
			to[i / FAN] = from[i] < to[i / FAN] ? from[i] : to[i / FAN];
			if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
				return CS_STOPPED;
		}
	}
	return CS_OK;
}

/* The least of positions a..b. */
static uint32_t least_of(const struct least *l, uint32_t a, uint32_t b)
{
	uint32_t least = CS_GRAPH_NONE;

	for (unsigned i = 0;; i++, a /= FAN, b /= FAN) {
		const uint32_t *v = l->level[i];

		for (; a <= b && (a % FAN || b - a < FAN); a++)
			least = v[a] < least ? v[a] : least;
		for (; a <= b && b % FAN != FAN - 1; b--)
			least = v[b] < least ? v[b] : least;
		if (a > b || !least)
			return least;
	}
}

/* Every edge from a reached node to a leaf, once. */
static cs_status meet(struct cs_dom *dom, struct ends *ends, struct cs_pulse *pulse)
{
	const struct cs_graph *g = dom->graph;

	for (uint32_t nr = 0; nr < g->inner_count; nr++) {
		uint32_t p = dom->pos[nr];

		if (!(nr & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
		if (!p)
			continue;

		uint64_t own = 0;

		for (uint64_t e = g->first[nr], end = g->first[nr + 1]; e < end; e++) {
			uint32_t leaf = g->edges[e] & ~CS_GRAPH_LEAF;

			__builtin_prefetch(&g->words[(g->edges[e + AHEAD] & ~CS_GRAPH_LEAF) / 64]);
			if (!(e & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
				return CS_STOPPED;
			if (leaf == g->edges[e])
				continue;
			if (cs_graph_is_shared(g, leaf)) {
				struct ends *s = &ends[cs_graph_shared(g, leaf)];

				s->first = s->last && s->first < p ? s->first : p;
				s->last = s->last > p ? s->last : p;
			} else {
				dom->leaf_reached[leaf / 64] |= 1ull << leaf % 64;
				own = add(own, dom->weight(dom->ctx, leaf));
			}
		}
		dom->retained[p] = add(dom->retained[p], own);
	}
	return CS_OK;
}

/* Shared leaves find their dominators; nodes[] become their nodes. */
static cs_status hang(struct cs_dom *dom, struct ends *ends, uint32_t *nodes, struct cs_pulse *pulse)
{
	const struct cs_graph *g = dom->graph;
	struct least least;
	cs_status st = least_init(&least, dom, pulse);
	uint32_t nr = 0;

	for (uint32_t i = 0; !st && i <= g->node_count / 64; i++) {
		for (uint64_t bits = g->words[i].shared; bits; bits &= bits - 1, nr++) {
			uint32_t up = ends[nr].first;

			nodes[nr] = i * 64 + (uint32_t)__builtin_ctzll(bits);
			if (!ends[nr].last) {
				dom->shared_up[nr] = CS_GRAPH_NONE;
				continue;
			}
			if (up && up != ends[nr].last)
				up = least_of(&least, up + 1, ends[nr].last);
			dom->shared_up[nr] = up;
			dom->retained[up] = add(dom->retained[up], dom->weight(dom->ctx, nodes[nr]));
		}
		if (!(i & 63) && cs_pulse_look(pulse)) /* 64 leaves each */
			st = CS_STOPPED;
	}
	least_deinit(&least);
	return st;
}

/* One digit of a radix sort; from and to are numbers of shared leaves. */
static cs_status deal(const struct cs_dom *dom, unsigned shift, const uint32_t *from, uint32_t *to,
		      struct cs_pulse *pulse)
{
	uint32_t start[DIGITS + 1] = { 0 };

	for (uint32_t i = 0; i < dom->shared_count; i++) {
		start[(dom->shared_up[from[i]] >> shift) % DIGITS + 1]++;
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	for (unsigned i = 1; i < DIGITS; i++)
		start[i] += start[i - 1];
	for (uint32_t i = 0; i < dom->shared_count; i++) {
		to[start[(dom->shared_up[from[i]] >> shift) % DIGITS]++] = from[i];
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* dom->shared: reached shared leaves by dominator, then node; nodes[] by number. */
static cs_status sort(struct cs_dom *dom, const uint32_t *nodes, uint32_t *other,
		      struct cs_pulse *pulse)
{
	uint32_t shared = dom->graph->shared_count;
	cs_status st;

	for (uint32_t i = 0; i < shared; i++) {
		if (dom->shared_up[i] != CS_GRAPH_NONE)
			other[dom->shared_count++] = i;
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	st = deal(dom, 0, other, dom->shared, pulse);
	if (!st)
		st = deal(dom, DIGIT_BITS, dom->shared, other, pulse);
	if (!st)
		st = deal(dom, 2 * DIGIT_BITS, other, dom->shared, pulse);
	for (uint32_t i = 0; !st && i < dom->shared_count; i++) {
		dom->shared[i] = nodes[dom->shared[i]];
		if (!(i & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			st = CS_STOPPED;
	}
	return st;
}

static cs_status sum(struct cs_dom *dom, struct cs_pulse *pulse)
{
	for (uint32_t p = dom->count; p; p--) {
		dom->retained[dom->up[p]] = add(dom->retained[dom->up[p]], dom->retained[p]);
		if (!(p & CS_DOM_LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* Leaves that are roots hang from above all. */
static void meet_roots(const struct cs_graph *g, struct ends *ends)
{
	for (size_t i = 0; i < g->roots.count; i++)
		if (!cs_graph_is_inner(g, g->roots.items[i].node))
			ends[cs_graph_shared(g, g->roots.items[i].node)] = (struct ends){ 0, 1 };
}

cs_status cs_dom_leaves(struct cs_dom *dom, struct cs_pulse *pulse)
{
	const struct cs_graph *g = dom->graph;
	struct ends *ends = cs_graph_alloc(g->shared_count, sizeof(*ends));
	uint32_t *nodes = cs_graph_alloc(g->shared_count, sizeof(*nodes)), *other = NULL;
	cs_status st = CS_NOMEM;

	dom->leaf_reached = cs_graph_alloc(g->node_count / 64 + 1, sizeof(*dom->leaf_reached));
	dom->shared_up = cs_graph_alloc(g->shared_count, sizeof(*dom->shared_up));
	if (ends && nodes && dom->leaf_reached && dom->shared_up)
		st = meet(dom, ends, pulse);
	if (!st) {
		meet_roots(g, ends);
		st = hang(dom, ends, nodes, pulse);
	}
	cs_graph_free(ends);
	if (!st) {
		other = cs_graph_alloc(g->shared_count, sizeof(*other));
		dom->shared = cs_graph_alloc(g->shared_count, sizeof(*dom->shared));
		st = other && dom->shared ? sort(dom, nodes, other, pulse) : CS_NOMEM;
	}
	cs_graph_free(nodes);
	cs_graph_free(other);
	return st ? st : sum(dom, pulse);
}
