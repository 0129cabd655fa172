#include "model/nodes.h"

#include <stdlib.h>
#include <string.h>

enum {
	GRANULE = 16, MALLOC_HEADER = 16, SIZE_WORD = 8,
	TILES = 16,	 /* granules of which eight bytes of tiles tell */
	LONG_WORDS = 64, /* blocks that reach over so many words of granules are kept apart */
};

/* What read_tiles() below reads off a nibble's bits. */
_Static_assert(CS_BLOCK_INSIDE == 0 && CS_BLOCK_FREE == 1 && CS_BLOCK_USED == 2 &&
		       CS_BLOCK_TYPED == 7, "blocks in use are the states 2 to 7");

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory to number the blocks");
}

/* Every fourth bit, moved together. */
static uint64_t gather(uint64_t v)
{
	v &= 0x1111111111111111ull;
	v = (v | v >> 3) & 0x0303030303030303ull;
	v = (v | v >> 6) & 0x000f000f000f000full;
	v = (v | v >> 12) & 0x000000ff000000ffull;
	return (v | v >> 24) & 0xffff;
}

/* Which of the 64 granules begin a block, in use or any. */
static void read_tiles(const struct cs_span *span, uint64_t nr, struct cs_node_word *word)
{
	uint64_t granules = span->len / GRANULE, first = nr * 64;

	for (unsigned i = 0; i < 64 && first + i < granules; i += TILES) {
		uint64_t t = cs_le64(span->tiles + (first + i) / 2);

		word->begins |= gather(t | t >> 1 | t >> 2 | t >> 3) << i;
		word->used |= gather((t >> 1 | t >> 2) & ~(t >> 3)) << i;
	}
}

/* The first granule from word nr on that begins a block, or the span's granule count. */
static uint64_t next_begin(const struct cs_node_span *ns, uint64_t nr)
{
	uint64_t granules = ns->len / GRANULE;

	for (; nr * 64 < granules; nr++)
		if (ns->words[nr].begins)
			return nr * 64 + (unsigned)__builtin_ctzll(ns->words[nr].begins);
	return granules;
}

/* A block in use that began at granule `from` and reached into word nr is over. */
static bool note_long(struct cs_nodes *nodes, const struct cs_node_span *ns, uint64_t from,
		      uint64_t nr, uint32_t node)
{
	struct cs_node_long l = { .node = node };

	if (nr - from / 64 <= LONG_WORDS)
		return true;
	l.granules = next_begin(ns, nr) - from;
	return cs_vec_push(&nodes->longs, l);
}

/* Set the bits of one span; *count goes on. */
static cs_status number_span(struct cs_nodes *nodes, const struct cs_span *span,
			     struct cs_node_span *ns, uint64_t *count, struct cs_error *err)
{
	uint64_t words = span->len / GRANULE / 64 + 1, last = 0; /* granule of the last begin */
	bool goes_on = false, ok = true;

	*ns = (struct cs_node_span){ .start = span->start, .len = span->len,
				     .first = (uint32_t)*count,
				     .is_glibc = span->allocator == CS_ALLOC_GLIBC };
	ns->words = calloc((size_t)words, sizeof(*ns->words));
	if (!ns->words)
		return no_memory(err);
	for (uint64_t w = 0; w < words && ok; w++) {
		struct cs_node_word *word = &ns->words[w];

		read_tiles(span, w, word);
		word->before = (uint32_t)*count;
		word->goes_on = goes_on;
		if (goes_on && (word->begins || w == words - 1))
			ok = note_long(nodes, ns, last, w, (uint32_t)*count - 1);
		*count += cs_count_bits(word->used);
		if (!word->begins)
			continue;
		last = w * 64 + 63 - (unsigned)__builtin_clzll(word->begins);
		goes_on = word->used >> last % 64 & 1;
	}
	if (*count >= CS_NO_NODE)
		return cs_fail(err, CS_LIMIT, span->start, "more than 2^32 blocks are in use");
	return ok ? CS_OK : no_memory(err);
}

static cs_status number_big(struct cs_nodes *nodes, uint64_t count, struct cs_error *err)
{
	const struct cs_blocks *b = nodes->blocks;

	nodes->first_big = (uint32_t)count;
	nodes->big = malloc((b->big.count + 1) * sizeof(uint32_t));
	nodes->big_nr = malloc((b->big.count + 1) * sizeof(uint32_t));
	if (!nodes->big || !nodes->big_nr)
		return no_memory(err);
	for (size_t i = 0; i < b->big.count; i++) {
		nodes->big[i] = CS_NO_NODE;
		if (!cs_block_is_used(b->big.items[i].state))
			continue;
		if (count >= CS_NO_NODE - 1)
			return cs_fail(err, CS_LIMIT, b->big.items[i].start,
				       "more than 2^32 blocks are in use");
		nodes->big_nr[count - nodes->first_big] = (uint32_t)i;
		nodes->big[i] = (uint32_t)count++;
	}
	nodes->count = (uint32_t)count;
	return CS_OK;
}

static void find_limits(struct cs_nodes *nodes)
{
	const struct cs_blocks *b = nodes->blocks;

	nodes->lowest = UINT64_MAX;
	for (size_t i = 0; i < b->spans.count; i++) {
		const struct cs_span *s = &b->spans.items[i];

		nodes->lowest = s->start < nodes->lowest ? s->start : nodes->lowest;
		nodes->end = s->start + s->len > nodes->end ? s->start + s->len : nodes->end;
	}
	for (size_t i = 0; i < b->big.count; i++) {
		const struct cs_big_block *g = &b->big.items[i];

		nodes->lowest = g->start < nodes->lowest ? g->start : nodes->lowest;
		nodes->end = g->start + g->len > nodes->end ? g->start + g->len : nodes->end;
	}
}

cs_status cs_nodes_init(struct cs_nodes *nodes, struct cs_blocks *blocks, struct cs_error *err)
{
	uint64_t count = 0;
	cs_status st = CS_OK;

	*nodes = (struct cs_nodes){ .blocks = blocks };
	nodes->spans = calloc(blocks->spans.count + 1, sizeof(*nodes->spans));
	if (!nodes->spans)
		return no_memory(err);
	for (size_t i = 0; !st && i < blocks->spans.count; i++)
		st = number_span(nodes, &blocks->spans.items[i], &nodes->spans[i], &count, err);
	if (!st)
		st = number_big(nodes, count, err);
	find_limits(nodes);
	if (st)
		cs_nodes_deinit(nodes);
	return st;
}

void cs_nodes_deinit(struct cs_nodes *nodes)
{
	for (size_t i = 0; nodes->spans && i < nodes->blocks->spans.count; i++)
		free(nodes->spans[i].words);
	free(nodes->spans);
	free(nodes->big);
	free(nodes->big_nr);
	cs_vec_free(&nodes->longs);
	memset(nodes, 0, sizeof(*nodes));
}

static uint32_t big_at(struct cs_nodes *nodes, cs_addr addr)
{
	struct cs_block block;

	if (!nodes->blocks->big.count || !cs_blocks_holding(nodes->blocks, addr, &block) ||
	    block.span != CS_BIG_BLOCK || addr < block.addr || addr - block.addr >= block.len)
		return CS_NO_NODE;
	return nodes->big[block.granule];
}

uint32_t cs_node_search(struct cs_nodes *nodes, cs_addr addr)
{
	const struct cs_span *span = cs_blocks_span(nodes->blocks, addr);
	uint32_t nr;

	if (!span)
		return big_at(nodes, addr);
	nr = (uint32_t)(span - nodes->blocks->spans.items);
	nodes->hints[(addr >> CS_NODE_HINT_SHIFT) % CS_NODE_HINTS] = nr;
	return cs_node_in_span(&nodes->spans[nr], addr);
}

/* Granules of the used block that begins at this bit of a word. */
static uint64_t granules_of(const struct cs_nodes *nodes, const struct cs_node_span *ns,
			    uint64_t granule, uint32_t node)
{
	uint64_t behind = ns->words[granule / 64].begins >> granule % 64 >> 1;
	uint64_t end = ns->len / GRANULE, last = granule / 64 + LONG_WORDS;
	size_t lo = 0, hi = nodes->longs.count;

	if (behind)
		return 1 + (unsigned)__builtin_ctzll(behind);
	for (uint64_t w = granule / 64 + 1; w <= last; w++) {
		if (w * 64 >= end)
			return end - granule;
		if (ns->words[w].begins)
			return w * 64 + (unsigned)__builtin_ctzll(ns->words[w].begins) - granule;
	}
	while (hi - lo > 1) { /* it is among them */
		size_t mid = lo + (hi - lo) / 2;

		if (nodes->longs.items[mid].node <= node)
			lo = mid;
		else
			hi = mid;
	}
	return nodes->longs.items[lo].granules;
}

static void fill_block(const struct cs_nodes *nodes, uint32_t span, uint64_t granule, uint32_t node,
		       struct cs_block *out)
{
	const struct cs_node_span *ns = &nodes->spans[span];
	const struct cs_span *s = &nodes->blocks->spans.items[span];

	out->addr = ns->start + granule * GRANULE;
	out->len = granules_of(nodes, ns, granule, node) * GRANULE;
	if (ns->is_glibc) {
		out->addr += MALLOC_HEADER;
		out->len -= SIZE_WORD;
	}
	out->state = cs_tile_get(s->tiles, granule);
	out->allocator = s->allocator;
	out->span = span;
	out->granule = granule;
}

/* The granule of a node of this span. */
static uint64_t select_bit(const struct cs_node_span *ns, uint32_t node)
{
	uint64_t lo = 0, hi = ns->len / GRANULE / 64 + 1, bits;

	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (ns->words[mid].before <= node)
			lo = mid;
		else
			hi = mid;
	}
	bits = ns->words[lo].used;
	for (uint32_t n = node - ns->words[lo].before; n; n--)
		bits &= bits - 1;
	return lo * 64 + (unsigned)__builtin_ctzll(bits);
}

/* The span of a node below first_big. */
static uint32_t select_span(const struct cs_nodes *nodes, uint32_t node)
{
	size_t lo = 0, hi = nodes->blocks->spans.count;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (nodes->spans[mid].first <= node)
			lo = mid;
		else
			hi = mid;
	}
	return (uint32_t)lo;
}

void cs_node_block(const struct cs_nodes *nodes, uint32_t node, struct cs_block *out)
{
	uint32_t span;

	if (node >= nodes->first_big) {
		cs_blocks_big(nodes->blocks, nodes->big_nr[node - nodes->first_big], out);
		return;
	}
	span = select_span(nodes, node);
	fill_block(nodes, span, select_bit(&nodes->spans[span], node), node, out);
}

uint32_t cs_node_block_at(struct cs_nodes *nodes, cs_addr addr, struct cs_block *out)
{
	uint32_t node = cs_node_at(nodes, addr), nr;
	const struct cs_node_span *span;
	uint64_t granule, begun;

	if (node == CS_NO_NODE)
		return node;
	nr = nodes->hints[(addr >> CS_NODE_HINT_SHIFT) % CS_NODE_HINTS];
	span = &nodes->spans[nr];
	if (node < nodes->first_big && addr - span->start < span->len) {
		granule = (addr - span->start) / GRANULE - span->is_glibc;
		begun = span->words[granule / 64].begins << (63 - granule % 64);
		if (begun) {
			granule -= (unsigned)__builtin_clzll(begun);
			fill_block(nodes, nr, granule, node, out);
			return node;
		}
	}
	cs_node_block(nodes, node, out);
	return node;
}

void cs_node_walk_init(struct cs_node_walk *walk, struct cs_nodes *nodes)
{
	*walk = (struct cs_node_walk){ .nodes = nodes };
	if (nodes->blocks->spans.count)
		walk->left = nodes->spans[0].words[0].used;
}

void cs_node_walk_from(struct cs_node_walk *walk, struct cs_nodes *nodes, uint32_t node)
{
	uint64_t granule;

	*walk = (struct cs_node_walk){ .nodes = nodes, .node = node,
				       .span = (uint32_t)nodes->blocks->spans.count };
	if (node >= nodes->first_big)
		return;
	walk->span = select_span(nodes, node);
	granule = select_bit(&nodes->spans[walk->span], node);
	walk->word = granule / 64;
	walk->left = nodes->spans[walk->span].words[walk->word].used & ~0ull << granule % 64;
}

/* On to the next word with a used block; false: there is none in any span. */
static bool next_word(struct cs_node_walk *walk)
{
	const struct cs_nodes *nodes = walk->nodes;
	size_t spans = nodes->blocks->spans.count;

	while (walk->span < spans && !walk->left) {
		const struct cs_node_span *ns = &nodes->spans[walk->span];

		if (++walk->word <= ns->len / GRANULE / 64) {
			walk->left = ns->words[walk->word].used;
			continue;
		}
		walk->word = 0;
		if (++walk->span < spans)
			walk->left = nodes->spans[walk->span].words[0].used;
	}
	return walk->left;
}

bool cs_node_walk_next(struct cs_node_walk *walk, uint32_t *node, struct cs_block *out)
{
	const struct cs_nodes *nodes = walk->nodes;

	if (walk->left || next_word(walk)) {
		fill_block(nodes, walk->span, walk->word * 64 + (unsigned)__builtin_ctzll(walk->left),
			   walk->node, out);
		walk->left &= walk->left - 1;
	} else if (walk->node < nodes->count) {
		cs_blocks_big(nodes->blocks, nodes->big_nr[walk->node - nodes->first_big], out);
	} else {
		return false;
	}
	if (node)
		*node = walk->node;
	walk->node++;
	return true;
}
