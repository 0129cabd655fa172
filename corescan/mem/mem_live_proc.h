/* mem_live_proc.h - what /proc/PID says, as far as mem_live needs it.
 *
 * Reads files through a descriptor of /proc/PID, so that a process that ends
 * and a pid that is used again are told apart.
 */
#ifndef CS_MEM_LIVE_PROC_H
#define CS_MEM_LIVE_PROC_H
#include "mem/mem_live.h"

struct cs_proc_status {
	char state; /* 'R', 'S', 'Z', ... */
	int tgid, tracer;
	bool has_memory; /* false: a kernel thread, or already dead */
};

/* A whole file below dir_fd, at most max bytes, NUL-terminated, the caller's
 * to free. NULL: errno says why. */
char *cs_proc_read(int dir_fd, const char *name, size_t max, size_t *len);

cs_status cs_proc_status(int proc_fd, int pid, struct cs_proc_status *out, struct cs_error *err);

/* A thread that is neither stopped by a tracer nor dead; 0: none. */
int cs_proc_running(int proc_fd);

/* Fill live->vmas from the text of its maps, cutting the text into strings. */
cs_status cs_proc_parse_maps(struct cs_live *live, char *text, struct cs_error *err);

/* Is this a mapping whose pages are no memory (devices), or may not be read? */
bool cs_proc_is_device(const struct cs_live_vma *vma);
bool cs_proc_is_kernel(const struct cs_live_vma *vma);
#endif
