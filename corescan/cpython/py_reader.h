/* py_reader.h - a second pair of eyes: two threads visit a target's objects at a time.
 *
 * The reader is a copy of everything that visiting changes on its way (hints,
 * budgets, what was found out last); what it shares with the first, types and
 * plans, was complete when it was made. It adds nothing: where it meets a type
 * that nobody knew, or both together used up what one may, it says so in the end and its
 * part is visited again, so that nobody can tell how many there were.
 *
 * Invariants
 *  - From create to join the first may do what it likes, also add types.
 *  - The memory both read needs nobody's help: mapped files, no living process.
 */
#ifndef CS_PY_READER_H
#define CS_PY_READER_H
#include "cpython/py.h"

/* A reader for py_visit_refs() and what it needs, through a copy of py's memory and of
 * its model (struct copies made by the caller, with a pulse of their own and no anomalies;
 * borrowed). NULL: no memory. O(types). */
struct py *py_reader_create(struct py *py, struct cs_mem *mem, struct cs_model *model);

/* Its thread is over: give the reader back. False: it met what the first would have
 * treated otherwise, and what it told is not to be used. */
bool py_reader_join(struct py *py, struct py *reader);
#endif
