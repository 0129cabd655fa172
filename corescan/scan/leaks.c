/* leaks.c - what nobody reaches any more, for --leaks.
 *
 * Python objects that no root reaches wait for the collector, or are kept by a
 * reference it cannot see into: "garbage". Blocks of malloc that no root reaches are
 * leaked; those another leaked one refers to are leaked with it, "leaked-indirect". Of
 * blocks that refer to each other in a circle the first is said to be leaked.
 * Where memory of the target is missing, each of these is a "maybe-". */
#include "graph/graph_reach.h"
#include "scan/answers.h"
#include "scan/names.h"

#include <stdlib.h>
#include <string.h>

struct finder {
	struct cs_heap_graph *hg;
	struct cs_answer *out;
	uint64_t *indirect; /* unreachable, and an unreachable block refers to it */
	struct cs_map row_of; /* by kind and type */
	CS_VEC(uint32_t) stack;
	bool is_out_of_memory;
};

enum { KIND_LEAKED = 1, KIND_INDIRECT, KIND_GARBAGE };

static bool bit(const uint64_t *bits, uint32_t node)
{
	return bits[node / 64] >> node % 64 & 1;
}

static void count(struct finder *f, unsigned kind, uint32_t node, uint64_t bytes)
{
	/* where memory is missing, something there may hold it */
	static const char *const words[2][KIND_GARBAGE + 1] = {
		{ NULL, "leaked", "leaked-indirect", "garbage" },
		{ NULL, "maybe-leaked", "maybe-leaked-indirect", "maybe-garbage" },
	};
	uint32_t type = cs_heap_graph_type(f->hg, node), nr;
	/* blocks without a type are told apart by their size */
	uint64_t key = (type == CS_NO_TYPE ? bytes << 1 : (uint64_t)type << 1 | 1) << 2 | kind;
	struct cs_leak_row *row;

	if (!cs_map_get(&f->row_of, key, &nr)) {
		struct cs_leak_row fresh = { .kind = words[cs_model_lacks_memory(&f->hg->scan->model)][kind],
					     .type = cs_node_type_name(f->hg, node),
					     .example = cs_node_addr(f->hg, node) };

		if (type == CS_NO_TYPE)
			fresh.type = cs_arena_printf(&f->out->strings, "(%" PRIu64 " bytes)", bytes);
		nr = (uint32_t)f->out->leaks.count;
		if (!fresh.type || !cs_vec_push(&f->out->leaks, fresh) ||
		    !cs_map_put(&f->row_of, key, nr)) {
			f->is_out_of_memory = true;
			return;
		}
	}
	row = &f->out->leaks.items[nr];
	row->count++;
	row->bytes += bytes;
}

/* What only this object owns counts with it. */
static uint64_t owned_bytes(struct finder *f, uint32_t node)
{
	uint32_t edges;
	const uint32_t *codes = cs_graph_edges(f->hg->graph, node, &edges);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < edges; i++) {
		uint32_t to = cs_graph_target(f->hg->graph, codes[i]);

		if (cs_heap_graph_is_owned(f->hg, to) && !cs_dom_is_reached(f->hg->dom, to))
			sum += cs_heap_graph_len(f->hg, to);
	}
	return sum;
}

/* Everything behind a leaked block is leaked with it. */
static void follow(struct finder *f, uint32_t node)
{
	uint32_t edges;
	const uint32_t *codes;

	if (!cs_vec_push(&f->stack, node))
		f->is_out_of_memory = true;
	while (f->stack.count) {
		codes = cs_graph_edges(f->hg->graph, f->stack.items[--f->stack.count], &edges);
		for (uint32_t i = 0; i < edges; i++) {
			uint32_t to = cs_graph_target(f->hg->graph, codes[i]);

			if (to == node || cs_dom_is_reached(f->hg->dom, to) || bit(f->indirect, to))
				continue;
			f->indirect[to / 64] |= 1ull << to % 64;
			if (!cs_vec_push(&f->stack, to))
				f->is_out_of_memory = true;
		}
	}
}

/* Has it a referrer among the unreachable? Their first edges are looked at once. */
static void mark_referred(struct finder *f, uint64_t *referred)
{
	struct cs_graph *g = f->hg->graph;

	for (uint32_t n = 0; n < g->node_count && !cs_pulse_stops(&f->hg->scan->pulse); n++) {
		uint32_t edges;
		const uint32_t *codes;

		if (!cs_graph_is_inner(g, n) || cs_dom_is_reached(f->hg->dom, n))
			continue;
		codes = cs_graph_edges(g, n, &edges);
		for (uint32_t i = 0; i < edges; i++) {
			uint32_t to = cs_graph_target(g, codes[i]);

			if (to != n)
				referred[to / 64] |= 1ull << to % 64;
		}
	}
}

/* What only garbage objects hold goes with them. */
static void follow_garbage(struct finder *f)
{
	for (uint32_t n = 0; n < f->hg->nodes.count && !cs_pulse_stops(&f->hg->scan->pulse); n++)
		if (!cs_dom_is_reached(f->hg->dom, n) && !bit(f->indirect, n) &&
		    cs_heap_graph_type(f->hg, n) != CS_NO_TYPE)
			follow(f, n);
}

static void find_all(struct finder *f, const uint64_t *referred)
{
	struct cs_heap_graph *hg = f->hg;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	/* the beginnings first, what garbage holds, then what is left: circles */
	for (int pass = 0; pass < 2; pass++) {
		if (pass)
			follow_garbage(f);
		cs_node_walk_init(&walk, &hg->nodes);
		while (cs_node_walk_next(&walk, &node, &block)) {
			if (cs_pulse_stops(&hg->scan->pulse))
				return;
			if (cs_dom_is_reached(hg->dom, node) ||
			    (block.state != CS_BLOCK_USED && block.state != CS_BLOCK_TYPED) ||
			    bit(f->indirect, node) || (!pass && bit(referred, node)))
				continue;
			if (!pass || bit(referred, node)) {
				count(f, KIND_LEAKED, node, block.len);
				follow(f, node);
			}
		}
	}
	cs_node_walk_init(&walk, &hg->nodes);
	while (cs_node_walk_next(&walk, &node, &block)) {
		if (cs_pulse_stops(&hg->scan->pulse))
			return;
		if (cs_dom_is_reached(hg->dom, node))
			continue;
		if (block.state == CS_BLOCK_OBJECT)
			count(f, KIND_GARBAGE, node, block.len + owned_bytes(f, node));
		else if (bit(f->indirect, node) &&
			 (block.state == CS_BLOCK_USED || block.state == CS_BLOCK_TYPED))
			count(f, KIND_INDIRECT, node, block.len);
	}
}

cs_status cs_answer_leaks(struct cs_scan *scan, struct cs_answer *out, struct cs_error *err)
{
	struct finder f = { .out = out };
	cs_status st = cs_scan_graph(scan, &f.hg, err);
	uint64_t *referred;
	size_t words;

	if (st)
		return st;
	words = (size_t)cs_graph_bitmap_len(f.hg->graph);
	referred = calloc(words, 8);
	f.indirect = calloc(words, 8);
	if (referred && f.indirect) {
		mark_referred(&f, referred);
		find_all(&f, referred);
	} else {
		f.is_out_of_memory = true;
	}
	free(referred);
	free(f.indirect);
	cs_vec_free(&f.stack);
	cs_map_deinit(&f.row_of);
	if (f.is_out_of_memory)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the leaks");
	return cs_scan_stopped(scan, err);
}
