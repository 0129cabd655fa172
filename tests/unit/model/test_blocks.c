#include "model/blocks.h"
#include "cs_test.h"

#include <string.h>

static uint32_t add(struct cs_blocks *b, cs_addr start, uint64_t len, enum cs_allocator allocator)
{
	uint32_t nr = 99;

	assert_int_equal(cs_blocks_add_span(b, (struct cs_range){ start, len }, allocator,
					    CS_BLOCK_LOST, &nr, NULL),
			 CS_OK);
	return nr;
}

static void add_big(struct cs_blocks *b, cs_addr start, uint64_t len)
{
	struct cs_big_block big = { start, len, start + 16, len - 16, { start, len },
				    CS_ALLOC_GLIBC, CS_BLOCK_USED };

	assert_int_equal(cs_blocks_add_big(b, big, NULL), CS_OK);
}

TEST(a_span_is_made_of_whole_granules)
{
	static const struct cs_range bad[] = {
		{ 0x1000, 0 }, { 0x1008, 16 }, { 0x1000, 24 }, { 0x1001, 16 }, { UINT64_MAX - 15, 32 },
		{ UINT64_MAX - 15, 16 },
	};
	struct cs_blocks b = { .last_span = 0 };
	struct cs_error err = { .text = "" };
	uint32_t nr;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(cs_blocks_add_span(&b, bad[i], CS_ALLOC_GLIBC, CS_BLOCK_LOST, &nr, &err),
				 CS_CORRUPT);
	assert_int_equal(b.spans.count, 0);
	cs_blocks_deinit(&b);
}

TEST(a_fresh_span_is_one_block)
{
	/* around every size of the last word of tiles */
	for (uint64_t granules = 1; granules < 70; granules++) {
		struct cs_blocks b = { .last_span = 0 };
		struct cs_block block;

		add(&b, 0x1000, granules * 16, CS_ALLOC_PYMALLOC);
		assert_int_equal(cs_span_next(&b.spans.items[0], 0), granules);
		assert_true(cs_blocks_holding(&b, 0x1000 + granules * 16 - 1, &block));
		assert_int_equal(block.addr, 0x1000);
		assert_int_equal(block.len, granules * 16);
		assert_int_equal(block.state, CS_BLOCK_LOST);
		assert_false(cs_blocks_holding(&b, 0x1000 + granules * 16, &block));
		assert_false(cs_blocks_holding(&b, 0xfff, &block));
		cs_blocks_deinit(&b);
	}
}

/* Every set of two block starts in a span of 40 granules, every address. */
TEST(finds_the_block_at_and_around_every_address)
{
	enum { GRANULES = 40 };
	struct cs_blocks b = { .last_span = 0 };
	struct cs_span *span;
	struct cs_block block;

	add(&b, 0x1000, GRANULES * 16, CS_ALLOC_PYMALLOC);
	span = &b.spans.items[0];
	for (uint64_t x = 1; x < GRANULES; x++)
		for (uint64_t y = x + 1; y < GRANULES; y += 3) {
			cs_span_mark(span, 0x1000 + x * 16, CS_BLOCK_USED);
			cs_span_mark(span, 0x1000 + y * 16, CS_BLOCK_FREE);
			assert_int_equal(cs_span_next(span, 0), x);
			assert_int_equal(cs_span_next(span, x), y);
			assert_int_equal(cs_span_next(span, y), GRANULES);
			for (uint64_t g = 0; g < GRANULES; g++) {
				uint64_t want = g < x ? 0 : g < y ? x : y;
				uint64_t end = g < x ? x : g < y ? y : GRANULES;
				bool begins = g == want;

				assert_true(cs_blocks_holding(&b, 0x1000 + g * 16 + 15, &block));
				assert_int_equal(block.granule, want);
				assert_int_equal(block.len, (end - want) * 16);
				assert_int_equal(cs_blocks_at(&b, 0x1000 + g * 16, &block), begins);
				assert_false(cs_blocks_at(&b, 0x1000 + g * 16 + 8, &block));
			}
			cs_tile_set(span->tiles, x, CS_BLOCK_INSIDE);
			cs_tile_set(span->tiles, y, CS_BLOCK_INSIDE);
		}
	cs_blocks_deinit(&b);
}

TEST(a_chunk_is_known_by_what_malloc_returned)
{
	struct cs_blocks b = { .last_span = 0 };
	struct cs_block block;

	add(&b, 0x1000, 0x100, CS_ALLOC_GLIBC);
	cs_span_mark(&b.spans.items[0], 0x1020, CS_BLOCK_USED);
	cs_span_mark(&b.spans.items[0], 0x1060, CS_BLOCK_UNCARVED);
	assert_true(cs_blocks_at(&b, 0x1030, &block));
	assert_int_equal(block.addr, 0x1030);
	assert_int_equal(block.len, 0x40 - 8);
	assert_false(cs_blocks_at(&b, 0x1020, &block)); /* the header */
	assert_false(cs_blocks_at(&b, 0x1000, &block)); /* in front of it would be no span */
	assert_false(cs_blocks_at(&b, 0x1070, &block)); /* top is no chunk anybody was given */
	/* the last eight bytes are the next chunk's header and this one's to use */
	assert_true(cs_blocks_holding(&b, 0x105f, &block));
	assert_int_equal(block.addr, 0x1030);
	cs_blocks_deinit(&b);
}

TEST(sealing_sorts_and_drops_what_overlaps)
{
	struct cs_blocks b = { .last_span = 0 };
	struct cs_block block;

	add(&b, 0x5000, 0x1000, CS_ALLOC_GLIBC);
	add(&b, 0x1000, 0x1000, CS_ALLOC_GLIBC);
	add(&b, 0x1800, 0x1000, CS_ALLOC_PYMALLOC); /* reaches out of the one in front */
	add(&b, 0x5000, 0x1000, CS_ALLOC_PYMALLOC); /* twice */
	add(&b, 0x2000, 0x1000, CS_ALLOC_GLIBC);    /* only touches */
	add_big(&b, 0x9000, 0x1000);
	add_big(&b, 0x9800, 0x1000); /* overlaps that */
	add_big(&b, 0x5800, 0x1000); /* begins in a span */
	add_big(&b, 0x4000, 0x1010); /* ends in one */
	add_big(&b, 0x800, 0x8000);  /* holds some */
	add_big(&b, 0x4000, 0x1000); /* only touches */
	assert_int_equal(cs_blocks_seal(&b), 0x1000 + 0x1000 + 0x1000 + 0x1000 + 0x1010 + 0x8000);
	assert_int_equal(b.spans.count, 3);
	assert_int_equal(b.big.count, 2);
	for (size_t i = 1; i < b.spans.count; i++)
		assert_true(b.spans.items[i].start >= b.spans.items[i - 1].start + b.spans.items[i - 1].len);
	assert_true(cs_blocks_holding(&b, 0x1fff, &block));
	assert_true(cs_blocks_holding(&b, 0x2000, &block));
	assert_int_equal(block.addr, 0x2000);
	assert_int_equal(cs_blocks_seal(&b), 0); /* again changes nothing */
	cs_blocks_deinit(&b);
}

TEST(a_big_block_is_one_block_with_a_header)
{
	struct cs_blocks b = { .last_span = 0 };
	struct cs_block block;

	add_big(&b, 0x9000, 0x1000);
	add_big(&b, 0xf000, 0x2000);
	cs_blocks_seal(&b);
	assert_true(cs_blocks_at(&b, 0xf010, &block));
	assert_int_equal(block.span, CS_BIG_BLOCK);
	assert_int_equal(block.len, 0x1ff0);
	assert_false(cs_blocks_at(&b, 0xf000, &block));
	assert_true(cs_blocks_holding(&b, 0xf000, &block));
	assert_true(cs_blocks_holding(&b, 0x10fff, &block));
	assert_false(cs_blocks_holding(&b, 0x11000, &block));
	assert_false(cs_blocks_holding(&b, 0xa000, &block));
	cs_block_set(&b, &block, CS_BLOCK_OWNED);
	assert_true(cs_blocks_at(&b, 0xf010, &block));
	assert_int_equal(block.state, CS_BLOCK_OWNED);
	cs_blocks_deinit(&b);
}

TEST(the_lookup_hint_never_answers_for_another_span)
{
	struct cs_blocks b = { .last_span = 0 };

	assert_null(cs_blocks_span(&b, 0x1000));
	for (cs_addr at = 0x1000; at < 0x11000; at += 0x2000)
		add(&b, at, 0x1000, CS_ALLOC_GLIBC);
	cs_blocks_seal(&b);
	for (int round = 0; round < 2; round++)
		for (cs_addr at = 0; at < 0x13000; at += 0x800) {
			struct cs_span *s = cs_blocks_span(&b, (at * 7) % 0x13000);
			cs_addr a = (at * 7) % 0x13000;
			bool inside = a >= 0x1000 && a < 0x11000 && !((a - 0x1000) & 0x1000);

			assert_int_equal(s != NULL, inside);
			assert_true(!s || (a >= s->start && a - s->start < s->len));
		}
	cs_blocks_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_span_is_made_of_whole_granules),
		cmocka_unit_test(a_fresh_span_is_one_block),
		cmocka_unit_test(finds_the_block_at_and_around_every_address),
		cmocka_unit_test(a_chunk_is_known_by_what_malloc_returned),
		cmocka_unit_test(sealing_sorts_and_drops_what_overlaps),
		cmocka_unit_test(a_big_block_is_one_block_with_a_header),
		cmocka_unit_test(the_lookup_hint_never_answers_for_another_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
