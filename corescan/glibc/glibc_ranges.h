/* glibc_ranges.h - anonymous writable memory that nobody has claimed yet.
 *
 * Adjacent mappings are one range: the kernel joins and splits them at will.
 * Left out: what the model's regions claim, and the used part of thread stacks
 * (from the stack pointer to the thread's control block).
 */
#ifndef CS_GLIBC_RANGES_H
#define CS_GLIBC_RANGES_H
#include "glibc/glibc_state.h"

struct glibc_ranges {
	struct cs_range *items;
	size_t count, cap;
};

/* Sorted, disjoint ranges. Free with cs_vec_free. CS_NOMEM. */
cs_status glibc_ranges_list(struct cs_glibc *g, struct glibc_ranges *out, struct cs_error *err);
#endif
