/* heap_graph.h - the reference graph of one scan: blocks in use, who holds whom.
 *
 * Nodes are blocks (model/nodes.h). A Python object's edges are those its type
 * has; a malloc block nobody knows is looked through word by word, interior
 * pointers included. Behind the blocks come frames that are no objects (scan/roots.h):
 * they weigh nothing and have no type. Made when a view first needs it, kept with the scan.
 */
#ifndef CS_HEAP_GRAPH_H
#define CS_HEAP_GRAPH_H
#include "graph/graph_dom.h"
#include "scan/roots.h"
#include "scan/waste.h"

struct cs_heap_graph {
	struct cs_scan *scan; /* borrowed */
	struct cs_nodes nodes;
	struct cs_graph *graph;
	struct cs_dom *dom;
	struct cs_roots roots;
	/* Of each node, 4 bytes in all; ask the functions below. */
	uint16_t *words; /* its block's length / 8; CS_NODE_LONG: ask the block */
	uint16_t *types; /* row in model->types, or one of the enum's */
	struct cs_waste *waste; /* seen on the way, option suspects; NULL: nobody looked */
};
enum {
	CS_NODE_OWNED = 0xfffd, /* no object; only its owner keeps it */
	CS_NODE_BLOCK = 0xfffe, /* no object */
	CS_NODE_LONG = 0xffff,	/* ask the object */
};
#define CS_NO_TYPE UINT32_MAX

/* The root that a frame's node is; NULL: the node is a block. */
static inline const struct cs_root *cs_heap_graph_frame(const struct cs_heap_graph *hg, uint32_t node)
{
	return node < hg->nodes.count ? NULL :
		       &hg->roots.items.items[hg->roots.frames.items[node - hg->nodes.count]];
}

/* Bytes of the node's block. */
uint64_t cs_heap_graph_len(const struct cs_heap_graph *hg, uint32_t node);

/* Row in model->types, or CS_NO_TYPE: neither a Python object nor of a known native type. */
uint32_t cs_heap_graph_type(struct cs_heap_graph *hg, uint32_t node);

/* Is it memory that only an object owns: a dict's keys, a list's items? O(1). */
static inline bool cs_heap_graph_is_owned(const struct cs_heap_graph *hg, uint32_t node)
{
	return hg->types[node] == CS_NODE_OWNED;
}

/* CS_NOMEM, CS_LIMIT, CS_STOPPED. */
cs_status cs_heap_graph_create(struct cs_scan *scan, struct cs_heap_graph **out, struct cs_error *err);
void cs_heap_graph_destroy(struct cs_heap_graph *hg);

/* The scan's, made when there is none yet; borrowed. A living process that was let go
 * of cannot be read any more: CS_UNSUPPORTED. */
cs_status cs_scan_graph(struct cs_scan *scan, struct cs_heap_graph **out, struct cs_error *err);
#endif
