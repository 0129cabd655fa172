/* The pieces of a non-contiguous main arena. glibc malloc/malloc.c, sysmalloc():
 * when brk fails once, the arena takes memory from mmap for ever after; nothing
 * lists the pieces. Each begins at a page with a chunk and ends with fenceposts at
 * a page, or with top. What is found must add up to system_mem. */
#include "glibc/glibc_chunk.h"
#include "glibc/glibc_find.h"
#include "glibc/glibc_ranges.h"

#include <inttypes.h>

enum { TRIES_PER_PAGE = 512 }; /* chunks looked at, over all starts, per page of memory */

struct search {
	struct cs_glibc *g;
	uint32_t arena;
	uint64_t budget, found;
	cs_status st;
	struct cs_error *err;
};

static void add(struct search *s, struct cs_range range, enum glibc_piece_kind kind)
{
	struct glibc_arena *a = &s->g->arenas.items[s->arena];
	struct glibc_piece piece = { .range = range, .first = range.start, .kind = kind,
				     .arena = s->arena };

	if (cs_range_has(range, a->top, GLIBC_HEADER))
		piece.top = a->top;
	s->st = glibc_piece_add(s->g, piece, s->err);
	if (s->st == CS_CORRUPT)
		s->st = CS_OK;
	a->heaps++;
	s->found += range.len;
}

/* The first piece is brk memory when mp_.sbrk_base lies before main's first page. */
static void add_brk(struct search *s, cs_addr base)
{
	const struct cs_mapping *m = cs_image_mapping(s->g->image, base);
	cs_addr start = cs_align_up(base, 16), end;

	if (!base || !m || !cs_range_has(m->range, start, GLIBC_HEADER))
		return;
	end = glibc_region_end(s->g, s->arena,
			       (struct cs_range){ start, cs_range_end(m->range) - start }, true,
			       &s->budget);
	if (end)
		add(s, (struct cs_range){ start, end - start }, GLIBC_PIECE_MAIN);
}

static void search_range(struct search *s, struct cs_range r)
{
	uint64_t page = s->g->image->page_size;
	cs_addr at = cs_align_up(r.start, page), end = cs_range_end(r), stop;

	while (!s->st && at < end && s->budget && !glibc_stops(s->g)) {
		uint64_t word = 0;
		uint64_t system = s->g->arenas.items[s->arena].system_mem;

		stop = 0;
		if (cs_mem_u64(s->g->mem, at + 8, &word) && word & GLIBC_P && word < system)
			stop = glibc_region_end(s->g, s->arena, (struct cs_range){ at, end - at }, false,
						&s->budget);
		if (!word && !cs_mem_run(s->g->mem, at)) {
			/* nothing here: go on where something is */
			struct cs_mem_seg *seg = cs_mem_find_next(s->g->mem, at);

			if (!seg || seg->start >= end)
				return;
			at = cs_align_up(seg->start > at ? seg->start : at + 1, page);
			continue;
		}
		if (stop)
			add(s, (struct cs_range){ at, stop - at }, GLIBC_PIECE_REGION);
		at = stop ? cs_align_up(stop, page) : at + page;
	}
}

static cs_status search_arena(struct cs_glibc *g, uint32_t nr, struct cs_error *err)
{
	struct glibc_arena *a = &g->arenas.items[nr];
	struct search s = { .g = g, .arena = nr, .err = err };
	struct glibc_ranges ranges = { 0 };

	a->heap_bytes = a->heap_mprotect = a->system_mem;
	s.st = glibc_ranges_list(g, &ranges, err);
	for (size_t i = 0; i < ranges.count; i++)
		s.budget += (ranges.items[i].len / g->image->page_size + 1) * TRIES_PER_PAGE;
	if (!s.st)
		add_brk(&s, glibc_libc_of(g, a)->sbrk_base);
	if (!s.st && s.found < a->system_mem) {
		cs_vec_free(&ranges); /* the brk piece is claimed now */
		s.st = glibc_ranges_list(g, &ranges, err);
		for (size_t i = 0; !s.st && i < ranges.count; i++)
			search_range(&s, ranges.items[i]);
	}
	cs_vec_free(&ranges);
	if (!s.st && s.found != a->system_mem)
		cs_model_anomaly(g->model, "malloc.arena", a->addr,
				 "%" PRIu64 " of %" PRIu64
				 " bytes of the non-contiguous main arena were found",
				 s.found, a->system_mem);
	else if (!s.st)
		cs_model_finding(g->model, "malloc regions", "chunk chains", "they sum to system_mem",
				 "%" PRIu64 " pieces of a non-contiguous main arena", a->heaps);
	return s.st;
}

cs_status glibc_find_regions(struct cs_glibc *g, struct cs_error *err)
{
	cs_status st = CS_OK;

	for (uint32_t i = 0; !st && i < g->arenas.count; i++)
		if (g->arenas.items[i].is_main && g->arenas.items[i].system_mem &&
		    g->arenas.items[i].flags & GLIBC_NONCONTIGUOUS)
			st = search_arena(g, i, err);
	return st;
}
