/* suspects.c - what to look at first: where memory accumulates, for the default page.
 *
 * The dominator tree is followed down from the roots, as long as one child keeps most
 * of what its parent keeps, or a few big ones do. Where it falls apart into many small
 * ones is where memory accumulates. Modules, classes, functions and frames only lead
 * there. What many hold together (a session in two tables) accumulates nowhere: it is
 * told by type. */
#include "cpython/py_value.h"
#include "graph/graph_reach.h"
#include "scan/answers.h"
#include "scan/waste.h"
#include "scan/ways.h"

#include <stdlib.h>
#include <string.h>

enum {
	SHARE = 100, LEAST = 128 << 10, /* a suspect has 1 % of what is in use, and so much */
	GROUP_SHARE = 20, FREE_SHARE = 10, /* these 5 %, 10 % */
	BIG_SHARE = 10, /* a child counts when it has a tenth of what its parent has */
	SPOTS_MAX = 1 << 16, CROWDS_MAX = 1 << 16, ROWS_MAX = 100, NAMED_MAX = 20,
	REFERRERS_MAX = 8,
	CLIMB_MAX = 64, REPEATS = 5 /* of a type on one way: a linked list, a tree */
};

struct spot { /* a node that keeps much */
	uint32_t node, parent, type; /* parent: a spot, or UINT32_MAX */
	uint64_t retained;
	bool is_told;
};

struct crowd { /* children of one type */
	uint64_t count, bytes, biggest;
	uint32_t type, example;
};

struct hunt {
	struct cs_heap_graph *hg;
	struct cs_ways ways;
	struct cs_answer *out;
	uint64_t used;	/* bytes of all blocks in use */
	uint64_t least; /* bytes of a suspect */
	CS_VEC(struct spot) spots;
	/* of the node that is looked at: its children */
	CS_VEC(struct crowd) crowds;
	struct cs_map crowd_of;
	CS_VEC(struct spot) big; /* those that keep much themselves */
	uint64_t own;		 /* bytes of the node and what only it owns */
	uint64_t big_bytes, biggest;
	/* rows of out->suspects that are spots: which; UINT32_MAX: none */
	CS_VEC(uint32_t) spot_of_row;
	bool is_out_of_memory;
};

/* --- what a node is --- */

/* Leads somewhere, but is not what accumulates. */
static bool is_scaffold(const char *type)
{
	static const char *const names[] = {
		"module", "function", "builtin_function_or_method", "method", "cell", "code",
		"frame", "generator", "coroutine", "async_generator", "property", "classmethod",
		"staticmethod", "functools.partial", "mappingproxy", "traceback", "super",
		"wrapper_descriptor", "method_descriptor", "getset_descriptor",
		"member_descriptor", "method-wrapper", "classmethod_descriptor",
		"_thread._local", "_contextvars.Context",
		"_contextvars.ContextVar", "Context", "(the interpreter's own)",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(type, names[i]))
			return true;
	return false;
}

static bool is_class(struct cs_heap_graph *hg, uint32_t node)
{
	struct py_obj o;

	return cs_node_object(hg, node, &o) && o.type->flags & PY_FLAG_TYPE;
}

/* The dict of a module's or class' or function's names. */
static bool is_names(struct hunt *h, const struct spot *s)
{
	struct cs_heap_graph *hg = h->hg;
	const struct spot *parent = s->parent == UINT32_MAX ? NULL : &h->spots.items[s->parent];
	struct py_edge edge;
	uint32_t tag;

	if (strcmp(cs_node_type_name(hg, s->node), "dict"))
		return false;
	if (cs_node_root(hg, s->node, &tag) && hg->roots.items.items[tag].kind == CS_ROOT_PY_MODULE)
		return true;
	return parent && cs_node_edge(hg, parent->node, s->node, &edge) && cs_edge_is_dict(&edge) &&
	       (is_class(hg, parent->node) || is_scaffold(cs_node_type_name(hg, parent->node)));
}

static bool only_leads(struct hunt *h, const struct spot *s)
{
	return is_scaffold(cs_node_type_name(h->hg, s->node)) || is_class(h->hg, s->node) ||
	       is_names(h, s);
}

/* --- its children --- */

static void add_to_crowd(struct hunt *h, uint32_t type, const struct cs_dom_step *step, uint64_t len)
{
	/* blocks without a type are told apart by their size */
	uint64_t key = type == CS_NO_TYPE ? len << 1 : (uint64_t)type << 1 | 1;
	struct crowd *c;
	uint32_t nr;

	if (!cs_map_get(&h->crowd_of, key, &nr)) {
		nr = (uint32_t)h->crowds.count;
		if (nr >= CROWDS_MAX)
			return;
		if (!cs_vec_push(&h->crowds, (struct crowd){ .type = type }) ||
		    !cs_map_put(&h->crowd_of, key, nr)) {
			h->is_out_of_memory = true;
			return;
		}
	}
	c = &h->crowds.items[nr];
	c->count++;
	c->bytes += step->retained;
	if (c->count > 1 && step->retained <= c->biggest)
		return;
	c->biggest = step->retained;
	c->example = step->node;
}

static void look_at_child(struct hunt *h, uint32_t parent, uint64_t least,
			  const struct cs_dom_step *step)
{
	uint32_t type = cs_heap_graph_type(h->hg, step->node);
	uint64_t len = cs_heap_graph_len(h->hg, step->node);

	if (cs_heap_graph_is_owned(h->hg, step->node)) {
		h->own += len;
		return;
	}
	if (!cs_heap_graph_frame(h->hg, step->node))
		add_to_crowd(h, type, step, len);
	if (step->retained < least)
		return;
	if (step->retained > h->biggest)
		h->biggest = step->retained;
	h->big_bytes += step->retained;
	if (!cs_vec_push(&h->big, (struct spot){ .node = step->node, .parent = parent, .type = type,
						 .retained = step->retained }))
		h->is_out_of_memory = true;
}

/* The children of spot nr, UINT32_MAX: of all roots. Big ones have at least `least`. */
static void look_at_children(struct hunt *h, uint32_t nr, uint64_t least)
{
	uint32_t node = nr == UINT32_MAX ? CS_GRAPH_NONE : h->spots.items[nr].node;
	struct cs_dom_walk walk;
	struct cs_dom_step step;

	h->crowds.count = h->big.count = 0;
	cs_map_deinit(&h->crowd_of);
	h->crowd_of = (struct cs_map){ 0 };
	h->big_bytes = h->biggest = 0;
	h->own = node == CS_GRAPH_NONE ? 0 : cs_heap_graph_len(h->hg, node);
	cs_dom_walk_init(&walk, h->hg->dom, node, true);
	while (cs_dom_walk_next(&walk, &step) && !cs_pulse_stops(&h->hg->scan->pulse))
		if (step.event != CS_DOM_LEAVE)
			look_at_child(h, nr, least, &step);
}

static const struct crowd *most_of_it(const struct hunt *h)
{
	const struct crowd *best = NULL;

	for (size_t i = 0; i < h->crowds.count; i++)
		if (!best || h->crowds.items[i].bytes > best->bytes)
			best = &h->crowds.items[i];
	return best;
}

/* --- what is told --- */

static const char *keep(struct hunt *h, const char *text)
{
	const char *kept = cs_arena_copy(&h->out->strings, text);

	if (!kept)
		h->is_out_of_memory = true;
	return kept;
}

static void tell(struct hunt *h, const struct cs_suspect_row *row, uint32_t spot)
{
	if (!cs_vec_push(&h->out->suspects, *row) || !cs_vec_push(&h->spot_of_row, spot))
		h->is_out_of_memory = true;
}

static const char *crowd_type(struct hunt *h, const struct crowd *c)
{
	if (c->type != CS_NO_TYPE)
		return h->hg->scan->model.types.items[c->type].name;
	return cs_arena_printf(&h->out->strings, "malloc block%s of %" PRIu64 " bytes",
			       c->count == 1 ? "" : "s", cs_heap_graph_len(h->hg, c->example));
}

static void count_of(struct cs_heap_graph *hg, uint32_t node, struct cs_suspect_row *row)
{
	struct py_obj o;

	if (cs_node_object(hg, node, &o) && !(o.type->flags & (PY_FLAG_STR | PY_FLAG_BYTES)) &&
	    py_length(hg->scan->py, &o, &row->count))
		row->count_of = o.type->flags & PY_FLAG_DICT ? "entries" : "items";
}

/* An lru_cache with a bound chains its results in links of its own. */
static bool is_unbounded(struct hunt *h, const struct spot *s)
{
	const struct spot *parent = s->parent == UINT32_MAX ? NULL : &h->spots.items[s->parent];

	if (!parent || strcmp(cs_node_type_name(h->hg, parent->node), "functools._lru_cache_wrapper"))
		return false;
	for (size_t i = 0; i < h->crowds.count; i++)
		if (!strcmp(cs_node_type_name(h->hg, h->crowds.items[i].example),
			    "functools._lru_list_elem"))
			return false;
	return true;
}

static void tell_spot(struct hunt *h, uint32_t nr, bool is_chain)
{
	const struct crowd *most = most_of_it(h);
	struct spot *s = &h->spots.items[nr];
	struct cs_suspect_row row = {
		.kind = h->own >= s->retained / 2 ? CS_SUSPECT_OBJECT : CS_SUSPECT_HOLDER,
		.type = cs_node_type_name(h->hg, s->node),
		.addr = cs_node_addr(h->hg, s->node),
		.bytes = s->retained,
		.is_chain = is_chain,
	};

	s->is_told = true;
	count_of(h->hg, s->node, &row);
	row.is_cache = is_unbounded(h, s);
	if (!is_chain && most && most->bytes >= (s->retained - h->own) / 4 && row.kind == CS_SUSPECT_HOLDER) {
		row.parts = crowd_type(h, most);
		row.is_mixed = most->bytes < (s->retained - h->own) / 2;
		row.parts_count = most->count;
	}
	tell(h, &row, nr);
}

/* What lies below a node that only leads, or below all roots, in small pieces. */
static void tell_groups(struct hunt *h)
{
	uint64_t least = h->used / GROUP_SHARE;

	for (size_t i = 0; i < h->crowds.count; i++) {
		const struct crowd *c = &h->crowds.items[i];
		const char *type;

		if (c->bytes < least || c->bytes < h->least || c->biggest >= h->least)
			continue;
		type = crowd_type(h, c);
		if (type && !is_scaffold(type) && strcmp(type, "type"))
			tell(h, &(struct cs_suspect_row){
				.kind = CS_SUSPECT_GROUP, .type = type, .bytes = c->bytes,
				.count = c->count, .addr = cs_node_addr(h->hg, c->example) },
			     UINT32_MAX);
	}
}

/* A list that is linked, or a tree, is told where it begins. */
static bool tell_beginning(struct hunt *h, uint32_t nr)
{
	uint32_t first = nr, repeats = 1;
	uint32_t type = h->spots.items[nr].type;

	for (int i = 0; i < CLIMB_MAX && repeats < REPEATS; i++) {
		nr = h->spots.items[nr].parent;
		if (nr == UINT32_MAX)
			return false;
		if (h->spots.items[nr].type != type)
			continue;
		first = nr;
		repeats++;
	}
	if (repeats < REPEATS || only_leads(h, &h->spots.items[first]))
		return false;
	if (!h->spots.items[first].is_told) {
		look_at_children(h, first, h->least);
		tell_spot(h, first, true);
	}
	return true;
}

static bool is_below_told(const struct hunt *h, uint32_t nr)
{
	for (nr = h->spots.items[nr].parent; nr != UINT32_MAX; nr = h->spots.items[nr].parent)
		if (h->spots.items[nr].is_told)
			return true;
	return false;
}

static void add_spots(struct hunt *h)
{
	for (size_t i = 0; i < h->big.count && h->spots.count < SPOTS_MAX; i++)
		if (!cs_vec_push(&h->spots, h->big.items[i]))
			h->is_out_of_memory = true;
}

static void judge(struct hunt *h, uint32_t nr)
{
	bool leads = only_leads(h, &h->spots.items[nr]);
	uint64_t retained = h->spots.items[nr].retained;
	uint64_t least = retained / BIG_SHARE;

	if (tell_beginning(h, nr))
		return;
	look_at_children(h, nr, leads || least < h->least ? h->least : least);
	if (!leads && h->biggest < retained / 2 && h->big_bytes < retained / 2) {
		tell_spot(h, nr, false);
		return;
	}
	if (leads)
		tell_groups(h);
	add_spots(h);
}

static bool is_stopped(const struct hunt *h)
{
	return h->is_out_of_memory || h->hg->scan->pulse.stopped;
}

/* A beginning may have been told after what follows it. */
static void drop_below_told(struct hunt *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->spot_of_row.count; i++)
		if (h->spot_of_row.items[i] == UINT32_MAX || !is_below_told(h, h->spot_of_row.items[i]))
			h->out->suspects.items[kept++] = h->out->suspects.items[i];
	h->out->suspects.count = kept;
}

static void find_holders(struct hunt *h)
{
	look_at_children(h, UINT32_MAX, h->least);
	tell_groups(h);
	add_spots(h);
	for (uint32_t nr = 0; nr < h->spots.count && !is_stopped(h); nr++)
		if (!is_below_told(h, nr))
			judge(h, nr);
	drop_below_told(h);
}

/* --- what is wasted --- */

static void find_unreached(struct hunt *h, struct cs_error *err)
{
	struct cs_suspect_row rows[2] = { { .kind = CS_SUSPECT_GARBAGE },
					  { .kind = CS_SUSPECT_LEAKED } };
	uint64_t biggest[2] = { 0 };
	struct cs_answer leaks = { 0 };

	if (h->used < cs_dom_retained(h->hg->dom, CS_GRAPH_NONE) + h->least)
		return;
	if (cs_answer_leaks(h->hg->scan, &leaks, err))
		leaks.leaks.count = 0; /* a part only */
	for (size_t i = 0; i < leaks.leaks.count; i++) {
		const struct cs_leak_row *l = &leaks.leaks.items[i];
		unsigned nr = strcmp(l->kind, "garbage") != 0;

		rows[nr].bytes += l->bytes;
		rows[nr].count += l->count;
		if (l->bytes <= biggest[nr])
			continue;
		biggest[nr] = l->bytes;
		rows[nr].addr = l->example;
		rows[nr].parts = keep(h, l->type);
		rows[nr].parts_count = l->count;
	}
	for (int i = 0; i < 2; i++)
		if (rows[i].bytes >= h->least)
			tell(h, &rows[i], UINT32_MAX);
	cs_answer_deinit(&leaks);
}

static void find_free(struct hunt *h)
{
	const struct cs_model *m = &h->hg->scan->model;
	const struct cs_ledger_row *l = m->ledger;
	struct cs_suspect_row malloced = { .kind = CS_SUSPECT_FREE, .type = "malloc",
		.bytes = l[CS_MALLOC_TCACHE].bytes + l[CS_MALLOC_FASTBINS].bytes +
			 l[CS_MALLOC_BINS].bytes + l[CS_MALLOC_TOP].bytes };
	struct cs_suspect_row pooled = { .kind = CS_SUSPECT_FREE, .type = "CPython",
		.bytes = l[CS_PY_FREE].bytes + l[CS_PY_FREE_POOLS].bytes };

	if (malloced.bytes >= m->target.present / FREE_SHARE && malloced.bytes >= h->least)
		tell(h, &malloced, UINT32_MAX);
	if (pooled.bytes >= m->target.present / FREE_SHARE && pooled.bytes >= h->least)
		tell(h, &pooled, UINT32_MAX);
}

/* A big table that is mostly empty is told as such, not as a big object too. */
static void drop_object(struct hunt *h, cs_addr addr, uint64_t unused)
{
	struct cs_suspect_row *rows = h->out->suspects.items;
	size_t kept = 0;

	for (size_t i = 0; i < h->out->suspects.count; i++)
		if (rows[i].kind != CS_SUSPECT_OBJECT || rows[i].addr != addr || unused < rows[i].bytes / 2)
			rows[kept++] = rows[i];
	h->out->suspects.count = kept;
}

static void find_waste(struct hunt *h, struct cs_error *err)
{
	struct cs_heap_graph *hg = h->hg;
	struct cs_copies copies;
	struct cs_spare_room room;
	struct py_obj o;
	char value[96] = "";

	if (cs_waste_answer(hg, &copies, &room, err))
		return;
	if (copies.bytes >= h->least && copies.example != CS_NO_NODE) {
		if (!hg->scan->options.no_values && cs_node_object(hg, copies.example, &o))
			py_value(hg->scan->py, &o, value, sizeof(value));
		tell(h, &(struct cs_suspect_row){
			.kind = CS_SUSPECT_COPIES, .type = "str", .bytes = copies.bytes,
			.count = copies.count, .parts = *value ? keep(h, value) : NULL,
			.parts_count = copies.most, .addr = cs_node_addr(hg, copies.example) },
		     UINT32_MAX);
	}
	if (room.bytes >= h->least && room.example != CS_NO_NODE) {
		drop_object(h, cs_node_addr(hg, room.example), room.most);
		tell(h, &(struct cs_suspect_row){
			.kind = CS_SUSPECT_ROOM, .type = cs_node_type_name(hg, room.example),
			.bytes = room.bytes, .count = room.count, .parts_count = room.most,
			.addr = cs_node_addr(hg, room.example) }, UINT32_MAX);
	}
}

/* --- names --- */

static void describe_way(struct hunt *h, const struct cs_way *way, struct cs_suspect_row *row)
{
	char name[CS_NAME_MAX];

	cs_name_whole(way->name, way->place, name);
	row->name = keep(h, name);
	row->is_guess = way->is_guess;
	row->is_local = way->root && way->root->kind == CS_ROOT_PY_FRAME;
	if (row->is_local)
		row->tid = cs_root_tid(h->hg->scan, way->root->name);
}

/* Two of those that hold a member of a group. */
static cs_status name_holders(struct hunt *h, uint32_t node, struct cs_suspect_row *row,
			      struct cs_error *err)
{
	struct cs_graph_referrers w;
	struct cs_way way;
	uint32_t referrer;
	cs_status st = CS_OK;

	cs_graph_referrers_init(&w, h->hg->graph, node, &h->hg->scan->pulse);
	for (int i = 0; i < REFERRERS_MAX && !row->also; i++) {
		st = cs_graph_referrers_next(&w, &referrer, err);
		if (!st)
			st = cs_way_to(&h->ways, referrer, &way, err);
		if (st)
			return st == CS_NOTFOUND ? CS_OK : st;
		if (!way.is_known)
			continue;
		if (!row->name)
			describe_way(h, &way, row);
		else if (strncmp(row->name, way.name, strlen(way.name)))
			row->also = keep(h, way.name);
	}
	return CS_OK;
}

static cs_status name_row(struct hunt *h, struct cs_suspect_row *row, struct cs_error *err)
{
	uint32_t node = row->addr ? cs_node_at(&h->hg->nodes, row->addr) : CS_NO_NODE;
	struct cs_way way;
	cs_status st;

	if (node == CS_NO_NODE)
		return CS_OK;
	if (row->kind == CS_SUSPECT_GROUP)
		return name_holders(h, node, row, err);
	if (row->kind != CS_SUSPECT_HOLDER && row->kind != CS_SUSPECT_OBJECT &&
	    row->kind != CS_SUSPECT_ROOM)
		return CS_OK;
	st = cs_way_to(&h->ways, node, &way, err);
	if (!st && way.is_known)
		describe_way(h, &way, row);
	return st;
}

static int by_bytes(const void *a, const void *b)
{
	const struct cs_suspect_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static cs_status finish(struct hunt *h, struct cs_error *err)
{
	struct cs_answer *out = h->out;
	cs_status st = CS_OK;

	if (out->suspects.count)
		qsort(out->suspects.items, out->suspects.count, sizeof(*out->suspects.items), by_bytes);
	if (out->suspects.count > ROWS_MAX)
		out->suspects.count = ROWS_MAX;
	for (size_t i = 0; !st && i < out->suspects.count && i < NAMED_MAX; i++)
		st = name_row(h, &out->suspects.items[i], err);
	return st;
}

static uint64_t bytes_in_use(const struct cs_model *m)
{
	static const enum cs_category in_use[] = { CS_PY_OBJECTS, CS_PY_OWNED, CS_PY_RUNTIME,
						   CS_PY_UNIDENTIFIED, CS_MALLOC_TYPED,
						   CS_MALLOC_UNTYPED };
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(in_use) / sizeof(in_use[0]); i++)
		sum += m->ledger[in_use[i]].bytes;
	return sum;
}

cs_status cs_answer_suspects(struct cs_scan *scan, struct cs_answer *out, struct cs_error *err)
{
	struct hunt h = { .out = out };
	cs_status st = cs_scan_graph(scan, &h.hg, err);
	struct cs_error ignored = { 0 };

	if (st)
		return st;
	h.ways.hg = h.hg;
	h.used = bytes_in_use(&scan->model);
	h.least = h.used / SHARE > LEAST ? h.used / SHARE : LEAST;
	find_holders(&h);
	find_unreached(&h, &ignored);
	find_waste(&h, &ignored);
	find_free(&h);
	st = finish(&h, err);
	cs_ways_deinit(&h.ways);
	cs_vec_free(&h.spots);
	cs_vec_free(&h.crowds);
	cs_vec_free(&h.big);
	cs_vec_free(&h.spot_of_row);
	cs_map_deinit(&h.crowd_of);
	if (h.is_out_of_memory && !st)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the suspects");
	return st ? st : cs_scan_stopped(scan, err);
}
