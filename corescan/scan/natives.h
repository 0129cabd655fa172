/* natives.h - native stacks: read while the process stands still, named afterwards.
 *
 * Reading needs the target's memory, names only files: a process need not wait for those.
 */
#ifndef CS_SCAN_NATIVES_H
#define CS_SCAN_NATIVES_H
#include "cpython/py_frame.h"
#include "scan/scan.h"

struct cs_natives;

/* Unwind every thread of the image. CS_NOMEM, CS_STOPPED. */
cs_status cs_natives_read(struct cs_scan *scan, struct cs_natives **out, struct cs_error *err);
void cs_natives_destroy(struct cs_natives *n);

/* Name the frames of thread nr of the image into row->native, and put the Python calls
 * (innermost first; row->python has their frames) where the interpreter's loop runs
 * them; row->is_merged says whether all found their place. Statuses as above. */
cs_status cs_natives_name(struct cs_natives *n, size_t nr, const struct py_call *calls, size_t count,
			  struct cs_thread_row *row, struct cs_error *err);
#endif
