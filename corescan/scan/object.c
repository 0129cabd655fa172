/* object.c - everything known about one address, for --object. */
#include "base/own.h"
#include "cpython/py_census.h"
#include "cpython/py_value.h"
#include "native/native.h"
#include "scan/answers.h"
#include "scan/edges.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const state_words[CS_BLOCK_STATES] = {
	[CS_BLOCK_INSIDE] = "inside a block",
	[CS_BLOCK_FREE] = "free",
	[CS_BLOCK_USED] = "in use, unexplained",
	[CS_BLOCK_OBJECT] = "a live Python object",
	[CS_BLOCK_OWNED] = "owned by a Python object",
	[CS_BLOCK_RUNTIME] = "the interpreter's own",
	[CS_BLOCK_CACHED] = "a dead object in a free list of CPython",
	[CS_BLOCK_TYPED] = "in use, of a known native type",
	[CS_BLOCK_OVERHEAD] = "the allocator's own (header, tail or padding)",
	[CS_BLOCK_UNCARVED] = "free, not yet carved into blocks",
	[CS_BLOCK_TCACHE] = "free, in a thread's cache",
	[CS_BLOCK_FASTBIN] = "free, in a fastbin",
	[CS_BLOCK_LOST] = "inside a heap the walk could not follow",
};

/* The answer being written; out of memory drops rows, never crashes. */
struct pen {
	struct cs_answer *out;
};

static void say(struct pen *pen, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct pen *pen, const char *field, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	struct cs_answer_row row = {
		.field = field,
		.text = cs_arena_copy(&pen->out->strings, text),
	};

	cs_ignore(row.text && cs_vec_push(&pen->out->rows, row) ? CS_OK : CS_NOMEM, "a row less");
}

static void say_number(struct pen *pen, const char *field, uint64_t number, bool is_address)
{
	struct cs_answer_row row = { .field = field, .number = number, .is_address = is_address };

	cs_ignore(cs_vec_push(&pen->out->rows, row) ? CS_OK : CS_NOMEM, "a row less");
}

static void say_object(struct pen *pen, struct cs_scan *scan, const struct py_obj *o)
{
	struct py *py = scan->py;
	const struct cs_type *row = &scan->model.types.items[o->type->model_nr];
	char value[512];

	say(pen, "type", "%s", row->name);
	say(pen, "kind", "python");
	say_number(pen, "object", o->addr, true);
	say_number(pen, "shallow", py_getsizeof(py, o), false);
	say_number(pen, "refcount", cs_le64(o->p) & UINT32_MAX, false);
	if (o->type->flags & PY_FLAG_HAVE_GC)
		say(pen, "gc", "%s", py_word(py, o->addr - 16) ? "tracked" : "not tracked");
	if (!scan->options.no_values) {
		py_value(py, o, value, sizeof(value));
		if (value[0])
			say(pen, "value", "%s", value);
	}
	say(pen, "evidence",
	    "its type word is a verified type, its place in the block and its size fit that type");
}

static void say_owner(struct pen *pen, struct cs_scan *scan, const struct cs_block *block)
{
	struct cs_block where;
	struct py_obj o;
	cs_addr owner = py_owner_of(scan->py, block->addr);

	if (!owner)
		return;
	say_number(pen, "owner", owner, true);
	if (cs_blocks_holding(&scan->model.blocks, owner, &where) &&
	    py_object_at_block(scan->py, &where, &o))
		say(pen, "owner_type", "%s", py_type_name(scan->py, &o));
	say(pen, "evidence", "a member of the owner points at it, and only such objects own such blocks");
}

enum { MEMBERS_SHOWN = 64 };

static void say_member(void *ctx, const char *name, const char *value)
{
	if (*name)
		say(ctx, "member", "%s = %s", name, value);
	else
		say(ctx, "value", "%s", value);
}

/* What vtables and pointers say of a malloc block. */
static void say_native(struct pen *pen, struct cs_scan *scan, const struct cs_block *block)
{
	struct cs_native_members_wish wish = { MEMBERS_SHOWN, scan->options.no_values };
	struct cs_native_fact f;
	uint64_t more;

	if (!cs_native_find(scan->native, block, &f))
		return;
	say(pen, f.row == CS_NATIVE_NO_ROW ? "perhaps" : "type", "%s", f.type);
	say(pen, "kind", "%s", f.kind == CS_KIND_CXX ? "c++" : "c");
	if (f.is_array)
		say_number(pen, "items", f.items, false);
	say(pen, "evidence", "%s", cs_native_how_words[f.how]);
	say(pen, "confidence", "%s", cs_native_sure_words[f.sure]);
	if (f.candidates)
		say_number(pen, "candidates", f.candidates, false);
	if (f.via)
		say(pen, "via", CS_ADDR "%s%s", f.via, *f.via_name ? " " : "", f.via_name);
	else if (*f.via_name)
		say(pen, "via", "%s", f.via_name);
	more = cs_native_members(scan->native, block, &wish, say_member, pen);
	if (more)
		say_number(pen, "more_members", more, false);
}

static void say_block(struct pen *pen, struct cs_scan *scan, const struct cs_block *block)
{
	struct py_obj o;

	say(pen, "state", "%s", state_words[block->state]);
	say(pen, "allocator", "%s", block->allocator == CS_ALLOC_GLIBC ? "glibc" : "pymalloc");
	say_number(pen, "block", block->addr, true);
	say_number(pen, "bytes", block->len, false);
	if (scan->py && py_object_at_block(scan->py, block, &o))
		say_object(pen, scan, &o);
	else if (scan->py && block->state == CS_BLOCK_OWNED)
		say_owner(pen, scan, block);
	else
		say_native(pen, scan, block);
}

static bool say_static_object(struct pen *pen, struct cs_scan *scan, cs_addr addr)
{
	struct py_obj o;

	if (!scan->py || !py_object_static(scan->py, addr, &o))
		return false;
	say(pen, "state", "a static Python object");
	say_object(pen, scan, &o);
	return true;
}

static void say_mapping(struct pen *pen, struct cs_scan *scan, const struct cs_mapping *m)
{
	say(pen, "mapping", CS_ADDR "-" CS_ADDR " %c%c%c %s", m->range.start, cs_range_end(m->range),
	    m->prot & CS_PROT_R ? 'r' : '-', m->prot & CS_PROT_W ? 'w' : '-',
	    m->prot & CS_PROT_X ? 'x' : '-', m->path ? m->path : "anonymous");
	if (m->module != CS_NO_MODULE)
		say(pen, "module", "%s", scan->image->modules.items[m->module].path);
}

cs_status cs_scan_object(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
			 struct cs_error *err)
{
	const struct cs_mapping *m = cs_image_mapping(scan->image, addr);
	struct pen pen = { out };
	struct cs_block block;
	bool in_heap = cs_blocks_holding(&scan->model.blocks, addr, &block);
	cs_status st;

	scan->pulse.stopped = false; /* another work */
	st = cs_pulse_step(&scan->pulse, "owner", 0, 1000, err);
	if (st)
		return st;
	if (!in_heap && !m && !cs_mem_view(scan->image->mem, addr, 1))
		return cs_fail(err, CS_NOTFOUND, addr, CS_ADDR " is not in the target's memory", addr);
	say_number(&pen, "address", addr, true);
	if (in_heap)
		say_block(&pen, scan, &block);
	else
		say_static_object(&pen, scan, addr);
	if (m)
		say_mapping(&pen, scan, m);
	return cs_pulse_result(&scan->pulse, CS_OK, err);
}

/* --- who it knows, and who knows it --- */

/* "['key']: list 0x7f.., 3 items"; of a root what it is. */
static void say_edge(struct pen *pen, const struct cs_edge_row *e, bool is_referrer)
{
	const char *type = e->type ? e->type : "nothing known";
	const char *value = e->value && !is_referrer ? e->value : "";
	const char *doubt = !strcmp(e->hold, "guess") ? " (maybe)" :
			    !strcmp(e->hold, "weak") ? " (weak)" :
			    !strcmp(e->hold, "owned") ? " (its own)" : "";

	if (e->is_root)
		say(pen, "referrer", "%s%s%s%s", e->edge, *e->edge ? " of " : "", type, doubt);
	else if (is_referrer)
		say(pen, "referrer", "%s of %s " CS_ADDR "%s", e->edge, type, e->addr, doubt);
	else
		say(pen, "referent", "%s: %s " CS_ADDR "%s%.200s%s", e->edge, type, e->addr,
		    *value ? ", " : "", value, doubt);
}

static void say_edges(struct pen *pen, struct cs_answer *found, bool is_referrer)
{
	uint64_t shown = found->edges.count;

	say_number(pen, is_referrer ? "referrers" : "referents", shown + found->rows_behind, false);
	for (size_t i = 0; i < shown; i++)
		say_edge(pen, &found->edges.items[i], is_referrer);
	if (found->rows_behind)
		say_number(pen, is_referrer ? "more_referrers" : "more_referents",
			   found->rows_behind, false);
}

static void say_retained(struct pen *pen, struct cs_heap_graph *hg, cs_addr addr)
{
	uint32_t node = cs_node_at(&hg->nodes, addr);

	if (node != CS_NO_NODE && cs_dom_is_reached(hg->dom, node))
		say_number(pen, "retained", cs_dom_retained(hg->dom, node), false);
	else if (node != CS_NO_NODE)
		say(pen, "retained", "not known: no root reaches it");
}

/* Everything else stands without a graph. */
static cs_status say_referrers(struct pen *pen, struct cs_scan *scan,
			       const struct cs_rows_wish *wish, struct cs_error *err)
{
	struct cs_answer found = { 0 };
	struct cs_error why = { .text = "" };
	struct cs_heap_graph *hg;
	cs_status st = cs_scan_graph(scan, &hg, &why);

	if (!st) {
		say_retained(pen, hg, wish->addr);
		st = cs_answer_referrers(scan, wish, &found, &why);
	}
	if (!st)
		say_edges(pen, &found, true);
	else if (st != CS_STOPPED && st != CS_NOTFOUND)
		say(pen, "referrers", "not known: %s", why.text);
	cs_answer_deinit(&found);
	return st == CS_STOPPED ? cs_pulse_fail(err) : CS_OK;
}

cs_status cs_scan_neighbours(struct cs_scan *scan, const struct cs_rows_wish *wish,
			     struct cs_answer *out, struct cs_error *err)
{
	struct cs_answer found = { 0 };
	struct pen pen = { out };
	cs_status st = cs_answer_referents(scan, wish, &found, err);

	if (!st)
		say_edges(&pen, &found, false);
	cs_answer_deinit(&found);
	if (st)
		return st == CS_NOTFOUND ? CS_OK : st; /* memory that nobody uses */
	return say_referrers(&pen, scan, wish, err);
}
