/* capstone 4.0.1 to 5: include/capstone/x86.h, detail of operands. Which operands it says are
 * written differs between its versions, so registers that may be written count as written. */
#include "code/code_decode.h"

#include <capstone/capstone.h>

struct code_decoder {
	csh handle;
	cs_insn *insn;
	uint8_t reg[X86_REG_ENDING]; /* number */
	uint8_t width[X86_REG_ENDING];
};

static const x86_reg wide[CODE_REGS] = {
	X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP,
	X86_REG_RSI, X86_REG_RDI, X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
	X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15,
};
static const x86_reg half[CODE_REGS] = {
	X86_REG_EAX,  X86_REG_ECX,  X86_REG_EDX,  X86_REG_EBX,	X86_REG_ESP,  X86_REG_EBP,
	X86_REG_ESI,  X86_REG_EDI,  X86_REG_R8D,  X86_REG_R9D,	X86_REG_R10D, X86_REG_R11D,
	X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D,
};
static const x86_reg words[CODE_REGS] = {
	X86_REG_AX,   X86_REG_CX,   X86_REG_DX,	  X86_REG_BX,	X86_REG_SP,   X86_REG_BP,
	X86_REG_SI,   X86_REG_DI,   X86_REG_R8W,  X86_REG_R9W,	X86_REG_R10W, X86_REG_R11W,
	X86_REG_R12W, X86_REG_R13W, X86_REG_R14W, X86_REG_R15W,
};
static const x86_reg bytes[CODE_REGS] = {
	X86_REG_AL,   X86_REG_CL,   X86_REG_DL,	  X86_REG_BL,	X86_REG_SPL,  X86_REG_BPL,
	X86_REG_SIL,  X86_REG_DIL,  X86_REG_R8B,  X86_REG_R9B,	X86_REG_R10B, X86_REG_R11B,
	X86_REG_R12B, X86_REG_R13B, X86_REG_R14B, X86_REG_R15B,
};
static const x86_reg highs[] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};

struct code_decoder *code_decoder_create(void)
{
	struct code_decoder *d = calloc(1, sizeof(*d));

	if (!d || cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK) {
		free(d);
		return NULL;
	}
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->insn = cs_malloc(d->handle);
	memset(d->reg, CODE_NO_REG, sizeof(d->reg));
	for (uint8_t i = 0; i < CODE_REGS; i++) {
		d->reg[wide[i]] = d->reg[half[i]] = d->reg[words[i]] = d->reg[bytes[i]] = i;
		d->width[wide[i]] = 8;
		d->width[half[i]] = 4;
		d->width[words[i]] = 2;
		d->width[bytes[i]] = 1;
		if (i < 4) {
			d->reg[highs[i]] = i;
			d->width[highs[i]] = 1;
		}
	}
	if (!d->insn) {
		code_decoder_destroy(d);
		return NULL;
	}
	return d;
}

void code_decoder_destroy(struct code_decoder *d)
{
	if (!d)
		return;
	if (d->insn)
		cs_free(d->insn, 1);
	cs_close(&d->handle);
	free(d);
}

static uint8_t reg_of(const struct code_decoder *d, unsigned reg)
{
	return reg < X86_REG_ENDING ? d->reg[reg] : CODE_NO_REG;
}

static uint16_t bit(uint8_t reg)
{
	return (uint16_t)(reg < CODE_REGS ? 1u << reg : 0);
}

/* Memory as base register and distance; false: more than that. */
static bool is_plain(const struct code_decoder *d, const cs_x86_op *op, uint8_t *base)
{
	*base = reg_of(d, op->mem.base);
	return *base != CODE_NO_REG && op->mem.index == X86_REG_INVALID &&
	       op->mem.segment == X86_REG_INVALID;
}

/* Writes none of its operands. */
static bool only_reads(unsigned id)
{
	switch (id) {
	case X86_INS_CMP:
	case X86_INS_TEST:
	case X86_INS_NOP:
	case X86_INS_BT:
	case X86_INS_UCOMISD:
	case X86_INS_UCOMISS:
	case X86_INS_COMISD:
	case X86_INS_COMISS:
	case X86_INS_PREFETCHT0:
	case X86_INS_PREFETCHT1:
	case X86_INS_PREFETCHT2:
	case X86_INS_PREFETCHNTA:
	case X86_INS_PREFETCHW:
	case X86_INS_PTEST:
		return true;
	default:
		return false;
	}
}

/* Whatever it does: registers and memory it may write. */
static void take_any(const struct code_decoder *d, const cs_insn *in, struct code_op *op)
{
	const cs_x86 *x = &in->detail->x86;

	for (unsigned i = 0; i < in->detail->regs_write_count; i++)
		op->clobbers |= bit(reg_of(d, in->detail->regs_write[i]));
	if (x->prefix[0] == 0xf2 || x->prefix[0] == 0xf3) /* of text: repeated */
		if (x->op_count == 2 && x->operands[0].type == X86_OP_MEM)
			op->clobbers |= 1 << CODE_RSI | 1 << CODE_RDI | 1 << CODE_RCX;
	if (only_reads(in->id))
		return;
	for (unsigned i = 0; i < x->op_count; i++) {
		const cs_x86_op *o = &x->operands[i];
		bool is_written = !i || o->access & CS_AC_WRITE || in->id == X86_INS_XCHG ||
				  in->id == X86_INS_XADD || in->id == X86_INS_CMPXCHG;

		if (!is_written)
			continue;
		if (o->type == X86_OP_REG)
			op->clobbers |= bit(reg_of(d, (unsigned)o->reg));
		if (o->type == X86_OP_MEM) {
			op->kind = CODE_SPOIL;
			op->width = o->size;
			op->n = o->mem.disp;
			/* an array from there on: by an index, or by a repeated instruction */
			op->dst = reg_of(d, o->mem.base);
			if (o->mem.index != X86_REG_INVALID || x->prefix[0])
				op->width = 0;
			if (o->mem.segment != X86_REG_INVALID)
				op->dst = CODE_NO_REG;
		}
	}
	if (in->id == X86_INS_CMPXCHG || in->id == X86_INS_CPUID || in->id == X86_INS_SYSCALL)
		op->clobbers |=
			1 << CODE_RAX | 1 << CODE_RCX | 1 << CODE_RDX | 1 << CODE_RBX | 1 << 11;
}

static void take_move(const struct code_decoder *d, const cs_insn *in, struct code_op *op)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *from = to + 1;
	uint8_t dst = to->type == X86_OP_REG ? reg_of(d, (unsigned)to->reg) : CODE_NO_REG;
	uint8_t src = from->type == X86_OP_REG ? reg_of(d, (unsigned)from->reg) : CODE_NO_REG;
	uint8_t base;

	op->is_signed = in->id == X86_INS_MOVSXD;
	op->width = from->type == X86_OP_IMM ? to->size : from->size;
	if (to->type == X86_OP_MEM && is_plain(d, to, &base) &&
	    (from->type == X86_OP_IMM || (src != CODE_NO_REG && from->size >= 4))) {
		op->kind = from->type == X86_OP_IMM ? CODE_STORE_SET : CODE_STORE;
		op->dst = base;
		op->src = src;
		op->n = to->mem.disp;
		op->value = from->type == X86_OP_IMM ? (int32_t)from->imm : 0;
		op->width = to->size;
	} else if (dst != CODE_NO_REG && to->size >= 4 && from->type == X86_OP_IMM) {
		op->kind = CODE_SET;
		op->dst = dst;
		op->n = to->size == 4 ? (int64_t)(uint32_t)from->imm : from->imm;
	} else if (dst != CODE_NO_REG && to->size >= 4 && src != CODE_NO_REG && from->size >= 4) {
		op->kind = CODE_MOVE;
		op->dst = dst;
		op->src = src;
	} else if (dst != CODE_NO_REG && to->size >= 4 && from->type == X86_OP_MEM &&
		   from->size >= 4 && is_plain(d, from, &base)) {
		op->kind = CODE_LOAD;
		op->dst = dst;
		op->src = base;
		op->n = from->mem.disp;
	} else
		take_any(d, in, op);
}

/* add, sub, inc, dec of a register; xor and sub of one with itself. */
static void take_sum(const struct code_decoder *d, const cs_insn *in, struct code_op *op)
{
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *to = &x->operands[0], *by = to + 1;
	uint8_t dst = to->type == X86_OP_REG ? reg_of(d, (unsigned)to->reg) : CODE_NO_REG;
	bool is_zero = (in->id == X86_INS_XOR || in->id == X86_INS_SUB) && x->op_count == 2 &&
		       by->type == X86_OP_REG && to->type == X86_OP_REG && by->reg == to->reg;

	if (dst == CODE_NO_REG || to->size < 4 ||
	    (!is_zero && (in->id == X86_INS_XOR || (x->op_count == 2 && by->type != X86_OP_IMM)))) {
		take_any(d, in, op);
		return;
	}
	op->dst = dst;
	op->width = to->size;
	if (is_zero) {
		op->kind = CODE_SET;
		return;
	}
	op->kind = CODE_ADD;
	op->n = x->op_count == 2 ? by->imm : 1;
	if (in->id == X86_INS_SUB || in->id == X86_INS_DEC)
		op->n = -op->n;
}

static void add_table(struct code_ops *out, uint64_t addr)
{
	if (!cs_vec_push(&out->tables, addr))
		out->no_memory = true;
}

static void take_lea(const struct code_decoder *d, const cs_insn *in, struct code_op *op,
		     struct code_ops *out)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *from = to + 1;
	uint8_t base;

	if (from->mem.base == X86_REG_RIP)
		add_table(out, in->address + in->size + (uint64_t)from->mem.disp);
	if (!is_plain(d, from, &base) || to->size < 4) {
		take_any(d, in, op);
		return;
	}
	op->kind = CODE_LEA;
	op->dst = reg_of(d, (unsigned)to->reg);
	op->src = base;
	op->width = to->size;
	op->n = from->mem.disp;
}

/* Calls, jumps, returns. */
static void take_way(const struct code_decoder *d, const cs_insn *in, struct code_op *op,
		     struct code_ops *out)
{
	const cs_x86_op *to = &in->detail->x86.operands[0];
	bool is_known = in->detail->x86.op_count == 1 && to->type == X86_OP_IMM;

	(void)d;
	op->kind = in->id == X86_INS_CALL  ? CODE_CALL
		   : in->id == X86_INS_JMP ? CODE_JUMP
					   : CODE_BRANCH;
	if (is_known)
		op->n = to->imm;
	else if (to->type == X86_OP_MEM && to->mem.base == X86_REG_RIP) {
		op->n = (int64_t)(in->address + in->size + (uint64_t)to->mem.disp);
		op->is_slot = true;
	} else if (op->kind == CODE_JUMP) {
		op->kind = CODE_SWITCH;
		out->has_switch = true;
	}
}

static void take_stack(const struct code_decoder *d, const cs_insn *in, struct code_op *op)
{
	const cs_x86_op *o = &in->detail->x86.operands[0];

	if (in->id == X86_INS_LEAVE) {
		op->kind = CODE_LEAVE;
		return;
	}
	op->kind = in->id == X86_INS_POP ? CODE_POP : CODE_PUSH;
	op->dst = op->src = o->type == X86_OP_REG ? reg_of(d, (unsigned)o->reg) : CODE_NO_REG;
	if (in->id == X86_INS_PUSH && o->type == X86_OP_IMM) {
		op->kind = CODE_PUSH_SET;
		op->value = (int32_t)o->imm;
	}
	if (o->size != 8 && o->type != X86_OP_IMM) /* pushes two bytes */
		op->clobbers = 1 << CODE_RSP;
}

static bool is_way(const cs_insn *in)
{
	for (unsigned i = 0; i < in->detail->groups_count; i++)
		if (in->detail->groups[i] == CS_GRP_JUMP || in->detail->groups[i] == CS_GRP_CALL)
			return true;
	return false;
}

static void take(const struct code_decoder *d, const cs_insn *in, struct code_op *op,
		 struct code_ops *out)
{
	switch (in->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVSXD:
		take_move(d, in, op);
		break;
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_XOR:
	case X86_INS_INC:
	case X86_INS_DEC:
		take_sum(d, in, op);
		break;
	case X86_INS_LEA:
		take_lea(d, in, op, out);
		break;
	case X86_INS_PUSH:
	case X86_INS_POP:
	case X86_INS_LEAVE:
		take_stack(d, in, op);
		break;
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_IRET:
	case X86_INS_HLT:
	case X86_INS_UD2:
	case X86_INS_INT3:
		op->kind = CODE_END;
		break;
	default:
		if (is_way(in))
			take_way(d, in, op, out);
		else
			take_any(d, in, op);
	}
	/* a table by its address: jmp *table(,%rax,8), mov table(,%rax,8) */
	for (unsigned i = 0; i < in->detail->x86.op_count; i++) {
		const cs_x86_op *o = &in->detail->x86.operands[i];

		if (o->type == X86_OP_MEM && o->mem.scale == 8 && o->mem.index != X86_REG_INVALID &&
		    o->mem.base == X86_REG_INVALID)
			add_table(out, (uint64_t)o->mem.disp);
	}
}

bool code_decode(struct code_decoder *d, const unsigned char *code, size_t len, uint64_t vaddr,
		 struct cs_pulse *pulse, struct code_ops *out)
{
	const uint8_t *at = code;
	uint64_t addr = vaddr;
	size_t left = len;

	out->items.count = out->tables.count = 0;
	out->has_switch = out->no_memory = false;
	while (left) {
		struct code_op op = {
			.off = (uint32_t)(addr - vaddr), .dst = CODE_NO_REG, .src = CODE_NO_REG};

		if (left >= 4 && !memcmp(at, "\xf3\x0f\x1e\xfa", 4)) {
			op.len = 4; /* endbr64: not every version knows it */
			at += 4;
			addr += 4;
			left -= 4;
		} else if (cs_disasm_iter(d->handle, &at, &left, &addr, d->insn)) {
			op.len = (uint8_t)d->insn->size;
			take(d, d->insn, &op, out);
		} else {
			op.len = 1;
			op.kind = CODE_END;
			at++;
			addr++;
			left--;
		}
		if (!cs_vec_push(&out->items, op) || cs_pulse_stops(pulse))
			return false;
	}
	return !out->no_memory;
}
