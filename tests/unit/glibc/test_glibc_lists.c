/* Bins, fastbins and tcaches: each chunk once, no list without an end. */
#include "cs_test.h"
#include "forge_heap.h"
#include "glibc/glibc_state.h"

enum { P = 1, TCACHE_CHUNK = 0x290, ENTRIES = 128 };

static cs_addr fastbin_head(const struct forge_heap *f, uint64_t size)
{
	return f->arena + f->layout->fastbins + (size - 32) / 16 * 8;
}

static uint64_t mangle(cs_addr addr, uint64_t value)
{
	return value ^ (addr >> 12);
}

TEST(fastbins_are_followed_plain_and_mangled)
{
	for (int mangled = 0; mangled < 2; mangled++) {
		struct forge_heap f;
		cs_addr c[3];

		forge_heap_init(&f, 1, 2);
		for (unsigned i = 0; i < 3; i++)
			c[i] = forge_chunk(&f, 0x30, P);
		forge_chunk(&f, 0x30, P);
		for (unsigned i = 0; i < 3; i++) {
			cs_addr next = i < 2 ? c[i + 1] : 0;

			forge_put(&f, c[i] + 16, mangled ? mangle(c[i] + 16, next) : next);
		}
		forge_put(&f, fastbin_head(&f, 0x30), c[0]);
		forge_finish(&f);
		assert_int_equal(forge_scan(&f), CS_OK);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(forge_state(&f, c[i]), CS_BLOCK_FASTBIN);
		assert_int_equal(f.model.mallinfo.smblks, 3);
		assert_int_equal(f.model.mallinfo.fsmblks, 0x90);
		assert_int_equal(f.model.anomaly_count, 0);
		forge_heap_deinit(&f);
	}
}

TEST(a_fastbin_that_bites_its_tail_ends_there)
{
	struct forge_heap f;
	cs_addr a, b;

	forge_heap_init(&f, 2, 2);
	a = forge_chunk(&f, 0x30, P);
	b = forge_chunk(&f, 0x30, P);
	forge_put(&f, a + 16, b);
	forge_put(&f, b + 16, a);
	forge_put(&f, fastbin_head(&f, 0x30), a);
	forge_finish(&f);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(f.model.mallinfo.smblks, 2);
	assert_int_equal(forge_anomalies(&f, "malloc.fastbin", "fasttop"), 1);
	forge_heap_deinit(&f);
}

TEST(a_fastbin_that_leads_astray_is_told_once)
{
	static const uint64_t heads[] = { 0x1234567, FORGE_HEAP + 0x48, FORGE_LIBC, UINT64_MAX & ~15ull,
					  FORGE_HEAP + 0x60 };

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct forge_heap f;

		forge_heap_init(&f, 1, 1);
		forge_chunk(&f, 0x60, P);
		forge_chunk(&f, 0x60, P); /* the last row: of another size */
		forge_finish(&f);
		forge_put(&f, fastbin_head(&f, 0x30), heads[i]);
		assert_int_equal(forge_scan(&f), CS_OK);
		assert_int_equal(f.model.anomaly_count, 1);
		assert_int_equal(forge_anomalies(&f, "malloc.fastbin", "malloc()"), 1);
		assert_int_equal(f.model.mallinfo.smblks, 0);
		forge_heap_deinit(&f);
	}
}

TEST(a_bin_broken_in_the_middle_is_walked_from_both_ends)
{
	struct forge_heap f;
	cs_addr c[5];

	forge_heap_init(&f, 1, 1);
	for (unsigned i = 0; i < 5; i++) {
		c[i] = forge_binned(&f, 0x100, 16);
		forge_chunk(&f, 0x40, 0);
	}
	forge_finish(&f);
	forge_put(&f, c[2] + 16, 0x4141414141414141); /* fd and bk of the middle one */
	forge_put(&f, c[2] + 24, 0x4141414141414141);
	assert_int_equal(forge_scan(&f), CS_OK);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(forge_state(&f, c[i]), CS_BLOCK_FREE);
	assert_int_equal(f.model.mallinfo.ordblks, 1 + 4);
	assert_true(forge_anomalies(&f, "malloc.bin", "smallbin double linked list corrupted") >= 1);
	assert_int_equal(forge_anomalies(&f, "malloc.chunk", "in no bin"), 1);
	forge_heap_deinit(&f);
}

TEST(a_bin_cannot_hold_what_is_in_use_or_elsewhere)
{
	struct forge_heap f;
	cs_addr used;

	forge_heap_init(&f, 1, 1);
	used = forge_chunk(&f, 0x100, P);
	forge_chunk(&f, 0x40, P);
	forge_link(&f, used, 16);
	forge_finish(&f);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_state(&f, used), CS_BLOCK_USED);
	assert_int_equal(f.model.mallinfo.ordblks, 1);
	assert_true(forge_anomalies(&f, "malloc.bin", "corrupted") > 0);
	forge_heap_deinit(&f);
}

/* A tcache of 2.30 to 2.41 as the first chunk, then n chunks of size 0x40 in its
 * bin, linked with safe-linking. */
static cs_addr with_tcache(struct forge_heap *f, unsigned n, cs_addr *c)
{
	cs_addr t;

	forge_heap_init(f, 1, 1);
	t = forge_chunk(f, TCACHE_CHUNK, P) + 16;
	for (unsigned i = 0; i < n; i++)
		c[i] = forge_chunk(f, 0x40, P);
	forge_chunk(f, 0x40, P);
	for (unsigned i = 0; i < n; i++)
		forge_put(f, c[i] + 16, mangle(c[i] + 16, i + 1 < n ? c[i + 1] + 16 : 0));
	forge_put(f, t, (uint64_t)n << 32); /* counts[2] */
	forge_put(f, t + ENTRIES + 2 * 8, c[0] + 16);
	forge_finish(f);
	return t;
}

TEST(cached_chunks_are_free_and_their_tcache_is_in_use)
{
	struct forge_heap f;
	cs_addr c[4], t = with_tcache(&f, 4, c);

	assert_int_equal(forge_scan(&f), CS_OK);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(forge_state(&f, c[i]), CS_BLOCK_TCACHE);
	assert_int_equal(forge_state(&f, t - 16), CS_BLOCK_USED);
	assert_int_equal(f.model.mallinfo.tcache_count, 4);
	assert_int_equal(f.model.mallinfo.tcache_bytes, 0x100);
	assert_int_equal(f.model.mallinfo.uordblks, TCACHE_CHUNK + 5 * 0x40);
	assert_int_equal(f.model.arenas.items[0].used, TCACHE_CHUNK + 0x40);
	assert_int_equal(f.model.anomaly_count, 0);
	forge_heap_deinit(&f);
}

TEST(a_tcache_list_that_comes_back_is_a_double_free)
{
	struct forge_heap f;
	cs_addr c[3];

	with_tcache(&f, 3, c);
	forge_put(&f, c[2] + 16, mangle(c[2] + 16, c[0] + 16));
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(f.model.mallinfo.tcache_count, 3);
	assert_int_equal(forge_anomalies(&f, "malloc.tcache", "double free"), 1);
	forge_heap_deinit(&f);
}

TEST(a_cached_chunk_that_was_written_to_leads_nowhere_and_is_told)
{
	static const uint64_t words[] = { 0x4141414141414141, 0x4141414141414148, 0x10 };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		struct forge_heap f;
		cs_addr c[3];

		with_tcache(&f, 3, c);
		forge_put(&f, c[1] + 16, words[i]);
		assert_int_equal(forge_scan(&f), CS_OK);
		assert_int_equal(f.model.mallinfo.tcache_count, 2);
		assert_int_equal(forge_state(&f, c[2]), CS_BLOCK_USED); /* nobody leads there */
		assert_int_equal(f.model.anomaly_count, 1);
		assert_int_equal(forge_anomalies(&f, "malloc.tcache", ""), 1);
		forge_heap_deinit(&f);
	}
}

TEST(a_block_that_only_looks_like_a_tcache_is_none)
{
	struct forge_heap f;
	cs_addr c[2], t = with_tcache(&f, 2, c);

	forge_put(&f, t + ENTRIES + 2 * 8, c[0] + 32); /* no chunk begins there */
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(f.model.mallinfo.tcache_count, 0);
	assert_int_equal(forge_state(&f, c[0]), CS_BLOCK_USED);
	assert_int_equal(f.model.anomaly_count, 0);
	forge_heap_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fastbins_are_followed_plain_and_mangled),
		cmocka_unit_test(a_fastbin_that_bites_its_tail_ends_there),
		cmocka_unit_test(a_fastbin_that_leads_astray_is_told_once),
		cmocka_unit_test(a_bin_broken_in_the_middle_is_walked_from_both_ends),
		cmocka_unit_test(a_bin_cannot_hold_what_is_in_use_or_elsewhere),
		cmocka_unit_test(cached_chunks_are_free_and_their_tcache_is_in_use),
		cmocka_unit_test(a_tcache_list_that_comes_back_is_a_double_free),
		cmocka_unit_test(a_cached_chunk_that_was_written_to_leads_nowhere_and_is_told),
		cmocka_unit_test(a_block_that_only_looks_like_a_tcache_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
