/* Frames: CPython Objects/frameobject.c, genobject.c, Include/internal/pycore_frame.h, 3.8 to
 * 3.14. Up to 3.10 a frame is an object with its locals in it. From 3.11 on an interpreter
 * frame lies on the thread's data stack, in a generator, or (when its function has returned)
 * in a frame object.
 *
 * While a frame runs nobody but the interpreter's registers knows how deep its value stack is. */
#include "base/loop.h"
#include "cpython/py_families.h"
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum {
	SLOTS_MAX = 1 << 20,
	FRAMES_MAX = 1 << 20, /* of one thread; sys.setrecursionlimit() is lower in practice */
	THREADS_MAX = 1 << 16,
	FRAME_CLEARED = 4, /* gi_frame_state, 3.11 to 3.14 */
	OWNED_BY_FRAME_OBJECT = 2, OWNED_BY_INTERPRETER = 3, /* and above: frames without code */
	STACKREF_TAGS = 3, /* 3.14: 1 borrowed or immortal, 3 a number */
	KIND_CELL = 0x40, KIND_FREE = 0x80, /* co_localspluskinds */
};

/* Names of a code object's locals, and how many there are. */
struct names {
	uint64_t locals, stack; /* slots */
	struct {
		const unsigned char *p; /* `have` words */
		uint64_t have, count;
	} parts[3]; /* one after the other: 3.11+ all; before locals, cells, free */
	const unsigned char *kinds; /* 3.11+: a byte each */
};

static void add_names(struct py_visitor *v, struct names *n, int part, cs_addr tuple)
{
	const struct py_layout *l = &v->py->layout;
	uint64_t count = tuple ? py_word(v->py, tuple + py_off(l, PY_OB_SIZE)) : 0;

	if (!count || count > SLOTS_MAX)
		return;
	n->parts[part].p = py_words(v, tuple + py_off(l, PY_TUPLE_ITEM), count);
	n->parts[part].have = n->parts[part].count = n->parts[part].p ? count : 0;
}

static bool is_code(struct py *py, cs_addr addr)
{
	uint32_t nr = addr ? py_type_at(py, py_word(py, addr + py_off(&py->layout, PY_OB_TYPE))) :
			     PY_NO_TYPE;

	return nr != PY_NO_TYPE && py->types.items[nr].family->claim == py_code_claim;
}

static bool load_names(struct py_visitor *v, cs_addr code, struct names *n)
{
	const struct py_layout *l = &v->py->layout;
	bool has_plus = py_has(l, PY_CODE_NLOCALSPLUS);
	uint32_t locals, stack;

	*n = (struct names){ 0 };
	if (!is_code(v->py, code) ||
	    !cs_mem_u32(v->py->mem, code + py_off(l, PY_CODE_STACKSIZE), &stack) ||
	    !cs_mem_u32(v->py->mem, code + py_off(l, has_plus ? PY_CODE_NLOCALSPLUS : PY_CODE_NLOCALS),
			&locals) ||
	    locals > SLOTS_MAX || stack > SLOTS_MAX)
		return false;
	n->locals = locals;
	n->stack = stack;
	if (has_plus) {
		cs_addr kinds = py_word(v->py, code + py_off(l, PY_CODE_LOCALSPLUSKINDS));

		add_names(v, n, 0, py_word(v->py, code + py_off(l, PY_CODE_LOCALSPLUSNAMES)));
		if (kinds)
			n->kinds = cs_mem_view(v->py->mem, kinds + py_off(l, PY_BYTES_SVAL), locals);
		return true;
	}
	add_names(v, n, 0, py_word(v->py, code + py_off(l, PY_CODE_VARNAMES)));
	add_names(v, n, 1, py_word(v->py, code + py_off(l, PY_CODE_CELLVARS)));
	add_names(v, n, 2, py_word(v->py, code + py_off(l, PY_CODE_FREEVARS)));
	n->parts[0].count = locals;
	n->locals += n->parts[1].count + n->parts[2].count;
	return true;
}

static cs_addr name_at(const struct names *n, uint64_t i, bool *is_cell)
{
	*is_cell = n->kinds && n->kinds[i] & (KIND_CELL | KIND_FREE);
	for (int part = 0; part < 3; part++) {
		if (i < n->parts[part].count) {
			*is_cell |= part > 0;
			return i < n->parts[part].have ? cs_le64(n->parts[part].p + i * 8) : 0;
		}
		i -= n->parts[part].count;
	}
	return 0;
}

static void emit_local(struct py_visitor *v, const struct names *n, uint64_t i, cs_addr to,
		       uint8_t hold)
{
	bool is_cell;
	cs_addr name = name_at(n, i, &is_cell);

	py_emit(v, &(struct py_edge){ .to = to, .kind = is_cell ? PY_EDGE_CELL : PY_EDGE_LOCAL,
				      .hold = hold, .name = name, .index = (int64_t)i });
}

static void emit_stack(struct py_visitor *v, uint64_t i, cs_addr to, uint8_t hold)
{
	if (hold == PY_GUESS && (to % 8 || to < PY_SMALLEST_ADDRESS || !py_seems_object(v->py, to)))
		return;
	py_emit(v, &(struct py_edge){ .to = to, .kind = PY_EDGE_STACK, .hold = hold,
				      .index = (int64_t)i });
}

/* --- 3.11 and later --- */

/* From 3.14 on references carry tags; numbers are none. */
static cs_addr untag(const struct py_layout *l, uint64_t word)
{
	if (!py_has(l, PY_IFRAME_STACKPOINTER))
		return word;
	return (word & STACKREF_TAGS) == STACKREF_TAGS ? 0 : word & ~(uint64_t)STACKREF_TAGS;
}

/* Locals and value stack in use; -1 while it runs. */
static int64_t slots_in_use(const struct py_layout *l, cs_addr frame, const unsigned char *p)
{
	if (py_has(l, PY_IFRAME_STACKPOINTER)) {
		uint64_t sp = cs_le64(p + l->off[PY_IFRAME_STACKPOINTER]);
		cs_addr locals = frame + py_off(l, PY_IFRAME_LOCALSPLUS);

		return sp < locals ? -1 : (int64_t)((sp - locals) / 8);
	}
	return (int32_t)cs_le32(p + l->off[PY_IFRAME_STACKTOP]);
}

/* A layout from the target's DWARF may say anything. */
static bool is_sane(const struct py_layout *l)
{
	static const enum py_field fields[] = { PY_IFRAME_CODE, PY_IFRAME_FUNC, PY_IFRAME_LOCALS,
						PY_IFRAME_FRAME_OBJ, PY_IFRAME_STACKTOP,
						PY_IFRAME_STACKPOINTER };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (py_has(l, fields[i]) &&
		    py_off(l, fields[i]) + (fields[i] == PY_IFRAME_STACKTOP ? 4 : 8) >
			    py_off(l, PY_IFRAME_LOCALSPLUS))
			return false;
	return true;
}

/* Locals and stack of an interpreter frame (3.11+). */
static void emit_iframe(struct py_visitor *v, cs_addr frame)
{
	const struct py_layout *l = &v->py->layout;
	const unsigned char *p = cs_mem_view(v->py->mem, frame, py_off(l, PY_IFRAME_LOCALSPLUS));
	cs_addr code;
	struct names n;
	uint64_t all;
	int64_t used;

	if (!p || !is_sane(l))
		return;
	code = untag(l, cs_le64(p + l->off[PY_IFRAME_CODE]));
	py_emit_member(v, cs_le64(p + l->off[PY_IFRAME_FRAME_OBJ]), v->strong, "frame_obj");
	py_emit_member(v, cs_le64(p + l->off[PY_IFRAME_LOCALS]), v->strong, "f_locals");
	py_emit_member(v, untag(l, cs_le64(p + l->off[PY_IFRAME_FUNC])), v->strong, "f_func");
	py_emit_member(v, code, v->strong, "f_code");
	if (!load_names(v, code, &n))
		return;
	all = n.locals + n.stack;
	used = slots_in_use(l, frame, p);
	p = py_words(v, frame + py_off(l, PY_IFRAME_LOCALSPLUS), all);
	for (uint64_t i = 0; p && i < all; i++) {
		cs_addr to = untag(l, cs_le64(p + i * 8));

		if (used >= 0 && i >= (uint64_t)used)
			return;
		if (i < n.locals)
			emit_local(v, &n, i, to, used < 0 ? PY_HIDDEN : v->strong);
		else
			emit_stack(v, i - n.locals, to, used < 0 ? PY_GUESS : v->strong);
	}
}

/* Up to 3.10 the frame is an object of its own. */
void py_visit_generator(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	cs_addr frame;

	if (!py_has(l, PY_GEN_IFRAME) || !py_in_room(v, o, PY_GEN_FRAME_STATE) ||
	    !py_in_room(v, o, PY_GEN_IFRAME))
		return;
	frame = o->addr + py_off(l, PY_GEN_IFRAME);
	if ((int8_t)o->p[l->off[PY_GEN_FRAME_STATE]] != FRAME_CLEARED)
		emit_iframe(v, frame);
	else if (py_has(l, PY_IFRAME_STACKPOINTER)) /* 3.14 keeps the code */
		py_emit_member(v, untag(l, py_word(v->py, frame + py_off(l, PY_IFRAME_CODE))), v->strong,
			       "f_code");
}

/* --- frame objects --- */

/* Up to 3.10: slots in the object, the stack behind them at f_valuestack. */
static void visit_old_frame(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	uint64_t at = py_off(l, PY_FRAME_LOCALSPLUS), room = o->room > at ? (o->room - at) / 8 : 0;
	uint64_t used = UINT64_MAX;
	cs_addr stack;
	struct names n;

	if (o->room < at || !py_in_room(v, o, PY_FRAME_VALUESTACK) || !py_in_room(v, o, PY_FRAME_CODE) ||
	    !py_in_room(v, o, PY_FRAME_STACKTOP) || !py_in_room(v, o, PY_FRAME_STACKDEPTH))
		return;
	stack = cs_le64(o->p + l->off[PY_FRAME_VALUESTACK]);
	if (!load_names(v, cs_le64(o->p + l->off[PY_FRAME_CODE]), &n))
		return;
	if (py_has(l, PY_FRAME_STACKDEPTH)) {
		used = (uint64_t)(int64_t)(int32_t)cs_le32(o->p + l->off[PY_FRAME_STACKDEPTH]);
	} else {
		cs_addr top = cs_le64(o->p + l->off[PY_FRAME_STACKTOP]);

		if (top >= stack)
			used = (top - stack) / 8;
	}
	for (uint64_t i = 0; i < n.locals + n.stack && i < room; i++) {
		cs_addr to = cs_le64(o->p + at + i * 8);

		if (i < n.locals)
			emit_local(v, &n, i, to, v->strong);
		else if (i - n.locals < used)
			emit_stack(v, i - n.locals, to, used > SLOTS_MAX ? PY_GUESS : v->strong);
	}
}

void py_visit_frame_object(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	const unsigned char *p;
	cs_addr frame;

	if (py_has(l, PY_FRAME_LOCALSPLUS)) {
		visit_old_frame(v, o);
		return;
	}
	frame = py_in_room(v, o, PY_FRAME_FRAME) ? cs_le64(o->p + l->off[PY_FRAME_FRAME]) : 0;
	p = frame ? cs_mem_view(v->py->mem, frame + py_off(l, PY_IFRAME_OWNER), 1) : NULL;
	if (p && *p == OWNED_BY_FRAME_OBJECT)
		emit_iframe(v, frame);
}

void py_visit_frame(struct py *py, cs_addr frame, py_edge_fn *fn, void *ctx)
{
	struct py_visitor v = { .py = py, .plans = py_plans_of(py), .fn = fn, .ctx = ctx,
				.strong = PY_HIDDEN };
	struct py_obj o;

	if (!v.plans)
		return;
	if (py_has(&py->layout, PY_IFRAME_LOCALSPLUS))
		emit_iframe(&v, frame);
	else if (py_object_at(py, frame, &o))
		py_visit(py, &o, fn, ctx);
}

/* --- all of them --- */

static cs_addr innermost(struct py *py, cs_addr thread)
{
	const struct py_layout *l = &py->layout;
	cs_addr cframe;

	if (py_has(l, PY_TS_FRAME))
		return py_word(py, thread + py_off(l, PY_TS_FRAME));
	if (py_has(l, PY_TS_CURRENT_FRAME))
		return py_word(py, thread + py_off(l, PY_TS_CURRENT_FRAME));
	cframe = py_word(py, thread + py_off(l, PY_TS_CFRAME));
	return cframe ? py_word(py, cframe + py_off(l, PY_CFRAME_CURRENT_FRAME)) : 0;
}

static void walk_thread(struct py *py, cs_addr thread, py_frame_fn *fn, void *ctx)
{
	const struct py_layout *l = &py->layout;
	bool is_new = py_has(l, PY_IFRAME_LOCALSPLUS);
	uint64_t back = py_off(l, is_new ? PY_IFRAME_PREVIOUS : PY_FRAME_BACK);
	cs_addr frame = innermost(py, thread);
	struct cs_loop loop = { 0 };

	for (int i = 0; frame && i < FRAMES_MAX && !cs_loop_closes(&loop, frame); i++) {
		const unsigned char *owner =
			is_new ? cs_mem_view(py->mem, frame + py_off(l, PY_IFRAME_OWNER), 1) : NULL;

		if (cs_pulse_stops(py->model->pulse) || !py->plans->words_left--) {
			py->plans->words_left = 0;
			return;
		}
		if (!is_new || (owner && *owner < OWNED_BY_INTERPRETER))
			fn(ctx, thread, frame);
		frame = py_word(py, frame + back);
	}
}

void py_walk_frames(struct py *py, py_frame_fn *fn, void *ctx)
{
	const struct py_layout *l = &py->layout;

	if (!py_plans_of(py))
		return;
	for (size_t i = 0; i < py->interp_count; i++) {
		cs_addr thread = py_word(py, py->interps[i] + py_off(l, PY_IS_THREADS_HEAD));
		struct cs_loop loop = { 0 };

		for (int n = 0; thread && n < THREADS_MAX && !cs_loop_closes(&loop, thread); n++) {
			walk_thread(py, thread, fn, ctx);
			if (!py->plans->words_left)
				return;
			thread = py_word(py, thread + py_off(l, PY_TS_NEXT));
		}
	}
}
