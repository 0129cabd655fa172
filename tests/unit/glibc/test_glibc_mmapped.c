/* mmapped chunks: there is no list, only headers that lead back to a page. */
#include "cs_test.h"
#include "forge_heap.h"
#include "glibc/glibc_mmapped.h"

enum { P = 1, M = 2, PAGE = 0x1000 };

/* prev_size and size words of a header at addr. */
static void header(struct forge_heap *f, cs_addr addr, uint64_t lead, uint64_t word)
{
	forge_put(f, addr, lead);
	forge_put(f, addr + 8, word);
}

static void begin(struct forge_heap *f, unsigned state)
{
	forge_heap_init(f, state, state);
	forge_chunk(f, 0x40, P);
	forge_finish(f);
}

/* How many were found; mp_ must count as many, or it would be an anomaly. */
static uint64_t found(struct forge_heap *f, uint64_t count, uint64_t bytes)
{
	cs_addr mp = FORGE_LIBC + FORGE_MP_OFF;

	forge_put(f, mp + (f->par->n_mmaps & ~7u),
		  count << (f->par->n_mmaps % 8 * 8) | 65536ull << ((f->par->n_mmaps + 4) % 8 * 8));
	if (f->par->n_mmaps % 8) {
		forge_put(f, mp + f->par->n_mmaps - 4, count << 32);
		forge_put(f, mp + f->par->n_mmaps + 4, 65536 | count << 32);
	} else {
		forge_put(f, mp + f->par->max_n_mmaps, count);
	}
	forge_put(f, mp + f->par->mmapped_mem, bytes);
	forge_put(f, mp + f->par->max_mmapped_mem, bytes);
	assert_int_equal(forge_scan(f), CS_OK);
	return f->model.blocks.big.count;
}

TEST(a_header_describes_its_mapping_or_is_none)
{
	const struct {
		uint64_t lead, word, off, room;
		bool is_243;
		uint64_t len, usable, size; /* len 0: no header */
	} rows[] = {
		{ 0, 0x2002, 0, 0x2000, false, 0x2000, 0x1ff0, 0x2000 },
		{ 0, 0x2002, 0, 0x1000, false, 0, 0, 0 }, /* longer than what is there */
		{ 0, 0x2003, 0, 0x2000, false, 0, 0, 0 }, /* only M may be set */
		{ 0, 0x2006, 0, 0x2000, false, 0, 0, 0 },
		{ 0, 0x200a, 0, 0x4000, false, 0, 0, 0 },
		{ 0, 0x2012, 0, 0x4000, false, 0, 0, 0 }, /* not whole pages */
		{ 0x30, 0x1fd2, 0x30, 0x2000, false, 0x2000, 0x1fc0, 0x1fd0 },
		{ 0x30, 0x1fd2, 0x40, 0x2000, false, 0, 0, 0 }, /* does not lead back */
		{ 0, UINT64_MAX & ~13ull, 0, 0x2000, false, 0, 0, 0 },
		{ 0, 0x1ff2, 0, 0x2000, true, 0x2000, 0x1fe8, 0x1ff0 },
		{ 1, 0x1ff2, 0, 0x2000, true, 0x2000, 0x1fe8, 0x1ff0 }, /* MAP_HUGETLB */
		{ 0x31, 0x1fc2, 0x30, 0x2000, true, 0x2000, 0x1fb8, 0x1fc0 },
		{ 0, 0x2002, 0, 0x4000, true, 0, 0, 0 }, /* 2.42's rule */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned char p[16];
		struct glibc_mapped_chunk c = { 0 };
		bool ok;

		memcpy(p, &rows[i].lead, 8);
		memcpy(p + 8, &rows[i].word, 8);
		ok = glibc_mapped_header(p, rows[i].off, rows[i].is_243, PAGE, rows[i].room, &c);
		assert_int_equal(ok, rows[i].len != 0);
		if (ok) {
			assert_int_equal(c.len, rows[i].len);
			assert_int_equal(c.usable, rows[i].usable);
			assert_int_equal(c.size, rows[i].size);
			assert_int_equal(c.user, rows[i].off + 16);
		}
	}
}

TEST(neighbours_in_one_mapping_are_told_apart)
{
	struct forge_heap f;

	begin(&f, 1);
	header(&f, FORGE_ANON + 0x1000, 0, 0x3000 | M);
	header(&f, FORGE_ANON + 0x4000, 0, 0x2000 | M);
	header(&f, FORGE_ANON + 0x2000, 0, 0x2000 | M); /* the program's own bytes */
	assert_int_equal(found(&f, 2, 0x5000), 2);
	assert_int_equal(f.model.blocks.big.items[0].start, FORGE_ANON + 0x1000);
	assert_int_equal(f.model.blocks.big.items[1].start, FORGE_ANON + 0x4000);
	assert_int_equal(f.model.anomaly_count, 0);
	forge_heap_deinit(&f);
}

TEST(memalign_leaves_two_headers_and_the_inner_one_counts)
{
	static const uint64_t offs[] = { 0x30, 0xff0, 0x3ff0, 0xfff0 };

	for (size_t i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		for (int stale = 0; stale < 2; stale++) {
			struct forge_heap f;
			cs_addr base = FORGE_ANON + 0x10000;

			begin(&f, 1);
			/* after mremap the first header tells the old length */
			header(&f, base, 0, (stale ? 0x9000000 : 0x12000) | M);
			header(&f, base + offs[i], offs[i], (0x12000 - offs[i]) | M);
			assert_int_equal(found(&f, 1, 0x12000), 1);
			assert_int_equal(f.model.blocks.big.items[0].user, base + offs[i] + 16);
			assert_int_equal(f.model.blocks.big.items[0].usable, 0x12000 - offs[i] - 16);
			assert_int_equal(f.model.blocks.big.items[0].len, 0x12000);
			assert_int_equal(f.model.blocks.big.items[0].chunk.start, base + offs[i]);
			assert_int_equal(f.model.blocks.big.items[0].chunk.len, 0x12000 - offs[i]);
			assert_int_equal(f.model.anomaly_count, 0);
			forge_heap_deinit(&f);
		}
	}
}

TEST(the_rule_of_2_43_is_another)
{
	const struct cs_arena_row *row;
	struct forge_heap f;

	begin(&f, 0);
	header(&f, FORGE_ANON + 0x1000, 0, (0x3000 - 16) | M);
	header(&f, FORGE_ANON + 0x8000, 0, 0x3000 | M); /* of an older libc: no */
	assert_int_equal(found(&f, 1, 0x3000), 1);
	assert_int_equal(f.model.blocks.big.items[0].start, FORGE_ANON + 0x1000);
	assert_int_equal(f.model.blocks.big.items[0].len, 0x3000);
	assert_int_equal(f.model.blocks.big.items[0].chunk.start, FORGE_ANON + 0x1000);
	assert_int_equal(f.model.blocks.big.items[0].chunk.len, 0x3000 - 16);
	row = &f.model.arenas.items[f.model.arenas.count - 1];
	assert_string_equal(row->name, "mmapped");
	assert_int_equal(row->system, 0x3000);
	assert_int_equal(row->used, 0x3000 - 16);
	assert_int_equal(row->overhead, 16);
	assert_int_equal(f.model.anomaly_count, 0);
	forge_heap_deinit(&f);
}

TEST(memory_that_others_claim_holds_no_chunk)
{
	struct forge_heap f;
	struct cs_range arena = { FORGE_ANON + 0x4000, 0x4000 };

	begin(&f, 1);
	header(&f, FORGE_ANON + 0x1000, 0, 0x1000 | M);
	header(&f, FORGE_ANON + 0x4000, 0, 0x1000 | M); /* pymalloc's */
	header(&f, FORGE_ANON + 0x3000, 0, 0x2000 | M); /* would reach into it */
	header(&f, FORGE_ANON + 0x8000, 0, 0x1000 | M);
	assert_int_equal(cs_model_region(&f.model, arena, CS_UNEXPLAINED, NULL), CS_OK);
	assert_int_equal(found(&f, 2, 0x2000), 2);
	assert_int_equal(f.model.blocks.big.items[1].start, FORGE_ANON + 0x8000);
	forge_heap_deinit(&f);
}

TEST(what_mp_counts_and_nobody_locates_is_told)
{
	struct forge_heap f;

	begin(&f, 1);
	header(&f, FORGE_ANON + 0x1000, 0, 0x1000 | M);
	assert_int_equal(found(&f, 3, 0x9000), 1);
	assert_int_equal(forge_anomalies(&f, "malloc.mmapped", "1 mmapped blocks of 4096 bytes"), 1);
	forge_heap_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_describes_its_mapping_or_is_none),
		cmocka_unit_test(neighbours_in_one_mapping_are_told_apart),
		cmocka_unit_test(memalign_leaves_two_headers_and_the_inner_one_counts),
		cmocka_unit_test(the_rule_of_2_43_is_another),
		cmocka_unit_test(memory_that_others_claim_holds_no_chunk),
		cmocka_unit_test(what_mp_counts_and_nobody_locates_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
