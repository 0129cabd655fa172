/* threads.h - put stacks, names and the GIL's holder together, a row a thread.
 *
 * First all that needs the target's memory, while it stands still; then what only
 * needs files: the names of native functions.
 */
#ifndef CS_SCAN_THREADS_H
#define CS_SCAN_THREADS_H
#include "scan/scan.h"

struct cs_stacks;

/* Read the stacks. CS_NOMEM, CS_STOPPED. */
cs_status cs_stacks_read(struct cs_scan *scan, bool has_locals, struct cs_stacks **out,
			 struct cs_error *err);

/* Name what was read, and make it the model's threads. Statuses as above: the model is
 * untouched then. */
cs_status cs_stacks_name(struct cs_stacks *stacks, struct cs_error *err);

void cs_stacks_destroy(struct cs_stacks *stacks);
static inline void cs_stacks_destroyp(struct cs_stacks **stacks)
{
	cs_stacks_destroy(*stacks);
}

/* Both, when the model does not know as much already. A process that runs again
 * cannot be asked: nothing is added then. */
cs_status cs_scan_threads(struct cs_scan *scan, bool has_locals, struct cs_error *err);
#endif
