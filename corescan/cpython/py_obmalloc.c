/* CPython Objects/obmalloc.c: arenas of 64 pools (128 with huge pages), pools
 * of 4 KiB (3.8, 3.9) or 16 KiB (3.10+), each carved into blocks of one size.
 * A pool's header says how many blocks are in use and where its list of free
 * blocks begins; each free block's first word links to the next.
 *
 * Where the array of arenas hangs: static `arenas` up to 3.11,
 * interp->obmalloc.mgmt.arenas in 3.12, *(interp->obmalloc) from 3.13.
 * Interpreters may share a state: they are told apart by the array's address.
 */
#include "cpython/py_obmalloc.h"
#include "cpython/py_family.h"

#include <stdio.h>

enum {
	BLOCK_ALIGN = 16,
	SMALL_MAX = 512,
	POOLS_PER_ARENA = 64,
	ARENAS_MAX = 1 << 24,
	PAGE = 4096,
	WRITABLE_MAX = 16,
	FIRST_ARENAS = 16, /* the array starts with 16 slots and doubles */
	POOL_ROUNDS = 8,   /* of the pulse: what walking a pool takes */
	WINDOW = 1 << 16,  /* bytes of a module looked at at once */
};

struct arena {
	cs_addr address, pool_address;
	uint64_t len;
	uint32_t pools, index;
	cs_addr array;
};

struct walk {
	struct py *py;
	CS_VEC(struct arena) arenas;
	cs_addr seen[PY_INTERPS_MAX]; /* arrays walked already */
	size_t seen_count;
	uint64_t absent; /* arenas of which nothing is in memory */
};

static bool power_of_two_times_16(uint64_t n)
{
	return n >= FIRST_ARENAS && n <= ARENAS_MAX && n % FIRST_ARENAS == 0 &&
	       !(n / FIRST_ARENAS & (n / FIRST_ARENAS - 1));
}

/* An arena record: 1 a live one, 0 an unused slot, -1 impossible. */
static int record_kind(struct py *py, const unsigned char *r)
{
	const struct py_layout *l = &py->layout;
	cs_addr address = cs_le64(r + l->off[PY_ARENA_ADDRESS]);
	cs_addr pool = cs_le64(r + l->off[PY_ARENA_POOL_ADDRESS]);
	uint32_t total = cs_le32(r + l->off[PY_ARENA_NTOTALPOOLS]);
	uint32_t nfree = cs_le32(r + l->off[PY_ARENA_NFREEPOOLS]);

	if (!address)
		return 0;
	uint32_t cut = address % py->pool_size != 0; /* a pool is lost to alignment */

	if (address % PAGE || nfree > total || pool < address ||
	    (total != POOLS_PER_ARENA - cut && total != 2 * POOLS_PER_ARENA - cut))
		return -1;
	if (pool - address > (uint64_t)2 * POOLS_PER_ARENA * py->pool_size)
		return -1;
	return 1;
}

/* How many live arenas the array holds; -1 when it is no such array. The first
 * record decides nothing: slots are reused in any order. */
static int64_t array_quality(struct py *py, cs_addr array, uint64_t max)
{
	uint64_t size = py_off(&py->layout, PY_ARENA_SIZE), live = 0;

	if (array % 8 || !py_has_bytes(py, array, max * size))
		return -1;
	for (uint64_t i = 0; i < max; i++) {
		/* one by one: the first that is none ends it, and most are none */
		const unsigned char *r = cs_mem_view(py->mem, array + i * size, size);
		int kind = r && py_step(py) ? record_kind(py, r) : -1;

		if (kind < 0)
			return -1;
		live += (uint64_t)kind;
	}
	return (int64_t)live;
}

/* The array was malloc'ed for a power of two of slots: its block says how many. */
static uint64_t slots_of_block(struct py *py, cs_addr array)
{
	struct cs_block block;
	uint64_t slots = FIRST_ARENAS;

	if (!py_block_at(py, array, &block) || block.state != CS_BLOCK_USED)
		return 0;

	uint64_t room = block.len / py_off(&py->layout, PY_ARENA_SIZE);

	if (room < slots || room > ARENAS_MAX)
		return 0;
	while (slots * 2 <= room)
		slots *= 2;
	return slots;
}

/* When malloc could not be walked: as many slots as make sense as records. */
static uint64_t slots_of_shape(struct py *py, cs_addr array)
{
	uint64_t slots = FIRST_ARENAS;

	if (array_quality(py, array, slots) <= 0)
		return 0;
	while (slots < ARENAS_MAX && array_quality(py, array, slots * 2) > 0)
		slots *= 2;
	return slots;
}

static bool plausible_array(struct py *py, cs_addr array, uint64_t max)
{
	return power_of_two_times_16(max) && array_quality(py, array, max) > 0;
}

/* --- finding the array --- */

static bool array_by_symbol(struct py *py, cs_addr *array, uint64_t *max)
{
	cs_addr a, m;
	uint32_t n;

	if (cs_module_symbol(py->module, py->image, "arenas", &a, NULL) ||
	    cs_module_symbol(py->module, py->image, "maxarenas", &m, NULL))
		return false;
	*array = py_word(py, a);
	if (!cs_mem_u32(py->mem, m, &n))
		return false;
	*max = n;
	return plausible_array(py, *array, *max);
}

struct best_array {
	cs_addr array;
	uint64_t max;
	int64_t live;
	cs_addr before; /* the word in front of the one that is looked at */
};

static void try_word(struct py *py, cs_addr at, struct best_array *best)
{
	/* maxarenas is the u32 in front in every build seen; else the array's own
	 * block tells */
	uint64_t slots = (uint32_t)best->before;
	int64_t live;

	if (!power_of_two_times_16(slots) || array_quality(py, at, slots) <= 0)
		slots = py->model->target.libc.found ? slots_of_block(py, at) :
						       slots_of_shape(py, at);
	live = slots ? array_quality(py, at, slots) : -1;
	if (live > best->live)
		*best = (struct best_array){ at, slots, live, 0 };
}

static void try_words(struct py *py, cs_addr start, uint64_t len, struct best_array *best)
{
	const unsigned char *p = cs_mem_view(py->mem, start, len);

	for (uint64_t off = 0; p && off + 8 <= len; off += 8) {
		cs_addr at = cs_le64(p + off);

		if (at && at % 16 == 0)
			try_word(py, at, best);
		best->before = at;
	}
}

/* Up to 3.11 without symbols: the word of .data or .bss that points at an
 * array of arena records. The best one has the most live arenas. */
static bool array_by_structure(struct py *py, cs_addr *array, uint64_t *max)
{
	struct cs_range ranges[WRITABLE_MAX];
	size_t n = cs_module_writable(py->module, py->image, ranges, WRITABLE_MAX);
	struct best_array best = { 0, 0, 0, 0 };

	for (size_t k = 0; k < n; k++) {
		uint64_t run = cs_mem_run(py->mem, ranges[k].start);
		uint64_t len = run < ranges[k].len ? run : ranges[k].len;

		best.before = 0;
		for (uint64_t off = 0; off < len && !cs_pulse_look(py->model->pulse); off += WINDOW) {
			uint64_t part = WINDOW < len - off ? WINDOW : len - off;

			try_words(py, ranges[k].start + off, part, &best);
		}
	}
	*array = best.array;
	*max = best.max;
	return best.live > 0;
}

static bool array_of_state(struct py *py, cs_addr state, cs_addr *array, uint64_t *max)
{
	const struct py_layout *l = &py->layout;
	uint32_t n;

	*array = py_word(py, state + py_off(l, PY_OBMALLOC_ARENAS));
	if (!cs_mem_u32(py->mem, state + py_off(l, PY_OBMALLOC_MAXARENAS), &n))
		return false;
	*max = n;
	return plausible_array(py, *array, *max);
}

static bool state_is_pointer(const struct py *py)
{
	return py_minor(&py->layout) >= 13;
}

/* 3.12+: at the known place in the interpreter; when that contradicts (a
 * build that shifted its members), wherever in it such a state hangs. */
static bool array_of_interp(struct py *py, cs_addr interp, cs_addr *array, uint64_t *max)
{
	struct py_layout *l = &py->layout;
	cs_addr at = interp + py_off(l, PY_IS_OBMALLOC);
	uint64_t size = py_off(l, PY_IS_SIZE);

	if (array_of_state(py, state_is_pointer(py) ? py_word(py, at) : at, array, max))
		return true;
	for (uint64_t off = 0; off + 8 <= size && !py_stops(py); off += 8) {
		cs_addr state = interp + off;

		if (state_is_pointer(py))
			state = py_word(py, state);
		if (state && array_of_state(py, state, array, max)) {
			/* what follows it has moved as far (3.14.0-3.14.4: 24 bytes) */
			if (py_has(l, PY_IS_FREELISTS)) {
				l->off[PY_IS_FREELISTS] += (int32_t)off - l->off[PY_IS_OBMALLOC];
				l->source[PY_IS_FREELISTS] = PY_CALIBRATED;
			}
			l->off[PY_IS_OBMALLOC] = (int32_t)off;
			l->source[PY_IS_OBMALLOC] = PY_CALIBRATED;
			return true;
		}
	}
	return false;
}

/* --- walking --- */

static bool add_arenas(struct walk *w, cs_addr array, uint64_t max)
{
	struct py *py = w->py;
	const struct py_layout *l = &py->layout;
	uint64_t size = py_off(l, PY_ARENA_SIZE);
	const unsigned char *p = cs_mem_view(py->mem, array, max * size);

	for (size_t i = 0; i < w->seen_count; i++)
		if (w->seen[i] == array)
			return true;
	if (w->seen_count < PY_INTERPS_MAX)
		w->seen[w->seen_count++] = array;
	if (!py->arenas_array)
		py->arenas_array = array;
	for (uint64_t i = 0; p && i < max && !py_stops(py); i++) {
		const unsigned char *r = p + i * size;

		if (record_kind(py, r) != 1)
			continue;

		uint32_t total = cs_le32(r + l->off[PY_ARENA_NTOTALPOOLS]);
		uint64_t pools = total > POOLS_PER_ARENA ? 2 * POOLS_PER_ARENA : POOLS_PER_ARENA;
		struct arena a = {
			.address = cs_le64(r + l->off[PY_ARENA_ADDRESS]),
			.pool_address = cs_le64(r + l->off[PY_ARENA_POOL_ADDRESS]),
			.len = pools * py->pool_size,
			.pools = total,
			.index = (uint32_t)i,
			.array = array,
		};

		/* A forged record costs 48 bytes of the target; walking it would
		 * cost us 32 KiB. A real arena has its first pool's page. */
		if (!cs_mem_present(py->mem, a.address, a.len)) {
			w->absent++;
			continue;
		}
		if (w->arenas.count >= py->mem->present / PAGE || !cs_vec_push(&w->arenas, a))
			return false;
	}
	return true;
}

static int arena_order(const void *a, const void *b)
{
	const struct arena *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

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
static const char *header_problem(const struct py *py, const struct arena *a, struct pool_header *h)
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

static bool walk_pool(struct walk *w, struct cs_span *span, const struct arena *a, cs_addr pool,
		      struct arena_sums *sums)
{
	struct py *py = w->py;
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

static bool walk_arena(struct walk *w, struct cs_span *span, const struct arena *a)
{
	struct py *py = w->py;
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
		if (!walk_pool(w, span, a, pool, &sums))
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
static size_t run_of(const struct arena *a, size_t count)
{
	size_t n = 1;

	while (n < count && a[n].address == a[n - 1].address + a[n - 1].len)
		n++;
	return n;
}

static cs_status walk_all(struct walk *w, struct cs_error *err)
{
	struct cs_model *model = w->py->model;
	struct cs_pulse *pulse = model->pulse;
	struct arena *a = w->arenas.items;
	cs_status st;

	for (size_t i = 0, n; i < w->arenas.count; i += n) {
		uint32_t nr;

		n = run_of(a + i, w->arenas.count - i);

		struct cs_range range = { a[i].address,
					  a[i + n - 1].address + a[i + n - 1].len - a[i].address };

		st = cs_blocks_add_span(&model->blocks, range, CS_ALLOC_PYMALLOC, CS_BLOCK_LOST, &nr, err);
		if (!st)
			st = cs_model_region(model, range, CS_UNEXPLAINED, true, err);
		if (st)
			return st;
		for (size_t k = i; k < i + n && !py_stops(w->py); k++) {
			cs_pulse_at(pulse, k, w->arenas.count);
			if (!walk_arena(w, &model->blocks.spans.items[nr], &a[k]))
				return cs_fail(err, CS_NOMEM, 0, "no memory for the pools");
		}
	}
	return cs_pulse_result(pulse, CS_OK, err);
}

/* Arenas that overlap are a forgery or garbage: the lower one stays. */
static void drop_overlaps(struct walk *w)
{
	struct arena *a = w->arenas.items;
	size_t kept = 0;
	cs_addr done = 0;

	if (w->arenas.count)
		qsort(a, w->arenas.count, sizeof(*a), arena_order);
	for (size_t i = 0; i < w->arenas.count; i++) {
		uint64_t end;

		if (a[i].address < done || !cs_add(a[i].address, a[i].len, &end)) {
			cs_model_anomaly(w->py->model, "python.arena", a[i].address,
					 "arena at " CS_ADDR " overlaps another", a[i].address);
			continue;
		}
		done = end;
		a[kept++] = a[i];
	}
	w->arenas.count = kept;
}

static void find_arrays(struct walk *w, const char **found_by)
{
	struct py *py = w->py;
	cs_addr array = 0;
	uint64_t max = 0;

	*found_by = "nowhere";
	if (py_has(&py->layout, PY_OBMALLOC_ARENAS)) {
		for (size_t i = 0; i < py->interp_count; i++)
			if (array_of_interp(py, py->interps[i], &array, &max) &&
			    add_arenas(w, array, max))
				*found_by = "interpreter state";
		return;
	}
	if (array_by_symbol(py, &array, &max))
		*found_by = "symbol arenas";
	else if (array_by_structure(py, &array, &max))
		*found_by = "structure in memory";
	else
		return;
	cs_ignore(add_arenas(w, array, max) ? CS_OK : CS_NOMEM, "fewer arenas, never wrong ones");
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
	struct walk w = { .py = py };
	const char *found_by;
	cs_status st;

	py->pool_size = py_minor(&py->layout) >= 10 ? 16384 : 4096;
	find_arrays(&w, &found_by);
	drop_overlaps(&w);
	st = walk_all(&w, err);
	if (w.absent)
		cs_model_anomaly(py->model, "python.arena", py->arenas_array,
				 "%" PRIu64 " arenas are not in the memory there is", w.absent);
	cs_model_finding(py->model, "pymalloc arenas", found_by,
			 w.arenas.count ? "every record and pool header is consistent" : NULL, "%zu",
			 w.arenas.count);
	say_pools(py);
	cs_vec_free(&w.arenas);
	return st;
}
