#include "mem/mem.h"
#include "base/sorted.h"

#include <stdlib.h>

enum { PAGE_BITS = 12 };

cs_status cs_mem_add(struct cs_mem *mem, struct cs_mem_seg seg, struct cs_error *err)
{
	uint64_t end;

	if (!seg.len)
		return CS_OK;
	if (!cs_add(seg.start, seg.len, &end))
		return cs_fail(err, CS_CORRUPT, seg.start,
			       "segment at " CS_ADDR " runs past the end of the address space",
			       seg.start);
	if (!cs_vec_push(&mem->segs, seg))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the segment table");
	return CS_OK;
}

static int by_start(const void *a, const void *b)
{
	const struct cs_mem_seg *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->len < y->len) - (x->len > y->len); /* the longer first */
}

/* Can b be told as the continuation of a? */
static bool joins(const struct cs_mem_seg *a, const struct cs_mem_seg *b)
{
	return a->start + a->len == b->start && a->data + a->len == b->data && !a->fetch &&
	       !b->fetch && !a->resident && !b->resident && a->is_target == b->is_target;
}

void cs_mem_seal(struct cs_mem *mem, uint64_t *overlaps)
{
	struct cs_mem_seg *segs = mem->segs.items;
	size_t kept = 0;
	cs_addr done = 0; /* everything below is laid out */
	uint64_t cut = 0;

	if (mem->segs.count)
		qsort(segs, mem->segs.count, sizeof(*segs), by_start);
	for (size_t i = 0; i < mem->segs.count; i++) {
		struct cs_mem_seg seg = segs[i];

		if (seg.start < done) {
			uint64_t over = done - seg.start < seg.len ? done - seg.start : seg.len;

			cut += over;
			seg.start += over;
			seg.data += over;
			seg.len -= over;
			if (!seg.len)
				continue;
		}
		done = seg.start + seg.len;
		if (kept && joins(&segs[kept - 1], &seg))
			segs[kept - 1].len += seg.len;
		else
			segs[kept++] = seg;
	}
	mem->segs.count = kept;
	memset(mem->hints, 0, sizeof(mem->hints));
	if (overlaps)
		*overlaps = cut;
}

void cs_mem_deinit(struct cs_mem *mem)
{
	cs_vec_free(&mem->segs);
}

struct cs_mem_seg *cs_mem_find_next(struct cs_mem *mem, cs_addr addr)
{
	size_t lo = 0, hi = mem->segs.count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct cs_mem_seg *seg = &mem->segs.items[mid];

		if (addr >= seg->start && addr - seg->start >= seg->len)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < mem->segs.count ? &mem->segs.items[lo] : NULL;
}

struct cs_mem_seg *cs_mem_find(struct cs_mem *mem, cs_addr addr)
{
	/* last segment that starts at or below addr */
	size_t lo = CS_UPTO(mem->segs.items, mem->segs.count, start, addr);

	if (!lo || addr - mem->segs.items[lo - 1].start >= mem->segs.items[lo - 1].len)
		return NULL;
	mem->hints[(addr >> 16) % CS_MEM_HINTS] = (uint32_t)(lo - 1);
	return &mem->segs.items[lo - 1];
}

cs_status cs_mem_read(struct cs_mem *mem, cs_addr addr, void *buf, size_t len, struct cs_error *err)
{
	unsigned char *to = buf;

	while (len) {
		struct cs_mem_seg *seg = cs_mem_find(mem, addr);

		if (!seg)
			return cs_fail(err, CS_FAULT, addr, "no memory at " CS_ADDR, addr);

		uint64_t off = addr - seg->start;
		size_t part = seg->len - off < len ? (size_t)(seg->len - off) : len;

		if (seg->fetch && !seg->fetch(seg, off, part))
			return cs_fail(err, CS_FAULT, addr, "cannot read memory at " CS_ADDR, addr);
		memcpy(to, seg->data + off, part);
		to += part;
		addr += part;
		len -= part;
	}
	return CS_OK;
}

const unsigned char *cs_mem_borrow(struct cs_mem *mem, cs_addr addr, size_t len, void *scratch)
{
	const unsigned char *view = cs_mem_view(mem, addr, len);

	if (view)
		return view;
	return cs_mem_read(mem, addr, scratch, len, NULL) == CS_OK ? scratch : NULL;
}

uint64_t cs_mem_run(struct cs_mem *mem, cs_addr addr)
{
	struct cs_mem_seg *seg = cs_mem_find(mem, addr);
	cs_addr end = addr;

	if (!seg)
		return 0;
	for (; seg < mem->segs.items + mem->segs.count && seg->start <= end; seg++)
		end = seg->start + seg->len;
	return end - addr;
}

/* Bits set in [from, to) of a page bitmap. */
static uint64_t count_pages(const uint64_t *bits, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	while (from < to && from % 64) {
		n += bits[from / 64] >> (from % 64) & 1;
		from++;
	}
	for (; to - from >= 64; from += 64)
		n += cs_count_bits(bits[from / 64]);
	for (; from < to; from++)
		n += bits[from / 64] >> (from % 64) & 1;
	return n;
}

static uint64_t present_in(const struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	if (!seg->resident)
		return len;

	const uint64_t page = 1u << PAGE_BITS;
	uint64_t first = off >> PAGE_BITS, last = (off + len - 1) >> PAGE_BITS;
	uint64_t n = count_pages(seg->resident, first, last + 1) << PAGE_BITS;

	if (seg->resident[first / 64] >> (first % 64) & 1)
		n -= off % page;
	if (seg->resident[last / 64] >> (last % 64) & 1)
		n -= page - 1 - (off + len - 1) % page;
	return n;
}

uint64_t cs_mem_present(struct cs_mem *mem, cs_addr addr, uint64_t len)
{
	struct cs_mem_seg *seg = cs_mem_find_next(mem, addr);
	uint64_t n = 0;

	for (; seg && seg < mem->segs.items + mem->segs.count && len; seg++) {
		if (seg->start > addr) {
			if (seg->start - addr >= len)
				break;
			len -= seg->start - addr;
			addr = seg->start;
		}

		uint64_t off = addr - seg->start;
		uint64_t part = seg->len - off < len ? seg->len - off : len;

		if (seg->is_target)
			n += present_in(seg, off, part);
		addr += part;
		len -= part;
	}
	return n;
}

/* The run of pages from off on that are resident, or are not; at most `len` bytes. */
static uint64_t resident_run(const struct cs_mem_seg *seg, uint64_t off, uint64_t len, bool is)
{
	uint64_t page = off >> PAGE_BITS, last = (off + len - 1) >> PAGE_BITS, end;

	while (page <= last) {
		uint64_t bits = seg->resident[page / 64] >> page % 64;

		bits = is ? ~bits : bits;
		if (bits && page + (unsigned)__builtin_ctzll(bits) < (page | 63) + 1) {
			page += (unsigned)__builtin_ctzll(bits);
			break;
		}
		page = (page | 63) + 1;
	}
	end = page << PAGE_BITS;
	if (end <= off)
		return 0;
	return end - off < len ? end - off : len;
}

const unsigned char *cs_mem_next(struct cs_mem *mem, struct cs_range range, cs_addr *at,
				 cs_addr *addr, uint64_t *len)
{
	struct cs_mem_seg *seg = cs_mem_find_next(mem, *at);
	cs_addr end = cs_range_end(range);

	while (seg && seg < mem->segs.items + mem->segs.count && seg->start < end && *at < end) {
		cs_addr from = seg->start > *at ? seg->start : *at;
		cs_addr seg_end = seg->start + seg->len, stop = seg_end < end ? seg_end : end;
		uint64_t part = stop - from;

		*at = from;
		if (!seg->is_target || !part) {
			*at = seg_end;
			seg++;
			continue;
		}
		if (seg->resident) {
			uint64_t skip = resident_run(seg, from - seg->start, part, false);

			*at = from += skip;
			if (skip == part) {
				seg += from == seg_end;
				continue;
			}
			part = resident_run(seg, from - seg->start, part - skip, true);
		}
		part = part < CS_MEM_PIECE ? part : CS_MEM_PIECE;

		const unsigned char *p = cs_mem_view(mem, from, part);

		*at = from + part;
		if (!p)
			continue; /* a process that let go of it */
		*addr = from;
		*len = part;
		return p;
	}
	return NULL;
}

const char *cs_mem_text(struct cs_mem *mem, cs_addr addr, size_t max, size_t *len)
{
	struct cs_mem_seg *seg = cs_mem_find(mem, addr);

	if (!seg || max == SIZE_MAX)
		return NULL;

	uint64_t room = seg->len - (addr - seg->start);
	uint64_t page = (1u << PAGE_BITS) - (addr & ((1u << PAGE_BITS) - 1));
	size_t look = room < max + 1 ? (size_t)room : max + 1;
	const unsigned char *p = cs_mem_view(mem, addr, look);

	/* the text may end on the last page that a process lets go of */
	if (!p && look > page) {
		look = (size_t)page;
		p = cs_mem_view(mem, addr, look);
	}

	const unsigned char *nul = p ? memchr(p, 0, look) : NULL;

	if (!nul)
		return NULL;
	*len = (size_t)(nul - p);
	return (const char *)p;
}
