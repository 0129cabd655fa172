#include "model/blocks.h"
#include "base/sorted.h"

enum { GRANULE = 16, MALLOC_HEADER = 16, SIZE_WORD = 8 };

cs_status cs_blocks_add_span(struct cs_blocks *blocks, struct cs_range range,
			     enum cs_allocator allocator, enum cs_block_state fill, uint32_t *span,
			     struct cs_error *err)
{
	struct cs_span s = { .start = range.start, .len = range.len, .allocator = (uint8_t)allocator };
	uint64_t end;

	if (!range.len || (range.start | range.len) % GRANULE ||
	    !cs_add(range.start, range.len, &end))
		return cs_fail(err, CS_CORRUPT, range.start,
			       "heap piece at " CS_ADDR " is not made of 16-byte granules",
			       range.start);
	/* whole 64-bit words, so that scans need no tail */
	s.tiles = calloc((size_t)(range.len / 256 + 1), 8);
	if (!s.tiles || !cs_vec_push(&blocks->spans, s)) {
		free(s.tiles);
		return cs_fail(err, CS_NOMEM, range.start, "no memory for the block map");
	}
	cs_tile_set(s.tiles, 0, (unsigned)fill);
	*span = (uint32_t)(blocks->spans.count - 1);
	return CS_OK;
}

cs_status cs_blocks_add_big(struct cs_blocks *blocks, struct cs_big_block big, struct cs_error *err)
{
	if (!cs_vec_push(&blocks->big, big))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the big blocks");
	return CS_OK;
}

static int span_order(const void *a, const void *b)
{
	const struct cs_span *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int big_order(const void *a, const void *b)
{
	const struct cs_big_block *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Spans are sorted already: does one reach into the big block's mapping? */
static bool overlaps_span(const struct cs_blocks *blocks, const struct cs_big_block *big)
{
	size_t lo = 0, hi = blocks->spans.count;

	while (lo < hi) { /* first span that ends above big->start */
		size_t mid = lo + (hi - lo) / 2;
		const struct cs_span *s = &blocks->spans.items[mid];

		if (s->start + s->len <= big->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < blocks->spans.count && blocks->spans.items[lo].start < big->start + big->len;
}

uint64_t cs_blocks_seal(struct cs_blocks *blocks)
{
	uint64_t dropped = 0;
	cs_addr done = 0;
	size_t kept = 0;

	if (blocks->spans.count)
		qsort(blocks->spans.items, blocks->spans.count, sizeof(struct cs_span), span_order);
	for (size_t i = 0; i < blocks->spans.count; i++) {
		struct cs_span s = blocks->spans.items[i];

		if (s.start < done) {
			dropped += s.len;
			free(s.tiles);
			continue;
		}
		done = s.start + s.len;
		blocks->spans.items[kept++] = s;
	}
	blocks->spans.count = kept;
	blocks->last_span = 0;

	if (blocks->big.count)
		qsort(blocks->big.items, blocks->big.count, sizeof(struct cs_big_block), big_order);
	done = 0;
	kept = 0;
	for (size_t i = 0; i < blocks->big.count; i++) {
		struct cs_big_block b = blocks->big.items[i];

		if (b.start < done || overlaps_span(blocks, &b)) {
			dropped += b.len;
			continue;
		}
		done = b.start + b.len;
		blocks->big.items[kept++] = b;
	}
	blocks->big.count = kept;
	return dropped;
}

void cs_blocks_deinit(struct cs_blocks *blocks)
{
	for (size_t i = 0; i < blocks->spans.count; i++)
		free(blocks->spans.items[i].tiles);
	cs_vec_free(&blocks->spans);
	cs_vec_free(&blocks->big);
}

uint64_t cs_span_next(const struct cs_span *span, uint64_t granule)
{
	uint64_t end = span->len / GRANULE, at = granule + 1;
	uint64_t word = 0;

	if (at >= end)
		return end;
	if (at % 16) {
		word = cs_le64(span->tiles + at / 16 * 8) >> at % 16 * 4;
		if (word)
			return at + (unsigned)__builtin_ctzll(word) / 4;
		at = at / 16 * 16 + 16;
	}
	for (; at < end; at += 16) {
		word = cs_le64(span->tiles + at / 16 * 8);
		if (word)
			return at + (unsigned)__builtin_ctzll(word) / 4;
	}
	return end;
}

/* The start at or before granule. The first granule is always a start. */
static uint64_t start_of(const struct cs_span *span, uint64_t granule)
{
	uint64_t at = granule / 16;
	uint64_t word = cs_le64(span->tiles + at * 8) << (15 - granule % 16) * 4;

	if (word)
		return granule - (unsigned)__builtin_clzll(word) / 4;
	while (at--) {
		word = cs_le64(span->tiles + at * 8);
		if (word)
			return at * 16 + 15 - (unsigned)__builtin_clzll(word) / 4;
	}
	return 0;
}

struct cs_span *cs_blocks_span(struct cs_blocks *blocks, cs_addr addr)
{
	struct cs_span *s;
	size_t lo;

	if (!blocks->spans.count)
		return NULL;
	s = blocks->spans.items + blocks->last_span;
	if (addr - s->start < s->len)
		return s;
	lo = CS_UPTO(blocks->spans.items, blocks->spans.count, start, addr);
	if (!lo)
		return NULL;
	s = &blocks->spans.items[lo - 1];
	if (addr - s->start >= s->len)
		return NULL;
	blocks->last_span = lo - 1;
	return s;
}

static bool is_chunk_state(unsigned state)
{
	return (state >= CS_BLOCK_FREE && state <= CS_BLOCK_TYPED) || state == CS_BLOCK_TCACHE ||
	       state == CS_BLOCK_FASTBIN;
}

void cs_blocks_granule(struct cs_blocks *blocks, uint32_t span_nr, uint64_t granule,
		       struct cs_block *out)
{
	const struct cs_span *span = &blocks->spans.items[span_nr];
	unsigned state = cs_tile_get(span->tiles, granule);

	out->addr = span->start + granule * GRANULE;
	out->len = (cs_span_next(span, granule) - granule) * GRANULE;
	if (span->allocator == CS_ALLOC_GLIBC && is_chunk_state(state)) {
		out->addr += MALLOC_HEADER;
		out->len -= SIZE_WORD;
	}
	out->state = state;
	out->allocator = span->allocator;
	out->span = span_nr;
	out->granule = granule;
}

static struct cs_big_block *big_holding(struct cs_blocks *blocks, cs_addr addr)
{
	size_t lo = CS_UPTO(blocks->big.items, blocks->big.count, start, addr);

	if (!lo || addr - blocks->big.items[lo - 1].start >= blocks->big.items[lo - 1].len)
		return NULL;
	return &blocks->big.items[lo - 1];
}

void cs_blocks_big(struct cs_blocks *blocks, size_t nr, struct cs_block *out)
{
	const struct cs_big_block *big = &blocks->big.items[nr];

	*out = (struct cs_block){
		.addr = big->user,
		.len = big->usable,
		.state = big->state,
		.allocator = big->allocator,
		.span = CS_BIG_BLOCK,
		.granule = nr,
	};
}

bool cs_blocks_at(struct cs_blocks *blocks, cs_addr addr, struct cs_block *out)
{
	struct cs_span *span = cs_blocks_span(blocks, addr);

	if (addr % GRANULE)
		return false;
	if (span) {
		uint64_t granule = (addr - span->start) / GRANULE;

		if (span->allocator == CS_ALLOC_GLIBC && !granule--)
			return false;

		unsigned state = cs_tile_get(span->tiles, granule);

		if (state == CS_BLOCK_INSIDE ||
		    (span->allocator == CS_ALLOC_GLIBC && !is_chunk_state(state)))
			return false;
		cs_blocks_granule(blocks, (uint32_t)(span - blocks->spans.items), granule, out);
		return true;
	}

	struct cs_big_block *big = big_holding(blocks, addr);

	if (!big || big->user != addr)
		return false;
	cs_blocks_big(blocks, (size_t)(big - blocks->big.items), out);
	return true;
}

bool cs_blocks_holding(struct cs_blocks *blocks, cs_addr addr, struct cs_block *out)
{
	struct cs_span *span = cs_blocks_span(blocks, addr);

	if (span) {
		cs_blocks_granule(blocks, (uint32_t)(span - blocks->spans.items),
				 start_of(span, (addr - span->start) / GRANULE), out);
		return true;
	}

	struct cs_big_block *big = big_holding(blocks, addr);

	if (!big)
		return false;
	cs_blocks_big(blocks, (size_t)(big - blocks->big.items), out);
	return true;
}

void cs_block_set(struct cs_blocks *blocks, const struct cs_block *block, enum cs_block_state state)
{
	if (block->span == CS_BIG_BLOCK)
		blocks->big.items[block->granule].state = (uint8_t)state;
	else
		cs_tile_set(blocks->spans.items[block->span].tiles, block->granule, (unsigned)state);
}
