/* image_unwind.h - the native stacks of threads, and the names of what is on them.
 *
 * Goes by the unwind data of files that are of the build in memory; never looks
 * for files by itself. A stack ends where a function has no such data: nothing is
 * guessed from frame pointers.
 */
#ifndef CS_IMAGE_UNWIND_H
#define CS_IMAGE_UNWIND_H
#include "image/image.h"

enum { CS_UNWIND_MAX = 1 << 14 }; /* frames of a thread */

struct cs_unwind;

struct cs_unwind_frame {
	cs_addr pc, sp; /* sp 0: this libdw does not tell */
	bool is_exact;  /* the thread is at pc; else the call before it */
	bool is_signal; /* the kernel called a signal's handler here */
};

/* Borrows the image, which must outlive it. CS_NOMEM, CS_UNSUPPORTED: no unwinder. */
cs_status cs_unwind_open(struct cs_image *image, struct cs_unwind **out, struct cs_error *err);
void cs_unwind_close(struct cs_unwind *u);
static inline void cs_unwind_closep(struct cs_unwind **u)
{
	cs_unwind_close(*u);
}

/* The frames of a thread, innermost first, borrowed until the next call. *ends: why
 * there are no more, a sentence in the image's strings; NULL: this is where the
 * thread began. Reads memory. CS_NOMEM, CS_STOPPED. */
cs_status cs_unwind_thread(struct cs_unwind *u, const struct cs_thread *thread,
			   const struct cs_unwind_frame **frames, size_t *count, const char **ends,
			   struct cs_error *err);

/* From the next thread on keep each frame's registers, 144 bytes a frame. */
void cs_unwind_keep_registers(struct cs_unwind *u);

/* Those of a frame of the last thread, good as long as its frames; of a caller what the
 * unwinder knows. NULL: not kept, or this libdw does not tell. */
const struct cs_regs *cs_unwind_registers(const struct cs_unwind *u, size_t frame);

/* A function on the stack. Texts are borrowed from u or the image. */
struct cs_unwind_name {
	const char *function; /* NULL: no symbol there */
	const char *module;   /* path; NULL: in none */
	const char *file;     /* with DWARF, else NULL */
	uint32_t line;
	uint64_t offset; /* from the start of the function, else from the module's */
	bool is_inlined; /* into the next name */
};

enum { CS_UNWIND_NAMES = 16 };

/* The function a frame is in, and before it those inlined there, innermost first;
 * at most CS_UNWIND_NAMES, how many is returned: at least 1. Reads files only. */
size_t cs_unwind_names(struct cs_unwind *u, const struct cs_unwind_frame *frame,
		       struct cs_unwind_name *out);
#endif
