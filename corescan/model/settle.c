/* settle.c - from regions and blocks to the ledger.
 *
 * Every address belongs to exactly one of: a span or big block (its tiles
 * say what), the region added first that covers it, or nothing (anonymous).
 * The three never overlap, so the categories sum to what is present by
 * construction, not by luck.
 */
#include "model/model.h"

enum { GRANULE = 16, SIZE_WORD = 8, SMALL_SIZES = 4096, LOOK_EVERY = 1 << 16 /* granules */ };

struct settle {
	struct cs_model *model;
	cs_present_fn present;
	void *ctx;
	uint64_t covered; /* present bytes given to a category so far */
	uint64_t done, total; /* bytes of spans */
	uint64_t small_count[CS_ALLOCATORS][SMALL_SIZES]; /* used blocks by size / 16 */
	struct cs_map large[CS_ALLOCATORS];		  /* size / 16 -> index in sizes */
};

/* [state][allocator] */
static const uint8_t state_category[CS_BLOCK_STATES][CS_ALLOCATORS] = {
	[CS_BLOCK_INSIDE] = { CS_UNEXPLAINED, CS_UNEXPLAINED },
	[CS_BLOCK_FREE] = { CS_MALLOC_BINS, CS_PY_FREE },
	[CS_BLOCK_USED] = { CS_MALLOC_UNTYPED, CS_PY_UNIDENTIFIED },
	[CS_BLOCK_OBJECT] = { CS_PY_OBJECTS, CS_PY_OBJECTS },
	[CS_BLOCK_OWNED] = { CS_PY_OWNED, CS_PY_OWNED },
	[CS_BLOCK_RUNTIME] = { CS_PY_RUNTIME, CS_PY_RUNTIME },
	[CS_BLOCK_CACHED] = { CS_PY_FREELISTS, CS_PY_FREELISTS },
	[CS_BLOCK_TYPED] = { CS_MALLOC_TYPED, CS_MALLOC_TYPED },
	[CS_BLOCK_OVERHEAD] = { CS_MALLOC_OVERHEAD, CS_PY_OVERHEAD },
	[CS_BLOCK_UNCARVED] = { CS_MALLOC_TOP, CS_PY_FREE_POOLS },
	[CS_BLOCK_TCACHE] = { CS_MALLOC_TCACHE, CS_PY_FREE },
	[CS_BLOCK_FASTBIN] = { CS_MALLOC_FASTBINS, CS_PY_FREE },
	[CS_BLOCK_LOST] = { CS_UNEXPLAINED, CS_UNEXPLAINED },
};

static void give(struct settle *s, enum cs_category category, uint64_t bytes)
{
	s->model->ledger[category].bytes += bytes;
	s->covered += bytes;
}

static bool count_used(struct settle *s, enum cs_allocator allocator, uint64_t size)
{
	uint64_t class = size / GRANULE;
	uint32_t nr;

	if (class < SMALL_SIZES) {
		s->small_count[allocator][class]++;
		return true;
	}
	if (!cs_map_get(&s->large[allocator], class, &nr)) {
		struct cs_size_row row = { .size = size, .allocator = allocator };

		nr = (uint32_t)s->model->sizes.count;
		if (!cs_vec_push(&s->model->sizes, row) || !cs_map_put(&s->large[allocator], class, nr))
			return false;
	}
	s->model->sizes.items[nr].count++;
	s->model->sizes.items[nr].bytes += size;
	return true;
}

/* Sums of one span, by state: tiles, and bytes present of them. */
struct span_sums {
	uint64_t count[16], bytes[16];
};

static bool add_tile(struct settle *s, const struct cs_span *span, struct span_sums *sums,
		     unsigned state, uint64_t granules)
{
	sums->count[state]++;
	sums->bytes[state] += granules * GRANULE;
	return !cs_block_is_used(state) || count_used(s, span->allocator, granules * GRANULE);
}

/* The tile that is open. */
struct open_tile {
	uint64_t start;
	unsigned state;
};

/* From granule `at` to `end`. Sixteen granules a step: most words hold a few starts. */
static bool sum_words(struct settle *s, const struct cs_span *span, uint64_t at, uint64_t end,
		      struct open_tile *open, struct span_sums *sums)
{
	uint64_t start = open->start;
	unsigned state = open->state;

	for (; at < end; at += 16) {
		uint64_t word = cs_le64(span->tiles + at / 2);

		if (!at)
			word &= ~15ull; /* the first tile is open already */
		while (word) {
			unsigned bit = (unsigned)__builtin_ctzll(word) & ~3u;
			uint64_t next = at + bit / 4;

			if (!add_tile(s, span, sums, state, next - start))
				return false;
			start = next;
			state = (unsigned)(word >> bit & 15);
			word &= ~(15ull << bit);
		}
	}
	*open = (struct open_tile){ start, state };
	return true;
}

static bool sum_present(struct settle *s, const struct cs_span *span, struct span_sums *sums)
{
	const uint64_t end = span->len / GRANULE;
	struct open_tile open = { 0, cs_tile_get(span->tiles, 0) };

	for (uint64_t at = 0; at < end; at += LOOK_EVERY) {
		uint64_t stop = LOOK_EVERY < end - at ? at + LOOK_EVERY : end;

		cs_pulse_at(s->model->pulse, s->done + at * GRANULE, s->total);
		if (cs_pulse_look(s->model->pulse) || !sum_words(s, span, at, stop, &open, sums))
			return false;
	}
	return add_tile(s, span, sums, open.state, end - open.start);
}

/* The same where pages are missing: each tile is asked for. */
static bool sum_partial(struct settle *s, const struct cs_span *span, struct span_sums *sums)
{
	const uint64_t end = span->len / GRANULE;

	for (uint64_t g = 0, next; g < end; g = next) {
		unsigned state = cs_tile_get(span->tiles, g);

		next = cs_span_next(span, g);
		cs_pulse_at(s->model->pulse, s->done + g * GRANULE, s->total);
		if (cs_pulse_stops(s->model->pulse) || !add_tile(s, span, sums, state, next - g))
			return false;
		/* what the tile is short of does not count */
		sums->bytes[state] -= (next - g) * GRANULE -
				      s->present(s->ctx, span->start + g * GRANULE, (next - g) * GRANULE);
	}
	return true;
}

static bool settle_span(struct settle *s, struct cs_span *span)
{
	struct span_sums sums = { { 0 }, { 0 } };

	span->is_present = s->present(s->ctx, span->start, span->len) == span->len;
	if (!(span->is_present ? sum_present : sum_partial)(s, span, &sums))
		return false;
	for (unsigned state = 0; state < CS_BLOCK_STATES; state++) {
		enum cs_category c = state_category[state][span->allocator];
		uint64_t bytes = sums.bytes[state];

		if (span->allocator == CS_ALLOC_GLIBC && cs_block_is_used(state)) {
			/* each chunk's size word is malloc's, the rest the program's */
			uint64_t headers = sums.count[state] * SIZE_WORD;

			headers = headers < bytes ? headers : bytes;
			give(s, CS_MALLOC_OVERHEAD, headers);
			bytes -= headers;
		}
		give(s, c, bytes);
		s->model->ledger[c].blocks += sums.count[state];
	}
	s->done += span->len;
	return true;
}

static bool settle_big(struct settle *s, const struct cs_big_block *big)
{
	enum cs_category c = state_category[big->state][big->allocator];
	uint64_t all = s->present(s->ctx, big->start, big->len);
	/* as in a heap: of what is used the program's bytes, of what is free the chunk */
	uint64_t bytes = cs_block_is_used(big->state) ?
				 s->present(s->ctx, big->user, big->usable) :
				 s->present(s->ctx, big->chunk.start, big->chunk.len);

	bytes = bytes < all ? bytes : all;
	give(s, c, bytes);
	s->model->ledger[c].blocks++;
	give(s, CS_MALLOC_OVERHEAD, all - bytes);
	if (cs_pulse_stops(s->model->pulse))
		return false;
	return !cs_block_is_used(big->state) || count_used(s, big->allocator, big->chunk.len);
}

/* One interval competing for addresses; the lower rank wins. */
struct cover {
	struct cs_range range;
	uint32_t rank;
	int category; /* -1: its tiles say */
};

static int cover_order(const void *a, const void *b)
{
	const struct cover *x = a, *y = b;

	if (x->range.start != y->range.start)
		return x->range.start < y->range.start ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static struct cover *list_covers(const struct cs_model *m, size_t *count)
{
	size_t n = m->blocks.spans.count + m->blocks.big.count + m->regions.count, at = 0;
	struct cover *all = malloc((n + 1) * sizeof(*all));

	if (!all)
		return NULL;
	for (size_t i = 0; i < m->blocks.spans.count; i++) {
		const struct cs_span *span = &m->blocks.spans.items[i];

		all[at++] = (struct cover){ { span->start, span->len }, 0, -1 };
	}
	for (size_t i = 0; i < m->blocks.big.count; i++) {
		const struct cs_big_block *big = &m->blocks.big.items[i];

		all[at++] = (struct cover){ { big->start, big->len }, 0, -1 };
	}
	for (size_t i = 0; i < m->regions.count; i++) {
		const struct cs_region *r = &m->regions.items[i];

		all[at++] = (struct cover){ r->range, (uint32_t)i + 1, (int)r->category };
	}
	*count = at;
	qsort(all, at, sizeof(*all), cover_order);
	return all;
}

/* Covers that reach into the current piece, the lowest rank on top. Those
 * under it may have ended: they go when they come up. */
struct heap {
	CS_VEC(struct cover) at;
};

static void swap(struct cover *a, struct cover *b)
{
	struct cover c = *a;

	*a = *b;
	*b = c;
}

static bool heap_push(struct heap *h, struct cover c)
{
	struct cover *a;

	if (!cs_vec_push(&h->at, c))
		return false;
	a = h->at.items;
	for (size_t i = h->at.count - 1; i && a[i].rank < a[(i - 1) / 2].rank; i = (i - 1) / 2)
		swap(&a[i], &a[(i - 1) / 2]);
	return true;
}

static void heap_pop(struct heap *h)
{
	struct cover *a = h->at.items;
	size_t n = --h->at.count, i = 0;

	a[0] = a[n];
	for (size_t least = 0;; i = least) {
		for (size_t child = 2 * i + 1; child < n && child <= 2 * i + 2; child++)
			if (a[child].rank < a[least].rank)
				least = child;
		if (least == i)
			return;
		swap(&a[i], &a[least]);
	}
}

/* Sweep from low to high addresses. A forged target has covers nested as deep
 * as it likes: each goes in and out of the heap once. */
static bool settle_regions(struct settle *s)
{
	struct heap open = { { 0 } };
	size_t count = 0, at = 0;
	struct cover *all = list_covers(s->model, &count);
	cs_addr pos = 0;
	bool ok = all != NULL;

	while (ok && (at < count || open.at.count)) {
		if (!open.at.count)
			pos = all[at].range.start;
		while (ok && at < count && all[at].range.start <= pos)
			ok = heap_push(&open, all[at++]);
		if (!ok)
			break;

		/* the piece ends where its cover ends or the next begins */
		const struct cover *best = open.at.items;
		cs_addr stop = cs_range_end(best->range);
		cs_addr end = at < count && all[at].range.start < stop ? all[at].range.start : stop;

		if (best->category >= 0 && end > pos)
			give(s, (enum cs_category)best->category,
			     s->present(s->ctx, pos, end - pos));
		pos = end > pos ? end : pos;
		while (open.at.count && cs_range_end(open.at.items[0].range) <= pos)
			heap_pop(&open);
		ok = !cs_pulse_stops(s->model->pulse);
	}
	cs_vec_free(&open.at);
	free(all);
	return ok;
}

static int size_order(const void *a, const void *b)
{
	const struct cs_size_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return (int)x->allocator - (int)y->allocator;
}

static bool list_sizes(struct settle *s)
{
	for (unsigned a = 0; a < CS_ALLOCATORS; a++)
		for (uint64_t class = 0; class < SMALL_SIZES; class++) {
			uint64_t n = s->small_count[a][class];
			struct cs_size_row row = { class * GRANULE, a, n, n * class * GRANULE };

			if (n && !cs_vec_push(&s->model->sizes, row))
				return false;
		}
	if (s->model->sizes.count)
		qsort(s->model->sizes.items, s->model->sizes.count, sizeof(struct cs_size_row),
		      size_order);
	return true;
}

cs_status cs_model_settle(struct cs_model *model, cs_present_fn present, void *ctx,
			  struct cs_error *err)
{
	struct settle *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	if (ok)
		*s = (struct settle){ .model = model, .present = present, .ctx = ctx };
	for (size_t i = 0; ok && i < model->blocks.spans.count; i++)
		s->total += model->blocks.spans.items[i].len;
	for (size_t i = 0; ok && i < model->blocks.spans.count; i++)
		ok = settle_span(s, &model->blocks.spans.items[i]);
	for (size_t i = 0; ok && i < model->blocks.big.count; i++)
		ok = settle_big(s, &model->blocks.big.items[i]);
	ok = ok && settle_regions(s) && list_sizes(s);
	if (ok && s->covered < model->target.present)
		give(s, CS_ANONYMOUS, model->target.present - s->covered);
	for (unsigned a = 0; s && a < CS_ALLOCATORS; a++)
		cs_map_deinit(&s->large[a]);
	free(s);
	if (!ok && !(model->pulse && model->pulse->stopped))
		return cs_fail(err, CS_NOMEM, 0, "no memory to settle the ledger");
	return cs_pulse_result(model->pulse, CS_OK, err);
}
