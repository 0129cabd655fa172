/* scan.h - the order of work: open, discover, walk, attribute, settle.
 *
 * One scan answers every question about one target; the answers are in its
 * model. cli and the library's public functions stand on this.
 */
#ifndef CS_SCAN_H
#define CS_SCAN_H
#include "model/answer.h"
#include "model/model.h"

struct cs_ask;
struct cs_report_options;
struct cs_scan;

struct cs_scan_options {
	const char *exe, *sysroot, *debug_dir; /* NULL: none */
	bool is_pid;	    /* target is a pid whatever files exist */
	bool allow_swap_in; /* live: read swapped pages back in */
	bool thorough;	    /* --doctor: prove more than the views need */
	bool no_values;	    /* never copy text of the target's objects into the model */
	/* Called now and then with what is being done and how far it is (0..1000),
	 * may be NULL. Returning false ends the scan with CS_STOPPED. */
	bool (*progress)(void *ctx, const char *step, unsigned permille);
	void *progress_ctx;
};

/* Open the target, scan it whole, settle. A live process runs again before
 * this returns. CS_OS, CS_CORRUPT, CS_UNSUPPORTED: the target cannot be read
 * (exit 3). Partial results are CS_OK with anomalies in the model (exit 1). */
cs_status cs_scan_open(const char *target, const struct cs_scan_options *options,
		       struct cs_scan **out, struct cs_error *err);
void cs_scan_close(struct cs_scan *scan);

/* Borrowed, good until the scan is closed. */
struct cs_model *cs_scan_model(struct cs_scan *scan);

/* Prove what --doctor shows beyond what the views need, as options.thorough does
 * with the scan; at most once. A process that runs again cannot be asked: nothing
 * is added then. */
void cs_scan_prove(struct cs_scan *scan);

/* Everything known about the block or object at (or around) addr, for --object.
 * CS_NOTFOUND: addr is not in the target's memory at all. */
cs_status cs_scan_object(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
			 struct cs_error *err);
/* What the view asked for needs and the model does not have; *out stays empty where
 * the model is enough. CS_NOTFOUND: nothing of that kind is at ask->addr. */
cs_status cs_scan_answer(struct cs_scan *scan, const struct cs_ask *ask,
			 const struct cs_report_options *options, struct cs_answer *out,
			 struct cs_error *err);
void cs_answer_deinit(struct cs_answer *answer);
#endif
