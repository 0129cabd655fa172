#include "scan/ways.h"

#include "base/own.h"
#include "cpython/py_dict.h"
#include "cpython/py_frame.h"
#include "cpython/py_value.h"
#include "graph/graph_paths.h"
#include "graph/graph_reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEPS_MAX = 256,  /* a longer way says nobody anything */
	TAGS_LOOKED_AT = 16 /* roots among which the best known is chosen */
};

/* Nodes from one with a name to the one that is asked for. */
struct chain {
	uint32_t nodes[STEPS_MAX];
	size_t count;
	uint32_t tag; /* of the root that holds the first; UINT32_MAX: it has its own name */
};

/* A class' own name, as by-type has it; false for everything else. */
static bool class_name(struct cs_heap_graph *hg, uint32_t node, char out[CS_NAME_MAX])
{
	struct py_obj o;

	if (!cs_node_object(hg, node, &o) || !(o.type->flags & PY_FLAG_TYPE))
		return false;
	py_value(hg->scan->py, &o, out, CS_NAME_MAX);
	return *out;
}

struct module_of {
	struct py *py;
	char name[128];
};

static void on_function_edge(void *ctx, const struct py_edge *edge)
{
	struct module_of *m = ctx;

	if (edge->label && !strcmp(edge->label, "__module__") &&
	    !py_str_text(m->py, edge->to, m->name, sizeof(m->name), NULL))
		*m->name = 0;
}

/* The same of a function: "app.views.make.<locals>.handler". */
static bool function_name(struct cs_heap_graph *hg, uint32_t node, char out[CS_NAME_MAX])
{
	struct module_of module = { .py = hg->scan->py };
	char name[300];
	struct py_obj o;

	if (!cs_node_object(hg, node, &o) || strcmp(cs_node_type_name(hg, node), "function"))
		return false;
	py_value(hg->scan->py, &o, name, sizeof(name));
	py_visit_begin(hg->scan->py);
	py_visit(hg->scan->py, &o, on_function_edge, &module);
	snprintf(out, CS_NAME_MAX, "%s%s%s", module.name, *module.name ? "." : "", name);
	return *name;
}

/* Up the dominator tree, while each is a direct reference. */
static cs_status climb(struct cs_heap_graph *hg, uint32_t node, struct chain *out, bool *is_whole,
		       struct cs_error *err)
{
	uint32_t up[STEPS_MAX], parent;
	char name[CS_NAME_MAX];
	struct py_edge edge;
	size_t count = 0;

	*is_whole = false;
	for (;; node = parent) {
		cs_status st;

		if (count == STEPS_MAX)
			return CS_OK;
		up[count++] = node;
		out->tag = UINT32_MAX;
		if (cs_node_root(hg, node, &out->tag) || class_name(hg, node, name))
			break;
		st = cs_dom_parent(hg->dom, node, &hg->scan->pulse, &parent, err);
		if (st)
			return st == CS_NOTFOUND ? CS_OK : st;
		if (parent != CS_GRAPH_NONE && cs_node_edge(hg, parent, node, &edge))
			continue;
		if (function_name(hg, node, name))
			break;
		return CS_OK;
	}
	for (size_t i = 0; i < count; i++)
		out->nodes[i] = up[count - 1 - i];
	out->count = count;
	*is_whole = true;
	return CS_OK;
}

/* The shortest way from the root that says most. */
static cs_status search(struct cs_ways *ways, uint32_t node, struct chain *out, bool *is_whole,
			struct cs_error *err)
{
	struct cs_heap_graph *hg = ways->hg;
	const struct cs_root *roots = hg->roots.items.items;
	cs_autofree uint64_t *target = calloc((size_t)cs_graph_bitmap_len(hg->graph), 8);
	const struct cs_path *found, *best = NULL;
	struct cs_paths *paths;
	size_t count;
	cs_status st = CS_OK;

	*is_whole = false;
	if (!target)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the ways");
	if (!ways->reverse)
		st = cs_graph_reverse_create(hg->graph, &hg->scan->pulse, &ways->reverse, err);
	if (st)
		return st;
	cs_bit_set(target, node);
	st = cs_paths_create(hg->graph, ways->reverse, target, TAGS_LOOKED_AT, &hg->scan->pulse,
			     &paths, err);
	if (st)
		return st;
	found = cs_paths_found(paths, &count);
	for (size_t i = 0; i < count; i++)
		if (!best || cs_root_rank(&roots[found[i].tag]) < cs_root_rank(&roots[best->tag]))
			best = &found[i];
	if (best && best->length <= STEPS_MAX) {
		out->count = 0;
		out->tag = best->tag;
		for (uint32_t n = best->root; n != CS_GRAPH_NONE && out->count < STEPS_MAX;
		     n = cs_paths_next(paths, n))
			out->nodes[out->count++] = n;
		*is_whole = true;
	}
	cs_paths_destroy(paths);
	return CS_OK;
}

static bool is_label(const struct py_edge *edge, const char *label)
{
	return edge->label && !strcmp(edge->label, label);
}

/* What is under way while a name is put together. */
struct telling {
	struct cs_heap_graph *hg;
	struct cs_way *way;
	bool in_dict;	    /* the last was a dict of attributes */
	bool in_cell;	    /* the last is a variable's cell and goes by the variable's name */
	uint32_t function;  /* whose __closure__ the last is; CS_NO_NODE: none */
};

static void tell_step(struct telling *t, uint32_t from, uint32_t to)
{
	struct py *py = t->hg->scan->py;
	char name[CS_NAME_MAX], variable[128];
	struct py_edge edge;
	bool is_cell = false;

	if (!cs_node_edge(t->hg, from, to, &edge)) {
		snprintf(name, sizeof(name), "%.500s ...", t->way->name);
	} else if (t->in_cell && is_label(&edge, "cell_contents")) {
		snprintf(name, sizeof(name), "%s", t->way->name);
	} else if (t->function != CS_NO_NODE && edge.kind == PY_EDGE_INDEX &&
		   py_free_variable(py, cs_node_addr(t->hg, t->function), (uint64_t)edge.index,
				    variable, sizeof(variable))) {
		snprintf(name, sizeof(name), "%.380s.%s", t->way->name, variable);
		is_cell = true;
	} else {
		cs_edge_member(t->hg->scan, cs_node_addr(t->hg, from), &edge);
		cs_name_join(t->hg, t->way->name, &edge, t->in_dict, false, name);
	}
	t->way->is_guess |= edge.hold == PY_GUESS;
	t->in_dict = cs_edge_is_dict(&edge);
	t->in_cell = is_cell;
	t->function = is_label(&edge, "__closure__") ? from : CS_NO_NODE;
	snprintf(t->way->name, sizeof(t->way->name), "%s", name);
}

static void tell(struct cs_heap_graph *hg, const struct chain *chain, struct cs_way *out)
{
	struct telling t = { .hg = hg, .way = out, .function = CS_NO_NODE };
	uint32_t first = chain->nodes[0];
	size_t from = 0;

	/* the last class on it begins the name */
	for (size_t i = 0; i < chain->count; i++)
		if (class_name(hg, chain->nodes[i], out->name)) {
			from = i;
			first = CS_NO_NODE;
		}
	if (first == CS_NO_NODE) {
		class_name(hg, chain->nodes[from], out->name);
	} else if (chain->tag == UINT32_MAX) {
		function_name(hg, first, out->name);
	} else {
		out->root = &hg->roots.items.items[chain->tag];
		out->is_guess = out->root->is_guess;
		cs_root_name(hg, chain->tag, first, out->name, out->place);
		t.in_dict = out->root->kind == CS_ROOT_PY_MODULE &&
			    cs_node_at(&hg->nodes, out->root->range.start) != first;
		t.in_cell = *out->place && !strcmp(cs_node_type_name(hg, first), "cell");
	}
	for (size_t i = from; i + 1 < chain->count && !cs_pulse_stops(&hg->scan->pulse); i++)
		tell_step(&t, chain->nodes[i], chain->nodes[i + 1]);
	out->is_known = true;
}

cs_status cs_way_to(struct cs_ways *ways, uint32_t node, struct cs_way *out, struct cs_error *err)
{
	struct chain chain;
	bool is_whole;
	cs_status st;

	*out = (struct cs_way){ .is_known = false };
	st = climb(ways->hg, node, &chain, &is_whole, err);
	if (!st && !is_whole)
		st = search(ways, node, &chain, &is_whole, err);
	if (!st && is_whole)
		tell(ways->hg, &chain, out);
	return st ? st : cs_scan_stopped(ways->hg->scan, err);
}

void cs_ways_deinit(struct cs_ways *ways)
{
	cs_graph_reverse_destroy(ways->reverse);
	ways->reverse = NULL;
}
