/* answer.h - what is known about one address, row by row, for --object and --chunks.
 *
 * Made by the scan, which may read memory; written by the report, which may not.
 */
#ifndef CS_ANSWER_H
#define CS_ANSWER_H
#include "base/arena.h"
#include "base/vec.h"
#include "model/blocks.h"

#include <stdint.h>

struct cs_answer_row {
	const char *field; /* "address", "type", "block", "state", "value", "owner", ... */
	const char *text;  /* NULL when it is a number */
	uint64_t number;
	bool is_address;
};

struct cs_chunk_row {
	cs_addr addr;	  /* what malloc returned; of what it gave nobody the start */
	uint64_t size;	  /* with the header */
	const char *type; /* NULL: not known; borrowed from the model */
	enum cs_block_state state;
};

struct cs_holder_row { /* --dominators: a node of the tree, or equal siblings in one */
	cs_addr addr;	  /* of the biggest */
	const char *type; /* borrowed from the model */
	const char *name; /* how one gets there */
	uint64_t shallow, retained, count; /* bytes, of all of them */
};

struct cs_step_row { /* --why: a step from a root towards what was asked for */
	const char *from, *edge, *type;
	cs_addr to;
};

struct cs_leak_row { /* --leaks: a group of what nobody reaches */
	const char *kind, *type; /* "leaked", "leaked-indirect", "garbage"; maybe- where memory is missing */
	uint64_t count, bytes;
	cs_addr example;
};

struct cs_answer {
	CS_VEC(struct cs_answer_row) rows;
	/* --chunks: blocks one behind the other, and how many there are before them
	 * (from the one asked for on) and behind them */
	CS_VEC(struct cs_chunk_row) chunks;
	uint64_t chunks_before, chunks_behind;
	CS_VEC(struct cs_holder_row) holders;
	CS_VEC(struct cs_step_row) steps;
	CS_VEC(struct cs_leak_row) leaks;
	struct cs_arena strings;
};
#endif
