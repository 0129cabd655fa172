/* glibc 2.17 to 2.43, malloc/malloc.c: size word 8 bytes into the chunk, low
 * bits P (previous in use), M (mmapped), A (not main arena). The brk heap
 * begins with a chunk whose P is set; the top chunk ends with the mapping. */
#include "glibc/glibc_rootless.h"

enum { MINSIZE = 32, ALIGN = 16, FLAGS = 7, PREV_INUSE = 1, ODD_FLAGS = 6, CHUNKS_FEWEST = 64 };

struct chain {
	uint64_t end;	  /* offset where the next chunk would begin */
	uint64_t chunks;
	bool is_whole;	  /* ended exactly with the memory, or was cut by its end */
};

/* Follow chunks from the first byte of a run of memory. */
static struct chain follow(struct cs_pulse *pulse, const unsigned char *p, uint64_t len,
			   uint64_t mapped)
{
	struct chain c = { 0, 0, false };

	while (len - c.end >= MINSIZE && !cs_pulse_stops(pulse)) {
		uint64_t word = cs_le64(p + c.end + 8), size = word & ~(uint64_t)FLAGS;

		if (word & ODD_FLAGS || size < MINSIZE || size % ALIGN || size > mapped - c.end)
			return c;
		if (!c.chunks && !(word & PREV_INUSE))
			return c;
		c.chunks++;
		if (size > len - c.end) {
			c.end = len;
			break;
		}
		c.end += size;
	}
	c.is_whole = true;
	return c;
}

static void tile(struct cs_model *model, uint32_t nr, const unsigned char *p, uint64_t len,
		 bool has_top)
{
	struct cs_span *span = &model->blocks.spans.items[nr];
	uint64_t off = 0;

	while (len - off >= MINSIZE && !cs_pulse_stops(model->pulse)) {
		uint64_t size = cs_le64(p + off + 8) & ~(uint64_t)FLAGS;
		bool fits = size <= len - off, last = !fits || len - off - size < MINSIZE;
		enum cs_block_state state = CS_BLOCK_USED;

		if (!last && !(cs_le64(p + off + size + 8) & PREV_INUSE))
			state = CS_BLOCK_FREE;
		else if (last)
			state = has_top && fits ? CS_BLOCK_UNCARVED : CS_BLOCK_LOST;
		cs_span_mark(span, span->start + off, state);
		if (last)
			return;
		off += size;
	}
}

static cs_status add_heap(struct cs_model *model, struct cs_range run, const unsigned char *p,
			  bool has_top, struct cs_error *err)
{
	cs_status st = cs_model_region(model, run, CS_UNEXPLAINED, err);
	uint32_t nr;

	run.len -= run.len % ALIGN;
	if (!st)
		st = cs_blocks_add_span(&model->blocks, run, CS_ALLOC_GLIBC, CS_BLOCK_LOST, &nr, err);
	if (!st)
		tile(model, nr, p, run.len, has_top);
	return st;
}

cs_status cs_glibc_rootless(struct cs_image *image, struct cs_model *model, struct cs_error *err)
{
	cs_status st = CS_OK;
	uint64_t found = 0;

	for (size_t i = 0; !st && i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];
		uint64_t run = cs_mem_run(image->mem, m->range.start);
		uint64_t len = run < m->range.len ? run : m->range.len;
		const unsigned char *p;
		struct chain c;

		if ((m->kind != CS_MAPPING_ANON && m->kind != CS_MAPPING_HEAP) ||
		    !(m->prot & CS_PROT_W) || m->module != CS_NO_MODULE || len < MINSIZE)
			continue;
		p = cs_mem_view(image->mem, m->range.start, len);
		if (!p)
			continue;
		c = follow(model->pulse, p, len, m->range.len);
		if (!c.is_whole || c.chunks < CHUNKS_FEWEST)
			continue;
		found += c.chunks;
		st = add_heap(model, (struct cs_range){ m->range.start, len }, p, len == m->range.len, err);
	}
	if (!st && !found)
		st = CS_NOTFOUND;
	st = cs_pulse_result(model->pulse, st, err);
	if (st)
		return st;
	cs_model_finding(model, "malloc heap without its arena", "chunk headers",
			 "the chain of chunks reaches the end of the mapping",
			 "%" PRIu64 " chunks; what waits in tcaches and fastbins counts as in use", found);
	return CS_OK;
}
