/* mallinfo2() and malloc_info() of glibc, malloc/malloc.c:
 *  arena = sum of system_mem; fordblks = top + bins + fastbins; uordblks = the
 *  rest; ordblks = 1 + chunks in bins per arena; tcache'd chunks count as used.
 *  malloc_info adds bin chunks with their flag bits, and top from 2.31 on. */
#include "glibc/glibc_info.h"

#include <inttypes.h>

enum { ABORT_HEAD = 4, ABORT_MOST = 1024, TOP_IN_INFO_FROM = 31 };

void glibc_tell_abort(struct cs_glibc *g)
{
	static const char *const words[] = { "free()", "malloc()", "realloc()", "munmap_chunk()",
					     "corrupt", "double free", "malloc_consolidate()" };

	for (size_t i = 0; i < g->libcs.count; i++) {
		uint32_t nr = g->libcs.items[i].module;
		cs_addr addr, text;
		size_t len;
		const char *s;

		if (nr == CS_NO_MODULE || cs_module_symbol(&g->image->modules.items[nr], g->image,
							   "__abort_msg", &addr, NULL))
			continue;
		if (!cs_mem_u64(g->mem, addr, &text) || !text)
			continue;
		s = cs_mem_text(g->mem, text + ABORT_HEAD, ABORT_MOST, &len);
		if (!s)
			continue;
		while (len && s[len - 1] == '\n')
			len--;
		if (!len)
			continue;
		cs_model_finding(g->model, "abort message", "__abort_msg", "libc wrote it before abort()",
				 "%.*s", (int)len, s);
		for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
			if (memmem(s, len, words[k], strlen(words[k]))) {
				cs_model_anomaly(g->model, "malloc.abort", text + ABORT_HEAD,
						 "the process ended itself: %.*s", (int)len, s);
				break;
			}
	}
}

/* Does malloc_info() leave top out? Where no version text is at hand, the
 * structures tell all but 2.30 from the rest. */
static bool is_old_info(const struct cs_glibc *g, const struct glibc_libc *libc)
{
	if (libc->minor)
		return libc->minor < TOP_IN_INFO_FROM;
	for (size_t i = 0; i < g->tcaches.count; i++)
		if (&g->libcs.items[g->tcaches.items[i].libc] == libc &&
		    g->tcaches.items[i].layout->count_size == 1)
			return true;
	return libc->layout->fastbins == 8;
}

static void add_mallinfo(struct cs_glibc *g, const struct glibc_libc *libc,
			 const struct glibc_arena *a)
{
	struct cs_mallinfo *m = &g->model->mallinfo;
	bool has_top = a->system_mem != 0;
	uint64_t top = has_top ? a->top_size : 0;
	uint64_t free_bytes = top + a->bin.bytes + a->fast.bytes;
	bool old_info = is_old_info(g, libc);

	m->arena += a->system_mem;
	m->ordblks += 1 + a->bin.count;
	m->smblks += a->fast.count;
	m->fsmblks += a->fast.bytes;
	m->fordblks += free_bytes;
	m->uordblks += a->system_mem - free_bytes;
	m->tcache_count += a->tcache.count;
	m->tcache_bytes += a->tcache.bytes;
	m->system_max += a->max_system_mem;
	m->aspace += a->heap_bytes;
	m->aspace_mprotect += a->heap_mprotect;
	m->rest_count += a->bin.count + (old_info ? 0 : 1);
	m->rest_size += a->bin_words + (old_info ? 0 : top);
	m->fast_size += a->fast.bytes;
	if (a->is_main)
		m->keepcost = top;
}

static cs_status add_row(struct cs_glibc *g, const struct glibc_arena *a, struct cs_error *err)
{
	struct cs_arena_row row = {
		.allocator = CS_ALLOC_GLIBC,
		.addr = a->addr,
		.system = a->system_mem,
		.used = a->used.bytes - a->fast.bytes - a->tcache.bytes,
		.free = a->fast.bytes + a->tcache.bytes + a->pending.bytes,
		.top = a->top_tile.bytes,
		.heaps = a->heaps,
		.threads = a->attached,
	};
	uint64_t known = row.used + row.free + row.top;

	row.name = a->is_main ? a->libc ? cs_arena_printf(&g->model->strings, "main (libc %u)", a->libc) :
					  "main" :
				cs_arena_printf(&g->model->strings, CS_ADDR, a->addr);
	/* a corrupt system_mem must not make the row contradict itself */
	row.system = known > row.system ? known : row.system;
	row.overhead = row.system - known;
	if (!row.name || !cs_vec_push(&g->model->arenas, row))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the arena rows");
	return CS_OK;
}

static cs_status add_mapped_row(struct cs_glibc *g, struct cs_error *err)
{
	struct cs_arena_row row = {
		.name = "mmapped",
		.allocator = CS_ALLOC_GLIBC,
		.system = glibc_mapped_bytes(g),
		.used = g->mapped.bytes,
		.free = g->mapped_free.bytes,
		.overhead = g->mapped_overhead,
		.heaps = g->mapped.count + g->mapped_free.count,
	};

	if (row.heaps && !cs_vec_push(&g->model->arenas, row))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the arena rows");
	return CS_OK;
}

/* Everything an arena took from the system must be found again in its pieces. */
static void tell_closing(struct cs_glibc *g)
{
	uint64_t system = 0, tiled = 0, lost = 0, foreign = 0;
	unsigned busy = 0;

	for (size_t i = 0; i < g->arenas.count; i++) {
		const struct glibc_arena *a = &g->arenas.items[i];

		system += a->system_mem;
		tiled += a->used.bytes + a->pending.bytes + a->top_tile.bytes + a->overhead.bytes;
		lost += a->lost.bytes;
		foreign += a->foreign.bytes;
		busy += a->mutex != 0;
	}
	if (busy)
		cs_model_finding(g->model, "busy arenas", "malloc_state.mutex", NULL,
				 "%u arenas were being changed; their lists may be one chunk off", busy);
	if (foreign)
		cs_model_finding(g->model, "foreign sbrk", "fenceposts",
				 "chunks go on behind them", "%" PRIu64 " bytes", foreign);
	if (system == tiled)
		cs_model_finding(g->model, "malloc accounting", "chunk walk",
				 "used + free + top + overhead = system_mem", "closes: %" PRIu64 " bytes",
				 system);
	else
		cs_model_finding(g->model, "malloc accounting", "chunk walk", NULL,
				 "%" PRIu64 " bytes of %" PRIu64 " accounted for, %" PRIu64
				 " lost to contradictions", tiled, system, lost);
}

cs_status glibc_report(struct cs_glibc *g, struct cs_error *err)
{
	struct cs_mallinfo *m = &g->model->mallinfo;
	uint32_t first_row = (uint32_t)g->model->arenas.count;
	cs_status st = CS_OK;

	for (size_t i = 0; i < g->pieces.count; i++) {
		const struct glibc_piece *piece = &g->pieces.items[i];

		g->model->blocks.spans.items[piece->span].arena = first_row + piece->arena + 1;
	}
	for (size_t i = 0; !st && i < g->arenas.count; i++) {
		const struct glibc_arena *a = &g->arenas.items[i];

		if (a->libc == 0)
			add_mallinfo(g, &g->libcs.items[0], a);
		st = add_row(g, a, err);
	}
	if (!st)
		st = add_mapped_row(g, err);
	m->hblks = g->libcs.items[0].n_mmaps;
	m->hblkhd = g->libcs.items[0].mmapped_mem;
	if (!g->libcs.items[0].mp) {
		m->hblks = g->mapped.count + g->mapped_free.count;
		m->hblkhd = glibc_mapped_bytes(g);
	}
	tell_closing(g);
	return st;
}
