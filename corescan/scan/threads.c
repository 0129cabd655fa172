/* threads.c - stacks, names and the GIL's holder put together, a row a thread.
 *
 * A thread state is of the thread whose fs base its thread_id is: on x86-64 that
 * is pthread_self() (glibc sysdeps/x86_64/nptl/tls.h; musl too). Where the fs base
 * is not known, the id the thread knows itself by must do, which differs in a
 * container's core read outside. */
#include "scan/threads.h"
#include "base/own.h"
#include "cpython/py_task.h"
#include "scan/natives.h"
#include "scan/scan_state.h"

#include <stdlib.h>

/* A thread state and its stack. */
struct state {
	const struct py_thread *thread;
	struct cs_stack stack;
	struct py_call *calls;
	size_t call_count;
	size_t row;
};

struct cs_stacks {
	struct cs_scan *scan;
	struct cs_threads out;
	struct py_threads py_threads;
	struct py_frames py_frames;
	CS_VEC(struct state) states;
	struct cs_map row_of_base, row_of_tid, row_of_frame;
	struct cs_natives *natives;
};

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
}

static cs_status add_rows(struct cs_stacks *w, struct cs_error *err)
{
	const struct cs_image *image = w->scan->image;

	for (size_t i = 0; i < image->threads.count; i++) {
		const struct cs_thread *t = &image->threads.items[i];
		struct cs_thread_row row = { .tid = t->tid, .name = t->name };

		if (!cs_vec_push(&w->out.rows, row) ||
		    (t->fs_base && !cs_map_put(&w->row_of_base, t->fs_base, (uint32_t)i)) ||
		    (t->tid > 0 && !cs_map_put(&w->row_of_tid, (uint64_t)t->tid, (uint32_t)i)))
			return no_memory(err);
	}
	return CS_OK;
}

/* The row of a thread state; a new one when it is no thread of the system. */
static bool find_row(struct cs_stacks *w, const struct py_thread *t, size_t *row)
{
	uint32_t nr;

	if ((t->thread_id && cs_map_get(&w->row_of_base, t->thread_id, &nr)) ||
	    (t->native_id && cs_map_get(&w->row_of_tid, t->native_id, &nr))) {
		*row = nr;
		return true;
	}
	*row = w->out.rows.count;
	return cs_vec_push(&w->out.rows, (struct cs_thread_row){ .tid = 0 });
}

static cs_status add_state(struct cs_stacks *w, const struct py_thread *t, struct cs_error *err)
{
	struct state s = { .thread = t };
	cs_status st = py_frames_of_thread(&w->py_frames, t->addr, &s.stack, err);

	if (st)
		return st;
	s.call_count = w->py_frames.calls.count;
	s.calls = calloc(s.call_count + 1, sizeof(*s.calls));
	if (!s.calls)
		return no_memory(err);
	if (s.call_count)
		memcpy(s.calls, w->py_frames.calls.items, s.call_count * sizeof(*s.calls));
	if (!find_row(w, t, &s.row) || !cs_vec_push(&w->states, s)) {
		free(s.calls);
		return no_memory(err);
	}
	return CS_OK;
}

/* Several interpreters may run on one thread: the innermost call has the lowest C
 * frame; where that is not kept, who holds the GIL is the innermost. */
static int by_depth(const void *a, const void *b)
{
	const struct state *x = a, *y = b;
	cs_addr at = x->call_count ? x->calls[0].c_addr : 0;
	cs_addr other = y->call_count ? y->calls[0].c_addr : 0;
	int gil = (y->thread->gil == CS_GIL_HOLDS) - (x->thread->gil == CS_GIL_HOLDS);

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (at != other)
		return at < other ? -1 : 1;
	if (gil)
		return gil;
	return (x->thread->addr > y->thread->addr) - (x->thread->addr < y->thread->addr);
}

/* States [from, to) are of one thread: their stacks one above the other. */
static bool join_states(struct cs_stacks *w, size_t from, size_t to)
{
	struct cs_thread_row *row = &w->out.rows.items[w->states.items[from].row];
	uint32_t count = 0, at = 0;

	for (size_t i = from; i < to; i++) {
		const struct state *s = &w->states.items[i];

		count += s->stack.count;
		if (s->thread->gil == CS_GIL_HOLDS || row->gil == CS_GIL_UNKNOWN)
			row->gil = s->thread->gil;
		if (s->thread->name)
			row->name = s->thread->name;
		if (s->stack.ends)
			row->python.ends = s->stack.ends;
	}
	row->python.frames = cs_arena_alloc(&w->scan->model.strings,
					    count * sizeof(struct cs_frame) + 1);
	if (!row->python.frames)
		return false;
	for (size_t i = from; i < to; i++) {
		struct state *s = &w->states.items[i];

		memcpy(row->python.frames + at, s->stack.frames,
		       s->stack.count * sizeof(struct cs_frame));
		for (size_t k = 0; k < s->call_count; k++)
			s->calls[k].first += at;
		at += s->stack.count;
	}
	row->python.count = count;
	return true;
}

static cs_status join_all(struct cs_stacks *w, struct cs_error *err)
{
	if (w->states.count)
		qsort(w->states.items, w->states.count, sizeof(struct state), by_depth);
	for (size_t from = 0, to; from < w->states.count; from = to) {
		for (to = from; to < w->states.count; to++)
			if (w->states.items[to].row != w->states.items[from].row)
				break;
		if (!join_states(w, from, to))
			return no_memory(err);
	}
	return CS_OK;
}

static int64_t tid_of_frame(void *ctx, cs_addr frame)
{
	const struct cs_stacks *w = ctx;
	uint32_t nr;

	return cs_map_get(&w->row_of_frame, frame, &nr) ? w->out.rows.items[nr].tid : 0;
}

static int64_t tid_of_ident(void *ctx, uint64_t ident)
{
	const struct cs_stacks *w = ctx;
	uint32_t nr;

	return ident && cs_map_get(&w->row_of_base, ident, &nr) ? w->out.rows.items[nr].tid : 0;
}

static cs_status add_tasks(struct cs_stacks *w, struct cs_error *err)
{
	const struct py_task_threads threads = { tid_of_frame, tid_of_ident, w };

	if (!w->scan->py->tasks.count)
		return CS_OK;
	for (size_t i = 0; i < w->out.rows.count; i++) {
		const struct cs_stack *s = &w->out.rows.items[i].python;

		for (uint32_t k = 0; k < s->count; k++)
			if (!cs_map_put(&w->row_of_frame, s->frames[k].address, (uint32_t)i))
				return no_memory(err);
	}
	return py_tasks_load(&w->py_frames, &threads, &w->out, err);
}

static cs_status add_python(struct cs_stacks *w, struct cs_error *err)
{
	cs_status st;

	if (!w->scan->py)
		return CS_OK;
	st = py_threads_load(w->scan->py, &w->py_threads, err);
	for (size_t i = 0; !st && i < w->py_threads.count; i++) {
		cs_pulse_at(&w->scan->pulse, i, w->py_threads.count * 4);
		st = add_state(w, &w->py_threads.items[i], err);
	}
	if (!st)
		st = join_all(w, err);
	return st ? st : add_tasks(w, err);
}

/* Names, and the calls of all states of one thread. */
static cs_status name_row(struct cs_stacks *w, size_t nr, size_t *state, struct cs_error *err)
{
	struct cs_thread_row *row = &w->out.rows.items[nr];
	CS_VEC(struct py_call) calls = { NULL, 0, 0 };
	bool ok = true;
	cs_status st;

	for (; ok && *state < w->states.count && w->states.items[*state].row == nr; ++*state) {
		const struct state *s = &w->states.items[*state];

		for (size_t i = 0; ok && i < s->call_count; i++)
			ok = cs_vec_push(&calls, s->calls[i]);
	}
	st = ok ? cs_natives_name(w->natives, nr, calls.items, calls.count, row, err) :
		  no_memory(err);
	cs_vec_free(&calls);
	return st;
}

cs_status cs_stacks_read(struct cs_scan *scan, bool has_locals, struct cs_stacks **out,
			 struct cs_error *err)
{
	__attribute__((cleanup(cs_stacks_destroyp))) struct cs_stacks *w = calloc(1, sizeof(*w));
	cs_status st;

	if (!w)
		return no_memory(err);
	w->scan = scan;
	w->out.is_known = true;
	w->out.has_locals = has_locals;
	py_frames_init(&w->py_frames, scan->py, has_locals);
	st = add_rows(w, err);
	if (!st)
		st = add_python(w, err);
	if (!st)
		st = cs_natives_read(scan, &w->natives, err);
	st = cs_pulse_result(&scan->pulse, st, err);
	if (!st)
		*out = cs_steal(w);
	return st;
}

void cs_stacks_destroy(struct cs_stacks *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->states.count; i++)
		free(w->states.items[i].calls);
	cs_vec_free(&w->states);
	cs_vec_free(&w->py_threads);
	py_frames_deinit(&w->py_frames);
	cs_map_deinit(&w->row_of_base);
	cs_map_deinit(&w->row_of_tid);
	cs_map_deinit(&w->row_of_frame);
	cs_natives_destroy(w->natives);
	cs_vec_free(&w->out.rows);
	cs_vec_free(&w->out.tasks);
	free(w);
}

cs_status cs_stacks_name(struct cs_stacks *w, struct cs_error *err)
{
	struct cs_threads *known = &w->scan->model.threads;
	size_t count = w->scan->image->threads.count, state = 0;
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < count; i++) {
		cs_pulse_at(&w->scan->pulse, i, count);
		st = name_row(w, i, &state, err);
	}
	st = cs_pulse_result(&w->scan->pulse, st, err);
	if (st)
		return st;
	cs_vec_free(&known->rows);
	cs_vec_free(&known->tasks);
	*known = w->out;
	w->out = (struct cs_threads){ .is_known = true };
	return CS_OK;
}

cs_status cs_scan_threads(struct cs_scan *scan, bool has_locals, struct cs_error *err)
{
	const struct cs_threads *known = &scan->model.threads;
	__attribute__((cleanup(cs_stacks_destroyp))) struct cs_stacks *stacks = NULL;
	cs_status st;

	if ((known->is_known && (!has_locals || known->has_locals)) ||
	    scan->model.target.stopped_ns)
		return CS_OK;
	st = cs_stacks_read(scan, has_locals, &stacks, err);
	return st ? st : cs_stacks_name(stacks, err);
}
