/* The ring of arenas and the heaps of each. glibc malloc/arena.c:
 *  - arenas form a ring by `next`, main_arena first;
 *  - a heap begins at a multiple of HEAP_MAX_SIZE with heap_info {ar_ptr, prev,
 *    size, mprotect_size}; the oldest heap of an arena holds its malloc_state
 *    directly behind heap_info (32 bytes to 2.34, 48 from 2.35);
 *  - HEAP_MAX_SIZE is 64 MiB; in 2.35 to 2.41 4 * hp_pagesize when that is set. */
#include "glibc/glibc_find.h"
#include "base/map.h"

#include <inttypes.h>

enum {
	ARENAS_MOST = 1 << 16,
	HEAPS_MOST = 1 << 20,
	HEAP_INFO_OLD = 32,
	HEAP_INFO_NEW = 48,
	HEAP_PREV = 8,
	HEAP_SIZE = 16,
	HEAP_MPROTECT = 24,
	FLAGS_OFF = 4
};
static const uint64_t HEAP_MAX_USUAL = 64 << 20;
static const uint64_t HEAP_MAX_LOW = 1 << 20, HEAP_MAX_HIGH = 4ull << 30;

static bool load_arena(struct cs_glibc *g, uint32_t libc_nr, cs_addr addr, cs_addr *next)
{
	struct glibc_libc *libc = &g->libcs.items[libc_nr];
	const struct glibc_state_layout *l = libc->layout;
	unsigned char buf[4096];
	const unsigned char *p = cs_mem_borrow(g->mem, addr, l->size, buf);
	struct glibc_arena a = { .addr = addr, .libc = libc_nr, .is_main = addr == libc->main_arena };

	if (!p)
		return false;
	a.mutex = cs_le32(p);
	a.flags = cs_le32(p + FLAGS_OFF);
	a.top = cs_le64(p + l->top);
	a.system_mem = cs_le64(p + l->system_mem);
	a.max_system_mem = cs_le64(p + l->max_system_mem);
	a.attached = l->attached == GLIBC_NO_FIELD ? 0 : cs_le64(p + l->attached);
	if (cs_mem_u64(g->mem, a.top + 8, &a.top_size))
		a.top_size &= ~(uint64_t)GLIBC_FLAGS;
	*next = cs_le64(p + l->next);
	if (!cs_vec_push(&g->arenas, a))
		g->no_memory = true;
	return true;
}

/* Does a heap of this arena begin at h? The first of them holds the arena. */
static bool is_heap(struct cs_glibc *g, cs_addr h, cs_addr arena)
{
	uint64_t owner;

	return cs_mem_u64(g->mem, h, &owner) && owner == arena;
}

static bool is_info_size(uint64_t len)
{
	return len == HEAP_INFO_OLD || len == HEAP_INFO_NEW;
}

/* Is there an arena at addr, as the first thing in a heap? The biggest alignment
 * for which it is, or 0. */
static uint64_t arena_align(struct cs_glibc *g, cs_addr addr)
{
	for (uint64_t s = HEAP_MAX_HIGH; s >= HEAP_MAX_LOW; s /= 2)
		if (is_info_size(addr - cs_align_down(addr, s)) &&
		    is_heap(g, cs_align_down(addr, s), addr))
			return s;
	return 0;
}

/* How many arenas of a libc agree with heaps of this size: theirs begins there, and
 * so does the one of their top. */
static uint32_t agreeing(struct cs_glibc *g, const struct glibc_libc *libc, uint64_t heap_max)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < libc->arena_count; i++) {
		const struct glibc_arena *a = &g->arenas.items[libc->first_arena + i];
		cs_addr h = cs_align_down(a->top, heap_max);
		uint64_t size;

		n += is_heap(g, cs_align_down(a->addr, heap_max), a->addr) && is_heap(g, h, a->addr) &&
		     cs_mem_u64(g->mem, h + HEAP_SIZE, &size) && size <= heap_max;
	}
	return n;
}

/* HEAP_MAX_SIZE is written nowhere: the size most arenas agree with. */
static void learn_heap_max(struct cs_glibc *g, struct glibc_libc *libc)
{
	uint64_t huge = 4 * libc->hp_pagesize, best = HEAP_MAX_USUAL;
	uint32_t most = agreeing(g, libc, best), n;

	if (libc->arena_count < 2)
		return;
	if (huge >= HEAP_MAX_LOW && !(huge & (huge - 1)) &&
	    (n = agreeing(g, libc, huge)) > most) {
		best = huge;
		most = n;
	}
	for (uint64_t s = HEAP_MAX_LOW; s <= HEAP_MAX_HIGH && most + 1 < libc->arena_count; s *= 2)
		if ((n = agreeing(g, libc, s)) > most) {
			best = s;
			most = n;
		}
	libc->heap_max = best;
}

cs_status glibc_load_arenas(struct cs_glibc *g, uint32_t libc_nr, struct cs_error *err)
{
	struct glibc_libc *libc = &g->libcs.items[libc_nr];
	struct cs_map seen = { 0 };
	cs_addr at = libc->main_arena, next = 0;

	libc->first_arena = (uint32_t)g->arenas.count;
	for (unsigned i = 0; i < ARENAS_MOST; i++, at = next) {
		uint32_t nr;

		if (i && (cs_map_get(&seen, at, &nr) || !arena_align(g, at))) {
			cs_model_anomaly(g->model, "malloc.arena", at,
					 "the ring of arenas leads to " CS_ADDR
					 ", which is no arena; later ones are lost", at);
			break;
		}
		if (i)
			libc->heap_info = at - cs_align_down(at, HEAP_MAX_LOW);
		if (!load_arena(g, libc_nr, at, &next)) {
			cs_model_anomaly(g->model, "malloc.arena", at,
					 "the arena at " CS_ADDR " is not in the dump", at);
			break;
		}
		libc->arena_count++;
		if (!cs_map_put(&seen, at, i))
			g->no_memory = true;
		if (next == libc->main_arena || g->no_memory || !next || glibc_stops(g))
			break;
	}
	cs_map_deinit(&seen);
	learn_heap_max(g, libc);
	if (g->no_memory)
		return cs_fail(err, CS_NOMEM, at, "no memory for the arenas");
	return CS_OK;
}

/* One heap of an arena that is not the main one. */
static cs_status add_heap(struct cs_glibc *g, uint32_t arena_nr, cs_addr h, struct cs_error *err)
{
	struct glibc_arena *a = &g->arenas.items[arena_nr];
	struct glibc_libc *libc = glibc_libc_of(g, a);
	uint64_t size = 0, protect = 0;
	struct glibc_piece piece = { .arena = arena_nr, .kind = GLIBC_PIECE_HEAP_OLD };

	if (!cs_mem_u64(g->mem, h + HEAP_SIZE, &size) ||
	    !cs_mem_u64(g->mem, h + HEAP_MPROTECT, &protect) || size > libc->heap_max ||
	    size < HEAP_INFO_NEW || size % 16) {
		cs_model_anomaly(g->model, "malloc.heap", h,
				 "heap at " CS_ADDR " of arena " CS_ADDR " has size 0x%" PRIx64, h,
				 a->addr, size);
		return CS_OK;
	}
	a->heaps++;
	a->heap_bytes += size;
	a->heap_mprotect += protect > size && protect <= libc->heap_max ? protect : size;
	piece.range = (struct cs_range){ h, size };
	piece.first = h + libc->heap_info;
	if (cs_align_down(a->addr, libc->heap_max) == h)
		piece.first = cs_align_up(a->addr + libc->layout->size, 16);
	if (cs_range_has(piece.range, a->top, GLIBC_HEADER) && a->top >= piece.first) {
		piece.top = a->top;
		piece.kind = GLIBC_PIECE_HEAP_TOP;
	}
	/* The rest of the reservation: given back or never accessible. The kernel
	 * leaves it out of a core; gdb's gcore writes it as zeros. */
	cs_ignore(cs_model_region(g->model, (struct cs_range){ h + size, libc->heap_max - size },
				  CS_MALLOC_OVERHEAD, NULL),
		  "without it those zeros count as anonymous");

	cs_status st = glibc_piece_add(g, piece, err);

	return st == CS_CORRUPT ? CS_OK : st;
}

static cs_status load_chain(struct cs_glibc *g, uint32_t arena_nr, struct cs_error *err)
{
	struct glibc_arena *a = &g->arenas.items[arena_nr];
	struct glibc_libc *libc = glibc_libc_of(g, a);
	cs_addr home = cs_align_down(a->addr, libc->heap_max);
	cs_addr h = cs_align_down(a->top, libc->heap_max);
	bool home_seen = false;
	cs_status st = CS_OK;
	unsigned steps = 0;

	while (!st && h && is_heap(g, h, a->addr) && steps++ < HEAPS_MOST &&
	       !cs_pulse_look(g->model->pulse)) {
		uint64_t prev = 0, before = a->heaps;

		home_seen |= h == home;
		st = add_heap(g, arena_nr, h, err);
		if (a->heaps == before || !cs_mem_u64(g->mem, h + HEAP_PREV, &prev))
			break;
		if (prev % libc->heap_max || (prev && steps > (1u << 16)))
			break;
		h = prev;
	}
	if (!home_seen) {
		cs_model_anomaly(g->model, "malloc.heap", a->top,
				 "the heaps of arena " CS_ADDR " do not lead from its top " CS_ADDR
				 " to its first heap", a->addr, a->top);
		if (!st)
			st = add_heap(g, arena_nr, home, err);
	}
	if (!st && a->heap_bytes != a->system_mem)
		cs_model_anomaly(g->model, "malloc.arena", a->addr,
				 "the heaps of arena " CS_ADDR " have %" PRIu64
				 " bytes, system_mem says %" PRIu64, a->addr, a->heap_bytes,
				 a->system_mem);
	return st;
}

/* The brk heap. Its end is told twice: by system_mem and by top's size. */
static cs_status load_main(struct cs_glibc *g, uint32_t arena_nr, struct cs_error *err)
{
	struct glibc_arena *a = &g->arenas.items[arena_nr];
	struct glibc_libc *libc = glibc_libc_of(g, a);
	struct glibc_piece piece = { .arena = arena_nr, .kind = GLIBC_PIECE_MAIN };
	cs_addr base = libc->sbrk_base, end;

	a->heaps = 1;
	a->heap_bytes = a->heap_mprotect = a->system_mem;
	if (!libc->mp && cs_add(a->top, a->top_size, &end) && a->system_mem <= end)
		base = end - a->system_mem;
	if (!base || !cs_add(base, a->system_mem, &end)) {
		cs_model_anomaly(g->model, "malloc.arena", a->addr,
				 "the start of the main heap is not known");
		return CS_OK;
	}
	piece.first = cs_align_up(base, 16);
	a->overhead.bytes += piece.first - base;
	piece.range = (struct cs_range){ piece.first, cs_align_down(end - piece.first, 16) };
	if (cs_range_has(piece.range, a->top, GLIBC_HEADER))
		piece.top = a->top;

	cs_status st = glibc_piece_add(g, piece, err);

	return st == CS_CORRUPT ? CS_OK : st;
}

cs_status glibc_load_heaps(struct cs_glibc *g, struct cs_error *err)
{
	cs_status st = CS_OK;

	for (uint32_t i = 0; !st && i < g->arenas.count && !glibc_stops(g); i++) {
		struct glibc_arena *a = &g->arenas.items[i];

		if (!a->is_main)
			st = load_chain(g, i, err);
		else if (a->system_mem && !(a->flags & GLIBC_NONCONTIGUOUS))
			st = load_main(g, i, err);
	}
	return st;
}
