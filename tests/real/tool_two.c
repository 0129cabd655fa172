/* tool_two CORE - is the graph that two threads make the one that a single one makes?
 *
 * Exit status 0: yes; "NODES nodes, EDGES edges" on stdout. 4: no, and where. 3: cannot read. */
#include "graph/graph.h"
#include "scan/heap_graph.h"

#include <stdio.h>
#include <string.h>

static struct cs_scan *scan_with(const char *core, uint32_t two_from)
{
	struct cs_scan_options options = { .graph = true, .suspects = true, .two_from = two_from };
	struct cs_error err = { .text = "" };
	struct cs_scan *scan;

	if (cs_scan_open(core, &options, &scan, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(3);
	}
	if (!scan->graph) {
		fprintf(stderr, "no graph: %s\n", scan->no_graph.text);
		exit(3);
	}
	return scan;
}

static void same(const char *what, const void *a, const void *b, size_t len)
{
	if (!len || !memcmp(a, b, len))
		return;
	fprintf(stderr, "%s differ\n", what);
	exit(4);
}

static void compare(struct cs_heap_graph *one, struct cs_heap_graph *two)
{
	const struct cs_graph *a = one->graph, *b = two->graph;
	uint32_t n = a->node_count;
	struct cs_copies copies[2];
	struct cs_spare_room room[2];

	same("counts of nodes", &a->node_count, &b->node_count, sizeof(n));
	same("counts of inner nodes", &a->inner_count, &b->inner_count, sizeof(n));
	same("counts of edges", &a->edge_count, &b->edge_count, sizeof(a->edge_count));
	same("counts of roots", &a->roots.count, &b->roots.count, sizeof(a->roots.count));
	same("roots", a->roots.items, b->roots.items, a->roots.count * sizeof(*a->roots.items));
	same("edges", a->edges, b->edges, a->edge_count * sizeof(*a->edges));
	same("offsets", a->first, b->first, (a->inner_count + 1ull) * sizeof(*a->first));
	same("kinds of nodes", a->words, b->words, (n / 64 + 1ull) * sizeof(*a->words));
	same("sizes", one->words, two->words, n * sizeof(*one->words));
	same("types", one->types, two->types, n * sizeof(*one->types));
	memset(copies, 0, sizeof(copies));
	memset(room, 0, sizeof(room));
	if (cs_waste_answer(one, &copies[0], &room[0], NULL) ||
	    cs_waste_answer(two, &copies[1], &room[1], NULL))
		exit(3);
	same("copies", &copies[0], &copies[1], sizeof(copies[0]));
	same("spare rooms", &room[0], &room[1], sizeof(room[0]));
}

int main(int argc, char **argv)
{
	struct cs_scan *one = argc > 1 ? scan_with(argv[1], UINT32_MAX) : NULL;
	struct cs_scan *two = argc > 1 ? scan_with(argv[1], 2) : NULL;

	if (!one)
		return 2;
	compare(one->graph, two->graph);
	same("counts of anomalies", &one->model.anomaly_count, &two->model.anomaly_count, 8);
	printf("%" PRIu32 " nodes, %" PRIu64 " edges\n", one->graph->graph->node_count,
	       one->graph->graph->edge_count);
	cs_scan_close(one);
	cs_scan_close(two);
	return 0;
}
