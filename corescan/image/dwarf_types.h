/* dwarf_types.h - offsets of struct members by type and member name.
 *
 * One pass over the top-level DIEs of a file answers all questions at once
 * and ends as soon as every one is answered.
 */
#ifndef CS_DWARF_TYPES_H
#define CS_DWARF_TYPES_H
#include "image/elf_file.h"

struct cs_dwarf_want {
	const char *tags; /* struct tag or typedef; alternatives between '|' */
	const char *path; /* member, nested by '.', alternatives between '|'; "" = sizeof */
	bool wanted;	  /* false: do not look for it */
	int64_t value;	  /* out: byte offset or size; -1 when not found */
};

/* CS_NOTFOUND when the file has no DWARF. CS_STOPPED (cs_elf_listen): the values
 * say nothing. Bit-fields give their storage byte. */
cs_status cs_dwarf_members(struct cs_elf *elf, struct cs_dwarf_want *wants, size_t count,
			   struct cs_error *err);
#endif
