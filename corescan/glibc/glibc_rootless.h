/* glibc_rootless.h - a malloc heap whose arena is lost: what the chunks alone say.
 *
 * For truncated cores: libc's data, and with it main_arena, lies at high
 * addresses and goes first. Chunks tell their size and whether the one before
 * is in use; they do not tell what waits in a tcache or a fastbin, which counts
 * as in use here and the finding says so.
 */
#ifndef CS_GLIBC_ROOTLESS_H
#define CS_GLIBC_ROOTLESS_H
#include "image/image.h"
#include "model/model.h"

/* Look at the beginning of every anonymous writable mapping for a chain of
 * chunks that reaches the end of what is present. Adds spans and regions.
 * CS_NOTFOUND: none. CS_NOMEM. O(bytes of chunk headers). */
cs_status cs_glibc_rootless(struct cs_image *image, struct cs_model *model, struct cs_error *err);
#endif
