#include "model/nodes.h"

#include <stdlib.h>
#include <string.h>

enum { GRANULE = 16, RANK_BITS = 512, RANK_WORDS = RANK_BITS / 64, HINT_SHIFT = 20 };

static bool is_used(unsigned state)
{
	return state >= CS_BLOCK_USED && state <= CS_BLOCK_TYPED;
}

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory to number the blocks");
}

/* Set the bits of one span; *count goes on. */
static cs_status number_span(const struct cs_span *span, struct cs_node_span *ns, uint64_t *count,
			     struct cs_error *err)
{
	uint64_t granules = span->len / GRANULE;
	size_t lines = (size_t)(granules / RANK_BITS + 1);

	ns->first = (uint32_t)*count;
	ns->bits = calloc(lines, RANK_BITS / 8);
	ns->ranks = malloc(lines * sizeof(uint32_t));
	if (!ns->bits || !ns->ranks)
		return no_memory(err);
	for (uint64_t g = 0; g < granules; g = cs_span_next(span, g))
		if (is_used(cs_tile_get(span->tiles, g)))
			ns->bits[g / 64] |= 1ull << g % 64;
	for (size_t i = 0; i < lines; i++) {
		ns->ranks[i] = (uint32_t)(*count - ns->first);
		for (size_t w = 0; w < RANK_WORDS; w++)
			*count += (unsigned)__builtin_popcountll(ns->bits[i * RANK_WORDS + w]);
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
	if (st)
		cs_nodes_deinit(nodes);
	return st;
}

void cs_nodes_deinit(struct cs_nodes *nodes)
{
	for (size_t i = 0; nodes->spans && i < nodes->blocks->spans.count; i++) {
		free(nodes->spans[i].bits);
		free(nodes->spans[i].ranks);
	}
	free(nodes->spans);
	free(nodes->big);
	free(nodes->big_nr);
	memset(nodes, 0, sizeof(*nodes));
}

static uint32_t rank(const struct cs_node_span *ns, uint64_t granule)
{
	uint64_t line = granule / RANK_BITS, word = granule / 64;
	uint32_t n = ns->first + ns->ranks[line];

	for (uint64_t w = line * RANK_WORDS; w < word; w++)
		n += (uint32_t)__builtin_popcountll(ns->bits[w]);
	return n + (uint32_t)__builtin_popcountll(ns->bits[word] & ((1ull << granule % 64) - 1));
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
	const struct cs_node_span *ns;
	uint64_t granule;

	if (!span)
		return big_at(nodes, addr);
	ns = &nodes->spans[span - nodes->blocks->spans.items];
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
	return ns->bits[granule / 64] >> granule % 64 & 1 ? rank(ns, granule) : CS_NO_NODE;
}

/* The granule of the n-th node of a span. */
static uint64_t select_bit(const struct cs_node_span *ns, uint64_t lines, uint32_t n)
{
	uint64_t lo = 0, hi = lines, word;

	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (ns->ranks[mid] <= n)
			lo = mid;
		else
			hi = mid;
	}
	n -= ns->ranks[lo];
	for (word = lo * RANK_WORDS;; word++) {
		uint32_t here = (uint32_t)__builtin_popcountll(ns->bits[word]);

		if (n < here)
			break;
		n -= here;
	}

	uint64_t bits = ns->bits[word];

	while (n--)
		bits &= bits - 1;
	return word * 64 + (unsigned)__builtin_ctzll(bits);
}

void cs_node_block(struct cs_nodes *nodes, uint32_t node, struct cs_block *out)
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
			  select_bit(&nodes->spans[lo], span->len / GRANULE / RANK_BITS + 1,
				     node - nodes->spans[lo].first),
			  out);
}

void cs_node_walk_init(struct cs_node_walk *walk, struct cs_nodes *nodes)
{
	*walk = (struct cs_node_walk){ .nodes = nodes };
}

/* The next set bit of the span from walk->granule on; false: none. */
static bool next_bit(const struct cs_node_span *ns, uint64_t end, uint64_t *granule)
{
	for (uint64_t g = *granule; g < end; g = (g | 63) + 1) {
		uint64_t bits = ns->bits[g / 64] >> g % 64;

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
