/* nodes.h - a number for every block in use, in order of address.
 *
 * What a reference graph is made of: 32 bits for a block, however many there
 * are. Knows nothing of references. A bit for each granule of heap says where
 * a block in use begins, a count for each 64 of them makes the number (1.6 % of the
 * heap in all): looking one up costs two cache lines and no search.
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
	uint64_t bits;	 /* granule begins a block in use */
	uint32_t before; /* number of the first of them */
};

struct cs_node_span {
	struct cs_node_word *words;
	uint32_t first; /* number of the span's first node */
};

enum { CS_NODE_HINTS = 4096 };

struct cs_nodes {
	struct cs_blocks *blocks; /* borrowed */
	struct cs_node_span *spans; /* one for each of blocks->spans */
	uint32_t count, first_big;
	cs_addr lowest, end; /* no block lies outside */
	uint32_t *big; /* number of each big block, CS_NO_NODE when it is not in use */
	uint32_t *big_nr; /* and back: node - first_big -> big block */
	uint32_t hints[CS_NODE_HINTS]; /* span last met for (addr >> 20) */
};

/* Number the blocks of a sealed set. CS_NOMEM; CS_LIMIT: more than 2^32 - 2. */
cs_status cs_nodes_init(struct cs_nodes *nodes, struct cs_blocks *blocks, struct cs_error *err);
void cs_nodes_deinit(struct cs_nodes *nodes);

/* The node whose block holds addr, interior pointers included; CS_NO_NODE when
 * no block in use does (free memory, a header, no heap at all). */
uint32_t cs_node_at(struct cs_nodes *nodes, cs_addr addr);

/* The block behind a number. node < count. O(log spans + log size of the span). */
void cs_node_block(const struct cs_nodes *nodes, uint32_t node, struct cs_block *out);

/* One after the other, in order of their numbers. */
struct cs_node_walk {
	struct cs_nodes *nodes;
	uint64_t granule;
	uint32_t span, node; /* node: the one handed out next */
};
void cs_node_walk_init(struct cs_node_walk *walk, struct cs_nodes *nodes);

/* False: there are no more. *node may be NULL. */
bool cs_node_walk_next(struct cs_node_walk *walk, uint32_t *node, struct cs_block *out);
#endif
