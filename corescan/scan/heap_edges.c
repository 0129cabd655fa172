#include "scan/heap_edges.h"

#include "cpython/py_census.h"
#include "cpython/py_reader.h"
#include "cpython/py_types.h"
#include "cpython/py_visit.h"
#include "native/native.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TWO_FROM = 1 << 19, /* nodes; less is done while a thread begins */
	WAIT_NS = 10000000, /* between two looks at the clock */
};

/* Whoever tells the edges of some nodes. */
struct teller {
	struct py_refs refs; /* first */
	struct cs_heap_graph *hg; /* for what all tellers share: types and words */
	struct cs_scan *scan;
	struct cs_graph *graph;
	struct cs_nodes *nodes;
	struct cs_waste *waste; /* may be NULL */
	struct cs_edge_notes *notes;
	uint32_t node; /* whose edges are being told */
};

static void add_guess(struct teller *t, uint32_t from, uint32_t to)
{
	struct cs_edge_guess g = { t->graph->edge_count, from };

	cs_graph_edge(t->graph, to | CS_EDGE_UNCOUNTED);
	if (t->scan->py && g.edge < t->graph->edge_count && !cs_vec_push(&t->notes->guesses, g))
		t->notes->is_out_of_memory = true;
}

static inline __attribute__((always_inline)) void add_reference(struct teller *t,
								 const struct py_ref *ref)
{
	uint32_t to = cs_node_at(t->nodes, ref->to);
	bool is_counted = ref->hold == PY_STRONG || ref->hold == PY_HIDDEN;

	if (to == CS_NO_NODE)
		return;
	if (to == ref->from) {
		if (is_counted && !cs_vec_push(&t->notes->selves, to))
			t->notes->is_out_of_memory = true;
		return;
	}
	if (t->graph->at != ref->from)
		cs_graph_begin_node(t->graph, ref->from);
	if (ref->hold == PY_GUESS)
		add_guess(t, ref->from, to);
	else
		cs_graph_edge(t->graph, is_counted ? to : to | CS_EDGE_UNCOUNTED);
}

CS_COUNTS_BITS
static void take_references(struct py_refs *refs)
{
	struct teller *t = (struct teller *)refs;

	for (uint32_t i = 0; i < refs->count; i++)
		cs_node_soon(t->nodes, refs->items[i].to);
	for (uint32_t i = 0; i < refs->count; i++)
		add_reference(t, &refs->items[i]);
	refs->count = 0;
}

/* What looks like a pointer in memory nobody knows. */
static void guess_edges(struct teller *t, const struct cs_block *block)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, t->scan, t->nodes, (struct cs_range){ block->addr, block->len });
	while (cs_guess_walk_next(&walk, &guess))
		if (guess.node != t->node)
			add_guess(t, t->node, guess.node);
}

/* Of t->node: a row of model->types. */
static void set_type(struct teller *t, uint32_t row)
{
	t->hg->types[t->node] = row < CS_NODE_OWNED ? (uint16_t)row : CS_NODE_LONG;
}

static void node_edges(struct teller *t, const struct cs_block *block)
{
	struct py_obj o;
	uint32_t row;

	if (block->state == CS_BLOCK_OBJECT && t->scan->py) {
		if (py_atom_at_block(t->scan->py, block, &row)) {
			set_type(t, row);
			return;
		}
		if (!py_object_at_block(t->scan->py, block, &o))
			return;
		set_type(t, o.type->model_nr);
		if (t->waste)
			cs_waste_look(t->waste, t->scan->py, &o, t->node, block->len);
		if (o.type->is_atom)
			return;
		t->refs.from = t->node;
		py_visit_refs(t->scan->py, &o, &t->refs);
	} else if (block->state == CS_BLOCK_USED || block->state == CS_BLOCK_TYPED) {
		if (block->state == CS_BLOCK_TYPED)
			set_type(t, cs_native_row(t->scan->native, t->node));
		take_references(&t->refs);
		cs_graph_begin_node(t->graph, t->node);
		guess_edges(t, block);
	}
}

static void on_frame_edge(void *ctx, const struct py_edge *edge)
{
	struct teller *t = ctx;
	uint32_t to = edge->hold == PY_WEAK ? CS_NO_NODE : cs_node_at(t->nodes, edge->to);

	if (to == CS_NO_NODE)
		return;
	if (edge->hold == PY_GUESS) /* its value stack, above the top perhaps */
		add_guess(t, t->node, to);
	else
		cs_graph_edge(t->graph, to);
}

static void frame_edges(struct teller *t)
{
	struct cs_heap_graph *hg = t->hg;

	for (uint32_t i = 0; i < hg->roots.frames.count && !cs_pulse_stops(&t->scan->pulse); i++) {
		t->node = hg->nodes.count + i;
		hg->types[t->node] = CS_NODE_BLOCK;
		hg->words[t->node] = 0;
		cs_graph_begin_node(hg->graph, t->node);
		py_visit_frame(t->scan->py, cs_heap_graph_frame(hg, t->node)->range.start,
			       on_frame_edge, t);
	}
}

/* Of nodes from..end - 1; cut short when the work shall end or the graph is full. */
static void block_edges(struct teller *t, uint32_t from, uint32_t end)
{
	struct cs_node_walk walk;
	struct cs_block block;

	t->refs.full = take_references;
	cs_node_walk_from(&walk, t->nodes, from);
	while (walk.node < end && cs_node_walk_next(&walk, &t->node, &block)) {
		cs_pulse_at(&t->scan->pulse, t->node - from, end - from);
		if (cs_pulse_stops(&t->scan->pulse) || t->graph->failed)
			return;
		t->hg->types[t->node] = block.state == CS_BLOCK_OWNED ? CS_NODE_OWNED : CS_NODE_BLOCK;
		t->hg->words[t->node] = block.len / 8 < CS_NODE_LONG ? (uint16_t)(block.len / 8) :
								       CS_NODE_LONG;
		node_edges(t, &block);
	}
	take_references(&t->refs);
}

/* --- the second thread --- */

/* What it has for itself: whatever is written to while memory is looked at. */
struct second {
	struct teller teller;
	struct cs_edge_notes notes;
	struct cs_scan scan;
	struct cs_image image;
	struct cs_mem mem;
	struct cs_nodes nodes;
	uint32_t from, end;
	atomic_bool stop;
	pthread_t thread;
};

static bool goes_on(void *ctx, const char *step, unsigned permille)
{
	struct second *s = ctx;

	(void)step;
	(void)permille;
	return !atomic_load(&s->stop);
}

static void *run(void *ctx)
{
	struct second *s = ctx;

	block_edges(&s->teller, s->from, s->end);
	return NULL;
}

static void second_destroy(struct second *s)
{
	cs_graph_destroy(s->teller.graph);
	cs_waste_destroy(s->teller.waste);
	cs_vec_free(&s->notes.guesses);
	cs_vec_free(&s->notes.selves);
	cs_vec_free(&s->scan.model.anomalies);
	cs_arena_deinit(&s->scan.model.strings);
	free(s);
}

/* Copies of what is shared but for what has to be its own. NULL: no memory. */
static struct second *second_create(const struct teller *first, uint32_t from, uint32_t end)
{
	struct cs_scan *scan = first->scan;
	struct second *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	if (!ok)
		return NULL;
	s->from = from;
	s->end = end;
	s->scan = *scan;
	s->image = *scan->image;
	s->mem = *scan->image->mem;
	s->nodes = *first->nodes;
	s->nodes.blocks = &s->scan.model.blocks;
	s->image.mem = &s->mem;
	s->scan.image = &s->image;
	s->scan.pulse = (struct cs_pulse){ .beat = goes_on, .ctx = s };
	s->scan.model.pulse = &s->scan.pulse;
	memset(&s->scan.model.anomalies, 0, sizeof(s->scan.model.anomalies));
	memset(&s->scan.model.strings, 0, sizeof(s->scan.model.strings));
	s->scan.model.anomaly_count = 0;
	s->scan.py = NULL;
	s->teller = (struct teller){ .hg = first->hg, .scan = &s->scan, .nodes = &s->nodes,
				     .notes = &s->notes };
	ok = !cs_graph_create(first->graph->node_count, &s->teller.graph, NULL);
	if (ok && first->waste)
		ok = !cs_waste_create(scan->py, &s->teller.waste, NULL);
	if (ok && scan->py) {
		s->scan.py = py_reader_create(scan->py, &s->mem, &s->scan.model);
		ok = s->scan.py;
	}
	if (ok)
		return s;
	second_destroy(s);
	return NULL;
}

/* Begin it, deaf to signals: they are for the program that uses us. NULL: one thread does all. */
static struct second *second_begin(const struct teller *first, uint32_t from, uint32_t end)
{
	struct second *s = second_create(first, from, end);
	sigset_t all, before;
	int failed;

	if (!s)
		return NULL;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return s;
	if (s->scan.py)
		py_reader_join(first->scan->py, s->scan.py);
	second_destroy(s);
	return NULL;
}

/* What it found is added to what the first has. */
static void add_notes(struct teller *first, const struct second *s)
{
	struct cs_edge_notes *notes = first->notes;

	notes->is_out_of_memory |= s->notes.is_out_of_memory;
	for (size_t i = 0; i < s->notes.guesses.count && !notes->is_out_of_memory; i++) {
		struct cs_edge_guess g = s->notes.guesses.items[i];

		g.edge += first->graph->edge_count;
		notes->is_out_of_memory = !cs_vec_push(&notes->guesses, g);
	}
	for (size_t i = 0; i < s->notes.selves.count && !notes->is_out_of_memory; i++)
		notes->is_out_of_memory = !cs_vec_push(&notes->selves, s->notes.selves.items[i]);
	cs_graph_append(first->graph, s->teller.graph);
	if (first->waste)
		cs_waste_append(first->waste, s->teller.waste);
}

/* Its half may take longer: whoever wants the work to end is heard meanwhile. */
static void wait_for(struct teller *first, struct second *s)
{
	struct timespec until;

	do {
		if (cs_pulse_look(&first->scan->pulse))
			atomic_store(&s->stop, true);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += WAIT_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
	} while (pthread_timedjoin_np(s->thread, NULL, &until) == ETIMEDOUT);
}

/* False: its nodes have to be gone through again. */
static bool second_end(struct teller *first, struct second *s)
{
	bool ok;

	wait_for(first, s);
	ok = !s->scan.model.anomaly_count;
	if (s->scan.py && !py_reader_join(first->scan->py, s->scan.py))
		ok = false;
	if (ok)
		add_notes(first, s);
	second_destroy(s);
	return ok;
}

/* Is it worth it, and can the memory be read by two? */
static bool is_for_two(const struct teller *t)
{
	const struct cs_mem *mem = t->scan->image->mem;
	uint32_t least = t->scan->options.two_from ? t->scan->options.two_from : TWO_FROM;
	cpu_set_t cpus;

	if (t->nodes->count < least || t->nodes->count < 2)
		return false;
	for (size_t i = 0; i < mem->segs.count; i++)
		if (mem->segs.items[i].fetch)
			return false;
	/* of a machine with more CPUs than fit it says EINVAL: there are two */
	return sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) > 1;
}

cs_status cs_heap_edges(struct cs_heap_graph *hg, struct cs_edge_notes *notes, struct cs_error *err)
{
	struct teller t = { .hg = hg, .scan = hg->scan, .graph = hg->graph, .nodes = &hg->nodes,
			    .waste = hg->waste, .notes = notes };
	uint32_t count = hg->nodes.count, half = count;
	struct second *second = NULL;

	if (t.scan->py)
		py_visit_begin(t.scan->py);
	if (is_for_two(&t))
		second = second_begin(&t, count / 2, count);
	if (second)
		half = count / 2;
	block_edges(&t, 0, half);
	if (second && !second_end(&t, second))
		block_edges(&t, half, count);
	frame_edges(&t);
	if (t.scan->py && py_visit_was_cut(t.scan->py))
		cs_model_anomaly(&t.scan->model, "python.limit", 0,
				 "references that lead over the same memory again and again were left");
	if (t.notes->is_out_of_memory)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the reference graph");
	return cs_pulse_result(&t.scan->pulse, CS_OK, err);
}
