#include "scan/unreached.h"

#include "cpython/py_census.h"
#include "cpython/py_visit.h"
#include "graph/graph_reach.h"
#include "scan/names.h"

#include <stdlib.h>

struct counter {
	struct cs_heap_graph *hg;
	uint32_t *counts; /* references to each node from what is not reached */
};

static void on_edge(void *ctx, const struct py_edge *edge)
{
	struct counter *c = ctx;
	uint32_t to;

	if (edge->hold != PY_STRONG && edge->hold != PY_HIDDEN)
		return;
	to = cs_node_at(&c->hg->nodes, edge->to);
	if (to != CS_NO_NODE)
		c->counts[to]++;
}

/* Every object that no root reaches; false: there is none. */
static bool count_references(struct counter *c)
{
	struct cs_heap_graph *hg = c->hg;
	bool any = false;
	struct py_obj o;

	py_visit_begin(hg->scan->py);
	for (uint32_t node = 0; node < hg->nodes.count && !cs_pulse_stops(&hg->scan->pulse); node++) {
		if (cs_dom_is_reached(hg->dom, node) || !cs_node_object(hg, node, &o))
			continue;
		py_visit(hg->scan->py, &o, on_edge, c);
		any = true;
	}
	return any;
}

static void mark_stuck(struct counter *c, uint64_t *stuck)
{
	struct cs_heap_graph *hg = c->hg;
	struct py_obj o;

	for (uint32_t node = 0; node < hg->nodes.count && !cs_pulse_stops(&hg->scan->pulse); node++)
		if (!cs_dom_is_reached(hg->dom, node) && cs_node_object(hg, node, &o) &&
		    py_refcount(hg->scan->py, &o) > c->counts[node])
			cs_bit_set(stuck, node);
}

cs_status cs_unreached_stuck(struct cs_heap_graph *hg, uint64_t *stuck, uint64_t *kept,
			     struct cs_error *err)
{
	struct cs_scan *scan = hg->scan;
	struct counter c = { .hg = hg };
	cs_status st = CS_OK;

	if (!scan->py)
		return CS_OK;
	c.counts = calloc((size_t)hg->nodes.count + 1, sizeof(*c.counts)); /* touched where used */
	if (!c.counts)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the leaks");
	if (count_references(&c)) {
		mark_stuck(&c, stuck);
		st = cs_graph_reach(hg->graph, stuck, NULL, kept, &scan->pulse, err);
	}
	free(c.counts);
	return st ? st : cs_scan_stopped(scan, err);
}
