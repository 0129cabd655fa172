/* tool_edges CORE ADDRESSES [text] - the references of objects, for tests to compare.
 *
 * ADDRESSES is a file of 64-bit words. Writes binary words to stdout: for each object its
 * address, its first word (0: there is none), how many edges, and for each edge where it
 * leads, then hold + kind * 256; at the end 0, 1 when the budget was used up, 0.
 *
 * With `text` lines instead: "ADDRESS <tab> TEXT <tab> TO", and for each frame of each
 * thread "frame <tab> TEXT <tab> TO"; addresses decimal. With `all` for ADDRESSES the same of
 * every object of the heaps. */
#include "cpython/py_census.h"
#include "cpython/py_visit.h"
#include "model/nodes.h"
#include "scan/scan_state.h"

#include <stdio.h>

struct edges {
	struct py *py;
	CS_VEC(uint64_t) words;
	char who[32];
};

static void put(struct edges *e, uint64_t word)
{
	if (!cs_vec_push(&e->words, word))
		abort();
}

static void take(void *ctx, const struct py_edge *edge)
{
	struct edges *e = ctx;

	put(e, edge->to);
	put(e, edge->hold + edge->kind * 256u);
}

/* What is told without names must be what was told with them. */
struct refs {
	struct py_refs refs; /* first */
	CS_VEC(struct py_ref) all;
};

static void keep_refs(struct py_refs *refs)
{
	struct refs *r = (struct refs *)refs;

	for (uint32_t i = 0; i < refs->count; i++)
		if (!cs_vec_push(&r->all, refs->items[i]))
			abort();
	refs->count = 0;
}

static void compare_refs(struct edges *e, const struct py_obj *o)
{
	struct refs r = { .refs = { .full = keep_refs } };
	size_t n = 0;
	bool same = true;

	py_visit_refs(e->py, o, &r.refs);
	keep_refs(&r.refs);
	for (size_t i = 0; i < e->words.count; i += 2) {
		uint8_t hold = (uint8_t)e->words.items[i + 1];

		if (hold == PY_WEAK)
			continue;
		same = same && n < r.all.count && r.all.items[n].to == e->words.items[i] &&
		       r.all.items[n].hold == hold;
		n++;
	}
	if (!py_visit_was_cut(e->py) && (!same || n != r.all.count)) {
		fprintf(stderr, "object at " CS_ADDR ": %zu references with names, %zu without\n",
			o->addr, n, r.all.count);
		exit(4);
	}
	cs_vec_free(&r.all);
}

static void write_out(struct edges *e, uint64_t addr, uint64_t second)
{
	uint64_t head[3] = { addr, second, e->words.count / 2 };

	fwrite(head, 8, 3, stdout);
	if (e->words.count)
		fwrite(e->words.items, 8, e->words.count, stdout);
	e->words.count = 0;
}

static void print_edge(void *ctx, const struct py_edge *edge)
{
	struct edges *e = ctx;
	char text[200];

	py_edge_text(e->py, edge, text, sizeof(text));
	printf("%s\t%s\t%" PRIu64 "\n", e->who, text, edge->to);
}

static void print_frame(void *ctx, cs_addr thread, cs_addr frame)
{
	struct edges *e = ctx;

	(void)thread;
	py_visit_frame(e->py, frame, print_edge, e);
}

static void answer(struct edges *e, uint64_t addr, bool as_text)
{
	struct py_obj o;
	bool found = py_object_at(e->py, addr, &o);

	snprintf(e->who, sizeof(e->who), "%" PRIu64, addr);
	if (found)
		py_visit(e->py, &o, as_text ? print_edge : take, e);
	if (found && !as_text)
		compare_refs(e, &o);
	if (!as_text)
		write_out(e, addr, found ? cs_le64(o.p) : 0);
}

static void answer_all(struct edges *e)
{
	struct cs_node_walk walk;
	struct cs_nodes nodes;
	struct cs_block block;
	struct py_obj o;

	if (cs_nodes_init(&nodes, &e->py->model->blocks, NULL))
		abort();
	cs_node_walk_init(&walk, &nodes);
	while (cs_node_walk_next(&walk, NULL, &block))
		if (py_object_at_block(e->py, &block, &o))
			answer(e, o.addr, true);
	cs_nodes_deinit(&nodes);
}

int main(int argc, char **argv)
{
	struct cs_scan_options options = { .sysroot = NULL };
	struct cs_error err = { .text = "" };
	struct edges e = { .who = "" };
	struct cs_scan *scan;
	uint64_t addr;
	bool as_text = argc > 3, all = argc > 2 && !strcmp(argv[2], "all");
	FILE *in = argc > 2 ? fopen(all ? "/dev/null" : argv[2], "rb") : NULL;

	if (!in)
		return 2;
	if (cs_scan_open(argv[1], &options, &scan, &err))
		return fprintf(stderr, "%s\n", err.text), 3;
	if (!scan->py) {
		fclose(in);
		cs_scan_close(scan);
		return fprintf(stderr, "no Python is found or can be read there\n"), 3;
	}
	e.py = scan->py;
	if (all)
		answer_all(&e);
	while (fread(&addr, 8, 1, in) == 1)
		answer(&e, addr, as_text);
	snprintf(e.who, sizeof(e.who), "frame");
	if (as_text || all)
		py_walk_frames(scan->py, print_frame, &e);
	else
		write_out(&e, 0, py_visit_was_cut(scan->py));
	cs_vec_free(&e.words);
	cs_scan_close(scan);
	fclose(in);
	return 0;
}
