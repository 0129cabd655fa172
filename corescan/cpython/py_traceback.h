/* py_traceback.h - the tracebacks that tracemalloc recorded, each read once and kept as
 * numbers of files and frames.
 *
 * Invariants
 *  - A traceback is only kept when its hash is that of the lines and file names in it.
 *  - All together have no more frames than memory has room for.
 */
#ifndef CS_PY_TRACEBACK_H
#define CS_PY_TRACEBACK_H
#include "cpython/py.h"

#define PY_NO_TRACEBACK UINT32_MAX

struct py_traced_name { /* a str met as a file name */
	uint64_t hash;	/* CPython's */
	uint32_t file;
};

struct py_tracebacks {
	struct py *py;
	struct cs_sites *out;
	struct cs_map name_nr, file_nr, frame_nr, traceback_nr;
	CS_VEC(struct py_traced_name) names;
	uint64_t frames_left;
	/* What could not be used, of whatever table; the first of it. */
	uint64_t bad;
	cs_addr first_bad;
	const char *first_why;
	bool no_memory;
};

void py_tracebacks_init(struct py_tracebacks *r, struct py *py);
void py_tracebacks_deinit(struct py_tracebacks *r);

/* Something cannot be used; why is a literal. */
void py_traced_bad(struct py_tracebacks *r, cs_addr addr, const char *why);

/* Can the layout's fields be read as they are here? */
bool py_tracebacks_has_fields(const struct py_layout *l);

/* Number of the traceback at addr in the sites; PY_NO_TRACEBACK: it contradicts itself,
 * which is told once, or there is no memory. */
uint32_t py_traceback_at(struct py_tracebacks *r, cs_addr addr);

/* Name the functions of all lines: see py_function.h. */
void py_tracebacks_name(struct py_tracebacks *r);
#endif
