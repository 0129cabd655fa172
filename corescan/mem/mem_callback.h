/* mem_callback.h - a process that only somebody else can read: through GDB from
 * a gdbserver, a recorder, a core GDB alone understands.
 *
 * Gives a struct cs_live like mem_live's, with the difference that nobody
 * knows which pages are resident: what is mapped and may be read counts as present.
 */
#ifndef CS_MEM_CALLBACK_H
#define CS_MEM_CALLBACK_H
#include "mem/mem_live.h"

struct cs_callback {
	/* All bytes of [addr, addr + len) to buf. CS_FAULT: one of them cannot be
	 * read. CS_STOPPED: somebody asked to end. */
	cs_status (*read)(void *ctx, cs_addr addr, void *buf, size_t len);
	void *ctx;
	struct cs_pulse *pulse; /* borrowed, must outlive the process; not NULL */
	int pid;
	const char *maps;	   /* as /proc/PID/maps; copied */
	const char *command, *exe; /* NULL: unknown; copied */
	const struct cs_live_thread *threads;
	size_t thread_count;
	const uint64_t *auxv; /* tag, value, tag, value, ... */
	size_t auxv_words;
};

/* CS_CORRUPT: there is no mapping in maps. */
cs_status cs_callback_open(const struct cs_callback *from, struct cs_live **out, struct cs_error *err);
#endif
