/* py_await.h - the frames of a coroutine that waits, and of what it awaits. */
#ifndef CS_PY_AWAIT_H
#define CS_PY_AWAIT_H
#include "cpython/py_frame.h"

/* From a coroutine, generator or asynchronous generator along cr_await: what is
 * awaited first, itself last. Ends at what has no frame: a future, an awaitable of
 * an extension. CS_NOMEM, CS_STOPPED. */
cs_status py_await_frames(struct py_frames *w, cs_addr coroutine, struct cs_stack *out,
			  struct cs_error *err);

/* The frame of a coroutine or generator; 0: it has none, or addr is neither. */
cs_addr py_await_frame(struct py *py, cs_addr coroutine);
#endif
