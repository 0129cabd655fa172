/* CPython Python/pystate.c, Objects/obmalloc.c (arena map), the object files
 * (free lists), 3.8 to 3.14. */
#include "cpython/py_own.h"
#include "cpython/py_dict.h"
#include "cpython/py_family.h"
#include "cpython/py_obmalloc.h"
#include "cpython/py_tables.h"

enum {
	THREADS_MAX = 1 << 16,
	CHUNKS_MAX = 1 << 16,
	FREELIST_SLOTS = 64,
	FREELIST_LONGEST = 2000,
	FLOAT_BLOCK = 32,
	KEYS_SLOTS = 8,
	PAGE = 4096,
	MALLOC_SLACK = 32,
	ARENA_BLOCK_HEAD = 32,
};

static bool mark(struct py *py, cs_addr addr, enum cs_block_state state)
{
	struct cs_block block;

	if (!addr || !py_block_at(py, addr, &block) || block.state != CS_BLOCK_USED)
		return false;
	cs_block_set(&py->model->blocks, &block, state);
	return true;
}

void py_own_block(struct py *py, cs_addr addr)
{
	mark(py, addr, CS_BLOCK_RUNTIME);
}

/* Data stack chunks are mappings of their own (the arena allocator's mmap). */
static cs_status own_datastack(struct py *py, cs_addr thread, struct cs_error *err)
{
	const struct py_layout *l = &py->layout;
	cs_addr chunk;
	cs_status st = CS_OK;

	if (!py_has(l, PY_TS_DATASTACK_CHUNK))
		return CS_OK;
	chunk = py_word(py, thread + py_off(l, PY_TS_DATASTACK_CHUNK));
	for (int i = 0; !st && chunk && i < CHUNKS_MAX && py_step(py); i++) {
		uint64_t size = py_word(py, chunk + py_off(l, PY_STACK_CHUNK_SIZE));

		if (!size || size % 4096 || chunk % 4096 || size > cs_mem_run(py->mem, chunk))
			break;
		st = cs_model_region(py->model, (struct cs_range){ chunk, size }, CS_PY_RUNTIME, err);
		chunk = py_word(py, chunk + py_off(l, PY_STACK_CHUNK_PREVIOUS));
	}
	return st;
}

static cs_status own_states(struct py *py, struct cs_error *err)
{
	const struct py_layout *l = &py->layout;
	cs_status st = CS_OK;

	for (size_t i = 0; i < py->interp_count; i++) {
		cs_addr interp = py->interps[i];
		cs_addr thread = py_word(py, interp + py_off(l, PY_IS_THREADS_HEAD));

		py_own_block(py, interp);
		for (int n = 0; !st && thread && n < THREADS_MAX && py_step(py); n++) {
			py_own_block(py, thread);
			st = own_datastack(py, thread, err);
			thread = py_word(py, thread + py_off(l, PY_TS_NEXT));
		}
	}
	return st;
}

/* The radix tree over arena addresses (3.10+): root -> middle -> bottom nodes. */
static void own_map(struct py *py, cs_addr root)
{
	uint64_t top = py_off(&py->layout, PY_MAP_TOP_SIZE);
	uint64_t mid = py_off(&py->layout, PY_MAP_MID_SIZE);
	const unsigned char *p = cs_mem_view(py->mem, root, top);

	for (uint64_t i = 0; p && i + 8 <= top && !py_stops(py); i += 8) {
		cs_addr node = cs_le64(p + i);
		const unsigned char *q = node ? cs_mem_view(py->mem, node, mid) : NULL;

		/* a node that is owned already was shown before */
		if (!q || !mark(py, node, CS_BLOCK_RUNTIME))
			continue;
		for (uint64_t k = 0; k + 8 <= mid && !py_stops(py); k += 8)
			py_own_block(py, cs_le64(q + k));
	}
}

static void own_obmalloc(struct py *py)
{
	const struct py_layout *l = &py->layout;
	cs_addr root;

	for (size_t i = 0; i < py->interp_count && py_has(l, PY_OBMALLOC_MAP_ROOT); i++) {
		cs_addr state = py->interps[i] + py_off(l, PY_IS_OBMALLOC);

		if (py_minor(l) >= 13)
			state = py_word(py, state);
		py_own_block(py, state);
		py_own_block(py, py_word(py, state + py_off(l, PY_OBMALLOC_ARENAS)));
		own_map(py, state + py_off(l, PY_OBMALLOC_MAP_ROOT));
	}
	if (py_has(l, PY_MAP_TOP_SIZE) && !py_has(l, PY_OBMALLOC_MAP_ROOT) &&
	    !cs_module_symbol(py->module, py->image, "arena_map_root", &root, NULL))
		own_map(py, root);
	py_own_block(py, py->arenas_array);
}

/* 3.14+: struct _Py_freelists is pairs {first, count}; word 0 of each entry
 * links to the next. Entries point at objects: their block holds them. */
static void cache_lists(struct py *py, cs_addr lists)
{
	for (int i = 0; i < FREELIST_SLOTS; i++) {
		cs_addr node = py_word(py, lists + (uint64_t)i * 16);
		uint64_t n = py_word(py, lists + (uint64_t)i * 16 + 8);
		struct cs_block block;

		if (!node != !n || n > FREELIST_LONGEST)
			return; /* past the last list */
		for (; node && n && !py_stops(py); n--, node = py_word(py, node))
			if (cs_blocks_holding(&py->model->blocks, node, &block) &&
			    block.state == CS_BLOCK_USED)
				cs_block_set(&py->model->blocks, &block, CS_BLOCK_CACHED);
	}
}

/* Floats up to 3.13: the type word links to the next; 3.10-3.12 {count,
 * first} in the interpreter, 3.13 {first, count} at the head of the lists. */
static void cache_floats(struct py *py, cs_addr node)
{
	uint64_t off = py_off(&py->layout, PY_OB_TYPE);

	for (int i = 0; node && i < FREELIST_LONGEST && !py_stops(py); i++) {
		if (!mark(py, node, CS_BLOCK_CACHED))
			return;
		node = py_word(py, node + off);
	}
}

static void own_freelists(struct py *py)
{
	const struct py_layout *l = &py->layout;

	for (size_t i = 0; i < py->interp_count; i++) {
		cs_addr interp = py->interps[i];

		if (py_has(l, PY_IS_FREELISTS) && py_minor(l) >= 14)
			cache_lists(py, interp + py_off(l, PY_IS_FREELISTS));
		else if (py_has(l, PY_IS_FREELISTS))
			cache_floats(py, py_word(py, interp + py_off(l, PY_IS_FREELISTS)));
		else if (py_has(l, PY_IS_FLOAT_STATE))
			cache_floats(py, py_word(py, interp + py_off(l, PY_IS_FLOAT_STATE) + 8));
	}
}

cs_status py_own_runtime(struct py *py, struct cs_error *err)
{
	cs_status st = own_states(py, err);

	own_obmalloc(py);
	py_tables_own(py);
	own_freelists(py);
	return cs_pulse_result(py->model->pulse, st, err);
}

/* A float in the static free list of 3.8 and 3.9: count 0, and the type word
 * is the next one, or the end of the list. */
static bool is_float_link(struct py *py, const unsigned char *p)
{
	struct cs_block next;
	cs_addr to = cs_le64(p + py->layout.off[PY_OB_TYPE]);
	uint64_t refcnt;

	if (cs_le64(p) || !to)
		return false;
	return cs_blocks_at(&py->model->blocks, to - py->skew, &next) && next.len == FLOAT_BLOCK &&
	       (next.state == CS_BLOCK_USED || next.state == CS_BLOCK_CACHED) &&
	       cs_mem_u64(py->mem, to, &refcnt) && !refcnt;
}

/* A keys table without owner and count 0: dict's own free list (up to 3.13). */
static bool is_cached_keys(struct py *py, cs_addr addr, uint64_t len)
{
	struct py_keys k;

	return !py->no_refcnt_zero && py_keys_load(py, addr, &k) && !k.refcnt &&
	       k.slots == KEYS_SLOTS && k.size <= len && len - k.size < 16;
}

static void leftover(struct py *py, const struct py_pool *pool, struct cs_span *span, uint64_t g,
		     cs_addr at, const unsigned char *p)
{
	if (pool->size == FLOAT_BLOCK && !py->no_refcnt_zero && is_float_link(py, p)) {
		cs_tile_set(span->tiles, g, CS_BLOCK_CACHED);
		/* the last one's link is empty: only its neighbour in the list knows it */
		mark(py, cs_le64(p + py->layout.off[PY_OB_TYPE]), CS_BLOCK_CACHED);
	} else if (is_cached_keys(py, at + py->skew, pool->size - py->skew)) {
		cs_tile_set(span->tiles, g, CS_BLOCK_CACHED);
	}
}

/* A block of the compiler's arena (Python/pyarena.c): {size, offset, next,
 * mem}, mem right behind it. The main script's lives as long as it runs. */
static bool is_compiler_arena(cs_addr addr, const unsigned char *p, uint64_t len)
{
	uint64_t size = len >= ARENA_BLOCK_HEAD ? cs_le64(p) : 0;

	return size && cs_le64(p + 24) == addr + ARENA_BLOCK_HEAD && cs_le64(p + 8) <= size &&
	       size <= len - ARENA_BLOCK_HEAD && len - ARENA_BLOCK_HEAD - size < MALLOC_SLACK;
}

static bool has_size(const struct cs_block *block, uint64_t size)
{
	return block->state == CS_BLOCK_USED && block->len >= size && block->len - size < PAGE;
}

/* A middle node of the arena map when no symbol leads to its root (3.10 and
 * 3.11): its words are empty or lead to bottom nodes, and there is one at least. */
static void own_map_node(struct py *py, const struct cs_block *node)
{
	uint64_t mid = py_off(&py->layout, PY_MAP_MID_SIZE), leaves = 0;
	cs_addr at = node->addr + py->skew;
	const unsigned char *p = cs_mem_view(py->mem, at, mid);
	struct cs_block leaf;

	for (uint64_t i = 0; p && i + 8 <= mid && !py_stops(py); i += 8) {
		cs_addr to = cs_le64(p + i);

		if (!to)
			continue;
		if (!py_block_at(py, to, &leaf) ||
		    !has_size(&leaf, py_off(&py->layout, PY_MAP_BOT_SIZE)))
			return;
		leaves++;
	}
	if (!p || !leaves)
		return;
	for (uint64_t i = 0; i + 8 <= mid && !py_stops(py); i += 8)
		py_own_block(py, cs_le64(p + i));
	py_own_block(py, at);
}

static void own_malloc_block(struct py *py, const struct cs_block *block)
{
	const unsigned char *p;

	if (py_has(&py->layout, PY_MAP_MID_SIZE) &&
	    has_size(block, py_off(&py->layout, PY_MAP_MID_SIZE)))
		own_map_node(py, block);
	py_table_own_block(py, block);
	/* behind one debug header, or two: see py_block_at */
	for (uint64_t skew = py->skew;; skew += py->skew) {
		p = block->len > skew ? cs_mem_view(py->mem, block->addr + skew, ARENA_BLOCK_HEAD) :
					NULL;
		if (p && is_compiler_arena(block->addr + skew, p, block->len - skew))
			py_own_block(py, block->addr + skew);
		if (skew >= 2 * py->skew)
			return;
	}
}

/* What malloc holds for the interpreter and only its shape tells. */
static void own_structures(struct py *py)
{
	struct cs_blocks *blocks = &py->model->blocks;
	struct cs_block block;

	for (size_t i = 0; i < blocks->big.count && !py_stops(py); i++)
		if (blocks->big.items[i].state == CS_BLOCK_USED &&
		    cs_blocks_at(blocks, blocks->big.items[i].user, &block))
			own_malloc_block(py, &block);
	for (size_t i = 0; i < blocks->spans.count; i++) {
		const struct cs_span *span = &blocks->spans.items[i];

		if (span->allocator != CS_ALLOC_GLIBC)
			continue;
		for (uint64_t g = 0; g < span->len / 16 && !py_stops(py); g = cs_span_next(span, g))
			if (cs_tile_get(span->tiles, g) == CS_BLOCK_USED &&
			    cs_blocks_at(blocks, span->start + g * 16 + 16, &block))
				own_malloc_block(py, &block);
	}
}

cs_status py_own_leftovers(struct py *py, struct cs_error *err)
{
	uint64_t head = py_off(&py->layout, PY_POOL_HEADER_SIZE);

	own_structures(py);
	for (size_t i = 0; i < py->pools.count; i++) {
		const struct py_pool *pool = &py->pools.items[i];
		struct cs_span *span = py_pool_span(py, pool);
		const unsigned char *p = cs_mem_view(py->mem, pool->addr, py->pool_size);
		uint64_t off = head;

		if (cs_pulse_spent(py->model->pulse, 1 + pool->unexplained))
			break;
		if (!pool->unexplained)
			continue;
		for (uint64_t k = 0; span && p && k < pool->count; k++, off += pool->size) {
			uint64_t g = (pool->addr + off - span->start) / 16;

			if (cs_tile_get(span->tiles, g) == CS_BLOCK_USED)
				leftover(py, pool, span, g, pool->addr + off, p + off + py->skew);
		}
	}
	return cs_pulse_result(py->model->pulse, CS_OK, err);
}
