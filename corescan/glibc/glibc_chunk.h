/* glibc_chunk.h - tile one piece of heap with its chunks.
 *
 * Knows chunk headers and fenceposts, not bins or tcache: a chunk whose
 * neighbour says "the one before me is free" is left GLIBC_PENDING, everything
 * else USED, for glibc_bins.c and glibc_tcache.c to settle.
 *
 * Invariants
 *  - Every tile lies inside the piece; each step moves forward by at least 16 bytes.
 *  - After a contradiction: one anomaly, a tile CS_BLOCK_LOST, and the walk goes
 *    on at the first place from which two chunks in a row are valid.
 *
 * Cost: one read of each header, in address order, from a borrowed view.
 */
#ifndef CS_GLIBC_CHUNK_H
#define CS_GLIBC_CHUNK_H
#include "glibc/glibc_state.h"

struct glibc_chunk_rules {
	cs_addr limit; /* no chunk reaches to or beyond it, except top */
	cs_addr top;   /* 0: none */
	bool is_main;  /* no A bit anywhere */
};

/* Why the header of a chunk at `at` with this size word cannot be right, in
 * glibc's own words where it has some, or NULL. prev_size is the word in front
 * of it; before: size word of the chunk in front, 0 when unknown. Pure. */
const char *glibc_chunk_problem(const struct glibc_chunk_rules *rules, cs_addr at, uint64_t word,
				uint64_t prev_size, uint64_t before);

/* Walk a piece: tiles and the sums of its arena. When a used chunk can be a
 * tcache it is appended to g->tcaches. Sets g->no_memory. */
void glibc_walk_piece(struct cs_glibc *g, struct glibc_piece *piece);

/* Where the piece of a non-contiguous main arena that begins at room.start ends:
 * behind its fenceposts at a page, or behind top. 0: none begins there. Tiles
 * nothing. A brk piece may have foreign sbrk inside. Each chunk costs one of
 * *budget, which bounds all tries together. */
cs_addr glibc_region_end(struct cs_glibc *g, uint32_t arena_nr, struct cs_range room, bool is_brk,
			 uint64_t *budget);
#endif
