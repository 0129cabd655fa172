#include "graph/graph_paths.h"
#include "base/map.h"
#include "graph/graph_memory.h"

#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MASK = 4095, /* rounds between two looks at the clock, less than 1 ms */
	AHEAD = 16,	  /* edges to look ahead */
	QUEUE_LEAST = 1024,
};

struct cs_graph_reverse {
	uint32_t *first; /* of an inner node: its first referrer; one more at the end */
	uint32_t *from;	 /* inner numbers, ascending for each node */
};

struct cs_paths {
	const struct cs_graph *g;
	uint32_t *hop; /* of an inner node: ~code of the next node, its own at the target; 0: none */
	CS_VEC(struct cs_path) found;
};

struct search {
	struct cs_paths *p;
	const struct cs_graph_reverse *reverse;
	const uint64_t *targets;
	struct cs_graph_root *roots; /* sorted by node, tag */
	uint64_t *is_root;	     /* bitmap of inner numbers */
	struct cs_map by_tag;	     /* 1 + tag to its index in found */
	uint32_t *queue;	     /* inner numbers, each once, in order of distance */
	uint32_t count, cap, distance, rounds;
	struct cs_pulse *pulse;
};

/* ---- the edges the other way round ---- */

void cs_graph_reverse_destroy(struct cs_graph_reverse *reverse)
{
	if (!reverse)
		return;
	cs_graph_free(reverse->first);
	cs_graph_free(reverse->from);
	free(reverse);
}

/* first[] become how many have that number or a lower one. */
static cs_status count_edges(const struct cs_graph *g, uint32_t *first, struct cs_pulse *pulse)
{
	for (uint64_t e = 0; e < g->edge_count; e++) {
		if (!(g->edges[e] & CS_GRAPH_LEAF))
			first[g->edges[e]]++;
		if (!(e & LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	for (uint32_t i = 1; i <= g->inner_count; i++) {
		first[i] += first[i - 1];
		if (!(i & LOOK_MASK) && cs_pulse_look(pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* Each edge takes the last free place of its target, so from the last to the first. */
static cs_status turn_edges(const struct cs_graph *g, struct cs_graph_reverse *r,
			    struct cs_pulse *pulse)
{
	for (uint32_t nr = g->inner_count; nr--;)
		for (uint64_t e = g->first[nr + 1]; e-- > g->first[nr];) {
			uint32_t soon = g->edges[e < AHEAD ? e : e - AHEAD];

			if (!(soon & CS_GRAPH_LEAF))
				__builtin_prefetch(&r->first[soon], 1);
			if (!(g->edges[e] & CS_GRAPH_LEAF))
				r->from[--r->first[g->edges[e]]] = nr;
			if (!(e & LOOK_MASK) && cs_pulse_look(pulse))
				return CS_STOPPED;
		}
	return CS_OK;
}

cs_status cs_graph_reverse_create(const struct cs_graph *g, struct cs_pulse *pulse,
				  struct cs_graph_reverse **out, struct cs_error *err)
{
	struct cs_graph_reverse *r = calloc(1, sizeof(*r));
	cs_status st = CS_NOMEM;

	if (r)
		r->first = cs_graph_alloc(g->inner_count + 1ull, sizeof(*r->first));
	if (r && r->first)
		st = count_edges(g, r->first, pulse);
	if (!st) {
		r->from = cs_graph_alloc(r->first[g->inner_count], sizeof(*r->from));
		st = r->from ? turn_edges(g, r, pulse) : CS_NOMEM;
	}
	if (!st) {
		*out = r;
		return CS_OK;
	}
	cs_graph_reverse_destroy(r);
	return st == CS_STOPPED ? cs_pulse_fail(err) :
				  cs_fail(err, st, 0, "no memory to turn %" PRIu64 " edges round",
					  g->edge_count);
}

/* ---- the search ---- */

static bool has(const uint64_t *bits, uint32_t nr)
{
	return bits[nr / 64] >> nr % 64 & 1;
}

static int by_node(const void *a, const void *b)
{
	const struct cs_graph_root *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return (x->tag > y->tag) - (x->tag < y->tag);
}

static int by_length(const void *a, const void *b)
{
	const struct cs_path *x = a, *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return (x->tag > y->tag) - (x->tag < y->tag);
}

/* A way from this root, `s->distance` nodes long. */
static cs_status find(struct search *s, struct cs_graph_root root)
{
	uint32_t i;
	struct cs_path path = { root.node, root.tag, s->distance };

	if (cs_map_get(&s->by_tag, root.tag + 1ull, &i)) {
		struct cs_path *known = &s->p->found.items[i];

		if (known->length == path.length && path.root < known->root)
			*known = path;
		return CS_OK;
	}
	if (!cs_map_put(&s->by_tag, root.tag + 1ull, (uint32_t)s->p->found.count) ||
	    !cs_vec_push(&s->p->found, path))
		return CS_NOMEM;
	return CS_OK;
}

/* All tags of a node that is a root. */
static cs_status find_node(struct search *s, uint32_t node)
{
	size_t low = 0, high = s->p->g->roots.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->roots[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}

	cs_status st = CS_OK;

	for (; !st && low < s->p->g->roots.count && s->roots[low].node == node; low++)
		st = find(s, s->roots[low]);
	return st;
}

/* An inner node from which it goes on to `code`. */
static cs_status meet(struct search *s, uint32_t nr, uint32_t code)
{
	if (s->p->hop[nr])
		return CS_OK;
	s->p->hop[nr] = ~code;
	if (s->count == s->cap) {
		uint32_t *grown = cs_graph_resize(s->queue, 2ull * s->cap, sizeof(*grown));

		if (!grown)
			return CS_NOMEM;
		s->queue = grown;
		s->cap *= 2;
	}
	s->queue[s->count++] = nr;
	return has(s->is_root, nr) ? find_node(s, cs_graph_node(s->p->g, nr)) : CS_OK;
}

/* The targets themselves; *leaves: are there some without edges? */
static cs_status begin(struct search *s, bool *leaves)
{
	const struct cs_graph *g = s->p->g;
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < g->roots.count; i++) {
		uint32_t node = s->roots[i].node;

		if (cs_graph_is_inner(g, node)) {
			uint32_t nr = cs_graph_inner(g, node);

			s->is_root[nr / 64] |= 1ull << nr % 64;
		} else if (has(s->targets, node)) {
			st = find(s, s->roots[i]);
		}
	}
	*leaves = false;
	for (uint32_t i = 0; !st && i <= g->node_count / 64; i++) {
		uint64_t inner = g->words[i].inner & s->targets[i];

		*leaves |= inner != s->targets[i];
		for (; !st && inner; inner &= inner - 1) {
			uint32_t node = i * 64 + (uint32_t)__builtin_ctzll(inner);
			uint32_t nr = cs_graph_inner(g, node);

			st = meet(s, nr, nr);
		}
		if (!st && !(i & LOOK_MASK / 64) && cs_pulse_look(s->pulse))
			st = CS_STOPPED;
	}
	return st;
}

/* Referrers of leaves among the targets: in no index, so all edges are looked at. */
static cs_status expand_leaves(struct search *s)
{
	const struct cs_graph *g = s->p->g;
	cs_status st = CS_OK;

	for (uint32_t nr = 0; nr < g->inner_count; nr++)
		for (uint64_t e = g->first[nr], end = g->first[nr + 1]; e < end; e++) {
			uint32_t code = g->edges[e];

			if (code & CS_GRAPH_LEAF && has(s->targets, code & ~CS_GRAPH_LEAF))
				st = meet(s, nr, code);
			if (!st && !(e & LOOK_MASK) && cs_pulse_look(s->pulse))
				st = CS_STOPPED;
			if (st)
				return st;
		}
	return CS_OK;
}

/* Referrers of queue[from..to). */
static cs_status expand(struct search *s, uint32_t from, uint32_t to)
{
	for (; from < to; from++) {
		uint32_t nr = s->queue[from];
		uint64_t end = s->reverse->first[nr + 1];

		for (uint64_t e = s->reverse->first[nr]; e < end; e++) {
			cs_status st = meet(s, s->reverse->from[e], nr);

			if (st)
				return st;
			if (!(++s->rounds & LOOK_MASK) && cs_pulse_look(s->pulse))
				return CS_STOPPED;
		}
		if (!(++s->rounds & LOOK_MASK) && cs_pulse_look(s->pulse))
			return CS_STOPPED;
	}
	return CS_OK;
}

/* Distance by distance, until as many tags are found as there are or are wanted. */
static cs_status search(struct search *s, uint64_t wanted)
{
	uint32_t from = 0, to;
	bool leaves;

	s->distance = 1;

	cs_status st = begin(s, &leaves);

	while (!st && s->p->found.count < wanted && (from < s->count || leaves)) {
		to = s->count;
		s->distance++;
		if (leaves)
			st = expand_leaves(s);
		leaves = false;
		if (!st)
			st = expand(s, from, to);
		from = to;
	}
	return st;
}

/* How many distinct tags the roots have. */
static cs_status count_tags(const struct cs_graph *g, uint64_t *count)
{
	struct cs_map tags = { .count = 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < g->roots.count; i++)
		ok = cs_map_put(&tags, g->roots.items[i].tag + 1ull, 0);
	*count = tags.count;
	cs_map_deinit(&tags);
	return ok ? CS_OK : CS_NOMEM;
}

static cs_status search_init(struct search *s, const struct cs_graph *g)
{
	s->cap = QUEUE_LEAST;
	s->p = calloc(1, sizeof(*s->p));
	s->roots = calloc(g->roots.count + 1, sizeof(*s->roots));
	s->is_root = cs_graph_alloc(g->inner_count / 64 + 1, sizeof(*s->is_root));
	s->queue = cs_graph_alloc(s->cap, sizeof(*s->queue));
	if (!s->p || !s->roots || !s->is_root || !s->queue)
		return CS_NOMEM;
	s->p->g = g;
	s->p->hop = cs_graph_alloc(g->inner_count, sizeof(*s->p->hop));
	if (g->roots.count) {
		memcpy(s->roots, g->roots.items, g->roots.count * sizeof(*s->roots));
		qsort(s->roots, g->roots.count, sizeof(*s->roots), by_node);
	}
	return s->p->hop ? CS_OK : CS_NOMEM;
}

cs_status cs_paths_create(const struct cs_graph *g, const struct cs_graph_reverse *reverse,
			  const uint64_t *targets, uint32_t most, struct cs_pulse *pulse,
			  struct cs_paths **out, struct cs_error *err)
{
	struct search s = { .reverse = reverse, .targets = targets, .pulse = pulse };
	cs_status st = search_init(&s, g);
	uint64_t wanted;

	if (!st)
		st = count_tags(g, &wanted);
	if (!st)
		st = search(&s, most && most < wanted ? most : wanted);
	free(s.roots);
	cs_graph_free(s.is_root);
	cs_graph_free(s.queue);
	cs_map_deinit(&s.by_tag);
	if (st) {
		cs_paths_destroy(s.p);
		return st == CS_STOPPED ? cs_pulse_fail(err) :
					  cs_fail(err, st, 0, "no memory to look for roots");
	}
	if (s.p->found.count)
		qsort(s.p->found.items, s.p->found.count, sizeof(*s.p->found.items), by_length);
	if (most && s.p->found.count > most)
		s.p->found.count = most;
	*out = s.p;
	return CS_OK;
}

void cs_paths_destroy(struct cs_paths *paths)
{
	if (!paths)
		return;
	cs_graph_free(paths->hop);
	cs_vec_free(&paths->found);
	free(paths);
}

const struct cs_path *cs_paths_found(const struct cs_paths *paths, size_t *count)
{
	*count = paths->found.count;
	return paths->found.items;
}

uint32_t cs_paths_next(const struct cs_paths *paths, uint32_t node)
{
	if (!cs_graph_is_inner(paths->g, node))
		return CS_GRAPH_NONE;

	uint32_t nr = cs_graph_inner(paths->g, node), code = ~paths->hop[nr];

	return code == nr ? CS_GRAPH_NONE : cs_graph_target(paths->g, code);
}
