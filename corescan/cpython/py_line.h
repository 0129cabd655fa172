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
#endif
