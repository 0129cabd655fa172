#include "scan/natives.h"
#include "base/own.h"
#include "image/image_unwind.h"
#include "scan/scan_state.h"

#include <stdlib.h>

enum { FRAMES_MAX = 1 << 20 }; /* of all threads */

struct stack {
	size_t first, count; /* in `raw` */
	const char *ends;
};

struct cs_natives {
	struct cs_scan *scan;
	struct cs_unwind *unwind;
	CS_VEC(struct cs_unwind_frame) raw;
	CS_VEC(struct stack) stacks; /* of each thread of the image */
	struct cs_map name_nr; /* program counter -> names */
	CS_VEC(struct cs_frame) names; /* in groups: the last of one is not inlined */
	/* of the thread that is being named */
	CS_VEC(struct cs_frame) frames;
	CS_VEC(cs_addr) sps; /* of each, where its C frame begins; 0: unknown */
};

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the stacks");
}

/* Into the model; NULL stays NULL. */
static const char *copy(struct cs_scan *scan, const char *text)
{
	return text ? cs_arena_copy(&scan->model.strings, text) : NULL;
}

static void cs_natives_destroyp(struct cs_natives **n)
{
	cs_natives_destroy(*n);
}

static cs_status read_stack(struct cs_natives *n, size_t nr, struct cs_error *err)
{
	struct stack s = { .first = n->raw.count };
	const struct cs_unwind_frame *frames = NULL;
	cs_status st = CS_OK;

	if (n->raw.count >= FRAMES_MAX)
		s.ends = "there are too many frames in all";
	else
		st = cs_unwind_thread(n->unwind, &n->scan->image->threads.items[nr], &frames,
				      &s.count, &s.ends, err);
	for (size_t i = 0; !st && i < s.count; i++)
		if (!cs_vec_push(&n->raw, frames[i]))
			return no_memory(err);
	if (st)
		return st;
	return cs_vec_push(&n->stacks, s) ? CS_OK : no_memory(err);
}

cs_status cs_natives_read(struct cs_scan *scan, struct cs_natives **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_natives_destroyp))) struct cs_natives *n = calloc(1, sizeof(*n));
	size_t count = scan->image->threads.count;
	struct cs_error why = { .text = "" };
	cs_status st;

	if (!n)
		return no_memory(err);
	n->scan = scan;
	st = cs_unwind_open(scan->image, &n->unwind, &why);
	if (st == CS_UNSUPPORTED) { /* no file of the target is here */
		struct stack s = { .ends = copy(scan, why.text) };

		st = CS_OK;
		for (size_t i = 0; i < count; i++)
			if (!cs_vec_push(&n->stacks, s))
				return no_memory(err);
	} else if (st)
		return cs_fail(err, st, 0, "%s", why.text);
	for (size_t i = 0; !st && n->unwind && i < count; i++) {
		cs_pulse_at(&scan->pulse, count + i, 2 * count);
		st = read_stack(n, i, err);
	}
	if (!st)
		*out = cs_steal(n);
	return st;
}

void cs_natives_destroy(struct cs_natives *n)
{
	if (!n)
		return;
	cs_unwind_close(n->unwind);
	cs_vec_free(&n->raw);
	cs_vec_free(&n->stacks);
	cs_map_deinit(&n->name_nr);
	cs_vec_free(&n->names);
	cs_vec_free(&n->frames);
	cs_vec_free(&n->sps);
	free(n);
}

/* Names of a frame, looked up once for an address: in w->names from *first on. */
static bool names_of(struct cs_natives *n, const struct cs_unwind_frame *f, uint32_t *first)
{
	struct cs_unwind_name names[CS_UNWIND_NAMES];
	uint64_t key = f->pc << 2 | (uint64_t)f->is_exact << 1 | f->is_signal;
	size_t count;

	if (key && cs_map_get(&n->name_nr, key, first))
		return true;
	*first = (uint32_t)n->names.count;
	count = cs_unwind_names(n->unwind, f, names);
	for (size_t i = 0; i < count; i++) {
		const struct cs_unwind_name *name = &names[i];
		struct cs_frame frame = {
			.function = copy(n->scan, name->function),
			.file = copy(n->scan, name->file),
			.module = name->module,
			.address = f->pc,
			.offset = name->offset,
			.line = name->line,
			.is_inlined = name->is_inlined,
		};

		if (!cs_vec_push(&n->names, frame))
			return false;
	}
	return !key || cs_map_put(&n->name_nr, key, *first);
}

/* The interpreter's loop, also the part a compiler split off. */
static bool is_eval(const struct cs_frame *f)
{
	static const char name[] = "_PyEval_EvalFrameDefault";

	return f->function && !strncmp(f->function, name, sizeof(name) - 1) &&
	       (!f->function[sizeof(name) - 1] || f->function[sizeof(name) - 1] == '.');
}

static bool add_frame(struct cs_natives *n, const struct cs_unwind_frame *f)
{
	uint32_t nr;

	if (!names_of(n, f, &nr))
		return false;
	do {
		if (!cs_vec_push(&n->frames, n->names.items[nr]) || !cs_vec_push(&n->sps, f->sp))
			return false;
	} while (n->names.items[nr++].is_inlined);
	return true;
}

static void give_call(struct cs_natives *n, size_t at, const struct py_call *call)
{
	n->frames.items[at].python_first = call->first;
	n->frames.items[at].python_count = call->count;
}

/* Each call has a place in its C frame: the frame that spans it. */
static bool merge_by_place(struct cs_natives *n, const struct py_call *calls, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		cs_addr place = calls[i].c_addr;

		/* the frame above begins where this one ends */
		while (at < n->frames.count &&
		       (n->frames.items[at].is_inlined || !n->sps.items[at] ||
			at + 1 == n->frames.count || place >= n->sps.items[at + 1]))
			at++;
		if (!place || at >= n->frames.count || place < n->sps.items[at] ||
		    n->frames.items[at].python_count)
			return false;
		give_call(n, at, &calls[i]);
	}
	return true;
}

/* As many loops of the interpreter as there are calls: one for each. */
static bool merge_by_name(struct cs_natives *n, const struct py_call *calls, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < n->frames.count; i++)
		found += !n->frames.items[i].is_inlined && is_eval(&n->frames.items[i]);
	if (found != count)
		return false;
	for (size_t i = 0, nr = 0; i < n->frames.count; i++)
		if (!n->frames.items[i].is_inlined && is_eval(&n->frames.items[i]))
			give_call(n, i, &calls[nr++]);
	return true;
}

static bool merge(struct cs_natives *n, const struct py_call *calls, size_t count)
{
	bool by_place = n->sps.count && n->sps.items[0];

	for (size_t i = 0; i < count; i++)
		by_place = by_place && calls[i].c_addr;
	if (!count || !n->frames.count)
		return false;
	return by_place ? merge_by_place(n, calls, count) : merge_by_name(n, calls, count);
}

cs_status cs_natives_name(struct cs_natives *n, size_t nr, const struct py_call *calls,
			  size_t count, struct cs_thread_row *row, struct cs_error *err)
{
	const struct stack *s = &n->stacks.items[nr];
	size_t len;

	n->frames.count = n->sps.count = 0;
	for (size_t i = s->first; i < s->first + s->count; i++) {
		if (cs_pulse_look(&n->scan->pulse))
			return cs_pulse_fail(err);
		if (!add_frame(n, &n->raw.items[i]))
			return no_memory(err);
	}
	row->native = (struct cs_stack){ .count = (uint32_t)n->frames.count, .ends = s->ends };
	row->is_merged = merge(n, calls, count);
	len = n->frames.count * sizeof(struct cs_frame);
	row->native.frames = cs_arena_alloc(&n->scan->model.strings, len + 1);
	if (!row->native.frames)
		return no_memory(err);
	if (len)
		memcpy(row->native.frames, n->frames.items, len);
	return CS_OK;
}
