/* vec, map and arena: what grows. */
#include "base/loop.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/sorted.h"
#include "base/vec.h"
#include "cs_test.h"

#include <string.h>

TEST(a_vector_keeps_what_was_pushed)
{
	CS_VEC(int) v = { NULL, 0, 0 };

	for (int i = 0; i < 1000; i++)
		assert_true(cs_vec_push(&v, i * 3));
	assert_int_equal(v.count, 1000);
	assert_true(v.cap <= 1508);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.items[i], i * 3);
	cs_vec_free(&v);
	assert_null(v.items);
	assert_int_equal(v.cap, 0);
}

TEST(a_vector_refuses_a_size_that_overflows)
{
	void *items = NULL;
	size_t cap = SIZE_MAX / 4;

	assert_false(cs_vec_room(&items, cap, &cap, 16));
	assert_null(items);
	assert_int_equal(cap, SIZE_MAX / 4);
}

TEST(a_map_answers_what_was_put_last)
{
	struct cs_map map = { .cap = 0 };
	uint32_t v = 1;

	assert_false(cs_map_get(&map, 5, &v));
	for (uint64_t k = 1; k <= 5000; k++)
		assert_true(cs_map_put(&map, k << 20, (uint32_t)k));
	for (uint64_t k = 1; k <= 5000; k += 2)
		assert_true(cs_map_put(&map, k << 20, 7));
	assert_int_equal(map.count, 5000);
	for (uint64_t k = 1; k <= 5000; k++) {
		assert_true(cs_map_get(&map, k << 20, &v));
		assert_int_equal(v, k % 2 ? 7 : k);
	}
	assert_false(cs_map_get(&map, 3, &v));
	assert_true(map.count * 10 <= map.cap * 7 + 10);
	cs_map_deinit(&map);
}

TEST(a_map_has_no_key_zero)
{
	struct cs_map map = { .cap = 0 };

	assert_false(cs_map_put(&map, 0, 1));
	assert_int_equal(map.count, 0);
	cs_map_deinit(&map);
}

TEST(an_arena_gives_zeroed_aligned_memory)
{
	struct cs_arena arena = { .slabs = NULL };
	static const size_t sizes[] = { 1, 16, 17, 1000, 65536, 200000, 0, 3 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *p = cs_arena_alloc(&arena, sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, sizes[i]);
	}
	assert_null(cs_arena_alloc(&arena, SIZE_MAX));
	cs_arena_deinit(&arena);
	assert_int_equal(arena.total, 0);
}

TEST(an_arena_keeps_texts_of_any_length)
{
	struct cs_arena arena = { .slabs = NULL };
	char longer[2000];

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';

	const char *a = cs_arena_text(&arena, "abcdef", 3);
	const char *b = cs_arena_printf(&arena, "%s-%d", longer, 42);

	assert_string_equal(a, "abc");
	assert_int_equal(strlen(b), sizeof(longer) - 1 + 3);
	assert_string_equal(b + sizeof(longer) - 1, "-42");
	cs_arena_deinit(&arena);
}

TEST(a_chain_that_closes_is_told_soon_and_no_other)
{
	for (uint64_t before = 0; before < 40; before++)
		for (uint64_t circle = 0; circle < 40; circle++) {
			struct cs_loop loop = { 0 };
			uint64_t link = 1, steps = 0, length = before + circle;

			while (link <= length && !cs_loop_closes(&loop, link)) {
				assert_true(++steps <= 3 * length + 3);
				link = link == length && circle ? before + 1 : link + 1;
			}
			assert_int_equal(link <= length, circle != 0);
		}
}

/* Of 0 to 9 items with members 0 0 3 3 6 6 ... each value is counted as one by one. */
TEST(places_in_sorted_arrays_are_those_of_a_count)
{
	struct {
		char pad;
		uint64_t wide;
		uint32_t narrow;
	} items[9];

	for (size_t i = 0; i < 9; i++) {
		items[i].wide = i / 2 * 3 + (i > 6 ? UINT64_MAX - 20 : 0);
		items[i].narrow = (uint32_t)items[i].wide;
	}
	for (size_t n = 0; n <= 9; n++)
		for (uint64_t step = 0; step < 60; step++) {
			uint64_t value = step < 30 ? step : UINT64_MAX - (59 - step);
			size_t wide = 0, below = 0, narrow = 0;

			for (size_t i = 0; i < n; i++) {
				wide += items[i].wide <= value;
				below += items[i].wide < value;
				narrow += items[i].narrow <= value;
			}
			assert_int_equal(CS_UPTO(items, n, wide, value), wide);
			assert_int_equal(CS_BELOW(items, n, wide, value), below);
			assert_int_equal(CS_UPTO(items, n, narrow, value), narrow);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_keeps_what_was_pushed),
		cmocka_unit_test(a_vector_refuses_a_size_that_overflows),
		cmocka_unit_test(a_map_answers_what_was_put_last),
		cmocka_unit_test(a_map_has_no_key_zero),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(an_arena_keeps_texts_of_any_length),
		cmocka_unit_test(places_in_sorted_arrays_are_those_of_a_count),
		cmocka_unit_test(a_chain_that_closes_is_told_soon_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
