#include "model/nodes.h"

#include <stdlib.h>
#include <string.h>

enum { GRANULE = 16, HINT_SHIFT = 20 };

static bool is_used(unsigned state)
{
	return state >= CS_BLOCK_USED && state <= CS_BLOCK_TYPED;
}

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory to number the blocks");
}

/* Without an instruction for it: not every x86-64 has one. */
static unsigned count_bits(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (unsigned)(x * 0x0101010101010101ull >> 56);
}

/* Set the bits of one span; *count goes on. */
static cs_status number_span(const struct cs_span *span, struct cs_node_span *ns, uint64_t *count,
			     struct cs_error *err)
{
	uint64_t granules = span->len / GRANULE, words = granules / 64 + 1;

	ns->first = (uint32_t)*count;
	ns->words = calloc((size_t)words, sizeof(*ns->words));
	if (!ns->words)
		return no_memory(err);
	for (uint64_t g = 0; g < granules; g = cs_span_next(span, g))
		if (is_used(cs_tile_get(span->tiles, g)))
			ns->words[g / 64].bits |= 1ull << g % 64;
	for (uint64_t w = 0; w < words; w++) {
		ns->words[w].before = (uint32_t)*count;
		*count += count_bits(ns->words[w].bits);
	}
	if (*count >= CS_NO_NODE)
		return cs_fail(err, CS_LIMIT, span->start, "more than 2^32 blocks are in use");
	return CS_OK;
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
		if (!is_used(b->big.items[i].state))
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
		st = number_span(&blocks->spans.items[i], &nodes->spans[i], &count, err);
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
	memset(nodes, 0, sizeof(*nodes));
}

static const struct cs_span *find_span(struct cs_nodes *nodes, cs_addr addr)
{
	struct cs_blocks *b = nodes->blocks;
	uint32_t *hint = &nodes->hints[(addr >> HINT_SHIFT) % CS_NODE_HINTS];
	const struct cs_span *span = *hint < b->spans.count ? &b->spans.items[*hint] : NULL;

	if (span && addr - span->start < span->len)
		return span;
	span = cs_blocks_span(b, addr);
	if (span)
		*hint = (uint32_t)(span - b->spans.items);
	return span;
}

static uint32_t big_at(struct cs_nodes *nodes, cs_addr addr)
{
	struct cs_block block;

	if (!nodes->blocks->big.count || !cs_blocks_holding(nodes->blocks, addr, &block) ||
	    block.span != CS_BIG_BLOCK || addr < block.addr || addr - block.addr >= block.len)
		return CS_NO_NODE;
	return nodes->big[block.granule];
}

uint32_t cs_node_at(struct cs_nodes *nodes, cs_addr addr)
{
	const struct cs_span *span = find_span(nodes, addr);
	const struct cs_node_word *word;
	uint64_t granule;

	if (!span)
		return big_at(nodes, addr);
	granule = (addr - span->start) / GRANULE;
	/* the program was given the bytes behind the header */
	if (span->allocator == CS_ALLOC_GLIBC) {
		if (!granule--)
			return CS_NO_NODE;
		/* the last word of a chunk lies in the next one's header */
		if (cs_tile_get(span->tiles, granule + 1) && (addr & 15) >= 8)
			return CS_NO_NODE;
	}
	granule = cs_span_start(span, granule);
	word = &nodes->spans[span - nodes->blocks->spans.items].words[granule / 64];
	if (!(word->bits >> granule % 64 & 1))
		return CS_NO_NODE;
	return word->before + count_bits(word->bits & ((1ull << granule % 64) - 1));
}

/* The granule of a node of this span. */
static uint64_t select_bit(const struct cs_node_span *ns, uint64_t words, uint32_t node)
{
	uint64_t lo = 0, hi = words, bits;

	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (ns->words[mid].before <= node)
			lo = mid;
		else
			hi = mid;
	}
	bits = ns->words[lo].bits;
	for (uint32_t n = node - ns->words[lo].before; n; n--)
		bits &= bits - 1;
	return lo * 64 + (unsigned)__builtin_ctzll(bits);
}

void cs_node_block(const struct cs_nodes *nodes, uint32_t node, struct cs_block *out)
{
	size_t lo = 0, hi = nodes->blocks->spans.count;
	const struct cs_span *span;

	if (node >= nodes->first_big) {
		cs_blocks_big(nodes->blocks, nodes->big_nr[node - nodes->first_big], out);
		return;
	}
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (nodes->spans[mid].first <= node)
			lo = mid;
		else
			hi = mid;
	}
	span = &nodes->blocks->spans.items[lo];
	cs_blocks_granule(nodes->blocks, (uint32_t)lo,
			  select_bit(&nodes->spans[lo], span->len / GRANULE / 64 + 1, node), out);
}

void cs_node_walk_init(struct cs_node_walk *walk, struct cs_nodes *nodes)
{
	*walk = (struct cs_node_walk){ .nodes = nodes };
}

/* The next set bit of the span from walk->granule on; false: none. */
static bool next_bit(const struct cs_node_span *ns, uint64_t end, uint64_t *granule)
{
	for (uint64_t g = *granule; g < end; g = (g | 63) + 1) {
		uint64_t bits = ns->words[g / 64].bits >> g % 64;

		if (!bits)
			continue;
		*granule = g + (unsigned)__builtin_ctzll(bits);
		return true;
	}
	return false;
}

bool cs_node_walk_next(struct cs_node_walk *walk, uint32_t *node, struct cs_block *out)
{
	struct cs_nodes *nodes = walk->nodes;
	struct cs_blocks *b = nodes->blocks;

	for (; walk->span < b->spans.count; walk->span++, walk->granule = 0) {
		uint64_t end = b->spans.items[walk->span].len / GRANULE;

		if (!next_bit(&nodes->spans[walk->span], end, &walk->granule))
			continue;
		cs_blocks_granule(b, walk->span, walk->granule++, out);
		if (node)
			*node = walk->node;
		walk->node++;
		return true;
	}
	if (walk->node >= nodes->count)
		return false;
	cs_blocks_big(b, nodes->big_nr[walk->node - nodes->first_big], out);
	if (node)
		*node = walk->node;
	walk->node++;
	return true;
}
