/* makers_blocks.c - blocks by size and type, and the calls that fit them.
 *
 * glibc 2.17 to 2.43, malloc.c: checked_request2size() rounds a request and a word up to 16,
 * at least 32; a chunk may stay 16 bytes longer, when the rest would be less than MINSIZE.
 * What has a mapping of its own ends with a page. */
#include "base/own.h"
#include "base/sorted.h"
#include "model/model.h"
#include "model/nodes.h"
#include "native/native.h"
#include "scan/makers.h"
#include "scan/makers_state.h"

#include <stdio.h>

enum {
	LEAST = 24,
	STEP = 16,
	PAGE = 4096,
	PYMALLOC_MOST = 512, /* bytes; CPython Objects/obmalloc.c, SMALL_REQUEST_THRESHOLD */
	SURE_OF_20 = 20,     /* others may have made one of so many */
	LISTED = 8	     /* of the candidates */
};

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the makers of blocks");
}

/* --- classes --- */

static void set_type(struct cs_block_class *c, const struct cs_makers *m, uint32_t row,
		     bool is_exact)
{
	const struct cs_type *t = row == CS_NATIVE_NO_ROW ? NULL : &m->scan->model.types.items[row];

	c->type = t ? cs_maker_type_key(t->name) : 0;
	c->is_exact = t && is_exact;
	c->is_cxx = t && t->kind == CS_KIND_CXX;
}

/* Where the numbers of classes are, while they are counted. */
struct counter {
	struct cs_makers *m;
	struct cs_nodes nodes;
	uint64_t *traced; /* a bit each node; NULL: none is */
	struct cs_map by_key;
};

static bool count_block(struct counter *c, uint32_t node, const struct cs_block *block)
{
	struct cs_block_class one = {.len = block->len, .is_big = block->span == CS_BIG_BLOCK};
	const struct cs_native *native = c->m->scan->native;
	uint64_t key;
	uint32_t nr;

	if (c->traced && cs_bit(c->traced, node))
		return true;
	if (native && block->state == CS_BLOCK_TYPED)
		set_type(&one, c->m, cs_native_row(native, node), cs_native_is_exact(native, node));
	one.is_object = block->state >= CS_BLOCK_OBJECT && block->state <= CS_BLOCK_RUNTIME;
	key = (one.len << 3 | (one.is_exact ? 4 : 0) | (one.is_object ? 2 : 0) | one.is_big) + 1;
	if (one.type)
		key = (key ^ one.type) * 0x9e3779b97f4a7c15ull | 1ull << 63;
	if (!cs_map_get(&c->by_key, key, &nr)) {
		nr = (uint32_t)c->m->classes.count;
		if (!cs_vec_push(&c->m->classes, one) || !cs_map_put(&c->by_key, key, nr))
			return false;
	}
	c->m->classes.items[nr].count++;
	c->m->classes.items[nr].bytes += block->len;
	return true;
}

static bool mark_traced(struct counter *c)
{
	const struct cs_sites *s = &c->m->scan->model.sites;

	if (!s->traces.count)
		return true;
	c->traced = calloc(c->nodes.count / 64 + 1, sizeof(*c->traced));
	for (size_t i = 0; c->traced && i < s->traces.count; i++) {
		uint32_t node = cs_node_at(&c->nodes, s->traces.items[i].addr);

		if (cs_pulse_stops(&c->m->scan->pulse))
			break;
		if (node != CS_NO_NODE)
			cs_bit_set(c->traced, node);
	}
	return c->traced;
}

/* Of malloc's spans; pymalloc's are passed over. */
static bool count_all(struct counter *c)
{
	size_t spans = c->nodes.blocks->spans.count;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	for (size_t i = 0; i <= spans; i++) {
		uint32_t from = i < spans ? c->nodes.spans[i].first : c->nodes.first_big;
		uint32_t end = i + 1 < spans ? c->nodes.spans[i + 1].first
			       : i < spans   ? c->nodes.first_big
					     : c->nodes.count;

		if (from == end || (i < spans && !c->nodes.spans[i].is_glibc))
			continue;
		cs_node_walk_from(&walk, &c->nodes, from);
		while (walk.node < end && cs_node_walk_next(&walk, &node, &block)) {
			if (cs_pulse_stops(&c->m->scan->pulse))
				return true;
			if (block.allocator == CS_ALLOC_GLIBC && !count_block(c, node, &block))
				return false;
		}
	}
	return true;
}

static int by_len(const void *a, const void *b)
{
	const struct cs_block_class *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	if (x->is_big != y->is_big)
		return x->is_big ? 1 : -1;
	if (x->is_object != y->is_object)
		return x->is_object ? 1 : -1;
	if (x->is_exact != y->is_exact)
		return x->is_exact ? 1 : -1;
	return (x->type > y->type) - (x->type < y->type);
}

/* --- what fits --- */

/* The first maker of at least so many bytes. */
static size_t first_of(const struct cs_makers *m, uint64_t size)
{
	size_t lo = CS_BELOW(m->items.items, m->items.count, size, size);

	return lo;
}

struct fits {
	CS_VEC(uint32_t) items; /* numbers of makers */
	bool by_type;		/* what they build is what the block is */
};

static bool can_make(const struct cs_makers *m, const struct cs_maker *maker,
		     const struct cs_block_class *c)
{
	if (maker->is_python && m->has_pymalloc && maker->size <= PYMALLOC_MOST)
		return false;
	if (c->is_object && maker->is_system)
		return false;
	return !c->is_exact || !maker->type || c->type == maker->type;
}

/* How well a call goes with what the block is: it builds that type; a class is made by
 * operator new; nothing is known. */
static unsigned type_rank(const struct cs_maker *maker, const struct cs_block_class *c)
{
	if (c->type && maker->type == c->type)
		return 2;
	return c->is_cxx && maker->is_new;
}

/* Beside a call that builds the type: one of the program's own of which nobody knows what it
 * builds may do so as well. */
static bool may_build(const struct cs_maker *maker, const struct cs_block_class *c)
{
	return !maker->type && !maker->is_system && (maker->is_new || !c->is_cxx);
}

/* Of those that ask for `from` to `to` bytes the ones that go best with the type. */
static bool fit_sizes(const struct cs_makers *m, uint64_t from, uint64_t to,
		      const struct cs_block_class *c, struct fits *out)
{
	size_t first = first_of(m, from), end = first;
	unsigned best = 0;

	for (; end < m->items.count && m->items.items[end].size <= to; end++) {
		unsigned rank = type_rank(&m->items.items[end], c);

		if (can_make(m, &m->items.items[end], c) && rank > best)
			best = rank;
	}
	for (size_t i = first; i < end; i++) {
		const struct cs_maker *maker = &m->items.items[i];

		if (!can_make(m, maker, c) ||
		    (type_rank(maker, c) < best && !(best == 2 && may_build(maker, c))))
			continue;
		if (!cs_vec_push(&out->items, (uint32_t)i))
			return false;
	}
	out->by_type = best == 2;
	return true;
}

/* Sizes that malloc rounds up to a block of so many usable bytes. */
static uint64_t least_request(uint64_t len)
{
	return len <= LEAST ? 0 : len - STEP + 1;
}

static bool find_fits(const struct cs_makers *m, const struct cs_block_class *c, struct fits *out)
{
	out->items.count = 0;
	out->by_type = false;
	if (c->is_big)
		return fit_sizes(m, c->len > PAGE + STEP ? c->len - PAGE - STEP + 1 : 0, c->len, c,
				 out);
	if (!fit_sizes(m, least_request(c->len), c->len, c, out))
		return false;
	if (out->items.count || c->len < LEAST + STEP)
		return true;
	return fit_sizes(m, least_request(c->len - STEP), c->len - STEP, c, out);
}

/* --- how sure --- */

static bool has_maker(const struct cs_makers *m, uint64_t len)
{
	size_t nr = first_of(m, least_request(len));

	return nr < m->items.count && m->items.items[nr].size <= len;
}

/* The first class of at least so many bytes. */
static size_t first_class(const struct cs_makers *m, uint64_t len)
{
	size_t lo = CS_BELOW(m->classes.items, m->classes.count, len, len);

	return lo;
}

/* All blocks of a size. */
static uint64_t count_of(const struct cs_makers *m, uint64_t len)
{
	uint64_t n = 0;

	for (size_t i = first_class(m, len);
	     i < m->classes.count && m->classes.items[i].len == len; i++)
		n += m->classes.items[i].count;
	return n;
}

/* Blocks in classes before this one of sizes that no call asks for. */
static uint64_t strangers_before(const struct cs_makers *m, size_t nr)
{
	return nr ? m->classes.items[nr - 1].strangers : 0;
}

static void count_strangers(struct cs_makers *m)
{
	for (size_t i = 0; i < m->classes.count; i++) {
		struct cs_block_class *c = &m->classes.items[i];

		c->strangers = strangers_before(m, i) + (has_maker(m, c->len) ? 0 : c->count);
	}
}

static cs_status find_classes(struct cs_makers *m, struct cs_error *err)
{
	struct counter c = {.m = m};
	cs_status st;

	if (m->has_classes)
		return CS_OK;
	m->classes.count = 0;
	st = cs_nodes_init(&c.nodes, &m->scan->model.blocks, err);
	if (st)
		return st;
	if (!mark_traced(&c) || !count_all(&c))
		st = no_memory(err);
	cs_nodes_deinit(&c.nodes);
	cs_map_deinit(&c.by_key);
	free(c.traced);
	st = cs_pulse_result(&m->scan->pulse, st, err);
	if (m->classes.count)
		qsort(m->classes.items, m->classes.count, sizeof(*m->classes.items), by_len);
	count_strangers(m);
	m->has_classes = !st;
	return st;
}

/* Blocks of sizes from half to twice this one that no call of constant size makes: so many
 * calls of any size make of each size here, on an average. Are there enough more of this? */
static bool stands_out(const struct cs_makers *m, uint64_t len)
{
	uint64_t from = cs_align_down(len / 2, STEP) + 8, to = len < UINT32_MAX ? len * 2 : len;
	uint64_t slots = (to - from) / STEP + 1, taken = 0, strays, last = 0;
	uint64_t n = count_of(m, len), others;

	from = from < LEAST ? LEAST : from;
	for (size_t i = first_of(m, from); i < m->items.count && m->items.items[i].size <= to;
	     i++) {
		uint64_t usable = cs_align_up(m->items.items[i].size + 8, STEP) - 8;

		taken += usable != last;
		last = usable;
	}
	others = strangers_before(m, first_class(m, to + 1)) -
		 strangers_before(m, first_class(m, from));
	slots = slots > taken ? slots - taken : 1;
	/* of those that are 16 bytes shorter a few are left longer */
	strays = len > LEAST && has_maker(m, len - STEP) ? count_of(m, len - STEP) / 32 : 0;
	return n >= SURE_OF_20 * (strays + (others + slots / 2) / slots) &&
	       n * slots >= SURE_OF_20 * (others + 1);
}

/* --- rows --- */

struct writer {
	struct cs_makers *m;
	struct cs_answer *out;
	enum cs_site_key key;
	struct fits fits;
	CS_VEC(uint32_t) names; /* of the fits, each once */
	struct cs_map row_at;	/* key of a set of names -> row */
};

/* The program's own before those of the C library. */
static int by_rank(const void *a, const void *b, void *ctx)
{
	const struct cs_makers *m = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	bool left = m->names.items[x - 1].is_system, right = m->names.items[y - 1].is_system;

	return left != right ? left - right : (x > y) - (x < y);
}

/* Names of what fits, sorted, each once; of too many none. */
static cs_status name_fits(struct writer *w, struct cs_error *err)
{
	size_t kept = 0;

	w->names.count = 0;
	if (w->fits.items.count > CS_MAKERS_NAMED)
		return CS_OK;
	for (size_t i = 0; i < w->fits.items.count; i++) {
		cs_status st = cs_maker_name(w->m, w->fits.items.items[i], err);

		if (st)
			return st;
		if (cs_pulse_look(&w->m->scan->pulse))
			return cs_pulse_fail(err);
		if (!cs_vec_push(&w->names, w->m->items.items[w->fits.items.items[i]].name))
			return no_memory(err);
	}
	if (w->names.count)
		qsort_r(w->names.items, w->names.count, sizeof(uint32_t), by_rank, w->m);
	for (size_t i = 0; i < w->names.count; i++)
		if (!kept || w->names.items[i] != w->names.items[kept - 1])
			w->names.items[kept++] = w->names.items[i];
	w->names.count = kept;
	return CS_OK;
}

/* One place, and a reason to believe that it was there: what it builds is what the block is,
 * or its blocks are more than calls of any size can be expected to make. The libraries every
 * program has hold hundreds of calls, few of which ever ran: there a size is no reason. */
static bool is_likely(const struct writer *w, uint64_t len)
{
	if (w->names.count != 1)
		return false;
	return w->fits.by_type ||
	       (!w->m->names.items[w->names.items[0] - 1].is_system && stands_out(w->m, len));
}

/* The size all that fits asks for; 0: there are several. */
static uint64_t one_size(const struct writer *w)
{
	uint64_t size = w->m->items.items[w->fits.items.items[0]].size;

	for (size_t i = 1; i < w->fits.items.count; i++)
		if (w->m->items.items[w->fits.items.items[i]].size != size)
			return 0;
	return size;
}

static void set_place(struct writer *w, uint32_t name, uint64_t size, struct cs_maker_place *out)
{
	const struct cs_maker_name *n = &w->m->names.items[name - 1];

	*out = (struct cs_maker_place){.site = w->key == CS_SITE_FILE ? n->file : n->site,
				       .function = w->key == CS_SITE_FILE ? NULL : n->function,
				       .size = size};
}

static bool add_places(struct writer *w, struct cs_maker_row *row)
{
	struct cs_maker_place place;

	row->first = w->out->maker_places.count;
	for (size_t i = 0; i < w->names.count && row->kept < LISTED; i++) {
		set_place(w, w->names.items[i], one_size(w), &place);
		for (size_t k = 0; place.site && k < row->kept; k++)
			if (!strcmp(w->out->maker_places.items[row->first + k].site, place.site))
				place.site = NULL;
		if (!place.site)
			continue; /* another line of the same file */
		if (!cs_vec_push(&w->out->maker_places, place))
			return false;
		row->kept++;
	}
	return true;
}

static uint64_t mix(uint64_t hash, uint64_t part)
{
	hash = (hash ^ part) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

/* Of a set of files their texts, of one of lines their numbers. */
static uint64_t set_key(const struct writer *w, bool is_likely)
{
	uint64_t hash = mix(0xcbf29ce484222325ull, w->names.count);

	for (size_t i = 0; i < w->names.count; i++) {
		const struct cs_maker_name *n = &w->m->names.items[w->names.items[i] - 1];

		hash = mix(hash, w->key == CS_SITE_FILE ? cs_map_key(n->file) : w->names.items[i]);
	}
	for (size_t i = 0; !w->names.count && i < w->fits.items.count; i++)
		hash = mix(hash, w->fits.items.items[i]);
	return mix(hash, is_likely) | 1;
}

static cs_status add_class(struct writer *w, const struct cs_block_class *c, struct cs_error *err)
{
	struct cs_maker_row row = {.site_count = 0};
	uint64_t key, size, requested;
	cs_status st;
	uint32_t nr;

	if (!find_fits(w->m, c, &w->fits))
		return no_memory(err);
	if (!w->fits.items.count || w->fits.items.count > CS_MAKERS_NAMED)
		return CS_OK; /* any of hundreds is as good as none */
	st = name_fits(w, err);
	if (st)
		return st;
	row.is_likely = is_likely(w, c->len);
	row.site_count = w->names.count ? w->names.count : w->fits.items.count;
	key = set_key(w, row.is_likely);
	if (!cs_map_get(&w->row_at, key, &nr)) {
		nr = (uint32_t)w->out->makers.count;
		if (!add_places(w, &row) || !cs_vec_push(&w->out->makers, row) ||
		    !cs_map_put(&w->row_at, key, nr))
			return no_memory(err);
	}
	size = one_size(w);
	w->out->makers.items[nr].count += c->count;
	w->out->makers.items[nr].bytes += c->bytes;
	if (cs_mul(size, c->count, &requested))
		w->out->makers.items[nr].requested += requested;
	return CS_OK;
}

/* Biggest first: those shall have names if there are too many for all. */
static int by_bytes(const void *a, const void *b)
{
	const struct cs_block_class *x = *(const struct cs_block_class *const *)a;
	const struct cs_block_class *y = *(const struct cs_block_class *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return by_len(x, y);
}

static cs_status add_classes(struct writer *w, struct cs_error *err)
{
	size_t count = w->m->classes.count;
	cs_autofree const struct cs_block_class **order = calloc(count + 1, sizeof(*order));
	cs_status st = CS_OK;

	if (!order)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		order[i] = &w->m->classes.items[i];
	qsort(order, count, sizeof(*order), by_bytes);
	for (size_t i = 0; !st && i < count; i++) {
		cs_pulse_at(&w->m->scan->pulse, i, count);
		if (cs_pulse_stops(&w->m->scan->pulse))
			break;
		st = add_class(w, order[i], err);
	}
	return st;
}

cs_status cs_answer_makers(struct cs_scan *scan, enum cs_site_key key, struct cs_answer *out,
			   struct cs_error *err)
{
	struct writer w = {.out = out, .key = key};
	cs_status st = cs_scan_makers(scan, err);

	if (!st) {
		w.m = scan->makers;
		st = find_classes(w.m, err);
	}
	if (!st)
		st = cs_pulse_step(&scan->pulse, "sites", 500, 1000, err);
	if (!st)
		st = add_classes(&w, err);
	cs_vec_free(&w.fits.items);
	cs_vec_free(&w.names);
	cs_map_deinit(&w.row_at);
	st = cs_pulse_result(&scan->pulse, st, err);
	if (st)
		return st;
	out->has_makers = true;
	out->maker_dynamic = w.m->dynamic;
	out->maker_unread = w.m->unread;
	return CS_OK;
}

/* --- one block --- */

static void say(struct cs_answer *out, const char *field, const char *text)
{
	struct cs_answer_row row = {.field = field, .text = text};

	cs_ignore(text && cs_vec_push(&out->rows, row) ? CS_OK : CS_NOMEM, "a row less");
}

static void say_number(struct cs_answer *out, const char *field, uint64_t number)
{
	struct cs_answer_row row = {.field = field, .number = number};

	cs_ignore(cs_vec_push(&out->rows, row) ? CS_OK : CS_NOMEM, "a row less");
}

static void say_fits(struct writer *w, bool is_likely)
{
	struct cs_answer *out = w->out;

	for (size_t i = 0; i < w->names.count && i < LISTED; i++) {
		const struct cs_maker_name *n = &w->m->names.items[w->names.items[i] - 1];

		say(out, "perhaps_allocated_at",
		    n->function ? cs_arena_printf(&out->strings, "%s (%s)", n->function, n->site)
				: n->site);
	}
	if (w->names.count > LISTED || !w->names.count)
		say_number(out, "more_sites",
			   w->names.count ? w->names.count - LISTED : w->fits.items.count);
	say(out, "site_evidence",
	    w->fits.by_type
		    ? "a call that builds this type"
		    : "a call asks for a constant size, and malloc rounds that to this block");
	say(out, "site_confidence",
	    is_likely ? "likely" : w->names.count ? "candidate" : "none: too many calls fit");
}

cs_status cs_makers_of(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
		       struct cs_error *err)
{
	struct writer w = {.out = out};
	struct cs_block_class c = {.len = 0};
	struct cs_native_fact fact;
	struct cs_block block;
	cs_status st;

	if (!cs_blocks_holding(&scan->model.blocks, addr, &block) ||
	    !cs_block_is_used(block.state) || block.allocator != CS_ALLOC_GLIBC)
		return CS_OK;
	st = cs_scan_makers(scan, err);
	if (!st)
		st = find_classes(scan->makers, err);
	if (st)
		return st;
	w.m = scan->makers;
	c.len = block.len;
	c.is_big = block.span == CS_BIG_BLOCK;
	c.is_object = block.state >= CS_BLOCK_OBJECT && block.state <= CS_BLOCK_RUNTIME;
	if (cs_native_find(scan->native, &block, &fact))
		set_type(&c, w.m, fact.row, fact.sure == CS_NATIVE_EXACT && !fact.or_derived);
	if (!find_fits(w.m, &c, &w.fits))
		st = no_memory(err);
	if (!st)
		st = name_fits(&w, err);
	if (!st && w.fits.items.count)
		say_fits(&w, is_likely(&w, c.len));
	else if (!st)
		say(out, "perhaps_allocated_at", "no call of constant size fits");
	if (!st)
		say_number(out, "sites_of_any_size", w.m->dynamic);
	cs_vec_free(&w.fits.items);
	cs_vec_free(&w.names);
	return cs_pulse_result(&scan->pulse, st, err);
}
