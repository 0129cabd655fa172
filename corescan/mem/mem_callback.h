/* mem_callback.h - a process that only somebody else can read: through GDB from
 * a gdbserver, a recorder, a core GDB alone understands.
 *
 * Gives a struct cs_live like mem_live's. Without a page map nobody knows which
 * pages are resident: then what is mapped and may be read counts as present.
 */
#ifndef CS_MEM_CALLBACK_H
#define CS_MEM_CALLBACK_H
#include "mem/mem_live.h"

#include <sys/types.h>

struct cs_callback {
	/* All bytes of [addr, addr + len) to buf. CS_FAULT: one of them cannot be
	 * read. CS_STOPPED: somebody asked to end. */
	cs_status (*read)(void *ctx, cs_addr addr, void *buf, size_t len);
	/* /proc/PID/pagemap as pread() would give it; NULL: it cannot be had. */
	ssize_t (*read_page_map)(void *ctx, void *buf, size_t len, uint64_t off);
	void *ctx;
	struct cs_pulse *pulse; /* borrowed, must outlive the process; not NULL */
	int pid;
	const char *maps;	   /* as /proc/PID/maps; copied */
	const char *command, *exe; /* NULL: unknown; copied */
	const struct cs_live_thread *threads;
	size_t thread_count;
	const uint64_t *auxv; /* tag, value, tag, value, ... */
	size_t auxv_words;
	bool allow_swap_in; /* else CS_LIMIT when any page is swapped out: whether there is
			     * room for it on that machine cannot be known here */
};

/* CS_LIMIT: pages are swapped out, or there is more mapped than can be. CS_CORRUPT: there is no mapping in maps. */
cs_status cs_callback_open(const struct cs_callback *from, struct cs_live **out, struct cs_error *err);
#endif
