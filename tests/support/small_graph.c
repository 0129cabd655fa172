#include "small_graph.h"
#include "cs_test.h"

#include <stdlib.h>
#include <string.h>

unsigned small_any(uint64_t *seed, unsigned below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((*seed >> 33) % below);
}

void small_edge(struct small_graph *s, unsigned from, unsigned to)
{
	if (s->edge_count == SMALL_EDGES)
		return;
	s->from[s->edge_count] = from;
	s->to[s->edge_count++] = to;
}

/* By source; edges of one source keep their order. */
void small_sort(struct small_graph *s)
{
	unsigned to[SMALL_EDGES], from[SMALL_EDGES], next = 0;

	for (unsigned v = 0; v < s->n; v++) {
		s->first[v] = next;
		for (unsigned e = 0; e < s->edge_count; e++)
			if (s->from[e] == v) {
				from[next] = v;
				to[next++] = s->to[e];
			}
	}
	s->first[s->n] = next;
	memcpy(s->to, to, next * sizeof(*to));
	memcpy(s->from, from, next * sizeof(*from));
}

/* One edge of the kind's shape. */
static void any_edge(struct small_graph *s, unsigned kind, uint64_t *seed)
{
	unsigned n = s->n, a = small_any(seed, n), b = small_any(seed, n), half = n / 2;

	switch (kind) {
	case 2: /* no cycles */
		small_edge(s, a < b ? a : b, a < b ? b : a);
		break;
	case 3: /* layers of four, mostly to the next */
		small_edge(s, a, small_any(seed, 8) ? (a / 4 * 4 + 4 + b % 4) % n : b);
		break;
	case 4: /* the upper half are leaves, with one referrer or some */
		small_edge(s, half ? a % half : 0, b);
		break;
	case 5: /* a chain and jumps ahead */
		small_edge(s, a, a + 1 < n ? a + 1 : a);
		small_edge(s, a < b ? a : b, a < b ? b : a);
		break;
	case 6: /* both ways, near each other */
		b = (a + 1 + b % 3) % n;
		small_edge(s, a, b);
		small_edge(s, b, a);
		break;
	default:
		small_edge(s, a, b);
	}
}

void small_random(struct small_graph *s, unsigned kind, unsigned most, uint64_t seed)
{
	unsigned edges;

	seed = seed * 2654435761u + kind;
	small_any(&seed, 2);
	*s = (struct small_graph){ .n = 1 + small_any(&seed, most) };
	s->stretch = 1 + small_any(&seed, 12);
	edges = small_any(&seed, kind == 1 ? 6 * s->n : 2 * s->n) + s->n / 2;
	for (unsigned i = 0; i < edges; i++)
		any_edge(s, kind, &seed);
	if (kind == 7) /* a deep chain; from its end to everything, from above to some */
		for (unsigned i = 0, end = s->n / 2; i < s->n; i++) {
			small_edge(s, i < end ? i : end, i + 1 < s->n ? i + 1 : i);
			small_edge(s, i < end ? i : small_any(&seed, end + 1), i);
		}
	small_sort(s);
	s->root_count = small_any(&seed, s->n < 8 ? 3 : SMALL_ROOTS);
	for (unsigned i = 0; i < s->root_count; i++) {
		s->root[i] = small_any(&seed, kind == 5 || kind == 7 ? 1 + s->n / 8 : s->n);
		s->tag[i] = small_any(&seed, 4) ? small_any(&seed, 4) : UINT32_MAX;
	}
}

uint32_t small_real(const struct small_graph *s, unsigned i)
{
	return i * s->stretch + s->stretch / 2;
}

unsigned small_of(const struct small_graph *s, uint32_t real)
{
	return real % s->stretch == s->stretch / 2 ? real / s->stretch : s->n;
}

struct cs_graph *small_build(const struct small_graph *s)
{
	struct cs_graph *g;

	assert_int_equal(cs_graph_create(s->n * s->stretch, &g, NULL), CS_OK);
	for (unsigned i = 0; i < s->n; i++) {
		cs_graph_begin_node(g, small_real(s, i));
		for (unsigned e = s->first[i]; e < s->first[i + 1]; e++)
			cs_graph_edge(g, small_real(s, s->to[e]));
	}
	for (unsigned i = 0; i < s->root_count; i++)
		cs_graph_root(g, small_real(s, s->root[i]), s->tag[i]);
	assert_int_equal(cs_graph_seal(g, NULL, NULL), CS_OK);
	return g;
}

void small_reach(const struct small_graph *s, const bool *start, const bool *walls, bool *seen)
{
	unsigned stack[SMALL_NODES], depth = 0;

	memset(seen, 0, s->n * sizeof(*seen));
	for (unsigned i = 0; i < s->n; i++) {
		bool is_root = start && start[i];

		for (unsigned r = 0; !start && r < s->root_count; r++)
			is_root |= s->root[r] == i;
		if (is_root && !(walls && walls[i])) {
			seen[i] = true;
			stack[depth++] = i;
		}
	}
	while (depth) {
		unsigned v = stack[--depth];

		for (unsigned e = s->first[v]; e < s->first[v + 1]; e++) {
			unsigned to = s->to[e];

			if (seen[to] || (walls && walls[to]))
				continue;
			seen[to] = true;
			stack[depth++] = to;
		}
	}
}

uint64_t small_weight(void *ctx, uint32_t real)
{
	(void)ctx;
	return 1 + (uint64_t)real * real % 1009;
}
