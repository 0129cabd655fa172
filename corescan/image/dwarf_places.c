/* DWARF 4 and 5: line table of the unit, DW_TAG_inlined_subroutine inside
 * DW_TAG_subprogram; a call's place is in DW_AT_call_file and DW_AT_call_line. */
#include "image/dwarf_places.h"
#include "image/dwarf_walk.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <string.h>

enum { UNITS_MAX = 1 << 16, LINES_LEN_MAX = 4 << 20 };

/* Units that .debug_aranges does not list (clang writes none) are asked one by one. */
static bool find_unit(struct cs_elf *elf, Dwarf *dw, uint64_t vaddr, Dwarf_Die *out)
{
	uint64_t budget = CS_DWARF_RANGES;
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	uint8_t type;

	if (dwarf_addrdie(dw, vaddr, out))
		return true;
	for (int i = 0; i < UNITS_MAX && budget && !cs_pulse_look(cs_elf_pulse(elf)); i++) {
		if (dwarf_get_units(dw, cu, &cu, &version, &type, out, NULL))
			return false;
		if (type != DW_UT_type && !cs_dwarf_unit_fits((size_t)i, dwarf_dieoffset(out)))
			return false;
		if (cs_dwarf_holds(out, vaddr, &budget))
			return true;
	}
	return false;
}

/* libdw keeps a hundred bytes for each of a unit's rows, and a row may take a byte of the
 * file: such a table is not read where it is longer than any real one. */
static bool has_bearable_lines(Dwarf_Die *unit)
{
	Elf *elf = dwarf_getelf(dwarf_cu_getdwarf(unit->cu));
	Dwarf_Attribute attr;
	Dwarf_Word off;
	size_t names;

	if (!dwarf_attr(unit, DW_AT_stmt_list, &attr) || dwarf_formudata(&attr, &off) ||
	    elf_getshdrstrndx(elf, &names))
		return false;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
		Elf_Data *data;

		if (!name || (strcmp(name, ".debug_line") && strcmp(name, ".zdebug_line")))
			continue;
		data = elf_rawdata(scn, NULL);
		/* the 64-bit form begins with all ones */
		return data && data->d_buf && data->d_size >= 4 && off <= data->d_size - 4 &&
		       (cs_le32((unsigned char *)data->d_buf + off) <= LINES_LEN_MAX ||
			data->d_size <= LINES_LEN_MAX);
	}
	return false;
}

static void find_line(Dwarf_Die *unit, uint64_t vaddr, struct cs_dwarf_place *out)
{
	Dwarf_Line *line = has_bearable_lines(unit) ? dwarf_getsrc_die(unit, vaddr) : NULL;
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

enum { CHAIN_MAX = 128 };

/* The function at vaddr and the inlined ones inside of it, in this order; at most CHAIN_MAX,
 * the outer ones. */
static size_t find_chain(struct cs_elf *elf, Dwarf_Die *unit, uint64_t vaddr, Dwarf_Die *chain)
{
	struct cs_dwarf_walker *walker = cs_dwarf_walker_create(cs_elf_pulse(elf));
	uint64_t budget = CS_DWARF_RANGES;
	size_t count = 0, depth = 0; /* depth: of the innermost */
	struct cs_dwarf_entry e;
	struct cs_dwarf_walk walk;
	cs_status st = walker ? cs_dwarf_walk_init(&walk, walker, unit) : CS_NOMEM;

	while (!st && !(st = cs_dwarf_walk_next(&walk, &e)) && !cs_pulse_stops(cs_elf_pulse(elf))) {
		bool is_function = e.tag == DW_TAG_subprogram || e.tag == DW_TAG_inlined_subroutine;

		if (!e.depth || e.tag == DW_TAG_namespace || e.tag == DW_TAG_module ||
		    e.tag == DW_TAG_structure_type || e.tag == DW_TAG_class_type)
			continue;
		if (count && e.depth <= depth)
			break; /* past it */
		if ((!is_function && e.tag != DW_TAG_lexical_block) ||
		    !cs_dwarf_holds(e.die, vaddr, &budget)) {
			cs_dwarf_walk_skip(&walk, &e);
		} else if (is_function && count < CHAIN_MAX) {
			memcpy(&chain[count++], e.die, sizeof(*chain));
			depth = e.depth;
		}
	}
	cs_dwarf_walker_destroy(walker);
	return count;
}

size_t cs_dwarf_places(struct cs_elf *elf, uint64_t vaddr, struct cs_dwarf_place *out, size_t max)
{
	Dwarf *dw = cs_elf_dwarf(elf);
	struct cs_dwarf_place place = { NULL, NULL, 0 };
	Dwarf_Die unit, chain[CHAIN_MAX];
	size_t n = 0, count;

	if (!dw || !max || !find_unit(elf, dw, vaddr, &unit))
		return 0;
	find_line(&unit, vaddr, &place);
	count = find_chain(elf, &unit, vaddr, chain);
	while (count-- && n < max) {
		place.function = dwarf_diename(&chain[count]);
		out[n++] = place;
		if (dwarf_tag(&chain[count]) == DW_TAG_subprogram)
			break;
		place = (struct cs_dwarf_place){ NULL, NULL, 0 };
		find_call(&unit, &chain[count], &place);
	}
	if (!n && place.line)
		out[n++] = place;
	return n;
}
