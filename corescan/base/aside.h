/* aside.h - long work of a library that asks nobody, done by a thread of its own.
 *
 * Unpacking a section or waiting for a server takes seconds, and cannot be told to end.
 * Here it is left behind instead: who called goes on at once.
 *
 * Invariant: ctx belongs to one of them at a time. It is the caller's again when
 * cs_aside() says so; else the thread's, which gives it to drop() at its end.
 */
#ifndef CS_ASIDE_H
#define CS_ASIDE_H
#include "base/pulse.h"

struct cs_aside {
	void (*work)(void *ctx); /* touches nothing that is not ctx's own */
	void (*drop)(void *ctx); /* free ctx and all it holds */
	void *ctx;
	void (*leave)(void *ctx); /* work() had better come to its end; may be NULL */
};

/* Do it, and ask the pulse meanwhile. True: it is done. False: it shall end, and ctx is not
 * the caller's any more. Where there is no pulse or no thread to be had it is done here. */
bool cs_aside(const struct cs_aside *aside, struct cs_pulse *pulse);
#endif
