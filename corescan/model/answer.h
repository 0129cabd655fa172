/* answer.h - everything known about one address, row by row, for --object.
 *
 * Made by the scan, which may read memory; written by the report, which may not.
 */
#ifndef CS_ANSWER_H
#define CS_ANSWER_H
#include "base/arena.h"
#include "base/vec.h"

#include <stdint.h>

struct cs_answer_row {
	const char *field; /* "address", "type", "block", "state", "value", "owner", ... */
	const char *text;  /* NULL when it is a number */
	uint64_t number;
	bool is_address;
};
struct cs_answer {
	CS_VEC(struct cs_answer_row) rows;
	struct cs_arena strings;
};
#endif
