/* leaks.c - what nobody reaches any more, for --leaks.
 *
 * Python objects that no root reaches wait for the collector: "garbage". Those it will
 * never free, since their count says that somebody holds them, are leaked. Blocks of
 * malloc that no root reaches are leaked; what a leaked one refers to is leaked with it,
 * "leaked-indirect". Of blocks that refer to each other in a circle the first is said to
 * be leaked. */
#include "graph/graph_reach.h"
#include "scan/answers.h"
#include "scan/dead.h"
#include "scan/names.h"
#include "scan/unreached.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_SHOWN = 4, TEXT_LEAST = 4, BITMAPS = 7 };

struct finder {
	struct cs_heap_graph *hg;
	struct cs_answer *out;
	uint64_t *indirect; /* unreachable, and an unreachable block refers to it */
	uint64_t *leaked;   /* told so, directly or not */
	uint64_t *on_stack, *in_free; /* what memory that is over points to */
	uint64_t *stuck, *kept;	    /* objects with a count too high, and what they lead to */
	struct cs_map row_of; /* by kind and type */
	CS_VEC(uint32_t) stack;
	bool is_out_of_memory;
};

enum { KIND_LEAKED = 1, KIND_INDIRECT, KIND_GARBAGE };

/* What a word of a block looks like: 0, a pointer, one into a binary (a C++ object's
 * first word is), a small number, other data. */
static const char *word_kind(struct finder *f, uint64_t word)
{
	const struct cs_mapping *m;

	if (!word)
		return "0";
	if (cs_node_at(&f->hg->nodes, word) != CS_NO_NODE)
		return "ptr";
	m = cs_image_mapping(f->hg->scan->image, word);
	if (m && m->module != CS_NO_MODULE)
		return "module";
	return m ? "ptr" : word >> 32 ? "data" : "num";
}

/* Bytes of text that a block begins with. */
static size_t text_len(const unsigned char *p, size_t len)
{
	size_t n = 0;

	while (n < len && isprint(p[n]))
		n++;
	return n < TEXT_LEAST || (n < len && p[n] && p[n] != '\n') ? 0 : n;
}

/* What its first words look like: what blocks of one struct have in common. The text
 * a block holds is an example's only; the signature ends before it. */
static void signature(struct finder *f, uint32_t node, uint64_t bytes, char *out, size_t cap)
{
	size_t len = bytes < WORDS_SHOWN * 8 ? (size_t)bytes : WORDS_SHOWN * 8, used;
	struct cs_block block;
	const unsigned char *p;

	cs_node_block(&f->hg->nodes, node, &block);
	p = cs_mem_view(f->hg->scan->image->mem, block.addr, len);
	used = (size_t)snprintf(out, cap, "(%" PRIu64 " bytes", bytes);
	if (p && text_len(p, len)) {
		snprintf(out + used, cap - used, ": text)");
		return;
	}
	for (size_t i = 0; p && i + 8 <= len && used < cap; i += 8)
		used += (size_t)snprintf(out + used, cap - used, "%s%s", i ? " " : ": ",
					 word_kind(f, cs_le64(p + i)));
	if (used < cap)
		snprintf(out + used, cap - used, ")");
}

static struct cs_leak_row *add_row(struct finder *f, unsigned kind, const char *type, uint64_t key)
{
	static const char *const words[] = { [KIND_LEAKED] = "leaked",
					     [KIND_INDIRECT] = "leaked-indirect",
					     [KIND_GARBAGE] = "garbage" };
	struct cs_leak_row fresh = { .kind = words[kind], .type = type };
	size_t nr = f->out->leaks.count;

	if (!type || nr >= UINT32_MAX || !cs_vec_push(&f->out->leaks, fresh) ||
	    !cs_map_put(&f->row_of, key, (uint32_t)nr)) {
		f->is_out_of_memory = true;
		return NULL;
	}
	return &f->out->leaks.items[nr];
}

static void count(struct finder *f, unsigned kind, uint32_t node, uint64_t bytes)
{
	uint32_t type = cs_heap_graph_type(f->hg, node), nr;
	/* blocks without a type are told apart by their size and what they look like */
	uint64_t key = ((uint64_t)type << 2 | kind) << 1;
	struct cs_leak_row *row;
	char text[160];

	if (type == CS_NO_TYPE) {
		signature(f, node, bytes, text, sizeof(text));
		key = cs_map_key(text) ^ kind << 1;
	}
	if (cs_map_get(&f->row_of, key, &nr))
		row = &f->out->leaks.items[nr];
	else
		row = add_row(f, kind,
			      type == CS_NO_TYPE ? cs_arena_copy(&f->out->strings, text) :
						   cs_node_type_name(f->hg, node), key);
	if (!row)
		return;
	if (!row->count++)
		row->example = cs_node_addr(f->hg, node);
	row->bytes += bytes;
	row->on_dead_stack += cs_bit(f->on_stack, node);
	row->in_free += cs_bit(f->in_free, node);
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

			if (to == node || cs_dom_is_reached(f->hg->dom, to) || cs_bit(f->indirect, to))
				continue;
			cs_bit_set(f->indirect, to);
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
				cs_bit_set(referred, to);
		}
	}
}

static bool is_object(struct cs_heap_graph *hg, uint32_t node)
{
	uint32_t type = cs_heap_graph_type(hg, node);

	return type != CS_NO_TYPE && hg->scan->model.types.items[type].kind == CS_KIND_PYTHON;
}

/* What only garbage objects hold goes with them. */
static void follow_garbage(struct finder *f)
{
	for (uint32_t n = 0; n < f->hg->nodes.count && !cs_pulse_stops(&f->hg->scan->pulse); n++)
		if (!cs_dom_is_reached(f->hg->dom, n) && !cs_bit(f->indirect, n) &&
		    is_object(f->hg, n))
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
			    cs_bit(f->indirect, node) || (!pass && cs_bit(referred, node)))
				continue;
			if (!pass || cs_bit(referred, node)) {
				cs_bit_set(f->leaked, node);
				follow(f, node);
			}
		}
	}
}

static void count_all(struct finder *f)
{
	struct cs_heap_graph *hg = f->hg;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	cs_node_walk_init(&walk, &hg->nodes);
	while (cs_node_walk_next(&walk, &node, &block)) {
		if (cs_pulse_stops(&hg->scan->pulse))
			return;
		if (cs_dom_is_reached(hg->dom, node))
			continue;
		if (block.state == CS_BLOCK_OBJECT)
			count(f, cs_bit(f->stuck, node) ? KIND_LEAKED :
				 cs_bit(f->kept, node)  ? KIND_INDIRECT :
						       KIND_GARBAGE,
			      node, block.len + owned_bytes(f, node));
		else if (cs_bit(f->leaked, node))
			count(f, KIND_LEAKED, node, block.len);
		else if (cs_bit(f->indirect, node) &&
			 (block.state == CS_BLOCK_USED || block.state == CS_BLOCK_TYPED))
			count(f, KIND_INDIRECT, node, block.len);
	}
}

static bool any(const uint64_t *bits, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (bits[i])
			return true;
	return false;
}

cs_status cs_answer_leaks(struct cs_scan *scan, struct cs_answer *out, struct cs_error *err)
{
	struct finder f = { .out = out };
	cs_status st = cs_scan_graph(scan, &f.hg, err);
	uint64_t *bits, *referred;
	size_t words;

	if (st)
		return st;
	words = (size_t)cs_graph_bitmap_len(f.hg->graph);
	bits = calloc(words * BITMAPS, 8);
	if (!bits)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the leaks");
	referred = bits;
	f.indirect = bits + words;
	f.leaked = bits + 2 * words;
	f.on_stack = bits + 3 * words;
	f.in_free = bits + 4 * words;
	f.stuck = bits + 5 * words;
	f.kept = bits + 6 * words;
	mark_referred(&f, referred);
	find_all(&f, referred);
	st = cs_unreached_stuck(f.hg, f.stuck, f.kept, err);
	if (!st && any(f.leaked, words))
		st = cs_dead_pointers(f.hg, f.leaked, f.on_stack, f.in_free, err);
	if (!st)
		count_all(&f);
	free(bits);
	cs_vec_free(&f.stack);
	cs_map_deinit(&f.row_of);
	if (f.is_out_of_memory && !st)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the leaks");
	return st ? st : cs_scan_stopped(scan, err);
}
