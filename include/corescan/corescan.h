/* corescan.h - the library behind the corescan program and its GDB commands.
 *
 * A handle is one target, read once; every question about it is a view, named
 * as on the command line, and an answer is a text in a format of your choice.
 *
 *	struct corescan *cs = corescan_new();
 *	char *text;
 *
 *	if (corescan_open(cs, "core.1234") <= CORESCAN_PART &&
 *	    corescan_render(cs, "by-type", NULL, "json", &text) <= CORESCAN_PART) {
 *		puts(text);
 *		corescan_free(text);
 *	} else {
 *		fprintf(stderr, "%s\n", corescan_error(cs));
 *	}
 *	corescan_close(cs);
 *
 * Nothing here writes to stdout or stderr, exits, or touches the target. While a
 * call reads files it takes SIGBUS, lest a file that is cut kill the program. Two
 * handles share nothing; one handle belongs to one thread at a time. All text
 * is UTF-8.
 */
#ifndef CORESCAN_H
#define CORESCAN_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CORESCAN_API
#define CORESCAN_API __attribute__((visibility("default")))
#endif

/* Changes when a program built against an older header would no longer work.
 * Compare with corescan_abi() after loading the library by hand. */
#define CORESCAN_ABI 1

/* The numbers the program exits with. */
enum corescan_result {
	CORESCAN_OK = 0,
	CORESCAN_PART = 1,   /* answered, but memory is missing or contradicts itself */
	CORESCAN_USAGE = 2,  /* no such view, option or format; called out of order */
	CORESCAN_FAILED = 3, /* the target cannot be read; no memory */
	CORESCAN_STOPPED = 4, /* poll() of the hooks asked to end */
};

struct corescan;

CORESCAN_API unsigned corescan_abi(void);
CORESCAN_API const char *corescan_version(void);

/* The views this version answers: names from 0 on, NULL beyond the last. The
 * strings are good for as long as the library is loaded. corescan_view_argument()
 * is "ADDR", "TYPE" or "ADDR|TYPE" for a view that takes one, else NULL; the others
 * are NULL only for an unknown name. */
CORESCAN_API const char *corescan_view_name(size_t nr);
CORESCAN_API const char *corescan_view_title(const char *view);
CORESCAN_API const char *corescan_view_help(const char *view);
CORESCAN_API const char *corescan_view_argument(const char *view);

/* An empty handle; NULL when there is no memory. */
CORESCAN_API struct corescan *corescan_new(void);

/* Set an option, named as on the command line without dashes. Before opening:
 * "exe", "sysroot", "debug-dir", "pid" ("1": the target is a pid whatever files
 * exist), "allow-swap-in", "graph" ("1": of a process that will run again, make
 * what "dominators", "why", "leaks", "instances", "referrers" and who refers to an
 * "object" need while it is stopped; of others it is made when they are asked), "sites"
 * ("1": the same of "by-site"). At any time, for the renderings that follow: "top", "sort",
 * "min", "type", "depth" (of "dominators"), "attrs" (of "instances": "a,b.c"), "group-by" (of
 * "by-site": "line", "file", "traceback"), "cumulative" (of "by-site"), "no-values",
 * "verbose" ("1": stacks in full, with locals; those of a process that will run again only
 * when it was set before opening), "brief" ("1": of an "object" only what is known at once,
 * not what it refers to nor who to it), and for text: "width" in columns, "ascii" ("1": no
 * letter beyond it), "bars", "color", "commands" ("gdb": name debugger commands to go on
 * with, not the program's options), "header" ("0": none).
 * "hints": a file, see corescan(1). "debuginfod" ("1": ask the servers in the environment's
 * DEBUGINFOD_URLS for files that are not here). "sysroot" and "debug-dir" may be lists with
 * ':'. A NULL value sets it back. Values are copied. */
CORESCAN_API int corescan_set(struct corescan *cs, const char *option, const char *value);

/* Read a core file or a process (all digits and no such file), once for each
 * handle. A process is stopped meanwhile and runs again on return. CORESCAN_PART is
 * a success. */
CORESCAN_API int corescan_open(struct corescan *cs, const char *target);

/* Answer one question. view NULL is the default page. argument: what
 * corescan_view_argument() says, an address or the name of a type ("chunks" 0: the first
 * heap), else NULL. format: "text", "json", "csv". *text is the caller's, to
 * be given to corescan_free(); on failure it is NULL. */
CORESCAN_API int corescan_render(struct corescan *cs, const char *view, const char *argument,
				 const char *format, char **text);
CORESCAN_API void corescan_free(char *text);

/* What went wrong in the last call on this handle that failed; never NULL,
 * good until the next call. */
CORESCAN_API const char *corescan_error(const struct corescan *cs);

/* In one sentence what is missing from the answers ("2 anomalies, 1.2 MiB mapped
 * but not in the core"); "" when nothing is, or no target is open. Good until
 * the next call. */
CORESCAN_API const char *corescan_missing(struct corescan *cs);

/* The address the last rendering ended with: of the view "object" the object or
 * block itself, else the last one shown. 0: none. */
CORESCAN_API uint64_t corescan_last_address(const struct corescan *cs);

/* ---- For debuggers: a target that somebody else holds ---- */

/* One read of the target's memory. The library presets got to -1; read() sets
 * it to len as the last thing it does when all bytes are there, to -EINTR (-4)
 * when the user interrupted it, and leaves it otherwise (it is all or nothing;
 * the library finds the gap by asking again). */
struct corescan_read {
	uint64_t addr;
	void *buf;
	uint64_t len;
	int64_t got;
};

struct corescan_hooks {
	size_t size; /* sizeof(struct corescan_hooks) */
	void *user;
	/* May be NULL: the library reads by itself, and nothing is compared. */
	void (*read)(void *user, struct corescan_read *request);
	/* May be NULL. Called every few milliseconds; not 0 ends the call that is under
	 * way with CORESCAN_STOPPED. PyErr_CheckSignals has the right form. */
	int (*poll)(void);
	/* May be NULL. Called about twice a second; permille of the whole scan. */
	void (*progress)(void *user, const char *step, unsigned permille);
	/* May be NULL. Of a process that is read with read(): bytes of its
	 * /proc/PID/pagemap, addr being the offset in that file; got: how many came,
	 * fewer than asked are fine. Without it what is mapped counts as resident. */
	void (*page_map)(void *user, struct corescan_read *request);
};

/* Copied. All three are only called from inside calls on this handle. With
 * read() set, a target the library reads by itself is compared with what read()
 * says, one page of it, when it is opened; CORESCAN_FAILED when they differ. */
CORESCAN_API int corescan_hook(struct corescan *cs, const struct corescan_hooks *hooks);

/* A file that the module (or separate debug file) of this build id, in hex, can
 * be read from; preferred to what the library would find. Before opening. A
 * file that turns out to be another build is not used. */
CORESCAN_API int corescan_file(struct corescan *cs, const char *build_id, const char *path);

struct corescan_thread {
	int64_t tid;
	uint64_t sp, pc, fs_base; /* 0: unknown */
};

/* A process that the caller holds stopped, and keeps so while the handle is open. */
struct corescan_process {
	size_t size;	  /* sizeof(struct corescan_process) */
	const char *name; /* for the report: "core.1234", "localhost:3333"; NULL: the pid */
	int64_t pid;	  /* 0: unknown */
	/* Not 0: a process of this machine that the calling process traces; the
	 * library reads /proc/PID and the memory itself and needs only the threads.
	 * 0: everything is read with the hooks' read(). */
	int is_traced_here;
	int is_core;	  /* read() answers from a core file */
	const struct corescan_thread *threads; /* the first: where it stopped */
	size_t thread_count;
	/* The rest is for read() only. maps: as /proc/PID/maps, mappings by address. */
	const char *maps, *command, *exe;
	const uint64_t *auxv; /* tag and value in turns */
	size_t auxv_words;
};

/* As corescan_open(), of a process that is held. Results are the same. The
 * process is never resumed nor written to. */
CORESCAN_API int corescan_open_process(struct corescan *cs, const struct corescan_process *process);

/* ---- For debuggers: the views as commands ---- */

struct corescan_command {
	const char *name;     /* "pyheap top", "corescan heap whatis" */
	const char *view;     /* what it shows: a name of corescan_view_name() */
	const char *argument; /* "ADDR", "N", "GLOB", ...; NULL: none */
	int is_required;      /* the argument */
	const char *help;     /* one sentence */
};

/* Commands from 0 on whose views this version answers, NULL beyond the last.
 * Prefixes ("pyheap", "corescan", "corescan heap") come before what they begin,
 * with a NULL view. Good for as long as the library is loaded. */
CORESCAN_API const struct corescan_command *corescan_command_at(size_t nr);

/* Answer a command as text. words: what follows its name, addresses as numbers;
 * and the report's options as on the command line (--top 5, --sort COLUMN,
 * --format json). skip: rows to leave out, for a next page. *shown: how many
 * rows of the table this was, *more: how many follow (both may be NULL). */
CORESCAN_API int corescan_command(struct corescan *cs, const char *name, size_t count,
				  const char *const *words, uint64_t skip, char **text,
				  uint64_t *shown, uint64_t *more);

/* NULL is allowed. */
CORESCAN_API void corescan_close(struct corescan *cs);

#ifdef __cplusplus
}
#endif
#endif
