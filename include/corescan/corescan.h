/* corescan.h - the library behind the corescan program.
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
 * Nothing here writes to stdout or stderr, exits, or touches the target. Two
 * handles share nothing; one handle belongs to one thread at a time. All text
 * is UTF-8.
 */
#ifndef CORESCAN_H
#define CORESCAN_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CORESCAN_API
#define CORESCAN_API __attribute__((visibility("default")))
#endif

/* Changes when a program built against an older header would no longer work.
 * Compare with corescan_abi() after loading the library by hand. */
#define CORESCAN_ABI 0

/* The numbers the program exits with. */
enum corescan_result {
	CORESCAN_OK = 0,
	CORESCAN_PART = 1,   /* answered, but memory is missing or contradicts itself */
	CORESCAN_USAGE = 2,  /* no such view, option or format; called out of order */
	CORESCAN_FAILED = 3, /* the target cannot be read; no memory */
};

struct corescan;

CORESCAN_API unsigned corescan_abi(void);
CORESCAN_API const char *corescan_version(void);

/* The views this version answers: names from 0 on, NULL beyond the last. The
 * strings are good for as long as the library is loaded. corescan_view_argument()
 * is "ADDR" for a view that takes one, else NULL; the others are NULL only for
 * an unknown name. */
CORESCAN_API const char *corescan_view_name(size_t nr);
CORESCAN_API const char *corescan_view_title(const char *view);
CORESCAN_API const char *corescan_view_help(const char *view);
CORESCAN_API const char *corescan_view_argument(const char *view);

/* An empty handle; NULL when there is no memory. */
CORESCAN_API struct corescan *corescan_new(void);

/* Set an option, named as on the command line without dashes. Before opening:
 * "exe", "sysroot", "debug-dir", "pid" ("1": the target is a pid whatever files
 * exist), "allow-swap-in". At any time, for the renderings that follow: "top",
 * "sort", "min", "type", "no-values", and "width" in columns for text. A NULL
 * value sets it back. Values are copied. */
CORESCAN_API int corescan_set(struct corescan *cs, const char *option, const char *value);

/* Read a core file or a process (all digits and no such file), once for each
 * handle. A process is stopped meanwhile and runs again on return. CORESCAN_PART is
 * a success. */
CORESCAN_API int corescan_open(struct corescan *cs, const char *target);

/* Answer one question. view NULL is the default page. argument: an address for
 * "object", else NULL. format: "text", "json", "csv". *text is the caller's, to
 * be given to corescan_free(); on failure it is NULL. */
CORESCAN_API int corescan_render(struct corescan *cs, const char *view, const char *argument,
				 const char *format, char **text);
CORESCAN_API void corescan_free(char *text);

/* What went wrong in the last call on this handle that failed; never NULL,
 * good until the next call. */
CORESCAN_API const char *corescan_error(const struct corescan *cs);

/* NULL is allowed. */
CORESCAN_API void corescan_close(struct corescan *cs);

#ifdef __cplusplus
}
#endif
#endif
