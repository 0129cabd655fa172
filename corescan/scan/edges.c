#include "scan/edges.h"

#include "cpython/py_census.h"
#include "cpython/py_value.h"
#include "cpython/py_weakref.h"
#include "graph/graph_reach.h"
#include "native/native.h"
#include "scan/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_CAP = 160, EDGE_CAP = 160, WEAK_MAX = 1 << 20 };

/* What a row is still to be written from: while references come by nothing else may be
 * looked up, for that can move the table of types. */
struct draft {
	struct py_edge edge;
	cs_addr other; /* to be described; 0: the row has what there is */
	bool has_edge;
};

/* Of whom references are told. */
struct lister {
	struct cs_scan *scan;
	const struct cs_rows_wish *wish;
	struct cs_answer *out;
	struct cs_block block; /* where is_block */
	struct py_obj object;  /* where is_object */
	bool is_block, is_object, is_out_of_memory;
	uint64_t told;
	CS_VEC(struct draft) drafts; /* one for each of out->edges */
	/* of referrers: */
	struct cs_heap_graph *hg;
	uint32_t node; /* CS_NO_NODE: an object in a module's data */
	cs_addr from;  /* whose edges come by */
	const char *root; /* not NULL: it is this root */
	bool only_guesses, no_guesses;
};

static const char *keep(struct lister *l, const char *text)
{
	const char *copy = cs_arena_copy(&l->out->strings, text);

	l->is_out_of_memory = l->is_out_of_memory || !copy;
	return copy;
}

/* What is asked about. False: nothing in use. */
static bool find(struct lister *l)
{
	struct cs_scan *scan = l->scan;
	cs_addr addr = l->wish->addr;

	l->is_block = cs_blocks_holding(&scan->model.blocks, addr, &l->block);
	if (!l->is_block)
		return l->is_object = scan->py && py_object_static(scan->py, addr, &l->object);
	switch (l->block.state) {
	case CS_BLOCK_OBJECT:
		l->is_object = scan->py && py_object_at_block(scan->py, &l->block, &l->object);
		return true;
	case CS_BLOCK_USED:
	case CS_BLOCK_OWNED:
	case CS_BLOCK_RUNTIME:
	case CS_BLOCK_TYPED:
		return true;
	case CS_BLOCK_INSIDE:
	case CS_BLOCK_FREE:
	case CS_BLOCK_CACHED:
	case CS_BLOCK_OVERHEAD:
	case CS_BLOCK_UNCARVED:
	case CS_BLOCK_TCACHE:
	case CS_BLOCK_FASTBIN:
	case CS_BLOCK_LOST:
	case CS_BLOCK_STATES:
		break;
	}
	return false;
}

static cs_status nothing_there(const struct lister *l, struct cs_error *err)
{
	cs_addr addr = l->wish->addr;

	return cs_fail(err, CS_NOTFOUND, addr, "nothing in use is at " CS_ADDR, addr);
}

/* The other end of a reference: its type, what it is in short, its size. */
static void describe(struct lister *l, cs_addr addr, struct cs_edge_row *row)
{
	struct cs_scan *scan = l->scan;
	struct cs_block block;
	struct cs_native_fact fact;
	struct py_obj o;
	char value[VALUE_CAP];
	bool is_block = cs_blocks_holding(&scan->model.blocks, addr, &block), is_object = false;

	row->addr = addr;
	row->bytes = is_block ? block.len : CS_NO_BYTES;
	if (scan->py)
		is_object = is_block ? py_object_at_block(scan->py, &block, &o) :
				       py_object_static(scan->py, addr, &o);
	if (!is_object) {
		row->type = is_block ? cs_block_words(&block) : NULL;
		if (is_block && block.state == CS_BLOCK_TYPED &&
		    cs_native_find(scan->native, &block, &fact))
			row->type = fact.type;
		if (is_block)
			row->addr = block.addr;
		return;
	}
	row->addr = o.addr;
	row->type = py_type_name(scan->py, &o);
	if (l->wish->no_values)
		return;
	py_value(scan->py, &o, value, sizeof(value));
	if (*value)
		row->value = keep(l, value);
}

static const char *hold_word(unsigned hold)
{
	static const char *const words[] = { [PY_STRONG] = "strong", [PY_HIDDEN] = "hidden",
					     [PY_WEAK] = "weak", [PY_OWNED] = "owned",
					     [PY_GUESS] = "guess" };

	return hold < sizeof(words) / sizeof(words[0]) ? words[hold] : "guess";
}

/* from: where the block with the word begins. */
static const char *edge_words(struct lister *l, struct py_edge *edge, cs_addr from)
{
	char text[EDGE_CAP] = "";

	cs_edge_member(l->scan, from, edge);
	if (edge->kind == PY_EDGE_VALUE && l->wish->no_values)
		return "[...]"; /* a key is the target's text */
	py_edge_text(l->scan->py, edge, text, sizeof(text));
	return keep(l, text);
}

/* Is the next row wanted? Counts it when not. */
static bool takes_row(struct lister *l)
{
	uint64_t most = l->wish->most;

	if (!most || most > CS_EDGES_MAX)
		most = CS_EDGES_MAX;

	if (l->told++ < l->wish->skip)
		l->out->rows_before++;
	else if (l->out->edges.count >= most)
		l->out->rows_behind++;
	else
		return true;
	return false;
}

static void add_row(struct lister *l, struct cs_edge_row row, struct draft draft)
{
	if (draft.has_edge)
		row.hold = hold_word(draft.edge.hold);
	if (!cs_vec_push(&l->drafts, draft))
		l->is_out_of_memory = true;
	else if (!cs_vec_push(&l->out->edges, row)) {
		l->is_out_of_memory = true;
		l->drafts.count--;
	}
}

static void write_rows(struct lister *l)
{
	for (size_t i = 0; i < l->drafts.count && !cs_pulse_stops(&l->scan->pulse); i++) {
		struct draft *d = &l->drafts.items[i];
		struct cs_edge_row *row = &l->out->edges.items[i];

		if (d->other)
			describe(l, d->other, row);
		if (d->has_edge)
			row->edge = edge_words(l, &d->edge, l->hg ? d->other : l->block.addr);
	}
	cs_vec_free(&l->drafts);
}

/* --- what it refers to --- */

static void on_referent(void *ctx, const struct py_edge *edge)
{
	struct lister *l = ctx;
	struct cs_block block;

	if (cs_pulse_stops(&l->scan->pulse))
		return;
	/* CPython's own static tables are nobody's */
	if (edge->hold == PY_OWNED && !cs_blocks_holding(&l->scan->model.blocks, edge->to, &block))
		return;
	if (takes_row(l))
		add_row(l, (struct cs_edge_row){ 0 }, (struct draft){ *edge, edge->to, true });
}

/* Words of a block nobody knows that lead to a node (to `only`, unless CS_NO_NODE). */
static void words_of(struct lister *l, struct cs_nodes *nodes, struct cs_range range, uint32_t only)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, l->scan, nodes, range);
	while (cs_guess_walk_next(&walk, &guess)) {
		cs_addr word = guess.word;
		struct py_edge edge = { .to = word, .kind = PY_EDGE_WORD, .hold = PY_GUESS,
					.index = (int64_t)(guess.where - range.start) };

		if (only == CS_NO_NODE ? cs_range_has(range, word, 1) : guess.node != only)
			continue;
		if (takes_row(l))
			add_row(l, (struct cs_edge_row){ 0 },
				(struct draft){ edge, only == CS_NO_NODE ? word : range.start, true });
	}
}

static cs_status native_referents(struct lister *l, struct cs_error *err)
{
	struct cs_nodes nodes = { 0 };
	cs_status st = cs_nodes_init(&nodes, &l->scan->model.blocks, err);

	if (!st)
		words_of(l, &nodes, (struct cs_range){ l->block.addr, l->block.len }, CS_NO_NODE);
	cs_nodes_deinit(&nodes);
	return st;
}

static cs_status result(struct lister *l, cs_status st, struct cs_error *err)
{
	write_rows(l);
	if (!st && l->is_out_of_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the references");
	return cs_pulse_result(&l->scan->pulse, st, err);
}

cs_status cs_answer_referents(struct cs_scan *scan, const struct cs_rows_wish *wish,
			      struct cs_answer *out, struct cs_error *err)
{
	struct lister l = { .scan = scan, .wish = wish, .out = out };
	cs_status st = CS_OK;

	if (!find(&l))
		return nothing_there(&l, err);
	if (l.is_object) {
		py_visit_begin(scan->py);
		py_visit(scan->py, &l.object, on_referent, &l);
	} else if (l.block.state == CS_BLOCK_USED || l.block.state == CS_BLOCK_TYPED) {
		st = native_referents(&l, err);
	}
	return result(&l, st, err);
}

/* --- who refers to it --- */

static bool leads_here(const struct lister *l, cs_addr to)
{
	return l->node == CS_NO_NODE ? to == l->object.addr :
				       cs_node_at(&l->hg->nodes, to) == l->node;
}

static void on_referrer(void *ctx, const struct py_edge *edge)
{
	struct lister *l = ctx;
	struct cs_edge_row row = { .addr = l->from, .type = l->root, .bytes = CS_NO_BYTES,
				   .is_root = l->root };

	if (cs_pulse_stops(&l->scan->pulse) || !leads_here(l, edge->to) ||
	    (edge->hold == PY_GUESS ? l->no_guesses : l->only_guesses))
		return;
	/* weak ones are listed by the object itself */
	if (edge->hold == PY_WEAK && l->is_object && edge->kind == PY_EDGE_MEMBER)
		return;
	if (!takes_row(l))
		return;
	add_row(l, row, (struct draft){ *edge, l->root ? 0 : l->from, true });
	/* a frame's locals are counted whether the collector looks at frames or not */
	if (l->root && edge->hold == PY_HIDDEN && l->out->edges.count)
		l->out->edges.items[l->out->edges.count - 1].hold = hold_word(PY_STRONG);
}

static void add_plain_root(struct lister *l, const struct cs_root *root, const char *text)
{
	struct cs_edge_row row = { .type = text, .edge = "", .bytes = CS_NO_BYTES, .is_root = true,
				   .hold = hold_word(root->is_guess ? PY_GUESS : PY_STRONG) };
	struct draft draft = { .has_edge = false };

	if (root->kind == CS_ROOT_PY_MODULE) {
		row.addr = root->range.start;
		if (cs_node_at(&l->hg->nodes, root->range.start) != l->node)
			row.edge = ".__dict__";
	} else if (root->kind != CS_ROOT_REGISTERS &&
		   cs_root_edge(l->hg, root, l->node, &draft.edge)) {
		row.addr = root->range.start + (uint64_t)draft.edge.index;
		draft.has_edge = true;
	}
	add_row(l, row, draft);
}

static void add_root(struct lister *l, uint32_t tag)
{
	const struct cs_root *root = &l->hg->roots.items.items[tag];
	char text[CS_NAME_MAX];
	uint64_t told;

	cs_root_text(l->scan, root, text, sizeof(text));
	if (root->kind != CS_ROOT_PY_FRAME || cs_node_at(&l->hg->nodes, root->range.start) == l->node) {
		if (takes_row(l))
			add_plain_root(l, root, keep(l, text));
		return;
	}
	l->root = keep(l, text);
	if (!l->root)
		return;
	l->from = root->range.start;
	/* a word of its value stack is told where it is all there is */
	l->no_guesses = true;
	told = l->told;
	py_visit_frame(l->scan->py, root->range.start, on_referrer, l);
	l->no_guesses = false;
	l->only_guesses = true;
	if (l->told == told)
		py_visit_frame(l->scan->py, root->range.start, on_referrer, l);
	l->only_guesses = false;
	l->root = NULL;
}

static int by_tag(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Each root once, those that say most first: they were added in that order. */
static void roots_of(struct lister *l)
{
	const struct cs_graph *g = l->hg->graph;
	CS_VEC(uint32_t) tags = { 0 };

	for (size_t i = 0; i < g->roots.count; i++)
		if (g->roots.items[i].node == l->node && !cs_vec_push(&tags, g->roots.items[i].tag))
			l->is_out_of_memory = true;
	if (tags.count)
		qsort(tags.items, tags.count, sizeof(*tags.items), by_tag);
	for (size_t i = 0; i < tags.count && !cs_pulse_stops(&l->scan->pulse); i++)
		if (!i || tags.items[i] != tags.items[i - 1])
			add_root(l, tags.items[i]);
	cs_vec_free(&tags);
}

static void edges_from(struct lister *l, uint32_t node)
{
	struct cs_block block;
	struct py_obj o;
	uint32_t tag;

	if (!strcmp(cs_node_type_name(l->hg, node), "frame") && cs_node_root(l->hg, node, &tag) &&
	    l->hg->roots.items.items[tag].kind == CS_ROOT_PY_FRAME) {
		add_root(l, tag); /* by its function, object or not */
		return;
	}
	cs_node_block(&l->hg->nodes, node, &block);
	l->from = block.addr;
	if (l->scan->py && py_object_at_block(l->scan->py, &block, &o)) {
		l->from = o.addr;
		py_visit(l->scan->py, &o, on_referrer, l);
	} else if (node != l->node) {
		words_of(l, &l->hg->nodes, (struct cs_range){ block.addr, block.len }, l->node);
	}
}

/* The graph has none of these, but where a guess was taken back. */
static void edges_to_itself(struct lister *l)
{
	l->no_guesses = true;
	edges_from(l, l->node);
	l->no_guesses = false;
}

static cs_status nodes_of(struct lister *l, struct cs_error *err)
{
	struct cs_graph_referrers walk;
	bool self = false;
	uint32_t node;
	cs_status st;

	cs_graph_referrers_init(&walk, l->hg->graph, l->node, &l->scan->pulse);
	while (!(st = cs_graph_referrers_next(&walk, &node, err))) {
		if (node >= l->node && !self) {
			self = true;
			edges_to_itself(l);
		}
		if (node != l->node)
			edges_from(l, node);
	}
	if (st == CS_NOTFOUND && !self)
		edges_to_itself(l);
	return st == CS_NOTFOUND ? CS_OK : st;
}

/* The graph is of blocks: to an object in a module's data all are asked. */
static void static_referrers(struct lister *l)
{
	const struct cs_roots *roots = &l->hg->roots;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	for (size_t i = 0; i < roots->items.count; i++)
		if (roots->items.items[i].kind == CS_ROOT_PY_FRAME)
			add_root(l, (uint32_t)i);
	cs_node_walk_init(&walk, &l->hg->nodes);
	while (cs_node_walk_next(&walk, &node, &block) && !cs_pulse_stops(&l->scan->pulse)) {
		struct py_obj o;

		cs_pulse_at(&l->scan->pulse, node, l->hg->nodes.count);
		if (!py_object_at_block(l->scan->py, &block, &o))
			continue;
		l->from = o.addr;
		py_visit(l->scan->py, &o, on_referrer, l);
	}
}

static void on_weakref(void *ctx, const struct py_edge *edge)
{
	struct lister *l = ctx;

	if (edge->hold == PY_WEAK && edge->to == l->object.addr && takes_row(l))
		add_row(l, (struct cs_edge_row){ 0 }, (struct draft){ *edge, l->from, true });
}

static void weakrefs_of(struct lister *l)
{
	struct py *py = l->scan->py;
	struct py_obj o;

	if (!find(l)) /* again: the table of types may have moved */
		return;
	l->from = py_weakref_first(py, &l->object);
	for (int i = 0; l->from && i < WEAK_MAX && !cs_pulse_stops(&l->scan->pulse); i++) {
		if (!py_object_at(py, l->from, &o))
			return;
		py_visit(py, &o, on_weakref, l);
		l->from = py_weakref_next(py, l->from, l->object.addr);
	}
}

cs_status cs_answer_referrers(struct cs_scan *scan, const struct cs_rows_wish *wish,
			      struct cs_answer *out, struct cs_error *err)
{
	struct lister l = { .scan = scan, .wish = wish, .out = out };
	cs_status st = CS_OK;

	if (!find(&l))
		return nothing_there(&l, err);
	st = cs_scan_graph(scan, &l.hg, err);
	if (st)
		return st;
	if (scan->py)
		py_visit_begin(scan->py);
	l.node = l.is_block ? cs_node_at(&l.hg->nodes, wish->addr) : CS_NO_NODE;
	if (l.node != CS_NO_NODE) {
		roots_of(&l);
		st = nodes_of(&l, err);
	} else if (l.is_object) {
		static_referrers(&l);
	}
	if (!st && l.is_object)
		weakrefs_of(&l);
	return result(&l, st, err);
}
