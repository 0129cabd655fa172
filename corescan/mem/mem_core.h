/* mem_core.h - a core file, mapped once and read in place.
 *
 * Knows ELF headers, program headers and the raw notes; what notes mean is
 * image's business. Truncated files are opened as far as they go.
 *
 * Invariants
 *  - No byte beyond the file's size at opening is ever looked at.
 *  - PT_LOAD tables that lie (overflow, overlap, past the end) lose the lying
 *    part and are counted; the rest stays usable.
 */
#ifndef CS_MEM_CORE_H
#define CS_MEM_CORE_H
#include "mem/mem.h"

struct cs_core_load { /* one PT_LOAD as the header tells it */
	cs_addr start;
	uint64_t memsz, filesz;
	uint64_t present; /* of filesz, what the file really has */
	unsigned flags;	  /* PF_R 4, PF_W 2, PF_X 1 */
};

struct cs_core_note {
	const char *owner; /* NUL-terminated, bounded; "" when it was no string */
	uint32_t type;
	const unsigned char *desc;
	size_t len;
};

struct cs_core {
	char *path;
	const unsigned char *data; /* the whole file, read-only */
	size_t size;
	CS_VEC(struct cs_core_load) loads; /* sorted by start */
	CS_VEC(struct cs_core_note) notes; /* borrowed from data, in file order */
	uint64_t header_lies;	       /* program headers or bytes we refused */
	uint64_t lost_headers;	       /* program headers beyond the end of the file */
	uint64_t lost_notes;	       /* bytes of notes beyond the end of the file */
	struct cs_mem mem;
};

/* Open and map a core. CS_OS: cannot be opened. CS_UNSUPPORTED: another
 * machine, class or ELF type. CS_CORRUPT: not ELF, or no program header left.
 * The core owns mem; close with cs_core_close. */
cs_status cs_core_open(const char *path, struct cs_core **out, struct cs_error *err);
void cs_core_close(struct cs_core *core);
static inline void cs_core_closep(struct cs_core **core)
{
	cs_core_close(*core);
}
#endif
