/* scan.h - the order of work: open, discover, walk, attribute, settle.
 *
 * One scan answers every question about one target; the answers are in its
 * model. cli and the library's public functions stand on this.
 */
#ifndef CS_SCAN_H
#define CS_SCAN_H
#include "image/image.h"
#include "mem/mem_live.h"
#include "model/answer.h"
#include "model/model.h"

struct cs_ask;
struct cs_report_options;
struct cs_scan;

struct cs_scan_options {
	const char *exe, *sysroot, *debug_dir; /* NULL: none; the last two: lists with ':' */
	const char *hints;  /* file: what void * of C leads to, see cs_native_options; NULL */
	const struct cs_image_file *files; /* borrowed until cs_scan_close() */
	size_t file_count;
	bool debuginfod;    /* ask the servers in DEBUGINFOD_URLS for files that are not here */
	bool is_pid;	    /* target is a pid whatever files exist */
	bool allow_swap_in; /* live: read swapped pages back in */
	bool thorough;	    /* --doctor: prove more than the views need */
	bool threads;	    /* what each thread does; else looked up when it is asked for */
	bool live_threads;  /* the same of a process that will run again and cannot be asked */
	bool locals;	    /* and previews of local variables */
	bool graph;	    /* a view will need the reference graph: make it while memory can be read */
	bool sites;	    /* or what tracemalloc recorded */
	uint32_t two_from;  /* so many blocks in use are worth a second thread; 0: as measured */
	bool suspects;	    /* and look for waste on the way: --suspects will be asked */
	bool no_values;	    /* never copy text of the target's objects into the model */
	/* Called now and then with what is being done and how far it is (0..1000, never
	 * back), may be NULL. Returning false ends the scan with CS_STOPPED within a
	 * twentieth of a second. Not called after cs_scan_open() has returned. */
	bool (*progress)(void *ctx, const char *step, unsigned permille);
	void *progress_ctx;
	uint64_t progress_every_ns; /* between two calls in a step; 0: 20 ms */
	/* A debugger's way to the same memory. What we read by ourselves is compared
	 * with it, one page, before it is believed. May be NULL. */
	cs_status (*read)(void *ctx, cs_addr addr, void *buf, size_t len);
	/* The same of /proc/PID/pagemap, bytes at an offset like pread(); may be NULL. */
	ssize_t (*read_page_map)(void *ctx, void *buf, size_t len, uint64_t off);
	void *read_ctx;
};

/* A process that somebody else holds stopped; see struct corescan_process. */
struct cs_scan_process {
	const char *name; /* NULL: the pid */
	int pid;
	bool is_traced_here, is_core;
	const struct cs_live_thread *threads;
	size_t thread_count;
	const char *maps, *command, *exe;
	const uint64_t *auxv;
	size_t auxv_words;
};

/* Open the target, scan it whole, settle. A live process runs again before
 * this returns. CS_OS, CS_CORRUPT, CS_UNSUPPORTED: the target cannot be read
 * (exit 3). CS_STOPPED: progress() ended it; never anything else then. Partial
 * results are CS_OK with anomalies in the model (exit 1). *out is only set on CS_OK. */
cs_status cs_scan_open(const char *target, const struct cs_scan_options *options,
		       struct cs_scan **out, struct cs_error *err);

/* The same for a process that is held, and stays so. CS_USAGE: neither traced
 * here nor a read() to ask. */
cs_status cs_scan_process(const struct cs_scan_process *process,
			  const struct cs_scan_options *options, struct cs_scan **out,
			  struct cs_error *err);
void cs_scan_close(struct cs_scan *scan);

/* For the questions that follow progress() is called as cs_scan_open() did; NULL:
 * nobody listens. An interruption ends one question, not the scan: listen again
 * before the next. After one, CS_STOPPED when it was cut short. */
void cs_scan_listen(struct cs_scan *scan,
		    bool (*progress)(void *ctx, const char *step, unsigned permille), void *ctx);
cs_status cs_scan_stopped(const struct cs_scan *scan, struct cs_error *err);

/* Borrowed, good until the scan is closed. */
struct cs_model *cs_scan_model(struct cs_scan *scan);

/* Prove what --doctor shows beyond what the views need, as options.thorough does
 * with the scan; at most once. A process that runs again cannot be asked: nothing
 * is added then. */
void cs_scan_prove(struct cs_scan *scan);

/* Everything known about the block or object at (or around) addr, for --object.
 * CS_NOTFOUND: addr is not in the target's memory at all. CS_STOPPED: progress()
 * ended it; *out holds a part, and the scan is as good as before. Looking for the
 * owner of a block takes as long as looking at all objects. */
cs_status cs_scan_object(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
			 struct cs_error *err);

/* What the view asked for needs and the model does not have; *out stays empty where
 * the model is enough. CS_NOTFOUND: nothing of that kind is at ask->addr. */
cs_status cs_scan_answer(struct cs_scan *scan, const struct cs_ask *ask,
			 const struct cs_report_options *options, struct cs_answer *out,
			 struct cs_error *err);

/* The same for the default page: the suspects, which *page then points at, and for what
 * is not text what types retain. Without a graph neither: the status says why. */
cs_status cs_scan_page(struct cs_scan *scan, struct cs_report_options *page, struct cs_answer *out,
		       struct cs_error *err);
void cs_answer_deinit(struct cs_answer *answer);
#endif
