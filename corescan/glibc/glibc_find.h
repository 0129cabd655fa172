/* glibc_find.h - the ways to the allocator state, each with its own proof. */
#ifndef CS_GLIBC_FIND_H
#define CS_GLIBC_FIND_H
#include "glibc/glibc_state.h"

struct glibc_hit {
	cs_addr main_arena;
	const struct glibc_state_layout *layout;
	const char *found_by; /* "relocation", "symbol", "memory" */
};

enum { GLIBC_HITS = 16 };

/* From the module's file: the relocation of main_arena.next, or its word in a
 * program linked at fixed addresses. Returns how many (at most max). */
size_t glibc_hits_in_file(struct cs_glibc *g, const struct cs_module *module,
			  struct glibc_hit *hits, size_t max);

/* From memory alone: an arena's bins in [range). Returns how many. */
size_t glibc_hits_in_memory(struct cs_glibc *g, struct cs_range range, struct glibc_hit *hits,
			    size_t max);

/* Does memory at base look like a malloc_state of this layout? `strict`: its
 * bins must be initialised and linked (2 may be torn). */
bool glibc_is_state(struct cs_mem *mem, cs_addr base, const struct glibc_state_layout *layout,
		    bool strict);

/* Find mp_ for a libc whose main arena is known: by the file's pattern, else by
 * what must hold of its fields. CS_NOTFOUND leaves libc->mp 0. */
cs_status glibc_find_mp(struct cs_glibc *g, struct glibc_libc *libc);

/* The ring of arenas from libc->main_arena. CS_NOMEM; contradictions are
 * anomalies. */
cs_status glibc_load_arenas(struct cs_glibc *g, uint32_t libc_nr, struct cs_error *err);

/* Every heap of every arena becomes a piece. CS_NOMEM. */
cs_status glibc_load_heaps(struct cs_glibc *g, struct cs_error *err);

/* The pieces of non-contiguous main arenas. CS_NOMEM. */
cs_status glibc_find_regions(struct cs_glibc *g, struct cs_error *err);

/* "2.36" from the module's read-only data, or NULL. */
const char *glibc_version_text(struct cs_glibc *g, const struct cs_module *module);

/* Another allocator by its name or exports, or NULL. is_used: glibc's own heap
 * holds something. Records a finding. */
const char *glibc_other_malloc(struct cs_glibc *g, bool is_used);
#endif
