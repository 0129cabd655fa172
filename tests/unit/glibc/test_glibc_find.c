/* The allocator's state told by its shape alone, for every generation. */
#include "cs_test.h"
#include "forge_heap.h"
#include "glibc/glibc_find.h"

#include <string.h>

enum { P = 1, LAST_BIN = 127 };

static void small_heap(struct forge_heap *f, unsigned state, unsigned par)
{
	forge_heap_init(f, state, par);
	forge_chunk(f, 0x40, P);
	forge_binned(f, 0x100, 1);
	forge_chunk(f, 0x60, 0);
	forge_finish(f);
}

TEST(every_generation_is_told_from_memory)
{
	static const unsigned rows[][2] = { { 0, 0 }, { 1, 1 }, { 1, 2 }, { 2, 2 },
					    { 2, 3 }, { 2, 4 }, { 3, 4 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct forge_heap f;

		small_heap(&f, rows[i][0], rows[i][1]);
		assert_int_equal(forge_scan(&f), CS_OK);
		assert_int_equal(f.glibc->libcs.count, 1);
		assert_ptr_equal(f.glibc->libcs.items[0].layout, &glibc_state_layouts[rows[i][0]]);
		assert_int_equal(f.glibc->libcs.items[0].main_arena, f.arena);
		assert_int_equal(f.glibc->libcs.items[0].mp, FORGE_LIBC + FORGE_MP_OFF);
		assert_int_equal(f.glibc->libcs.items[0].sbrk_base, FORGE_HEAP);
		assert_string_equal(f.model.target.libc.found_by, "memory");
		assert_int_equal(f.model.anomaly_count, 0);
		forge_heap_deinit(&f);
	}
}

/* Break the back link of a bin's first chunk. */
static void tear(struct forge_heap *f, unsigned bin, uint64_t size)
{
	cs_addr at = forge_binned(f, size, bin);

	forge_chunk(f, 0x30, 0);
	forge_put(f, at + 24, 0x1110);
}

TEST(two_torn_bins_are_forgiven_and_three_are_not)
{
	for (unsigned torn = 0; torn <= 3; torn++) {
		struct forge_heap f;

		forge_heap_init(&f, 1, 1);
		forge_chunk(&f, 0x40, P);
		for (unsigned i = 0; i < torn; i++)
			tear(&f, 20 + i, 16 * (20 + i));
		forge_finish(&f);
		assert_int_equal(forge_scan(&f), torn < 3 ? CS_OK : CS_NOTFOUND);
		forge_heap_deinit(&f);
	}
}

TEST(what_only_resembles_bins_is_no_arena)
{
	static const struct {
		unsigned bin; /* whose head is emptied to zero */
		const char *why;
	} rows[] = { { LAST_BIN, "bin 127 is never used" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct forge_heap f;
		cs_addr head;

		small_heap(&f, 1, 1);
		head = f.arena + f.layout->top + GLIBC_BINS_FROM_TOP + 16 * (rows[i].bin - 1);
		forge_put(&f, head, 0);
		assert_int_equal(forge_scan(&f), CS_NOTFOUND);
		assert_false(f.model.target.libc.found);
		forge_heap_deinit(&f);
	}
}

TEST(a_ring_that_does_not_come_back_is_no_arena)
{
	struct forge_heap f;

	small_heap(&f, 1, 1);
	forge_put(&f, f.arena + f.layout->next, FORGE_ANON);
	assert_int_equal(forge_scan(&f), CS_NOTFOUND);
	forge_heap_deinit(&f);
}

TEST(an_arena_nobody_used_has_no_heap)
{
	struct forge_heap f;

	forge_heap_init(&f, 1, 1);
	f.system_mem = 0;
	forge_finish(&f);
	forge_put(&f, f.arena + f.layout->top, f.arena + f.layout->top);
	forge_put(&f, FORGE_LIBC + FORGE_MP_OFF + f.par->sbrk_base, 0);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(f.model.blocks.spans.count, 0);
	assert_int_equal(f.model.anomaly_count, 0);
	assert_int_equal(f.model.mallinfo.arena, 0);
	forge_heap_deinit(&f);
}

TEST(a_system_mem_of_any_size_reserves_no_more_than_there_is)
{
	static const uint64_t sizes[] = { FORGE_HEAP_LEN + 0x1000, 1ull << 40, 1ull << 63,
					  UINT64_MAX, UINT64_MAX & ~15ull };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct forge_heap f;

		forge_heap_init(&f, 1, 1);
		forge_chunk(&f, 0x40, P);
		f.system_mem = sizes[i];
		forge_finish(&f);
		assert_int_equal(forge_scan(&f), CS_OK);
		assert_true(f.model.anomaly_count > 0);
		for (size_t k = 0; k < f.model.blocks.spans.count; k++)
			assert_true(f.model.blocks.spans.items[k].len <= FORGE_HEAP_LEN);
		forge_heap_deinit(&f);
	}
}

TEST(the_tcache_of_a_generation_is_told_by_its_chunk)
{
	static const struct {
		unsigned state;
		uint64_t size;
		const char *name;
	} rows[] = {
		{ 0, 0x300, "2.42-" }, { 0, 0x310, "2.42-" }, { 0, 0x320, "2.42-" },
		{ 0, 0x330, NULL }, { 0, 0x290, NULL }, { 1, 0x300, "2.42-" },
		{ 1, 0x290, "2.30-2.41" }, { 1, 0x2a0, "2.30-2.41" }, { 1, 0x280, NULL },
		{ 1, 0x250, "2.26-2.29" }, { 2, 0x250, "2.26-2.29" }, { 2, 0x290, NULL },
		{ 3, 0x250, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct glibc_tcache_layout *t =
			glibc_tcache_of(&glibc_state_layouts[rows[i].state], rows[i].size);

		if (!rows[i].name)
			assert_null(t);
		else
			assert_string_equal(t->name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_generation_is_told_from_memory),
		cmocka_unit_test(two_torn_bins_are_forgiven_and_three_are_not),
		cmocka_unit_test(what_only_resembles_bins_is_no_arena),
		cmocka_unit_test(a_ring_that_does_not_come_back_is_no_arena),
		cmocka_unit_test(an_arena_nobody_used_has_no_heap),
		cmocka_unit_test(a_system_mem_of_any_size_reserves_no_more_than_there_is),
		cmocka_unit_test(the_tcache_of_a_generation_is_told_by_its_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
