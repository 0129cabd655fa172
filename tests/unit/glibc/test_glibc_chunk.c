/* Chunks of hand-made heaps: what is believed, what is not, where it goes on. */
#include "cs_test.h"
#include "forge_heap.h"
#include "glibc/glibc_chunk.h"

enum { P = 1, M = 2, A = 4 };

TEST(a_size_word_is_believed_only_when_it_can_be_right)
{
	const struct glibc_chunk_rules main_heap = { .limit = 0x10000, .top = 0x8000, .is_main = true };
	const struct glibc_chunk_rules other = { .limit = 0x10000, .top = 0x8000 };
	const struct {
		const struct glibc_chunk_rules *rules;
		cs_addr at;
		uint64_t word, prev_size, before;
		const char *why;
	} rows[] = {
		{ &main_heap, 0x1000, 0x21, 0, 0, NULL },
		{ &main_heap, 0x1000, 0x7001, 0, 0, NULL }, /* ends at top */
		{ &main_heap, 0x1000, 0x7011, 0, 0, "double free or corruption (out)" },
		{ &main_heap, 0x1000, 0x11, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, 0x1, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, 0x29, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, 0x21 | M, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, 0xf001, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, UINT64_MAX & ~14ull, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x10000, 0x21, 0, 0, "free(): invalid next size" },
		{ &main_heap, 0x1000, 0x21 | A, 0, 0,
		  "free(): invalid pointer (NON_MAIN_ARENA in the main heap)" },
		{ &other, 0x1000, 0x21 | A, 0, 0, NULL },
		{ &main_heap, 0x1000, 0x20, 0x40, 0x41, NULL },
		{ &main_heap, 0x1000, 0x20, 0x30, 0x41, "corrupted size vs. prev_size" },
		{ &main_heap, 0x1000, 0x20, 0x40, 0x40, "double free or corruption (!prev)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *why = glibc_chunk_problem(rows[i].rules, rows[i].at, rows[i].word,
						      rows[i].prev_size, rows[i].before);

		if (!rows[i].why)
			assert_null(why);
		else
			assert_string_equal(why, rows[i].why);
	}
}

TEST(used_chunks_binned_chunks_and_top_tile_the_heap)
{
	struct forge_heap f;
	cs_addr used, bin, last;

	forge_heap_init(&f, 1, 1);
	used = forge_chunk(&f, 0x40, P);
	bin = forge_binned(&f, 0x100, 1);
	last = forge_chunk(&f, 0x60, 0);
	forge_finish(&f);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_state(&f, used), CS_BLOCK_USED);
	assert_int_equal(forge_state(&f, bin), CS_BLOCK_FREE);
	assert_int_equal(forge_state(&f, last), CS_BLOCK_USED);
	assert_int_equal(forge_state(&f, f.at), CS_BLOCK_UNCARVED);
	assert_int_equal(f.model.anomaly_count, 0);
	assert_int_equal(f.model.mallinfo.arena, FORGE_HEAP_LEN);
	assert_int_equal(f.model.mallinfo.ordblks, 2);
	assert_int_equal(f.model.mallinfo.uordblks, 0xa0);
	assert_int_equal(f.model.arenas.items[0].used, 0xa0);
	forge_heap_deinit(&f);
}

/* A victim between two neighbours, its size word overwritten. */
static void overwritten(uint64_t word, const char *why)
{
	struct forge_heap f;
	cs_addr before, victim, after[3];

	forge_heap_init(&f, 1, 1);
	before = forge_chunk(&f, 0x40, P);
	victim = forge_chunk(&f, 0x120, P);
	for (unsigned i = 0; i < 3; i++)
		after[i] = forge_chunk(&f, 0x50, P);
	forge_finish(&f);
	forge_put(&f, victim + 8, word);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_state(&f, before), CS_BLOCK_USED);
	assert_int_equal(forge_state(&f, victim), CS_BLOCK_LOST);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(forge_state(&f, after[i]), CS_BLOCK_USED);
	assert_int_equal(forge_bytes(&f, CS_BLOCK_LOST), 0x120);
	assert_int_equal(f.model.anomaly_count, 1);
	assert_int_equal(forge_anomalies(&f, "malloc.chunk", why), 1);
	assert_int_equal(forge_anomalies(&f, "malloc.chunk", "0x555555600010 before it"), 1);
	forge_heap_deinit(&f);
}

TEST(stops_at_an_impossible_size_and_goes_on_behind_it)
{
	overwritten(0x4141414141414141, "invalid next size");
	overwritten(0, "invalid next size");
	overwritten(UINT64_MAX, "invalid next size");
	overwritten(0x100, "corrupted size vs. prev_size"); /* a NUL one byte too far */
}

TEST(a_lone_header_among_garbage_is_no_place_to_go_on)
{
	struct forge_heap f;
	cs_addr victim;

	forge_heap_init(&f, 1, 1);
	forge_chunk(&f, 0x40, P);
	victim = forge_chunk(&f, 0x200, P);
	forge_chunk(&f, 0x40, P);
	forge_chunk(&f, 0x40, P);
	forge_finish(&f);
	forge_put(&f, victim + 8, UINT64_MAX);
	forge_put(&f, victim + 0x48, 0x31); /* the word behind it would be a size of 0 */
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_bytes(&f, CS_BLOCK_LOST), 0x200);
	forge_heap_deinit(&f);
}

TEST(bytes_of_a_foreign_sbrk_are_overhead)
{
	struct forge_heap f;
	cs_addr fence, first;

	forge_heap_init(&f, 1, 1);
	forge_chunk(&f, 0x1000 - 0x20, P);
	fence = forge_chunk(&f, 0x10, P);
	forge_chunk(&f, 0x10, P);
	f.at += 0x3050; /* theirs */
	first = forge_chunk(&f, 0x40, P);
	for (unsigned i = 0; i < 3; i++)
		forge_chunk(&f, 0x40, P);
	forge_finish(&f);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(f.model.anomaly_count, 0);
	assert_int_equal(forge_state(&f, fence), CS_BLOCK_OVERHEAD);
	assert_int_equal(forge_state(&f, fence + 0x2000), CS_BLOCK_OVERHEAD);
	assert_int_equal(forge_state(&f, first), CS_BLOCK_USED);
	assert_int_equal(f.model.arenas.items[0].overhead, 0x3070);
	forge_heap_deinit(&f);
}

TEST(a_top_that_does_not_end_its_heap_is_told)
{
	struct forge_heap f;

	forge_heap_init(&f, 1, 1);
	forge_chunk(&f, 0x40, P);
	forge_finish(&f);
	forge_put(&f, f.at + 8, 0x777001);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_anomalies(&f, "malloc.chunk", "corrupted top size"), 1);
	assert_int_equal(forge_state(&f, f.at), CS_BLOCK_UNCARVED);
	forge_heap_deinit(&f);
}

TEST(a_chunk_marked_free_that_no_bin_has_is_told)
{
	struct forge_heap f;
	cs_addr at;

	forge_heap_init(&f, 1, 1);
	forge_chunk(&f, 0x40, P);
	at = forge_chunk(&f, 0x100, P);
	forge_put(&f, f.at, 0x100);
	forge_chunk(&f, 0x40, 0);
	forge_finish(&f);
	assert_int_equal(forge_scan(&f), CS_OK);
	assert_int_equal(forge_state(&f, at), CS_BLOCK_FREE);
	assert_int_equal(forge_anomalies(&f, "malloc.chunk", "in no bin"), 1);
	forge_heap_deinit(&f);
}

static void two_hundred_chunks(struct forge_heap *f)
{
	forge_heap_init(f, 1, 1);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 7 == 3)
			forge_binned(f, 0x200, 32);
		else
			forge_chunk(f, 0x130 + 16 * (i % 40), i % 7 == 4 ? 0 : P);
	}
	forge_finish(f);
}

/* The counterpart of "fail the n-th read": a dump in which any one page is missing. */
TEST(any_missing_page_is_survived_and_every_byte_stays_in_one_tile)
{
	for (cs_addr page = 0; page < FORGE_HEAP_LEN + FORGE_LIBC_LEN; page += 0x1000) {
		cs_addr missing = page < FORGE_HEAP_LEN ? FORGE_HEAP + page :
							  FORGE_LIBC + page - FORGE_HEAP_LEN;
		struct forge_heap f;
		uint64_t sum = 0;
		cs_status st;

		two_hundred_chunks(&f);
		forge_seal(&f, missing);
		st = forge_scan(&f);
		assert_true(st == CS_OK || st == CS_NOTFOUND);
		for (unsigned s = 1; s < CS_BLOCK_STATES; s++)
			sum += forge_bytes(&f, s);
		assert_true(sum == 0 || sum == FORGE_HEAP_LEN);
		if (page < FORGE_HEAP_LEN && page) {
			assert_int_equal(st, CS_OK);
			assert_true(forge_bytes(&f, CS_BLOCK_LOST) < 0x1800);
		}
		forge_heap_deinit(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_word_is_believed_only_when_it_can_be_right),
		cmocka_unit_test(used_chunks_binned_chunks_and_top_tile_the_heap),
		cmocka_unit_test(stops_at_an_impossible_size_and_goes_on_behind_it),
		cmocka_unit_test(a_lone_header_among_garbage_is_no_place_to_go_on),
		cmocka_unit_test(bytes_of_a_foreign_sbrk_are_overhead),
		cmocka_unit_test(a_top_that_does_not_end_its_heap_is_told),
		cmocka_unit_test(a_chunk_marked_free_that_no_bin_has_is_told),
		cmocka_unit_test(any_missing_page_is_survived_and_every_byte_stays_in_one_tile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
