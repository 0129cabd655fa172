/* Words outside the heaps: where they lie, and which of them are references.
 *
 * Not looked through: heaps (their blocks are nodes), stacks below sp (dead), and
 * the interpreter's data stacks (their frames are known exactly). The heads of the
 * collector's lists hold nothing: they point in front of objects, see guess_at(). */
#include "scan/roots.h"

#include "base/loop.h"
#include "cpython/py_census.h"
#include "cpython/py_dict.h"
#include "cpython/py_frame.h"
#include "cpython/py_visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 1 << 16, CHUNKS_MAX = 1 << 16, NAME_MAX_LEN = 200 };

struct ranges {
	CS_VEC(struct cs_range) items; /* sorted before use */
};

struct finder {
	struct cs_scan *scan;
	struct cs_nodes *nodes;
	struct cs_graph *graph;
	struct cs_roots *roots;
	struct ranges taken; /* not to be looked through */
	uint32_t tag;	     /* of the root whose references are being told */
	bool is_out_of_memory;
};

static void take(struct finder *f, cs_addr start, uint64_t len)
{
	struct cs_range r = { start, len };

	if (len && !cs_vec_push(&f->taken.items, r))
		f->is_out_of_memory = true;
}

static uint32_t add_root(struct finder *f, struct cs_root root)
{
	if (!cs_vec_push(&f->roots->items, root))
		f->is_out_of_memory = true;
	return (uint32_t)f->roots->items.count - 1;
}

static void hold(struct finder *f, uint32_t tag, cs_addr addr)
{
	uint32_t node = cs_node_at(f->nodes, addr);

	if (node != CS_NO_NODE)
		cs_graph_root(f->graph, node, tag);
}

/* What a word keeps, if it is a pointer. */
static uint32_t guess_at(struct cs_scan *scan, struct cs_nodes *nodes, cs_addr word)
{
	uint32_t node = word >= nodes->lowest && word < nodes->end ? cs_node_at(nodes, word) :
								     CS_NO_NODE;
	struct cs_block block;
	struct py_obj o;

	if (node == CS_NO_NODE || !scan->py)
		return node;
	cs_node_block(nodes, node, &block);
	if (block.state == CS_BLOCK_OBJECT && py_object_at_block(scan->py, &block, &o) && word < o.addr)
		return CS_NO_NODE;
	return node;
}

void cs_guess_walk_init(struct cs_guess_walk *w, struct cs_scan *scan, struct cs_nodes *nodes,
			struct cs_range range)
{
	*w = (struct cs_guess_walk){ .scan = scan, .nodes = nodes, .range = range, .at = range.start };
}

bool cs_guess_walk_next(struct cs_guess_walk *w, struct cs_guess *out)
{
	for (;;) {
		while (w->off + 8 <= w->len) {
			cs_addr word = cs_le64(w->bytes + w->off), where = w->addr + w->off;
			uint32_t node = guess_at(w->scan, w->nodes, word);

			w->off += 8;
			if (node == CS_NO_NODE)
				continue;
			*out = (struct cs_guess){ node, word, where };
			return true;
		}
		w->bytes = cs_mem_next(w->scan->image->mem, w->range, &w->at, &w->addr, &w->len);
		if (!w->bytes || cs_pulse_look(&w->scan->pulse))
			return false;
		w->off = cs_align_up(w->addr, 8) - w->addr;
	}
}

/* --- Python --- */

static void on_module_edge(void *ctx, const struct py_edge *edge)
{
	struct finder *f = ctx;

	if (edge->label && !strcmp(edge->label, "__dict__"))
		hold(f, f->tag, edge->to);
}

static void on_module(void *ctx, const struct py_edge *edge)
{
	struct finder *f = ctx;

	struct py_obj module;

	if (edge->kind != PY_EDGE_VALUE || cs_node_at(f->nodes, edge->to) == CS_NO_NODE)
		return;
	f->tag = add_root(f, (struct cs_root){ .kind = CS_ROOT_PY_MODULE,
					       .range = { edge->to, 1 },
					       .name = edge->name });
	hold(f, f->tag, edge->to);
	/* and its globals, which functions hold too */
	if (py_object_at(f->scan->py, edge->to, &module))
		py_visit(f->scan->py, &module, on_module_edge, f);
}

static void count_frame(void *ctx, cs_addr thread, cs_addr frame)
{
	(void)thread;
	(void)frame;
	++*(uint32_t *)ctx;
}

uint32_t cs_roots_count_frames(struct cs_scan *scan)
{
	uint32_t count = 0;

	if (!scan->py)
		return 0;
	py_visit_begin(scan->py);
	py_walk_frames(scan->py, count_frame, &count);
	return count;
}

/* Up to 3.10 a frame is an object and has a node. */
static void on_frame(void *ctx, cs_addr thread, cs_addr frame)
{
	struct finder *f = ctx;
	uint32_t tag = add_root(f, (struct cs_root){ .kind = CS_ROOT_PY_FRAME,
						     .range = { frame, 1 },
						     .name = thread });
	uint32_t node = cs_node_at(f->nodes, frame);
	struct py_obj o;

	if (node == CS_NO_NODE || !py_object_at(f->scan->py, frame, &o)) {
		node = f->nodes->count + (uint32_t)f->roots->frames.count;
		if (node >= f->graph->node_count)
			return;
		if (!cs_vec_push(&f->roots->frames, tag)) {
			f->is_out_of_memory = true;
			return;
		}
	}
	cs_graph_root(f->graph, node, tag);
}

/* The interpreter's chunks hold frames, and behind the last one what is left of others. */
static void take_data_stack(struct finder *f, cs_addr thread)
{
	struct py *py = f->scan->py;
	const struct py_layout *l = &py->layout;
	cs_addr chunk;

	if (!py_has(l, PY_TS_DATASTACK_CHUNK))
		return;
	chunk = py_word(py, thread + py_off(l, PY_TS_DATASTACK_CHUNK));
	for (int i = 0; chunk && i < CHUNKS_MAX && py_step(py); i++) {
		uint64_t size = py_word(py, chunk + py_off(l, PY_STACK_CHUNK_SIZE));

		if (!size || size > cs_mem_run(py->mem, chunk))
			return;
		take(f, chunk, size);
		chunk = py_word(py, chunk + py_off(l, PY_STACK_CHUNK_PREVIOUS));
	}
}

/* Members of states, by name. Of one word: a counted reference. Bigger ones are looked
 * through: atexit's callbacks (3.10+ a struct), calls that wait, the cache of methods. */
struct state_field {
	enum py_field field;
	const char *text;
	uint32_t words;
};

static const struct state_field interp_fields[] = {
	{ PY_IS_MODULES, "sys.modules", 1 },
	{ PY_IS_SYSDICT, "sys", 1 },
	{ PY_IS_BUILTINS, "builtins", 1 },
	{ PY_IS_DICT, "data that extensions keep for the interpreter", 1 },
	{ PY_IS_IMPORTLIB, "importlib", 1 },
	{ PY_IS_IMPORT_FUNC, "builtins.__import__", 1 },
	{ PY_IS_MODULES_BY_INDEX, "extension modules", 1 },
	{ PY_IS_CODEC_SEARCH_PATH, "codecs: search functions", 1 },
	{ PY_IS_CODEC_SEARCH_CACHE, "codecs: cache", 1 },
	{ PY_IS_CODEC_ERRORS, "codecs: error handlers", 1 },
	{ PY_IS_BEFORE_FORK, "os.register_at_fork", 1 },
	{ PY_IS_AFTER_FORK_PARENT, "os.register_at_fork", 1 },
	{ PY_IS_AFTER_FORK_CHILD, "os.register_at_fork", 1 },
	{ PY_IS_AUDIT_HOOKS, "sys.addaudithook", 1 },
	{ PY_IS_INTERNED, "interned strings", 1 },
	{ PY_IS_ATEXIT, "atexit", 4 },
	{ PY_IS_PENDING, "pending calls", 128 },
	{ PY_IS_TYPE_CACHE, "cache of methods", 3 * 4096 },
};

static const struct state_field thread_fields[] = {
	{ PY_TS_DICT, "data of thread", 1 },
	{ PY_TS_CONTEXT, "context of thread", 1 },
	{ PY_TS_EXCEPTION, "exception in flight in thread", 1 },
	{ PY_TS_EXC_TRACEBACK, "traceback in flight in thread", 1 },
	{ PY_TS_HANDLED, "exception being handled in thread", 1 },
	{ PY_TS_ASYNC_EXC, "exception to be raised in thread", 1 },
	{ PY_TS_TRACE, "sys.settrace of thread", 1 },
	{ PY_TS_PROFILE, "sys.setprofile of thread", 1 },
};

static void add_fields(struct finder *f, cs_addr state, uint64_t size, cs_addr thread,
		       const struct state_field *fields, size_t count)
{
	const struct py_layout *l = &f->scan->py->layout;

	for (size_t i = 0; i < count; i++) {
		uint64_t off = py_has(l, fields[i].field) ? py_off(l, fields[i].field) : 0;
		uint64_t len = fields[i].words * 8ull;
		struct cs_root root = { .kind = CS_ROOT_PY_FIELD, .text = fields[i].text,
					.range = { state + off, len }, .name = thread,
					.is_guess = fields[i].words > 1 };
		uint32_t tag;

		if (!off || off >= size)
			continue;
		if (root.range.len > size - off)
			root.range.len = size - off;
		tag = add_root(f, root);
		if (!root.is_guess)
			hold(f, tag, py_word(f->scan->py, state + off));
	}
}

#define COUNT_OF(fields) (sizeof(fields) / sizeof((fields)[0]))

static void python_states(struct finder *f)
{
	struct py *py = f->scan->py;
	const struct py_layout *l = &py->layout;

	for (size_t i = 0; i < py->interp_count; i++) {
		cs_addr interp = py->interps[i];
		cs_addr thread = py_word(py, interp + py_off(l, PY_IS_THREADS_HEAD));
		struct cs_loop loop = { 0 };

		add_fields(f, interp, py_off(l, PY_IS_SIZE), 0, interp_fields, COUNT_OF(interp_fields));
		add_root(f, (struct cs_root){ .kind = CS_ROOT_PY_STATE, .is_guess = true,
					      .range = { interp, py_off(l, PY_IS_SIZE) } });
		for (int n = 0; thread && n < THREADS_MAX && !cs_loop_closes(&loop, thread) &&
				py_step(py);
		     n++) {
			add_fields(f, thread, py_off(l, PY_TS_SIZE), thread, thread_fields,
				   COUNT_OF(thread_fields));
			add_root(f, (struct cs_root){ .kind = CS_ROOT_PY_STATE, .is_guess = true,
						      .range = { thread, py_off(l, PY_TS_SIZE) } });
			take_data_stack(f, thread);
			thread = py_word(py, thread + py_off(l, PY_TS_NEXT));
		}
	}
}

static void python_roots(struct finder *f)
{
	struct py *py = f->scan->py;
	struct py_obj modules;

	for (size_t i = 0; i < py->interp_count; i++)
		if (py_object_at(py, py_word(py, py->interps[i] + py_off(&py->layout, PY_IS_MODULES)),
				 &modules))
			py_visit(py, &modules, on_module, f);
	py_walk_frames(py, on_frame, f);
	python_states(f);
}

/* --- memory --- */

static void take_heaps(struct finder *f)
{
	const struct cs_blocks *b = &f->scan->model.blocks;

	for (size_t i = 0; i < b->spans.count; i++)
		take(f, b->spans.items[i].start, b->spans.items[i].len);
	for (size_t i = 0; i < b->big.count; i++)
		take(f, b->big.items[i].start, b->big.items[i].len);
}

cs_addr cs_stack_pointer_in(const struct cs_image *image, struct cs_range range, int *tid)
{
	cs_addr sp = 0;

	for (size_t k = 0; k < image->threads.count; k++)
		if (cs_range_has(range, image->threads.items[k].sp, 1) &&
		    (!sp || image->threads.items[k].sp < sp)) {
			sp = image->threads.items[k].sp;
			*tid = image->threads.items[k].tid;
		}
	return sp;
}

static void add_stacks(struct finder *f)
{
	const struct cs_model *m = &f->scan->model;

	for (size_t i = 0; i < m->regions.count; i++) {
		struct cs_range r = m->regions.items[i].range;
		int tid = 0;
		cs_addr sp;

		if (m->regions.items[i].category != CS_STACKS)
			continue;
		sp = cs_stack_pointer_in(f->scan->image, r, &tid);
		if (!sp)
			continue;
		take(f, r.start, sp - r.start);
		add_root(f, (struct cs_root){ .kind = CS_ROOT_STACK, .is_guess = true, .number = tid,
					      .range = { sp, cs_range_end(r) - sp } });
	}
}

/* What a running function holds in registers it need not have on its stack. */
static void add_registers(struct finder *f)
{
	const struct cs_image *image = f->scan->image;

	for (size_t i = 0; i < image->threads.count; i++) {
		const struct cs_regs *regs = &image->threads.items[i].regs;
		uint32_t tag = add_root(f, (struct cs_root){ .kind = CS_ROOT_REGISTERS,
							     .is_guess = true,
							     .number = image->threads.items[i].tid });

		for (size_t k = 0; k < CS_REGS; k++) {
			uint32_t node = guess_at(f->scan, f->nodes, regs->values[k]);

			if (node != CS_NO_NODE)
				cs_graph_root(f->graph, node, tag);
		}
	}
}

static void add_memory(struct finder *f)
{
	const struct cs_image *image = f->scan->image;
	struct cs_range ranges[CS_MODULE_WRITABLE];

	for (size_t i = 0; i < image->modules.count; i++) {
		const struct cs_module *m = &image->modules.items[i];
		size_t n = cs_module_writable(m, image, ranges, CS_MODULE_WRITABLE);

		for (size_t k = 0; k < n; k++)
			add_root(f, (struct cs_root){ .kind = CS_ROOT_DATA, .is_guess = true,
						      .text = m->path, .range = ranges[k] });
	}
	for (size_t i = 0; i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];

		if (m->prot & CS_PROT_W && m->module == CS_NO_MODULE &&
		    (m->kind == CS_MAPPING_ANON || m->kind == CS_MAPPING_HEAP ||
		     m->kind == CS_MAPPING_STACK || m->kind == CS_MAPPING_SHARED))
			add_root(f, (struct cs_root){ .kind = CS_ROOT_MEMORY, .is_guess = true,
						      .range = m->range, .text = m->path });
	}
}

static int by_start(const void *a, const void *b)
{
	const struct cs_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Sort, and join what overlaps. */
static void sort_taken(struct ranges *t)
{
	size_t kept = 0;

	if (t->items.count)
		qsort(t->items.items, t->items.count, sizeof(struct cs_range), by_start);
	for (size_t i = 0; i < t->items.count; i++) {
		struct cs_range r = t->items.items[i];
		struct cs_range *last = kept ? &t->items.items[kept - 1] : NULL;

		if (!last || r.start > cs_range_end(*last))
			t->items.items[kept++] = r;
		else if (cs_range_end(r) > cs_range_end(*last))
			last->len = cs_range_end(r) - last->start;
	}
	t->items.count = kept;
}

static void look_through(struct finder *f, uint32_t tag, struct cs_range range)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, f->scan, f->nodes, range);
	while (cs_guess_walk_next(&walk, &guess))
		cs_graph_root(f->graph, guess.node, tag);
}

/* A range without what is taken. */
static void look_between(struct finder *f, uint32_t tag, struct cs_range range)
{
	cs_addr at = range.start, end = cs_range_end(range);
	size_t lo = 0, hi = f->taken.items.count;

	while (lo < hi) { /* the first that ends above at */
		size_t mid = lo + (hi - lo) / 2;

		if (cs_range_end(f->taken.items.items[mid]) <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; at < end; lo++) {
		struct cs_range t = { end, 0 };

		if (lo < f->taken.items.count && f->taken.items.items[lo].start < end)
			t = f->taken.items.items[lo];
		if (t.start > at)
			look_through(f, tag, (struct cs_range){ at, t.start - at });
		at = t.len ? cs_range_end(t) : end;
	}
}

static void look_all(struct finder *f, size_t first, enum cs_root_kind kind)
{
	sort_taken(&f->taken);
	for (size_t i = first; i < f->roots->items.count; i++)
		if (f->roots->items.items[i].kind == kind && f->roots->items.items[i].is_guess)
			look_between(f, (uint32_t)i, f->roots->items.items[i].range);
}

cs_status cs_roots_find(struct cs_scan *scan, struct cs_nodes *nodes, struct cs_graph *graph,
			struct cs_roots *roots, struct cs_error *err)
{
	struct finder f = { .scan = scan, .nodes = nodes, .graph = graph, .roots = roots };
	size_t first;

	if (scan->py)
		python_roots(&f);
	look_all(&f, 0, CS_ROOT_PY_FIELD); /* before heaps are taken: it may be malloc'ed */
	look_all(&f, 0, CS_ROOT_PY_STATE);
	take_heaps(&f);
	first = roots->items.count;
	add_registers(&f);
	add_stacks(&f);
	look_all(&f, first, CS_ROOT_STACK);
	for (size_t i = first; i < roots->items.count; i++)
		take(&f, roots->items.items[i].range.start, roots->items.items[i].range.len);
	first = roots->items.count;
	add_memory(&f);
	look_all(&f, first, CS_ROOT_DATA);
	look_all(&f, first, CS_ROOT_MEMORY);
	cs_vec_free(&f.taken.items);
	if (f.is_out_of_memory)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the roots");
	return scan->pulse.stopped ? cs_pulse_fail(err) : CS_OK;
}

void cs_roots_deinit(struct cs_roots *roots)
{
	cs_vec_free(&roots->items);
	cs_vec_free(&roots->frames);
}

/* "handle() in views.py" */
static void frame_text(struct cs_scan *scan, cs_addr frame, char *buf, size_t cap)
{
	const struct py_layout *l = &scan->py->layout;
	enum py_field name = py_has(l, PY_CODE_QUALNAME) ? PY_CODE_QUALNAME : PY_CODE_NAME;
	char function[NAME_MAX_LEN], file[NAME_MAX_LEN * 2];
	struct py_frame_look look;
	const char *slash;

	if (!py_frame_look(scan->py, frame, &look) ||
	    !py_str_text(scan->py, py_word(scan->py, look.code + py_off(l, name)), function,
			 sizeof(function), NULL) ||
	    !py_str_text(scan->py, py_word(scan->py, look.code + py_off(l, PY_CODE_FILENAME)), file,
			 sizeof(file), NULL)) {
		snprintf(buf, cap, "frame " CS_ADDR, frame);
		return;
	}
	slash = strrchr(file, '/');
	snprintf(buf, cap, "%s() in %s", function, slash ? slash + 1 : file);
}

int64_t cs_root_tid(const struct cs_scan *scan, cs_addr state)
{
	const struct cs_image *image = scan->image;
	uint64_t id = py_word(scan->py, state + py_off(&scan->py->layout, PY_TS_THREAD_ID));

	for (size_t i = 0; i < image->threads.count; i++)
		if (id && image->threads.items[i].fs_base == id)
			return image->threads.items[i].tid;
	return 0;
}

void cs_root_text(struct cs_scan *scan, const struct cs_root *root, char *buf, size_t cap)
{
	char name[NAME_MAX_LEN] = "?";

	switch (root->kind) {
	case CS_ROOT_PY_MODULE:
		if (root->name)
			py_str_text(scan->py, root->name, name, sizeof(name), NULL);
		snprintf(buf, cap, "module %s", name);
		break;
	case CS_ROOT_PY_FRAME:
		frame_text(scan, root->range.start, buf, cap);
		break;
	case CS_ROOT_PY_FIELD:
		if (root->name)
			snprintf(buf, cap, "%s %" PRId64, root->text, cs_root_tid(scan, root->name));
		else
			snprintf(buf, cap, "%s", root->text);
		break;
	case CS_ROOT_PY_STATE:
		snprintf(buf, cap, "interpreter state " CS_ADDR, root->range.start);
		break;
	case CS_ROOT_DATA:
		snprintf(buf, cap, "data of %s", root->text);
		break;
	case CS_ROOT_REGISTERS:
		snprintf(buf, cap, "registers of thread %" PRId64, root->number);
		break;
	case CS_ROOT_STACK:
		snprintf(buf, cap, "stack of thread %" PRId64, root->number);
		break;
	case CS_ROOT_MEMORY:
		snprintf(buf, cap, "memory at " CS_ADDR "%s%s", root->range.start,
			 root->text ? " " : "", root->text ? root->text : "");
		break;
	}
}
