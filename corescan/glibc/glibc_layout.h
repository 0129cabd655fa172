/* glibc_layout.h - where the fields of malloc_state, malloc_par and tcache lie.
 *
 * Tables only, by generation; nobody here looks at the target. Offsets are
 * bytes, 64-bit little-endian.
 */
#ifndef CS_GLIBC_LAYOUT_H
#define CS_GLIBC_LAYOUT_H
#include "base/num.h"

enum {
	GLIBC_NO_FIELD = 0xffff,
	GLIBC_BINS = 127,	    /* bin 127 is always empty */
	GLIBC_BINS_FROM_TOP = 16,   /* bins[0] - top */
	GLIBC_LAST_FROM_TOP = 2032, /* bin 127 - top */
	GLIBC_FASTBINS = 10,
	GLIBC_TCACHE_SMALL = 64, /* bins of one size each */
	GLIBC_TCACHE_MOST = 76
};

struct glibc_state_layout {
	const char *name;
	uint16_t fastbins, top, next, attached, system_mem, max_system_mem, size;
};

struct glibc_par_layout {
	const char *name;
	uint16_t hp_pagesize, n_mmaps, max_n_mmaps, no_dyn_threshold;
	uint16_t mmapped_mem, max_mmapped_mem, sbrk_base;
	uint16_t tcache_bins, tcache_count, size;
};

struct glibc_tcache_layout {
	const char *name;
	uint16_t bins, count_size, entries;
	uint16_t chunk, more; /* size of the chunk it lives in, and how much bigger it can be */
	bool counts_left; /* num_slots: how many may still come */
};

enum { GLIBC_STATE_LAYOUTS = 4, GLIBC_PAR_LAYOUTS = 5, GLIBC_TCACHE_LAYOUTS = 3 };
extern const struct glibc_state_layout glibc_state_layouts[GLIBC_STATE_LAYOUTS];
extern const struct glibc_par_layout glibc_par_layouts[GLIBC_PAR_LAYOUTS];
extern const struct glibc_tcache_layout glibc_tcache_layouts[GLIBC_TCACHE_LAYOUTS];

/* Can this malloc_par go with this malloc_state? */
bool glibc_par_fits(const struct glibc_state_layout *state, const struct glibc_par_layout *par);

/* Can a chunk of this size hold a tcache of a libc with this malloc_state? NULL: no. */
const struct glibc_tcache_layout *glibc_tcache_of(const struct glibc_state_layout *state,
						  uint64_t chunk_size);

/* From 2.43 on: no fastbins, another footer behind mmapped chunks. */
static inline bool glibc_is_243(const struct glibc_state_layout *state)
{
	return state->fastbins == GLIBC_NO_FIELD;
}
#endif
