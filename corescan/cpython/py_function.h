/* py_function.h - the function a source line is in.
 *
 * The one whose code has the line, where no other does; of a comprehension's or lambda's
 * line that of the function around it. The line a `def` begins at is whoever's makes the
 * function, and nobody's when that code is gone (a module's is, after the import). Where
 * several may be meant - a `def` in one line, a file that was changed and read again - there
 * is no answer.
 */
#ifndef CS_PY_FUNCTION_H
#define CS_PY_FUNCTION_H
#include "cpython/py.h"

/* Which file of the sites a str names, and which frame a line of it is. False: none. */
struct py_wanted_lines {
	bool (*file)(void *ctx, cs_addr name, uint32_t *file);
	bool (*frame)(void *ctx, uint32_t file, uint32_t line, uint32_t *frame);
	void *ctx;
};

/* Fill `function` of all frames of the sites, by the code objects the census met and those
 * in the interpreter's data. False: no memory. O(bytes of their line tables). */
bool py_functions_of_lines(struct py *py, const struct py_wanted_lines *wanted,
			   struct cs_sites *sites);
#endif
