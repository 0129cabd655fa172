/* CPython Modules/_tracemalloc.c (3.13+: Python/tracemalloc.c), 3.8 to 3.14.
 *
 * traces: address -> {size, traceback *}; 3.9+ in a block of its own, and one more such
 * table for each domain but 0, in `domains`; 3.8 in the entry, where the key has the
 * domain behind the address as soon as one was used. All of it lies in blocks of plain
 * malloc.
 *
 * 3.12+ all begins in _PyRuntime.tracemalloc. Before, static variables; of a stripped
 * interpreter only _Py_tracemalloc_config {initialized, tracing, max_nframe} has a symbol.
 */
#include "cpython/py_tracemalloc.h"
#include "cpython/py_family.h"
#include "cpython/py_hashtable.h"
#include "cpython/py_traceback.h"

enum {
	WORD = 8, WRITABLE_MAX = 16, DOMAINS_MAX = 1 << 16,
	SAMPLE = 64, /* entries that tell what a table is */
	NEAR = 512,  /* bytes around a static variable in which its neighbours lie */
	FRAMES_MAX = 65535, /* MAX_NFRAME is UINT16_MAX */
	TRACING_ON = 1,
};

struct reader {
	struct py_tracebacks t;
	uint64_t *taken;   /* a bit a granule of all spans, then a bit a big block */
	uint64_t *span_at; /* of each span its first bit */
	uint64_t entries_left; /* as many as memory has room for */
	uint64_t sum;	   /* of the sizes */
};

/* --- blocks: each counts once --- */

static bool make_bits(struct reader *r)
{
	const struct cs_blocks *b = &r->t.py->model->blocks;
	uint64_t bits = 0;

	r->span_at = calloc(b->spans.count + 1, sizeof(*r->span_at));
	if (!r->span_at)
		return false;
	for (size_t i = 0; i < b->spans.count; i++) {
		r->span_at[i] = bits;
		bits += b->spans.items[i].len / 16;
	}
	r->span_at[b->spans.count] = bits;
	r->taken = calloc((bits + b->big.count) / 64 + 1, sizeof(*r->taken));
	return r->taken;
}

/* Bytes of the block in use at addr that no trace was given yet; 0: there is none. */
static uint64_t take_block(struct reader *r, cs_addr addr)
{
	const struct cs_blocks *all = &r->t.py->model->blocks;
	struct cs_block block;
	uint64_t bit;

	if (!py_block_at(r->t.py, addr, &block) || block.state < CS_BLOCK_USED ||
	    block.state > CS_BLOCK_TYPED)
		return 0;
	bit = r->span_at[block.span == CS_BIG_BLOCK ? all->spans.count : block.span] +
	      block.granule;
	if (r->taken[bit / 64] >> bit % 64 & 1)
		return 0;
	r->taken[bit / 64] |= 1ull << bit % 64;
	r->t.out->blocks++;
	r->t.out->bytes += block.len;
	return block.len;
}

/* --- traces --- */

/* _Py_HashPointerRaw: an address has no use of its last four bits. */
static uint64_t hash_of_pointer(uint64_t addr)
{
	return addr >> 4 | addr << 60;
}

/* In a word the address of a block of their own, or both words. */
static bool may_hold_traces(const struct reader *r, const struct py_table *t)
{
	return t->data_size == (py_has(&r->t.py->layout, PY_ENTRY_KEY) ? WORD : 2 * WORD);
}

/* What an entry of a table of traces says; domain is the table's. */
static bool read_trace(struct reader *r, const struct py_table *t, const struct py_entry *e,
		       uint32_t domain, struct cs_trace *out)
{
	const struct py_layout *l = &r->t.py->layout;
	const unsigned char *p = e->p + t->data_off;
	bool has_domain = t->key_size > WORD;

	out->addr = cs_le64(e->p + t->key_off);
	out->domain = has_domain ? cs_le32(e->p + t->key_off + WORD) : domain;
	if ((hash_of_pointer(out->addr) ^ (has_domain ? out->domain : 0)) != e->hash) {
		py_traced_bad(&r->t, e->addr, "an entry's hash is not that of its address");
		return false;
	}
	if (t->data_size == WORD)
		p = cs_mem_view(r->t.py->mem, cs_le64(p), 2 * WORD);
	if (!p) {
		py_traced_bad(&r->t, e->addr, "a trace is not there");
		return false;
	}
	out->size = cs_le64(p + l->off[PY_TRACE_SIZE]);
	out->traceback = py_traceback_at(&r->t, cs_le64(p + l->off[PY_TRACE_TRACEBACK]));
	return out->traceback != PY_NO_TRACEBACK;
}

static void add_trace(struct reader *r, const struct cs_trace *trace)
{
	struct cs_traceback *t = &r->t.out->tracebacks.items[trace->traceback];

	r->t.no_memory |= !cs_vec_push(&r->t.out->traces, *trace);
	t->traces++;
	if (!cs_add(t->size, trace->size, &t->size))
		t->size = UINT64_MAX;
	t->bytes += take_block(r, trace->addr);
	r->sum += trace->size; /* as tracemalloc adds: it may wrap */
}

/* What a walk could not follow is the reader's. A process may have been stopped between
 * counting an entry and putting it in. */
static void end_walk(struct reader *r, const struct py_table_walk *w)
{
	if (w->bad) {
		py_traced_bad(&r->t, w->first_bad, w->first_why);
		r->t.bad += w->bad - 1;
	} else if (w->handed_out + 1 < w->table->count && !r->t.no_memory) {
		py_traced_bad(&r->t, w->table->addr, "a table has fewer entries than it says");
	}
}

static void read_traces(struct reader *r, const struct py_table *t, uint32_t domain)
{
	struct py_table_walk w;
	struct py_entry e;
	struct cs_trace trace;

	if (t->count > r->entries_left || !may_hold_traces(r, t)) {
		py_traced_bad(&r->t, t->addr,
			      "a table has more entries than there is room for, or odd ones");
		return;
	}
	r->entries_left -= t->count;
	py_table_walk_init(&w, r->t.py, t);
	while (!r->t.no_memory && py_table_walk_next(&w, &e)) {
		cs_pulse_at(r->t.py->model->pulse, w.bucket, t->nbuckets);
		if (read_trace(r, t, &e, domain, &trace))
			add_trace(r, &trace);
	}
	end_walk(r, &w);
}

/* 3.9+: a table of traces for each domain but 0. */
static void read_domains(struct reader *r, const struct py_table *domains,
			 const struct py_table *traces)
{
	struct py_table_walk w;
	struct py_entry e;
	struct py_table t;

	py_table_walk_init(&w, r->t.py, domains);
	while (!r->t.no_memory && w.handed_out < DOMAINS_MAX && py_table_walk_next(&w, &e)) {
		uint64_t key = cs_le64(e.p + domains->key_off);

		if (key != e.hash || key > UINT32_MAX ||
		    !py_table_load(r->t.py, cs_le64(e.p + domains->data_off), &t) ||
		    t.hash_func != traces->hash_func)
			py_traced_bad(&r->t, e.addr, "a domain has no table of traces");
		else
			read_traces(r, &t, (uint32_t)key);
	}
	end_walk(r, &w);
}

/* --- where all of it is --- */

struct place {
	cs_addr config, traces, domains, memory; /* of the words; 0: not known where */
	const char *found_by;
};

static bool place_by_layout(struct py *py, struct place *out)
{
	const struct py_layout *l = &py->layout;
	cs_addr at = py->runtime + py_off(l, PY_RT_TRACEMALLOC);

	if (!py_has(l, PY_RT_TRACEMALLOC) || !py_has(l, PY_TRACING_CONFIG) ||
	    !py_has(l, PY_TRACING_TRACES) || !py_has(l, PY_TRACING_DOMAINS) ||
	    !py_has(l, PY_TRACING_MEMORY))
		return false;
	*out = (struct place){ at + py_off(l, PY_TRACING_CONFIG), at + py_off(l, PY_TRACING_TRACES),
			       at + py_off(l, PY_TRACING_DOMAINS), at + py_off(l, PY_TRACING_MEMORY),
			       "_PyRuntime" };
	return true;
}

static cs_addr symbol(struct py *py, const char *name)
{
	cs_addr at;

	return cs_module_symbol(py->module, py->image, name, &at, NULL) ? 0 : at;
}

static void place_by_symbols(struct py *py, struct place *out)
{
	*out = (struct place){ symbol(py, "_Py_tracemalloc_config"), symbol(py, "tracemalloc_traces"),
			       symbol(py, "tracemalloc_domains"),
			       symbol(py, "tracemalloc_traced_memory"), "symbols" };
}

/* Is there among the first entries one with both hashes right, of 64 bits each? No other
 * table has such. What is bad in others is no news. */
static bool holds_traces(struct reader *r, const struct py_table *t)
{
	struct py_table_walk w;
	struct py_entry e;
	struct cs_trace trace;
	uint64_t bad = r->t.bad;
	bool is_good = false;

	if (!may_hold_traces(r, t))
		return false;
	py_table_walk_init(&w, r->t.py, t);
	while (!is_good && w.handed_out < SAMPLE && py_table_walk_next(&w, &e))
		is_good = read_trace(r, t, &e, 0, &trace);
	if (!is_good)
		r->t.bad = bad;
	return is_good;
}

static bool holds_domains(struct reader *r, const struct py_table *t, const struct py_table *traces)
{
	struct py_table_walk w;
	struct py_table inner;
	struct py_entry e;
	bool is_good = t->count && t->hash_func != traces->hash_func;

	py_table_walk_init(&w, r->t.py, t);
	while (is_good && py_table_walk_next(&w, &e))
		is_good = cs_le64(e.p + t->key_off) == e.hash &&
			  py_table_load(r->t.py, cs_le64(e.p + t->data_off), &inner) &&
			  inner.hash_func == traces->hash_func;
	return is_good && w.handed_out == t->count;
}

/* The word in the range that leads to such a table: of traces, or with `traces` of
 * domains. 0: there is none. */
static cs_addr find_word(struct reader *r, struct cs_range range, const struct py_table *traces)
{
	cs_addr at = range.start, from;
	const unsigned char *p;
	struct py_table t;
	uint64_t len;

	while ((p = cs_mem_next(r->t.py->mem, range, &at, &from, &len)))
		for (uint64_t i = 0; i + WORD <= len && !py_stops(r->t.py); i += WORD) {
			cs_addr to = cs_le64(p + i);

			/* made by malloc; its block need not be known where the heap is spoiled */
			if (to && to % 16 == 0 && py_table_load(r->t.py, to, &t) &&
			    (traces ? holds_domains(r, &t, traces) : holds_traces(r, &t)))
				return from + i;
		}
	return 0;
}

static cs_addr find_table(struct reader *r, const struct py_table *traces)
{
	struct cs_range ranges[WRITABLE_MAX];
	size_t n = cs_module_writable(r->t.py->module, r->t.py->image, ranges, WRITABLE_MAX);
	cs_addr at = 0;

	for (size_t i = 0; i < n && !at; i++)
		at = find_word(r, ranges[i], traces);
	return at;
}

/* Nothing names the tables. The static variables of one file lie together, so that the
 * traced memory is where a neighbour has the sum: a proof when found. */
static cs_addr find_memory(struct reader *r, cs_addr near)
{
	for (uint64_t i = 0; near && r->sum && i <= 2 * NEAR; i += WORD)
		if (py_word(r->t.py, near - NEAR + i) == r->sum)
			return near - NEAR + i;
	return 0;
}

/* --- all together --- */

static bool has_fields(const struct py_layout *l)
{
	return py_tracebacks_has_fields(l) && py_has(l, PY_CONFIG_TRACING) &&
	       py_has(l, PY_CONFIG_MAX_NFRAME) && py_has(l, PY_TRACE_SIZE) &&
	       py_has(l, PY_TRACE_TRACEBACK) &&
	       /* a trace's 16 bytes are read as a whole */
	       py_off(l, PY_TRACE_SIZE) <= WORD && py_off(l, PY_TRACE_TRACEBACK) <= WORD;
}

/* Was it on? Where nothing says so a table that is found does. */
static enum cs_sites_state state_of(struct py *py, const struct place *place, uint32_t *limit)
{
	uint32_t tracing, most;

	if (!place->config ||
	    !cs_mem_u32(py->mem, place->config + py_off(&py->layout, PY_CONFIG_TRACING),
			&tracing) ||
	    !cs_mem_u32(py->mem, place->config + py_off(&py->layout, PY_CONFIG_MAX_NFRAME), &most))
		return CS_SITES_UNKNOWN;
	if (tracing > TRACING_ON || !most || most > FRAMES_MAX)
		return CS_SITES_UNKNOWN;
	*limit = most;
	return tracing ? CS_SITES_ON : CS_SITES_OFF;
}

/* Read what hangs there; false: there is no table of traces. */
static bool read_all(struct reader *r, struct place *place)
{
	struct py_table traces, domains;

	if (!place->traces) {
		place->traces = find_table(r, NULL);
		place->found_by = "structure in memory";
	}
	if (!py_table_load(r->t.py, place->traces ? py_word(r->t.py, place->traces) : 0, &traces))
		return false;
	/* 3.8 has the domain in the key */
	if (!place->domains && py_has(&r->t.py->layout, PY_ENTRY_KEY))
		place->domains = find_table(r, &traces);
	read_traces(r, &traces, 0);
	if (place->domains && py_table_load(r->t.py, py_word(r->t.py, place->domains), &domains))
		read_domains(r, &domains, &traces);
	else if (place->domains)
		py_traced_bad(&r->t, place->domains, "the table of domains is not there");
	if (!place->memory)
		place->memory = find_memory(r, place->traces);
	return true;
}

/* Was it stopped between recording a block and adding its size? Then both differ by that. */
static bool is_in_flight(const struct reader *r, uint64_t memory)
{
	uint64_t size = memory > r->sum ? memory - r->sum : r->sum - memory;

	for (size_t i = 0; i < r->t.out->traces.count; i++)
		if (r->t.out->traces.items[i].size == size)
			return true;
	return false;
}

static void tell(struct reader *r, const struct place *place)
{
	struct cs_model *m = r->t.py->model;
	uint64_t memory = place->memory ? py_word(r->t.py, place->memory) : r->sum;
	bool in_flight = memory != r->sum && is_in_flight(r, memory);
	const char *proof = "every hash is right, the sizes sum to traced_memory";

	if (in_flight)
		proof = "every hash is right, one allocation was being recorded";
	else if (!place->memory)
		proof = "every hash is right";
	if (r->t.bad) {
		proof = "in part only";
		r->t.out->is_partial = true;
		cs_model_anomaly(m, "python.tracemalloc", r->t.first_bad,
				 "%" PRIu64 " places of tracemalloc's tables are of no use; first: %s",
				 r->t.bad, r->t.first_why);
	} else if (memory != r->sum && !in_flight) {
		proof = "the sizes do not sum to traced_memory";
		r->t.out->is_partial = true;
		cs_model_anomaly(m, "python.tracemalloc", place->memory,
				 "the traces' sizes sum to %" PRIu64 ", tracemalloc says %" PRIu64,
				 r->sum, memory);
	}
	cs_model_finding(m, "tracemalloc", place->found_by, proof,
			 "on, %u frame%s: %zu traces of %" PRIu64 " bytes, %zu places",
			 r->t.out->frame_limit, r->t.out->frame_limit == 1 ? "" : "s",
			 r->t.out->traces.count, r->sum, r->t.out->tracebacks.count);
}

static void read_tables(struct reader *r, struct place *place)
{
	struct cs_sites *out = r->t.out;
	enum cs_sites_state state = state_of(r->t.py, place, &out->frame_limit);

	bool has_table = state != CS_SITES_OFF && read_all(r, place);

	if (r->t.no_memory || py_stops(r->t.py))
		return; /* what was come to says nothing */
	if (state == CS_SITES_OFF) {
		cs_model_finding(r->t.py->model, "tracemalloc", place->found_by, NULL, "off");
	} else if (has_table) {
		state = CS_SITES_ON;
		py_tracebacks_name(&r->t);
		tell(r, place);
	} else if (state == CS_SITES_ON) {
		out->is_partial = true;
		cs_model_anomaly(r->t.py->model, "python.tracemalloc", place->traces,
				 "tracemalloc was on, but its table of traces is not to be found");
	}
	out->state = state;
}

cs_status py_tracemalloc_load(struct py *py, struct cs_error *err)
{
	struct cs_sites *out = &py->model->sites;
	struct reader r = { .entries_left = py->mem->present / 16 };
	struct place place;
	cs_status st = CS_OK;

	if (!has_fields(&py->layout))
		return CS_OK;
	if (!place_by_layout(py, &place))
		place_by_symbols(py, &place);
	py_tracebacks_init(&r.t, py);
	out->has_totals = py_has(&py->layout, PY_TRACEBACK_TOTAL);
	if (!make_bits(&r))
		r.t.no_memory = true;
	else
		read_tables(&r, &place);
	py_tracebacks_deinit(&r.t);
	free(r.taken);
	free(r.span_at);
	if (r.t.no_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for tracemalloc's traces");
	st = cs_pulse_result(py->model->pulse, st, err);
	if (st) {
		cs_sites_deinit(out);
		*out = (struct cs_sites){ .state = CS_SITES_UNKNOWN };
	}
	return st;
}
