/* CPython Modules/_asynciomodule.c, TaskObj: the first members are a future's.
 * task_name is an int until somebody asks for it (3.13+): "Task-%d". A loop's thread
 * is in its attribute _thread_id (asyncio/base_events.py). */
#include "cpython/py_task.h"
#include "cpython/py_await.h"
#include "cpython/py_dict.h"
#include "cpython/py_families.h"
#include "cpython/py_instance.h"
#include "cpython/py_types.h"

#include <stdlib.h>

enum { PENDING, CANCELLED, FINISHED, TASKS_MAX = 1 << 20, NAME_CAP = 256 };

void py_task_claim(struct py *py, const struct py_obj *o)
{
	/* without memory, or beyond the limit, one is not told */
	if (!py->hunted && py->tasks.count < TASKS_MAX)
		cs_ignore(cs_vec_push(&py->tasks, o->addr) ? CS_OK : CS_NOMEM, "a row less");
}

static cs_addr member(struct py *py, cs_addr task, enum py_field field)
{
	return py_word(py, task + py_off(&py->layout, field));
}

static const char *name_of(struct py *py, cs_addr task)
{
	cs_addr name = member(py, task, PY_TASK_NAME);
	uint64_t number;

	if (py_int_value(py, name, &number))
		return cs_arena_printf(&py->model->strings, "Task-%" PRIu64, number);
	return py_str_copy(py, name, NAME_CAP);
}

static bool is_task(const struct py_type *type)
{
	return type && !strcmp(type->family->name, "_asyncio.Task");
}

/* What the task waits for: another task by its name, else by its type. */
static void find_waiter(struct py *py, cs_addr task, struct cs_task_row *out)
{
	cs_addr waiter = member(py, task, PY_TASK_FUT_WAITER);
	const struct py_type *type = py_type_of(py, waiter);

	if (!type)
		return;
	out->waits_for = is_task(type) ? name_of(py, waiter) :
					 py->model->types.items[type->model_nr].name;
}

static int64_t thread_of_loop(struct py *py, const struct py_task_threads *threads, cs_addr task)
{
	cs_addr loop = member(py, task, PY_TASK_LOOP), ident;
	uint64_t id;

	ident = loop ? py_instance_get(py, loop, "_thread_id") : 0;
	return ident && py_int_value(py, ident, &id) ? threads->of_ident(threads->ctx, id) : 0;
}

static cs_status load(struct py_frames *w, const struct py_task_threads *threads, cs_addr task,
		      struct cs_task_row *out, struct cs_error *err)
{
	static const char *const states[] = { [PENDING] = "pending", [CANCELLED] = "cancelled",
					      [FINISHED] = "finished" };
	struct py *py = w->py;
	cs_addr coroutine = member(py, task, PY_TASK_CORO), frame;
	uint32_t state = PENDING;
	int64_t running;

	*out = (struct cs_task_row){ .address = task, .name = name_of(py, task) };
	if (!cs_mem_u32(py->mem, task + py_off(&py->layout, PY_TASK_STATE), &state) ||
	    state > FINISHED)
		return CS_OK;
	out->state = states[state];
	out->tid = thread_of_loop(py, threads, task);
	if (state != PENDING)
		return CS_OK;
	frame = py_await_frame(py, coroutine);
	running = frame ? threads->of_frame(threads->ctx, frame) : 0;
	if (running) {
		out->state = "running"; /* its frames are on that thread's stack */
		out->tid = running;
		return CS_OK;
	}
	find_waiter(py, task, out);
	return py_await_frames(w, coroutine, &out->stack, err);
}

static int rank(const struct cs_task_row *t)
{
	if (!t->state)
		return 3;
	return !strcmp(t->state, "running") ? 0 : !strcmp(t->state, "pending") ? 1 : 2;
}

static int by_rank(const void *a, const void *b)
{
	const struct cs_task_row *x = a, *y = b;

	if (rank(x) != rank(y))
		return rank(x) - rank(y);
	return (x->address > y->address) - (x->address < y->address);
}

cs_status py_tasks_load(struct py_frames *w, const struct py_task_threads *threads,
			struct cs_threads *out, struct cs_error *err)
{
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < w->py->tasks.count && !py_stops(w->py); i++) {
		struct cs_task_row row;

		st = load(w, threads, w->py->tasks.items[i], &row, err);
		if (!st && !cs_vec_push(&out->tasks, row))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the tasks");
	}
	if (out->tasks.count)
		qsort(out->tasks.items, out->tasks.count, sizeof(struct cs_task_row), by_rank);
	return cs_pulse_result(w->py->model->pulse, st, err);
}
