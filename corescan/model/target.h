/* target.h - whose memory it is: the process, its Python and libc, and how much is there.
 * Texts die with the model. */
#ifndef CS_TARGET_H
#define CS_TARGET_H
#include "base/num.h"

struct cs_target_info {
	const char *kind;    /* "core" or "live" */
	const char *path;    /* core file; NULL for a live process */
	const char *name;    /* what else to call it: "localhost:3333"; NULL: the path or pid */
	bool is_held;	     /* a debugger keeps it stopped */
	int pid, signal;
	const char *command; /* "" when unknown */
	uint64_t threads;
	struct {
		bool found, supported, free_threaded, debug;
		const char *version, *layout; /* "3.11.2"; "dwarf", "debug-offsets", "table" */
		const char *problem;	      /* why not supported */
	} python;
	struct {
		bool found;
		const char *version; /* "2.36", NULL when unknown */
		uint64_t arenas;
		const char *found_by;	/* "relocation", "memory", "symbol" */
		const char *other;	/* "jemalloc": another allocator serves malloc; NULL */
	} libc;
	uint64_t mapped, present, missing, lost, swapped; /* bytes; lost: to truncation */
	bool truncated;
	uint64_t stopped_ns; /* live: how long it was stopped */
};
#endif
