#include "scan/dead.h"

struct search {
	struct cs_heap_graph *hg;
	const uint64_t *wanted;
	uint64_t *found;
};

static void look_through(struct search *s, struct cs_range range)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, s->hg->scan, &s->hg->nodes, range);
	while (cs_guess_walk_next(&walk, &guess))
		if (cs_bit(s->wanted, guess.node))
			cs_bit_set(s->found, guess.node);
}

static bool is_free(unsigned state)
{
	return state == CS_BLOCK_FREE || state == CS_BLOCK_UNCARVED || state == CS_BLOCK_TCACHE ||
	       state == CS_BLOCK_FASTBIN || state == CS_BLOCK_CACHED;
}

static void look_at_span(struct search *s, const struct cs_span *span)
{
	uint64_t end = span->len / 16, next;

	for (uint64_t g = 0; g < end && !cs_pulse_stops(&s->hg->scan->pulse); g = next) {
		next = cs_span_next(span, g);
		if (is_free(cs_tile_get(span->tiles, g)))
			look_through(s, (struct cs_range){ span->start + g * 16, (next - g) * 16 });
	}
}

cs_status cs_dead_pointers(struct cs_heap_graph *hg, const uint64_t *wanted, uint64_t *on_stack,
			   uint64_t *in_free, struct cs_error *err)
{
	struct cs_scan *scan = hg->scan;
	struct search s = { hg, wanted, on_stack };

	for (size_t i = 0; i < scan->model.regions.count; i++) {
		struct cs_range range = scan->model.regions.items[i].range;
		int tid;
		cs_addr sp;

		if (scan->model.regions.items[i].category != CS_STACKS)
			continue;
		sp = cs_stack_pointer_in(scan->image, range, &tid);
		if (sp)
			look_through(&s, (struct cs_range){ range.start, sp - range.start });
	}
	s.found = in_free;
	for (size_t i = 0; i < scan->model.blocks.spans.count; i++)
		look_at_span(&s, &scan->model.blocks.spans.items[i]);
	return cs_scan_stopped(scan, err);
}
