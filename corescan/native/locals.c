/* Locals and parameters on the stacks: where a program keeps what main() holds.
 *
 * A frame's pc is where it goes on, so that what is in scope is looked up one byte before
 * (after a call that does not return the next byte is another function's). A frame's CFA is
 * the stack pointer of the frame that called it. Registers are the unwinder's; of a caller
 * it knows those that are preserved.
 *
 * What a local holds before it is first set is what others left there: facts from the
 * stack are likely, not exact. */
#include "native/dwarf_die.h"
#include "base/sorted.h"
#include "image/dwarf_walk.h"
#include "image/image_unwind.h"

#include <stdio.h>

enum {
	FRAMES_MAX = 1 << 15, /* of all threads that are looked at */
	THREAD_FRAMES = 512,  /* of a thread, the innermost */
	STACK_MAX = 32,
	LOCATION_MAX = 4096, OPS_MAX = 256
};

struct scope { /* the variables that a pc sees, found once */
	cs_addr pc;
	size_t first, count;
	Dwarf_Die function;
	uint64_t bias;
};

struct frame {
	cs_addr pc, cfa;
	const struct cs_regs *regs;
	uint64_t bias;
	Dwarf_Die function;
	int tid;
};

struct reader {
	struct cs_native *n;
	CS_VEC(Dwarf_Die) locals;
	CS_VEC(struct scope) scopes;
	struct cs_map scope_at; /* pc -> scope */
	struct cs_dwarf_walker *walker;
};

/* --- what is in scope --- */

static const struct nt_code *code_at(const struct nt_dwarf *d, cs_addr pc)
{
	size_t lo = CS_UPTO(d->codes.items, d->codes.count, start, pc);

	return lo && pc < d->codes.items[lo - 1].end ? &d->codes.items[lo - 1] : NULL;
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_inlined_subroutine || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_module;
}

static bool holds(const struct cs_dwarf_entry *e, uint64_t pc, uint64_t *budget)
{
	return e->tag == DW_TAG_namespace || e->tag == DW_TAG_structure_type ||
	       e->tag == DW_TAG_class_type || e->tag == DW_TAG_module ||
	       cs_dwarf_holds(e->die, pc, budget);
}

/* The variables of a scope, and of those inside that hold pc. */
static bool find_locals(struct reader *r, Dwarf_Die unit, uint64_t pc, struct scope *out)
{
	uint64_t budget = CS_DWARF_RANGES;
	size_t function = SIZE_MAX; /* its depth, while inside of one */
	struct cs_dwarf_entry e;
	struct cs_dwarf_walk walk;
	Dwarf_Die die;

	if (cs_dwarf_walk_init(&walk, r->walker, &unit))
		return true;
	while (!cs_dwarf_walk_next(&walk, &e) && !cs_pulse_stops(r->n->model->pulse)) {
		bool is_local = e.tag == DW_TAG_variable || e.tag == DW_TAG_formal_parameter;

		if (!e.depth)
			continue;
		if (e.depth <= function)
			function = SIZE_MAX;
		memcpy(&die, e.die, sizeof(die));
		if (is_scope((int)e.tag) && holds(&e, pc, &budget)) {
			if (e.tag == DW_TAG_subprogram)
				out->function = die;
			if (e.tag == DW_TAG_subprogram && function == SIZE_MAX)
				function = e.depth;
			continue;
		}
		if (is_local && function != SIZE_MAX && !cs_vec_push(&r->locals, die))
			return false;
		cs_dwarf_walk_skip(&walk, &e);
	}
	return true;
}

static const struct scope *scope_of(struct reader *r, cs_addr pc)
{
	struct scope s = {.pc = pc, .first = r->locals.count};
	const struct nt_code *code = code_at(r->n->dwarf, pc);
	const struct nt_unit *unit = code ? &r->n->dwarf->units.items[code->unit] : NULL;
	uint32_t nr;

	if (!unit)
		return NULL;
	if (cs_map_get(&r->scope_at, pc, &nr))
		return &r->scopes.items[nr];
	s.bias = r->n->image->modules.items[unit->module].bias;
	nr = (uint32_t)r->scopes.count;
	if (!find_locals(r, nt_unpack(&unit->die), pc - s.bias, &s)) {
		r->n->failed = true;
		return NULL;
	}
	s.count = r->locals.count - s.first;
	if (!cs_vec_push(&r->scopes, s) || !cs_map_put(&r->scope_at, pc, nr)) {
		r->n->failed = true;
		return NULL;
	}
	return &r->scopes.items[nr];
}

/* --- where it is --- */

struct place {
	uint64_t value;
	bool is_value; /* it is the thing itself; else its address */
};

static bool register_value(const struct frame *f, uint64_t nr, uint64_t *out)
{
	if (nr >= CS_REGS || !(f->regs->known >> nr & 1))
		return false;
	*out = f->regs->values[nr];
	return true;
}

/* libdw takes 80 bytes for an operation, and one may be a byte of the file. */
static bool is_bearable(Dwarf_Attribute *attr)
{
	Dwarf_Block block;

	return dwarf_formblock(attr, &block) || block.length <= LOCATION_MAX;
}

/* The base of a function's locals: the CFA, or a register with or without an offset. */
static bool frame_base(const struct frame *f, uint64_t pc, uint64_t *out)
{
	Dwarf_Die function = f->function;
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t len;

	if (!function.addr || !dwarf_attr_integrate(&function, DW_AT_frame_base, &attr) ||
	    !is_bearable(&attr) ||
	    dwarf_getlocation_addr(&attr, pc, &ops, &len, 1) != 1 || len != 1)
		return false;
	if (ops->atom == DW_OP_call_frame_cfa) {
		*out = f->cfa;
		return f->cfa != 0;
	}
	/* here a bare register means what it holds */
	if (ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31)
		return register_value(f, ops->atom - DW_OP_reg0, out);
	if (ops->atom < DW_OP_breg0 || ops->atom > DW_OP_breg31 ||
	    !register_value(f, ops->atom - DW_OP_breg0, out))
		return false;
	*out += ops->number;
	return true;
}

struct stack {
	uint64_t items[STACK_MAX];
	size_t count;
};

static bool push(struct stack *s, uint64_t value)
{
	if (s->count == STACK_MAX)
		return false;
	s->items[s->count++] = value;
	return true;
}

/* One operation without a branch; false: not understood, or it says it cannot be known. */
static bool operate(struct cs_native *n, const struct frame *f, const Dwarf_Op *op, uint64_t pc,
		    struct stack *s)
{
	uint64_t value, *top = s->count ? &s->items[s->count - 1] : NULL;

	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(s, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return register_value(f, op->atom - DW_OP_breg0, &value) &&
		       push(s, value + op->number);
	switch (op->atom) {
	case DW_OP_addr:
		return push(s, op->number + f->bias);
	case DW_OP_bregx:
		return register_value(f, op->number, &value) && push(s, value + op->number2);
	case DW_OP_fbreg:
		return frame_base(f, pc, &value) && push(s, value + op->number);
	case DW_OP_call_frame_cfa:
		return f->cfa && push(s, f->cfa);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(s, op->number);
	case DW_OP_plus_uconst:
		if (top)
			*top += op->number;
		return top != NULL;
	case DW_OP_deref:
		return top && cs_mem_u64(n->image->mem, *top, top);
	case DW_OP_plus:
	case DW_OP_minus:
		if (s->count < 2)
			return false;
		s->items[s->count - 2] += op->atom == DW_OP_plus ? *top : -*top;
		s->count--;
		return true;
	default: /* pieces, values at the function's entry, ... */
		return false;
	}
}

static bool locate(struct cs_native *n, const struct frame *f, Dwarf_Die *var, struct place *out)
{
	uint64_t pc = f->pc - f->bias;
	struct stack s = {.count = 0};
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t len;

	if (!dwarf_attr_integrate(var, DW_AT_location, &attr) || !is_bearable(&attr) ||
	    dwarf_getlocation_addr(&attr, pc, &ops, &len, 1) != 1 || !len || len > OPS_MAX)
		return false;
	*out = (struct place){.is_value = false};
	if (len == 1 && ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31) {
		out->is_value = true;
		return register_value(f, ops->atom - DW_OP_reg0, &out->value);
	}
	for (size_t i = 0; i < len; i++) {
		if (ops[i].atom == DW_OP_stack_value && i + 1 == len)
			out->is_value = true;
		else if (!operate(n, f, &ops[i], pc, &s))
			return false;
	}
	if (!s.count)
		return false;
	out->value = s.items[s.count - 1];
	return true;
}

/* --- what it leads to --- */

static void look_at_local(struct reader *r, const struct frame *f, Dwarf_Die *var)
{
	struct cs_native *n = r->n;
	struct nt_object o = {.sure = CS_NATIVE_LIKELY};
	const char *name = dwarf_diename(var), *function;
	Dwarf_Die of = f->function;
	struct nt_die die;
	struct place place;
	char text[256];

	if (!locate(n, f, var, &place))
		return;
	memcpy(&die, var, sizeof(die));
	o.type = nt_type_of_variable(n, &die);
	o.addr = place.value;
	if (!o.type || (place.is_value && n->types.items[o.type].kind != NT_POINTER))
		return;
	function = of.addr ? dwarf_diename(&of) : NULL;
	snprintf(text, sizeof(text), "local %.80s of %.80s() in thread %d",
		 name ? name : "variable", function ? function : "a function", f->tid);
	o.via = nt_place(n, place.is_value ? 0 : o.addr, text);
	if (place.is_value)
		nt_follow(n, place.value, &o);
	else
		nt_look_at(n, &o);
}

static void look_at_frame(struct reader *r, struct frame *f)
{
	const struct scope *s = scope_of(r, f->pc);
	size_t first, count;

	if (!s)
		return;
	f->bias = s->bias;
	f->function = s->function;
	first = s->first;
	count = s->count;
	for (size_t i = 0; i < count && !cs_pulse_stops(r->n->model->pulse); i++) {
		Dwarf_Die var = r->locals.items[first + i];

		look_at_local(r, f, &var);
	}
}

static cs_status look_at_thread(struct reader *r, struct cs_unwind *u,
				const struct cs_thread *thread, size_t *left, struct cs_error *err)
{
	const struct cs_unwind_frame *frames;
	const char *ends;
	size_t count;
	cs_status st = cs_unwind_thread(u, thread, &frames, &count, &ends, err);

	if (st)
		return st;
	for (size_t i = 0; i < count && i < THREAD_FRAMES && *left; i++, --*left) {
		struct frame f = {
			.pc = frames[i].pc - (frames[i].is_exact ? 0 : 1),
			.cfa = i + 1 < count ? frames[i + 1].sp : 0,
			.regs = cs_unwind_registers(u, i),
			.tid = thread->tid,
		};

		if (f.regs)
			look_at_frame(r, &f);
	}
	return CS_OK;
}

cs_status nt_locals(struct cs_native *n, struct cs_error *err)
{
	__attribute__((cleanup(cs_unwind_closep))) struct cs_unwind *u = NULL;
	struct reader r = {.n = n};
	size_t left = FRAMES_MAX;
	cs_status st = cs_unwind_open(n->image, &u, err);

	if (st)
		return st == CS_UNSUPPORTED ? CS_OK : st;
	r.walker = cs_dwarf_walker_create(n->model->pulse);
	if (!r.walker)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the debug data");
	cs_unwind_keep_registers(u);
	for (size_t i = 0; !st && i < n->image->threads.count && left; i++)
		st = look_at_thread(&r, u, &n->image->threads.items[i], &left, err);
	cs_vec_free(&r.locals);
	cs_vec_free(&r.scopes);
	cs_map_deinit(&r.scope_at);
	cs_dwarf_walker_destroy(r.walker);
	return st;
}
