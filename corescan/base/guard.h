/* guard.h - a mapped file that shrinks under us costs a page, not the program.
 *
 * Reading a mapped page that the file no longer has raises SIGBUS. With the
 * guard installed such a page, when it lies in a watched mapping, is replaced
 * by zeroes and counted; the program goes on and says at the end that what it
 * read cannot be trusted. Any other SIGBUS kills as ever.
 *
 * A signal has no handle, so this is the one table of the program that hangs
 * off nothing. Watching is cheap and safe without installing.
 */
#ifndef CS_GUARD_H
#define CS_GUARD_H
#include <stddef.h>
#include <stdint.h>

/* Take SIGBUS. For programs, not for libraries. */
void cs_guard_install(void);

/* For a library inside somebody else's program: take SIGBUS while a call is under
 * way, give it back after. Calls nest. A SIGBUS that is not ours goes to whoever
 * had it before. leave() returns the pages lost since the enter() before it. */
uint64_t cs_guard_enter(void);
uint64_t cs_guard_leave(uint64_t entered);

/* Watch a mapping until it is forgotten; forget before munmap. At most
 * CS_GUARD_MAX at a time, further ones go unguarded. */
enum { CS_GUARD_MAX = 4096 };
void cs_guard_watch(const void *data, size_t len);
void cs_guard_forget(const void *data);

/* Pages lost since the program began. Not zero: the files changed while they
 * were read and the answer is not to be trusted. */
uint64_t cs_guard_lost(void);
#endif
