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

static uint64_t fast_size(unsigned nr)
{
	return GLIBC_CHUNK_MIN + 16ull * nr;
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

/* A list on its way: the member to look at next, and who linked to it. */
struct cursor {
	cs_addr head, at, prev;
	unsigned nr; /* of the bin */
	bool ended;
};

static cs_addr bin_head(const struct lists *l, unsigned bin)
{
	return l->arena->addr + l->libc->layout->top + GLIBC_BINS_FROM_TOP + 16ull * (bin - 1) -
	       GLIBC_HEADER;
}

/* One step forward; false at the end of the list. */
static bool step_bin(struct lists *l, struct cursor *c)
{
	cs_addr next;

	if (c->at == c->head || !take_member(l, c->nr, c->at, c->prev, BK, &next, FD))
		return false;
	c->prev = c->at;
	c->at = next;
	return true;
}

/* Where the way forward broke: backward, up to what was seen. */
static void walk_back(struct lists *l, const struct cursor *c)
{
	cs_addr prev = c->head, at, next;

	if (!cs_mem_u64(l->g->mem, c->head + BK, &at))
		return;
	for (; at != c->head && glibc_tile_at(l->g, at, NULL) == GLIBC_PENDING; prev = at, at = next)
		if (glibc_stops(l->g) || !take_member(l, c->nr, at, prev, FD, &next, BK))
			break;
}

static const char *fast_problem(struct lists *l, unsigned nr, cs_addr at, struct glibc_piece **piece)
{
	unsigned state = glibc_tile_at(l->g, at, piece);

	if (at % 16)
		return "malloc(): unaligned fastbin chunk detected";
	if (state == CS_BLOCK_FASTBIN)
		return "double free or corruption (fasttop)";
	if (state != CS_BLOCK_USED || (*piece)->arena != l->nr ||
	    glibc_tile_len(l->g, *piece, at) != fast_size(nr))
		return "malloc(): memory corruption (fast)";
	return NULL;
}

static bool step_fastbin(struct lists *l, struct cursor *c)
{
	struct glibc_piece *piece;
	const char *why;
	uint64_t stored;

	if (!c->at)
		return false;
	why = fast_problem(l, c->nr, c->at, &piece);
	if (why) {
		cs_model_anomaly(l->g->model, "malloc.fastbin", c->at,
				 "%s: fastbin of %" PRIu64 " bytes of arena " CS_ADDR
				 " leads to " CS_ADDR, why, fast_size(c->nr), l->arena->addr, c->at);
		return false;
	}
	glibc_tile_put(l->g, piece, c->at, CS_BLOCK_FASTBIN);
	l->arena->fast.count++;
	l->arena->fast.bytes += fast_size(c->nr);
	if (!cs_mem_u64(l->g->mem, c->at + FD, &stored))
		return false;
	c->at = glibc_demangle(l->g, l->libc, c->at + FD, stored);
	return true;
}

/* All lists of a kind in turns: while one waits for memory the others go on. */
static void walk_in_turns(struct lists *l, struct cursor *c, unsigned count,
			  bool (*step)(struct lists *l, struct cursor *c))
{
	unsigned left = count;

	while (left) {
		left = 0;
		for (unsigned i = 0; i < count; i++) {
			if (c[i].ended)
				continue;
			if (glibc_stops(l->g))
				return;
			c[i].ended = !step(l, &c[i]);
			left += !c[i].ended;
			glibc_prefetch(l->g, c[i].at);
		}
	}
}

static void walk_bins(struct lists *l)
{
	struct cursor c[GLIBC_BINS];
	unsigned n = 0;

	for (unsigned bin = 1; bin < GLIBC_BINS; bin++) {
		cs_addr head = bin_head(l, bin);

		c[n] = (struct cursor){ .head = head, .prev = head, .nr = bin };
		if (cs_mem_u64(l->g->mem, head + FD, &c[n].at) &&
		    (c[n].at || l->arena->system_mem))
			n++;
	}
	walk_in_turns(l, c, n, step_bin);
	for (unsigned i = 0; i < n; i++)
		if (c[i].at != c[i].head)
			walk_back(l, &c[i]);
}

static void walk_fastbins(struct lists *l)
{
	struct cursor c[GLIBC_FASTBINS];
	unsigned n = 0;

	for (unsigned nr = 0; nr < GLIBC_FASTBINS; nr++) {
		cs_addr head = l->arena->addr + l->libc->layout->fastbins + 8ull * nr;

		c[n] = (struct cursor){ .head = head, .nr = nr };
		if (cs_mem_u64(l->g->mem, head, &c[n].at) && c[n].at)
			n++;
	}
	walk_in_turns(l, c, n, step_fastbin);
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
		for (uint64_t at = 0; at < end && !glibc_stops(g); at = cs_span_next(span, at)) {
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
	for (uint32_t i = 0; i < g->arenas.count && !glibc_stops(g); i++) {
		struct lists l = { .g = g, .nr = i, .arena = &g->arenas.items[i],
				   .libc = &g->libcs.items[g->arenas.items[i].libc] };

		walk_bins(&l);
		if (!glibc_is_243(l.libc->layout))
			walk_fastbins(&l);
	}
	settle_pending(g);
}
