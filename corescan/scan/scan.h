/* scan.h - the order of work: open, discover, walk, attribute, settle.
 *
 * One scan answers every question about one target; the answers are in its
 * model. cli and the library's public functions stand on this.
 */
#ifndef CS_SCAN_H
#define CS_SCAN_H
#include "model/answer.h"
#include "model/model.h"

struct cs_scan;

struct cs_scan_options {
	const char *exe, *sysroot, *debug_dir; /* NULL: none */
	bool is_pid;	    /* target is a pid whatever files exist */
	bool allow_swap_in; /* live: read swapped pages back in */
	bool thorough;	    /* --doctor: prove more than the views need */
	bool no_values;	    /* never copy text of the target's objects into the model */
	/* Called now and then with what is being done and how far it is (0..1000, never
	 * back), may be NULL. Returning false ends the scan with CS_STOPPED within a
	 * twentieth of a second. Not called after cs_scan_open() has returned. */
	bool (*progress)(void *ctx, const char *step, unsigned permille);
	void *progress_ctx;
	uint64_t progress_every_ns; /* between two calls in a step; 0: 20 ms */
};

/* Open the target, scan it whole, settle. A live process runs again before
 * this returns. CS_OS, CS_CORRUPT, CS_UNSUPPORTED: the target cannot be read
 * (exit 3). CS_STOPPED: progress() ended it; never anything else then. Partial
 * results are CS_OK with anomalies in the model (exit 1). *out is only set on CS_OK. */
cs_status cs_scan_open(const char *target, const struct cs_scan_options *options,
		       struct cs_scan **out, struct cs_error *err);
void cs_scan_close(struct cs_scan *scan);

/* Borrowed, good until the scan is closed. */
struct cs_model *cs_scan_model(struct cs_scan *scan);

/* From now on cs_scan_object() calls progress(), as cs_scan_open() did; NULL: nobody. */
void cs_scan_listen(struct cs_scan *scan,
		    bool (*progress)(void *ctx, const char *step, unsigned permille), void *ctx);

/* Everything known about the block or object at (or around) addr, for --object.
 * CS_NOTFOUND: addr is not in the target's memory at all. CS_STOPPED: progress()
 * ended it; *out holds a part, and the scan is as good as before. Looking for the
 * owner of a block takes as long as looking at all objects. */
cs_status cs_scan_object(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
			 struct cs_error *err);
void cs_answer_deinit(struct cs_answer *answer);
#endif
