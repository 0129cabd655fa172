/* error.h - how every function of corescan says that it could not do its job.
 *
 * A cs_status is returned and must be looked at; a cs_error, the caller's, of
 * fixed size and optional, carries the words for people. Nothing here
 * allocates, so a failed probe costs nanoseconds.
 */
#ifndef CS_ERROR_H
#define CS_ERROR_H
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#define CS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CS_MUST_CHECK [[nodiscard]] /* on the enum: covers every function */
#endif

typedef uint64_t cs_addr; /* an address in the target, never a pointer of ours */
#define CS_ADDR "0x%" PRIx64

typedef enum CS_MUST_CHECK cs_status {
	CS_OK = 0,
	CS_FAULT,	/* bytes are not in the dump or cannot be read */
	CS_CORRUPT,	/* bytes are there and contradict themselves */
	CS_NOTFOUND,	/* an answer, not a failure: fills no text */
	CS_UNSUPPORTED, /* understood, and not something we read */
	CS_LIMIT,	/* a bound of ours was reached */
	CS_NOMEM,
	CS_OS,	 /* the system refused; text holds errno's words */
	CS_USAGE, /* the user asked for something that does not exist */
	CS_STOPPED /* somebody asked us to end: Ctrl-C in a debugger */
} cs_status;

struct cs_error {
	cs_status status;
	cs_addr addr;	/* where in the target, 0 when nowhere */
	char text[240]; /* outermost context first: "a: b: cause" */
};

/* Fill err (may be NULL) and return status, so that a cause is one line. */
cs_status cs_fail(struct cs_error *err, cs_status status, cs_addr addr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Like cs_fail with CS_OS, the text of errno appended. */
cs_status cs_fail_os(struct cs_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Put context in front of what err says already; returns status unchanged. */
cs_status cs_wrap(struct cs_error *err, cs_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Drop a status on purpose; the reason is for the reader. */
static inline void cs_ignore(cs_status status, const char *reason)
{
	(void)status;
	(void)reason;
}
#endif
