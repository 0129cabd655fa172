/* tool_made TARGET - which calls may have made each block of malloc in use, for the tests to
 * compare. A line for each: ADDRESS CONFIDENCE PLACES-NOT-LISTED PLACE;PLACE;... where a place
 * is "function (file:line)" and the confidence "none" when no call fits. Directories of debug
 * files are taken from the environment's DEBUG_DIR; with PLAIN_NAMES in it all places are
 * "module+0x...", and lines "module NAME BIAS" come first. */
#include "model/nodes.h"
#include "scan/makers.h"
#include "scan/makers_state.h"
#include "scan/scan_state.h"

#include <stdio.h>
#include <stdlib.h>

/* Forget debug data; where the modules lie. */
static void make_plain(struct cs_scan *scan)
{
	if (cs_scan_makers(scan, NULL))
		exit(2);
	for (size_t i = 0; i < scan->makers->modules.count; i++) {
		struct cs_maker_module *m = &scan->makers->modules.items[i];
		const char *slash = strrchr(m->module->path, '/');

		m->debug = NULL;
		printf("module %s %" PRIx64 "\n", slash ? slash + 1 : m->module->path, m->module->bias);
	}
}

static void print_block(struct cs_scan *scan, cs_addr addr)
{
	struct cs_answer answer = { 0 };
	const char *confidence = "none";
	uint64_t more = 0;

	if (cs_makers_of(scan, addr, &answer, NULL))
		exit(2);
	for (size_t i = 0; i < answer.rows.count; i++) {
		if (!strcmp(answer.rows.items[i].field, "site_confidence"))
			confidence = strncmp(answer.rows.items[i].text, "none", 4) ? answer.rows.items[i].text : "none";
		if (!strcmp(answer.rows.items[i].field, "more_sites"))
			more = answer.rows.items[i].number;
	}
	printf("%" PRIx64 " %s %" PRIu64 " ", addr, confidence, more);
	for (size_t i = 0; i < answer.rows.count; i++)
		if (!strcmp(answer.rows.items[i].field, "perhaps_allocated_at"))
			printf("%s;", answer.rows.items[i].text);
	putchar('\n');
	cs_answer_deinit(&answer);
}

int main(int argc, char **argv)
{
	struct cs_scan_options options = { .debug_dir = getenv("DEBUG_DIR") };
	struct cs_scan *scan;
	struct cs_error err = { .text = "" };
	struct cs_nodes nodes;
	struct cs_node_walk walk;
	struct cs_block block;

	if (argc < 2)
		return 2;
	if (cs_scan_open(argv[1], &options, &scan, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (cs_nodes_init(&nodes, &scan->model.blocks, NULL))
		return 2;
	if (getenv("PLAIN_NAMES"))
		make_plain(scan);
	cs_node_walk_init(&walk, &nodes);
	while (cs_node_walk_next(&walk, NULL, &block))
		if (block.allocator == CS_ALLOC_GLIBC)
			print_block(scan, block.addr);
	cs_nodes_deinit(&nodes);
	cs_scan_close(scan);
	return 0;
}
