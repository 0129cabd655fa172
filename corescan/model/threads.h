/* threads.h - what each thread was doing, and what asyncio's tasks wait for.
 *
 * Plain rows, innermost frame first. Strings and frames live in the model's arena.
 */
#ifndef CS_THREADS_H
#define CS_THREADS_H
#include "base/vec.h"

#include <stdint.h>

struct cs_arena;

enum cs_gil {
	CS_GIL_UNKNOWN, /* cannot be told, or no thread of Python's */
	CS_GIL_HOLDS,
	CS_GIL_NONE,	/* does not hold it */
};

struct cs_local { /* a local variable's name and the preview of its value */
	const char *name, *value;
};

struct cs_frame {
	const char *function; /* NULL: not known */
	const char *file;     /* source; NULL: not known */
	const char *module;   /* native: path of the executable or library; NULL: none */
	uint64_t address;     /* native: the program counter; python: the frame's */
	uint64_t offset;      /* native: from the start of the function, else of the module */
	uint32_t line;	      /* 0: not known */
	/* Native: so many Python frames, from that one on, are what this call of the
	 * interpreter is about. */
	uint32_t python_first, python_count;
	bool is_inlined;
	const struct cs_local *locals;
	uint32_t local_count;
	uint64_t retained; /* python: bytes that only its locals keep; see has_retained */
};

struct cs_stack {
	struct cs_frame *frames;
	uint32_t count;
	const char *ends; /* why there is no more; NULL: this is all of it */
};

struct cs_thread_row {
	int64_t tid;	  /* 0: no thread of the system is known to be it */
	const char *name; /* NULL: not known */
	enum cs_gil gil;
	bool is_merged;	  /* native frames know their Python frames */
	struct cs_stack native, python;
};

struct cs_task_row {
	uint64_t address;
	int64_t tid;	    /* of the thread its loop runs in; 0: not known */
	const char *name;
	const char *state;  /* "pending", "running", "cancelled", "finished" */
	struct cs_stack stack; /* what it awaits first, itself last */
	const char *waits_for; /* another task's name or a type; NULL */
};

struct cs_threads {
	CS_VEC(struct cs_thread_row) rows;
	CS_VEC(struct cs_task_row) tasks;
	bool is_known;	 /* somebody looked */
	bool has_locals;
	bool has_retained; /* with the reference graph */
};
#endif
