/* why.c - shortest ways from the roots to something, for --why. */
#include "graph/graph_paths.h"
#include "graph/graph_reach.h"
#include "scan/answers.h"
#include "scan/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOTS_MAX = 5, STEPS_MAX = 10000 };

static bool add_step(struct cs_answer *out, const char *from, const char *edge, cs_addr to,
		     const char *type)
{
	struct cs_step_row row = { cs_arena_copy(&out->strings, from),
				   cs_arena_copy(&out->strings, edge), type, to };

	return row.from && row.edge && cs_vec_push(&out->steps, row);
}

/* The first step: from the root itself. *to is the node after it; then where the next begins. */
static bool add_root(struct cs_heap_graph *hg, const struct cs_path *path, uint32_t *to,
		     struct cs_answer *out)
{
	const struct cs_root *root = &hg->roots.items.items[path->tag];
	char text[CS_NAME_MAX], edge_text[160] = "";
	struct py_edge edge;

	cs_root_text(hg->scan, root, text, sizeof(text));
	if (root->kind == CS_ROOT_PY_FRAME && *to != CS_GRAPH_NONE) {
		/* the frame is the root: its first local comes next */
		if (cs_node_edge(hg, path->root, *to, &edge))
			py_edge_text(hg->scan->py, &edge, edge_text, sizeof(edge_text));
	} else {
		*to = path->root;
		if (cs_root_edge(hg, root, path->root, &edge))
			py_edge_text(hg->scan->py, &edge, edge_text, sizeof(edge_text));
	}
	return add_step(out, text, edge_text, cs_node_addr(hg, *to), cs_node_type_name(hg, *to));
}

static bool add_path(struct cs_heap_graph *hg, const struct cs_paths *paths,
		     const struct cs_path *path, struct cs_answer *out)
{
	uint32_t node = cs_paths_next(paths, path->root), next;

	if (!add_root(hg, path, &node, out))
		return false;
	for (; (next = cs_paths_next(paths, node)) != CS_GRAPH_NONE; node = next) {
		char from[CS_NAME_MAX], text[160] = "";
		struct py_edge edge;

		if (out->steps.count >= STEPS_MAX || hg->scan->pulse.stopped)
			return true;
		if (cs_node_edge(hg, node, next, &edge)) {
			cs_edge_member(hg->scan, cs_node_addr(hg, node), &edge);
			py_edge_text(hg->scan->py, &edge, text, sizeof(text));
		}
		snprintf(from, sizeof(from), "%s " CS_ADDR, cs_node_type_name(hg, node),
			 cs_node_addr(hg, node));
		if (!add_step(out, from, text, cs_node_addr(hg, next), cs_node_type_name(hg, next)))
			return false;
	}
	return true;
}

/* The bits of what is asked for; CS_NOTFOUND: nothing is. */
static cs_status mark(struct cs_heap_graph *hg, cs_addr addr, const char *type, uint64_t *bits)
{
	uint32_t node = type ? CS_NO_NODE : cs_node_at(&hg->nodes, addr);
	const struct cs_model *m = &hg->scan->model;
	bool any = false;

	if (node != CS_NO_NODE) {
		cs_bit_set(bits, node);
		return CS_OK;
	}
	for (uint32_t i = 0; type && i < hg->nodes.count && !cs_pulse_stops(&hg->scan->pulse); i++) {
		uint32_t nr = cs_heap_graph_type(hg, i);

		if (nr == CS_NO_TYPE || strcmp(m->types.items[nr].name, type))
			continue;
		cs_bit_set(bits, i);
		any = true;
	}
	return any ? CS_OK : CS_NOTFOUND;
}

/* The shortest first; of equally long ones that whose root says most. */
static bool add_paths(struct cs_heap_graph *hg, const struct cs_paths *paths, struct cs_answer *out)
{
	const struct cs_path *sorted[ROOTS_MAX];
	size_t count, n = 0;
	const struct cs_path *found = cs_paths_found(paths, &count);

	for (size_t i = 0; i < count && n < ROOTS_MAX; i++) {
		unsigned rank = cs_root_rank(&hg->roots.items.items[found[i].tag]);
		size_t at = n++;

		for (; at && sorted[at - 1]->length == found[i].length &&
		       cs_root_rank(&hg->roots.items.items[sorted[at - 1]->tag]) > rank;
		     at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &found[i];
	}
	for (size_t i = 0; i < n; i++)
		if (!add_path(hg, paths, sorted[i], out))
			return false;
	return true;
}

static cs_status find(struct cs_heap_graph *hg, const uint64_t *targets, struct cs_answer *out,
		      struct cs_error *err)
{
	struct cs_pulse *pulse = &hg->scan->pulse;
	struct cs_graph_reverse *reverse = NULL;
	struct cs_paths *paths = NULL;
	bool fits = true;
	cs_status st = cs_graph_reverse_create(hg->graph, pulse, &reverse, err);

	if (!st)
		st = cs_paths_create(hg->graph, reverse, targets, ROOTS_MAX, pulse, &paths, err);
	if (!st)
		fits = add_paths(hg, paths, out);
	cs_paths_destroy(paths);
	cs_graph_reverse_destroy(reverse);
	if (!st && !fits)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the steps");
	return st ? st : cs_scan_stopped(hg->scan, err);
}

cs_status cs_answer_why(struct cs_scan *scan, cs_addr addr, const char *text, struct cs_answer *out,
			struct cs_error *err)
{
	struct cs_heap_graph *hg;
	uint64_t *targets;
	cs_status st = cs_scan_graph(scan, &hg, err);

	if (st)
		return st;
	targets = calloc((size_t)cs_graph_bitmap_len(hg->graph), 8);
	if (!targets)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the steps");
	st = mark(hg, addr, text, targets);
	if (!st)
		st = find(hg, targets, out, err);
	free(targets);
	return st;
}
