/* forge_heap.h - a hand-made process with one libc and one brk heap, for corescan/glibc.
 *
 * Bytes live in fixed buffers: the libc's data at FORGE_LIBC with main_arena and
 * mp_ in it, the heap at FORGE_HEAP, anonymous memory at FORGE_ANON. A test adds
 * chunks, links lists, breaks what it wants, and then calls corescan.
 */
#ifndef FORGE_HEAP_H
#define FORGE_HEAP_H
#include "glibc/glibc.h"
#include "glibc/glibc_layout.h"

enum {
	FORGE_LIBC_LEN = 0x4000,
	FORGE_HEAP_LEN = 0x21000,
	FORGE_ANON_LEN = 0x40000,
	FORGE_ARENA_OFF = 0x1800,
	FORGE_MP_OFF = 0x1000
};
#define FORGE_LIBC 0x7f0000200000ull
#define FORGE_HEAP 0x555555600000ull
#define FORGE_ANON 0x7f0000000000ull

struct forge_heap {
	struct cs_mem mem;
	struct cs_image image;
	struct cs_model model;
	struct cs_glibc *glibc;
	const struct glibc_state_layout *layout;
	const struct glibc_par_layout *par;
	unsigned char *libc, *heap, *anon;
	cs_addr arena, at; /* where the next chunk goes */
	uint64_t system_mem;
};

/* A process whose malloc_state is row `state`, malloc_par row `par` of the tables
 * in glibc_layout.c; the bins empty, no chunk yet. */
void forge_heap_init(struct forge_heap *f, unsigned state, unsigned par);
void forge_heap_deinit(struct forge_heap *f);

/* Words anywhere in the three buffers. */
void forge_put(struct forge_heap *f, cs_addr addr, uint64_t value);
uint64_t forge_get(struct forge_heap *f, cs_addr addr);

/* Append a chunk of this size; its size word gets `flags`. Returns its address. */
cs_addr forge_chunk(struct forge_heap *f, uint64_t size, unsigned flags);

/* A free chunk in bin nr, at the list's end; the next chunk must get flags without P. */
cs_addr forge_binned(struct forge_heap *f, uint64_t size, unsigned bin);
void forge_link(struct forge_heap *f, cs_addr chunk, unsigned bin);

/* The rest of the heap is top; system_mem and mp_ are set. */
void forge_finish(struct forge_heap *f);

/* Make memory as it is now visible, without the page at `missing` (0: all). */
void forge_seal(struct forge_heap *f, cs_addr missing);

/* find, walk, mapped, seal; the first status that is not CS_OK. */
cs_status forge_scan(struct forge_heap *f);

/* State of the block at a chunk's address after forge_scan(), or of what holds it. */
enum cs_block_state forge_state(struct forge_heap *f, cs_addr chunk);

/* Anomalies of this kind whose text has `text` in it. */
unsigned forge_anomalies(const struct forge_heap *f, const char *kind, const char *text);

/* Bytes by state over all glibc spans. */
uint64_t forge_bytes(const struct forge_heap *f, enum cs_block_state state);
#endif
