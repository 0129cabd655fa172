/* mmapped chunks. glibc malloc/malloc.c, sysmalloc_mmap(), munmap_chunk(): no list
 * of them exists. Each begins a mapping of its own with a header: prev_size, how far
 * the header is from the mapping's start, and size with only IS_MMAPPED set. To
 * 2.42 the mapping is prev_size + size long; from 2.43 16 bytes longer, and bit 0 of
 * prev_size says MAP_HUGETLB.
 *
 * memalign leaves a header at the start and puts the real one further in; after
 * mremap the first one's size is stale. So the header with the greatest offset that
 * leads back to the start is the one that counts. */
#include "glibc/glibc_mmapped.h"
#include "glibc/glibc_info.h"
#include "glibc/glibc_ranges.h"

#include <inttypes.h>

struct search {
	struct cs_glibc *g;
	bool is_243;
	uint64_t page;
	struct cs_error *err;
};

bool glibc_mapped_header(const unsigned char *p, uint64_t off, bool is_243, uint64_t page,
			 uint64_t room, struct glibc_mapped_chunk *out)
{
	uint64_t lead = cs_le64(p), word = cs_le64(p + 8), len;

	if (is_243)
		lead &= ~1ull;
	if (lead != off || (word & 15) != GLIBC_M || word < GLIBC_CHUNK_MIN)
		return false;
	if (!cs_add(off, word & ~15ull, &len) || (is_243 && !cs_add(len, 16, &len)))
		return false;
	if (len % page || len > room)
		return false;
	out->len = len;
	out->user = off + GLIBC_HEADER;
	out->usable = len - out->user - (is_243 ? 8 : 0);
	out->size = word & ~15ull;
	return true;
}

/* Does a header at the start of the mapping promise one at all? Its size may be
 * stale, its offset not. */
static bool promises(const unsigned char *p, bool is_243)
{
	uint64_t lead = cs_le64(p), word = cs_le64(p + 8);

	return (lead & ~(is_243 ? 1ull : 0)) == 0 && (word & 15) == GLIBC_M && word >= GLIBC_CHUNK_MIN;
}

/* The chunk whose mapping begins at `at`; room bytes are left in its range. */
static bool chunk_at(struct search *s, cs_addr at, uint64_t room, struct glibc_mapped_chunk *out)
{
	const unsigned char *p = cs_mem_view(s->g->mem, at, GLIBC_HEADER);
	bool found = false;

	if (!p || !promises(p, s->is_243))
		return false;
	p = cs_mem_view(s->g->mem, at, s->page);
	if (!p)
		return false;
	for (uint64_t off = 0; off + GLIBC_HEADER <= s->page; off += 16)
		found |= glibc_mapped_header(p + off, off, s->is_243, s->page, room, out);
	for (uint64_t align = 2 * s->page; align && align < room; align *= 2) {
		uint64_t off = cs_align_up(at + GLIBC_HEADER, align) - GLIBC_HEADER - at;

		if (off >= room - GLIBC_HEADER)
			break;
		p = off >= s->page ? cs_mem_view(s->g->mem, at + off, GLIBC_HEADER) : NULL;
		if (p)
			found |= glibc_mapped_header(p, off, s->is_243, s->page, room, out);
	}
	return found;
}

static bool is_cached(const struct cs_glibc *g, cs_addr chunk)
{
	for (size_t i = 0; i < g->mapped_cached.count; i++)
		if (g->mapped_cached.items[i] == chunk)
			return true;
	return false;
}

static cs_status record(struct search *s, cs_addr at, const struct glibc_mapped_chunk *c)
{
	struct cs_glibc *g = s->g;
	bool cached = is_cached(g, at + c->user - GLIBC_HEADER);
	struct cs_big_block big = {
		.start = at,
		.len = c->len,
		.user = at + c->user,
		.usable = c->usable,
		.chunk = { at + c->user - GLIBC_HEADER, c->size },
		.allocator = CS_ALLOC_GLIBC,
		.state = cached ? CS_BLOCK_TCACHE : CS_BLOCK_USED,
	};
	struct glibc_count *sum = cached ? &g->mapped_free : &g->mapped;
	cs_status st = cs_blocks_add_big(&g->model->blocks, big, s->err);

	if (!st)
		st = cs_model_region(g->model, (struct cs_range){ at, c->len }, CS_UNEXPLAINED, s->err);
	sum->count++;
	sum->bytes += c->size;
	g->mapped_overhead += c->len - c->size;
	return st;
}

static cs_status search_range(struct search *s, struct cs_range r)
{
	cs_addr at = cs_align_up(r.start, s->page), end = cs_range_end(r);
	struct glibc_mapped_chunk c;
	cs_status st = CS_OK;

	while (!st && at < end && !glibc_stops(s->g)) {
		if (chunk_at(s, at, end - at, &c)) {
			st = record(s, at, &c);
			at += c.len;
			continue;
		}
		at += s->page;
		if (!cs_mem_find(s->g->mem, at)) {
			struct cs_mem_seg *seg = cs_mem_find_next(s->g->mem, at);

			if (!seg || seg->start >= end)
				break;
			at = cs_align_up(seg->start, s->page);
		}
	}
	return st;
}

/* What mp_ counts and what was found. 2.43 adds 16 bytes too much per mremap. */
static void compare(struct cs_glibc *g)
{
	uint64_t count = g->mapped.count + g->mapped_free.count;
	uint64_t bytes = glibc_mapped_bytes(g), n = 0, sum = 0;
	bool known = false, drifts = false;

	for (size_t i = 0; i < g->libcs.count; i++) {
		n += g->libcs.items[i].n_mmaps;
		sum += g->libcs.items[i].mmapped_mem;
		known |= g->libcs.items[i].mp != 0;
		drifts |= glibc_is_243(g->libcs.items[i].layout);
	}
	if (!known)
		return;
	if (count == n && (sum == bytes || (drifts && sum > bytes && (sum - bytes) % 16 == 0)))
		cs_model_finding(g->model, "mmapped blocks", "headers",
				 sum == bytes ? "mp_ says the same" :
				 "mp_ says the same count; 2.43 adds 16 bytes to its sum per mremap",
				 "%" PRIu64 " blocks, %" PRIu64 " bytes", count, bytes);
	else
		cs_model_anomaly(g->model, "malloc.mmapped", 0,
				 "%" PRIu64 " mmapped blocks of %" PRIu64 " bytes were located, mp_ counts %"
				 PRIu64 " of %" PRIu64 " bytes", count, bytes, n, sum);
}

cs_status cs_glibc_mapped(struct cs_glibc *g, struct cs_error *err)
{
	struct search s = { .g = g, .page = g->image->page_size, .err = err };
	struct glibc_ranges ranges = { 0 };
	cs_status st = glibc_ranges_list(g, &ranges, err);

	for (size_t i = 0; i < g->libcs.count; i++)
		s.is_243 |= glibc_is_243(g->libcs.items[i].layout);
	for (size_t i = 0; !st && i < ranges.count; i++)
		st = search_range(&s, ranges.items[i]);
	cs_vec_free(&ranges);
	st = cs_pulse_result(g->model->pulse, st, err);
	if (st)
		return st;
	compare(g);
	return glibc_report(g, err);
}
