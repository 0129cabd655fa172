/* Frames: CPython Objects/frameobject.c (to 3.10), Python/ceval.c and pycore_frame.h
 * (3.11+).
 *   to 3.10  PyFrameObjects linked by f_back; each is a call of the interpreter.
 *            f_lasti counts bytes, in 3.10 instructions
 *   3.11     tstate->cframe, a struct in the C frame of each call, has the current
 *            frame; frames are linked by `previous` across calls, is_entry marks
 *            the outermost of a call
 *   3.12+    at the bottom of each call a frame of no code (owner 3 or 4) in its C
 *            frame. 3.12 goes by cframe too, later ones by tstate->current_frame
 * 3.11+ frames that have not reached _co_firsttraceable are being set up: nobody
 * is shown those. 3.14: references have two tag bits. */
#include "cpython/py_frame.h"
#include "cpython/py_dict.h"
#include "cpython/py_family.h"
#include "cpython/py_line.h"
#include "cpython/py_types.h"

enum {
	REF_TAGS = 3, UNIT = 2,
	OWNED_BY_GENERATOR = 1, OWNED_BY_INTERPRETER = 3,
	NAME_CAP = 1024,
	LOCALS_DEPTH = 64 /* frames of a stack whose locals are kept */
};

void py_frames_init(struct py_frames *w, struct py *py, bool has_locals)
{
	*w = (struct py_frames){ .py = py, .frames_left = PY_FRAMES_ALL, .has_locals = has_locals };
}

void py_frames_deinit(struct py_frames *w)
{
	cs_map_deinit(&w->code_nr);
	cs_map_deinit(&w->seen);
	cs_vec_free(&w->codes);
	cs_vec_free(&w->frames);
	cs_vec_free(&w->calls);
}

static bool is_code(struct py *py, cs_addr addr)
{
	cs_addr type = 0;
	uint32_t nr;

	if (addr && addr % 8 == 0)
		type = py_word(py, addr + py_off(&py->layout, PY_OB_TYPE));
	if (type && type == py->code_type)
		return true;
	nr = py_type_at(py, type);
	if (nr == PY_NO_TYPE || strcmp(py->types.items[nr].family->name, "code"))
		return false;
	py->code_type = type;
	return true;
}

static bool look_object(struct py *py, cs_addr addr, struct py_frame_look *out)
{
	const struct py_layout *l = &py->layout;
	const unsigned char *p = cs_mem_view(py->mem, addr, py_off(l, PY_FRAME_LASTI) + 4);

	if (!p)
		return false;
	out->code = cs_le64(p + l->off[PY_FRAME_CODE]);
	out->previous = cs_le64(p + l->off[PY_FRAME_BACK]);
	out->at = (int32_t)cs_le32(p + l->off[PY_FRAME_LASTI]);
	if (!py_has(l, PY_CODE_LNOTAB))
		out->at *= UNIT;
	out->is_entry = out->is_shown = true;
	return is_code(py, out->code);
}

static bool look_struct(struct py *py, cs_addr addr, struct py_frame_look *out)
{
	const struct py_layout *l = &py->layout;
	const unsigned char *p = cs_mem_view(py->mem, addr, py_off(l, PY_IFRAME_LOCALSPLUS));
	enum py_field field = PY_IFRAME_PREV_INSTR;
	uint32_t first = 0;
	unsigned owner;

	if (!p)
		return false;
	if (py_has(l, PY_IFRAME_INSTR_PTR))
		field = PY_IFRAME_INSTR_PTR;
	owner = p[l->off[PY_IFRAME_OWNER]];
	out->previous = cs_le64(p + l->off[PY_IFRAME_PREVIOUS]);
	out->is_entry = py_has(l, PY_IFRAME_IS_ENTRY) && p[l->off[PY_IFRAME_IS_ENTRY]];
	out->is_shim = !py_has(l, PY_IFRAME_IS_ENTRY) && owner >= OWNED_BY_INTERPRETER;
	if (out->is_shim)
		return true;
	out->code = cs_le64(p + l->off[PY_IFRAME_CODE]) & ~(cs_addr)REF_TAGS;
	if (!is_code(py, out->code) ||
	    !cs_mem_u32(py->mem, out->code + py_off(l, PY_CODE_FIRSTTRACEABLE), &first))
		return false;
	out->at = (int64_t)(cs_le64(p + l->off[field]) - out->code - py_off(l, PY_CODE_ADAPTIVE));
	out->is_shown = owner == OWNED_BY_GENERATOR || out->at >= (int64_t)first * UNIT;
	return true;
}

bool py_frame_look(struct py *py, cs_addr addr, struct py_frame_look *out)
{
	*out = (struct py_frame_look){ .code = 0 };
	if (!addr || addr % 8)
		return false;
	return py_has(&py->layout, PY_FRAME_LASTI) ? look_object(py, addr, out) :
						     look_struct(py, addr, out);
}

/* Function and file of a code object, read once. */
static struct py_code_name name_of(struct py_frames *w, cs_addr code)
{
	const struct py_layout *l = &w->py->layout;
	struct py_code_name name = { NULL, NULL };
	uint32_t nr;

	if (cs_map_get(&w->code_nr, code, &nr))
		return w->codes.items[nr];
	name.function = py_str_copy(w->py, py_word(w->py, code + py_off(l, PY_CODE_NAME)), NAME_CAP);
	name.file = py_str_copy(w->py, py_word(w->py, code + py_off(l, PY_CODE_FILENAME)),
				PY_STR_MOST);
	nr = (uint32_t)w->codes.count;
	/* without memory it is read again next time */
	if (cs_vec_push(&w->codes, name) && !cs_map_put(&w->code_nr, code, nr))
		w->codes.count--;
	return name;
}

bool py_frames_add(struct py_frames *w, cs_addr addr, const struct py_frame_look *look)
{
	struct py_code_name name = name_of(w, look->code);
	struct cs_frame f = {
		.function = name.function,
		.file = name.file,
		.address = addr,
		.line = py_line(w->py, look->code, look->at),
	};

	if (w->has_locals && w->frames.count < LOCALS_DEPTH)
		py_frame_locals(w->py, addr, look->code, &f);
	w->frames_left--;
	return cs_vec_push(&w->frames, f);
}

/* The frames since the last call was ended are one call. */
static bool end_call(struct py_frames *w, cs_addr c_addr)
{
	uint32_t first = 0;

	if (w->calls.count) {
		const struct py_call *last = &w->calls.items[w->calls.count - 1];

		first = last->first + last->count;
	}

	struct py_call call = { first, (uint32_t)w->frames.count - first, c_addr };

	return cs_vec_push(&w->calls, call);
}

void py_frames_begin(struct py_frames *w)
{
	w->frames.count = w->calls.count = 0;
	cs_map_deinit(&w->seen);
	w->seen = (struct cs_map){ NULL, NULL, 0, 0 };
}

cs_status py_frames_end(struct py_frames *w, const char *ends, struct cs_stack *out,
			struct cs_error *err)
{
	size_t len = w->frames.count * sizeof(struct cs_frame);
	struct cs_stack stack = { .count = (uint32_t)w->frames.count, .ends = ends };

	if (w->py->model->pulse && w->py->model->pulse->stopped)
		return cs_pulse_fail(err);
	stack.frames = cs_arena_alloc(&w->py->model->strings, len + 1);
	if (!stack.frames)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the frames");
	if (len)
		memcpy(stack.frames, w->frames.items, len);
	*out = stack;
	return CS_OK;
}

static const char *bad_chain(struct py_frames *w, cs_addr addr, bool loops)
{
	cs_model_anomaly(w->py->model, "python.frame", addr,
			 loops ? "the chain of Python frames comes to " CS_ADDR " a second time" :
				 "there is no Python frame at " CS_ADDR ", where the chain leads",
			 addr);
	return loops ? "the chain of frames loops" : "the next frame cannot be read";
}

/* The C struct of the innermost call, 3.11 and 3.12; 0: this version has none. */
static cs_addr first_cframe(struct py *py, cs_addr thread)
{
	const struct py_layout *l = &py->layout;

	if (!py_has(l, PY_CFRAME_CURRENT_FRAME))
		return 0;
	return py_word(py, thread + py_off(l, PY_TS_CFRAME));
}

static cs_addr first_frame(struct py *py, cs_addr thread)
{
	const struct py_layout *l = &py->layout;
	cs_addr cframe = first_cframe(py, thread);

	if (cframe)
		return py_word(py, cframe + py_off(l, PY_CFRAME_CURRENT_FRAME));
	if (py_has(l, PY_CFRAME_CURRENT_FRAME))
		return 0;
	if (py_has(l, PY_TS_FRAME))
		return py_word(py, thread + py_off(l, PY_TS_FRAME));
	return py_word(py, thread + py_off(l, PY_TS_CURRENT_FRAME));
}

/* One frame of a thread; *cframe is that of its call. */
static bool take_frame(struct py_frames *w, cs_addr addr, const struct py_frame_look *look,
		       cs_addr *cframe)
{
	const struct py_layout *l = &w->py->layout;

	if (look->is_shown && !py_frames_add(w, addr, look))
		return false;
	if (look->is_shim)
		return end_call(w, addr);
	if (!look->is_entry)
		return true;
	if (!end_call(w, py_has(l, PY_IFRAME_IS_ENTRY) ? *cframe : 0))
		return false;
	if (*cframe)
		*cframe = py_word(w->py, *cframe + py_off(l, PY_CFRAME_PREVIOUS));
	return true;
}

cs_status py_frames_of_thread(struct py_frames *w, cs_addr thread, struct cs_stack *out,
			      struct cs_error *err)
{
	cs_addr at = first_frame(w->py, thread), cframe = first_cframe(w->py, thread);
	const char *ends = NULL;

	py_frames_begin(w);
	while (at && !ends && !py_stops(w->py)) {
		struct py_frame_look look;
		uint32_t ignored;

		if (w->frames.count == PY_FRAMES_MAX || !w->frames_left)
			ends = "deeper than corescan follows";
		else if (cs_map_get(&w->seen, at, &ignored))
			ends = bad_chain(w, at, true);
		else if (!py_frame_look(w->py, at, &look))
			ends = bad_chain(w, at, false);
		else if (!cs_map_put(&w->seen, at, 0) || !take_frame(w, at, &look, &cframe))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the frames");
		else
			at = look.previous;
	}
	return py_frames_end(w, ends, out, err);
}
