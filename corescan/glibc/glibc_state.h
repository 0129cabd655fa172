/* glibc_state.h - what the parts of this room share about one target.
 *
 * Private to corescan/glibc. Filled by find (libcs, arenas), by arena and region
 * (pieces), by chunk, bins, tcache and mmapped (sums).
 *
 * Invariants
 *  - Pieces are disjoint, and sorted by start once glibc_pieces_sort() ran.
 *  - Every piece is one span of the model; its tiles are set by glibc_chunk.
 */
#ifndef CS_GLIBC_STATE_H
#define CS_GLIBC_STATE_H
#include "base/vec.h"
#include "glibc/glibc.h"
#include "glibc/glibc_layout.h"

enum {
	GLIBC_CHUNK_MIN = 32,
	GLIBC_HEADER = 16,
	GLIBC_P = 1, /* PREV_INUSE */
	GLIBC_M = 2, /* IS_MMAPPED */
	GLIBC_A = 4, /* NON_MAIN_ARENA */
	GLIBC_FLAGS = 7,
	GLIBC_NONCONTIGUOUS = 2,
	/* A chunk whose neighbour says it is free, until a bin confirms it. No
	 * malloc chunk is ever CS_BLOCK_CACHED otherwise. */
	GLIBC_PENDING = CS_BLOCK_CACHED
};

enum glibc_piece_kind {
	GLIBC_PIECE_MAIN,     /* contiguous main heap: foreign sbrk inside, top at the end */
	GLIBC_PIECE_REGION,   /* of a non-contiguous main arena: ends with top or fenceposts */
	GLIBC_PIECE_HEAP_TOP, /* heap of another arena, holds its top */
	GLIBC_PIECE_HEAP_OLD  /* heap of another arena, ends with fenceposts */
};

/* One contiguous piece of an arena's memory. */
struct glibc_piece {
	struct cs_range range; /* 16-aligned, clipped to what can be there */
	cs_addr first;	       /* chunk; before it headers */
	cs_addr top;	       /* 0: none in this piece */
	enum glibc_piece_kind kind;
	uint32_t arena, span;
};

struct glibc_count {
	uint64_t count, bytes;
};

struct glibc_arena {
	cs_addr addr;
	uint32_t libc;
	bool is_main;
	uint32_t mutex, flags;
	uint64_t attached; /* 0 where the generation does not say */
	cs_addr top;
	uint64_t top_size; /* as the size word says, 0 when unreadable */
	uint64_t system_mem, max_system_mem;
	uint64_t heaps, heap_bytes, heap_mprotect;
	/* by the walk */
	struct glibc_count used, pending, top_tile, overhead, lost, foreign;
	/* by the lists */
	struct glibc_count bin, fast, tcache;
	uint64_t bin_words; /* malloc_info's way to add sizes: with flags */
};

enum glibc_answer { GLIBC_UNKNOWN, GLIBC_YES, GLIBC_NO };

struct glibc_libc {
	uint32_t module; /* of the image, CS_NO_MODULE when none */
	cs_addr main_arena, mp;
	const struct glibc_state_layout *layout;
	const struct glibc_par_layout *par; /* NULL when mp is 0 */
	const char *found_by;
	const char *version; /* "2.36", NULL when not seen */
	unsigned minor;	     /* 36, 0 when unknown; never decides a layout */
	uint32_t first_arena, arena_count;
	uint64_t heap_max, heap_info; /* learnt with the first heap, else 0 */
	enum glibc_answer safe_linking;
	/* from mp_ */
	uint64_t sbrk_base, hp_pagesize, n_mmaps, mmapped_mem, tcache_count;
};

struct glibc_tcache {
	cs_addr addr; /* of the struct */
	const struct glibc_tcache_layout *layout;
	uint32_t libc, thread; /* thread: index in the image, or UINT32_MAX */
	uint64_t count, bytes;
};

struct cs_glibc {
	struct cs_image *image;
	struct cs_mem *mem;
	struct cs_model *model;
	CS_VEC(struct glibc_libc) libcs;
	CS_VEC(struct glibc_arena) arenas;
	CS_VEC(struct glibc_piece) pieces;
	CS_VEC(struct glibc_tcache) tcaches;
	CS_VEC(cs_addr) mapped_cached; /* mmapped chunks seen in a tcache (2.43) */
	struct glibc_count mapped, mapped_free; /* bytes of the chunks alone */
	uint64_t mapped_overhead; /* what their mappings hold besides */
	bool no_memory; /* a vector could not grow; the stage returns CS_NOMEM */
	uint64_t walked, walk_total; /* bytes of pieces, for the pulse */
};

static inline uint64_t glibc_mapped_bytes(const struct cs_glibc *g)
{
	return g->mapped.bytes + g->mapped_free.bytes + g->mapped_overhead;
}

/* Shall the work end? Once a round in every loop over the target. */
static inline bool glibc_stops(struct cs_glibc *g)
{
	return cs_pulse_stops(g->model->pulse);
}

void glibc_pieces_sort(struct cs_glibc *g);

/* Add a piece and its span and region. CS_CORRUPT, an anomaly recorded: it
 * overlaps another or lies in no memory. CS_NOMEM. */
cs_status glibc_piece_add(struct cs_glibc *g, struct glibc_piece piece, struct cs_error *err);

/* What tile begins exactly at a chunk address: a state, or CS_BLOCK_INSIDE when
 * it is no chunk of any piece. *piece may be NULL. */
unsigned glibc_tile_at(struct cs_glibc *g, cs_addr chunk, struct glibc_piece **piece);
void glibc_tile_put(struct cs_glibc *g, const struct glibc_piece *piece, cs_addr chunk,
		    enum cs_block_state state);
/* Length of the tile that begins at chunk. */
uint64_t glibc_tile_len(struct cs_glibc *g, const struct glibc_piece *piece, cs_addr chunk);

/* The chunk's first words and its tile will be wanted soon. Any address will do. */
void glibc_prefetch(struct cs_glibc *g, cs_addr chunk);

static inline struct glibc_libc *glibc_libc_of(struct cs_glibc *g, const struct glibc_arena *arena)
{
	return &g->libcs.items[arena->libc];
}
#endif
