/* blocks.h - every block of every heap, four bits per 16 bytes of heap.
 *
 * A span is one contiguous piece of heap memory (a malloc heap, a run of
 * pymalloc arenas). A nibble per 16-byte granule holds 0 ("the block before
 * goes on") or the state of the block that begins there. So a span is always
 * tiled: from each start to the next belongs to exactly one block, and sums
 * over a span are its length whatever the walkers did.
 *
 * Blocks too big to be worth a bitmap (mmapped chunks) are kept one by one.
 *
 * Costs 3.1 % of the heap. Knows no allocator beyond the width of its header.
 *
 * Invariants
 *  - Spans are sorted by start and disjoint after cs_blocks_seal(); so are big blocks.
 *  - The first granule of a span always begins a block.
 */
#ifndef CS_BLOCKS_H
#define CS_BLOCKS_H
#include "base/num.h"
#include "base/vec.h"

enum cs_block_state {
	CS_BLOCK_INSIDE = 0, /* not a start */
	CS_BLOCK_FREE,	     /* pymalloc: free block; malloc: in a bin */
	CS_BLOCK_USED,	     /* in use, nobody has explained it */
	CS_BLOCK_OBJECT,     /* a live Python object */
	CS_BLOCK_OWNED,	     /* only an object owns it */
	CS_BLOCK_RUNTIME,    /* the interpreter's own */
	CS_BLOCK_CACHED,     /* a dead object in one of CPython's free lists */
	CS_BLOCK_TYPED,	     /* a native type is known */
	CS_BLOCK_OVERHEAD,   /* headers, tails, fenceposts */
	CS_BLOCK_UNCARVED,   /* pymalloc: free pool or never used; malloc: top */
	CS_BLOCK_TCACHE,
	CS_BLOCK_FASTBIN,
	CS_BLOCK_LOST,	     /* the walk could not account for it */
	CS_BLOCK_STATES
};

static inline bool cs_block_is_used(unsigned state)
{
	return state >= CS_BLOCK_USED && state <= CS_BLOCK_TYPED;
}

enum cs_allocator { CS_ALLOC_GLIBC, CS_ALLOC_PYMALLOC, CS_ALLOCATORS };

struct cs_span {
	cs_addr start;
	uint64_t len;	      /* multiple of 16 */
	unsigned char *tiles; /* len / 32 bytes, two granules a byte, low nibble first */
	uint8_t allocator;    /* enum cs_allocator */
	bool is_present;      /* every byte is in the core (or resident): no need to ask */
	uint32_t arena;	      /* malloc: 1 + its row in the model's arenas; 0: not known */
};

struct cs_big_block { /* an mmapped chunk */
	cs_addr start;	/* of the mapping */
	uint64_t len;	/* of the mapping */
	cs_addr user;	/* first byte the program was given */
	uint64_t usable;
	struct cs_range chunk; /* with its header; the mapping's other bytes are overhead */
	uint8_t allocator, state;
};

struct cs_blocks {
	CS_VEC(struct cs_span) spans;
	CS_VEC(struct cs_big_block) big;
	size_t last_span; /* lookup hint */
};

/* A block found. For malloc, addr is what malloc() returned and len what
 * malloc_usable_size() would say; for pymalloc the block itself. */
struct cs_block {
	cs_addr addr;
	uint64_t len;
	enum cs_block_state state;
	enum cs_allocator allocator;
	uint32_t span;	  /* index, or CS_BIG_BLOCK */
	uint64_t granule; /* in the span, or index of the big block */
};
#define CS_BIG_BLOCK UINT32_MAX

/* Add a span, all one block in state `fill`. start and len are multiples of 16.
 * *span is its index until cs_blocks_seal(). */
cs_status cs_blocks_add_span(struct cs_blocks *blocks, struct cs_range range,
			     enum cs_allocator allocator, enum cs_block_state fill, uint32_t *span,
			     struct cs_error *err);
cs_status cs_blocks_add_big(struct cs_blocks *blocks, struct cs_big_block big, struct cs_error *err);

/* Sort spans and big blocks; drop what overlaps an earlier one (bytes returned). */
uint64_t cs_blocks_seal(struct cs_blocks *blocks);
void cs_blocks_deinit(struct cs_blocks *blocks);

static inline unsigned cs_tile_get(const unsigned char *tiles, uint64_t granule)
{
	return tiles[granule >> 1] >> (granule & 1) * 4 & 15;
}

static inline void cs_tile_set(unsigned char *tiles, uint64_t granule, unsigned state)
{
	unsigned shift = (granule & 1) * 4;

	tiles[granule >> 1] = (unsigned char)((tiles[granule >> 1] & ~(15u << shift)) | state << shift);
}

/* Begin a block in `state` at addr, a 16-aligned address inside the span. */
static inline void cs_span_mark(struct cs_span *span, cs_addr addr, enum cs_block_state state)
{
	cs_tile_set(span->tiles, (addr - span->start) >> 4, (unsigned)state);
}

/* The first granule after `granule` that begins a block, or the span's granule count. */
uint64_t cs_span_next(const struct cs_span *span, uint64_t granule);

/* The span that holds addr, or NULL. Usable after seal. */
struct cs_span *cs_blocks_span(struct cs_blocks *blocks, cs_addr addr);

/* The block whose user address is exactly addr. False: no block begins there. */
bool cs_blocks_at(struct cs_blocks *blocks, cs_addr addr, struct cs_block *out);

/* The block (or overhead) that holds the byte at addr. O(size of the block / 512). */
bool cs_blocks_holding(struct cs_blocks *blocks, cs_addr addr, struct cs_block *out);

/* The block that begins at a granule of a span, and big block number nr. */
void cs_blocks_granule(struct cs_blocks *blocks, uint32_t span_nr, uint64_t granule,
		       struct cs_block *out);
void cs_blocks_big(struct cs_blocks *blocks, size_t nr, struct cs_block *out);

void cs_block_set(struct cs_blocks *blocks, const struct cs_block *block, enum cs_block_state state);
#endif
