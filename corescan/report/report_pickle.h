/* report_pickle.h - recorded traces as the file tracemalloc.Snapshot.load() opens.
 *
 * Protocol 2, which every Python 3 reads. Written trace by trace: what is kept besides
 * the model are 4 bytes for each file name, frame and traceback.
 */
#ifndef CS_REPORT_PICKLE_H
#define CS_REPORT_PICKLE_H
#include "base/pulse.h"
#include "model/sites.h"

#include <stdio.h>

/* The stream's own errors are left for the caller to see with ferror(). CS_UNSUPPORTED:
 * nothing was recorded, err says why. CS_NOMEM, CS_STOPPED. */
cs_status cs_pickle_write(FILE *out, const struct cs_sites *sites, struct cs_pulse *pulse,
			  struct cs_error *err);
#endif
