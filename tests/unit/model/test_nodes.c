/* Numbers against the blocks themselves: what cs_blocks_holding() finds must be
 * numbered alike, address by address. */
#include "model/nodes.h"
#include "cs_test.h"

#include <stdlib.h>

static uint64_t seed = 1;

static unsigned rnd(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((seed >> 33) % below);
}

static bool is_used(unsigned state)
{
	return state >= CS_BLOCK_USED && state <= CS_BLOCK_TYPED;
}

/* Spans of both allocators full of random blocks, and big ones between them. */
static void make_blocks(struct cs_blocks *blocks, size_t spans, uint64_t granules, uint64_t longest)
{
	cs_addr at = 0x10000;

	*blocks = (struct cs_blocks){ 0 };
	for (size_t i = 0; i < spans; i++) {
		uint64_t len = (1 + rnd(granules)) * 16;
		enum cs_allocator allocator = rnd(2) ? CS_ALLOC_GLIBC : CS_ALLOC_PYMALLOC;
		uint32_t nr;

		assert_int_equal(cs_blocks_add_span(blocks, (struct cs_range){ at, len }, allocator,
						    1 + rnd(CS_BLOCK_STATES - 1), &nr, NULL), CS_OK);
		for (uint64_t g = rnd(longest); g < len / 16; g += 1 + rnd(longest))
			cs_tile_set(blocks->spans.items[nr].tiles, g, 1 + rnd(CS_BLOCK_STATES - 1));
		at += len + 16 * rnd(100);
		if (rnd(3))
			continue;

		struct cs_big_block big = { at, 8192, at + 16, 8192 - 16, { at, 8192 },
					    CS_ALLOC_GLIBC,
					    (uint8_t)(rnd(2) ? CS_BLOCK_USED : CS_BLOCK_LOST) };

		assert_int_equal(cs_blocks_add_big(blocks, big, NULL), CS_OK);
		at += 8192 + 16 * rnd(100);
	}
	assert_int_equal(cs_blocks_seal(blocks), 0);
}

static void check(struct cs_blocks *blocks)
{
	struct cs_nodes nodes;
	struct cs_node_walk walk;
	struct cs_block block, again;
	uint32_t node, count = 0;

	assert_int_equal(cs_nodes_init(&nodes, blocks, NULL), CS_OK);
	cs_node_walk_init(&walk, &nodes);
	while (cs_node_walk_next(&walk, &node, &block)) {
		assert_int_equal(node, count++);
		assert_true(is_used(block.state));
		cs_node_block(&nodes, node, &again);
		assert_int_equal(again.addr, block.addr);
		assert_int_equal(again.len, block.len);
		assert_int_equal(again.state, block.state);
		/* a heap's last chunk is never in use; its last word would lie outside */
		if (block.span != CS_BIG_BLOCK &&
		    block.addr + block.len > blocks->spans.items[block.span].start +
						     blocks->spans.items[block.span].len)
			continue;
		/* every byte the program was given, and not one beside them */
		for (uint64_t i = 0; i < block.len; i += 1 + rnd(9 + block.len / 64))
			assert_int_equal(cs_node_at(&nodes, block.addr + i), node);
		assert_int_equal(cs_node_at(&nodes, block.addr + block.len - 1), node);
		assert_int_not_equal(cs_node_at(&nodes, block.addr - 1), node);
		assert_int_not_equal(cs_node_at(&nodes, block.addr + block.len), node);
	}
	assert_int_equal(count, nodes.count);
	for (int i = 0; i < 2000; i++) {
		cs_addr at = 0xff00 + rnd(blocks->spans.items[blocks->spans.count - 1].start);
		/* the last word of a chunk lies in the next one's header */
		bool used = (cs_blocks_holding(blocks, at, &block) && is_used(block.state) &&
			     at - block.addr < block.len) ||
			    (cs_blocks_holding(blocks, at - 16, &block) && is_used(block.state) &&
			     cs_blocks_span(blocks, at) == cs_blocks_span(blocks, at - 16) &&
			     at - block.addr < block.len);

		assert_int_equal(cs_node_at(&nodes, at) != CS_NO_NODE, used);
	}
	cs_nodes_deinit(&nodes);
}

TEST(every_byte_of_every_used_block_has_its_number)
{
	/* the last: blocks that go on over many words of granules */
	static const uint64_t longest[] = { 2, 5, 40, 900, 12000 };

	for (int i = 0; i < 50; i++) {
		struct cs_blocks blocks;

		make_blocks(&blocks, 1 + rnd(12), 1 + rnd(i % 5 < 4 ? 3000 : 60000), longest[i % 5]);
		check(&blocks);
		cs_blocks_deinit(&blocks);
	}
}

TEST(nothing_in_use_is_no_node)
{
	struct cs_blocks blocks = { 0 };
	struct cs_nodes nodes;
	struct cs_node_walk walk;
	struct cs_block block;

	assert_int_equal(cs_nodes_init(&nodes, &blocks, NULL), CS_OK);
	assert_int_equal(nodes.count, 0);
	assert_int_equal(cs_node_at(&nodes, 0x1000), CS_NO_NODE);
	cs_node_walk_init(&walk, &nodes);
	assert_false(cs_node_walk_next(&walk, NULL, &block));
	cs_nodes_deinit(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_every_used_block_has_its_number),
		cmocka_unit_test(nothing_in_use_is_no_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
