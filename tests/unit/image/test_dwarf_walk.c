/* The walk over entries against libdw's, on this very program's debug data. */
#include "image/dwarf_walk.h"
#include "self_elf.h"
#include "cs_test.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

enum { DEPTH = 64 };

struct sum { /* of all entries of a unit: where they are, what, how deep */
	uint64_t count, hash;
};

static void add(struct sum *s, const void *addr, unsigned tag, size_t depth)
{
	s->count++;
	s->hash = (s->hash ^ (uint64_t)(uintptr_t)addr ^ (uint64_t)tag << 40 ^ (uint64_t)depth << 56) *
		  0x100000001b3ull;
}

/* Does somebody not want to see what is inside? */
static bool is_left_out(unsigned tag, bool some)
{
	return some && (tag == DW_TAG_subprogram || tag == DW_TAG_structure_type);
}

static struct sum sum_of_libdw(Dwarf_Die *unit, bool some)
{
	Dwarf_Die stack[DEPTH] = { *unit };
	struct sum s = { 0, 0 };
	size_t depth = 0;

	for (;;) {
		unsigned tag = (unsigned)dwarf_tag(&stack[depth]);

		add(&s, stack[depth].addr, tag, depth);
		if (!is_left_out(tag, some) && depth + 1 < DEPTH &&
		    !dwarf_child(&stack[depth], &stack[depth + 1])) {
			depth++;
			continue;
		}
		while (depth && dwarf_siblingof(&stack[depth], &stack[depth]))
			depth--;
		if (!depth)
			return s;
	}
}

static struct sum sum_of_walk(struct cs_dwarf_walker *walker, Dwarf_Die *unit, bool some)
{
	struct cs_dwarf_entry e;
	struct cs_dwarf_walk w;
	struct sum s = { 0, 0 };
	cs_status st = cs_dwarf_walk_init(&w, walker, unit);

	assert_int_equal(st, CS_OK);
	while (!(st = cs_dwarf_walk_next(&w, &e))) {
		add(&s, e.die[0], e.tag, e.depth);
		if (is_left_out(e.tag, some))
			cs_dwarf_walk_skip(&w, &e);
	}
	assert_int_equal(st, CS_NOTFOUND);
	return s;
}

static void compare(bool some)
{
	struct cs_dwarf_walker *walker = cs_dwarf_walker_create(NULL);
	Dwarf *dw = cs_elf_dwarf(self_elf);
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Die unit;
	uint8_t type;
	int units = 0;

	assert_non_null(walker);
	if (!dw)
		skip(); /* built without debug data */
	for (; !dwarf_get_units(dw, cu, &cu, &version, &type, &unit, NULL); units++) {
		struct sum theirs = sum_of_libdw(&unit, some), ours = sum_of_walk(walker, &unit, some);

		assert_int_equal(ours.count, theirs.count);
		assert_int_equal(ours.hash, theirs.hash);
	}
	assert_true(units > 5);
	cs_dwarf_walker_destroy(walker);
}

TEST(every_entry_is_seen_once_and_as_deep_as_it_is)
{
	compare(false);
}

TEST(what_is_inside_of_what_nobody_wants_is_left_out)
{
	compare(true);
}

static bool stop(void *ctx, const char *step, unsigned permille)
{
	(void)ctx, (void)step, (void)permille;
	return false;
}

TEST(who_skips_a_whole_unit_hears_an_interruption)
{
	struct cs_pulse pulse = { .beat = stop, .every_ns = 1 };
	struct cs_dwarf_walker *walker = cs_dwarf_walker_create(&pulse);
	Dwarf *dw = cs_elf_dwarf(self_elf);
	struct cs_dwarf_entry e;
	struct cs_dwarf_walk w;
	Dwarf_Die unit;
	Dwarf_Half version;
	Dwarf_CU *cu = NULL;
	uint8_t type;

	assert_non_null(walker);
	if (!dw)
		skip();
	assert_int_equal(dwarf_get_units(dw, cu, &cu, &version, &type, &unit, NULL), 0);
	assert_int_equal(cs_dwarf_walk_init(&w, walker, &unit), CS_OK);
	assert_int_equal(cs_dwarf_walk_next(&w, &e), CS_OK);
	assert_int_equal(e.depth, 0);
	cs_dwarf_walk_skip(&w, &e);
	assert_int_equal(cs_dwarf_walk_next(&w, &e), CS_STOPPED);
	cs_dwarf_walker_destroy(walker);
}

TEST(a_budget_of_ranges_is_kept_to)
{
	Dwarf *dw = cs_elf_dwarf(self_elf);
	Dwarf_Die unit;
	Dwarf_Half version;
	Dwarf_CU *cu = NULL;
	uint8_t type;
	uint64_t budget = 1;

	if (!dw)
		skip();
	/* a unit without code costs nothing */
	while (budget && !dwarf_get_units(dw, cu, &cu, &version, &type, &unit, NULL))
		assert_false(cs_dwarf_holds(&unit, 0, &budget));
	assert_int_equal(budget, 0);
	assert_false(cs_dwarf_holds(&unit, 0, &budget));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_seen_once_and_as_deep_as_it_is),
		cmocka_unit_test(what_is_inside_of_what_nobody_wants_is_left_out),
		cmocka_unit_test(who_skips_a_whole_unit_hears_an_interruption),
		cmocka_unit_test(a_budget_of_ranges_is_kept_to),
	};

	return cmocka_run_group_tests(tests, self_open, self_close);
}
