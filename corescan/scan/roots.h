/* roots.h - what holds memory from outside the heaps: modules, frames, data, stacks.
 *
 * Each root has a tag, its index here: where it lies and how sure we are. Python's
 * modules and frames are known exactly; writable data of binaries, stacks and
 * other memory are looked through word by word, and what looks like a pointer to
 * a block in use holds it.
 */
#ifndef CS_ROOTS_H
#define CS_ROOTS_H
#include "graph/graph.h"
#include "model/nodes.h"
#include "scan/scan_state.h"

enum cs_root_kind {
	CS_ROOT_PY_MODULE, /* its globals; name: a str */
	CS_ROOT_PY_FRAME,  /* a running function; start: the frame, name: thread state */
	CS_ROOT_PY_FIELD,  /* a member of a state with a meaning; text: which */
	CS_ROOT_PY_STATE,  /* an interpreter or thread state */
	CS_ROOT_DATA,	   /* writable data of a binary; text: its path */
	CS_ROOT_REGISTERS, /* number: tid */
	CS_ROOT_STACK,	   /* from sp upward; number: tid */
	CS_ROOT_MEMORY,	   /* anonymous memory that is no heap we know */
};

struct cs_root {
	enum cs_root_kind kind;
	struct cs_range range; /* where its words lie; of a module: the object */
	cs_addr name;
	const char *text; /* borrowed from the image, or static; NULL */
	int64_t number;
	bool is_guess;
};

/* The less, the more a root says. */
static inline unsigned cs_root_rank(const struct cs_root *root)
{
	return (root->is_guess ? 16 : 0) + root->kind;
}

/* A frame that is no object of a heap (3.11+) has a node too, behind those of all blocks:
 * what its locals hold together is then what it dominates. */
struct cs_roots {
	CS_VEC(struct cs_root) items;
	CS_VEC(uint32_t) frames; /* their tags, in the order of their nodes */
};

/* How many nodes of that kind there may be. */
uint32_t cs_roots_count_frames(struct cs_scan *scan);

/* Find all roots and put them into graph, whose nodes are those of `nodes` and those of
 * frames; tags are indices into roots. What frames refer to is not told here. CS_NOMEM,
 * CS_STOPPED. */
cs_status cs_roots_find(struct cs_scan *scan, struct cs_nodes *nodes, struct cs_graph *graph,
			struct cs_roots *roots, struct cs_error *err);
void cs_roots_deinit(struct cs_roots *roots);

/* The words of memory nobody knows (outside the heaps, or a block's) that may be
 * pointers which keep a node. One to the front of a Python object (the collector's
 * links) is none. */
struct cs_guess_walk {
	struct cs_scan *scan;
	struct cs_nodes *nodes;
	struct cs_range range;
	cs_addr at, addr; /* what comes next; where the bytes at hand lie */
	const unsigned char *bytes;
	uint64_t off, len;
};
struct cs_guess {
	uint32_t node;
	cs_addr word, where; /* the pointer; where it lies, a multiple of 8 */
};

/* Begin. Borrows scan and nodes, which must outlive the walk. Cannot fail. */
void cs_guess_walk_init(struct cs_guess_walk *w, struct cs_scan *scan, struct cs_nodes *nodes,
			struct cs_range range);

/* The next one; false: no more, or told to stop. O(words passed over). */
bool cs_guess_walk_next(struct cs_guess_walk *w, struct cs_guess *out);

/* The lowest stack pointer in a range, and whose it is; 0: no thread's lies there. */
cs_addr cs_stack_pointer_in(const struct cs_image *image, struct cs_range range, int *tid);

/* The thread of the system that has this thread state; 0: not known. */
int64_t cs_root_tid(const struct cs_scan *scan, cs_addr state);

/* The sentence a root is named by: "module app.cache", "stack of thread 17". */
void cs_root_text(struct cs_scan *scan, const struct cs_root *root, char *buf, size_t cap);
#endif
