#include "graph/graph_dom.h"
#include "cs_test.h"
#include "small_graph.h"

#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 6000, BIGGER = 160 };

struct truth {
	struct small_graph s;
	bool reached[SMALL_NODES];
	bool dominates[SMALL_NODES][SMALL_NODES]; /* [a][b]: b is lost without a */
	unsigned idom[SMALL_NODES];		  /* n: above all */
	uint64_t retained[SMALL_NODES], all;
};

static uint64_t weight_of(const struct truth *t, unsigned v)
{
	return small_weight(NULL, small_real(&t->s, v));
}

/* Take each node away and see what is lost. */
static void find_truth(struct truth *t)
{
	bool walls[SMALL_NODES] = { false }, without[SMALL_NODES];
	unsigned above[SMALL_NODES] = { 0 };

	small_reach(&t->s, NULL, NULL, t->reached);
	t->all = 0;
	for (unsigned a = 0; a < t->s.n; a++) {
		walls[a] = true;
		small_reach(&t->s, NULL, walls, without);
		walls[a] = false;
		t->retained[a] = 0;
		for (unsigned b = 0; b < t->s.n; b++) {
			t->dominates[a][b] = t->reached[b] && !without[b];
			t->retained[a] += t->dominates[a][b] ? weight_of(t, b) : 0;
			above[b] += t->dominates[a][b];
		}
		t->all += t->reached[a] ? weight_of(t, a) : 0;
	}
	for (unsigned b = 0; b < t->s.n; b++) { /* the nearest is the one with most above it */
		t->idom[b] = t->s.n;
		for (unsigned a = 0; a < t->s.n; a++)
			if (a != b && t->dominates[a][b] && above[a] + 1 == above[b])
				t->idom[b] = a;
	}
}

static unsigned known(const struct truth *t, uint32_t real)
{
	return real == CS_GRAPH_NONE ? t->s.n : small_of(&t->s, real);
}

static void check_nodes(const struct truth *t, const struct cs_dom *dom)
{
	assert_int_equal(cs_dom_retained(dom, CS_GRAPH_NONE), t->all);
	for (uint32_t real = 0; real < t->s.n * t->s.stretch; real++) {
		unsigned v = small_of(&t->s, real);
		bool reached = v < t->s.n && t->reached[v];
		uint32_t parent = 77;

		assert_int_equal(cs_dom_is_reached(dom, real), reached);
		assert_int_equal(cs_dom_retained(dom, real), reached ? t->retained[v] : 0);
		assert_int_equal(cs_dom_parent(dom, real, NULL, &parent, NULL),
				 reached ? CS_OK : CS_NOTFOUND);
		if (reached)
			assert_int_equal(known(t, parent), t->idom[v]);
		else
			assert_int_equal(parent, 77);
	}
}

static bool is_leaf(const struct truth *t, unsigned v)
{
	return t->s.first[v] == t->s.first[v + 1];
}

/* Below `top` (n: all): every node once, inside those that dominate it, left again. */
static void check_walk(const struct truth *t, const struct cs_dom *dom, unsigned top)
{
	unsigned stack[SMALL_NODES + 1], depth = 1, seen = 0, below = 0;
	bool met[SMALL_NODES] = { false };
	struct cs_dom_walk w;
	struct cs_dom_step step;

	stack[0] = top;
	cs_dom_walk_init(&w, dom, top == t->s.n ? CS_GRAPH_NONE : small_real(&t->s, top), false);
	while (cs_dom_walk_next(&w, &step)) {
		unsigned v = small_of(&t->s, step.node);

		if (step.event == CS_DOM_LEAVE) {
			assert_true(depth > 1);
			assert_int_equal(stack[--depth], v);
			continue;
		}
		assert_false(met[v]);
		met[v] = true;
		seen++;
		assert_int_equal(t->idom[v], stack[depth - 1]);
		assert_int_equal(step.retained, t->retained[v]);
		assert_int_equal(step.event == CS_DOM_LEAF, is_leaf(t, v));
		if (step.event == CS_DOM_ENTER)
			stack[depth++] = v;
	}
	assert_int_equal(depth, 1);
	for (unsigned v = 0; v < t->s.n; v++)
		below += top == t->s.n ? t->reached[v] : v != top && t->dominates[top][v];
	assert_int_equal(seen, below);
	assert_false(cs_dom_walk_next(&w, &step));
}

/* w walked below another node before, perhaps to its end. */
static void check_children(const struct truth *t, struct cs_dom_walk *w, unsigned top)
{
	unsigned children = 0;
	bool met[SMALL_NODES] = { false };
	struct cs_dom_step step;

	cs_dom_walk_again(w, top == t->s.n ? CS_GRAPH_NONE : small_real(&t->s, top));
	while (cs_dom_walk_next(w, &step)) {
		unsigned v = small_of(&t->s, step.node);

		assert_false(met[v]);
		met[v] = true;
		children++;
		assert_true(t->reached[v]);
		assert_int_equal(t->idom[v], top);
		assert_int_equal(step.retained, t->retained[v]);
		assert_int_equal(step.event, is_leaf(t, v) ? CS_DOM_LEAF : CS_DOM_ENTER);
	}
	for (unsigned v = 0; v < t->s.n; v++)
		children -= t->reached[v] && t->idom[v] == top;
	assert_int_equal(children, 0);
}

static void check(struct truth *t)
{
	struct cs_graph *g = small_build(&t->s);
	struct cs_dom *dom;
	struct cs_dom_walk w;

	find_truth(t);
	assert_int_equal(cs_dom_create(g, small_weight, NULL, NULL, &dom, NULL), CS_OK);
	check_nodes(t, dom);
	cs_dom_walk_init(&w, dom, CS_GRAPH_NONE, true);
	for (unsigned top = 0; top <= t->s.n; top++) {
		check_walk(t, dom, top);
		check_children(t, &w, top * 7 % (t->s.n + 1));
		check_children(t, &w, top);
	}
	cs_dom_destroy(dom);
	cs_graph_destroy(g);
}

TEST(a_node_retains_what_is_lost_without_it)
{
	static struct truth t;

	for (unsigned i = 0; i < GRAPHS; i++) {
		small_random(&t.s, i % SMALL_KINDS, 40, i);
		check(&t);
	}
}

TEST(bigger_graphs_too)
{
	static struct truth t;

	for (unsigned i = 0; i < BIGGER; i++) {
		small_random(&t.s, i % SMALL_KINDS, SMALL_NODES, i);
		check(&t);
	}
}

static uint64_t heavy(void *ctx, uint32_t node)
{
	(void)ctx;
	(void)node;
	return UINT64_MAX / 3;
}

TEST(sums_end_at_the_greatest_number)
{
	struct small_graph s = { .n = 8, .stretch = 1, .root_count = 1 };
	struct cs_dom *dom;

	for (unsigned i = 0; i < 5; i++)
		small_edge(&s, i, i + 1);
	small_edge(&s, 0, 6);
	small_edge(&s, 0, 6); /* shared */
	small_edge(&s, 4, 7);
	small_sort(&s);

	struct cs_graph *g = small_build(&s);

	assert_int_equal(cs_dom_create(g, heavy, NULL, NULL, &dom, NULL), CS_OK);
	assert_true(cs_dom_retained(dom, 4) == UINT64_MAX / 3 * 3);
	assert_true(cs_dom_retained(dom, 3) == UINT64_MAX);
	assert_true(cs_dom_retained(dom, 0) == UINT64_MAX);
	assert_true(cs_dom_retained(dom, CS_GRAPH_NONE) == UINT64_MAX);
	cs_dom_destroy(dom);
	cs_graph_destroy(g);
}

static unsigned counts[SMALL_NODES];

static uint64_t counting(void *ctx, uint32_t node)
{
	counts[node]++;
	return ctx ? 1 : 0;
}

TEST(a_weight_is_asked_once_and_only_of_what_is_reached)
{
	struct small_graph s;

	for (unsigned i = 0; i < 200; i++) {
		bool reached[SMALL_NODES];
		struct cs_dom *dom;

		small_random(&s, i % SMALL_KINDS, SMALL_NODES, i);
		s.stretch = 1;
		memset(counts, 0, sizeof(counts));

		struct cs_graph *g = small_build(&s);

		assert_int_equal(cs_dom_create(g, counting, &s, NULL, &dom, NULL), CS_OK);
		small_reach(&s, NULL, NULL, reached);
		for (unsigned v = 0; v < s.n; v++)
			assert_int_equal(counts[v], reached[v]);
		cs_dom_destroy(dom);
		cs_graph_destroy(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_retains_what_is_lost_without_it),
		cmocka_unit_test(bigger_graphs_too),
		cmocka_unit_test(sums_end_at_the_greatest_number),
		cmocka_unit_test(a_weight_is_asked_once_and_only_of_what_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
