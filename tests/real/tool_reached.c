/* tool_reached CORE - which Python objects something reaches, for tests to compare.
 *
 * Writes two binary words to stdout for each object of the heaps: its address, and 1 when a
 * root leads to it, 0 when none does, 2 when none does and the collector will never free it. */
#include "graph/graph_reach.h"
#include "scan/names.h"
#include "scan/unreached.h"
#include "scan/scan_state.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct cs_scan_options options = { .graph = true };
	struct cs_error err = { .text = "" };
	struct cs_heap_graph *hg;
	struct cs_scan *scan;
	uint64_t *stuck, *kept;

	if (argc < 2)
		return 2;
	if (cs_scan_open(argv[1], &options, &scan, &err))
		return fprintf(stderr, "%s\n", err.text), 3;
	if (cs_scan_graph(scan, &hg, &err)) {
		cs_scan_close(scan);
		return fprintf(stderr, "%s\n", err.text), 3;
	}
	stuck = calloc(2 * cs_graph_bitmap_len(hg->graph), 8);
	if (!stuck)
		return 3;
	kept = stuck + cs_graph_bitmap_len(hg->graph);
	if (cs_unreached_stuck(hg, stuck, kept, &err))
		return fprintf(stderr, "%s\n", err.text), 3;
	for (uint32_t node = 0; node < hg->nodes.count; node++) {
		struct py_obj o;

		if (cs_node_object(hg, node, &o)) {
			bool is_reached = cs_dom_is_reached(hg->dom, node);
			bool is_kept = kept[node / 64] >> node % 64 & 1;
			uint64_t words[2] = { o.addr, is_reached ? 1 : is_kept ? 2 : 0 };

			fwrite(words, 8, 2, stdout);
		}
	}
	free(stuck);
	cs_scan_close(scan);
	return 0;
}
