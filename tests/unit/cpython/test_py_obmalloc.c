/* Arenas, pools and free lists made by hand (3.8: 4 KiB pools, the array of
 * arena records found by its state in 3.12 and later), each broken in turn. */
#include "cpython/py_census.h"
#include "cpython/py_obmalloc.h"
#include "cpython/py_own.h"
#include "fake_py.h"
#include "cs_test.h"

#include <stdlib.h>
#include <unistd.h>

#define INTERP (FAKE_BASE + 0x20000)
#define STATE (FAKE_BASE + 0x40000)
#define ARRAY (FAKE_BASE + 0x48000)
#define ARENA 0x20000000ull
enum { POOL = 16384, POOLS = 64, ARENA_LEN = POOLS * POOL, SIZE = 64, SLOTS = 16 };

struct bench {
	struct fake_py f;
	unsigned char *arena; /* ARENA_LEN bytes at ARENA */
};

static void arena_record(struct fake_py *f, unsigned nr, cs_addr address, cs_addr pool, uint32_t total)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr at = ARRAY + nr * py_off(l, PY_ARENA_SIZE);

	fake_put(f, at + py_off(l, PY_ARENA_ADDRESS), address);
	fake_put(f, at + py_off(l, PY_ARENA_POOL_ADDRESS), pool);
	fake_put32(f, at + py_off(l, PY_ARENA_NFREEPOOLS), 0);
	fake_put32(f, at + py_off(l, PY_ARENA_NTOTALPOOLS), total);
}

static unsigned char *pool_field(struct bench *b, unsigned pool, enum py_field field)
{
	return b->arena + pool * POOL + b->f.py->layout.off[field];
}

static void put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void put64(unsigned char *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static cs_addr block_addr(const struct bench *b, unsigned pool, unsigned nr)
{
	return ARENA + pool * POOL + py_off(&b->f.py->layout, PY_POOL_HEADER_SIZE) + nr * SIZE;
}

/* A pool with `carved` blocks of which the first `nfree` are free. */
static void make_pool(struct bench *b, unsigned pool, unsigned carved, unsigned nfree)
{
	uint32_t head = (uint32_t)b->f.py->layout.off[PY_POOL_HEADER_SIZE];

	put32(pool_field(b, pool, PY_POOL_COUNT), carved - nfree);
	put64(pool_field(b, pool, PY_POOL_FREEBLOCK), nfree ? block_addr(b, pool, 0) : 0);
	put32(pool_field(b, pool, PY_POOL_ARENAINDEX), 0);
	put32(pool_field(b, pool, PY_POOL_SZIDX), SIZE / 16 - 1);
	put32(pool_field(b, pool, PY_POOL_NEXTOFFSET), head + carved * SIZE);
	put32(pool_field(b, pool, PY_POOL_MAXNEXTOFFSET), POOL - SIZE);
	for (unsigned i = 0; i < nfree; i++)
		put64(b->arena + pool * POOL + head + i * SIZE,
		      i + 1 < nfree ? block_addr(b, pool, i + 1) : 0);
}

/* Two pools are carved; the first has ten blocks, three of them free. */
static void begin(struct bench *b)
{
	struct cs_mem_seg seg = { .start = ARENA, .len = ARENA_LEN, .is_target = true };
	struct fake_py *f = &b->f;
	const struct py_layout *l;

	fake_py_begin(f, 12);
	l = &f->py->layout;
	b->arena = calloc(1, ARENA_LEN);
	assert_non_null(b->arena);
	seg.data = b->arena;
	assert_int_equal(cs_mem_add(&f->mem, seg, NULL), CS_OK);
	cs_mem_seal(&f->mem, NULL);
	f->mem.present += ARENA_LEN;
	f->py->interps[0] = INTERP;
	f->py->interp_count = 1;
	f->py->layout.off[PY_IS_OBMALLOC] = STATE - INTERP;
	f->py->layout.off[PY_IS_SIZE] = 0x8000;
	fake_put(f, STATE + py_off(l, PY_OBMALLOC_ARENAS), ARRAY);
	fake_put32(f, STATE + py_off(l, PY_OBMALLOC_MAXARENAS), SLOTS);
	arena_record(f, 0, ARENA, ARENA + 2 * POOL, POOLS);
	make_pool(b, 0, 10, 3);
	make_pool(b, 1, 4, 0);
}

static void end(struct bench *b)
{
	fake_py_end(&b->f);
	free(b->arena);
}

static void walk(struct bench *b)
{
	assert_int_equal(py_obmalloc_walk(b->f.py, NULL), CS_OK);
	cs_blocks_seal(&b->f.model.blocks);
}

static unsigned tile(struct bench *b, cs_addr addr)
{
	struct cs_block block;

	assert_true(cs_blocks_at(&b->f.model.blocks, addr, &block));
	return block.state;
}

TEST(a_sane_arena_is_tiled_block_by_block)
{
	struct bench b;

	begin(&b);
	walk(&b);
	assert_int_equal(b.f.model.anomaly_count, 0);
	assert_int_equal(tile(&b, ARENA), CS_BLOCK_OVERHEAD);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(tile(&b, block_addr(&b, 0, i)),
				 i < 3 || i >= 10 ? CS_BLOCK_FREE : CS_BLOCK_USED);
	assert_int_equal(tile(&b, ARENA + 2 * POOL), CS_BLOCK_UNCARVED);
	assert_int_equal(b.f.py->pools.count, 2);
	assert_int_equal(b.f.model.arenas.items[0].used, (7 + 4) * SIZE);
	end(&b);
}

/* Each equation of a pool header, broken alone. */
TEST(a_pool_header_that_contradicts_itself_is_lost)
{
	static const struct {
		enum py_field field;
		uint32_t value;
		const char *says;
	} rows[] = {
		{ PY_POOL_MAXNEXTOFFSET, POOL, "outside the pool" },
		{ PY_POOL_MAXNEXTOFFSET, UINT32_MAX, "outside the pool" },
		{ PY_POOL_MAXNEXTOFFSET, POOL - SIZE - 16, "contradict" },
		{ PY_POOL_SZIDX, SIZE / 16, "contradict" },
		{ PY_POOL_SZIDX, UINT32_MAX, "contradict" },
		{ PY_POOL_ARENAINDEX, 1, "arena index" },
		{ PY_POOL_NEXTOFFSET, 0, "not a block" },
		{ PY_POOL_NEXTOFFSET, 48 + SIZE * 10 + 16, "not a block" },
		{ PY_POOL_NEXTOFFSET, POOL + SIZE, "not a block" },
		{ PY_POOL_NEXTOFFSET, UINT32_MAX, "not a block" },
		{ PY_POOL_NEXTOFFSET, 48, "more blocks in use" },
		{ PY_POOL_COUNT, 11, "more blocks in use" },
		{ PY_POOL_COUNT, UINT32_MAX, "more blocks in use" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bench b;

		begin(&b);
		put32(pool_field(&b, 0, rows[i].field), rows[i].value);
		walk(&b);
		assert_int_equal(b.f.model.anomaly_count, 1);
		assert_non_null(strstr(b.f.model.anomalies.items[0].text, rows[i].says));
		assert_int_equal(tile(&b, ARENA), CS_BLOCK_LOST);
		assert_int_equal(tile(&b, ARENA + POOL), CS_BLOCK_OVERHEAD);
		assert_int_equal(b.f.py->pools.count, 1);
		end(&b);
	}
}

/* The free list: where its head or its second link leads instead. */
TEST(a_broken_free_list_is_told_and_ends)
{
	static const struct {
		uint64_t to; /* offset from the pool */
		const char *says;
	} rows[] = {
		{ 48, "broken" },		  /* loops */
		{ 48 + SIZE, "broken" },	  /* to itself */
		{ 0, "broken" },		  /* the header */
		{ 48 + SIZE * 2 + 8, "broken" },  /* no block */
		{ 48 + SIZE * 10, "broken" },	  /* never carved */
		{ POOL + 48, "broken" },	  /* the next pool */
		{ 0 - (uint64_t)POOL, "broken" }, /* in front */
		{ 48 + SIZE * 5, "wrong length" },/* a used block, whose word ends the list */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bench b;

		begin(&b);
		put64(b.arena + 48 + SIZE, ARENA + rows[i].to);
		put32(pool_field(&b, 0, PY_POOL_COUNT), i + 1 == sizeof(rows) / sizeof(*rows) ? 2 : 7);
		walk(&b);
		assert_int_equal(b.f.model.anomaly_count, 1);
		assert_non_null(strstr(b.f.model.anomalies.items[0].text, rows[i].says));
		end(&b);
	}
}

TEST(one_block_off_is_a_process_stopped_in_between)
{
	for (int off = -2; off <= 2; off++) {
		struct bench b;

		begin(&b);
		put32(pool_field(&b, 0, PY_POOL_COUNT), (uint32_t)(7 + off));
		walk(&b);
		assert_int_equal(b.f.model.anomaly_count, off == -2 || off == 2);
		end(&b);
	}
}

TEST(an_absent_pool_is_lost_and_the_others_are_walked)
{
	struct bench b;

	begin(&b);
	assert_int_equal(b.f.mem.segs.items[1].start, ARENA);
	b.f.mem.segs.items[1].start += POOL;
	b.f.mem.segs.items[1].data += POOL;
	b.f.mem.segs.items[1].len -= POOL;
	walk(&b);
	assert_int_equal(tile(&b, ARENA), CS_BLOCK_LOST);
	assert_int_equal(tile(&b, ARENA + POOL), CS_BLOCK_OVERHEAD);
	end(&b);
}

TEST(an_array_that_lies_about_its_records_is_none)
{
	static const struct {
		enum py_field field;
		uint64_t value;
	} rows[] = {
		{ PY_ARENA_ADDRESS, ARENA + 8 }, { PY_ARENA_POOL_ADDRESS, ARENA - POOL },
		{ PY_ARENA_POOL_ADDRESS, ARENA + 4 * ARENA_LEN },
		{ PY_ARENA_NFREEPOOLS, 65 | 64ull << 32 }, /* both counts */
		{ PY_ARENA_NFREEPOOLS, 62ull << 32 },	   { PY_ARENA_NFREEPOOLS, UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bench b;

		begin(&b);
		fake_put(&b.f, ARRAY + py_off(&b.f.py->layout, rows[i].field), rows[i].value);
		walk(&b);
		assert_int_equal(b.f.model.blocks.spans.count, 0);
		assert_int_equal(b.f.py->pools.count, 0);
		end(&b);
	}
}

TEST(an_array_with_an_impossible_length_is_none)
{
	static const uint32_t lengths[] = { 0, 1, 15, 17, 48, 1u << 25, 1u << 31, UINT32_MAX, 1u << 20 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct bench b;

		begin(&b);
		fake_put32(&b.f, STATE + py_off(&b.f.py->layout, PY_OBMALLOC_MAXARENAS), lengths[i]);
		walk(&b);
		assert_int_equal(b.f.py->pools.count, 0);
		end(&b);
	}
}

TEST(of_arenas_that_overlap_the_lower_stays)
{
	struct bench b;

	begin(&b);
	arena_record(&b.f, 1, ARENA + 4096, ARENA + POOL + 4096, 63);
	arena_record(&b.f, 2, ARENA, ARENA + POOL, 64);
	walk(&b);
	assert_int_equal(b.f.model.blocks.spans.count, 1);
	assert_int_equal(b.f.model.anomaly_count, 2);
	end(&b);
}

/* 64 pools do not fit where the first is not aligned. */
TEST(an_arena_row_never_adds_up_to_more_than_the_arena)
{
	for (uint32_t total = 63; total <= 64; total++) {
		struct bench b;

		begin(&b);
		arena_record(&b.f, 0, ARENA + 4096, ARENA + 4096, total);
		walk(&b);
		for (size_t i = 0; i < b.f.model.arenas.count; i++) {
			const struct cs_arena_row *r = &b.f.model.arenas.items[i];

			assert_int_equal(r->used + r->free + r->top + r->overhead, r->system);
			assert_true(r->free <= r->system && r->top <= r->system);
		}
		end(&b);
	}
}

/* A record costs 48 bytes of the target and its block map 32 KiB of ours. */
TEST(arenas_that_are_nowhere_in_memory_cost_nothing)
{
	struct bench b;
	unsigned slots = 4096;

	begin(&b);
	for (unsigned i = 1; i < slots; i++)
		arena_record(&b.f, i, ARENA + (uint64_t)i * ARENA_LEN, ARENA + (uint64_t)i * ARENA_LEN, 64);
	fake_put32(&b.f, STATE + py_off(&b.f.py->layout, PY_OBMALLOC_MAXARENAS), slots);
	walk(&b);
	assert_int_equal(b.f.model.blocks.spans.count, 1);
	assert_int_equal(b.f.model.blocks.spans.items[0].len, ARENA_LEN);
	assert_int_equal(b.f.model.arenas.count, 1);
	assert_int_equal(b.f.model.anomaly_count, 1);
	assert_int_equal(tile(&b, ARENA + 2 * POOL), CS_BLOCK_UNCARVED);
	end(&b);
}

/* malloc's heap and an arena that claim the same memory: sealing keeps one. */
TEST(pools_whose_span_was_dropped_are_left_alone)
{
	struct bench b;
	struct cs_span *heap;

	begin(&b);
	assert_int_equal(py_obmalloc_walk(b.f.py, NULL), CS_OK);
	assert_int_equal(b.f.py->pools.count, 2);
	/* begins in front of the arena and ends inside its first pool */
	fake_heap(&b.f, ARENA - 0x1000, 0x1000 + 0x200);
	cs_blocks_seal(&b.f.model.blocks);
	assert_int_equal(b.f.model.blocks.spans.count, 1);
	heap = &b.f.model.blocks.spans.items[0];
	for (uint64_t g = 1; g < heap->len / 16; g++)
		cs_tile_set(heap->tiles, g, CS_BLOCK_USED);
	assert_int_equal(py_own_runtime(b.f.py, NULL), CS_OK);
	assert_int_equal(py_census(b.f.py, NULL), CS_OK);
	assert_int_equal(py_own_leftovers(b.f.py, NULL), CS_OK);
	for (size_t i = 0; i < b.f.py->pools.count; i++) {
		assert_null(py_pool_span(b.f.py, &b.f.py->pools.items[i]));
		assert_int_equal(b.f.py->pools.items[i].unexplained, 0);
	}
	end(&b);
}

/* 3.12 looks for a state that moved at every word of the interpreter. */
TEST(a_thousand_states_that_show_the_same_long_array_are_looked_at_once)
{
	struct bench b;
	uint64_t size;

	begin(&b);
	size = py_off(&b.f.py->layout, PY_ARENA_SIZE);
	b.f.py->layout.off[PY_IS_OBMALLOC] = 0;
	fake_put(&b.f, ARRAY + py_off(&b.f.py->layout, PY_ARENA_ADDRESS), 0);
	b.f.py->steps_left = 1000000;
	/* a long array of nothing, which has to be read to its end to be refused */
	for (uint64_t off = 16; off < 0x8000; off += 8)
		fake_put(&b.f, INTERP + off, off / 8 % 2 ? 8192 : FAKE_BASE + 0x50000);
	assert_true(8192 * size < FAKE_LEN - 0x50000);
	alarm(20);
	walk(&b);
	alarm(0);
	assert_int_equal(b.f.py->pools.count, 0);
	assert_int_equal(b.f.py->steps_left, 0);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sane_arena_is_tiled_block_by_block),
		cmocka_unit_test(a_pool_header_that_contradicts_itself_is_lost),
		cmocka_unit_test(a_broken_free_list_is_told_and_ends),
		cmocka_unit_test(one_block_off_is_a_process_stopped_in_between),
		cmocka_unit_test(an_absent_pool_is_lost_and_the_others_are_walked),
		cmocka_unit_test(an_array_that_lies_about_its_records_is_none),
		cmocka_unit_test(an_array_with_an_impossible_length_is_none),
		cmocka_unit_test(of_arenas_that_overlap_the_lower_stays),
		cmocka_unit_test(an_arena_row_never_adds_up_to_more_than_the_arena),
		cmocka_unit_test(arenas_that_are_nowhere_in_memory_cost_nothing),
		cmocka_unit_test(pools_whose_span_was_dropped_are_left_alone),
		cmocka_unit_test(a_thousand_states_that_show_the_same_long_array_are_looked_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
