/* dwarf_die.h - reading entries of debug data, for the .c files that know elfutils. */
#ifndef CS_NATIVE_DWARF_DIE_H
#define CS_NATIVE_DWARF_DIE_H
#include "native/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

enum { PEEL_MAX = 64 }; /* typedefs and qualifiers around a type */

static inline Dwarf_Die nt_unpack(const struct nt_die *die)
{
	Dwarf_Die out;

	memcpy(&out, die, sizeof(out));
	return out;
}

static inline struct nt_die nt_pack(const Dwarf_Die *die)
{
	struct nt_die out;

	memcpy(&out, die, sizeof(out));
	return out;
}

static inline bool nt_is_record(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* The entry of a member's, variable's or pointer's type; false: it has none, which is void.
 * die and out may be the same. */
bool nt_type_entry(Dwarf_Die *die, Dwarf_Die *out);

/* Through typedefs and qualifiers; *name: the innermost typedef's, for what has no name of
 * its own; NULL: none. False: it ends in nothing, which is void. */
bool nt_peel(Dwarf_Die *die, const char **name);

/* Items of all dimensions; 0: the array has no end of its own. */
uint64_t nt_array_items(Dwarf_Die *die);

/* Where a member or base class begins, in bytes from its record's start. False: it is no
 * part of each one (static), or only a running program can tell (virtual inheritance). */
bool nt_member_offset(Dwarf_Die *member, uint64_t *off);
#endif
