/* Memory that ends and people who lose patience: at every place, one after the other.
 * The Makefile has the linker hand us the calls. */
#include "graph/graph_dom.h"
#include "graph/graph_paths.h"
#include "graph/graph_reach.h"
#include "cs_test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
	NODES = 300000, /* arrays big enough to be mappings, paths long enough to be asked in */
	TAGS = 3,
};

static struct {
	long calls, fail_at; /* 0: never */
	long beats, stop_at;
	long seconds;	     /* of the clock, each look one more: every look is a beat */
} now;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t len);
void *__real_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off);
void *__real_mremap(void *p, size_t len, size_t new_len, int flags, ...);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t len);
void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mremap(void *p, size_t len, size_t new_len, int flags, ...);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

static bool fails(void)
{
	return ++now.calls == now.fail_at;
}

void *__wrap_malloc(size_t len)
{
	return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t len)
{
	return fails() ? NULL : __real_realloc(p, len);
}

void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap(p, len, prot, flags, fd, off);
}

void *__wrap_mremap(void *p, size_t len, size_t new_len, int flags, ...)
{
	return fails() ? MAP_FAILED : __real_mremap(p, len, new_len, flags);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = ++now.seconds };
	return 0;
}

static bool beat(void *ctx, const char *step, unsigned permille)
{
	(void)ctx;
	(void)step;
	(void)permille;
	return ++now.beats != now.stop_at;
}

static uint64_t one(void *ctx, uint32_t node)
{
	(void)ctx;
	(void)node;
	return 1;
}

/* A list both ways with two leaves a link, one of them shared with the next link. */
static cs_status fill(struct cs_pulse *pulse, struct cs_graph **out, struct cs_error *err)
{
	struct cs_graph *g;
	cs_status st = cs_graph_create(NODES, &g, err);

	if (st)
		return st;
	for (uint32_t i = 0; i < NODES; i += 3) {
		cs_graph_begin_node(g, i);
		if (i + 3 < NODES)
			cs_graph_edge(g, i + 3);
		if (i)
			cs_graph_edge(g, i - 3);
		cs_graph_edge(g, i + 1);
		cs_graph_edge(g, i + 2);
		if (i)
			cs_graph_edge(g, i - 1);
	}
	for (uint32_t i = 0; i < 30; i++)
		cs_graph_root(g, i % 2 ? i : NODES - 1 - i * 100, i % TAGS);
	st = cs_graph_seal(g, pulse, err);
	if (st)
		cs_graph_destroy(g);
	else
		*out = g;
	return st;
}

static cs_status ask_paths(const struct cs_graph *g, struct cs_pulse *pulse, struct cs_error *err)
{
	struct cs_graph_reverse *reverse;
	struct cs_paths *paths;
	uint64_t *bits = __real_calloc(cs_graph_bitmap_len(g), sizeof(*bits));
	cs_status st = cs_graph_reverse_create(g, pulse, &reverse, err);

	bits[0] = bits[NODES / 128] = UINT64_MAX / 5;
	if (st) {
		free(bits);
		return st;
	}
	st = cs_paths_create(g, reverse, bits, 0, pulse, &paths, err);
	if (!st) {
		size_t count;

		cs_paths_found(paths, &count);
		assert_int_equal(count, TAGS);
		cs_paths_destroy(paths);
	}
	cs_graph_reverse_destroy(reverse);
	free(bits);
	return st;
}

static cs_status ask_reach(const struct cs_graph *g, struct cs_pulse *pulse, struct cs_error *err)
{
	uint64_t *walls = __real_calloc(cs_graph_bitmap_len(g), sizeof(*walls));
	uint64_t *reached = __real_calloc(cs_graph_bitmap_len(g), sizeof(*reached));
	struct cs_graph_referrers w;
	uint32_t node;
	cs_status st = cs_graph_reach(g, NULL, walls, reached, pulse, err);

	cs_graph_referrers_init(&w, g, NODES / 6 * 3, pulse);
	while (!st)
		st = cs_graph_referrers_next(&w, &node, err);
	free(walls);
	free(reached);
	return st == CS_NOTFOUND ? CS_OK : st;
}

/* Everything the room can do. */
static cs_status work(struct cs_pulse *pulse, struct cs_error *err)
{
	struct cs_graph *g;
	struct cs_dom *dom;
	cs_status st = fill(pulse, &g, err);

	if (st)
		return st;
	st = cs_dom_create(g, one, NULL, pulse, &dom, err);
	if (!st) {
		assert_int_equal(cs_dom_retained(dom, CS_GRAPH_NONE), NODES);
		cs_dom_destroy(dom);
		st = ask_reach(g, pulse, err);
	}
	if (!st)
		st = ask_paths(g, pulse, err);
	cs_graph_destroy(g);
	return st;
}

TEST(every_failing_allocation_is_reported)
{
	long n = 1;

	for (;; n++) {
		struct cs_error err = { .text = "" };
		cs_status st;

		now.calls = 0;
		now.fail_at = n;
		st = work(NULL, &err);
		now.fail_at = 0;
		if (now.calls < n) {
			assert_int_equal(st, CS_OK);
			break;
		}
		assert_int_equal(st, CS_NOMEM);
		assert_int_equal(err.status, CS_NOMEM);
	}
	assert_true(n > 60);
}

/* All beats would take minutes: each of the first, then one in ten. */
TEST(an_interruption_ends_it_at_every_beat)
{
	long last = 0;

	for (long n = 1;; n += 1 + n / 10) {
		struct cs_pulse pulse = { .beat = beat };
		struct cs_error err = { .text = "" };
		cs_status st;

		now.beats = 0;
		now.stop_at = n;
		st = work(&pulse, &err);
		if (now.beats < n) {
			assert_int_equal(st, CS_OK);
			last = n;
			break;
		}
		assert_int_equal(st, CS_STOPPED);
		assert_int_equal(err.status, CS_STOPPED);
		assert_int_equal(now.beats, n); /* nobody asked again */
	}
	assert_true(last > 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failing_allocation_is_reported),
		cmocka_unit_test(an_interruption_ends_it_at_every_beat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
