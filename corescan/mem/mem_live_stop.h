/* mem_live_stop.h - stop every thread of a process by ptrace, and let go of them.
 *
 * Knows nothing of memory. Never PTRACE_O_EXITKILL: when we die the kernel
 * detaches and the process runs on.
 *
 * Invariants
 *  - A signal that arrived while we held a thread is given to it on release.
 *  - Release may be called any number of times, also from a signal handler.
 */
#ifndef CS_MEM_LIVE_STOP_H
#define CS_MEM_LIVE_STOP_H
#include "mem/regs.h"

struct cs_live_stop;

struct cs_live_regs {
	int tid;
	bool is_known; /* false: it did not stop in time, e.g. a parent in vfork */
	uint64_t sp, pc, fs_base;
	struct cs_regs regs;
};

/* Seize and interrupt all threads first, wait afterwards, until no new thread
 * shows up. proc_fd is /proc/PID. Nothing is held on failure. */
cs_status cs_live_stop_all(int pid, int proc_fd, struct cs_live_stop **out, struct cs_error *err);

size_t cs_live_stop_count(const struct cs_live_stop *stop);

/* Registers of thread nr. CS_UNSUPPORTED: a 32-bit thread. */
cs_status cs_live_stop_regs(const struct cs_live_stop *stop, size_t nr, struct cs_live_regs *out,
			    struct cs_error *err);

bool cs_live_stop_is_held(const struct cs_live_stop *stop);

/* Let all run; returns how long they were stopped, in nanoseconds. */
uint64_t cs_live_stop_release(struct cs_live_stop *stop);

/* Releases too. */
void cs_live_stop_destroy(struct cs_live_stop *stop);
#endif
