/* glibc_info.h - what the process would have said of itself: arena rows, mallinfo2(),
 * malloc_info(), and whether our sums close. */
#ifndef CS_GLIBC_INFO_H
#define CS_GLIBC_INFO_H
#include "glibc/glibc_state.h"

/* After everything was walked. CS_NOMEM. */
cs_status glibc_report(struct cs_glibc *g, struct cs_error *err);

/* The text of an abort() by libc itself ("double free or corruption (out)"). */
void glibc_tell_abort(struct cs_glibc *g);
#endif
