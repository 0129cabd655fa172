/* glibc.h - what glibc's malloc holds: arenas, heaps, every chunk, used or free.
 *
 * Reads each libc of the process (a dlmopen'd or statically linked one too),
 * proves which generation of structures it has (2.17 to 2.43), and records every
 * chunk in the model. Knows nothing of what the chunks hold.
 *
 * Invariants
 *  - Nothing of the target is believed: sizes are checked against the memory
 *    that is there, lists end at a broken link or when a chunk comes twice.
 *  - A contradiction is an anomaly of the model; the walk goes on behind it.
 *
 * Order: find, walk, (other allocators add their regions), mapped, destroy.
 */
#ifndef CS_GLIBC_H
#define CS_GLIBC_H
#include "image/image.h"
#include "model/model.h"

struct cs_glibc;

/* Find every main_arena and mp_. Fills model->target.libc, findings and, when
 * another allocator serves malloc, target.libc.other. Borrows image and model.
 * CS_NOTFOUND: no malloc of glibc here (`other` may be set all the same);
 * CS_NOMEM. O(writable data of the modules). */
cs_status cs_glibc_find(struct cs_image *image, struct cs_model *model, struct cs_glibc **out,
			struct cs_error *err);

/* Walk the heaps of all arenas: spans, regions, states, anomalies. CS_NOMEM. */
cs_status cs_glibc_walk(struct cs_glibc *g, struct cs_error *err);

/* Find mmapped chunks in anonymous writable memory that no region of the model
 * claims yet; then arena rows, mallinfo and the findings that need them. CS_NOMEM. */
cs_status cs_glibc_mapped(struct cs_glibc *g, struct cs_error *err);

void cs_glibc_destroy(struct cs_glibc *g);
static inline void cs_glibc_destroyp(struct cs_glibc **g)
{
	cs_glibc_destroy(*g);
}
#endif
