/* System V x86-64 psABI 1.0, 3.2: arguments in rdi, rsi, rdx, rcx, r8, r9; a call keeps rbx,
 * rsp, rbp and r12 to r15.
 *
 * A forward analysis until nothing changes. States only lose knowledge, 16 registers and at
 * most SLOTS words of stack each, so it ends; PASSES_MAX is for the absurd. */
#include "code/code_flow.h"
#include "base/sorted.h"

enum {
	SLOTS = 16,
	PASSES_MAX = 24,
	LABELS_MAX = 1 << 14,
	TABLE_MAX = 4096,
	ENTRIES_MAX = 1 << 16,
	NO_ESCAPE = INT32_MAX
};

static const uint8_t arg_regs[6] = {CODE_RDI, CODE_RSI, CODE_RDX, CODE_RCX, 8, 9};
static const uint16_t kept_by_calls = 1 << CODE_RBX | 1 << CODE_RSP | 1 << CODE_RBP | 0xf000;

struct slot {
	struct code_value value;
	int32_t off;
	uint8_t width;
};

struct state {
	struct code_value regs[CODE_REGS];
	struct slot slots[SLOTS];
	uint32_t slot_count;
	int32_t escaped; /* the lowest place in the stack whose address others may know */
	bool is_live;	 /* some way leads here */
};

struct code_flow {
	struct code_decoder *decoder;
	struct code_ops ops;
	CS_VEC(struct state) states; /* of labels, from 1 on */
	const struct code_body *body;
	struct state now;
	uint32_t entries_left; /* of tables */
	bool has_changed;
};

struct code_flow *code_flow_create(void)
{
	struct code_flow *f = calloc(1, sizeof(*f));

	if (f)
		f->decoder = code_decoder_create();
	if (f && !f->decoder) {
		free(f);
		return NULL;
	}
	return f;
}

void code_flow_destroy(struct code_flow *f)
{
	if (!f)
		return;
	code_decoder_destroy(f->decoder);
	cs_vec_free(&f->ops.items);
	cs_vec_free(&f->ops.tables);
	cs_vec_free(&f->states);
	free(f);
}

size_t code_flow_len(const struct code_flow *f)
{
	return f->ops.items.count;
}

/* --- values --- */

static struct code_value unknown(void)
{
	return (struct code_value){0, CODE_UNKNOWN, 0};
}

static bool is_same(struct code_value a, struct code_value b)
{
	return a.kind == b.kind && a.arg == b.arg && a.n == b.n;
}

static struct code_value plus(struct code_value v, int64_t n)
{
	if (v.kind == CODE_UNKNOWN || __builtin_add_overflow(v.n, n, &v.n) ||
	    (v.kind != CODE_NUMBER && (v.n > INT32_MAX / 2 || v.n < INT32_MIN / 2)))
		return unknown();
	return v;
}

/* As an instruction of so many bytes leaves it in a register. */
static struct code_value fit(struct code_value v, unsigned width, bool is_signed)
{
	if (width == 8)
		return v;
	if (width != 4 || v.kind == CODE_STACK)
		return unknown();
	if (v.kind == CODE_NUMBER)
		v.n = is_signed ? (int64_t)(int32_t)v.n : (int64_t)(uint32_t)v.n;
	return v;
}

static void know_nothing(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->escaped = INT32_MIN; /* nothing about the stack either */
	s->is_live = true;
}

static void begin(struct state *s, bool is_function)
{
	know_nothing(s);
	s->escaped = NO_ESCAPE;
	s->regs[CODE_RSP] = (struct code_value){0, CODE_STACK, 0};
	for (uint8_t i = 0; is_function && i < 6; i++)
		s->regs[arg_regs[i]] = (struct code_value){0, CODE_ARG, i};
}

/* --- the stack --- */

static void forget(struct state *s, int64_t from, int64_t to)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->slot_count; i++) {
		const struct slot *one = &s->slots[i];

		if (one->off >= to || (int64_t)one->off + one->width <= from)
			s->slots[kept++] = *one;
	}
	s->slot_count = kept;
}

/* Somebody wrote where its pointers lead. */
static void forget_escaped(struct state *s)
{
	if (s->escaped != NO_ESCAPE)
		forget(s, s->escaped, INT64_MAX);
}

static void put(struct state *s, int64_t off, unsigned width, struct code_value v)
{
	forget(s, off, off + width);
	if (v.kind == CODE_UNKNOWN)
		return;
	if (s->slot_count == SLOTS) {
		memmove(s->slots, s->slots + 1, (SLOTS - 1) * sizeof(s->slots[0]));
		s->slot_count--;
	}
	s->slots[s->slot_count++] = (struct slot){v, (int32_t)off, (uint8_t)width};
}

static struct code_value get(const struct state *s, int64_t off, unsigned width)
{
	for (uint32_t i = 0; i < s->slot_count; i++)
		if (s->slots[i].off == off && s->slots[i].width >= width)
			return fit(s->slots[i].value, width, false);
	return unknown();
}

static void store(struct state *s, const struct code_op *op, struct code_value v)
{
	struct code_value base = op->dst < CODE_REGS ? plus(s->regs[op->dst], op->n) : unknown();

	if (base.kind != CODE_STACK)
		forget_escaped(s);
	else if (op->width)
		put(s, base.n, op->width, v);
	else
		forget(s, base.n, INT64_MAX);
}

/* A register gets a value; an address in the stack may go anywhere from there. */
static void set(struct state *s, uint8_t reg, struct code_value v)
{
	if (reg >= CODE_REGS)
		return;
	s->regs[reg] = v;
	if (v.kind == CODE_STACK && reg != CODE_RSP && reg != CODE_RBP && v.n < s->escaped)
		s->escaped = (int32_t)v.n;
}

static void push(struct state *s, struct code_value v)
{
	s->regs[CODE_RSP] = plus(s->regs[CODE_RSP], -8);
	if (s->regs[CODE_RSP].kind == CODE_STACK)
		put(s, s->regs[CODE_RSP].n, 8, v);
}

static void pop(struct state *s, uint8_t reg)
{
	struct code_value at = s->regs[CODE_RSP];

	set(s, reg, at.kind == CODE_STACK ? get(s, at.n, 8) : unknown());
	if (reg != CODE_RSP)
		s->regs[CODE_RSP] = plus(at, 8);
}

static void leave(struct state *s)
{
	s->regs[CODE_RSP] = s->regs[CODE_RBP];
	pop(s, CODE_RBP);
}

static void call(struct state *s, bool is_function)
{
	const struct code_value sp = s->regs[CODE_RSP];

	forget_escaped(s);
	if (sp.kind == CODE_STACK)
		forget(s, INT64_MIN, sp.n);
	/* in a cold part what follows a call that does not return is entered from elsewhere */
	for (unsigned i = 0; i < CODE_REGS; i++)
		if (!is_function || !(kept_by_calls >> i & 1))
			s->regs[i] = unknown();
	if (!is_function)
		s->slot_count = 0;
}

static void step(struct code_flow *f, const struct code_op *op)
{
	struct state *s = &f->now;
	struct code_value v = op->src < CODE_REGS ? s->regs[op->src] : unknown();

	switch ((enum code_op_kind)op->kind) {
	case CODE_SET:
		set(s, op->dst, (struct code_value){op->n, CODE_NUMBER, 0});
		break;
	case CODE_MOVE:
		set(s, op->dst, fit(v, op->width, op->is_signed));
		break;
	case CODE_ADD:
		set(s, op->dst, fit(plus(s->regs[op->dst], op->n), op->width, false));
		break;
	case CODE_LEA:
		set(s, op->dst, fit(plus(v, op->n), op->width, false));
		break;
	case CODE_LOAD:
		v = plus(v, op->n);
		v = v.kind == CODE_STACK ? get(s, v.n, op->width) : unknown();
		set(s, op->dst, op->is_signed ? fit(v, op->width, true) : v);
		break;
	case CODE_STORE:
		store(s, op, op->width >= 4 ? v : unknown());
		break;
	case CODE_STORE_SET:
		v = (struct code_value){op->value, CODE_NUMBER, 0};
		store(s, op, op->width >= 4 ? v : unknown());
		break;
	case CODE_SPOIL:
		store(s, op, v); /* without a source: unknown */
		break;
	case CODE_PUSH:
		push(s, v);
		break;
	case CODE_PUSH_SET:
		push(s, (struct code_value){op->value, CODE_NUMBER, 0});
		break;
	case CODE_POP:
		pop(s, op->dst);
		break;
	case CODE_LEAVE:
		leave(s);
		break;
	case CODE_CALL:
		call(s, f->body->is_function);
		break;
	case CODE_JUMP:
	case CODE_END:
	case CODE_SWITCH:
		s->is_live = false;
		break;
	case CODE_NOTHING:
	case CODE_BRANCH:
		break;
	}
	for (unsigned i = 0; op->clobbers && i < CODE_REGS; i++)
		if (op->clobbers >> i & 1)
			s->regs[i] = unknown();
}

/* --- where ways meet --- */

static bool has_slot(const struct state *s, const struct slot *one)
{
	for (uint32_t i = 0; i < s->slot_count; i++)
		if (s->slots[i].off == one->off && s->slots[i].width == one->width)
			return is_same(s->slots[i].value, one->value);
	return false;
}

/* What is known on both ways stays; true: less than before. */
static bool join(struct state *into, const struct state *from)
{
	uint32_t kept = 0;
	bool has_changed = false;

	if (!into->is_live) {
		*into = *from;
		return true;
	}
	for (unsigned i = 0; i < CODE_REGS; i++)
		if (into->regs[i].kind && !is_same(into->regs[i], from->regs[i])) {
			into->regs[i] = unknown();
			has_changed = true;
		}
	for (uint32_t i = 0; i < into->slot_count; i++)
		if (has_slot(from, &into->slots[i]))
			into->slots[kept++] = into->slots[i];
	has_changed = has_changed || kept != into->slot_count || from->escaped < into->escaped;
	into->slot_count = kept;
	into->escaped = from->escaped < into->escaped ? from->escaped : into->escaped;
	return has_changed;
}

/* --- labels --- */

static struct code_op *op_at(struct code_flow *f, uint64_t vaddr)
{
	uint64_t off = vaddr - f->body->vaddr;
	size_t lo;

	if (off >= f->body->len)
		return NULL;
	lo = CS_UPTO(f->ops.items.items, f->ops.items.count, off, off);
	return lo && f->ops.items.items[lo - 1].off == off ? &f->ops.items.items[lo - 1] : NULL;
}

/* A place that somebody jumps to; from where nothing is known, when is_open. */
static bool label(struct code_flow *f, uint64_t vaddr, bool is_open)
{
	struct code_op *op = op_at(f, vaddr);
	struct state none = {.is_live = false};

	if (!op)
		return true;
	if (!op->label) {
		if (f->states.count > LABELS_MAX) { /* all the others share one */
			op->label = 1;
			return true;
		}
		if (!cs_vec_push(&f->states, none))
			return false;
		op->label = (uint32_t)f->states.count - 1;
	}
	if (is_open)
		know_nothing(&f->states.items[op->label]);
	return true;
}

struct tables {
	const unsigned char *(*read)(void *ctx, uint64_t addr);
	void *ctx;
};

/* Distances from the table, 4 bytes each, or addresses, as long as they lead into the function. */
static bool label_table(struct code_flow *f, uint64_t table, const struct tables *t)
{
	const struct cs_range inside = {f->body->vaddr, f->body->len};

	for (unsigned wide = 0; wide < 2; wide++)
		for (uint64_t i = 0; i < TABLE_MAX && f->entries_left; i++) {
			const unsigned char *p = t->read(t->ctx, table + i * (wide ? 8 : 4));
			uint64_t to;

			if (!p)
				break;
			f->entries_left--;
			to = wide ? cs_le64(p) : table + (uint64_t)(int64_t)(int32_t)cs_le32(p);
			if (!cs_range_has(inside, to, 1))
				break;
			if (!label(f, to, true))
				return false;
		}
	return true;
}

static bool find_labels(struct code_flow *f, const struct tables *t)
{
	struct state open;

	know_nothing(&open);
	f->entries_left = ENTRIES_MAX;
	f->states.count = 0;
	/* number 0 is none, 1 that of those there is no room for */
	if (!cs_vec_push(&f->states, open) || !cs_vec_push(&f->states, open))
		return false;
	for (size_t i = 0; i < f->ops.items.count; i++) {
		const struct code_op *op = &f->ops.items.items[i];

		if ((op->kind == CODE_JUMP || op->kind == CODE_BRANCH) && !op->is_slot && op->n &&
		    !label(f, (uint64_t)op->n, false))
			return false;
	}
	for (size_t i = 0; i < f->body->entry_count; i++)
		if (!label(f, f->body->entries[i], true))
			return false;
	for (size_t i = 0; f->ops.has_switch && i < f->ops.tables.count; i++)
		if (!label_table(f, f->ops.tables.items[i], t))
			return false;
	return true;
}

/* --- the work --- */

static void send(struct code_flow *f, const struct code_op *op)
{
	struct code_op *to;

	if ((op->kind != CODE_JUMP && op->kind != CODE_BRANCH) || op->is_slot || !op->n)
		return;
	to = op_at(f, (uint64_t)op->n);
	if (to && to->label > 1 && join(&f->states.items[to->label], &f->now))
		f->has_changed = true;
}

static void answer(struct code_flow *f, const struct code_op *op, struct code_call *c)
{
	c->is_there = op->kind == CODE_CALL || op->kind == CODE_JUMP || op->kind == CODE_BRANCH;
	if (!c->is_there)
		return;
	c->vaddr = f->body->vaddr + op->off;
	c->to = (uint64_t)op->n;
	c->is_slot = op->is_slot;
	c->is_jump = op->kind != CODE_CALL;
	for (unsigned i = 0; i < 6; i++)
		c->args[i] = f->now.is_live ? f->now.regs[arg_regs[i]] : unknown();
}

/* Once over all; calls NULL: only to learn. */
static void pass(struct code_flow *f, struct code_call *calls, size_t count)
{
	bool is_reached = true; /* or behind a jump, where nobody is known to come from */
	size_t at = 0;

	f->has_changed = false;
	begin(&f->now, f->body->is_function);
	for (size_t i = 0; i < f->ops.items.count; i++) {
		const struct code_op *op = &f->ops.items.items[i];
		uint64_t end = f->body->vaddr + op->off + op->len;

		if (i % 64 == 0 && cs_pulse_spent(f->body->pulse, 2))
			return;
		if (op->label) {
			struct state *s = &f->states.items[op->label];

			if (f->now.is_live && op->label > 1 && join(s, &f->now))
				f->has_changed = true;
			f->now = *s;
		} else if (!is_reached && (op->kind != CODE_NOTHING || op->clobbers))
			know_nothing(&f->now); /* and no padding */
		for (; calls && at < count && calls[at].end <= end; at++)
			if (calls[at].end == end)
				answer(f, op, &calls[at]);
		if (op->label || op->kind != CODE_NOTHING || op->clobbers)
			is_reached = op->kind != CODE_JUMP && op->kind != CODE_END &&
				     op->kind != CODE_SWITCH;
		if (!f->now.is_live)
			continue;
		if (op->kind == CODE_BRANCH || op->kind == CODE_JUMP)
			send(f, op);
		step(f, op);
	}
}

/* Until nothing changes; false: too often. */
static bool settle(struct code_flow *f)
{
	for (int i = 0; i < PASSES_MAX; i++) {
		pass(f, NULL, 0);
		if (!f->has_changed)
			return true;
	}
	return false;
}

bool code_flow_calls(struct code_flow *f, const struct code_body *body, struct code_call *calls,
		     size_t count, const unsigned char *(*table)(void *ctx, uint64_t addr),
		     void *ctx)
{
	const struct tables tables = {table, ctx};
	bool has_settled;

	f->body = body;
	if (!code_decode(f->decoder, body->code, body->len, body->vaddr, body->pulse, &f->ops) ||
	    !find_labels(f, &tables))
		return false;
	has_settled = settle(f);
	/* whoever is not reached by what is seen is reached by something else */
	for (size_t i = 2; i < f->states.count; i++)
		if (!f->states.items[i].is_live || !has_settled)
			know_nothing(&f->states.items[i]);
	has_settled = settle(f) && has_settled;
	pass(f, calls, count);
	for (size_t i = 0; !has_settled && i < count; i++)
		for (unsigned k = 0; k < 6; k++)
			calls[i].args[k] = unknown();
	return true;
}
