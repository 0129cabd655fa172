#include "native/dwarf_die.h"

bool nt_type_entry(Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, out);
}

static bool is_wrapper(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

bool nt_peel(Dwarf_Die *die, const char **name)
{
	*name = NULL;
	for (int i = 0; i < PEEL_MAX; i++) {
		if (!is_wrapper(dwarf_tag(die)))
			return true;
		if (dwarf_tag(die) == DW_TAG_typedef)
			*name = dwarf_diename(die);
		if (!nt_type_entry(die, die))
			return false;
	}
	return false;
}

uint64_t nt_array_items(Dwarf_Die *die)
{
	uint64_t items = 1, count;
	const void *before;
	Dwarf_Die child;
	bool any = false;

	if (dwarf_child(die, &child))
		return 0;
	do {
		Dwarf_Attribute attr;
		Dwarf_Word word;

		before = child.addr;
		if (dwarf_tag(&child) != DW_TAG_subrange_type)
			continue;
		any = true;
		if (dwarf_attr(&child, DW_AT_count, &attr) && !dwarf_formudata(&attr, &word))
			count = word;
		else if (dwarf_attr(&child, DW_AT_upper_bound, &attr) &&
			 !dwarf_formudata(&attr, &word))
			count = word + 1;
		else
			return 0;
		if (!cs_mul(items, count, &items))
			return 0;
	} while (!dwarf_siblingof(&child, &child) && child.addr > before);
	return any ? items : 0;
}

bool nt_member_offset(Dwarf_Die *member, uint64_t *off)
{
	Dwarf_Attribute attr;

	*off = 0;
	if (dwarf_attr(member, DW_AT_data_member_location, &attr))
		return !dwarf_formudata(&attr, off);
	return dwarf_tag(member) == DW_TAG_member &&
	       !dwarf_hasattr(member, DW_AT_data_bit_offset) &&
	       !dwarf_hasattr(member, DW_AT_external) && !dwarf_hasattr(member, DW_AT_declaration);
}
