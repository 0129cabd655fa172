/* Big graphs whose dominators are known by construction. */
#include "graph/graph_dom.h"
#include "graph/graph_paths.h"
#include "graph/graph_reach.h"
#include "cs_test.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DEEP = 10000000, BIG = 1000000, SECONDS = 60, PATIENCE_MS = 400 /* sanitized too */ };

/* The longest time on the CPU that nobody was asked. */
static struct {
	double last, longest;
} gap;

static bool beat(void *ctx, const char *step, unsigned permille)
{
	struct timespec ts;

	(void)ctx;
	(void)step;
	(void)permille;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

	double now = (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;

	if (gap.last > 0 && now - gap.last > gap.longest)
		gap.longest = now - gap.last;
	gap.last = now;
	return true;
}

/* One that listens from now on. */
static struct cs_pulse *listen(struct cs_pulse *pulse)
{
	*pulse = (struct cs_pulse){ .beat = beat };
	beat(NULL, "", 0);
	return pulse;
}

static uint64_t one(void *ctx, uint32_t node)
{
	(void)ctx;
	(void)node;
	return 1;
}

/* Filled by edge(), from ascending nodes. */
static struct cs_graph *begin(uint32_t nodes)
{
	struct cs_graph *g;

	alarm(SECONDS); /* what is not linear does not come back */
	assert_int_equal(cs_graph_create(nodes, &g, NULL), CS_OK);
	return g;
}

static void edge(struct cs_graph *g, uint32_t from, uint32_t to)
{
	if (g->at != from)
		cs_graph_begin_node(g, from);
	cs_graph_edge(g, to);
}

static struct cs_dom *solve(struct cs_graph *g, uint32_t root)
{
	struct cs_pulse p;
	struct cs_dom *dom;

	gap.last = gap.longest = 0;
	cs_graph_root(g, root, 0);
	assert_int_equal(cs_graph_seal(g, listen(&p), NULL), CS_OK);
	assert_int_equal(cs_dom_create(g, one, NULL, &p, &dom, NULL), CS_OK);
	gap.last = 0;
	return dom;
}

/* assert_int_equal() costs too much millions of times. */
static bool is_parent(const struct cs_dom *dom, uint32_t node, uint32_t parent)
{
	uint32_t got;

	return cs_dom_parent(dom, node, NULL, &got, NULL) == CS_OK && got == parent;
}

static void end(struct cs_graph *g, struct cs_dom *dom)
{
	cs_dom_destroy(dom);
	cs_graph_destroy(g);
	alarm(0);
	if (gap.longest > PATIENCE_MS)
		fail_msg("nobody was asked for %.0f ms", gap.longest);
}

static void check_chain(struct cs_graph *g)
{
	struct cs_dom *dom = solve(g, 0);
	struct cs_graph_reverse *reverse;
	struct cs_paths *p;
	struct cs_pulse pulse;
	uint64_t *bits = calloc(cs_graph_bitmap_len(g), sizeof(*bits));
	struct cs_dom_walk w;
	struct cs_dom_step step;
	uint32_t nr = 0;
	size_t count;

	for (uint32_t i = 1; i < DEEP; i += i < DEEP - 1000 ? 997 : 1) {
		assert_true(cs_dom_retained(dom, i) == DEEP - i);
		assert_true(i == DEEP - 1 || is_parent(dom, i, i - 1));
	}
	cs_dom_walk_init(&w, dom, CS_GRAPH_NONE, false);
	while (cs_dom_walk_next(&w, &step))
		if (step.event != CS_DOM_LEAVE && step.node != nr++)
			fail_msg("node %u at %u", step.node, nr);
	assert_int_equal(nr, DEEP);
	bits[(DEEP - 1) / 64] = 1ull << (DEEP - 1) % 64;
	assert_int_equal(cs_graph_reverse_create(g, listen(&pulse), &reverse, NULL), CS_OK);
	assert_int_equal(cs_paths_create(g, reverse, bits, 0, &pulse, &p, NULL), CS_OK);
	assert_int_equal(cs_paths_found(p, &count)[0].length, DEEP);
	cs_paths_destroy(p);
	cs_graph_reverse_destroy(reverse);
	assert_int_equal(cs_graph_reach(g, NULL, NULL, bits, &pulse, NULL), CS_OK);
	assert_int_equal(bits[(DEEP - 1) / 64] >> (DEEP - 1) % 64 & 1, 1);
	gap.last = 0;
	free(bits);
	end(g, dom);
}

TEST(a_linked_list)
{
	struct cs_graph *g = begin(DEEP);

	for (uint32_t i = 0; i + 1 < DEEP; i++)
		edge(g, i, i + 1);
	check_chain(g);
}

TEST(a_doubly_linked_list)
{
	struct cs_graph *g = begin(DEEP);

	for (uint32_t i = 0; i < DEEP; i++) {
		if (i)
			edge(g, i, i - 1);
		if (i + 1 < DEEP)
			edge(g, i, i + 1);
	}
	check_chain(g);
}

TEST(a_ring_whose_end_goes_back_everywhere)
{
	struct cs_graph *g = begin(DEEP);

	for (uint32_t i = 0; i + 1 < DEEP; i++)
		edge(g, i, i + 1);
	for (uint32_t i = 0; i < BIG; i++)
		edge(g, DEEP - 1, i * 7);
	check_chain(g);
}

TEST(a_star)
{
	struct cs_graph *g = begin(DEEP);

	for (uint32_t i = 1; i < DEEP; i++)
		edge(g, 0, i);
	for (uint32_t i = 1; i < DEEP; i += 2) /* half of them with edges of their own */
		edge(g, i, 0);

	struct cs_dom *dom = solve(g, 0);

	assert_int_equal(cs_dom_retained(dom, 0), DEEP);
	for (uint32_t i = 1; i < DEEP; i += 2)
		assert_true(is_parent(dom, i, 0) && cs_dom_retained(dom, i) == 1);
	end(g, dom);
}

/* Each a root, each with an edge to the next but one: many short walks. */
TEST(as_many_roots_as_nodes)
{
	enum { ROOTS = 4 * BIG };
	struct cs_graph *g = begin(2 * ROOTS);
	struct cs_pulse pulse;
	uint64_t *bits = malloc(cs_graph_bitmap_len(g) * sizeof(*bits));

	for (uint32_t i = 0; i < 2 * ROOTS; i += 2) {
		edge(g, i, i + 1);
		cs_graph_root(g, i, 7);
	}

	struct cs_dom *dom = solve(g, 0);

	for (uint32_t i = 0; i < 2 * ROOTS; i += 2)
		assert_true(is_parent(dom, i, CS_GRAPH_NONE) && cs_dom_retained(dom, i) == 2);
	assert_int_equal(cs_dom_retained(dom, CS_GRAPH_NONE), 2 * ROOTS);
	for (uint64_t i = 0; i < cs_graph_bitmap_len(g); i++)
		bits[i] = i < 2 * ROOTS / 64 ? UINT64_MAX / 3 : 0; /* the even ones */
	assert_int_equal(cs_graph_reach(g, bits, NULL, bits, listen(&pulse), NULL), CS_OK);
	for (uint64_t i = 0; i < 2 * ROOTS / 64; i++)
		assert_true(bits[i] == UINT64_MAX);
	free(bits);
	end(g, dom);
}

TEST(a_binary_tree)
{
	enum { NODES = (1 << 21) - 1 };
	struct cs_graph *g = begin(NODES);

	for (uint32_t i = 0; 2 * i + 2 < NODES; i++) {
		edge(g, i, 2 * i + 1);
		edge(g, i, 2 * i + 2);
	}

	struct cs_dom *dom = solve(g, 0);
	uint32_t size = NODES;

	for (uint32_t i = 0; i < NODES; i = 2 * i + 1, size /= 2) {
		assert_int_equal(cs_dom_retained(dom, i), size);
		assert_true(is_parent(dom, i, i ? (i - 1) / 2 : CS_GRAPH_NONE));
	}
	end(g, dom);
}

/* Rungs both ways between two rails: only the head dominates. */
TEST(a_ladder)
{
	enum { RUNGS = 2 * BIG };
	struct cs_graph *g = begin(2 * RUNGS + 1);

	edge(g, 0, 1);
	edge(g, 0, 2);
	for (uint32_t i = 1; i <= 2 * RUNGS; i++) {
		edge(g, i, i % 2 ? i + 1 : i - 1);
		if (i + 2 <= 2 * RUNGS)
			edge(g, i, i + 2);
	}

	struct cs_dom *dom = solve(g, 0);

	for (uint32_t i = 1; i <= 2 * RUNGS; i++)
		assert_true(is_parent(dom, i, 0));
	assert_int_equal(cs_dom_retained(dom, 0), 2 * RUNGS + 1);
	end(g, dom);
}

/* Down and right; the first row and column are dominated along themselves. */
TEST(a_grid)
{
	enum { SIDE = 1400 };
	struct cs_graph *g = begin(SIDE * SIDE);

	for (uint32_t y = 0; y < SIDE; y++)
		for (uint32_t x = 0; x < SIDE; x++) {
			if (x + 1 < SIDE)
				edge(g, y * SIDE + x, y * SIDE + x + 1);
			if (y + 1 < SIDE)
				edge(g, y * SIDE + x, y * SIDE + x + SIDE);
		}

	struct cs_dom *dom = solve(g, 0);

	for (uint32_t i = 1; i < SIDE * SIDE; i++) {
		uint32_t x = i % SIDE, y = i / SIDE;

		assert_true(is_parent(dom, i, x && y ? 0 : x ? i - 1 : i - SIDE));
	}
	end(g, dom);
}

/* A chain; its end leads to many nodes, as does one link of the chain each, the first
 * (what makes semi-NCA quadratic) or any. */
static void check_comb(bool to_first, bool are_leaves)
{
	struct cs_graph *g = begin(2 * BIG);
	struct cs_dom *dom;

	for (uint32_t i = 0; i + 1 < BIG; i++) {
		edge(g, i, i + 1);
		if (to_first && !i)
			for (uint32_t j = BIG; j < 2 * BIG; j++)
				edge(g, 0, j);
		else if (!to_first)
			edge(g, i, BIG + (uint32_t)((uint64_t)i * 7368787 % BIG));
	}
	for (uint32_t j = BIG; j < 2 * BIG; j++)
		edge(g, BIG - 1, j);
	for (uint32_t j = BIG; j < 2 * BIG && !are_leaves; j++)
		edge(g, j, j);
	dom = solve(g, 0);
	for (uint32_t i = 0; i + 1 < BIG; i++) {
		uint32_t j = BIG + (to_first ? i : (uint32_t)((uint64_t)i * 7368787 % BIG));

		assert_true(is_parent(dom, j, to_first ? 0 : i));
		assert_true(cs_dom_retained(dom, i + 1) ==
			    (to_first ? BIG - 1 - i : 2 * (BIG - 1 - i)));
	}
	end(g, dom);
}

TEST(a_comb)
{
	check_comb(true, false);
	check_comb(false, false);
}

TEST(a_comb_of_leaves)
{
	check_comb(true, true);
	check_comb(false, true);
}

/* Leaves come where their dominators are open, all nodes once. */
static void check_leaves_inside(const struct cs_dom *dom, uint32_t nodes)
{
	struct cs_dom_walk w;
	struct cs_dom_step step;
	uint32_t open = CS_GRAPH_NONE, met = 0;

	cs_dom_walk_init(&w, dom, CS_GRAPH_NONE, false);
	while (cs_dom_walk_next(&w, &step)) {
		met += step.event != CS_DOM_LEAVE;
		if (step.event == CS_DOM_LEAVE) {
			assert_int_equal(cs_dom_parent(dom, step.node, NULL, &open, NULL), CS_OK);
			continue;
		}
		assert_true(is_parent(dom, step.node, open));
		if (step.event == CS_DOM_ENTER)
			open = step.node;
	}
	assert_true(met == nodes);
}

/* A full tree. To one leaf leads everything; to leaf v of each inner node the leftmost and
 * the rightmost node below v, the first and the last of its subtree's bottom. */
TEST(leaves_with_many_referrers)
{
	enum { TREE = (1 << 20) - 1, LEAF = TREE + 1 };
	struct cs_graph *g = begin(2 * TREE + 1);

	for (uint32_t i = 0; i < TREE; i++) {
		edge(g, i, TREE);
		if (i < TREE / 2) {
			edge(g, i, 2 * i + 1);
			edge(g, i, 2 * i + 2);
			continue;
		}
		for (uint32_t v = i; v % 2; edge(g, i, LEAF + v))
			v = v / 2;
		for (uint32_t v = i; v && v % 2 == 0; edge(g, i, LEAF + v))
			v = v / 2 - 1;
	}

	struct cs_dom *dom = solve(g, 0);

	assert_true(is_parent(dom, TREE, 0));
	for (uint32_t v = 0; v < TREE / 2; v++)
		assert_true(is_parent(dom, LEAF + v, v));
	check_leaves_inside(dom, TREE + 1 + TREE / 2);
	end(g, dom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linked_list),
		cmocka_unit_test(a_doubly_linked_list),
		cmocka_unit_test(a_ring_whose_end_goes_back_everywhere),
		cmocka_unit_test(a_star),
		cmocka_unit_test(as_many_roots_as_nodes),
		cmocka_unit_test(a_binary_tree),
		cmocka_unit_test(a_ladder),
		cmocka_unit_test(a_grid),
		cmocka_unit_test(a_comb),
		cmocka_unit_test(a_comb_of_leaves),
		cmocka_unit_test(leaves_with_many_referrers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
