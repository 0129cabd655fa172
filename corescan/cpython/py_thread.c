/* CPython Python/pystate.c and ceval_gil.c (ceval_gil.h to 3.11).
 *
 * Who holds the GIL. To 3.11 _PyRuntime.gilstate.tstate_current is set after it
 * was taken and emptied before it is dropped, so a thread named there holds it;
 * when none is and the lock is taken, somebody is between the two. From 3.12 on
 * each interpreter has (or shares) a lock; last_holder is set while it is taken
 * and stays when it is dropped, tstate->_status.active stands for the time
 * between: both together name the holder, one alone does not. */
#include "cpython/py_thread.h"
#include "cpython/py_dict.h"
#include "cpython/py_instance.h"
#include "cpython/py_types.h"

enum { THREADS_MAX = 1 << 16, NAME_CAP = 256, STATUS_ACTIVE = 1 << 4 };

static bool lock_is_taken(struct py *py, cs_addr lock, bool *taken)
{
	uint32_t locked;

	if (!cs_mem_u32(py->mem, lock, &locked))
		return false;
	*taken = (int32_t)locked > 0; /* -1: not made yet */
	return true;
}

static enum cs_gil gil_of_runtime(struct py *py, cs_addr thread)
{
	const struct py_layout *l = &py->layout;
	uint64_t current;
	bool taken;

	if (!cs_mem_u64(py->mem, py->runtime + py_off(l, PY_RT_TSTATE_CURRENT), &current))
		return CS_GIL_UNKNOWN;
	if (current)
		return current == thread ? CS_GIL_HOLDS : CS_GIL_NONE;
	if (!lock_is_taken(py, py->runtime + py_off(l, PY_RT_GIL_LOCKED), &taken) || taken)
		return CS_GIL_UNKNOWN;
	return CS_GIL_NONE;
}

static bool is_active(struct py *py, cs_addr thread)
{
	uint32_t status;

	return cs_mem_u32(py->mem, thread + py_off(&py->layout, PY_TS_STATUS), &status) &&
	       status & STATUS_ACTIVE;
}

static enum cs_gil gil_of_interp(struct py *py, cs_addr interp, cs_addr thread)
{
	const struct py_layout *l = &py->layout;
	cs_addr gil = py_word(py, interp + py_off(l, PY_IS_CEVAL_GIL)), holder;
	bool taken;

	if (!gil || !lock_is_taken(py, gil + py_off(l, PY_GIL_LOCKED), &taken))
		return CS_GIL_UNKNOWN;
	if (!taken)
		return CS_GIL_NONE;
	holder = py_word(py, gil + py_off(l, PY_GIL_LAST_HOLDER));
	if (!holder || !is_active(py, holder))
		return CS_GIL_UNKNOWN;
	return holder == thread ? CS_GIL_HOLDS : CS_GIL_NONE;
}

static enum cs_gil gil_of(struct py *py, cs_addr interp, cs_addr thread)
{
	const struct py_layout *l = &py->layout;

	if (py_has(l, PY_RT_TSTATE_CURRENT) && py_has(l, PY_RT_GIL_LOCKED))
		return gil_of_runtime(py, thread);
	if (py_has(l, PY_IS_CEVAL_GIL) && py_has(l, PY_GIL_LOCKED) && py_has(l, PY_TS_STATUS))
		return gil_of_interp(py, interp, thread);
	return CS_GIL_UNKNOWN;
}

/* threading._active: a dict of Thread objects by pthread_self(). Names are put
 * into `names`, which `by_id` leads to. */
struct name_table {
	CS_VEC(const char *) names;
	struct cs_map by_id;
};

static bool add_name(struct py *py, struct name_table *t, cs_addr ident, cs_addr thread)
{
	const char *name = py_str_copy(py, py_instance_get(py, thread, "_name"), NAME_CAP);
	uint64_t id;

	if (!name || !py_int_value(py, ident, &id) || !id)
		return true;
	return cs_map_put(&t->by_id, id, (uint32_t)t->names.count) && cs_vec_push(&t->names, name);
}

static void add_names(struct py *py, struct name_table *t, cs_addr interp)
{
	const struct py_layout *l = &py->layout;
	cs_addr active = py_module_global(py, interp, "threading", "_active");
	struct py_keys k;

	if (!active || !py_keys_load(py, py_word(py, active + py_off(l, PY_DICT_KEYS)), &k))
		return;
	for (uint64_t i = 0; i < k.nentries && t->names.count < THREADS_MAX && py_step(py); i++) {
		cs_addr key, value;

		if (!py_keys_entry(py, &k, i, &key, &value))
			return;
		if (key && value && !add_name(py, t, key, value))
			return;
	}
}

static bool load_thread(struct py *py, cs_addr interp, cs_addr addr, struct py_thread *out)
{
	const struct py_layout *l = &py->layout;
	uint64_t back;

	*out = (struct py_thread){ .addr = addr };
	if (addr % 8 || !cs_mem_u64(py->mem, addr + py_off(l, PY_TS_INTERP), &back) ||
	    back != interp)
		return false;
	out->thread_id = py_word(py, addr + py_off(l, PY_TS_THREAD_ID));
	if (py_has(l, PY_TS_NATIVE_ID))
		out->native_id = py_word(py, addr + py_off(l, PY_TS_NATIVE_ID));
	out->gil = gil_of(py, interp, addr);
	return true;
}

static cs_status add_interp(struct py *py, cs_addr interp, struct cs_map *seen,
			    struct py_threads *out, struct cs_error *err)
{
	const struct py_layout *l = &py->layout;
	cs_addr at = py_word(py, interp + py_off(l, PY_IS_THREADS_HEAD));
	uint32_t ignored;

	while (at && out->count < THREADS_MAX && !py_stops(py)) {
		struct py_thread thread;

		if (cs_map_get(seen, at, &ignored) || !load_thread(py, interp, at, &thread)) {
			cs_model_anomaly(py->model, "python.thread", at,
					 "the list of thread states of interpreter " CS_ADDR
					 " leads to " CS_ADDR ", which is none or is in it already",
					 interp, at);
			break;
		}
		if (!cs_map_put(seen, at, 0) || !cs_vec_push(out, thread))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
		at = py_word(py, at + py_off(l, PY_TS_NEXT));
	}
	return CS_OK;
}

cs_status py_threads_load(struct py *py, struct py_threads *out, struct cs_error *err)
{
	struct name_table names = { .names = { NULL, 0, 0 } };
	struct cs_map seen = { NULL, NULL, 0, 0 };
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < py->interp_count; i++) {
		st = add_interp(py, py->interps[i], &seen, out, err);
		add_names(py, &names, py->interps[i]);
	}
	for (size_t i = 0; !st && i < out->count; i++) {
		uint32_t nr;

		struct py_thread *t = &out->items[i];

		if (t->thread_id && cs_map_get(&names.by_id, t->thread_id, &nr))
			t->name = names.names.items[nr];
	}
	cs_vec_free(&names.names);
	cs_map_deinit(&names.by_id);
	cs_map_deinit(&seen);
	return cs_pulse_result(py->model->pulse, st, err);
}
