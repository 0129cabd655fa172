/* sites.h - which lines of Python allocated what is in use, as tracemalloc recorded it.
 *
 * Files and frames are there once each, a traceback is a run of frame numbers: 4
 * bytes a frame where the target has 12, 24 a trace where it has 80 and more.
 *
 * Invariants
 *  - Every number in `stack`, of a frame's file, of a trace's traceback is in range.
 *  - A traceback has one frame at least, the most recent first.
 *  - `bytes` counts each block once, whatever its traces say: all tracebacks' together
 *    are at most cs_sites_used()'s.
 */
#ifndef CS_SITES_H
#define CS_SITES_H
#include "base/error.h"
#include "base/pulse.h"
#include "base/vec.h"

struct cs_model;

enum cs_sites_state {
	CS_SITES_UNKNOWN, /* nobody looked, or nothing tells whether it was on */
	CS_SITES_OFF,
	CS_SITES_ON
};

struct cs_site_file {
	const char *name; /* UTF-8, lone surrogates as three bytes; ends with a NUL */
	size_t len;
};

struct cs_site_frame {
	uint32_t file, line; /* line 0: not known */
	const char *function; /* NULL: not known */
};

struct cs_traceback {
	uint64_t first;	 /* in `stack` */
	uint16_t count;	 /* frames kept */
	uint16_t total;	 /* frames there were */
	uint64_t traces; /* that have it */
	uint64_t size;	 /* bytes asked for, by all of them */
	uint64_t bytes;	 /* of their blocks in use */
};

struct cs_trace {
	cs_addr addr;  /* what the allocator returned */
	uint64_t size; /* bytes asked for */
	uint32_t traceback, domain;
};

struct cs_sites {
	enum cs_sites_state state;
	uint32_t frame_limit; /* as tracemalloc.start(N) had it; 0: not known */
	bool has_totals;      /* its traces know how many frames there were: 3.9+ */
	bool is_partial;      /* some of the tables could not be read */
	uint64_t blocks, bytes; /* in use and traced, each counted once */
	CS_VEC(struct cs_site_file) files;
	CS_VEC(struct cs_site_frame) frames;
	CS_VEC(uint32_t) stack;
	CS_VEC(struct cs_traceback) tracebacks;
	CS_VEC(struct cs_trace) traces;
};

void cs_sites_deinit(struct cs_sites *sites);

/* As tracemalloc.Snapshot.statistics(key_type, cumulative) groups traces. */
enum cs_site_key { CS_SITE_LINE, CS_SITE_FILE, CS_SITE_TRACEBACK };

struct cs_site_group {
	/* of the enum's key: number of a frame, a file, a traceback */
	uint32_t nr;
	uint64_t count, size, bytes;
};

struct cs_site_groups {
	CS_VEC(struct cs_site_group) rows;
};

/* Cumulative: of every frame of a traceback, as often as it is there; not by traceback.
 * *out is the caller's to free with cs_vec_free(&out->rows). CS_NOMEM, CS_STOPPED: it
 * is empty. O(tracebacks, or frames of all of them). */
cs_status cs_sites_group(const struct cs_sites *sites, enum cs_site_key key, bool is_cumulative,
			 struct cs_pulse *pulse, struct cs_site_groups *out, struct cs_error *err);

/* Blocks in use and their bytes, as --by-type counts them. After settling. */
void cs_sites_used(const struct cs_model *model, uint64_t *blocks, uint64_t *bytes);
#endif
