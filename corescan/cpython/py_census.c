#include "cpython/py_census.h"
#include "cpython/py_families.h"
#include "cpython/py_obmalloc.h"
#include "cpython/py_types.h"

enum {
	MALLOC_SLACK = 32, /* a chunk is at most this much bigger than it must be */
	INLINE_SLACK = 48, /* one value, its order byte rounded up, and malloc's own slack */
	SMALLEST_ADDRESS = 1 << 16, /* vm.mmap_min_addr: nothing is mapped below */
	PREFETCH = 1024,   /* bytes ahead; the pool's own page and the next */
	STATIC_MAX = 1 << 16, /* bytes of an object in a module's data that are looked at */
	GC_NEXT_BACK = 16, /* PyGC_Head: _gc_next 16 bytes in front of the object */
	FRONT = 64, /* more than headers of debugging and of the object ever have */
	ROUND_OBJECTS = 8, /* of a pool are told in a round of the pulse */
};
#define REFCNT_MAX (1ull << 40)
#define STATIC_REFCNT_311 999999999ull /* of objects in 3.11's own data, before anybody counts */

/* Is word 0 of an object a reference count that keeps it alive? CPython
 * Include/object.h: 3.12+ immortal objects have 0xffffffff in the low half;
 * 3.14+ the low half is the count, then 16 bits overflow (0 with the GIL).
 *
 * Addresses of a program at fixed addresses, and of its brk heap, are small
 * enough for a count: in an array of pointers, "count" is an object's address. */
static bool refcnt_lives(struct py *py, uint64_t word)
{
	bool lives;

	if (word < SMALLEST_ADDRESS)
		return word;
	if (word == UINT32_MAX && py_minor(&py->layout) >= 12)
		return true;
	lives = py->no_refcnt_zero ? (uint32_t)word && !(word >> 32 & 0xffff) : word < REFCNT_MAX;
	return lives && !py_seems_object(py, word);
}

uint64_t py_refcount(struct py *py, const struct py_obj *o)
{
	uint64_t word = cs_le64(o->p);

	if (py_minor(&py->layout) < 12)
		return word;
	/* 3.12: immortal is all ones; 3.14: anything from 2^31 on */
	return word & 1u << 31 ? UINT64_MAX : (uint32_t)word;
}

/* 3.13+: attribute values behind the object: capacity + 1 words, and a byte of
 * order each, rounded up (pycore_dict.h, _PyInlineValuesSize). */
static uint64_t inline_values(struct py *py, const struct py_obj *o)
{
	uint64_t at = (uint64_t)o->type->basicsize, capacity = 0;
	const unsigned char *p = o->p + at;

	if (o->room > at && at >= PY_SEEN - FRONT)
		p = cs_mem_view(py->mem, o->addr + at, 1);
	if (o->room > at && p)
		capacity = *p;

	return (capacity + 1) * 8 + cs_align_up(capacity, 8);
}

static uint64_t need_of(struct py *py, const struct py_obj *o)
{
	const struct py_type *t = o->type;
	uint64_t need;

	if (t->is_fixed)
		return t->need;
	need = t->family->need ? t->family->need(py, o) : py_default_sizeof(py, o);
	if (need && t->flags & PY_FLAG_INLINE_VALUES)
		need += inline_values(py, o);
	return need;
}

/* Does the block have the size the allocator gives for what the object needs? */
static bool size_fits(const struct py_obj *o, uint64_t need, uint64_t len)
{
	const struct py_type *t = o->type;
	uint64_t skew = len - o->room - t->pre; /* debug headers in front of it */
	uint64_t total = need + t->pre + skew + skew / 2; /* and half as much behind */

	if (!need || total > len)
		return false;
	/* PyType_GenericAlloc gives one item more than asked; resized objects shrink in place */
	if (t->family->varies || t->itemsize)
		return true;
	/* an instance was made when its class promised more attributes than now */
	if (t->flags & PY_FLAG_INLINE_VALUES)
		return len - total < INLINE_SLACK;
	return len - total < (len % 16 ? MALLOC_SLACK : 16);
}

static bool fits(struct py *py, const struct py_obj *o, uint64_t len)
{
	return size_fits(o, need_of(py, o), len);
}

/* The short way to its need, and its __sizeof__, of an object that owns nothing else. */
static inline bool leaf_need(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size)
{
	const struct py_type *t = o->type;

	*need = *size = t->need;
	return t->is_leaf || (!(t->flags & PY_FLAG_MANAGED_DICT) && t->family->leaf &&
			      t->family->leaf(py, o, need, size));
}

/* Is there, at this distance into the block, a word that is a type of objects
 * that lie at this distance? Fills *out; says nothing of the size yet. */
static inline bool type_at(struct py *py, cs_addr block, const unsigned char *p, uint64_t len,
			   uint64_t skew, uint64_t pre, struct py_obj *out)
{
	uint64_t at = skew + pre;
	cs_addr type;
	uint32_t nr;

	if (len < at + 16)
		return false;
	type = cs_le64(p + at + py->layout.off[PY_OB_TYPE]);
	nr = py_type_at(py, type);
	if (nr == PY_NO_TYPE || py->types.items[nr].pre != pre)
		return false;
	*out = (struct py_obj){ block + at, p + at, len - at, &py->types.items[nr] };
	return out->room >= out->type->least;
}

/* How many bytes of debug headers are in front of what CPython was given: none,
 * one, or two where the raw domain's is followed by the object domain's. */
static uint64_t skew_of(const struct py *py, const unsigned char *p, uint64_t len)
{
	if (!py->skew || len < 2 * py->skew)
		return py->skew;
	return p[8] == 'r' && p[py->skew + 9] == 0xfd && p[py->skew + 15] == 0xfd &&
			       (p[py->skew + 8] == 'o' || p[py->skew + 8] == 'm') ?
		       2 * py->skew :
		       py->skew;
}

bool py_object_in(struct py *py, cs_addr block, const unsigned char *p, uint64_t len,
		  struct py_obj *out)
{
	uint64_t skew = skew_of(py, p, len), need, size;

	for (uint64_t pre = 0; pre <= 32; pre += 16) {
		if (!type_at(py, block, p, len, skew, pre, out))
			continue;
		if ((leaf_need(py, out, &need, &size) && size_fits(out, need, len)) ||
		    fits(py, out, len))
			return true;
	}
	return false;
}

static void claim_all(struct py *py, const struct py_obj *o)
{
	if (o->type->family->claim)
		o->type->family->claim(py, o);
	if (o->type->flags & PY_FLAG_MANAGED_DICT)
		py_instance_claim(py, o);
}

/* Count a live object of len bytes of block, of which getsizeof would say shallow. */
static void count(struct py *py, const struct py_obj *o, uint64_t len, uint64_t shallow)
{
	struct cs_type *row = &py->model->types.items[o->type->model_nr];

	row->count++;
	row->bytes += len;
	row->shallow += shallow;
	if (o->type->flags & PY_FLAG_HAVE_GC && cs_le64(o->p - GC_NEXT_BACK))
		py->tracked++;
}

/* A dead object that CPython keeps for reuse: up to 3.13 its count is 0 and
 * the collector does not know it (only containers are kept so, and floats,
 * whose type word is a link and never gets here). */
static bool is_cached(const struct py *py, const struct py_obj *o)
{
	return !py->no_refcnt_zero && !cs_le64(o->p) && o->type->flags & PY_FLAG_HAVE_GC &&
	       !cs_le64(o->p - GC_NEXT_BACK);
}

/* An object that owns nothing else is counted with one look at it. */
static bool count_leaf(struct py *py, const struct py_obj *o, uint64_t len)
{
	uint64_t need, size;

	if (!leaf_need(py, o, &need, &size) || !size_fits(o, need, len) ||
	    !refcnt_lives(py, cs_le64(o->p)))
		return false;
	count(py, o, len, size + o->type->pre);
	return true;
}

static enum cs_block_state classify(struct py *py, cs_addr block, const unsigned char *p,
				    uint64_t len)
{
	uint64_t skew = skew_of(py, p, len);
	struct py_obj o;

	for (uint64_t pre = 0; pre <= 32; pre += 16) {
		if (!type_at(py, block, p, len, skew, pre, &o))
			continue;
		if (count_leaf(py, &o, len))
			return CS_BLOCK_OBJECT;
		if (!fits(py, &o, len))
			continue;
		if (refcnt_lives(py, cs_le64(o.p))) {
			count(py, &o, len, py_getsizeof(py, &o));
			claim_all(py, &o);
			return CS_BLOCK_OBJECT;
		}
		if (is_cached(py, &o))
			return CS_BLOCK_CACHED;
	}
	return CS_BLOCK_USED;
}

/* What telling a block needs of it; NULL when not all of the block is there. */
static const unsigned char *view_block(struct py *py, cs_addr addr, uint64_t len)
{
	if (len > PY_SEEN)
		return py_has_bytes(py, addr, len) ? cs_mem_view(py->mem, addr, PY_SEEN) : NULL;
	return cs_mem_view(py->mem, addr, len);
}

/* --- one object, for --object --- */

bool py_object_at_block(struct py *py, const struct cs_block *block, struct py_obj *out)
{
	const unsigned char *p = view_block(py, block->addr, block->len);

	uint64_t skew;

	if (!p || block->state != CS_BLOCK_OBJECT)
		return false;
	__builtin_prefetch(p + PREFETCH); /* who asks for one asks for its neighbours */
	/* The census has seen that it fits. Words in front of an object are links, dicts and
	 * values: none is a type without such words. */
	skew = skew_of(py, p, block->len);
	for (uint64_t pre = 0; pre <= 32; pre += 16)
		if (type_at(py, block->addr, p, block->len, skew, pre, out))
			return true;
	return false;
}

/* The same of an object in a module's data. In 3.11 its count is one that the brk heap of a
 * program at fixed addresses has objects at (_PyObject_IMMORTAL_REFCNT, Include/internal/
 * pycore_object.h). */
static bool static_lives(struct py *py, uint64_t word)
{
	return refcnt_lives(py, word) ||
	       (py_minor(&py->layout) == 11 && word - STATIC_REFCNT_311 < UINT32_MAX);
}

bool py_object_static(struct py *py, cs_addr addr, struct py_obj *out)
{
	const struct cs_mem_seg *seg = cs_mem_find(py->mem, addr);
	uint32_t nr = py_type_at(py, py_word(py, addr + py_off(&py->layout, PY_OB_TYPE)));
	uint64_t run, pre, least;
	const unsigned char *p;

	if (!seg || nr == PY_NO_TYPE || addr % 8)
		return false;
	run = seg->start + seg->len - addr;
	if (run > STATIC_MAX)
		run = STATIC_MAX;
	pre = py->types.items[nr].pre;
	if (addr - seg->start < pre)
		return false;
	p = cs_mem_view(py->mem, addr - pre, pre + run);
	*out = (struct py_obj){ addr, p + pre, run, &py->types.items[nr] };
	/* a static type ends where a heap type goes on */
	least = out->type->flags & PY_FLAG_TYPE ? py_off(&py->layout, PY_TP_SIZE) : out->type->least;
	return p && run >= least && static_lives(py, cs_le64(p + pre));
}

cs_addr py_owner_of(struct py *py, cs_addr addr)
{
	struct cs_blocks *blocks = &py->model->blocks;
	struct cs_block block;
	struct py_obj o;

	py->hunted = addr + py->skew;
	py->hunter = 0;
	for (size_t i = 0; i < blocks->spans.count && !py->hunter; i++) {
		const struct cs_span *span = &blocks->spans.items[i];
		uint64_t head = span->allocator == CS_ALLOC_GLIBC ? 16 : 0;

		cs_pulse_at(py->model->pulse, i, blocks->spans.count);
		for (uint64_t g = 0; g < span->len / 16 && !py->hunter && !py_stops(py);
		     g = cs_span_next(span, g))
			if (cs_tile_get(span->tiles, g) == CS_BLOCK_OBJECT &&
			    cs_blocks_at(blocks, span->start + g * 16 + head, &block) &&
			    py_object_at_block(py, &block, &o))
				claim_all(py, &o);
	}
	py->hunted = 0;
	return py->hunter;
}

static void census_pool(struct py *py, struct py_pool *pool)
{
	unsigned char scratch[16384];
	struct cs_span *span = py_pool_span(py, pool);
	const unsigned char *p = cs_mem_borrow(py->mem, pool->addr, py->pool_size, scratch);
	uint64_t head = py_off(&py->layout, PY_POOL_HEADER_SIZE);
	uint64_t base;

	if (!span || !p)
		return;
	base = (pool->addr - span->start) / 16;
	for (uint64_t i = 0, off = head; i < pool->count; i++, off += pool->size) {
		uint64_t g = base + off / 16;
		enum cs_block_state state;

		__builtin_prefetch(p + off + PREFETCH);
		if (cs_tile_get(span->tiles, g) != CS_BLOCK_USED)
			continue;
		state = classify(py, pool->addr + off, p + off, pool->size);
		if (state != CS_BLOCK_USED)
			cs_tile_set(span->tiles, g, (unsigned)state);
		else
			pool->unexplained++;
	}
}

static void census_chunks(struct py *py, struct cs_span *span)
{
	const uint64_t end = span->len / 16;

	for (uint64_t g = 0, next; g < end; g = next) {
		uint64_t len;
		const unsigned char *p;
		enum cs_block_state state;
		cs_addr user = span->start + g * 16 + 16;

		next = cs_span_next(span, g);
		if (py_stops(py))
			return;
		if (cs_tile_get(span->tiles, g) != CS_BLOCK_USED)
			continue;
		cs_pulse_at(py->model->pulse, py->seen + g * 16, py->to_see);
		len = (next - g) * 16 - 8;
		p = view_block(py, user, len);
		state = p ? classify(py, user, p, len) : CS_BLOCK_USED;
		if (state != CS_BLOCK_USED)
			cs_tile_set(span->tiles, g, (unsigned)state);
	}
}

static void census_big(struct py *py, struct cs_big_block *big)
{
	const unsigned char *p;

	if (big->state != CS_BLOCK_USED)
		return;
	p = view_block(py, big->user, big->usable);
	if (p)
		big->state = (uint8_t)classify(py, big->user, p, big->usable);
}

cs_status py_census(struct py *py, struct cs_error *err)
{
	struct cs_blocks *blocks = &py->model->blocks;

	py->to_see = py->pools.count * py->pool_size;
	for (size_t i = 0; i < blocks->spans.count; i++)
		if (blocks->spans.items[i].allocator == CS_ALLOC_GLIBC)
			py->to_see += blocks->spans.items[i].len;
	for (size_t i = 0; i < blocks->spans.count; i++)
		if (blocks->spans.items[i].allocator == CS_ALLOC_GLIBC) {
			census_chunks(py, &blocks->spans.items[i]);
			py->seen += blocks->spans.items[i].len;
		}
	for (size_t i = 0; i < blocks->big.count && !py_stops(py); i++)
		census_big(py, &blocks->big.items[i]);
	for (size_t i = 0; i < py->pools.count; i++, py->seen += py->pool_size) {
		struct py_pool *pool = &py->pools.items[i];

		cs_pulse_at(py->model->pulse, py->seen, py->to_see);
		if (cs_pulse_spent(py->model->pulse, 1 + pool->count / ROUND_OBJECTS))
			break;
		census_pool(py, pool);
	}
	if (!py->steps_left)
		cs_model_anomaly(py->model, "python.limit", 0,
				 "lists that lead over the same memory again and again were left");
	return cs_pulse_result(py->model->pulse, CS_OK, err);
}
