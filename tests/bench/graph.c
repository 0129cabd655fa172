/* graph.c - seconds and bytes of corescan/graph on a graph of a Python worker's shape.
 *
 * usage: graph [MILLION_NODES]      (16; `make bench-graph`)
 *        graph FILE                 uint32_t: nodes, roots, the roots' nodes; then of each
 *                                   node in order the number of edges and their targets
 *
 * The worker holds records: a dict with a table of keys and values, an instance with a
 * list, tuples, strings and numbers; 61 % of the nodes have no edges, and nearly all of
 * those one referrer. Blocks of a record lie near each other but not in order, one in
 * twenty anywhere; one record in four refers to some other (caches, parents, indexes), one
 * edge in six leads to an interned string, a small number or a type.
 */
#include "graph/graph_dom.h"
#include "graph/graph_paths.h"
#include "graph/graph_reach.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RECORD = 14, COMMON = 5000, WINDOW = 96, EDGES_MOST = 16 };

static uint64_t seed = 88172645463325252ull;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) * below >> 32);
}

struct seconds {
	double user, system;
};

static struct seconds now(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (struct seconds){ (double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6,
				 (double)r.ru_stime.tv_sec + (double)r.ru_stime.tv_usec / 1e6 };
}

/* "VmHWM:" or "VmRSS:", MiB. */
static double memory(const char *what)
{
	char line[256];
	double kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kib = strtod(line + strlen(what) + 1, NULL);
	if (f)
		fclose(f);
	return kib / 1024;
}

static void phase(const char *name, struct seconds *since)
{
	struct seconds t = now();

	printf("%-11s %6.3f s user %6.3f s system   peak %5.0f MiB, now %5.0f MiB\n", name,
	       t.user - since->user, t.system - since->system, memory("VmHWM"), memory("VmRSS"));
	fflush(stdout);
	*since = now();
}

static void must(cs_status st, const struct cs_error *err)
{
	if (!st)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

/* The edges of block `part` of record r, as logical numbers: COMMON shared ones first. */
static unsigned record_edges(uint32_t r, unsigned part, uint32_t records, uint32_t *to)
{
	uint32_t base = COMMON + r * RECORD;
	unsigned n = 0;

	switch (part) {
	case 0: /* dict: its keys, its values */
		to[n++] = base + 1;
		to[n++] = any(64); /* a type */
		break;
	case 1: /* keys table: names and values */
		for (unsigned i = 0; i < 3; i++)
			to[n++] = base + 5 + i;
		to[n++] = 64 + any(100); /* the names */
		to[n++] = base + 2;
		break;
	case 2: /* tuple */
		to[n++] = base + 8;
		to[n++] = any(4) ? base + 9 : 64 + any(COMMON - 64);
		break;
	case 3: /* instance: values, type, the dict */
		to[n++] = any(64);
		to[n++] = base;
		to[n++] = base + 4;
		to[n++] = base + 10;
		if (!any(8))
			to[n++] = COMMON + any(records) * RECORD + 3;
		break;
	case 4: /* list */
		for (unsigned i = 0; i < 3; i++)
			to[n++] = base + 11 + i;
		if (!any(8))
			to[n++] = COMMON + any(records) * RECORD + any(RECORD);
		break;
	default:
		break;
	}
	return n;
}

/* Where the blocks lie: near their place, a few anywhere. */
static void spread(uint32_t *place, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		place[i] = i;
	for (uint32_t i = 0; i + WINDOW < n; i++) {
		uint32_t j = any(20) ? i + any(WINDOW) : any(n), t = place[i];

		place[i] = place[j];
		place[j] = t;
	}
}

/* Lists of records hang from the first few hundred common nodes. */
static void fill(struct cs_graph *g, uint32_t records, const uint32_t *place, const uint32_t *who)
{
	uint32_t to[EDGES_MOST], holders = 200, each = records / holders + 1;

	for (uint32_t node = 0; node < g->node_count; node++) {
		uint32_t nr = who[node];

		cs_graph_begin_node(g, node);
		if (nr < holders) {
			uint32_t end = (nr + 1) * each < records ? (nr + 1) * each : records;

			for (uint32_t r = nr * each; r < end; r++)
				cs_graph_edge(g, place[COMMON + r * RECORD + 3]);
		} else if (nr >= COMMON) {
			uint32_t r = (nr - COMMON) / RECORD;
			unsigned n = record_edges(r, (nr - COMMON) % RECORD, records, to);

			for (unsigned i = 0; i < n; i++)
				cs_graph_edge(g, place[to[i]]);
		}
	}
	for (uint32_t i = 0; i < COMMON; i += 7)
		cs_graph_root(g, place[i], i % 5);
	for (uint32_t i = 0; i < holders; i++)
		cs_graph_root(g, place[i], 1);
}

static struct cs_graph *make_worker(uint32_t millions)
{
	uint32_t records = millions * 1000000 / RECORD, n = COMMON + records * RECORD;
	uint32_t *place = malloc(n * sizeof(*place)), *who = malloc(n * sizeof(*who));
	struct cs_error err;
	struct cs_graph *g;

	if (!place || !who)
		exit(1);
	spread(place, n);
	for (uint32_t i = 0; i < n; i++)
		who[place[i]] = i;
	must(cs_graph_create(n, &g, &err), &err);
	fill(g, records, place, who);
	free(place);
	free(who);
	return g;
}

static uint32_t word(FILE *f)
{
	uint32_t v = 0;

	if (fread(&v, sizeof(v), 1, f) != 1)
		exit(1);
	return v;
}

static struct cs_graph *read_graph(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct cs_error err;
	struct cs_graph *g;

	if (!f) {
		perror(path);
		exit(1);
	}

	uint32_t n = word(f), roots = word(f);

	must(cs_graph_create(n, &g, &err), &err);
	for (uint32_t i = 0; i < roots; i++)
		cs_graph_root(g, word(f), i % 5);
	for (uint32_t i = 0; i < n; i++) {
		cs_graph_begin_node(g, i);
		for (uint32_t left = word(f); left; left--)
			cs_graph_edge(g, word(f));
	}
	fclose(f);
	return g;
}

static uint64_t weight(void *ctx, uint32_t node)
{
	(void)ctx;
	return 16 + node % 32 * 16;
}

static void ask(const struct cs_graph *g, const struct cs_dom *dom, struct seconds *t)
{
	uint64_t *bits = calloc(cs_graph_bitmap_len(g), sizeof(*bits)), retained = 0, steps = 0;
	struct cs_graph_referrers w;
	struct cs_dom_walk walk;
	struct cs_dom_step step;
	struct cs_graph_reverse *reverse;
	struct cs_paths *paths;
	struct cs_error err;
	uint32_t node;

	cs_dom_walk_init(&walk, dom, CS_GRAPH_NONE, false);
	while (cs_dom_walk_next(&walk, &step)) {
		retained += step.retained;
		steps++;
	}
	phase("tree walk", t);
	cs_graph_referrers_init(&w, g, g->node_count - 1, NULL);
	while (cs_graph_referrers_next(&w, &node, NULL) == CS_OK)
		retained += node;
	phase("referrers", t);
	must(cs_graph_reach(g, NULL, NULL, bits, NULL, &err), &err);
	phase("reach", t);
	must(cs_graph_reverse_create(g, NULL, &reverse, &err), &err);
	phase("reverse", t);
	memset(bits, 0, cs_graph_bitmap_len(g) * sizeof(*bits));
	bits[g->node_count / 2 / 64] = 1;
	must(cs_paths_create(g, reverse, bits, 0, NULL, &paths, &err), &err);
	phase("paths", t);
	printf("%" PRIu64 " steps, %" PRIu64 "\n", steps, retained);
	cs_paths_destroy(paths);
	cs_graph_reverse_destroy(reverse);
	free(bits);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "16";
	unsigned long millions = strtoul(what, NULL, 10);
	struct seconds t = now();
	struct cs_error err;
	struct cs_dom *dom;
	struct cs_graph *g = millions ? make_worker((uint32_t)millions) : read_graph(what);
	FILE *f = fopen("/proc/self/clear_refs", "w");

	phase("fill", &t);
	if (f) { /* the peak from here on */
		fputs("5", f);
		fclose(f);
	}
	t = now();
	must(cs_graph_seal(g, NULL, &err), &err);
	phase("seal", &t);
	must(cs_dom_create(g, weight, NULL, NULL, &dom, &err), &err);
	phase("dominators", &t);
	printf("%" PRIu32 " nodes, %" PRIu32 " inner, %" PRIu32 " shared leaves, %" PRIu64
	       " edges; graph %.0f MiB, dominators %.0f MiB, total %" PRIu64 "\n",
	       g->node_count, g->inner_count, g->shared_count, g->edge_count,
	       (double)cs_graph_bytes(g) / 1048576, (double)cs_dom_bytes(dom) / 1048576,
	       cs_dom_retained(dom, CS_GRAPH_NONE));
	t = now();
	ask(g, dom, &t);
	cs_dom_destroy(dom);
	cs_graph_destroy(g);
	return 0;
}
