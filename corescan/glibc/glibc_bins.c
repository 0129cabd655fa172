/* Fastbins and bins. glibc malloc/malloc.c:
 *  - fastbinsY[i] (to 2.42) chains chunks of 32 + 16 i bytes through fd, plain
 *    head, fd mangled from 2.32;
 *  - bins 1 (unsorted), 2..63 (exactly 16 i bytes), 64..126 (ranges) are circular
 *    lists through fd and bk; the head of bin i stands for a chunk that begins
 *    16 bytes before it.
 * A chunk of a bin was left GLIBC_PENDING by the walk: its neighbour agrees that
 * it is free. Each becomes FREE once, so a list that bites its tail ends there. */
#include "glibc/glibc_tcache.h"

#include <inttypes.h>

enum { FD = 16, BK = 24, CHUNK_LEN = 32, UNSORTED = 1, SMALL_MOST = 63 };

struct lists {
	struct cs_glibc *g;
	uint32_t nr;
	struct glibc_arena *arena;
	struct glibc_libc *libc;
};

static uint64_t chunk_size(const unsigned char *chunk)
{
	return cs_le64(chunk + 8) & ~(uint64_t)GLIBC_FLAGS;
}

static const char *broken_list(unsigned bin)
{
	if (bin == UNSORTED)
		return "malloc(): unsorted double linked list corrupted";
	return bin <= SMALL_MOST ? "malloc(): smallbin double linked list corrupted" :
				   "corrupted double-linked list (not small)";
}

/* Take the chunk at `at` out of bin `bin`; prev is what must link to it. False:
 * the list is broken here. */
static bool take_member(struct lists *l, unsigned bin, cs_addr at, cs_addr prev, unsigned back_off,
			cs_addr *next, unsigned next_off)
{
	struct glibc_piece *piece;
	unsigned state = glibc_tile_at(l->g, at, &piece);
	unsigned char buf[CHUNK_LEN];
	const unsigned char *p = cs_mem_borrow(l->g->mem, at, CHUNK_LEN, buf);
	const char *why = NULL;

	if (state == CS_BLOCK_UNCARVED)
		why = "double free or corruption (top)";
	else if (!p || state == CS_BLOCK_INSIDE || state != GLIBC_PENDING || piece->arena != l->nr)
		why = state == CS_BLOCK_FREE ? "a chunk is in two bins" : broken_list(bin);
	else if (cs_le64(p + back_off) != prev)
		why = broken_list(bin);
	else if (bin > UNSORTED && bin <= SMALL_MOST && chunk_size(p) != 16ull * bin)
		why = "malloc(): a chunk is in the small bin of another size";
	if (why) {
		cs_model_anomaly(l->g->model, "malloc.bin", at,
				 "%s: bin %u of arena " CS_ADDR " leads from " CS_ADDR " to " CS_ADDR,
				 why, bin, l->arena->addr, prev, at);
		return false;
	}
	glibc_tile_put(l->g, piece, at, CS_BLOCK_FREE);
	l->arena->bin.count++;
	l->arena->bin.bytes += chunk_size(p);
	l->arena->bin_words += cs_le64(p + 8);
	*next = cs_le64(p + next_off);
	return true;
}

/* One bin, forward; where that breaks, backward up to the break. */
static void walk_bin(struct lists *l, unsigned bin)
{
	cs_addr head = l->arena->addr + l->libc->layout->top + GLIBC_BINS_FROM_TOP +
		       16ull * (bin - 1) - GLIBC_HEADER;
	uint64_t at, next;
	cs_addr prev = head;

	if (!cs_mem_u64(l->g->mem, head + FD, &at) || (!at && l->arena->system_mem == 0))
		return;
	for (; at != head; prev = at, at = next)
		if (!take_member(l, bin, at, prev, BK, &next, FD))
			break;
	if (at == head || !cs_mem_u64(l->g->mem, head + BK, &at))
		return;
	for (prev = head; at != head && glibc_tile_at(l->g, at, NULL) == GLIBC_PENDING;
	     prev = at, at = next)
		if (!take_member(l, bin, at, prev, FD, &next, BK))
			break;
}

static void walk_fastbin(struct lists *l, unsigned nr)
{
	cs_addr head = l->arena->addr + l->libc->layout->fastbins + 8ull * nr;
	uint64_t at, stored, first = l->arena->fast.count, size = 0;

	if (!cs_mem_u64(l->g->mem, head, &at))
		return;
	while (at) {
		struct glibc_piece *piece;
		unsigned state = glibc_tile_at(l->g, at, &piece);
		const char *why = NULL;

		if (at % 16)
			why = "malloc(): unaligned fastbin chunk detected";
		else if (state == CS_BLOCK_FASTBIN)
			why = "double free or corruption (fasttop)";
		else if (state != CS_BLOCK_USED || piece->arena != l->nr ||
			 (size = glibc_tile_len(l->g, piece, at)) != 32 + 16ull * nr)
			why = "malloc(): memory corruption (fast)";
		if (why) {
			cs_model_anomaly(l->g->model, "malloc.fastbin", at,
					 "%s: fastbin of %u bytes of arena " CS_ADDR " leads to " CS_ADDR,
					 why, 32 + 16 * nr, l->arena->addr, at);
			break;
		}
		glibc_tile_put(l->g, piece, at, CS_BLOCK_FASTBIN);
		l->arena->fast.count++;
		l->arena->fast.bytes += size;
		if (!cs_mem_u64(l->g->mem, at + FD, &stored))
			break;
		at = glibc_demangle(l->g, l->libc, at + FD, stored);
	}
	if (l->arena->fast.count > first) /* as malloc_info: count times the first's size */
		l->arena->fast_info += (l->arena->fast.count - first) * (32 + 16ull * nr);
}

/* Chunks that say they are free and that no bin has. They stay free. */
static void settle_pending(struct cs_glibc *g)
{
	for (size_t i = 0; i < g->pieces.count; i++) {
		struct glibc_piece *piece = &g->pieces.items[i];
		struct glibc_arena *a = &g->arenas.items[piece->arena];
		const struct cs_span *span = &g->model->blocks.spans.items[piece->span];
		uint64_t end = span->len / 16;

		if (a->pending.count == a->bin.count)
			continue;
		for (uint64_t at = 0; at < end; at = cs_span_next(span, at)) {
			cs_addr chunk = span->start + at * 16;

			if (cs_tile_get(span->tiles, at) != GLIBC_PENDING)
				continue;
			glibc_tile_put(g, piece, chunk, CS_BLOCK_FREE);
			cs_model_anomaly(g->model, "malloc.chunk", chunk,
					 "chunk at " CS_ADDR " is marked free and in no bin%s", chunk,
					 a->mutex ? " (its arena was being changed)" : "");
		}
	}
}

void glibc_bins_mark(struct cs_glibc *g)
{
	for (uint32_t i = 0; i < g->arenas.count; i++) {
		struct lists l = { .g = g, .nr = i, .arena = &g->arenas.items[i],
				   .libc = &g->libcs.items[g->arenas.items[i].libc] };

		for (unsigned bin = 1; bin < GLIBC_BINS; bin++)
			walk_bin(&l, bin);
		for (unsigned nr = 0; !glibc_is_243(l.libc->layout) && nr < GLIBC_FASTBINS; nr++)
			walk_fastbin(&l, nr);
	}
	settle_pending(g);
}
