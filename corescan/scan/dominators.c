/* dominators.c - the biggest nodes of the dominator tree, for --dominators.
 *
 * Biggest first: what retains most is handed out, and what stands below it waits
 * with the rest for its turn. Equal siblings (one type, no single one that is half
 * of them) are one row: "968,000 Order". */
#include "base/own.h"
#include "scan/answers.h"
#include "scan/ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1000 };

struct item { /* siblings of one type; often one node */
	uint32_t *members; /* those that have edges: nothing stands below the others */
	size_t member_count;
	uint64_t count, shallow, retained;
	uint32_t example, parent; /* the biggest, and who holds it; parent CS_GRAPH_NONE: above all */
	char *name; /* "": not looked up yet */
	const char *place; /* of the name, in the answer's strings; NULL: none */
	bool in_dict; /* it is the dict of its holder's attributes */
	uint64_t depth; /* levels below the roots, such dicts not counted */
};

struct group { /* children of one type, while they are collected */
	CS_VEC(uint32_t) nodes; /* with edges */
	uint64_t count, shallow, retained, biggest;
	uint32_t type, example, parent;
	uint32_t first, last; /* met */
};

struct tree {
	struct cs_heap_graph *hg;
	CS_VEC(struct item) heap; /* biggest on top */
	CS_VEC(struct group) groups;
	uint32_t *group_of; /* by type, the last for no type: 1 + its row in groups, 0 none yet */
	size_t types;
	struct cs_ways ways;
	struct cs_answer *out;
	bool is_out_of_memory;
};

static void sift_up(struct tree *t, size_t at)
{
	struct item *h = t->heap.items;

	for (; at && h[(at - 1) / 2].retained < h[at].retained; at = (at - 1) / 2) {
		struct item swap = h[at];

		h[at] = h[(at - 1) / 2];
		h[(at - 1) / 2] = swap;
	}
}

static struct item pop(struct tree *t)
{
	struct item *h = t->heap.items, top = h[0];
	size_t n = --t->heap.count, at = 0;

	h[0] = h[n];
	for (;;) {
		size_t big = at, left = 2 * at + 1;

		if (left < n && h[left].retained > h[big].retained)
			big = left;
		if (left + 1 < n && h[left + 1].retained > h[big].retained)
			big = left + 1;
		if (big == at)
			return top;

		struct item swap = h[at];

		h[at] = h[big];
		h[big] = swap;
		at = big;
	}
}

static void push(struct tree *t, struct item item)
{
	if (!item.members || !item.name || !cs_vec_push(&t->heap, item)) {
		t->is_out_of_memory = true;
		free(item.members);
		free(item.name);
		return;
	}
	sift_up(t, t->heap.count - 1);
}

static uint32_t *one(uint32_t node)
{
	uint32_t *members = malloc(sizeof(*members));

	if (members)
		*members = node;
	return members;
}

/* A module's dict goes by the module's name. */
static bool is_globals(struct cs_heap_graph *hg, uint32_t node, uint32_t tag)
{
	const struct cs_root *root = tag < hg->roots.items.count ? &hg->roots.items.items[tag] : NULL;

	return root && root->kind == CS_ROOT_PY_MODULE && cs_node_at(&hg->nodes, root->range.start) != node;
}

static const char *keep_place(struct tree *t, const char *place)
{
	const char *kept = *place ? cs_arena_copy(&t->out->strings, place) : NULL;

	if (*place && !kept)
		t->is_out_of_memory = true;
	return kept;
}

static void push_root_child(struct tree *t, const struct cs_dom_step *step)
{
	char name[CS_NAME_MAX] = "", place[CS_PLACE_MAX] = "";
	uint32_t tag;
	bool has = cs_node_root(t->hg, step->node, &tag);

	if (has)
		cs_root_name(t->hg, tag, step->node, name, place);
	push(t, (struct item){ .members = one(step->node), .member_count = 1, .count = 1,
			       .shallow = cs_heap_graph_len(t->hg, step->node), .depth = 1,
			       .retained = step->retained, .example = step->node,
			       .parent = CS_GRAPH_NONE, .name = strdup(name),
			       .place = keep_place(t, place),
			       .in_dict = is_globals(t->hg, step->node, has ? tag : UINT32_MAX) });
}

static int by_retained(const void *a, const void *b)
{
	const struct cs_dom_step *x = a, *y = b;

	if (x->retained != y->retained)
		return x->retained < y->retained ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

/* What stands directly below all roots: the biggest of it. */
static void push_roots(struct tree *t, size_t most)
{
	CS_VEC(struct cs_dom_step) steps = { 0 };
	struct cs_dom_walk walk;
	struct cs_dom_step step;

	cs_dom_walk_init(&walk, t->hg->dom, CS_GRAPH_NONE, true);
	while (cs_dom_walk_next(&walk, &step) && !cs_pulse_stops(&t->hg->scan->pulse))
		if (step.event != CS_DOM_LEAVE && !cs_vec_push(&steps, step))
			t->is_out_of_memory = true;
	if (steps.count)
		qsort(steps.items, steps.count, sizeof(step), by_retained);
	for (size_t i = 0; i < steps.count && i < most; i++)
		push_root_child(t, &steps.items[i]);
	cs_vec_free(&steps);
}

static struct group *group_of(struct tree *t, uint32_t type)
{
	struct group fresh = { .type = type < t->types ? type : (uint32_t)t->types };
	uint32_t *nr = &t->group_of[fresh.type];

	if (!*nr) {
		if (!cs_vec_push(&t->groups, fresh)) {
			t->is_out_of_memory = true;
			return NULL;
		}
		*nr = (uint32_t)t->groups.count;
	}
	return &t->groups.items[*nr - 1];
}

static void collect(struct tree *t, uint32_t parent, const struct cs_dom_step *step)
{
	struct group *g;

	if (cs_heap_graph_is_owned(t->hg, step->node))
		return; /* its owner's own */
	g = group_of(t, cs_heap_graph_type(t->hg, step->node));
	if (!g)
		return;
	if (step->event == CS_DOM_ENTER) {
		if (!cs_vec_push(&g->nodes, step->node))
			t->is_out_of_memory = true;
		g->shallow += cs_heap_graph_len(t->hg, step->node);
	} else {
		g->shallow += step->retained;
	}
	g->retained += step->retained;
	g->last = step->node;
	if (!g->count++)
		g->first = step->node;
	else if (step->retained < g->biggest)
		return;
	g->biggest = step->retained;
	g->example = step->node;
	g->parent = parent;
}

/* The biggest member alone; its group goes on without it. */
static void push_biggest(struct tree *t, struct group *g, const char *name, bool in_dict,
			 const struct item *above)
{
	uint64_t depth = above->depth + !in_dict;
	uint64_t len = cs_heap_graph_len(t->hg, g->example);

	push(t, (struct item){ .members = one(g->example), .member_count = 1, .count = 1,
			       .shallow = len, .retained = g->biggest, .example = g->example,
			       .parent = g->parent, .name = strdup(name), .in_dict = in_dict,
			       .depth = depth, .place = above->place });
	for (size_t i = 0; i < g->nodes.count; i++)
		if (g->nodes.items[i] == g->example)
			g->nodes.items[i] = g->nodes.items[--g->nodes.count];
	g->count--;
	g->shallow -= len;
	g->retained -= g->biggest;
	g->example = g->example == g->first ? g->last : g->first;
}

/* A group, or its biggest member alone and the rest. */
static void push_group(struct tree *t, const struct item *above, struct group *g)
{
	char name[CS_NAME_MAX];
	struct py_edge edge = { .kind = PY_EDGE_MEMBER, .label = "?" };
	bool alone = g->count == 1 || g->biggest >= g->retained / 2;
	bool known = cs_node_edge(t->hg, g->parent, g->example, &edge);
	bool in_dict = known && cs_edge_is_dict(&edge);
	uint64_t depth = above->depth + !in_dict;

	cs_edge_member(t->hg->scan, cs_node_addr(t->hg, g->parent), &edge);
	if (known)
		cs_name_join(t->hg, above->name, &edge, above->in_dict, !alone, name);
	else
		snprintf(name, sizeof(name), "%.500s ...", above->name);
	if (alone && g->count > 1) {
		push_biggest(t, g, name, in_dict, above);
		if (known)
			cs_name_join(t->hg, above->name, &edge, above->in_dict, true, name);
	}
	push(t, (struct item){ .members = g->nodes.items ? g->nodes.items : one(g->example),
			       .member_count = g->nodes.count, .count = g->count,
			       .shallow = g->shallow, .retained = g->retained, .example = g->example,
			       .parent = g->parent, .name = strdup(name), .in_dict = in_dict,
			       .depth = depth, .place = above->place });
	g->nodes.items = NULL;
}

static void push_children(struct tree *t, const struct item *above)
{
	struct cs_dom_walk walk;
	struct cs_dom_step step;

	cs_dom_walk_init(&walk, t->hg->dom, above->example, true);
	for (size_t i = 0; i < above->member_count; i++) {
		cs_dom_walk_again(&walk, above->members[i]);
		while (cs_dom_walk_next(&walk, &step)) {
			if (cs_pulse_stops(&t->hg->scan->pulse))
				return;
			if (step.event != CS_DOM_LEAVE)
				collect(t, above->members[i], &step);
		}
	}
	for (size_t i = 0; i < t->groups.count; i++) {
		t->group_of[t->groups.items[i].type] = 0;
		push_group(t, above, &t->groups.items[i]);
		free(t->groups.items[i].nodes.items);
	}
	t->groups.count = 0;
}

static bool add_row(struct tree *t, const struct item *item)
{
	char name[CS_NAME_MAX];

	cs_name_whole(item->name, item->place ? item->place : "", name);

	struct cs_holder_row row = {
		.addr = cs_node_addr(t->hg, item->example),
		.type = cs_node_type_name(t->hg, item->example),
		.name = cs_arena_copy(&t->out->strings, name),
		.shallow = item->shallow,
		.retained = item->retained,
		.count = item->count,
	};

	return row.name && cs_vec_push(&t->out->holders, row);
}

/* What no root holds by itself goes by the best way there is to it. */
static cs_status find_name(struct tree *t, struct item *item, struct cs_error *err)
{
	struct cs_way way;
	cs_status st = cs_way_to(&t->ways, item->example, &way, err);
	char *name;

	if (st)
		return st;
	name = strdup(way.is_known ? way.name : "(several holders)");
	if (!name) {
		t->is_out_of_memory = true;
		return CS_OK;
	}
	free(item->name);
	item->name = name;
	item->place = keep_place(t, way.place);
	return CS_OK;
}

/* From the biggest down, until there are enough rows. */
static cs_status fill(struct tree *t, uint64_t most, uint64_t depth, struct cs_error *err)
{
	const struct cs_answer *out = t->out;
	cs_status st = CS_OK;

	push_roots(t, most);
	while (!st && t->heap.count && out->holders.count < most && !t->is_out_of_memory &&
	       !t->hg->scan->pulse.stopped) {
		struct item item = pop(t);
		/* a dict of attributes goes by its holder's name: one row for both */
		bool is_part = item.in_dict && item.parent != CS_GRAPH_NONE;

		if (!*item.name)
			st = find_name(t, &item, err);
		if (!st && !is_part && !add_row(t, &item))
			t->is_out_of_memory = true;
		if (!st && out->holders.count < most && (!depth || item.depth < depth || is_part))
			push_children(t, &item);
		free(item.members);
		free(item.name);
	}
	return st;
}

static void deinit(struct tree *t)
{
	for (size_t i = 0; i < t->heap.count; i++) {
		free(t->heap.items[i].members);
		free(t->heap.items[i].name);
	}
	cs_vec_free(&t->heap);
	for (size_t i = 0; i < t->groups.count; i++)
		free(t->groups.items[i].nodes.items);
	cs_vec_free(&t->groups);
	free(t->group_of);
	cs_ways_deinit(&t->ways);
}

cs_status cs_answer_dominators(struct cs_scan *scan, uint64_t most, uint64_t depth,
			       struct cs_answer *out, struct cs_error *err)
{
	struct tree t = { .out = out };
	cs_status st = cs_scan_graph(scan, &t.hg, err);

	if (st)
		return st;
	t.ways.hg = t.hg;
	t.types = scan->model.types.count;
	t.group_of = calloc(t.types + 1, sizeof(*t.group_of));
	if (!t.group_of)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the dominators");
	st = fill(&t, most && most < ROWS_MAX ? most : ROWS_MAX, depth, err);
	if (!st && t.is_out_of_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the dominators");
	deinit(&t);
	return st ? st : cs_scan_stopped(scan, err);
}
