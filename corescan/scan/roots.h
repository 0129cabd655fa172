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

/* A frame that is no object of a heap (3.11+) has a node too, behind those of all blocks:
 * what its locals hold together is then what it dominates. */
struct cs_roots {
	CS_VEC(struct cs_root) items;
	CS_VEC(uint32_t) frames; /* their tags, in the order of their nodes */
};

/* How many nodes of that kind there may be. */
uint32_t cs_roots_count_frames(struct cs_scan *scan);

/* Find all roots and put them into graph, whose nodes are those of `nodes` and those of frames; tags are indices into roots. What frames refer to is not told here. CS_NOMEM, CS_STOPPED. */
cs_status cs_roots_find(struct cs_scan *scan, struct cs_nodes *nodes, struct cs_graph *graph,
			struct cs_roots *roots, struct cs_error *err);
void cs_roots_deinit(struct cs_roots *roots);

/* May a word that lies somewhere outside the heap, or in a block nobody knows, be a
 * pointer that keeps this node? One to the front of a Python object (the
 * collector's links) is none. */
uint32_t cs_roots_guess(struct cs_scan *scan, struct cs_nodes *nodes, cs_addr word);

/* The lowest stack pointer in a range, and whose it is; 0: no thread's lies there. */
cs_addr cs_stack_pointer_in(const struct cs_image *image, struct cs_range range, int *tid);

/* The thread of the system that has this thread state; 0: not known. */
int64_t cs_root_tid(const struct cs_scan *scan, cs_addr state);

/* The sentence a root is named by: "module app.cache", "stack of thread 17". */
void cs_root_text(struct cs_scan *scan, const struct cs_root *root, char *buf, size_t cap);
#endif
