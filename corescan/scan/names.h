/* names.h - what a block in use is called: by its type, and by who holds it. */
#ifndef CS_NAMES_H
#define CS_NAMES_H
#include "cpython/py_visit.h"
#include "scan/heap_graph.h"

enum { CS_NAME_MAX = 512, CS_PLACE_MAX = 200 };

/* What a block in use is called that is no object: "(owned by an object)". */
const char *cs_block_words(const struct cs_block *block);

/* "dict", "__main__.Order"; of a block of no known type by its allocator and state. */
const char *cs_node_type_name(struct cs_heap_graph *hg, uint32_t node);

/* The address people know it by: of an object its own, else the block's. */
cs_addr cs_node_addr(struct cs_heap_graph *hg, uint32_t node);

/* The Python object in a node's block; false: there is none. */
bool cs_node_object(struct cs_heap_graph *hg, uint32_t node, struct py_obj *out);

/* The first reference from one node to another, or from a root. False: none that is known
 * (a guess in the middle of memory has an edge too: PY_EDGE_WORD, by its offset; of a root
 * PY_EDGE_BLOCK with the variable's name where debug data tell it). */
bool cs_node_edge(struct cs_heap_graph *hg, uint32_t from, uint32_t to, struct py_edge *out);
bool cs_root_edge(struct cs_heap_graph *hg, const struct cs_root *root, uint32_t to,
		  struct py_edge *out);

/* Is it the dict of its holder's attributes? */
static inline bool cs_edge_is_dict(const struct py_edge *e)
{
	return e->label && !strcmp(e->label, "__dict__");
}

/* A holder's name and an edge as people write them: "app.cache" and VALUE 'A' of its dict
 * are "app.cache.A" (`in_dict`: the holder is such a dict), else "app.cache['A']". `any`:
 * it stands for many, the index or key is left out. */
void cs_name_join(struct cs_heap_graph *hg, const char *holder, const struct py_edge *edge,
		  bool in_dict, bool any, char out[CS_NAME_MAX]);

/* A word of a native block whose members are known gets the member's name. */
void cs_edge_member(struct cs_scan *scan, cs_addr from, struct py_edge *edge);

/* The root that says most about a node: its tag; false: it is none. */
bool cs_node_root(struct cs_heap_graph *hg, uint32_t node, uint32_t *tag);

/* What names begin with below a root, and where they mean something: "app.cache" and "";
 * of a frame, whose locals have names of their own, "" and "local of main() in worker.py";
 * "pool.first" and "data of /usr/bin/app" of a variable that leads to `node`. */
void cs_root_name(struct cs_heap_graph *hg, uint32_t tag, uint32_t node, char out[CS_NAME_MAX],
		  char place[CS_PLACE_MAX]);

/* Both in one: "orders.first (local of main() in worker.py)". */
void cs_name_whole(const char *name, const char *place, char out[CS_NAME_MAX]);
#endif
