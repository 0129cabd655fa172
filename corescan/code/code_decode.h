/* code_decode.h - machine code as the few things that matter for who passes what on.
 *
 * Registers have the numbers instructions give them: rax 0, rcx 1, rdx 2, rbx 3, rsp 4,
 * rbp 5, rsi 6, rdi 7, r8 8 ... What is not understood clobbers what it may write.
 */
#ifndef CS_CODE_DECODE_H
#define CS_CODE_DECODE_H
#include "base/num.h"
#include "base/pulse.h"
#include "base/vec.h"

enum {
	CODE_RAX,
	CODE_RCX,
	CODE_RDX,
	CODE_RBX,
	CODE_RSP,
	CODE_RBP,
	CODE_RSI,
	CODE_RDI,
	CODE_REGS = 16,
	CODE_NO_REG = 16
};

enum code_op_kind {
	CODE_NOTHING,
	CODE_SET,	/* dst = n */
	CODE_MOVE,	/* dst = src */
	CODE_ADD,	/* dst += n */
	CODE_LEA,	/* dst = src + n */
	CODE_LOAD,	/* dst = memory at src + n */
	CODE_STORE,	/* memory at dst + n = src */
	CODE_STORE_SET, /* memory at dst + n = value */
	CODE_SPOIL,	/* memory at dst + n is written; dst CODE_NO_REG: anywhere */
	CODE_PUSH,
	CODE_PUSH_SET,
	CODE_POP,
	CODE_LEAVE,
	CODE_CALL,
	CODE_JUMP,
	CODE_BRANCH, /* n: to where, 0: not known; is_slot: what lies there */
	CODE_END,    /* what follows is not reached from here */
	CODE_SWITCH  /* a jump to one of many places */
};

struct code_op {      /* 32 bytes */
	uint32_t off; /* from the beginning */
	uint8_t len, kind, dst, src;
	uint8_t width;	/* bytes moved */
	bool is_signed; /* and widened by their sign */
	bool is_slot;
	uint16_t clobbers; /* registers, a bit each, whose value is not known afterwards */
	uint32_t label;	   /* for code_flow.c */
	int32_t value;
	int64_t n;
};

struct code_ops {
	CS_VEC(struct code_op) items;
	CS_VEC(uint64_t) tables; /* addresses that may be of tables to jump by */
	bool has_switch, no_memory;
};

struct code_decoder;

struct code_decoder *code_decoder_create(void);
void code_decoder_destroy(struct code_decoder *d);

/* The instructions of code that lies at vaddr. What is none is skipped byte by byte, as an
 * END. False: no memory, or told to stop (pulse may be NULL). O(len). */
bool code_decode(struct code_decoder *d, const unsigned char *code, size_t len, uint64_t vaddr,
		 struct cs_pulse *pulse, struct code_ops *out);
#endif
