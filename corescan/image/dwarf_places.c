/* DWARF 4 and 5: line table of the unit, DW_TAG_inlined_subroutine inside
 * DW_TAG_subprogram; a call's place is in DW_AT_call_file and DW_AT_call_line. */
#include "image/dwarf_places.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

enum { UNITS_MAX = 1 << 16 };

/* Units that .debug_aranges does not list (clang writes none) are asked one by one. */
static bool find_unit(struct cs_elf *elf, Dwarf *dw, uint64_t vaddr, Dwarf_Die *out)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	uint8_t type;

	if (dwarf_addrdie(dw, vaddr, out))
		return true;
	for (int i = 0; i < UNITS_MAX && !cs_pulse_look(cs_elf_pulse(elf)); i++) {
		if (dwarf_get_units(dw, cu, &cu, &version, &type, out, NULL))
			return false;
		if (dwarf_haspc(out, vaddr) == 1)
			return true;
	}
	return false;
}

static void find_line(Dwarf_Die *unit, uint64_t vaddr, struct cs_dwarf_place *out)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, vaddr);
	int number = 0;

	if (!line || dwarf_lineno(line, &number) || number <= 0)
		return;
	out->line = (uint32_t)number;
	out->file = dwarf_linesrc(line, NULL, NULL);
}

/* Where an inlined function was called. */
static void find_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct cs_dwarf_place *out)
{
	Dwarf_Attribute attr;
	Dwarf_Word file = 0, line = 0;
	Dwarf_Files *files;
	size_t count;

	if (dwarf_attr(inlined, DW_AT_call_line, &attr) && !dwarf_formudata(&attr, &line) &&
	    line <= UINT32_MAX)
		out->line = (uint32_t)line;
	if (dwarf_attr(inlined, DW_AT_call_file, &attr) && !dwarf_formudata(&attr, &file) &&
	    !dwarf_getsrcfiles(unit, &files, &count) && file < count)
		out->file = dwarf_filesrc(files, file, NULL, NULL);
}

/* The scopes around vaddr, innermost first, as they are nested: dwarf_getscopes()
 * goes from an inlined function on to where that was written. */
static int find_scopes(Dwarf_Die *unit, uint64_t vaddr, Dwarf_Die **out)
{
	Dwarf_Die *scopes = NULL, innermost;

	if (dwarf_getscopes(unit, vaddr, &scopes) <= 0)
		return 0;
	innermost = scopes[0];
	free(scopes);
	return dwarf_getscopes_die(&innermost, out);
}

size_t cs_dwarf_places(struct cs_elf *elf, uint64_t vaddr, struct cs_dwarf_place *out, size_t max)
{
	Dwarf *dw = cs_elf_dwarf(elf);
	struct cs_dwarf_place place = { NULL, NULL, 0 };
	Dwarf_Die unit, *scopes = NULL;
	size_t n = 0;
	int count;

	if (!dw || !max || !find_unit(elf, dw, vaddr, &unit))
		return 0;
	find_line(&unit, vaddr, &place);
	count = find_scopes(&unit, vaddr, &scopes);
	for (int i = 0; i < count && n < max; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		place.function = dwarf_diename(&scopes[i]);
		out[n++] = place;
		if (tag == DW_TAG_subprogram)
			break;
		place = (struct cs_dwarf_place){ NULL, NULL, 0 };
		find_call(&unit, &scopes[i], &place);
	}
	free(scopes);
	if (!n && place.line)
		out[n++] = place;
	return n;
}
