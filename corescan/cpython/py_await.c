/* What a suspended coroutine awaits is on top of its frame's stack (CPython
 * Objects/genobject.c, _PyGen_yf). A coroutine is never suspended but there; that a
 * generator is inside `yield from` says
 *   to 3.10     the next instruction: YIELD_FROM
 *   3.11, 3.12  the next instruction's argument: of the RESUME behind a yield it is
 *               2 or 3 in `yield from` and `await`
 *   3.13+       the state of the frame
 * The top of the stack: f_stacktop (to 3.9), f_valuestack and f_stackdepth (3.10),
 * localsplus and stacktop (to 3.13), stackpointer (3.14). */
#include "cpython/py_await.h"
#include "cpython/py_family.h"
#include "cpython/py_types.h"

enum {
	YIELD_FROM = 72, /* the opcode in 3.8, 3.9 and 3.10 */
	UNIT = 2, REF_TAGS = 3, DEPTH_MAX = 4096, STACK_MAX = 1 << 20,
	RESUME_PLACE = 3, RESUME_AFTER_YIELD_FROM = 2,
	STATE_YIELD_FROM = -1, STATE_EXECUTING = 0
};

static bool is_generator(const struct py_type *type)
{
	static const char *const names[] = { "coroutine", "generator", "async_generator" };

	for (size_t i = 0; type && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(type->family->name, names[i]))
			return true;
	return false;
}

cs_addr py_await_frame(struct py *py, cs_addr coroutine)
{
	const struct py_layout *l = &py->layout;
	const unsigned char *state;

	if (!is_generator(py_type_of(py, coroutine)))
		return 0;
	if (py_has(l, PY_GEN_FRAME))
		return py_word(py, coroutine + py_off(l, PY_GEN_FRAME));
	state = cs_mem_view(py->mem, coroutine + py_off(l, PY_GEN_FRAME_STATE), 1);
	if (!state || (signed char)*state > STATE_EXECUTING)
		return 0;
	return coroutine + py_off(l, PY_GEN_IFRAME);
}

static bool is_in_yield_from(struct py *py, cs_addr coroutine, cs_addr frame)
{
	const struct py_layout *l = &py->layout;
	struct py_frame_look look;
	cs_addr next;
	const unsigned char *p;

	if (py_has(l, PY_IFRAME_INSTR_PTR)) {
		p = cs_mem_view(py->mem, coroutine + py_off(l, PY_GEN_FRAME_STATE), 1);
		return p && (signed char)*p == STATE_YIELD_FROM;
	}
	if (!py_frame_look(py, frame, &look) || look.at < 0)
		return false;
	if (py_has(l, PY_CODE_CODE))
		next = py_word(py, look.code + py_off(l, PY_CODE_CODE)) + py_off(l, PY_BYTES_SVAL);
	else
		next = look.code + py_off(l, PY_CODE_ADAPTIVE);
	p = cs_mem_view(py->mem, next + (uint64_t)look.at + UNIT, UNIT);
	if (!p)
		return false;
	return py_has(l, PY_CODE_CODE) ? p[0] == YIELD_FROM :
					 (p[1] & RESUME_PLACE) >= RESUME_AFTER_YIELD_FROM;
}

/* Behind the last entry of a frame's stack; 0: it is empty. */
static cs_addr stack_end(struct py *py, cs_addr frame)
{
	const struct py_layout *l = &py->layout;
	enum py_field field = PY_IFRAME_STACKTOP;
	uint32_t depth = 0;

	if (py_has(l, PY_FRAME_STACKTOP))
		return py_word(py, frame + py_off(l, PY_FRAME_STACKTOP));
	if (py_has(l, PY_IFRAME_STACKPOINTER))
		return py_word(py, frame + py_off(l, PY_IFRAME_STACKPOINTER));
	if (py_has(l, PY_FRAME_STACKDEPTH))
		field = PY_FRAME_STACKDEPTH;
	if (!cs_mem_u32(py->mem, frame + py_off(l, field), &depth) || !depth || depth > STACK_MAX)
		return 0;
	if (py_has(l, PY_FRAME_STACKDEPTH))
		return py_word(py, frame + py_off(l, PY_FRAME_VALUESTACK)) + 8 * (uint64_t)depth;
	return frame + py_off(l, PY_IFRAME_LOCALSPLUS) + 8 * (uint64_t)depth;
}

/* Some awaitables only stand for a generator. */
static cs_addr unwrap(struct py *py, cs_addr object)
{
	static const struct {
		const char *type;
		enum py_field field;
	} wrappers[] = {
		{ "coroutine_wrapper", PY_WRAPPED_COROUTINE },
		{ "async_generator_asend", PY_ASEND_GEN },
		{ "async_generator_athrow", PY_ASEND_GEN }, /* agt_gen is there too */
	};
	const struct py_type *type = py_type_of(py, object);
	const char *name = type ? py_tp_name(py, type->addr) : NULL;

	for (size_t i = 0; name && i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		if (!strcmp(name, wrappers[i].type) && py_has(&py->layout, wrappers[i].field))
			return py_word(py, object + py_off(&py->layout, wrappers[i].field));
	return object;
}

/* What a coroutine awaits; 0: nothing, or nothing known. */
static cs_addr awaited(struct py *py, cs_addr coroutine, cs_addr frame)
{
	cs_addr end;

	if (!is_in_yield_from(py, coroutine, frame))
		return 0;
	end = stack_end(py, frame);
	return end ? unwrap(py, py_word(py, end - 8) & ~(cs_addr)REF_TAGS) : 0;
}

static void reverse(struct cs_stack *s)
{
	for (uint32_t i = 0; i < s->count / 2; i++) {
		struct cs_frame f = s->frames[i];

		s->frames[i] = s->frames[s->count - 1 - i];
		s->frames[s->count - 1 - i] = f;
	}
}

cs_status py_await_frames(struct py_frames *w, cs_addr coroutine, struct cs_stack *out,
			  struct cs_error *err)
{
	cs_addr at = coroutine, frame;
	const char *ends = NULL;
	cs_status st;

	py_frames_begin(w);
	while (!ends && !py_stops(w->py) && (frame = py_await_frame(w->py, at))) {
		struct py_frame_look look;
		uint32_t ignored;

		if (w->frames.count == DEPTH_MAX || !w->frames_left)
			ends = "deeper than corescan follows";
		else if (cs_map_get(&w->seen, frame, &ignored))
			ends = "it awaits itself";
		else if (!py_frame_look(w->py, frame, &look))
			ends = "its frame cannot be read";
		else if (!cs_map_put(&w->seen, frame, 0) || !py_frames_add(w, frame, &look))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the frames");
		else
			at = awaited(w->py, at, frame);
	}
	st = py_frames_end(w, ends, out, err);
	if (!st)
		reverse(out);
	return st;
}
