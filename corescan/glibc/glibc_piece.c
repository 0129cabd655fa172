/* Pieces: made once, then looked up by address for every member of a list. */
#include "glibc/glibc_state.h"
#include "base/sorted.h"

enum { SLACK = 1 << 30, PRESENT_FACTOR = 64 };

/* A size out of the target must not make us reserve more than the target has:
 * cut the piece at the end of the mappings that follow each other, and, in a
 * dump whose headers promise absurd sizes, at the end of what is there. */
static struct cs_range clip(struct cs_glibc *g, struct cs_range r)
{
	const struct cs_mapping *m = cs_image_mapping(g->image, r.start);
	const struct cs_mapping *end = g->image->mappings.items + g->image->mappings.count;
	cs_addr reach = r.start;

	for (; m && m < end && m->range.start <= reach; m++)
		reach = cs_range_end(m->range);
	if (reach <= r.start)
		reach = r.start + cs_mem_run(g->mem, r.start);
	if (reach - r.start < r.len)
		r.len = cs_align_down(reach - r.start, 16);
	if (r.len > SLACK && r.len / PRESENT_FACTOR > g->mem->present) {
		uint64_t run = cs_align_down(cs_mem_run(g->mem, r.start), 16);

		r.len = run < r.len ? run : r.len;
	}
	return r;
}

static bool overlaps(const struct cs_glibc *g, struct cs_range r)
{
	for (size_t i = 0; i < g->pieces.count; i++) {
		struct cs_range o = g->pieces.items[i].range;

		if (r.start < cs_range_end(o) && o.start < cs_range_end(r))
			return true;
	}
	return false;
}

cs_status glibc_piece_add(struct cs_glibc *g, struct glibc_piece piece, struct cs_error *err)
{
	struct cs_range said = piece.range;
	cs_status st;

	piece.range = clip(g, said);
	if (piece.range.len < said.len)
		cs_model_anomaly(g->model, "malloc.heap", said.start,
				 "heap piece at " CS_ADDR " should have %" PRIu64
				 " bytes, its memory ends after %" PRIu64, said.start, said.len,
				 piece.range.len);
	if (!cs_range_has(piece.range, piece.first, GLIBC_HEADER) || overlaps(g, piece.range)) {
		cs_model_anomaly(g->model, "malloc.heap", said.start,
				 "heap piece at " CS_ADDR " lies in no memory or in another heap",
				 said.start);
		return CS_CORRUPT;
	}
	if (piece.top && !cs_range_has(piece.range, piece.top, GLIBC_HEADER))
		piece.top = 0;
	st = cs_blocks_add_span(&g->model->blocks, piece.range, CS_ALLOC_GLIBC, CS_BLOCK_OVERHEAD,
				&piece.span, err);
	if (!st)
		st = cs_model_region(g->model, piece.range, CS_UNEXPLAINED, err);
	if (!st && !cs_vec_push(&g->pieces, piece))
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the heaps");
	return st;
}

static int by_start(const void *a, const void *b)
{
	const struct glibc_piece *x = a, *y = b;

	return (x->range.start > y->range.start) - (x->range.start < y->range.start);
}

void glibc_pieces_sort(struct cs_glibc *g)
{
	if (g->pieces.count)
		qsort(g->pieces.items, g->pieces.count, sizeof(struct glibc_piece), by_start);
}

/* Piece that holds addr, or NULL. Only after glibc_pieces_sort(). */
static struct glibc_piece *piece_at(struct cs_glibc *g, cs_addr addr)
{
	size_t lo = CS_UPTO(g->pieces.items, g->pieces.count, range.start, addr);

	if (!lo || !cs_range_has(g->pieces.items[lo - 1].range, addr, GLIBC_HEADER))
		return NULL;
	return &g->pieces.items[lo - 1];
}

static struct cs_span *span_of(struct cs_glibc *g, const struct glibc_piece *piece)
{
	return &g->model->blocks.spans.items[piece->span];
}

unsigned glibc_tile_at(struct cs_glibc *g, cs_addr chunk, struct glibc_piece **piece)
{
	struct glibc_piece *p = chunk % 16 ? NULL : piece_at(g, chunk);

	if (piece)
		*piece = p;
	if (!p)
		return CS_BLOCK_INSIDE;
	return cs_tile_get(span_of(g, p)->tiles, (chunk - p->range.start) / 16);
}

void glibc_tile_put(struct cs_glibc *g, const struct glibc_piece *piece, cs_addr chunk,
		    enum cs_block_state state)
{
	cs_span_mark(span_of(g, piece), chunk, state);
}

uint64_t glibc_tile_len(struct cs_glibc *g, const struct glibc_piece *piece, cs_addr chunk)
{
	uint64_t at = (chunk - piece->range.start) / 16;

	return (cs_span_next(span_of(g, piece), at) - at) * 16;
}

void glibc_prefetch(struct cs_glibc *g, cs_addr chunk)
{
	const struct glibc_piece *p = piece_at(g, chunk);
	const unsigned char *bytes = p ? cs_mem_view(g->mem, chunk, GLIBC_HEADER) : NULL;

	if (!bytes)
		return;
	__builtin_prefetch(bytes + 16);
	__builtin_prefetch(span_of(g, p)->tiles + (chunk - p->range.start) / 32);
}
