#include "model/model.h"
#include "cs_test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is present: a bit per page of a small address space. */
enum { PAGE = 4096, PAGES = 256 };
#define BASE 0x100000ull

struct pages {
	bool there[PAGES];
	unsigned asked;
};

static uint64_t present(void *ctx, cs_addr addr, uint64_t len)
{
	struct pages *p = ctx;
	uint64_t n = 0;

	p->asked++;
	for (uint64_t i = 0; i < PAGES; i++) {
		cs_addr start = BASE + i * PAGE, end = start + PAGE;
		cs_addr from = addr > start ? addr : start;
		cs_addr to = addr + len < end ? addr + len : end;

		if (p->there[i] && addr <= end && from < to)
			n += to - from;
	}
	return n;
}

static void begin(struct cs_model *m, struct pages *p)
{
	*m = (struct cs_model){ .anomaly_count = 0 };
	*p = (struct pages){ .asked = 0 };
	memset(p->there, 1, sizeof(p->there));
	m->target.present = PAGES * PAGE;
}

static struct cs_span *span(struct cs_model *m, cs_addr start, uint64_t len, enum cs_allocator a,
			    enum cs_block_state fill)
{
	uint32_t nr;

	assert_int_equal(cs_blocks_add_span(&m->blocks, (struct cs_range){ start, len }, a, fill, &nr, NULL),
			 CS_OK);
	return &m->blocks.spans.items[nr];
}

static void region(struct cs_model *m, cs_addr start, uint64_t len, enum cs_category c)
{
	assert_int_equal(cs_model_region(m, (struct cs_range){ start, len }, c, NULL), CS_OK);
}

static void settle(struct cs_model *m, struct pages *p)
{
	struct cs_error err = { .text = "" };

	cs_blocks_seal(&m->blocks);
	assert_int_equal(cs_model_settle(m, present, p, &err), CS_OK);
	assert_int_equal(cs_model_check(m, &err), CS_OK);
}

static uint64_t bytes(const struct cs_model *m, enum cs_category c)
{
	return m->ledger[c].bytes;
}

/* What the types hold, as the census would have counted it. */
static void count_types(struct cs_model *m)
{
	uint64_t all = 0;
	uint32_t nr;

	for (size_t i = 0; i < m->blocks.spans.count; i++)
		all += m->blocks.spans.items[i].len;
	for (size_t i = 0; i < m->blocks.big.count; i++)
		all += m->blocks.big.items[i].len;
	assert_int_equal(cs_model_type(m, "anything", CS_KIND_PYTHON, &nr, NULL), CS_OK);
	m->types.items[nr].bytes = all;
}

TEST(what_nobody_explains_is_anonymous)
{
	struct cs_model m;
	struct pages p;

	begin(&m, &p);
	settle(&m, &p);
	assert_int_equal(bytes(&m, CS_ANONYMOUS), PAGES * PAGE);
	cs_model_deinit(&m);
}

TEST(of_overlapping_regions_the_one_added_first_wins)
{
	struct cs_model m;
	struct pages p;

	begin(&m, &p);
	region(&m, BASE + 2 * PAGE, 2 * PAGE, CS_STACKS);
	region(&m, BASE, 10 * PAGE, CS_MODULES);
	region(&m, BASE + 3 * PAGE, 4 * PAGE, CS_FILES);
	region(&m, BASE + 9 * PAGE, 3 * PAGE, CS_SHARED);
	region(&m, BASE + 20 * PAGE, PAGE, CS_KERNEL);
	region(&m, BASE + 20 * PAGE, PAGE, CS_FILES);
	region(&m, 0, 0, CS_FILES);
	settle(&m, &p);
	assert_int_equal(bytes(&m, CS_STACKS), 2 * PAGE);
	assert_int_equal(bytes(&m, CS_MODULES), 8 * PAGE);
	assert_int_equal(bytes(&m, CS_FILES), 0);
	assert_int_equal(bytes(&m, CS_SHARED), 2 * PAGE);
	assert_int_equal(bytes(&m, CS_KERNEL), PAGE);
	assert_int_equal(bytes(&m, CS_ANONYMOUS), (PAGES - 13) * PAGE);
	cs_model_deinit(&m);
}

TEST(a_heap_is_told_by_its_tiles_whatever_region_covers_it)
{
	struct cs_model m;
	struct pages p;
	struct cs_span *s;

	begin(&m, &p);
	region(&m, BASE, 4 * PAGE, CS_STACKS);
	s = span(&m, BASE + PAGE, PAGE, CS_ALLOC_GLIBC, CS_BLOCK_FREE);
	cs_span_mark(s, BASE + PAGE + 64, CS_BLOCK_USED);
	cs_span_mark(s, BASE + PAGE + 256, CS_BLOCK_UNCARVED);
	settle(&m, &p);
	assert_int_equal(bytes(&m, CS_STACKS), 3 * PAGE);
	assert_int_equal(bytes(&m, CS_MALLOC_BINS), 64);
	assert_int_equal(bytes(&m, CS_MALLOC_UNTYPED), 192 - 8);
	assert_int_equal(bytes(&m, CS_MALLOC_OVERHEAD), 8);
	assert_int_equal(bytes(&m, CS_MALLOC_TOP), PAGE - 256);
	assert_int_equal(m.ledger[CS_MALLOC_UNTYPED].blocks, 1);
	cs_model_deinit(&m);
}

TEST(of_a_span_only_what_is_present_counts)
{
	struct cs_model m;
	struct pages p;
	struct cs_span *s;

	begin(&m, &p);
	p.there[2] = false;
	m.target.present -= PAGE;
	s = span(&m, BASE + PAGE, 3 * PAGE, CS_ALLOC_PYMALLOC, CS_BLOCK_OVERHEAD);
	cs_span_mark(s, BASE + PAGE + 48, CS_BLOCK_USED);	/* half of it is missing */
	cs_span_mark(s, BASE + 2 * PAGE + 2048, CS_BLOCK_FREE); /* half of this */
	cs_span_mark(s, BASE + 3 * PAGE + 16, CS_BLOCK_LOST);
	settle(&m, &p);
	assert_int_equal(bytes(&m, CS_PY_OVERHEAD), 48);
	assert_int_equal(bytes(&m, CS_PY_UNIDENTIFIED), PAGE - 48);
	assert_int_equal(bytes(&m, CS_PY_FREE), 16);
	assert_int_equal(bytes(&m, CS_UNEXPLAINED), PAGE - 16);
	cs_model_deinit(&m);
}

/* A forged stack may claim to begin in the last page of the address space. */
TEST(a_region_ends_with_the_address_space)
{
	struct cs_model m;
	struct pages p;

	begin(&m, &p);
	region(&m, UINT64_MAX - 4095, 8192, CS_STACKS);
	region(&m, UINT64_MAX - 8191, 8190, CS_SHARED);
	region(&m, BASE, 1ull << 63, CS_FILES);
	region(&m, 1, UINT64_MAX, CS_MODULES);
	settle(&m, &p);
	assert_int_equal(bytes(&m, CS_STACKS), 0);
	assert_int_equal(bytes(&m, CS_SHARED), 0);
	assert_int_equal(bytes(&m, CS_FILES), PAGES * PAGE);
	cs_model_deinit(&m);
}

/* Each forged region begins in the one before and reaches to the end of all. */
TEST(regions_as_deep_as_they_like_take_no_time)
{
	enum { DEEP = 200000 };
	struct cs_model m;
	struct pages p;

	begin(&m, &p);
	memset(p.there, 0, sizeof(p.there));
	m.target.present = 0;
	for (uint64_t i = 0; i < DEEP; i++)
		region(&m, BASE + i * 16, (2 * DEEP - i) * 16, CS_STACKS);
	alarm(30);
	settle(&m, &p);
	alarm(0);
	cs_model_deinit(&m);
}

TEST(sizes_are_sorted_and_count_every_used_block)
{
	struct cs_model m;
	struct pages p;
	struct cs_span *s;
	const cs_addr at = BASE + 100 * PAGE;
	struct cs_big_block big = { at, 4 * PAGE, at + 16, 4 * PAGE - 24, { at, 4 * PAGE - 16 },
				    CS_ALLOC_GLIBC, CS_BLOCK_USED };

	begin(&m, &p);
	s = span(&m, BASE, 32 * PAGE, CS_ALLOC_GLIBC, CS_BLOCK_USED);
	cs_span_mark(s, BASE + 48, CS_BLOCK_OWNED);
	cs_span_mark(s, BASE + 96, CS_BLOCK_FREE);
	cs_span_mark(s, BASE + PAGE, CS_BLOCK_USED); /* 27 pages: too big for the small table */
	cs_span_mark(s, BASE + 28 * PAGE + 16, CS_BLOCK_USED); /* as long as the mapped one */
	assert_int_equal(cs_blocks_add_big(&m.blocks, big, NULL), CS_OK);
	cs_blocks_seal(&m.blocks);
	count_types(&m);
	settle(&m, &p);
	assert_int_equal(m.sizes.count, 3);
	assert_int_equal(m.sizes.items[0].size, 27 * PAGE + 16);
	assert_int_equal(m.sizes.items[1].size, 4 * PAGE - 16);
	assert_int_equal(m.sizes.items[1].count, 2);
	assert_int_equal(m.sizes.items[2].size, 48);
	assert_int_equal(m.sizes.items[2].count, 2);
	cs_model_deinit(&m);
}

TEST(a_mapped_chunk_counts_as_one_in_a_heap)
{
	const struct {
		enum cs_block_state state;
		enum cs_category category;
		uint64_t bytes;
	} rows[] = {
		{ CS_BLOCK_USED, CS_MALLOC_UNTYPED, 4 * PAGE - 0x30 - 32 },
		{ CS_BLOCK_TCACHE, CS_MALLOC_TCACHE, 4 * PAGE - 0x30 - 16 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		/* memalign's room before it, 16 bytes behind it */
		struct cs_big_block big = { BASE, 4 * PAGE, BASE + 0x40, 4 * PAGE - 0x30 - 32,
					    { BASE + 0x30, 4 * PAGE - 0x30 - 16 }, CS_ALLOC_GLIBC,
					    (uint8_t)rows[i].state };
		struct cs_model m;
		struct pages p;

		begin(&m, &p);
		assert_int_equal(cs_blocks_add_big(&m.blocks, big, NULL), CS_OK);
		cs_blocks_seal(&m.blocks);
		settle(&m, &p);
		assert_int_equal(m.ledger[rows[i].category].bytes, rows[i].bytes);
		assert_int_equal(m.ledger[rows[i].category].blocks, 1);
		assert_int_equal(m.ledger[CS_MALLOC_OVERHEAD].bytes, 4 * PAGE - rows[i].bytes);
		cs_model_deinit(&m);
	}
}

static uint64_t seed = 0x243f6a8885a308d3ull;

static uint64_t below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void random_span(struct cs_model *m, uint64_t at, uint64_t pages)
{
	enum cs_allocator a = below(2) ? CS_ALLOC_GLIBC : CS_ALLOC_PYMALLOC;
	struct cs_span *s = span(m, BASE + at * PAGE + below(PAGE / 16) * 16,
				 pages * PAGE + 16 + below(PAGE / 16) * 16, a,
				 (enum cs_block_state)(1 + below(12)));

	for (uint64_t i = below(200); i; i--)
		cs_tile_set(s->tiles, below(s->len / 16), (unsigned)(1 + below(12)));
	if (below(2)) /* to the first granule too */
		cs_tile_set(s->tiles, 0, CS_BLOCK_USED);
}

TEST(whatever_overlaps_the_ledger_sums_to_what_is_present)
{
	for (int round = 0; round < 600; round++) {
		struct cs_model m;
		struct pages p;

		begin(&m, &p);
		m.target.present = 0;
		for (uint64_t i = 0; i < PAGES; i++) {
			p.there[i] = below(4) > 0;
			m.target.present += p.there[i] ? PAGE : 0;
		}
		for (uint64_t n = below(5); n; n--)
			random_span(&m, below(PAGES), below(20));
		for (uint64_t n = below(4); n; n--) {
			cs_addr start = BASE + below(PAGES) * PAGE;
			uint64_t len = (1 + below(30)) * PAGE;
			uint64_t lead = below(PAGE / 16) * 16, size = len - lead - below(2) * 16;
			struct cs_big_block big = { start, len, start + lead + 16, size - 16,
						    { start + lead, size }, CS_ALLOC_GLIBC,
						    (uint8_t)(1 + below(CS_BLOCK_STATES - 1)) };

			assert_int_equal(cs_blocks_add_big(&m.blocks, big, NULL), CS_OK);
		}
		for (uint64_t n = below(30); n; n--)
			region(&m, BASE - PAGE + below((PAGES + 2) * PAGE),
			       below(8) ? below(40 * PAGE) : UINT64_MAX - below(PAGE),
			       (enum cs_category)(CS_STACKS + below(CS_CATEGORIES - CS_STACKS)));
		cs_blocks_seal(&m.blocks);
		count_types(&m);
		settle(&m, &p);
		cs_model_deinit(&m);
	}
}

TEST(a_ledger_that_does_not_sum_is_refused)
{
	struct cs_model m = { .target = { .present = 100 } };
	struct cs_error err = { .text = "" };
	uint32_t nr;

	m.ledger[CS_FILES].bytes = 99;
	assert_int_equal(cs_model_check(&m, &err), CS_CORRUPT);
	assert_non_null(strstr(err.text, "99 bytes of 100"));
	m.ledger[CS_PY_OBJECTS].bytes = 1;
	assert_int_equal(cs_model_check(&m, &err), CS_CORRUPT);
	assert_non_null(strstr(err.text, "types explain 0 bytes"));
	assert_int_equal(cs_model_type(&m, "x", CS_KIND_PYTHON, &nr, NULL), CS_OK);
	m.types.items[nr].bytes = 1;
	assert_int_equal(cs_model_check(&m, &err), CS_OK);
	cs_model_deinit(&m);
}

TEST(anomalies_are_counted_without_end_and_kept_to_a_number)
{
	struct cs_model m = { .anomaly_count = 0 };

	for (int i = 0; i < CS_ANOMALIES_KEPT + 5; i++)
		cs_model_anomaly(&m, "python.pool", 1, "%01000d", i);
	assert_int_equal(m.anomaly_count, CS_ANOMALIES_KEPT + 5);
	assert_int_equal(m.anomalies.count, CS_ANOMALIES_KEPT);
	assert_int_equal(strlen(m.anomalies.items[0].text), 511);
	cs_model_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_explains_is_anonymous),
		cmocka_unit_test(of_overlapping_regions_the_one_added_first_wins),
		cmocka_unit_test(a_heap_is_told_by_its_tiles_whatever_region_covers_it),
		cmocka_unit_test(of_a_span_only_what_is_present_counts),
		cmocka_unit_test(a_region_ends_with_the_address_space),
		cmocka_unit_test(regions_as_deep_as_they_like_take_no_time),
		cmocka_unit_test(sizes_are_sorted_and_count_every_used_block),
		cmocka_unit_test(a_mapped_chunk_counts_as_one_in_a_heap),
		cmocka_unit_test(whatever_overlaps_the_ledger_sums_to_what_is_present),
		cmocka_unit_test(a_ledger_that_does_not_sum_is_refused),
		cmocka_unit_test(anomalies_are_counted_without_end_and_kept_to_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
