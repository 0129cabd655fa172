/* nodes.h - a number for every block in use, in order of address.
 *
 * What a reference graph is made of: 32 bits for a block, however many there
 * are. Knows nothing of references. For 64 granules of heap at a time it is
 * kept which begin a block, which of those are in use, and how many came
 * before (2.4 % of the heap in all): looking one up costs one cache line and
 * no search, however big the block is that an address lies in.
 *
 * Invariants
 *  - Numbers go up with addresses inside a span, and from span to span; the big
 *    blocks come last.
 *  - The blocks' states may change afterwards, but not what is in use.
 */
#ifndef CS_NODES_H
#define CS_NODES_H
#include "model/blocks.h"

#define CS_NO_NODE UINT32_MAX

struct cs_node_word { /* of 64 granules */
	uint64_t used, begins; /* granule begins a block: in use; any */
	uint32_t before;       /* number of the first of the used */
	bool goes_on;	       /* a block in use, number before - 1, reaches in from the word in front */
};

struct cs_node_span {
	cs_addr start;
	uint64_t len;
	struct cs_node_word *words;
	uint32_t first; /* number of the span's first node */
	bool is_glibc;	/* what the program was given lies a header behind the granule */
};

struct cs_node_long { /* a block whose end is far from its beginning */
	uint32_t node;
	uint64_t granules;
};

enum { CS_NODE_HINTS = 4096, CS_NODE_HINT_SHIFT = 20 };

struct cs_nodes {
	struct cs_blocks *blocks; /* borrowed */
	struct cs_node_span *spans; /* one for each of blocks->spans, and one without a byte */
	uint32_t count, first_big;
	cs_addr lowest, end; /* no block lies outside */
	uint32_t *big; /* number of each big block, CS_NO_NODE when it is not in use */
	uint32_t *big_nr; /* and back: node - first_big -> big block */
	CS_VEC(struct cs_node_long) longs; /* by node */
	uint32_t hints[CS_NODE_HINTS]; /* span last met for (addr >> 20) */
};

/* Number the blocks of a sealed set. CS_NOMEM; CS_LIMIT: more than 2^32 - 2. */
cs_status cs_nodes_init(struct cs_nodes *nodes, struct cs_blocks *blocks, struct cs_error *err);
void cs_nodes_deinit(struct cs_nodes *nodes);

/* cs_node_at() of an address in another span than the last one near it. */
uint32_t cs_node_search(struct cs_nodes *nodes, cs_addr addr);

static inline __attribute__((always_inline)) uint32_t cs_node_in_span(const struct cs_node_span *span, cs_addr addr)
{
	uint64_t granule = (addr - span->start) / 16, begun;
	const struct cs_node_word *word = &span->words[granule / 64];
	unsigned last;

	if (span->is_glibc) {
		/* the last word of a chunk lies in the next one's header, whose own is the size */
		if (!granule || (addr & 8 && word->begins >> granule % 64 & 1))
			return CS_NO_NODE;
		granule--;
		word = &span->words[granule / 64];
	}
	begun = word->begins << (63 - granule % 64); /* up to this granule */
	if (!begun)
		return word->goes_on ? word->before - 1 : CS_NO_NODE;
	last = (unsigned)(granule % 64) - (unsigned)__builtin_clzll(begun);
	if (!(word->used >> last & 1))
		return CS_NO_NODE;
	return word->before + cs_count_bits(word->used & ((1ull << last) - 1));
}

/* The node whose block holds addr, interior pointers included; CS_NO_NODE when
 * no block in use does (free memory, a header, no heap at all). */
static inline __attribute__((always_inline)) uint32_t cs_node_at(struct cs_nodes *nodes, cs_addr addr)
{
	const struct cs_node_span *span =
		&nodes->spans[nodes->hints[(addr >> CS_NODE_HINT_SHIFT) % CS_NODE_HINTS]];

	return addr - span->start < span->len ? cs_node_in_span(span, addr) :
						cs_node_search(nodes, addr);
}

/* Somebody will soon ask for the node at addr. */
static inline void cs_node_soon(const struct cs_nodes *nodes, cs_addr addr)
{
	const struct cs_node_span *span =
		&nodes->spans[nodes->hints[(addr >> CS_NODE_HINT_SHIFT) % CS_NODE_HINTS]];

	if (addr - span->start < span->len)
		__builtin_prefetch(&span->words[(addr - span->start) / 1024]);
}

/* The block behind a number. node < count. O(log spans + log size of the span). */
void cs_node_block(const struct cs_nodes *nodes, uint32_t node, struct cs_block *out);

/* cs_node_at() and its block at once; *out is not touched for CS_NO_NODE. O(1) for an
 * address in the first KiB of a block, else as above. */
uint32_t cs_node_block_at(struct cs_nodes *nodes, cs_addr addr, struct cs_block *out);

/* One after the other, in order of their numbers. */
struct cs_node_walk {
	struct cs_nodes *nodes;
	uint64_t word, left; /* in the span; its used blocks not yet handed out */
	uint32_t span, node; /* node: the one handed out next */
};
void cs_node_walk_init(struct cs_node_walk *walk, struct cs_nodes *nodes);

/* From this node on, below nodes->count. */
void cs_node_walk_from(struct cs_node_walk *walk, struct cs_nodes *nodes, uint32_t node);

/* False: there are no more. *node may be NULL. */
bool cs_node_walk_next(struct cs_node_walk *walk, uint32_t *node, struct cs_block *out);
#endif
