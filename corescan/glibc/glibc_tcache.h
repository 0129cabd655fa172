/* glibc_tcache.h - the caches of threads: living, gone, or left behind by fork. */
#ifndef CS_GLIBC_TCACHE_H
#define CS_GLIBC_TCACHE_H
#include "glibc/glibc_state.h"

/* Remember a used chunk of the right size when what it holds can be a tcache
 * with something in it. Sets g->no_memory. */
void glibc_tcache_candidate(struct cs_glibc *g, const struct glibc_arena *arena, cs_addr chunk,
			    uint64_t size);

/* After every piece was walked: drop the candidates whose lists do not begin with
 * chunks, mark the cached chunks, tell the orphans. */
void glibc_tcache_mark(struct cs_glibc *g);

/* The pointer stored at addr: plain, or with safe-linking from 2.32 on. Learns
 * which it is from the first value that tells. */
cs_addr glibc_demangle(struct cs_glibc *g, struct glibc_libc *libc, cs_addr addr, uint64_t stored);

/* Follow fastbins and bins of every arena, set their chunks' states. */
void glibc_bins_mark(struct cs_glibc *g);
#endif
