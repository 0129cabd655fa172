/* py_thread.h - thread states: which threads Python knows, their names, who holds the GIL. */
#ifndef CS_PY_THREAD_H
#define CS_PY_THREAD_H
#include "cpython/py.h"
#include "model/threads.h"

struct py_thread {
	cs_addr addr;	     /* of its PyThreadState */
	uint64_t thread_id;  /* pthread_self(): on x86-64 the fs base */
	uint64_t native_id;  /* as the process sees it itself; 0: this version does not keep it */
	enum cs_gil gil;
	const char *name;    /* of its threading.Thread; NULL: none. In the model's strings */
};

struct py_threads {
	struct py_thread *items;
	size_t count, cap;
};

/* All thread states of all interpreters; free with cs_vec_free. A list that
 * contradicts itself ends there with an anomaly. CS_NOMEM, CS_STOPPED. */
cs_status py_threads_load(struct py *py, struct py_threads *out, struct cs_error *err);
#endif
