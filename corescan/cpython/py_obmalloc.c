/* CPython Objects/obmalloc.c: arenas of pools of 4 KiB (3.8, 3.9) or 16 KiB (3.10+), each
 * carved into blocks of one size. A pool's header says how many blocks are in use and
 * where its list of free blocks begins; each free block's first word links to the next.
 */
#include "cpython/py_obmalloc.h"
#include "cpython/py_arenas.h"

#include <stdio.h>

enum {
	BLOCK_ALIGN = 16,
	SMALL_MAX = 512,
	POOL_ROUNDS = 8, /* of the pulse: what walking a pool takes */
};

struct pool_header {
	uint32_t count, arenaindex, szidx, nextoffset, maxnextoffset;
	cs_addr freeblock;
	uint32_t size, carved;
};

static void header_load(const struct py_layout *l, const unsigned char *p, struct pool_header *h)
{
	h->count = cs_le32(p + l->off[PY_POOL_COUNT]);
	h->freeblock = cs_le64(p + l->off[PY_POOL_FREEBLOCK]);
	h->arenaindex = cs_le32(p + l->off[PY_POOL_ARENAINDEX]);
	h->szidx = cs_le32(p + l->off[PY_POOL_SZIDX]);
	h->nextoffset = cs_le32(p + l->off[PY_POOL_NEXTOFFSET]);
	h->maxnextoffset = cs_le32(p + l->off[PY_POOL_MAXNEXTOFFSET]);
}

/* Why this cannot be a pool in use, or NULL; fills size and carved. */
static const char *header_problem(const struct py *py, const struct py_arena *a,
				  struct pool_header *h)
{
	uint32_t head = (uint32_t)py->layout.off[PY_POOL_HEADER_SIZE];

	if (h->maxnextoffset >= py->pool_size)
		return "maxnextoffset lies outside the pool";
	h->size = py->pool_size - h->maxnextoffset;
	if (h->size != (h->szidx + 1) * BLOCK_ALIGN || h->size > SMALL_MAX)
		return "size class and maxnextoffset contradict each other";
	if (h->arenaindex != a->index)
		return "arena index is not this arena's";
	if (h->nextoffset < head || (h->nextoffset - head) % h->size ||
	    h->nextoffset > h->maxnextoffset + h->size)
		return "nextoffset is not a block";
	h->carved = h->nextoffset > h->maxnextoffset ? (py->pool_size - head) / h->size :
						       (h->nextoffset - head) / h->size;
	if (h->count > h->carved)
		return "more blocks in use than carved";
	return NULL;
}

/* Follow the free list inside the pool; a block twice, or a link that leaves
 * the pool, ends it. Returns how many blocks it freed. */
static uint32_t mark_free(const struct py *py, struct cs_span *span, cs_addr pool,
			  const unsigned char *p, const struct pool_header *h, bool *broken)
{
	uint32_t head = (uint32_t)py->layout.off[PY_POOL_HEADER_SIZE], n = 0;
	uint64_t base = (pool - span->start) / 16;
	cs_addr at = h->freeblock;

	*broken = false;
	for (; at; n++) {
		uint64_t off = at - pool;

		if (off < head || off >= h->nextoffset || (off - head) % h->size ||
		    cs_tile_get(span->tiles, base + off / 16) != CS_BLOCK_USED) {
			*broken = true;
			break;
		}
		cs_tile_set(span->tiles, base + off / 16, CS_BLOCK_FREE);
		at = cs_le64(p + off);
	}
	return n;
}

static void tile_pool(const struct py *py, struct cs_span *span, cs_addr pool,
		      const struct pool_header *h)
{
	uint64_t base = (pool - span->start) / 16;
	uint64_t head = py_off(&py->layout, PY_POOL_HEADER_SIZE) / 16;
	uint64_t all = (py->pool_size / 16 - head) / (h->size / 16), step = h->size / 16;
	uint64_t g = base + head;

	cs_tile_set(span->tiles, base, CS_BLOCK_OVERHEAD);
	for (uint64_t i = 0; i < h->carved; i++, g += step)
		cs_tile_set(span->tiles, g, CS_BLOCK_USED);
	for (uint64_t i = h->carved; i < all; i++, g += step)
		cs_tile_set(span->tiles, g, CS_BLOCK_FREE);
	if (g < base + py->pool_size / 16)
		cs_tile_set(span->tiles, g, CS_BLOCK_OVERHEAD); /* tail too short for a block */
}

/* Bytes of one arena by use, for --arenas. */
struct arena_sums {
	uint64_t used, free, uncarved, overhead;
};

static bool walk_pool(struct py *py, struct cs_span *span, const struct py_arena *a, cs_addr pool,
		      struct arena_sums *sums)
{
	unsigned char scratch[16384];
	const unsigned char *p = cs_mem_borrow(py->mem, pool, py->pool_size, scratch);
	struct pool_header h;
	bool broken;

	if (!p) {
		cs_span_mark(span, pool, CS_BLOCK_LOST);
		return true;
	}
	header_load(&py->layout, p, &h);
	if (!h.count) {
		cs_span_mark(span, pool, CS_BLOCK_UNCARVED);
		sums->free += py->pool_size;
		return true;
	}

	const char *why = header_problem(py, a, &h);

	if (why) {
		cs_model_anomaly(py->model, "python.pool", pool, "pool at " CS_ADDR ": %s", pool, why);
		cs_span_mark(span, pool, CS_BLOCK_LOST);
		return true;
	}
	tile_pool(py, span, pool, &h);

	uint32_t used = h.carved - mark_free(py, span, pool, p, &h, &broken);
	uint64_t all = (py->pool_size - py_off(&py->layout, PY_POOL_HEADER_SIZE)) / h.size;

	/* One off: the process stopped between taking a block and counting it. */
	if (broken || used > h.count + 1 || h.count > used + 1)
		cs_model_anomaly(py->model, "python.pool", pool,
				 "pool at " CS_ADDR ": %s (%u blocks in use by its header, "
				 "%u by its free list)",
				 pool, broken ? "free list is broken" : "free list has the wrong length",
				 h.count, used);
	sums->used += (uint64_t)used * h.size;
	sums->free += (all - used) * h.size;
	sums->overhead += py->pool_size - all * h.size;
	return cs_vec_push(&py->pools,
			   (struct py_pool){ pool, (uint16_t)h.size, (uint16_t)h.carved, 0 });
}

static bool walk_arena(struct py *py, struct cs_span *span, const struct py_arena *a)
{
	cs_addr base = cs_align_up(a->address, py->pool_size), end = a->address + a->len;
	struct arena_sums sums = { 0 };
	cs_addr pool = base;

	cs_span_mark(span, a->address, CS_BLOCK_OVERHEAD); /* alignment; over-marked when none */
	for (uint32_t i = 0; i < a->pools && end - pool >= py->pool_size; i++) {
		if (pool >= a->pool_address) {
			cs_span_mark(span, pool, CS_BLOCK_UNCARVED);
			sums.uncarved = (uint64_t)(a->pools - i) * py->pool_size;
			pool += sums.uncarved;
			break;
		}
		if (!walk_pool(py, span, a, pool, &sums))
			return false;
		if (cs_pulse_spent(py->model->pulse, POOL_ROUNDS))
			break; /* told to whoever asks next */
		pool += py->pool_size;
	}
	if (pool < end)
		cs_span_mark(span, pool, CS_BLOCK_OVERHEAD);
	sums.overhead += (base - a->address) + (pool < end ? end - pool : 0);

	struct cs_arena_row row = {
		.name = cs_arena_printf(&py->model->strings, CS_ADDR, a->address),
		.allocator = CS_ALLOC_PYMALLOC,
		.addr = a->address,
		.system = a->len,
		.used = sums.used,
		.free = a->len - sums.used - sums.uncarved - sums.overhead,
		.top = sums.uncarved,
		.overhead = sums.overhead,
		.heaps = 1,
	};

	return row.name && cs_vec_push(&py->model->arenas, row);
}

/* A span over as many arenas as follow each other without a gap. */
static size_t run_of(const struct py_arena *a, size_t count)
{
	size_t n = 1;

	while (n < count && a[n].address == a[n - 1].address + a[n - 1].len)
		n++;
	return n;
}

static cs_status walk_all(struct py *py, const struct py_arenas *arenas, struct cs_error *err)
{
	struct cs_model *model = py->model;
	struct cs_pulse *pulse = model->pulse;
	const struct py_arena *a = arenas->items.items;
	cs_status st;

	for (size_t i = 0, n; i < arenas->items.count; i += n) {
		uint32_t nr;

		n = run_of(a + i, arenas->items.count - i);

		struct cs_range range = { a[i].address,
					  a[i + n - 1].address + a[i + n - 1].len - a[i].address };

		st = cs_blocks_add_span(&model->blocks, range, CS_ALLOC_PYMALLOC, CS_BLOCK_LOST, &nr, err);
		if (!st)
			st = cs_model_region(model, range, CS_UNEXPLAINED, err);
		if (st)
			return st;
		for (size_t k = i; k < i + n && !py_stops(py); k++) {
			cs_pulse_at(pulse, k, arenas->items.count);
			if (!walk_arena(py, &model->blocks.spans.items[nr], &a[k]))
				return cs_fail(err, CS_NOMEM, 0, "no memory for the pools");
		}
	}
	return cs_pulse_result(pulse, CS_OK, err);
}

/* "32:14 48:9": how many pools hold blocks of each size. */
static void say_pools(struct py *py)
{
	uint32_t count[SMALL_MAX / BLOCK_ALIGN + 1] = { 0 };
	char text[480];
	size_t at = 0;

	for (size_t i = 0; i < py->pools.count; i++)
		count[py->pools.items[i].size / BLOCK_ALIGN]++;
	text[0] = 0;
	for (unsigned i = 1; i <= SMALL_MAX / BLOCK_ALIGN; i++)
		if (count[i] && at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u:%u", at ? " " : "",
					       i * BLOCK_ALIGN, count[i]);
	if (py->pools.count)
		cs_model_finding(py->model, "pymalloc pools by block size", "pool headers",
				 "free lists agree with the headers' counts", "%s", text);
}

struct cs_span *py_pool_span(struct py *py, const struct py_pool *pool)
{
	struct cs_span *span = cs_blocks_span(&py->model->blocks, pool->addr);

	if (!span || span->allocator != CS_ALLOC_PYMALLOC ||
	    !cs_range_has((struct cs_range){ span->start, span->len }, pool->addr, py->pool_size))
		return NULL;
	return span;
}

cs_status py_obmalloc_walk(struct py *py, struct cs_error *err)
{
	struct py_arenas arenas;
	cs_status st;

	py->pool_size = py_minor(&py->layout) >= 10 ? 16384 : 4096;
	py_arenas_find(py, &arenas);
	st = walk_all(py, &arenas, err);
	if (arenas.absent)
		cs_model_anomaly(py->model, "python.arena", py->arenas_array,
				 "%" PRIu64 " arenas are not in the memory there is",
				 arenas.absent);
	cs_model_finding(py->model, "pymalloc arenas", arenas.found_by,
			 arenas.items.count ? "every record and pool header is consistent" : NULL,
			 "%zu", arenas.items.count);
	say_pools(py);
	cs_vec_free(&arenas.items);
	return st;
}
