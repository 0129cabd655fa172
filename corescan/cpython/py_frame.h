/* py_frame.h - the Python frames of a thread state, of a generator or coroutine.
 *
 * Frames as traceback and sys._current_frames() show them: those that began,
 * without the interpreter's own. Each with its line.
 *
 * Invariants
 *  - A chain that loops, or leads to what is no frame, ends there, with an anomaly.
 *  - At most PY_FRAMES_MAX frames of a chain are kept, PY_FRAMES_ALL of a process.
 */
#ifndef CS_PY_FRAME_H
#define CS_PY_FRAME_H
#include "cpython/py_thread.h"

enum { PY_FRAMES_MAX = 1 << 16, PY_FRAMES_ALL = 1 << 20 };

/* One call of the interpreter from C, and the frames it is about. */
struct py_call {
	uint32_t first, count;
	cs_addr c_addr; /* a place in its C frame; 0: this version keeps nothing there */
};

struct py_code_name { /* of a code object */
	const char *function, *file;
};

/* What walks share. */
struct py_frames {
	struct py *py;
	struct cs_map code_nr;
	CS_VEC(struct py_code_name) codes;
	uint64_t frames_left; /* of PY_FRAMES_ALL */
	bool has_locals;      /* previews of local variables are wanted too */
	/* of the walk under way, innermost first */
	CS_VEC(struct cs_frame) frames;
	CS_VEC(struct py_call) calls;
	struct cs_map seen;
};

void py_frames_init(struct py_frames *w, struct py *py, bool has_locals);
void py_frames_deinit(struct py_frames *w);

/* The stack of a thread state, in the model's strings. w->calls are its calls,
 * until the next walk. CS_NOMEM, CS_STOPPED; *out is untouched then. */
cs_status py_frames_of_thread(struct py_frames *w, cs_addr thread, struct cs_stack *out,
			      struct cs_error *err);

/* For walks of another kind: begin, add frames, move them into the model. False: no
 * memory. ends as in struct cs_stack; statuses as above. */
void py_frames_begin(struct py_frames *w);
struct py_frame_look;
bool py_frames_add(struct py_frames *w, cs_addr addr, const struct py_frame_look *look);
cs_status py_frames_end(struct py_frames *w, const char *ends, struct cs_stack *out,
			struct cs_error *err);

/* One frame as its version has it. */
struct py_frame_look {
	cs_addr code, previous;
	int64_t at;    /* byte of the code it is at; below 0: not begun */
	bool is_shown; /* it began, and is of Python code */
	bool is_entry; /* C called the interpreter with it */
	bool is_shim;  /* the interpreter's own, in a C frame: ends a call */
};
/* False when there is no frame at addr. */
bool py_frame_look(struct py *py, cs_addr addr, struct py_frame_look *out);

/* py_local.c: names and previews of a frame's local variables, into the model. */
void py_frame_locals(struct py *py, cs_addr addr, cs_addr code, struct cs_frame *out);

/* The name of a function's free variable number nr, which is number nr of its __closure__. */
bool py_free_variable(struct py *py, cs_addr function, uint64_t nr, char *out, size_t cap);
#endif
