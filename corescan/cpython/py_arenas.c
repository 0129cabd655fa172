/* CPython Objects/obmalloc.c: arenas of 64 pools (128 with huge pages), in an array
 * of records.
 *
 * Where the array of arenas hangs: static `arenas` up to 3.11,
 * interp->obmalloc.mgmt.arenas in 3.12, *(interp->obmalloc) from 3.13.
 * Interpreters may share a state: they are told apart by the array's address.
 */
#include "cpython/py_arenas.h"
#include "cpython/py_family.h"

#include <stdlib.h>

enum {
	POOLS_PER_ARENA = 64,
	ARENAS_MAX = 1 << 24,
	PAGE = 4096,
	WRITABLE_MAX = 16,
	FIRST_ARENAS = 16, /* the array starts with 16 slots and doubles */
	WINDOW = 1 << 16,  /* bytes of a module looked at at once */
};

struct finder {
	struct py *py;
	struct py_arenas *out;
	cs_addr seen[PY_INTERPS_MAX]; /* arrays read already */
	size_t seen_count;
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

static bool add_arenas(struct finder *f, cs_addr array, uint64_t max)
{
	struct py *py = f->py;
	const struct py_layout *l = &py->layout;
	uint64_t size = py_off(l, PY_ARENA_SIZE);
	const unsigned char *p = cs_mem_view(py->mem, array, max * size);

	for (size_t i = 0; i < f->seen_count; i++)
		if (f->seen[i] == array)
			return true;
	if (f->seen_count < PY_INTERPS_MAX)
		f->seen[f->seen_count++] = array;
	if (!py->arenas_array)
		py->arenas_array = array;
	for (uint64_t i = 0; p && i < max && !py_stops(py); i++) {
		const unsigned char *r = p + i * size;

		if (record_kind(py, r) != 1)
			continue;

		uint32_t total = cs_le32(r + l->off[PY_ARENA_NTOTALPOOLS]);
		uint64_t pools = total > POOLS_PER_ARENA ? 2 * POOLS_PER_ARENA : POOLS_PER_ARENA;
		struct py_arena a = {
			.address = cs_le64(r + l->off[PY_ARENA_ADDRESS]),
			.pool_address = cs_le64(r + l->off[PY_ARENA_POOL_ADDRESS]),
			.len = pools * py->pool_size,
			.pools = total,
			.index = (uint32_t)i,
		};

		/* A forged record costs 48 bytes of the target; walking it would
		 * cost us 32 KiB. A real arena has its first pool's page. */
		if (!cs_mem_present(py->mem, a.address, a.len)) {
			f->out->absent++;
			continue;
		}
		if (f->out->items.count >= py->mem->present / PAGE || !cs_vec_push(&f->out->items, a))
			return false;
	}
	return true;
}

static int arena_order(const void *a, const void *b)
{
	const struct py_arena *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Arenas that overlap are a forgery or garbage: the lower one stays. */
static void drop_overlaps(struct finder *f)
{
	struct py_arena *a = f->out->items.items;
	size_t kept = 0;
	cs_addr done = 0;

	if (f->out->items.count)
		qsort(a, f->out->items.count, sizeof(*a), arena_order);
	for (size_t i = 0; i < f->out->items.count; i++) {
		uint64_t end;

		if (a[i].address < done || !cs_add(a[i].address, a[i].len, &end)) {
			cs_model_anomaly(f->py->model, "python.arena", a[i].address,
					 "arena at " CS_ADDR " overlaps another", a[i].address);
			continue;
		}
		done = end;
		a[kept++] = a[i];
	}
	f->out->items.count = kept;
}

static void find_arrays(struct finder *f)
{
	struct py *py = f->py;
	cs_addr array = 0;
	uint64_t max = 0;

	f->out->found_by = "nowhere";
	if (py_has(&py->layout, PY_OBMALLOC_ARENAS)) {
		for (size_t i = 0; i < py->interp_count; i++)
			if (array_of_interp(py, py->interps[i], &array, &max) &&
			    add_arenas(f, array, max))
				f->out->found_by = "interpreter state";
		return;
	}
	if (array_by_symbol(py, &array, &max))
		f->out->found_by = "symbol arenas";
	else if (array_by_structure(py, &array, &max))
		f->out->found_by = "structure in memory";
	else
		return;
	cs_ignore(add_arenas(f, array, max) ? CS_OK : CS_NOMEM, "fewer arenas, never wrong ones");
}

void py_arenas_find(struct py *py, struct py_arenas *out)
{
	struct finder f = { .py = py, .out = out };

	*out = (struct py_arenas){ .absent = 0 };
	find_arrays(&f);
	drop_overlaps(&f);
}
