/* py_line.h - the source line of an instruction, out of a code object's table.
 *
 * Three encodings: co_lnotab (to 3.9), co_linetable of 3.10, location table (3.11+).
 */
#ifndef CS_PY_LINE_H
#define CS_PY_LINE_H
#include "cpython/py.h"

/* The line of the instruction at byte `at` of the code (below 0: not begun, the
 * first line). 0: it has none, or the table cannot be read. O(table). */
uint32_t py_line(struct py *py, cs_addr code, int64_t at);

/* The lines that instructions of a code object have, one after the other, the same ones
 * again and again: at most as many as its table has bytes. */
struct py_lines {
	struct py *py;
	const unsigned char *p; /* the table, len bytes; `at` is where to go on */
	uint64_t len, at;
	uint32_t first_line; /* of the code */
	int64_t line;
	bool is_begun; /* 3.8, 3.9: the first line has no entry */
};
/* False: the code has no table that can be read. */
bool py_lines_init(struct py_lines *lines, struct py *py, cs_addr code);
bool py_lines_next(struct py_lines *lines, uint32_t *line);
#endif
