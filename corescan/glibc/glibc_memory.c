/* An arena recognised by its bins. glibc 2.17 to 2.43, malloc/malloc.c:
 *  - bins[] holds 127 list heads of two words; an empty one points at the chunk
 *    that would begin 16 bytes before it (bin_at). bin_index() never answers 127,
 *    so that head is empty in every initialised arena.
 *  - binmap (16 bytes) and next follow bins; bits 0, 1 and 127 of binmap are
 *    never set.
 *  - 2.27 and newer initialise main_arena before main(). */
#include "glibc/glibc_find.h"

enum {
	TORN_BINS = 2,	    /* stopped inside unlink: 1 in 25 snapshots has one */
	BROKEN_BINS = 40,   /* what an overflow may have broken of an arena its file names */
	BINMAP_FROM_LAST = 16,
	NEXT_FROM_LAST = 32,
	LAST_LEN = 40,	    /* bin 127, binmap, next */
	RING_MOST = 10000,
	HEAP_ALIGN_MIN = 1 << 20,
	WINDOW = 1 << 18 /* bytes looked at at once */
};

/* Words of a state at most 2200 bytes long. */
static bool bin_ok(struct cs_mem *mem, const unsigned char *bin, cs_addr addr)
{
	cs_addr fake = addr - GLIBC_HEADER, fd = cs_le64(bin), bk = cs_le64(bin + 8);
	uint64_t back, forth;

	if (fd == fake || bk == fake)
		return fd == bk;
	if (!fd || !bk || (fd | bk) % 16)
		return false;
	return cs_mem_u64(mem, fd + 24, &back) && back == fake && cs_mem_u64(mem, bk + 16, &forth) &&
	       forth == fake;
}

/* Up to 2.26 the bins are made at the first malloc: empty words until then. */
static bool bin_unused(const unsigned char *bin)
{
	return !cs_le64(bin) && !cs_le64(bin + 8);
}

/* Are all but `most` of bins 1 to 126 of the arena whose top field is at top whole? */
static bool bins_ok(struct cs_mem *mem, cs_addr top, unsigned most, bool unused_too)
{
	unsigned char buf[GLIBC_BINS * 16];
	const unsigned char *p =
		cs_mem_borrow(mem, top + GLIBC_BINS_FROM_TOP, sizeof(buf), buf);
	unsigned torn = 0;

	if (!p)
		return false;
	for (unsigned i = 0; i + 1 < GLIBC_BINS; i++)
		if (!bin_ok(mem, p + 16 * i, top + GLIBC_BINS_FROM_TOP + 16 * i) &&
		    !(unused_too && bin_unused(p + 16 * i)) && ++torn > most)
			return false;
	return true;
}

/* Bin 127 at p, its address addr, LAST_LEN bytes. */
static bool last_bin_ok(const unsigned char *p, cs_addr addr)
{
	uint32_t first = cs_le32(p + BINMAP_FROM_LAST), last = cs_le32(p + BINMAP_FROM_LAST + 12);

	return cs_le64(p) == addr - GLIBC_HEADER && cs_le64(p + 8) == addr - GLIBC_HEADER &&
	       !(first & 3) && !(last >> 31) && cs_le64(p + NEXT_FROM_LAST);
}

bool glibc_is_state(struct cs_mem *mem, cs_addr base, const struct glibc_state_layout *layout,
		    bool strict)
{
	unsigned char buf[LAST_LEN];
	cs_addr top = base + layout->top;
	const unsigned char *p =
		cs_mem_borrow(mem, top + GLIBC_LAST_FROM_TOP, sizeof(buf), buf);

	if (!p)
		return false;
	if (!strict)
		return cs_le64(p + NEXT_FROM_LAST) && bins_ok(mem, top, BROKEN_BINS, true);
	return last_bin_ok(p, top + GLIBC_LAST_FROM_TOP) && bins_ok(mem, top, TORN_BINS, false);
}

/* Does the ring of `next` close when fields lie as `layout` says? */
static bool ring_closes(struct cs_mem *mem, cs_addr base, const struct glibc_state_layout *layout)
{
	cs_addr at = base;
	uint64_t next;

	for (unsigned i = 0; i < RING_MOST; i++) {
		if (!cs_mem_u64(mem, at + layout->next, &next))
			return false;
		if (next == base)
			return true;
		if (next % 8 || !glibc_is_state(mem, next, layout, true))
			return false;
		at = next;
	}
	return false;
}

/* 2.17 to 2.22 and 2.23 to 2.26 differ only behind next_free: a number of threads, or
 * system_mem, which is never as small. */
static const struct glibc_state_layout *tell_attached(struct cs_mem *mem, cs_addr base,
						      const struct glibc_state_layout *layout)
{
	const struct glibc_state_layout *newer = &glibc_state_layouts[2];
	uint64_t attached, system, most;

	if (layout->next != newer->next)
		return layout;
	if (cs_mem_u64(mem, base + newer->attached, &attached) && attached < 1 << 16 &&
	    cs_mem_u64(mem, base + newer->system_mem, &system) &&
	    cs_mem_u64(mem, base + newer->max_system_mem, &most) && system <= most)
		return newer;
	return &glibc_state_layouts[3];
}

/* The layout for which the arena whose bin 127 is at `last` is a main arena. */
static bool identify(struct cs_mem *mem, cs_addr last, struct glibc_hit *hit)
{
	cs_addr top = last - GLIBC_LAST_FROM_TOP;

	for (unsigned i = 0; i < GLIBC_STATE_LAYOUTS; i++) {
		const struct glibc_state_layout *l = &glibc_state_layouts[i];
		cs_addr base = top - l->top;
		uint64_t owner;

		if (base > top || !ring_closes(mem, base, l))
			continue;
		/* in a heap of another arena ar_ptr, in front of it, names it */
		if (cs_mem_u64(mem, cs_align_down(base, HEAP_ALIGN_MIN), &owner) && owner == base)
			return false;
		*hit = (struct glibc_hit){ base, tell_attached(mem, base, l), "memory" };
		return true;
	}
	return false;
}

/* One window of memory at addr, an aligned one. */
static size_t search_window(struct cs_mem *mem, cs_addr addr, uint64_t len, struct glibc_hit *hits,
			    size_t max)
{
	const unsigned char *p = cs_mem_view(mem, addr, len);
	size_t n = 0;

	for (uint64_t off = 0; p && n < max && len >= LAST_LEN && off <= len - LAST_LEN; off += 8) {
		cs_addr at = addr + off;

		if (cs_le64(p + off) != at - GLIBC_HEADER || !last_bin_ok(p + off, at))
			continue;
		if (at > GLIBC_LAST_FROM_TOP && bins_ok(mem, at - GLIBC_LAST_FROM_TOP, TORN_BINS, false) &&
		    identify(mem, at, &hits[n]))
			n++;
	}
	return n;
}

size_t glibc_hits_in_memory(struct cs_glibc *g, struct cs_range range, struct glibc_hit *hits,
			    size_t max)
{
	struct cs_mem *mem = g->mem;
	struct cs_mem_seg *seg = cs_mem_find_next(mem, range.start);
	size_t n = 0;

	for (; seg && seg < mem->segs.items + mem->segs.count && n < max; seg++) {
		cs_addr from = seg->start > range.start ? seg->start : range.start;

		if (!cs_range_has(range, from, 1))
			break;

		uint64_t room = seg->len - (from - seg->start), want = range.len - (from - range.start);
		uint64_t len = room < want ? room : want;

		/* neighbours share as much as one bin's words, less one, so none is cut */
		for (uint64_t off = -from % 8; off < len && n < max; off += WINDOW) {
			uint64_t part = WINDOW + LAST_LEN - 8;

			part = part < len - off ? part : len - off;
			if (cs_pulse_look(g->model->pulse))
				return n;
			n += search_window(mem, from + off, part, hits + n, max - n);
		}
	}
	return n;
}
