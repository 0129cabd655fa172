/* tool_types TARGET [HINTS] - what is known of each block of malloc that nobody but the
 * search for native types explained, for the tests to compare. A line for each:
 *   ADDRESS SURE HOW LEN TYPE    hexadecimal; "exact", "likely" or "candidate"; a number
 * then "anomaly KIND TEXT" for each anomaly. Directories of debug files are taken from
 * the environment's DEBUG_DIR. */
#include "model/nodes.h"
#include "native/native.h"
#include "scan/scan_state.h"

#include <stdio.h>
#include <stdlib.h>

/* Nothing of it is printed: it has to be read without harm, whatever debug data say. */
static void read_member(void *ctx, const char *name, const char *value)
{
	uint64_t *bytes = ctx;

	*bytes += strlen(name) + strlen(value);
}

static void read_members(struct cs_scan *scan, const struct cs_block *block)
{
	static const struct cs_native_members_wish wish = { .most = 1000 };
	char name[CS_NATIVE_MEMBER_MAX];
	uint64_t bytes = 0;

	cs_native_members(scan->native, block, &wish, read_member, &bytes);
	for (uint64_t off = 0; off < block->len && off < 4096; off += 8)
		bytes += cs_native_member_name(scan->native, block, off, name);
	if (bytes > 1u << 20)
		exit(3);
}

static void print_types(struct cs_scan *scan)
{
	struct cs_native_fact fact;
	struct cs_nodes nodes;
	struct cs_node_walk walk;
	struct cs_block block;

	if (cs_nodes_init(&nodes, &scan->model.blocks, NULL))
		exit(2);
	cs_node_walk_init(&walk, &nodes);
	while (cs_node_walk_next(&walk, NULL, &block))
		if (cs_native_find(scan->native, &block, &fact)) {
			printf("%" PRIx64 " %s %d %" PRIu64 " %s\n", block.addr,
			       cs_native_sure_words[fact.sure], (int)fact.how, block.len, fact.type);
			read_members(scan, &block);
		}
	cs_nodes_deinit(&nodes);
}

int main(int argc, char **argv)
{
	struct cs_scan_options options = { .debug_dir = getenv("DEBUG_DIR"),
					   .hints = argc > 2 ? argv[2] : NULL };
	struct cs_scan *scan;
	struct cs_error err = { .text = "" };

	if (argc < 2)
		return 2;
	if (cs_scan_open(argv[1], &options, &scan, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	print_types(scan);
	for (size_t i = 0; i < scan->model.anomalies.count; i++)
		printf("anomaly %s %s\n", scan->model.anomalies.items[i].kind,
		       scan->model.anomalies.items[i].text);
	cs_scan_close(scan);
	return 0;
}
