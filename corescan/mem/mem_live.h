/* mem_live.h - a running process: stopped, read through process_vm_readv, resumed.
 *
 * Every thread is seized and interrupted first and waited for afterwards, so
 * the stop costs one round of waiting. Never writes to the target. When
 * corescan dies the kernel detaches and the target runs on.
 *
 * Bytes are copied lazily, 256 KiB at a time, into a mirror of our own whose
 * addresses do not move: a view is good until cs_live_close(). Pages that were
 * never touched are zero and never asked for; swapped pages are counted before
 * anything is read.
 */
#ifndef CS_MEM_LIVE_H
#define CS_MEM_LIVE_H
#include "base/pulse.h"
#include "mem/mem.h"
#include "mem/regs.h"

struct cs_live_vma { /* a line of /proc/PID/maps */
	struct cs_range range;
	unsigned prot; /* R 4, W 2, X 1 */
	bool is_shared;
	uint64_t file_off, inode;
	const char *path; /* "" when anonymous; "[heap]" and such as they are */
};

struct cs_live_thread {
	int tid;
	uint64_t sp, pc, fs_base;
	char name[32];
	struct cs_regs regs;  /* beyond sp and pc; what is not known there may be here */
};

struct cs_live_stop; /* what ptrace holds */
struct cs_mirror;
struct cs_mirror_source;
struct cs_page_map;

struct cs_live {
	int pid;
	CS_VEC(struct cs_live_vma) vmas;       /* all of them, by address */
	CS_VEC(struct cs_live_thread) threads; /* main thread first; sp 0: registers unknown */
	char *command;	      /* /proc/PID/cmdline, blanks between words */
	char *exe_path;	      /* /proc/PID/exe, NULL when unreadable */
	unsigned char auxv[1024];
	size_t auxv_len;
	struct cs_mem mem;
	/* the rest is mem_live.c's and mem_callback.c's own */
	struct cs_live_stop *stop; /* NULL: somebody else holds it */
	struct cs_mirror_source *source;
	const struct cs_page_map *page_map; /* while a described process is being built; or NULL */
	CS_VEC(struct cs_mirror *) mirrors;
	char *text;	      /* of /proc/PID/maps; paths point into it */
	int proc_fd, mem_fd;  /* /proc/PID and its mem; -1: not a process of ours to look at */
	bool is_gone, is_held_by_caller;
};

struct cs_live_options {
	bool allow_swap_in;
	/* We trace the process already and hold all its threads: nothing is stopped
	 * or resumed, and these (borrowed) are its threads. */
	bool is_held;
	const struct cs_live_thread *threads;
	size_t thread_count;
	struct cs_pulse *pulse; /* borrowed, must outlive the process; may be NULL */
};

/* Stop (or take as it stands), map, measure. A thread's id stands for its process. CS_OS: no such
 * process, no permission (the text says which and what would help), a zombie,
 * already traced; held, but not by us or not all of it. CS_UNSUPPORTED: a 32-bit process. CS_LIMIT: more swapped than the target
 * can take back and !allow_swap_in. */
cs_status cs_live_open(int pid, const struct cs_live_options *options, struct cs_live **out,
		       struct cs_error *err);

/* Let every thread run again. Idempotent; safe in a signal handler of the
 * thread that opened (ptrace knows no other). Returns how long the process was
 * stopped, in nanoseconds. Bytes fetched so far stay, nothing more is fetched:
 * a running process contradicts itself. */
uint64_t cs_live_resume(struct cs_live *live);

/* Bytes we wanted and the process did not let go of, so far: it died, or a
 * file behind a mapping is gone. */
uint64_t cs_live_unreadable(const struct cs_live *live);

/* Mirrors for live->vmas, from live->source; for whoever fills a cs_live. */
cs_status cs_live_build(struct cs_live *live, struct cs_error *err);

/* Resumes too. */
void cs_live_close(struct cs_live *live);
static inline void cs_live_closep(struct cs_live **live)
{
	cs_live_close(*live);
}
#endif
