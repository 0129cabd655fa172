/* dwarf_places.h - source lines and inlined calls at an address, by DWARF. */
#ifndef CS_DWARF_PLACES_H
#define CS_DWARF_PLACES_H
#include "image/elf_file.h"

struct cs_dwarf_place {
	const char *function; /* NULL: the DWARF names none */
	const char *file;     /* NULL: unknown. Both live as long as the file is open */
	uint32_t line;	      /* 0: unknown */
};

/* The functions that vaddr (an address of the file) is in: inlined ones first, the
 * innermost first of all, then the one they are in; at most max. 0: the file has no
 * DWARF for it. Reads the file's DWARF, which may take long the first time. */
size_t cs_dwarf_places(struct cs_elf *elf, uint64_t vaddr, struct cs_dwarf_place *out, size_t max);
#endif
