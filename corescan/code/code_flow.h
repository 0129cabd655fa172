/* code_flow.h - what is in registers where a function calls another.
 *
 * Values are followed through registers and the function's own part of the stack, along all
 * ways that are seen; where ways with different values meet, nothing is known.
 */
#ifndef CS_CODE_FLOW_H
#define CS_CODE_FLOW_H
#include "code/code_decode.h"

enum code_value_kind {
	CODE_UNKNOWN,
	CODE_NUMBER, /* n */
	CODE_ARG,    /* what the function was given as argument number arg, and n */
	CODE_STACK   /* an address n bytes from where the stack was when the function began */
};

struct code_value {
	int64_t n;
	uint8_t kind, arg;
};

/* One function (or a part of one). */
struct code_body {
	const unsigned char *code;
	uint64_t vaddr;
	size_t len;
	bool is_function;	 /* begins with its arguments in registers */
	const uint64_t *entries; /* sorted: others jump there */
	size_t entry_count;
	struct cs_pulse *pulse;
};

struct code_call {	     /* where control leaves */
	uint64_t vaddr, end; /* of the instruction and behind it; end is asked by the caller */
	uint64_t to;	     /* address, or that of the slot; 0: not known */
	bool is_slot, is_jump, is_there; /* is_there: an instruction that calls ends at end */
	struct code_value args[6];
};

struct code_flow;

struct code_flow *code_flow_create(void);
void code_flow_destroy(struct code_flow *f);

/* Answer calls, sorted by end. `table` tells 8 bytes at an address of the file that is data,
 * NULL: none; for tables of jumps. False: no memory, or told to stop. */
bool code_flow_calls(struct code_flow *f, const struct code_body *body, struct code_call *calls,
		     size_t count, const unsigned char *(*table)(void *ctx, uint64_t addr),
		     void *ctx);

/* Instructions of the last one; for whoever counts. */
size_t code_flow_len(const struct code_flow *f);
#endif
