/* retained.c - for each type what would go with all its objects, for --by-type; for each
 * frame what would go with its locals, for --threads.
 *
 * A type's objects may keep others of the same type alive: what the uppermost of them
 * keep is all of it. What nobody reaches retains nothing. */
#include "scan/answers.h"

#include <stdlib.h>

enum { RAW_MALLOC, RAW_PYMALLOC, RAWS }; /* behind the types: blocks without one */

struct sums {
	struct cs_heap_graph *hg;
	uint64_t *retained;
	uint32_t *open; /* nodes of the type that the walk is below of */
	size_t types;
};

/* SIZE_MAX: what it is counts with another. */
static size_t row_of(struct sums *s, uint32_t node)
{
	uint32_t type = cs_heap_graph_type(s->hg, node);
	struct cs_block block;

	if (type != CS_NO_TYPE)
		return type;
	if (cs_heap_graph_frame(s->hg, node))
		return SIZE_MAX;
	cs_node_block(&s->hg->nodes, node, &block);
	if (block.state != CS_BLOCK_USED && block.state != CS_BLOCK_TYPED)
		return SIZE_MAX;
	return s->types + (block.allocator == CS_ALLOC_GLIBC ? RAW_MALLOC : RAW_PYMALLOC);
}

static void add(struct sums *s, const struct cs_dom_step *step)
{
	size_t row = row_of(s, step->node);

	if (row == SIZE_MAX)
		return;
	if (step->event == CS_DOM_LEAVE) {
		s->open[row]--;
		return;
	}
	if (!s->open[row])
		s->retained[row] += step->retained;
	s->open[row] += step->event == CS_DOM_ENTER;
}

cs_status cs_scan_retained(struct cs_scan *scan, struct cs_error *err)
{
	struct cs_model *m = &scan->model;
	struct sums s = { .types = m->types.count };
	cs_status st = m->has_retained ? CS_OK : cs_scan_graph(scan, &s.hg, err);
	struct cs_dom_walk walk;
	struct cs_dom_step step;

	if (st || m->has_retained)
		return st;
	s.retained = calloc(s.types + RAWS, sizeof(*s.retained));
	s.open = calloc(s.types + RAWS, sizeof(*s.open));
	if (s.retained && s.open) {
		cs_dom_walk_init(&walk, s.hg->dom, CS_GRAPH_NONE, false);
		while (!cs_pulse_stops(&scan->pulse) && cs_dom_walk_next(&walk, &step))
			add(&s, &step);
		for (size_t i = 0; i < s.types; i++)
			m->types.items[i].retained = s.retained[i];
		m->raw_retained[CS_ALLOC_GLIBC] = s.retained[s.types + RAW_MALLOC];
		m->raw_retained[CS_ALLOC_PYMALLOC] = s.retained[s.types + RAW_PYMALLOC];
		m->has_retained = !scan->pulse.stopped;
	} else {
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the types' retained sizes");
	}
	free(s.retained);
	free(s.open);
	return st ? st : cs_scan_stopped(scan, err);
}

/* The frame's node by its address; a frame object's own block is not its locals'. */
static uint64_t retained_of(struct cs_heap_graph *hg, const struct cs_map *nodes, uint64_t frame)
{
	uint64_t retained, own;
	uint32_t node;

	if (!frame || !cs_map_get(nodes, frame, &node))
		return 0;
	retained = cs_dom_retained(hg->dom, node);
	own = cs_heap_graph_len(hg, node);
	return retained > own ? retained - own : 0;
}

cs_status cs_scan_frames_retained(struct cs_scan *scan, struct cs_error *err)
{
	struct cs_threads *threads = &scan->model.threads;
	struct cs_map nodes = { 0 };
	struct cs_heap_graph *hg;
	cs_status st = threads->has_retained ? CS_OK : cs_scan_graph(scan, &hg, err);

	if (st || threads->has_retained)
		return st;
	for (size_t i = 0; !st && i < hg->graph->roots.count; i++) {
		const struct cs_graph_root *r = &hg->graph->roots.items[i];
		const struct cs_root *root = &hg->roots.items.items[r->tag];

		if (root->kind == CS_ROOT_PY_FRAME && !cs_map_put(&nodes, root->range.start, r->node))
			st = cs_fail(err, CS_NOMEM, 0, "no memory for what frames keep");
	}
	for (size_t i = 0; !st && i < threads->rows.count; i++) {
		struct cs_stack *stack = &threads->rows.items[i].python;

		for (uint32_t k = 0; k < stack->count; k++)
			stack->frames[k].retained = retained_of(hg, &nodes, stack->frames[k].address);
	}
	cs_map_deinit(&nodes);
	threads->has_retained = !st;
	return st;
}
