#include "mem/mem.h"
#include "cs_test.h"

#include <stdlib.h>

static unsigned char bytes[0x4000];

static void add(struct cs_mem *mem, cs_addr start, uint64_t len, size_t at)
{
	struct cs_mem_seg seg = { .start = start, .len = len, .data = bytes + at, .is_target = true };

	assert_int_equal(cs_mem_add(mem, seg, NULL), CS_OK);
}

static int number_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i % 251 + 1);
	return 0;
}

TEST(a_segment_past_the_end_of_the_address_space_is_refused)
{
	struct cs_mem mem = { .mapped = 0 };
	struct cs_error err = { .text = "" };
	struct cs_mem_seg seg = { .start = UINT64_MAX - 0xfff, .len = 0x2000, .data = bytes };

	assert_int_equal(cs_mem_add(&mem, seg, &err), CS_CORRUPT);
	assert_int_equal(mem.segs.count, 0);
	cs_mem_deinit(&mem);
}

TEST(neighbours_in_address_and_data_become_one)
{
	struct cs_mem mem = { .mapped = 0 };

	add(&mem, 0x2000, 0x1000, 0x1000);
	add(&mem, 0x1000, 0x1000, 0);
	add(&mem, 0x3000, 0x1000, 0x3000); /* adjacent, its data is not */
	cs_mem_seal(&mem, NULL);
	assert_int_equal(mem.segs.count, 2);
	assert_ptr_equal(cs_mem_view(&mem, 0x1ff8, 16), bytes + 0xff8);
	assert_null(cs_mem_view(&mem, 0x2ff8, 16));
	cs_mem_deinit(&mem);
}

TEST(where_segments_overlap_the_lower_one_wins)
{
	struct cs_mem mem = { .mapped = 0 };
	uint64_t cut = 0;

	add(&mem, 0x1000, 0x1000, 0);
	add(&mem, 0x1800, 0x1000, 0x2000);
	add(&mem, 0x1900, 0x100, 0x3000); /* wholly covered */
	cs_mem_seal(&mem, &cut);
	assert_int_equal(cut, 0x800 + 0x100);
	assert_int_equal(mem.segs.count, 2);
	assert_ptr_equal(cs_mem_view(&mem, 0x1fff, 1), bytes + 0xfff);
	assert_ptr_equal(cs_mem_view(&mem, 0x2000, 1), bytes + 0x2800);
	for (size_t i = 1; i < mem.segs.count; i++)
		assert_true(mem.segs.items[i - 1].start + mem.segs.items[i - 1].len <=
			    mem.segs.items[i].start);
	cs_mem_deinit(&mem);
}

TEST(of_two_that_start_together_the_longer_wins)
{
	for (int order = 0; order < 2; order++) {
		struct cs_mem mem = { .mapped = 0 };
		uint64_t cut = 0;

		add(&mem, 0x1000, order ? 0x2000 : 0x1000, order ? 0 : 0x2000);
		add(&mem, 0x1000, order ? 0x1000 : 0x2000, order ? 0x2000 : 0);
		cs_mem_seal(&mem, &cut);
		assert_int_equal(cut, 0x1000);
		assert_ptr_equal(cs_mem_view(&mem, 0x1000, 0x2000), bytes);
		cs_mem_deinit(&mem);
	}
}

TEST(a_view_needs_every_byte)
{
	static const struct {
		cs_addr addr;
		uint64_t len;
		bool there;
	} rows[] = {
		{ 0x1000, 0x1000, true },  { 0x1000, 0x1001, false },	  { 0xfff, 1, false },
		{ 0x1fff, 1, true },	   { 0x2000, 1, false },	  { 0x1000, UINT64_MAX, false },
		{ 0, 1, false },	   { UINT64_MAX, 1, false },	  { 0x1800, 0x800, true },
		{ 0x1800, 0x801, false },
	};
	struct cs_mem mem = { .mapped = 0 };

	assert_null(cs_mem_view(&mem, 0x1000, 1));
	add(&mem, 0x1000, 0x1000, 0);
	cs_mem_seal(&mem, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(cs_mem_view(&mem, rows[i].addr, rows[i].len) != NULL, rows[i].there);
	cs_mem_deinit(&mem);
}

TEST(a_copy_crosses_seams_and_names_the_first_absent_byte)
{
	struct cs_mem mem = { .mapped = 0 };
	struct cs_error err = { .text = "" };
	unsigned char buf[0x3000], scratch[16];

	add(&mem, 0x1000, 0x1000, 0);
	add(&mem, 0x2000, 0x1000, 0x3000);
	cs_mem_seal(&mem, NULL);
	assert_int_equal(cs_mem_read(&mem, 0x1000, buf, 0x2000, &err), CS_OK);
	assert_memory_equal(buf, bytes, 0x1000);
	assert_memory_equal(buf + 0x1000, bytes + 0x3000, 0x1000);
	assert_int_equal(cs_mem_read(&mem, 0x1800, buf, 0x1801, &err), CS_FAULT);
	assert_int_equal(err.addr, 0x3000);
	assert_ptr_equal(cs_mem_borrow(&mem, 0x1ff8, 16, scratch), scratch);
	assert_ptr_equal(cs_mem_borrow(&mem, 0x1ff0, 16, scratch), bytes + 0xff0);
	assert_null(cs_mem_borrow(&mem, 0x2ff8, 16, scratch));
	cs_mem_deinit(&mem);
}

TEST(a_run_ends_at_the_first_gap)
{
	struct cs_mem mem = { .mapped = 0 };

	add(&mem, 0x1000, 0x1000, 0);
	add(&mem, 0x2000, 0x1000, 0x3000);
	add(&mem, 0x4000, 0x1000, 0x1000);
	cs_mem_seal(&mem, NULL);
	assert_int_equal(cs_mem_run(&mem, 0x1010), 0x1ff0);
	assert_int_equal(cs_mem_run(&mem, 0x3000), 0);
	assert_int_equal(cs_mem_find_next(&mem, 0x3000)->start, 0x4000);
	assert_null(cs_mem_find_next(&mem, 0x5000));
	cs_mem_deinit(&mem);
}

TEST(pages_from_files_are_readable_and_do_not_count_as_present)
{
	struct cs_mem mem = { .mapped = 0 };
	struct cs_mem_seg under = { .start = 0x2000, .len = 0x1000, .data = bytes + 0x1000 };

	add(&mem, 0x1000, 0x1000, 0);
	add(&mem, 0x3000, 0x1000, 0x2000);
	assert_int_equal(cs_mem_add(&mem, under, NULL), CS_OK);
	cs_mem_seal(&mem, NULL);
	assert_non_null(cs_mem_view(&mem, 0x2000, 0x1000));
	assert_int_equal(cs_mem_present(&mem, 0x1000, 0x3000), 0x2000);
	assert_int_equal(cs_mem_present(&mem, 0, UINT64_MAX), 0x2000);
	assert_int_equal(cs_mem_present(&mem, 0x1800, 0x1000), 0x800);
	assert_int_equal(cs_mem_present(&mem, 0x5000, 0x1000), 0);
	cs_mem_deinit(&mem);
}

TEST(presence_counts_the_bytes_of_resident_pages)
{
	struct cs_mem mem = { .mapped = 0 };
	uint64_t resident[2] = { 1ull << 0 | 1ull << 2 | 1ull << 63, 1 };
	struct cs_mem_seg seg = {
		.start = 0x100000, .len = 0x80000, .data = bytes, .resident = resident, .is_target = true,
	};
	static const struct {
		uint64_t off, len, present;
	} rows[] = {
		{ 0, 0x80000, 4 * 0x1000 },    { 0, 0x1000, 0x1000 },	   { 0x1000, 0x1000, 0 },
		{ 0x800, 0x1000, 0x800 },      { 0x1fff, 0x1002, 0x1000 }, { 0x2000, 1, 1 },
		{ 0x3f000, 0x2000, 0x2000 },   { 0x3f800, 0x1000, 0x1000 },
		{ 0x40fff, 0x100000, 1 },
	};

	assert_int_equal(cs_mem_add(&mem, seg, NULL), CS_OK);
	cs_mem_seal(&mem, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(cs_mem_present(&mem, 0x100000 + rows[i].off, rows[i].len),
				 rows[i].present);
	cs_mem_deinit(&mem);
}

static bool refuse_second_page(struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	(void)seg;
	return off + len <= 0x1000;
}

TEST(a_text_ends_with_its_nul_or_is_none)
{
	struct cs_mem mem = { .mapped = 0 };
	static unsigned char text[0x2000];
	struct cs_mem_seg seg = { .start = 0x1000, .len = sizeof(text), .data = text };
	size_t len = 99;

	memset(text, 'x', sizeof(text));
	memcpy(text + 0xff8, "hello", 6);
	assert_int_equal(cs_mem_add(&mem, seg, NULL), CS_OK);
	cs_mem_seal(&mem, NULL);
	assert_string_equal(cs_mem_text(&mem, 0x1ff8, 100, &len), "hello");
	assert_int_equal(len, 5);
	assert_non_null(cs_mem_text(&mem, 0x1ff8, 5, &len));
	assert_null(cs_mem_text(&mem, 0x1ff8, 4, &len));
	assert_null(cs_mem_text(&mem, 0x2000, 0x2000, &len)); /* never ends */
	assert_null(cs_mem_text(&mem, 0x9000, 10, &len));
	assert_null(cs_mem_text(&mem, 0x1ff8, SIZE_MAX, &len));
	mem.segs.items[0].fetch = refuse_second_page;
	assert_string_equal(cs_mem_text(&mem, 0x1ff8, 100, &len), "hello");
	cs_mem_deinit(&mem);
}

static int fetches_until_failure;

static bool fail_nth(struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	(void)seg, (void)off, (void)len;
	return fetches_until_failure-- != 0;
}

TEST(a_fetch_that_fails_makes_the_bytes_absent)
{
	unsigned char buf[0x3000];

	for (int n = 0;; n++) {
		struct cs_mem mem = { .mapped = 0 };
		struct cs_error err = { .text = "" };
		cs_status st;

		for (size_t i = 0; i < 3; i++) {
			struct cs_mem_seg seg = { .start = 0x1000 * (i + 1), .len = 0x1000,
						  .data = bytes, .fetch = fail_nth };

			assert_int_equal(cs_mem_add(&mem, seg, NULL), CS_OK);
		}
		cs_mem_seal(&mem, NULL);
		assert_int_equal(mem.segs.count, 3); /* live segments are not joined */
		fetches_until_failure = n;
		st = cs_mem_read(&mem, 0x1000, buf, sizeof(buf), &err);
		cs_mem_deinit(&mem);
		if (st == CS_OK) {
			assert_int_equal(n, 3);
			return;
		}
		assert_int_equal(st, CS_FAULT);
		assert_int_equal(err.addr, 0x1000 * (n + 1));
	}
}

/* Against cs_mem_present(), page by page and byte by byte. */
TEST(all_of_the_targets_own_bytes_come_by_once)
{
	static const uint64_t resident[] = { 0x0b }; /* pages 0, 1, 3 */
	struct cs_mem mem = { .mapped = 0 };
	struct cs_mem_seg live = { .start = 0x20000, .len = 0x4000, .data = bytes,
				   .resident = resident, .is_target = true };
	struct cs_mem_seg file = { .start = 0x30000, .len = 0x1000, .data = bytes };

	add(&mem, 0x10000, 0x2000, 0);
	assert_int_equal(cs_mem_add(&mem, live, NULL), CS_OK);
	assert_int_equal(cs_mem_add(&mem, file, NULL), CS_OK);
	add(&mem, 0x31000, 0x800, 0);
	cs_mem_seal(&mem, NULL);
	for (cs_addr start = 0xf000; start < 0x33000; start += 0x400)
		for (uint64_t len = 0x400; len < 0x24000; len = len * 3 / 2) {
			struct cs_range range = { start, len };
			cs_addr at = start, addr, done = start;
			const unsigned char *p;
			uint64_t n, sum = 0;

			while ((p = cs_mem_next(&mem, range, &at, &addr, &n))) {
				assert_true(addr >= done && n && addr + n <= start + len);
				assert_int_equal(cs_mem_present(&mem, addr, n), n);
				assert_ptr_equal(p, cs_mem_view(&mem, addr, n));
				done = addr + n;
				sum += n;
			}
			assert_int_equal(sum, cs_mem_present(&mem, start, len));
		}
	cs_mem_deinit(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_past_the_end_of_the_address_space_is_refused),
		cmocka_unit_test(neighbours_in_address_and_data_become_one),
		cmocka_unit_test(where_segments_overlap_the_lower_one_wins),
		cmocka_unit_test(of_two_that_start_together_the_longer_wins),
		cmocka_unit_test(a_view_needs_every_byte),
		cmocka_unit_test(a_copy_crosses_seams_and_names_the_first_absent_byte),
		cmocka_unit_test(a_run_ends_at_the_first_gap),
		cmocka_unit_test(pages_from_files_are_readable_and_do_not_count_as_present),
		cmocka_unit_test(presence_counts_the_bytes_of_resident_pages),
		cmocka_unit_test(a_text_ends_with_its_nul_or_is_none),
		cmocka_unit_test(a_fetch_that_fails_makes_the_bytes_absent),
		cmocka_unit_test(all_of_the_targets_own_bytes_come_by_once),
	};

	return cmocka_run_group_tests(tests, number_bytes, NULL);
}
