/* chunks.c - malloc's blocks one behind the other, for --chunks. Types are looked up
 * for the rows of the page only; the rest is counted from the tiles. */
#include "cpython/py_census.h"
#include "native/native.h"
#include "scan/answers.h"

enum { GRANULE = 16 };

/* Between two blocks: heaps and mmapped chunks in one order, that of addresses. */
struct place {
	const struct cs_blocks *blocks;
	size_t span; /* of malloc, or the end */
	uint64_t granule;
	size_t big;
};

static uint64_t granules(const struct cs_span *span)
{
	return span->len / GRANULE;
}

/* Out of what is no heap of malloc, or at its end. */
static void settle(struct place *p)
{
	const struct cs_blocks *b = p->blocks;

	while (p->span < b->spans.count &&
	       (b->spans.items[p->span].allocator != CS_ALLOC_GLIBC ||
		p->granule >= granules(&b->spans.items[p->span]))) {
		p->span++;
		p->granule = 0;
	}
	while (p->big < b->big.count && b->big.items[p->big].allocator != CS_ALLOC_GLIBC)
		p->big++;
}

/* Step over the block at p; false at the end of all. *tile is where it begins, with
 * its header. */
static bool next_block(struct place *p, cs_addr *tile)
{
	const struct cs_blocks *b = p->blocks;
	const struct cs_span *span;
	bool has_span, has_big;

	settle(p);
	has_span = p->span < b->spans.count;
	has_big = p->big < b->big.count;
	span = has_span ? &b->spans.items[p->span] : NULL;
	if (has_big && (!span || b->big.items[p->big].start < span->start)) {
		*tile = b->big.items[p->big++].start;
		return true;
	}
	if (!span)
		return false;
	*tile = span->start + p->granule * GRANULE;
	p->granule = cs_span_next(span, p->granule);
	return true;
}

/* Blocks from p on. Sixteen granules a step: a nibble that is not 0 begins one. */
static uint64_t count_blocks(struct place p)
{
	const uint64_t ones = 0x1111111111111111ull;
	uint64_t n = 0;

	for (settle(&p); p.span < p.blocks->spans.count; settle(&p)) {
		const struct cs_span *span = &p.blocks->spans.items[p.span];

		for (uint64_t at = p.granule / 16 * 16; at < granules(span); at += 16) {
			uint64_t word = cs_le64(span->tiles + at / 2);

			if (at < p.granule)
				word &= ~0ull << (p.granule - at) * 4;
			word |= word >> 2;
			word |= word >> 1;
			n += cs_count_bits(word & ones);
		}
		p.granule = granules(span);
	}
	for (; p.big < p.blocks->big.count; p.big++)
		n += p.blocks->big.items[p.big].allocator == CS_ALLOC_GLIBC;
	return n;
}

/* The place before the block that holds addr; 0 means the first of all. */
static bool find_place(struct cs_blocks *blocks, cs_addr addr, struct place *out)
{
	struct cs_block block;

	*out = (struct place){ .blocks = blocks };
	if (!addr)
		return true;
	if (!cs_blocks_holding(blocks, addr, &block) || block.allocator != CS_ALLOC_GLIBC)
		return false;
	if (block.span == CS_BIG_BLOCK) {
		out->big = (size_t)block.granule;
		while (out->span < blocks->spans.count && blocks->spans.items[out->span].start < addr)
			out->span++;
		return true;
	}
	out->span = block.span;
	out->granule = block.granule;
	while (out->big < blocks->big.count && blocks->big.items[out->big].start < addr)
		out->big++;
	return true;
}

static struct cs_chunk_row describe(struct cs_scan *scan, cs_addr tile)
{
	struct cs_chunk_row row = { .addr = tile, .state = CS_BLOCK_LOST };
	struct cs_blocks *blocks = &scan->model.blocks;
	struct cs_block block;
	struct cs_native_fact fact;
	struct py_obj o;

	if (!cs_blocks_holding(blocks, tile, &block))
		return row;
	row.addr = block.addr;
	row.state = block.state;
	if (block.span == CS_BIG_BLOCK)
		row.size = blocks->big.items[block.granule].chunk.len;
	else
		row.size = (cs_span_next(&blocks->spans.items[block.span], block.granule) -
			    block.granule) * GRANULE;
	if (block.state == CS_BLOCK_OBJECT && scan->py && py_object_at_block(scan->py, &block, &o))
		row.type = py_type_name(scan->py, &o);
	else if (block.state == CS_BLOCK_TYPED && cs_native_find(scan->native, &block, &fact))
		row.type = fact.type;
	return row;
}

cs_status cs_answer_chunks(struct cs_scan *scan, const struct cs_rows_wish *wish,
			   struct cs_answer *out, struct cs_error *err)
{
	cs_addr addr = wish->addr, tile;
	struct place p;

	if (!find_place(&scan->model.blocks, addr, &p))
		return cs_fail(err, CS_NOTFOUND, addr, CS_ADDR " is in no heap of malloc", addr);
	while (out->rows_before < wish->skip && next_block(&p, &tile))
		out->rows_before++;
	while ((!wish->most || out->chunks.count < wish->most) && next_block(&p, &tile))
		if (!cs_vec_push(&out->chunks, describe(scan, tile)))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the list of blocks");
	out->rows_behind = count_blocks(p);
	return CS_OK;
}
