/* malloc_chunk, glibc malloc/malloc.c: prev_size (only when the chunk before is
 * free), size with PREV_INUSE 1, IS_MMAPPED 2, NON_MAIN_ARENA 4. A is set on
 * chunks handed out by another arena, clear on chunks in bins and on top.
 *
 * Fenceposts, sysmalloc(): where a main heap stops (foreign sbrk, mmapped piece)
 * two or three headers of size 16; where another arena's heap stops a header of
 * size 16 and one of size 0, or one of 32 (16) without A and one of size 0. */
#include "glibc/glibc_chunk.h"
#include "glibc/glibc_tcache.h"

enum {
	RESYNC = 2,
	FOREIGN = 16,
	GRANULE = 16,
	AHEAD = 2048, /* bytes; how far in front of the walk memory is asked for */
	WINDOW = 1 << 18, /* bytes looked at at once; of a big chunk only its ends' */
	ROUND_SHIFT = 12, /* so many bytes of chunks are walked in a round of the pulse */
	TCACHE_LEAST = 0x250, /* chunk sizes a tcache can have, any generation */
	TCACHE_SPREAD = 0x320 - TCACHE_LEAST
};

struct walk {
	struct cs_glibc *g;
	struct glibc_piece *piece;
	struct glibc_arena *arena;
	struct cs_span *span;
	struct glibc_chunk_rules rules;
	cs_addr end;
	/* bytes at hand: view of [run_start, run_start + run_len) */
	const unsigned char *run;
	cs_addr run_start;
	uint64_t run_len;
};

struct header {
	cs_addr at;
	uint64_t prev_size, word;
};

static uint64_t size_of(uint64_t word)
{
	return word & ~(uint64_t)GLIBC_FLAGS;
}

const char *glibc_chunk_problem(const struct glibc_chunk_rules *rules, cs_addr at, uint64_t word,
				uint64_t prev_size, uint64_t before)
{
	uint64_t size = size_of(word);

	if (size % GRANULE || word & GLIBC_M || size < GLIBC_CHUNK_MIN)
		return "free(): invalid next size";
	if (at >= rules->limit || size >= rules->limit - at)
		return "free(): invalid next size";
	if (rules->top && at < rules->top && size > rules->top - at)
		return "double free or corruption (out)";
	if (rules->is_main && word & GLIBC_A)
		return "free(): invalid pointer (NON_MAIN_ARENA in the main heap)";
	if (word & GLIBC_P || !before)
		return NULL;
	if (prev_size != size_of(before))
		return "corrupted size vs. prev_size";
	if (!(before & GLIBC_P))
		return "double free or corruption (!prev)";
	return NULL;
}

/* Make the 16 bytes at addr part of the run at hand: their window of memory. */
static bool set_run(struct walk *w, cs_addr addr)
{
	struct cs_mem_seg *seg = addr < w->end ? cs_mem_find(w->g->mem, addr) : NULL;
	cs_addr from = cs_align_down(addr, WINDOW);
	uint64_t len, room = WINDOW;

	if (!seg)
		return false;
	from = from > seg->start ? from : seg->start;
	from = from > w->piece->range.start ? from : w->piece->range.start;
	room -= from % WINDOW;
	len = seg->len - (from - seg->start);
	len = len < room ? len : room;
	if (len > w->end - from)
		len = w->end - from;
	w->run = cs_mem_view(w->g->mem, from, len);
	w->run_start = from;
	w->run_len = w->run ? len : 0;
	return w->run && len >= GLIBC_HEADER && addr - from <= len - GLIBC_HEADER;
}

static bool get_header(struct walk *w, cs_addr at, struct header *out)
{
	uint64_t off = at - w->run_start;

	if ((w->run_len < GLIBC_HEADER || off > w->run_len - GLIBC_HEADER) && !set_run(w, at))
		return false;
	off = at - w->run_start;
	*out = (struct header){ at, cs_le64(w->run + off), cs_le64(w->run + off + 8) };
	return true;
}

static void add(struct glibc_count *c, uint64_t bytes)
{
	c->count++;
	c->bytes += bytes;
}

static void mark(struct walk *w, cs_addr at, enum cs_block_state state)
{
	cs_span_mark(w->span, at, state);
}

/* Is this the end of the piece, or of the part before a foreign sbrk? */
static bool is_fence(struct walk *w, const struct header *h)
{
	struct header next;
	uint64_t size = size_of(h->word);

	if (h->word & (GLIBC_M | GLIBC_A) || size % GRANULE || size >= GLIBC_CHUNK_MIN)
		return false;
	if (w->arena->is_main) {
		if (size != GRANULE)
			return false;
		if (h->at + GRANULE == w->end)
			return true;
		return get_header(w, h->at + GRANULE, &next) &&
		       (next.word == (GRANULE | GLIBC_P) || size_of(next.word) == GRANULE);
	}
	return w->piece->kind == GLIBC_PIECE_HEAP_OLD && w->end - h->at <= 2 * GRANULE;
}

/* Valid chunks in a row from at. */
static unsigned chain(struct walk *w, cs_addr at, unsigned want)
{
	struct header h, next;
	uint64_t before = 0;
	unsigned n = 0;

	if (!get_header(w, at, &h))
		return 0;
	for (; n < want; n++) {
		if (h.at == w->rules.top || (n && is_fence(w, &h)))
			return want;
		if (glibc_chunk_problem(&w->rules, h.at, h.word, h.prev_size, before))
			return n;
		if (!get_header(w, h.at + size_of(h.word), &next))
			return n;
		before = h.word;
		if (!w->rules.is_main && next.at != w->rules.top && !is_fence(w, &next) &&
		    !(h.word & GLIBC_A) != !(next.word & GLIBC_P))
			return n; /* A goes with being handed out */
		h = next;
	}
	return n;
}

/* The first place behind `from` where the chain of chunks goes on, or the end.
 * `want` chunks in a row are proof. */
static cs_addr resume(struct walk *w, cs_addr from, unsigned want)
{
	struct header h;
	cs_addr at = from;

	while (at < w->end && w->end - at >= GLIBC_HEADER && !glibc_stops(w->g)) {
		if (at == w->rules.top)
			return at;
		if (!get_header(w, at, &h)) {
			struct cs_mem_seg *seg = cs_mem_find_next(w->g->mem, at + GRANULE);

			if (!seg || seg->start >= w->end)
				return w->rules.top >= from ? w->rules.top : w->end;
			at = cs_align_up(seg->start > at ? seg->start : at + 1, GRANULE);
			if (w->rules.top >= from && w->rules.top < at)
				return w->rules.top; /* known without its header */
			continue;
		}
		if (h.word >= GLIBC_CHUNK_MIN && h.word < w->end - at &&
		    !(h.word & (GLIBC_M | 8)) && chain(w, at, want) >= want)
			return at;
		at += GRANULE;
	}
	return w->end;
}

static void tell_broken(struct walk *w, const struct header *h, cs_addr before, const char *why,
			cs_addr until)
{
	if (before)
		cs_model_anomaly(w->g->model, "malloc.chunk", h->at,
				 "%s: chunk at " CS_ADDR " has size word 0x%" PRIx64
				 "; suspect: the block at " CS_ADDR " before it (%" PRIu64
				 " bytes usable); %" PRIu64 " bytes unaccounted for",
				 why, h->at, h->word, before + GLIBC_HEADER, h->at - before - 8,
				 until - h->at);
	else
		cs_model_anomaly(w->g->model, "malloc.chunk", h->at,
				 "%s: chunk at " CS_ADDR " has size word 0x%" PRIx64 "; %" PRIu64
				 " bytes unaccounted for",
				 why, h->at, h->word, until - h->at);
}

/* [from, until) is lost; where it begins and what was before is told. */
static cs_addr skip_broken(struct walk *w, const struct header *h, cs_addr before, const char *why)
{
	cs_addr until = resume(w, h->at + GRANULE, RESYNC);

	tell_broken(w, h, before, why, until);
	mark(w, h->at, CS_BLOCK_LOST);
	add(&w->arena->lost, until - h->at);
	return until;
}

static cs_addr skip_absent(struct walk *w, cs_addr at)
{
	cs_addr until = resume(w, at, RESYNC);

	cs_model_anomaly(w->g->model, "malloc.missing", at,
			 "the heap goes on at " CS_ADDR ", which is not in the dump; %" PRIu64
			 " bytes cannot be told apart", at, until - at);
	mark(w, at, CS_BLOCK_LOST);
	add(&w->arena->lost, until - at);
	return until;
}

/* Top reaches to the end whatever its header says, or if there is none. */
static cs_addr take_top(struct walk *w)
{
	cs_addr top = w->rules.top;
	struct header h;

	if (get_header(w, top, &h) && size_of(h.word) != w->end - top)
		cs_model_anomaly(w->g->model, "malloc.chunk", top,
				 "malloc(): corrupted top size: top at " CS_ADDR " says 0x%" PRIx64
				 ", its heap ends after 0x%" PRIx64, top, h.word, w->end - top);
	mark(w, top, CS_BLOCK_UNCARVED);
	add(&w->arena->top_tile, w->end - top);
	return w->end;
}

/* Fenceposts, and in a main heap the foreign bytes behind them. */
static cs_addr take_fence(struct walk *w, const struct header *h)
{
	cs_addr until = w->end;
	struct header next = *h;

	mark(w, h->at, CS_BLOCK_OVERHEAD);
	if (w->piece->kind == GLIBC_PIECE_MAIN) {
		while (next.at < w->end && size_of(next.word) == GRANULE &&
		       get_header(w, next.at + GRANULE, &next) && !glibc_stops(w->g))
			;
		until = resume(w, next.at, FOREIGN);
		add(&w->arena->foreign, until - h->at);
	}
	add(&w->arena->overhead, until - h->at);
	return until;
}

/* A chunk whose successor was seen: used or waiting for a bin to say so. */
static void take_chunk(struct walk *w, const struct header *h, const struct header *next)
{
	uint64_t size = size_of(h->word);
	bool used = next->word & GLIBC_P;

	if (used && size == 2 * GRANULE && w->piece->kind == GLIBC_PIECE_HEAP_OLD &&
	    !(h->word & GLIBC_A) && size_of(next->word) == 0 && next->at + GRANULE == w->end) {
		mark(w, h->at, CS_BLOCK_OVERHEAD);
		add(&w->arena->overhead, size);
		return;
	}
	if (!w->rules.is_main && used != ((h->word & GLIBC_A) != 0))
		cs_model_anomaly(w->g->model, "malloc.chunk", h->at,
				 "chunk at " CS_ADDR " is %s, its size word 0x%" PRIx64 " is not",
				 h->at, used ? "in use" : "free", h->word);
	mark(w, h->at, used ? CS_BLOCK_USED : (enum cs_block_state)GLIBC_PENDING);
	add(used ? &w->arena->used : &w->arena->pending, size);
	if (used && glibc_tcache_of(glibc_libc_of(w->g, w->arena)->layout, size))
		glibc_tcache_candidate(w->g, w->arena, h->at, size);
}

/* The fast path: chunks inside the run at hand, as long as they are valid.
 * *h moves to the last valid chunk whose successor needs a closer look. */
static void run_chunks(struct walk *w, struct header *h)
{
	const struct glibc_state_layout *layout = glibc_libc_of(w->g, w->arena)->layout;

	if (!get_header(w, h->at, h))
		return;

	const unsigned char *run = w->run;
	unsigned char *tiles = w->span->tiles;
	const uint64_t skew = w->run_start - w->piece->range.start;
	uint64_t off = h->at - w->run_start, word = h->word;
	uint64_t last = w->run_len - GLIBC_HEADER;
	uint64_t top = w->rules.top ? w->rules.top - w->run_start : UINT64_MAX;
	const uint64_t bad = w->rules.is_main ? GLIBC_M | GLIBC_A | 8 : GLIBC_M | 8;
	const uint64_t a_bit = w->rules.is_main ? 0 : GLIBC_A;
	struct glibc_count used = { 0 }, pending = { 0 };

	if (top < last)
		last = top - 1; /* top itself is looked at outside */
	for (;;) {
		uint64_t size = word & ~(uint64_t)GLIBC_FLAGS;

		if (size > last || off > last - size)
			break;

		const unsigned char *next = run + off + size;

		__builtin_prefetch(next + AHEAD); /* a fifth of the time on small chunks */

		uint64_t next_word = cs_le64(next + 8), next_size = next_word & ~(uint64_t)15;
		unsigned state;

		if (next_word & bad || next_size < GLIBC_CHUNK_MIN || next_size > last ||
		    off + size > last - next_size)
			break;
		if (next_word & GLIBC_P) {
			if ((word & GLIBC_A) != a_bit)
				break;
			state = CS_BLOCK_USED;
			used.count++;
			used.bytes += size;
			if (size - TCACHE_LEAST <= TCACHE_SPREAD && glibc_tcache_of(layout, size))
				glibc_tcache_candidate(w->g, w->arena, w->run_start + off, size);
		} else {
			if (cs_le64(next) != size || !(word & GLIBC_P) || word & GLIBC_A)
				break;
			state = GLIBC_PENDING;
			pending.count++;
			pending.bytes += size;
		}
		cs_tile_set(tiles, (skew + off) >> 4, state);
		off += size;
		word = next_word;
	}
	w->arena->used.count += used.count;
	w->arena->used.bytes += used.bytes;
	w->arena->pending.count += pending.count;
	w->arena->pending.bytes += pending.bytes;
	*h = (struct header){ w->run_start + off, cs_le64(run + off), word };
}

/* One step from a valid chunk *h. Returns where to look next; *ok: *h is the
 * chunk there and it is valid. */
static cs_addr step(struct walk *w, struct header *h, bool *ok)
{
	struct header next;
	const char *why;

	run_chunks(w, h);
	*ok = false;
	if (!get_header(w, h->at + size_of(h->word), &next)) {
		cs_addr behind = h->at + size_of(h->word);

		mark(w, h->at, CS_BLOCK_USED); /* nobody says that it is free */
		add(&w->arena->used, size_of(h->word));
		return behind < w->end && behind != w->rules.top ? skip_absent(w, behind) : behind;
	}
	if (next.at == w->rules.top || is_fence(w, &next)) {
		take_chunk(w, h, &next);
		return next.at;
	}
	why = glibc_chunk_problem(&w->rules, next.at, next.word, next.prev_size, h->word);
	if (why) {
		mark(w, h->at, CS_BLOCK_USED);
		add(&w->arena->used, size_of(h->word));
		return skip_broken(w, &next, h->at, why);
	}
	take_chunk(w, h, &next);
	*h = next;
	*ok = true;
	return next.at;
}

/* A step came from `from` to `to`, over one chunk or thousands. */
static bool stops_behind(struct walk *w, cs_addr from, cs_addr to)
{
	struct cs_pulse *pulse = w->g->model->pulse;

	cs_pulse_at(pulse, w->g->walked + (to - w->piece->range.start), w->g->walk_total);
	return cs_pulse_spent(pulse, 1 + ((to - from) >> ROUND_SHIFT));
}

static void walk_chunks(struct walk *w)
{
	cs_addr at = w->piece->first, from;
	bool is_valid = false;
	struct header h;

	while (at < w->end) {
		if (!is_valid) {
			const char *why;

			if (at == w->rules.top) {
				at = take_top(w);
				continue;
			}
			if (!get_header(w, at, &h)) {
				at = skip_absent(w, at);
				continue;
			}
			if (is_fence(w, &h)) {
				at = take_fence(w, &h);
				continue;
			}
			why = glibc_chunk_problem(&w->rules, at, h.word, 0, 0);
			if (why) {
				at = skip_broken(w, &h, 0, why);
				continue;
			}
		}
		from = at;
		at = step(w, &h, &is_valid);
		if (stops_behind(w, from, at))
			return;
	}
}

static struct glibc_chunk_rules rules_of(struct cs_glibc *g, const struct glibc_piece *piece)
{
	return (struct glibc_chunk_rules){
		.limit = cs_range_end(piece->range),
		.top = piece->top,
		.is_main = g->arenas.items[piece->arena].is_main,
	};
}

/* Behind the fenceposts at h, which must end at a page; 0 when they do not. */
static cs_addr fence_end(struct walk *w, struct header h)
{
	uint64_t page = w->g->image->page_size;
	unsigned n = 0;

	while (n < 3 && size_of(h.word) == GRANULE) {
		n++;
		if (n >= 2 && (h.at + GRANULE) % page == 0)
			return h.at + GRANULE;
		if (!get_header(w, h.at + GRANULE, &h))
			return 0;
	}
	return 0;
}

cs_addr glibc_region_end(struct cs_glibc *g, uint32_t arena_nr, struct cs_range room, bool is_brk,
			 uint64_t *budget)
{
	struct glibc_piece piece = { .range = room, .arena = arena_nr,
				     .top = g->arenas.items[arena_nr].top };
	struct walk w = { .g = g, .piece = &piece, .arena = &g->arenas.items[arena_nr],
			  .end = cs_range_end(room) };
	struct header h, next;
	cs_addr done = 0;
	uint64_t before = 0;

	piece.top = cs_range_has(room, piece.top, GLIBC_HEADER) ? piece.top : 0;
	w.rules = rules_of(g, &piece);
	if (!get_header(&w, room.start, &h) || !(h.word & GLIBC_P))
		return 0;
	for (; *budget && !glibc_stops(g); --*budget) {
		if (h.at == piece.top)
			return size_of(h.word) <= w.end - h.at ? h.at + size_of(h.word) : done;
		if (is_fence(&w, &h)) {
			cs_addr end = fence_end(&w, h), more;

			if (!is_brk || !before)
				return before ? end : 0;
			done = end ? end : done;
			more = resume(&w, h.at + 2 * GRANULE, FOREIGN);
			if (more == w.end || !get_header(&w, more, &h))
				return done;
			before = 0;
			continue;
		}
		if (glibc_chunk_problem(&w.rules, h.at, h.word, h.prev_size, before) ||
		    !get_header(&w, h.at + size_of(h.word), &next))
			return done;
		before = h.word;
		h = next;
	}
	return done;
}

void glibc_walk_piece(struct cs_glibc *g, struct glibc_piece *piece)
{
	struct walk w = {
		.g = g,
		.piece = piece,
		.arena = &g->arenas.items[piece->arena],
		.span = &g->model->blocks.spans.items[piece->span],
		.rules = rules_of(g, piece),
		.end = cs_range_end(piece->range),
	};

	if (piece->first > piece->range.start)
		add(&w.arena->overhead, piece->first - piece->range.start);
	walk_chunks(&w);
	g->walked += piece->range.len;
}
