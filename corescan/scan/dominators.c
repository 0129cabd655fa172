/* dominators.c - the biggest nodes of the dominator tree, for --dominators.
 *
 * Biggest first: what retains most is handed out, and what stands below it waits
 * with the rest for its turn. Equal siblings (one type, no single one that is half
 * of them) are one row: "968,000 Order". */
#include "base/own.h"
#include "scan/answers.h"
#include "scan/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1000, SKIP_PARTS = 2 };

struct item { /* siblings of one type; often one node */
	uint32_t *members;
	size_t count;
	uint64_t retained, biggest;
	uint32_t example, parent; /* the biggest, and who holds it; parent CS_GRAPH_NONE: above all */
	char *name;
	bool in_dict; /* it is the dict of its holder's attributes */
};

struct group { /* children of one type, while they are collected */
	CS_VEC(uint32_t) nodes;
	uint64_t retained, biggest;
	uint32_t type, example, parent;
};

struct tree {
	struct cs_heap_graph *hg;
	CS_VEC(struct item) heap; /* biggest on top */
	CS_VEC(struct group) groups;
	struct cs_map group_by_type;
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

static void push_root_child(struct tree *t, const struct cs_dom_step *step)
{
	char name[CS_NAME_MAX] = "(several holders)";
	uint32_t tag;
	bool has = cs_node_root(t->hg, step->node, &tag);

	if (has)
		cs_root_name(t->hg, tag, step->node, name);
	push(t, (struct item){ .members = one(step->node), .count = 1, .retained = step->retained,
			       .example = step->node, .parent = CS_GRAPH_NONE, .name = strdup(name),
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

static void collect(struct tree *t, uint32_t parent, const struct cs_dom_step *step)
{
	uint32_t type = cs_heap_graph_type(t->hg, step->node), nr;
	struct group *g;

	if (type == CS_NO_TYPE) {
		struct cs_block block;

		cs_node_block(&t->hg->nodes, step->node, &block);
		if (block.state == CS_BLOCK_OWNED)
			return; /* its owner's own */
	}
	if (!cs_map_get(&t->group_by_type, type + 1ull, &nr)) {
		struct group fresh = { .type = type };

		nr = (uint32_t)t->groups.count;
		if (!cs_vec_push(&t->groups, fresh) || !cs_map_put(&t->group_by_type, type + 1ull, nr)) {
			t->is_out_of_memory = true;
			return;
		}
	}
	g = &t->groups.items[nr];
	if (!cs_vec_push(&g->nodes, step->node))
		t->is_out_of_memory = true;
	g->retained += step->retained;
	if (step->retained < g->biggest && g->nodes.count > 1)
		return;
	g->biggest = step->retained;
	g->example = step->node;
	g->parent = parent;
}

/* A group, or its biggest member alone and the rest. */
static void push_group(struct tree *t, const struct item *above, struct group *g)
{
	char name[CS_NAME_MAX];
	struct py_edge edge = { .kind = PY_EDGE_MEMBER, .label = "?" };
	bool alone = g->nodes.count == 1 || g->biggest >= g->retained / 2;
	bool known = cs_node_edge(t->hg, g->parent, g->example, &edge);
	bool in_dict = known && cs_edge_is_dict(&edge);

	if (known)
		cs_name_join(t->hg, above->name, &edge, above->in_dict, !alone, name);
	else
		snprintf(name, sizeof(name), "%.500s ...", above->name);
	if (!alone || g->nodes.count == 1) {
		push(t, (struct item){ .members = g->nodes.items, .count = g->nodes.count,
				       .retained = g->retained, .example = g->example,
				       .parent = g->parent, .name = strdup(name), .in_dict = in_dict });
		g->nodes.items = NULL;
		return;
	}
	push(t, (struct item){ .members = one(g->example), .count = 1, .retained = g->biggest,
			       .example = g->example, .parent = g->parent, .name = strdup(name),
			       .in_dict = in_dict });
	for (size_t i = 0; i < g->nodes.count; i++)
		if (g->nodes.items[i] == g->example)
			g->nodes.items[i] = g->nodes.items[--g->nodes.count];
	if (known)
		cs_name_join(t->hg, above->name, &edge, above->in_dict, true, name);
	push(t, (struct item){ .members = g->nodes.items, .count = g->nodes.count,
			       .retained = g->retained - g->biggest, .example = g->nodes.items[0],
			       .parent = g->parent, .name = strdup(name), .in_dict = in_dict });
	g->nodes.items = NULL;
}

static void push_children(struct tree *t, const struct item *above)
{
	struct cs_dom_walk walk;
	struct cs_dom_step step;

	for (size_t i = 0; i < above->count; i++) {
		cs_dom_walk_init(&walk, t->hg->dom, above->members[i], true);
		while (cs_dom_walk_next(&walk, &step)) {
			if (cs_pulse_stops(&t->hg->scan->pulse))
				return;
			if (step.event != CS_DOM_LEAVE)
				collect(t, above->members[i], &step);
		}
	}
	for (size_t i = 0; i < t->groups.count; i++) {
		if (t->groups.items[i].nodes.count)
			push_group(t, above, &t->groups.items[i]);
		free(t->groups.items[i].nodes.items);
	}
	t->groups.count = 0;
	cs_map_deinit(&t->group_by_type);
	t->group_by_type = (struct cs_map){ 0 };
}

static uint64_t shallow_of(struct cs_heap_graph *hg, const struct item *item)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < item->count; i++)
		sum += cs_heap_graph_len(hg, item->members[i]);
	return sum;
}

static bool add_row(struct tree *t, const struct item *item, struct cs_answer *out)
{
	struct cs_holder_row row = {
		.addr = cs_node_addr(t->hg, item->example),
		.type = cs_node_type_name(t->hg, item->example),
		.name = cs_arena_text(&out->strings, item->name, strlen(item->name)),
		.shallow = shallow_of(t->hg, item),
		.retained = item->retained,
		.count = item->count,
	};

	return row.name && cs_vec_push(&out->holders, row);
}

cs_status cs_answer_dominators(struct cs_scan *scan, uint64_t most, struct cs_answer *out,
			       struct cs_error *err)
{
	struct tree t = { 0 };
	cs_status st = cs_scan_graph(scan, &t.hg, err);

	if (st)
		return st;
	most = most && most < ROWS_MAX ? most : ROWS_MAX;
	push_roots(&t, most);
	while (t.heap.count && out->holders.count < most && !t.is_out_of_memory &&
	       !scan->pulse.stopped) {
		struct item item = pop(&t);

		/* a dict of attributes goes by its holder's name: one row for both */
		if ((!item.in_dict || item.parent == CS_GRAPH_NONE) && !add_row(&t, &item, out))
			t.is_out_of_memory = true;
		push_children(&t, &item);
		free(item.members);
		free(item.name);
	}
	for (size_t i = 0; i < t.heap.count; i++) {
		free(t.heap.items[i].members);
		free(t.heap.items[i].name);
	}
	cs_vec_free(&t.heap);
	cs_vec_free(&t.groups);
	cs_map_deinit(&t.group_by_type);
	if (scan->pulse.stopped)
		return cs_pulse_fail(err);
	return t.is_out_of_memory ? cs_fail(err, CS_NOMEM, 0, "no memory for the dominators") : CS_OK;
}
