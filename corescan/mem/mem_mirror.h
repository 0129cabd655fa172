/* mem_mirror.h - a copy of somebody's memory, filled on demand, that does not move.
 *
 * Knows neither processes nor debuggers: a source brings the pages. A window is
 * the 64 pages (256 KiB) of one word of the bitmaps: big enough for full speed,
 * small enough not to read much that nobody asked for.
 *
 * Invariants
 *  - A page is asked for only while its bit in pages.need is set; the others are zero.
 *  - A page that was refused is not asked for again.
 *  - A view of bytes that were fetched stays good until cs_mirror_destroy().
 */
#ifndef CS_MEM_MIRROR_H
#define CS_MEM_MIRROR_H
#include "base/pulse.h"
#include "mem/mem_live_pages.h"

struct cs_mirror_source {
	/* Read pages of the window at addr, 64 pages long, to the same places after
	 * `to`. want: a bit a page, never 0. The pages brought; 0 gives the first
	 * of them up. */
	uint64_t (*read)(struct cs_mirror_source *source, cs_addr addr, unsigned char *to,
			 uint64_t want);
	/* Does the memory stand still now? What runs changes under us, and nothing
	 * beats half a truth. */
	bool (*is_held)(struct cs_mirror_source *source);
	struct cs_pulse *pulse; /* asked before each read; may be NULL */
	uint64_t unreadable;	/* bytes asked for and refused, so far */
};

struct cs_mirror {
	struct cs_mirror_source *source; /* borrowed */
	struct cs_range range;
	unsigned char *data; /* range.len bytes of ours; NULL until mapped */
	struct cs_live_pages pages;
	uint64_t *bad; /* asked for, and refused */
	uint64_t fetched; /* bytes */
};

/* A mirror of whole pages, none of them needed yet: set pages.need and
 * pages.resident. CS_NOMEM. */
cs_status cs_mirror_create(struct cs_mirror_source *source, struct cs_range range,
			   struct cs_mirror **out, struct cs_error *err);
void cs_mirror_destroy(struct cs_mirror *mirror);

/* Reserve the room and add the segment to mem. Nothing is used until something
 * is fetched. */
cs_status cs_mirror_map(struct cs_mirror *mirror, struct cs_mem *mem, struct cs_error *err);

/* The bits [from, to) of a word. */
static inline uint64_t cs_mirror_mask(unsigned from, unsigned to)
{
	uint64_t below = to == 64 ? UINT64_MAX : (1ull << to) - 1;

	return below & ~((1ull << from) - 1);
}

/* The first run of bits in want (not 0): [*from, *to). */
static inline void cs_mirror_run(uint64_t want, unsigned *from, unsigned *to)
{
	*from = *to = (unsigned)__builtin_ctzll(want);
	while (*to < 64 && want >> *to & 1)
		++*to;
}
#endif
