/* glibc_mmapped.h - the header of an mmapped chunk, told from any other 16 bytes. */
#ifndef CS_GLIBC_MMAPPED_H
#define CS_GLIBC_MMAPPED_H
#include "glibc/glibc_state.h"

struct glibc_mapped_chunk {
	uint64_t len;	 /* of the mapping */
	uint64_t user;	 /* offset of the user's first byte in it */
	uint64_t usable;
	uint64_t size; /* of the chunk, its header included */
};

/* Do the 16 bytes at p, `off` bytes behind the start of a mapping with at most room
 * bytes, describe that mapping? Pure. */
bool glibc_mapped_header(const unsigned char *p, uint64_t off, bool is_243, uint64_t page,
			 uint64_t room, struct glibc_mapped_chunk *out);
#endif
