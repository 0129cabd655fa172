#include "graph/graph_paths.h"
#include "graph/graph_reach.h"
#include "cs_test.h"
#include "small_graph.h"

#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 4000, FAR = 1 << 20 };

/* Nodes on the shortest way from root `r` of s to a target, FAR when there is none. */
static unsigned nearest(const struct small_graph *s, unsigned r, const bool *targets)
{
	unsigned queue[SMALL_NODES], length[SMALL_NODES] = { 0 }, count = 1;

	queue[0] = s->root[r];
	length[s->root[r]] = 1;
	for (unsigned i = 0; i < count; i++) {
		unsigned v = queue[i];

		if (targets[v])
			return length[v];
		for (unsigned e = s->first[v]; e < s->first[v + 1]; e++)
			if (!length[s->to[e]]) {
				length[s->to[e]] = length[v] + 1;
				queue[count++] = s->to[e];
			}
	}
	return FAR;
}

static bool has_edge(const struct small_graph *s, unsigned from, unsigned to)
{
	for (unsigned e = s->first[from]; e < s->first[from + 1]; e++)
		if (s->to[e] == to)
			return true;
	return false;
}

/* Every step is an edge, and it ends at a target after `length` nodes. */
static void check_way(const struct small_graph *s, const struct cs_paths *p, struct cs_path path,
		      const bool *targets)
{
	uint32_t at = path.root;

	for (uint32_t i = 1; i < path.length; i++) {
		uint32_t next = cs_paths_next(p, at);

		assert_int_not_equal(next, CS_GRAPH_NONE);
		assert_true(has_edge(s, small_of(s, at), small_of(s, next)));
		at = next;
	}
	assert_true(targets[small_of(s, at)]);
	assert_int_equal(cs_paths_next(p, at), CS_GRAPH_NONE);
}

/* The shortest of each tag, then the root of the least node; sorted by length, tag. */
static unsigned find_truth(const struct small_graph *s, const bool *targets, struct cs_path *out)
{
	unsigned n = 0;

	for (unsigned r = 0; r < s->root_count; r++) {
		struct cs_path path = { small_real(s, s->root[r]), s->tag[r], nearest(s, r, targets) };
		unsigned i = 0;

		if (path.length == FAR)
			continue;
		while (i < n && out[i].tag != path.tag)
			i++;
		if (i == n)
			out[n++] = path;
		else if (path.length < out[i].length ||
			 (path.length == out[i].length && path.root < out[i].root))
			out[i] = path;
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = i + 1; j < n; j++)
			if (out[j].length < out[i].length ||
			    (out[j].length == out[i].length && out[j].tag < out[i].tag)) {
				struct cs_path t = out[i];

				out[i] = out[j];
				out[j] = t;
			}
	return n;
}

static void check(const struct small_graph *s, const bool *targets, uint32_t most)
{
	struct cs_path want[SMALL_ROOTS];
	uint64_t bits[SMALL_NODES] = { 0 };
	struct cs_graph *g = small_build(s);
	struct cs_graph_reverse *reverse;
	struct cs_paths *p;
	size_t count, n = find_truth(s, targets, want);

	n = most && most < n ? most : n;
	for (unsigned v = 0; v < s->n; v++)
		bits[small_real(s, v) / 64] |= (uint64_t)targets[v] << small_real(s, v) % 64;
	assert_int_equal(cs_graph_reverse_create(g, NULL, &reverse, NULL), CS_OK);
	assert_int_equal(cs_paths_create(g, reverse, bits, most, NULL, &p, NULL), CS_OK);
	cs_graph_reverse_destroy(reverse);

	const struct cs_path *found = cs_paths_found(p, &count);

	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(found[i].length, want[i].length);
		assert_int_equal(found[i].tag, want[i].tag);
		assert_int_equal(found[i].root, want[i].root);
		check_way(s, p, found[i], targets);
	}
	cs_paths_destroy(p);
	cs_graph_destroy(g);
}

TEST(ways_to_one_node_are_as_short_as_can_be)
{
	struct small_graph s;

	for (unsigned i = 0; i < GRAPHS; i++) {
		bool targets[SMALL_NODES] = { false };
		uint64_t seed = i;

		small_random(&s, i % SMALL_KINDS, i % 16 ? 40 : SMALL_NODES, i);
		targets[small_any(&seed, s.n)] = true;
		check(&s, targets, i % 3);
	}
}

TEST(ways_to_any_of_many_nodes_too)
{
	struct small_graph s;

	for (unsigned i = 0; i < GRAPHS; i++) {
		bool targets[SMALL_NODES] = { false };
		uint64_t seed = i;
		unsigned one_in = 1 + small_any(&seed, 12);

		small_random(&s, i % SMALL_KINDS, i % 16 ? 40 : SMALL_NODES, i);
		for (unsigned v = 0; v < s.n; v++)
			targets[v] = !small_any(&seed, one_in);
		check(&s, targets, i % 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways_to_one_node_are_as_short_as_can_be),
		cmocka_unit_test(ways_to_any_of_many_nodes_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
