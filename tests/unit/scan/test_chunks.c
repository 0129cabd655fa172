/* The order of malloc's blocks, over heaps and mapped blocks that lie between each other. */
#include "report/report.h"
#include "scan/scan_state.h"

#include "cs_test.h"

enum { BLOCKS = 6 };

/* Blocks of two granules and of three in turns, the last to the end: starts on many nibbles. */
static void add_span(struct cs_model *m, cs_addr start, enum cs_allocator allocator, unsigned count)
{
	struct cs_range range = { start, 4096 };
	uint32_t nr;

	assert_int_equal(cs_blocks_add_span(&m->blocks, range, allocator, CS_BLOCK_USED, &nr, NULL),
			 CS_OK);
	for (unsigned i = 1; i < count; i++)
		cs_span_mark(&m->blocks.spans.items[nr], start + 32 * i + 16 * (i / 2),
			     CS_BLOCK_FREE + (i + 1) % (CS_BLOCK_STATES - 1)); /* all in turns */
}

static void add_big(struct cs_model *m, cs_addr start, enum cs_allocator allocator)
{
	struct cs_big_block big = { start, 8192, start + 64, 8120, { start + 48, 8192 - 64 },
				    (uint8_t)allocator, CS_BLOCK_USED };

	assert_int_equal(cs_blocks_add_big(&m->blocks, big, NULL), CS_OK);
}

/* Mapped, heap of pymalloc, two heaps, mapped, mapped by another, heap, mapped. */
static void heaps_and_mapped(struct cs_scan *scan)
{
	*scan = (struct cs_scan){ 0 };
	add_big(&scan->model, 0x10000, CS_ALLOC_GLIBC);
	add_span(&scan->model, 0x20000, CS_ALLOC_PYMALLOC, BLOCKS);
	add_span(&scan->model, 0x30000, CS_ALLOC_GLIBC, 33);
	add_span(&scan->model, 0x31000, CS_ALLOC_GLIBC, 1);
	add_big(&scan->model, 0x40000, CS_ALLOC_GLIBC);
	add_big(&scan->model, 0x50000, CS_ALLOC_PYMALLOC);
	add_span(&scan->model, 0x60000, CS_ALLOC_GLIBC, BLOCKS);
	add_big(&scan->model, 0x70000, CS_ALLOC_GLIBC);
	assert_int_equal(cs_blocks_seal(&scan->model.blocks), 0);
}

static struct cs_answer page(struct cs_scan *scan, cs_addr addr, uint64_t skip, uint64_t top)
{
	struct cs_ask ask = { .view = cs_view_find("chunks"), .addr = addr };
	struct cs_report_options o = { .has_top = true, .top = top, .skip = skip };
	struct cs_answer answer = { 0 };

	assert_int_equal(cs_scan_answer(scan, &ask, &o, &answer, NULL), CS_OK);
	return answer;
}

TEST(blocks_come_in_the_order_of_their_addresses)
{
	const uint64_t all = 1 + 33 + 1 + 1 + BLOCKS + 1;
	struct cs_answer a;
	struct cs_scan scan;

	heaps_and_mapped(&scan);
	a = page(&scan, 0, 0, 0);
	assert_int_equal(a.chunks.count, all);
	assert_int_equal(a.rows_before + a.rows_behind, 0);
	for (size_t i = 1; i < all; i++)
		assert_true(a.chunks.items[i - 1].addr < a.chunks.items[i].addr);
	assert_int_equal(a.chunks.items[0].addr, 0x10040);
	assert_int_equal(a.chunks.items[0].size, 8192 - 64);
	assert_int_equal(a.chunks.items[1].addr, 0x30010);
	assert_int_equal(a.chunks.items[1].size, 32);
	assert_int_equal(a.chunks.items[2].state, CS_BLOCK_OBJECT);
	assert_int_equal(a.chunks.items[2].size, 48);
	assert_int_equal(a.chunks.items[34].size, 4096);
	assert_int_equal(a.chunks.items[35].addr, 0x40040);
	assert_int_equal(a.chunks.items[all - 1].addr, 0x70040);
	cs_answer_deinit(&a);
	cs_model_deinit(&scan.model);
}

TEST(each_page_knows_what_is_before_and_behind_it)
{
	struct cs_scan scan;
	struct cs_answer whole;

	heaps_and_mapped(&scan);
	whole = page(&scan, 0, 0, 0);
	for (uint64_t skip = 0; skip < whole.chunks.count + 3; skip++)
		for (size_t from = 0; from < whole.chunks.count; from++) {
			struct cs_answer a = page(&scan, whole.chunks.items[from].addr, skip, 2);
			size_t rest = whole.chunks.count - from;
			size_t before = skip < rest ? (size_t)skip : rest;

			assert_int_equal(a.rows_before, before);
			assert_int_equal(a.chunks.count, rest - before < 2 ? rest - before : 2);
			assert_int_equal(a.rows_before + a.chunks.count + a.rows_behind, rest);
			for (size_t i = 0; i < a.chunks.count; i++)
				assert_int_equal(a.chunks.items[i].addr,
						 whole.chunks.items[from + before + i].addr);
			cs_answer_deinit(&a);
		}
	cs_answer_deinit(&whole);
	cs_model_deinit(&scan.model);
}

TEST(what_is_no_heap_of_malloc_has_no_page)
{
	static const cs_addr nowhere[] = { 0x20010, 0x50040, 0x32000, 0xf, 0x12000, UINT64_MAX };
	struct cs_scan scan;

	heaps_and_mapped(&scan);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		struct cs_ask ask = { .view = cs_view_find("chunks"), .addr = nowhere[i] };
		struct cs_report_options o = { 0 };
		struct cs_answer answer = { 0 };

		assert_int_equal(cs_scan_answer(&scan, &ask, &o, &answer, NULL), CS_NOTFOUND);
		assert_int_equal(answer.chunks.count, 0);
	}
	cs_model_deinit(&scan.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_in_the_order_of_their_addresses),
		cmocka_unit_test(each_page_knows_what_is_before_and_behind_it),
		cmocka_unit_test(what_is_no_heap_of_malloc_has_no_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
