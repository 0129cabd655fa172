/* tracemalloc's tables made by hand: read whole, and each way they can lie. */
#include "cpython/py_census.h"
#include "cpython/py_tracemalloc.h"
#include "fake_py.h"
#include "cs_test.h"

#define RUNTIME (FAKE_BASE + 0x10000)
#define CODE (FAKE_BASE + 0xf0000) /* an executable mapping's */
#define HEAP (FAKE_BASE + 0x20000)
#define BLOCK(n) (HEAP + 16 + (uint64_t)(n) * 64) /* what malloc returned */
#define NAME (FAKE_BASE + 0x40000)
#define TRACEBACK(n) (FAKE_BASE + 0x41000 + (uint64_t)(n) * 0x100)
#define TRACES (FAKE_BASE + 0x50000)
#define DOMAINS (FAKE_BASE + 0x51000)
#define OTHERS (FAKE_BASE + 0x52000) /* of domain 389047 */
#define BUCKETS_OF(table) ((table) + 0x100)
#define ENTRY(table, n) ((table) + 0x400 + (uint64_t)(n) * 0x40)
#define VALUE(table, n) (ENTRY(table, n) + 0x20)
enum { BUCKETS = 16, USED = 60 /* bytes asked for */ };

static cs_addr state_word(struct fake_py *f, enum py_field field)
{
	return RUNTIME + py_off(&f->py->layout, PY_RT_TRACEMALLOC) + py_off(&f->py->layout, field);
}

static void make_table(struct fake_py *f, cs_addr at, cs_addr hash_func)
{
	const struct py_layout *l = &f->py->layout;

	fake_put(f, at + py_off(l, PY_TABLE_COUNT), 0);
	fake_put(f, at + py_off(l, PY_TABLE_NBUCKETS), BUCKETS);
	fake_put(f, at + py_off(l, PY_TABLE_BUCKETS), BUCKETS_OF(at));
	fake_put(f, at + py_off(l, PY_TABLE_HASH_FUNC), hash_func);
	fake_put(f, at + py_off(l, PY_TABLE_COMPARE_FUNC), CODE + 0x100);
}

/* In front of its bucket's chain, as CPython puts it. */
static void add_entry(struct fake_py *f, cs_addr table, unsigned n, uint64_t hash, uint64_t key,
		      uint64_t value)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr at = ENTRY(table, n), bucket = BUCKETS_OF(table) + hash % BUCKETS * 8;

	fake_put(f, at + py_off(l, PY_ENTRY_NEXT), fake_get(f, bucket));
	fake_put(f, at + py_off(l, PY_ENTRY_HASH), hash);
	fake_put(f, at + py_off(l, PY_ENTRY_KEY), key);
	fake_put(f, at + py_off(l, PY_ENTRY_VALUE), value);
	fake_put(f, bucket, at);
	fake_put(f, table + py_off(l, PY_TABLE_COUNT),
		 fake_get(f, table + py_off(l, PY_TABLE_COUNT)) + 1);
}

static void add_trace(struct fake_py *f, cs_addr table, unsigned n, cs_addr key, cs_addr traceback)
{
	fake_put(f, VALUE(table, n), USED);
	fake_put(f, VALUE(table, n) + 8, traceback);
	add_entry(f, table, n, key >> 4 | key << 60, key, VALUE(table, n));
	fake_put(f, state_word(f, PY_TRACING_MEMORY),
		 fake_get(f, state_word(f, PY_TRACING_MEMORY)) + USED);
}

/* Frames of the file NAME; the hash as CPython's traceback_hash() has it. */
static void add_traceback(struct fake_py *f, cs_addr at, const uint32_t *lines, uint16_t count,
			  uint16_t total)
{
	uint64_t x = 0x345678, mult = 1000003,
		 hash = fake_get(f, NAME + py_off(&f->py->layout, PY_STR_HASH));

	for (uint16_t i = 0; i < count; i++) {
		fake_put(f, at + 12 + i * 12u, NAME);
		fake_put32(f, at + 12 + i * 12u + 8, lines[i]);
		x = (x ^ hash ^ lines[i]) * mult;
		mult += 82520u + 2 * (count - i - 1u);
	}
	fake_put32(f, at + 8, (uint32_t)total << 16 | count);
	fake_put(f, at, (x ^ total) + 97531);
}

/* Five traces of two tracebacks, and one in another domain. */
static void begin(struct fake_py *f, unsigned minor)
{
	static const uint32_t lines[] = { 41, 7 };
	struct cs_mapping code = { .range = { CODE, 0x1000 }, .prot = CS_PROT_R | CS_PROT_X };
	cs_addr str;

	fake_py_begin(f, minor);
	assert_true(cs_vec_push(&f->image.mappings, code));
	f->py->runtime = RUNTIME;
	str = fake_py_type(f, "str", PY_FLAG_STR, 64, 0, 0);
	fake_str(f, NAME, "/srv/app.py");
	fake_put(f, NAME + py_off(&f->py->layout, PY_OB_TYPE), str);
	fake_put(f, NAME + py_off(&f->py->layout, PY_STR_HASH), 0x123456789abcdef1);
	fake_heap(f, HEAP, 64 * 16);
	for (unsigned i = 0; i < 8; i++)
		fake_chunk(f, BLOCK(i));
	add_traceback(f, TRACEBACK(0), lines, 2, 9);
	add_traceback(f, TRACEBACK(1), lines, 1, 1);
	make_table(f, TRACES, CODE + 0x10);
	for (unsigned i = 0; i < 5; i++)
		add_trace(f, TRACES, i, BLOCK(i), TRACEBACK(i % 2));
	make_table(f, DOMAINS, CODE + 0x20);
	make_table(f, OTHERS, CODE + 0x10);
	add_trace(f, OTHERS, 0, BLOCK(5), TRACEBACK(1));
	add_entry(f, DOMAINS, 0, 389047, 389047, OTHERS);
	fake_put(f, state_word(f, PY_TRACING_TRACES), TRACES);
	fake_put(f, state_word(f, PY_TRACING_DOMAINS), DOMAINS);
	fake_put32(f, state_word(f, PY_TRACING_CONFIG), 2);
	fake_put32(f, state_word(f, PY_TRACING_CONFIG) + 4, 1);
	fake_put32(f, state_word(f, PY_TRACING_CONFIG) + 8, 25);
}

static void end(struct fake_py *f)
{
	cs_vec_free(&f->image.mappings);
	fake_py_end(f);
}

static const struct cs_sites *load(struct fake_py *f)
{
	cs_sites_deinit(&f->model.sites);
	f->model.sites = (struct cs_sites){ .state = CS_SITES_UNKNOWN };
	f->model.anomaly_count = f->model.anomalies.count = 0;
	assert_int_equal(py_tracemalloc_load(f->py, NULL), CS_OK);
	return &f->model.sites;
}

TEST(every_trace_is_there_with_its_frames_and_block)
{
	for (unsigned minor = 12; minor <= 14; minor++) {
		const struct cs_sites *s;
		struct fake_py f;

		begin(&f, minor);
		s = load(&f);
		assert_int_equal(f.model.anomaly_count, 0);
		assert_int_equal(s->state, CS_SITES_ON);
		assert_int_equal(s->frame_limit, 25);
		assert_true(s->has_totals && !s->is_partial);
		assert_int_equal(s->traces.count, 6);
		assert_int_equal(s->traces.items[5].domain, 389047);
		assert_int_equal(s->tracebacks.count, 2);
		assert_int_equal(s->frames.count, 2);
		assert_int_equal(s->files.count, 1);
		assert_string_equal(s->files.items[0].name, "/srv/app.py");
		assert_int_equal(s->blocks, 6);
		assert_int_equal(s->bytes, 6 * 56);
		for (size_t i = 0; i < 2; i++) {
			const struct cs_traceback *t = &s->tracebacks.items[i];

			assert_int_equal(s->frames.items[s->stack.items[t->first]].line, 41);
			assert_int_equal(t->total, t->count == 2 ? 9 : 1);
			assert_int_equal(t->traces, 3);
			assert_int_equal(t->size, 3 * USED);
		}
		end(&f);
	}
}

TEST(a_block_counts_once_whoever_traces_it)
{
	const struct cs_sites *s;
	struct fake_py f;

	begin(&f, 13);
	add_trace(&f, OTHERS, 1, BLOCK(0), TRACEBACK(0)); /* has a trace of domain 0 */
	add_trace(&f, OTHERS, 2, 0x999990, TRACEBACK(0)); /* of nothing */
	cs_span_mark(&f.model.blocks.spans.items[0], BLOCK(6) - 16, CS_BLOCK_TCACHE);
	add_trace(&f, OTHERS, 3, BLOCK(6), TRACEBACK(0)); /* free */
	s = load(&f);
	assert_int_equal(f.model.anomaly_count, 0);
	assert_int_equal(s->traces.count, 9);
	assert_int_equal(s->blocks, 6);
	end(&f);
}

/* It was stopped while it recorded a sixth trace. */
TEST(an_allocation_in_flight_is_no_contradiction)
{
	struct fake_py f;

	begin(&f, 13);
	fake_put(&f, TRACES, 6);
	fake_put(&f, state_word(&f, PY_TRACING_MEMORY), 7 * USED);
	assert_int_equal(load(&f)->traces.count, 6);
	assert_int_equal(f.model.anomaly_count, 0);
	assert_non_null(
		strstr(f.model.findings.items[0].proof, "one allocation was being recorded"));
	end(&f);
}

TEST(not_tracing_is_no_contradiction)
{
	struct fake_py f;

	begin(&f, 13);
	fake_put32(&f, state_word(&f, PY_TRACING_CONFIG) + 4, 0);
	assert_int_equal(load(&f)->state, CS_SITES_OFF);
	assert_int_equal(f.model.sites.traces.count, 0);
	assert_int_equal(f.model.anomaly_count, 0);
	end(&f);
}

/* One word is wrong: so many traces are left, and it is told. */
TEST(what_contradicts_itself_is_left_out_and_told)
{
	static const struct {
		cs_addr at;
		uint64_t value;
		size_t traces;
	} rows[] = {
		{ ENTRY(TRACES, 2), ENTRY(TRACES, 2), 6 },	 /* a loop behind it */
		{ ENTRY(TRACES, 2), 0x123, 6 },			 /* no entry */
		{ ENTRY(TRACES, 2) + 8, 5, 5 },			 /* another bucket's hash */
		{ ENTRY(TRACES, 2) + 16, BLOCK(7), 5 },		 /* not the hash's address */
		{ ENTRY(TRACES, 2) + 24, UINT64_MAX, 5 },	 /* no trace */
		{ VALUE(TRACES, 2) + 8, 0, 5 },			 /* no traceback */
		{ VALUE(TRACES, 2) + 8, TRACES, 5 },		 /* something else */
		{ VALUE(TRACES, 2), USED + 1, 6 },		 /* another sum */
		{ TRACEBACK(0), 1, 3 },				 /* not its hash */
		{ TRACEBACK(0) + 12, NAME + 8, 3 },		 /* no str */
		{ TRACEBACK(0) + 12 + 8, 0, 3 },		 /* another line and file */
		{ BUCKETS_OF(TRACES), UINT64_MAX - 7, 6 },
		{ DOMAINS + 0, 0, 5 },				 /* more than it says */
		{ ENTRY(DOMAINS, 0) + 24, HEAP, 5 },		 /* no table */
		{ ENTRY(DOMAINS, 0) + 16, 389046, 5 },		 /* not the hash's domain */
		{ TRACES + 0, 4, 4 + 1 }, { TRACES + 0, 7, 6 },	 /* less, more than it says */
		{ TRACES + 0, 1ull << 40, 0 }, { TRACES + 8, 17, 0 }, { TRACES + 8, 1ull << 63, 0 },
		{ TRACES + 16, 3, 0 }, { TRACES + 32, HEAP, 0 }, /* no table at all */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fake_py f;

		begin(&f, 13);
		fake_put(&f, rows[i].at, rows[i].value);
		assert_int_equal(load(&f)->traces.count, rows[i].traces);
		assert_int_equal(f.model.sites.state, CS_SITES_ON);
		assert_true(f.model.sites.is_partial);
		assert_int_equal(f.model.anomaly_count, 1);
		assert_string_equal(f.model.anomalies.items[0].kind, "python.tracemalloc");
		end(&f);
	}
}

/* A chain of `count` entries that leads back to entry number `back`: each counts once. */
TEST(a_circle_of_entries_is_read_once)
{
	static const struct {
		unsigned count, back;
	} rows[] = { { 1, 0 }, { 2, 0 }, { 3, 1 }, { 7, 2 }, { 7, 6 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fake_py f;

		begin(&f, 13);
		fake_put(&f, TRACES, 0);
		memset(fake_at(&f, BUCKETS_OF(TRACES)), 0, BUCKETS * 8);
		/* 256 bytes apart: all in one bucket; the last is the first of the chain */
		for (unsigned k = 0; k < rows[i].count; k++)
			add_trace(&f, TRACES, k, 0x777000 + k * 0x100, TRACEBACK(0));
		fake_put(&f, ENTRY(TRACES, 0), ENTRY(TRACES, rows[i].count - 1 - rows[i].back));
		fake_put(&f, TRACES, BUCKETS); /* room for more */
		assert_int_equal(load(&f)->traces.count, rows[i].count + 1);
		assert_int_equal(f.model.anomaly_count, 1);
		assert_non_null(strstr(f.model.anomalies.items[0].text, "leads back into itself"));
		end(&f);
	}
}

TEST(frames_beyond_the_limit_and_beyond_memory_are_refused)
{
	static const uint32_t counts[] = { 0, 26, 65535 };

	for (size_t i = 0; i < 3; i++) {
		struct fake_py f;

		begin(&f, 13);
		fake_put32(&f, TRACEBACK(0) + 8, counts[i] | 9u << 16);
		if (i == 2)
			fake_put32(&f, state_word(&f, PY_TRACING_CONFIG) + 8, 65535);
		assert_int_equal(load(&f)->traces.count, 3);
		assert_int_equal(f.model.anomaly_count, 1);
		end(&f);
	}
}

/* Memory ends earlier and earlier: what is left is read, nothing else touched. */
TEST(each_missing_piece_is_noticed)
{
	struct fake_py f;
	size_t before = 6;

	begin(&f, 13);
	for (cs_addr end_at = CODE; end_at > FAKE_BASE + 0x40000; end_at -= 8) {
		size_t count;

		fake_cut(&f, end_at);
		count = load(&f)->traces.count;
		assert_true(count <= before);
		assert_int_equal(f.model.anomaly_count, count < 6);
		before = count;
	}
	assert_int_equal(before, 0);
	end(&f);
}

static bool stop(void *ctx, const char *step, unsigned permille)
{
	(void)step;
	(void)permille;
	return --*(int *)ctx > 0;
}

TEST(when_told_to_stop_nothing_is_left)
{
	for (int after = 1;; after++) {
		int left = after;
		struct cs_pulse pulse = { .beat = stop, .ctx = &left, .every_ns = 1, .rounds = 63 };
		struct fake_py f;
		cs_status st;

		begin(&f, 13);
		f.model.pulse = &pulse;
		st = py_tracemalloc_load(f.py, NULL);
		if (st == CS_STOPPED)
			assert_true(!f.model.sites.traces.count &&
				    f.model.sites.state == CS_SITES_UNKNOWN);
		f.model.pulse = NULL;
		end(&f);
		if (st == CS_OK)
			break;
		assert_int_equal(st, CS_STOPPED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_trace_is_there_with_its_frames_and_block),
		cmocka_unit_test(a_block_counts_once_whoever_traces_it),
		cmocka_unit_test(an_allocation_in_flight_is_no_contradiction),
		cmocka_unit_test(not_tracing_is_no_contradiction),
		cmocka_unit_test(what_contradicts_itself_is_left_out_and_told),
		cmocka_unit_test(a_circle_of_entries_is_read_once),
		cmocka_unit_test(frames_beyond_the_limit_and_beyond_memory_are_refused),
		cmocka_unit_test(each_missing_piece_is_noticed),
		cmocka_unit_test(when_told_to_stop_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
