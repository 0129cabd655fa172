/* Traces in groups, as tracemalloc.Snapshot.statistics() makes them. */
#include "model/model.h"

#include "cs_test.h"

/* Two files; lines 0:1, 0:2, 1:1. */
static void begin(struct cs_model *m)
{
	static const struct cs_site_frame frames[] = { { 0, 1, NULL }, { 0, 2, NULL }, { 1, 1, NULL } };

	*m = (struct cs_model){ .sites.state = CS_SITES_ON };
	assert_true(cs_vec_push(&m->sites.files, (struct cs_site_file){ "a.py", 4 }));
	assert_true(cs_vec_push(&m->sites.files, (struct cs_site_file){ "b.py", 4 }));
	for (size_t i = 0; i < 3; i++)
		assert_true(cs_vec_push(&m->sites.frames, frames[i]));
}

/* frames: numbers, one a digit. */
static void traceback(struct cs_model *m, const char *frames, uint16_t total, uint64_t traces,
		      uint64_t size)
{
	struct cs_traceback t = { .first = m->sites.stack.count, .count = (uint16_t)strlen(frames),
				  .total = total, .traces = traces, .size = size, .bytes = size + 1 };

	for (; *frames; frames++)
		assert_true(cs_vec_push(&m->sites.stack, (uint32_t)(*frames - '0')));
	assert_true(cs_vec_push(&m->sites.tracebacks, t));
}

static void check(struct cs_model *m, enum cs_site_key key, bool is_cumulative,
		  const struct cs_site_group *want, size_t count)
{
	struct cs_site_groups got;

	assert_int_equal(cs_sites_group(&m->sites, key, is_cumulative, NULL, &got, NULL), CS_OK);
	assert_int_equal(got.rows.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got.rows.items[i].nr, want[i].nr);
		assert_int_equal(got.rows.items[i].count, want[i].count);
		assert_int_equal(got.rows.items[i].size, want[i].size);
		assert_int_equal(got.rows.items[i].bytes, want[i].bytes);
	}
	cs_vec_free(&got.rows);
}

TEST(rows_are_grouped_as_tracemalloc_groups_them)
{
	/* bytes of a traceback are its size + 1 */
	static const struct cs_site_group lines[] = { { 0, 2, 10, 11 }, { 2, 8, 800, 803 } },
		files[] = { { 0, 2, 10, 11 }, { 1, 8, 800, 803 } },
		/* those that differ in the total only are one; those of no living trace none */
		tracebacks[] = { { 0, 2, 10, 11 }, { 1, 3, 300, 302 }, { 3, 5, 500, 501 } },
		/* a frame counts as often as it is in a traceback: "011", "2", "2", "201" */
		all_lines[] = { { 0, 2 + 5, 10 + 500, 11 + 501 },
				{ 1, 2 + 2 + 5, 10 + 10 + 500, 11 + 11 + 501 }, { 2, 8, 800, 803 } },
		all_files[] = { { 0, 3 * 2 + 2 * 5, 3 * 10 + 2 * 500, 3 * 11 + 2 * 501 },
				{ 1, 8, 800, 803 } };
	struct cs_model m;

	begin(&m);
	traceback(&m, "011", 3, 2, 10);
	traceback(&m, "2", 1, 1, 100);
	traceback(&m, "2", 7, 2, 200);
	traceback(&m, "201", 3, 5, 500);
	traceback(&m, "1", 1, 0, 0);
	m.sites.tracebacks.items[4].bytes = 0;
	check(&m, CS_SITE_LINE, false, lines, 2);
	check(&m, CS_SITE_FILE, false, files, 2);
	check(&m, CS_SITE_TRACEBACK, false, tracebacks, 3);
	check(&m, CS_SITE_LINE, true, all_lines, 3);
	check(&m, CS_SITE_FILE, true, all_files, 2);
	cs_model_deinit(&m);
}

TEST(sums_of_absurd_sizes_do_not_wrap)
{
	struct cs_site_groups got;
	struct cs_model m;

	begin(&m);
	traceback(&m, "0", 1, 1, UINT64_MAX - 2);
	traceback(&m, "01", 2, UINT64_MAX, UINT64_MAX - 2);
	assert_int_equal(cs_sites_group(&m.sites, CS_SITE_FILE, false, NULL, &got, NULL), CS_OK);
	assert_int_equal(got.rows.items[0].size, UINT64_MAX);
	assert_int_equal(got.rows.items[0].count, UINT64_MAX);
	cs_vec_free(&got.rows);
	cs_model_deinit(&m);
}

TEST(nothing_recorded_gives_no_rows)
{
	struct cs_model m = { .sites.state = CS_SITES_OFF };

	for (int key = CS_SITE_LINE; key <= CS_SITE_TRACEBACK; key++)
		check(&m, (enum cs_site_key)key, false, NULL, 0);
	cs_model_deinit(&m);
}

TEST(what_is_in_use_is_counted_without_mallocs_headers)
{
	static const struct cs_big_block big[] = {
		{ .start = 0x100000, .len = 0x22000, .user = 0x100010, .usable = 0x21ff0,
		  .chunk = { 0x100000, 0x22000 }, .allocator = CS_ALLOC_GLIBC, .state = CS_BLOCK_USED },
		{ .start = 0x200000, .len = 0x22000, .user = 0x200010, .usable = 0x21ff0,
		  .chunk = { 0x200000, 0x22000 }, .allocator = CS_ALLOC_GLIBC, .state = CS_BLOCK_FREE },
	};
	static const struct cs_size_row sizes[] = {
		{ 32, CS_ALLOC_GLIBC, 10, 320 }, { 0x22000, CS_ALLOC_GLIBC, 1, 0x22000 },
		{ 48, CS_ALLOC_PYMALLOC, 5, 240 },
	};
	struct cs_model m = { .sites.state = CS_SITES_OFF };
	uint64_t blocks, bytes;

	for (size_t i = 0; i < 3; i++)
		assert_true(cs_vec_push(&m.sizes, sizes[i]));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(cs_blocks_add_big(&m.blocks, big[i], NULL), CS_OK);
	cs_sites_used(&m, &blocks, &bytes);
	assert_int_equal(blocks, 16);
	assert_int_equal(bytes, 10 * 24 + 0x21ff0 + 240);
	cs_model_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_grouped_as_tracemalloc_groups_them),
		cmocka_unit_test(sums_of_absurd_sizes_do_not_wrap),
		cmocka_unit_test(nothing_recorded_gives_no_rows),
		cmocka_unit_test(what_is_in_use_is_counted_without_mallocs_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
