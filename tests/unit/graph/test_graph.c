#include "graph/graph.h"
#include "graph/graph_reach.h"
#include "cs_test.h"
#include "small_graph.h"

#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 400 };

TEST(edges_are_given_back_as_they_were_added)
{
	struct small_graph s;

	for (unsigned i = 0; i < GRAPHS; i++) {
		small_random(&s, i % SMALL_KINDS, i % 2 ? 40 : SMALL_NODES, i);

		struct cs_graph *g = small_build(&s);
		uint32_t count, inners = 0;

		assert_int_equal(g->edge_count, s.edge_count);
		for (uint32_t v = 0; v < g->node_count; v++) {
			unsigned of = small_of(&s, v);
			const uint32_t *codes = cs_graph_edges(g, v, &count);

			assert_int_equal(count, of < s.n ? s.first[of + 1] - s.first[of] : 0);
			assert_int_equal(cs_graph_is_inner(g, v), count != 0);
			for (uint32_t e = 0; e < count; e++) {
				uint32_t to = small_real(&s, s.to[s.first[of] + e]);

				assert_int_equal(cs_graph_target(g, codes[e]), to);
				assert_int_equal(cs_graph_code(g, to), codes[e]);
			}
			if (!count)
				continue;
			assert_int_equal(cs_graph_inner(g, v), inners);
			assert_int_equal(cs_graph_node(g, inners++), v);
		}
		assert_int_equal(inners, g->inner_count);
		cs_graph_destroy(g);
	}
}

TEST(a_leaf_is_shared_when_two_edges_or_a_root_lead_to_it)
{
	struct small_graph s;

	for (unsigned i = 0; i < GRAPHS; i++) {
		small_random(&s, i % SMALL_KINDS, 80, i);

		struct cs_graph *g = small_build(&s);
		uint32_t shared = 0;

		for (unsigned v = 0; v < s.n; v++) {
			unsigned in = 0;

			for (unsigned e = 0; e < s.edge_count; e++)
				in += s.to[e] == v;
			for (unsigned r = 0; r < s.root_count; r++)
				in += s.root[r] == v ? 2 : 0;

			bool is = in > 1 && s.first[v] == s.first[v + 1];

			assert_int_equal(cs_graph_is_shared(g, small_real(&s, v)), is);
			if (is)
				assert_int_equal(cs_graph_shared(g, small_real(&s, v)), shared++);
		}
		assert_int_equal(shared, g->shared_count);
		cs_graph_destroy(g);
	}
}

TEST(referrers_come_once_and_in_order)
{
	struct small_graph s;

	for (unsigned i = 0; i < GRAPHS; i++) {
		small_random(&s, i % SMALL_KINDS, i % 4 ? 40 : SMALL_NODES, i);

		struct cs_graph *g = small_build(&s);

		for (unsigned v = 0; v < s.n; v++) {
			struct cs_graph_referrers w;
			uint32_t referrer;

			cs_graph_referrers_init(&w, g, small_real(&s, v), NULL);
			for (unsigned from = 0; from < s.n; from++) {
				bool refers = false;

				for (unsigned e = s.first[from]; e < s.first[from + 1]; e++)
					refers |= s.to[e] == v;
				if (!refers)
					continue;
				assert_int_equal(cs_graph_referrers_next(&w, &referrer, NULL), CS_OK);
				assert_int_equal(referrer, small_real(&s, from));
			}
			assert_int_equal(cs_graph_referrers_next(&w, &referrer, NULL), CS_NOTFOUND);
			assert_int_equal(cs_graph_referrers_next(&w, &referrer, NULL), CS_NOTFOUND);
		}
		cs_graph_destroy(g);
	}
}

static void check_reach(const struct small_graph *s, const struct cs_graph *g, const bool *start,
			const bool *walls)
{
	uint64_t from[SMALL_NODES] = { 0 }, blocked[SMALL_NODES] = { 0 }, reached[SMALL_NODES];
	bool seen[SMALL_NODES];

	for (unsigned v = 0; v < s->n; v++) {
		uint32_t real = small_real(s, v);

		from[real / 64] |= (uint64_t)(start && start[v]) << real % 64;
		blocked[real / 64] |= (uint64_t)(walls && walls[v]) << real % 64;
	}
	small_reach(s, start, walls, seen);
	assert_int_equal(cs_graph_reach(g, start ? from : NULL, walls ? blocked : NULL, reached,
					NULL, NULL),
			 CS_OK);
	for (uint32_t real = 0; real < g->node_count; real++) {
		unsigned v = small_of(s, real);

		assert_int_equal(reached[real / 64] >> real % 64 & 1, v < s->n && seen[v]);
	}
	/* the answer may take the place of a question */
	assert_int_equal(cs_graph_reach(g, start ? from : NULL, walls ? blocked : NULL,
					walls ? blocked : from, NULL, NULL),
			 CS_OK);
	assert_memory_equal(walls ? blocked : from, reached,
			    cs_graph_bitmap_len(g) * sizeof(*reached));
}

TEST(reaches_what_a_search_reaches_around_walls)
{
	struct small_graph s;

	for (unsigned i = 0; i < 4 * GRAPHS; i++) {
		bool start[SMALL_NODES], walls[SMALL_NODES];
		uint64_t seed = i;

		small_random(&s, i % SMALL_KINDS, i % 4 ? 40 : SMALL_NODES, i);
		for (unsigned v = 0; v < s.n; v++) {
			start[v] = !small_any(&seed, 6);
			walls[v] = !small_any(&seed, 5);
		}

		struct cs_graph *g = small_build(&s);

		check_reach(&s, g, NULL, NULL);
		check_reach(&s, g, NULL, walls);
		check_reach(&s, g, start, NULL);
		check_reach(&s, g, start, walls);
		cs_graph_destroy(g);
	}
}

TEST(a_graph_without_nodes_or_edges_is_a_graph)
{
	for (uint64_t nodes = 0; nodes < 130; nodes += 32) {
		uint64_t reached[4] = { 1, 2, 3, 4 };
		struct cs_graph *g;

		assert_int_equal(cs_graph_create(nodes, &g, NULL), CS_OK);
		for (uint32_t i = 0; i < nodes; i++)
			cs_graph_begin_node(g, i);
		assert_int_equal(cs_graph_seal(g, NULL, NULL), CS_OK);
		assert_int_equal(g->inner_count, 0);
		assert_int_equal(cs_graph_reach(g, NULL, NULL, reached, NULL, NULL), CS_OK);
		assert_int_equal(reached[0], 0);
		cs_graph_destroy(g);
	}
}

TEST(too_many_nodes_or_edges_are_a_limit)
{
	struct cs_error err = { .text = "" };
	struct cs_graph *g;

	assert_int_equal(cs_graph_create(CS_GRAPH_NODES_MAX + 1ull, &g, &err), CS_LIMIT);
	assert_int_equal(cs_graph_create(UINT64_MAX, &g, NULL), CS_LIMIT);
	assert_int_equal(cs_graph_create(10, &g, &err), CS_OK);
	cs_graph_begin_node(g, 3);
	cs_graph_edge(g, 4);
	g->edge_count = g->edge_cap = CS_GRAPH_EDGES_MAX; /* nobody has the memory to do it */
	cs_graph_edge(g, 5);
	cs_graph_begin_node(g, 4);
	cs_graph_edge(g, 5);
	assert_int_equal(g->edge_count, CS_GRAPH_EDGES_MAX);
	assert_int_equal(g->failed, CS_LIMIT);
	assert_int_equal(cs_graph_seal(g, NULL, &err), CS_LIMIT);
	cs_graph_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_given_back_as_they_were_added),
		cmocka_unit_test(a_leaf_is_shared_when_two_edges_or_a_root_lead_to_it),
		cmocka_unit_test(referrers_come_once_and_in_order),
		cmocka_unit_test(reaches_what_a_search_reaches_around_walls),
		cmocka_unit_test(a_graph_without_nodes_or_edges_is_a_graph),
		cmocka_unit_test(too_many_nodes_or_edges_are_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
