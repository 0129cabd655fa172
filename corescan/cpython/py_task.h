/* py_task.h - asyncio's tasks (of the C accelerator, which all loops use).
 *
 * The census collects them, since every task is an object: none that asyncio lost
 * sight of is missed.
 */
#ifndef CS_PY_TASK_H
#define CS_PY_TASK_H
#include "cpython/py_frame.h"

/* The thread in whose stacks a frame is, or 0; and of a pthread_self(). */
struct py_task_threads {
	int64_t (*of_frame)(void *ctx, cs_addr frame);
	int64_t (*of_ident)(void *ctx, uint64_t ident);
	void *ctx;
};

/* A row in out for each task the census met, running ones first, then those that
 * wait, then those that are done. CS_NOMEM, CS_STOPPED. */
cs_status py_tasks_load(struct py_frames *w, const struct py_task_threads *threads,
			struct cs_threads *out, struct cs_error *err);
#endif
