/* tool_calls FILE: the calls of allocators that a file's debug data tell of (gcc's
 * DW_TAG_call_site), one a line: return address, size or -, name. Another way to the same
 * facts as corescan/code/, for comparing. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int reg; /* DWARF number of the size's */
} known[] = {{"malloc", 5},	     {"_Znwm", 5},	  {"_Znam", 5},
	     {"realloc", 4},	     {"PyMem_Malloc", 5}, {"PyObject_Malloc", 5},
	     {"PyMem_RawMalloc", 5}, {"aligned_alloc", 4}};

static int reg_of(const char *name)
{
	for (size_t i = 0; name && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, name))
			return known[i].reg;
	return -1;
}

static const char *origin_name(Dwarf_Die *site)
{
	Dwarf_Attribute attr, name;
	Dwarf_Die origin;

	if ((!dwarf_attr(site, DW_AT_call_origin, &attr) &&
	     !dwarf_attr(site, DW_AT_abstract_origin, &attr)) ||
	    !dwarf_formref_die(&attr, &origin))
		return NULL;
	if (dwarf_attr_integrate(&origin, DW_AT_linkage_name, &name))
		return dwarf_formstring(&name);
	return dwarf_attr_integrate(&origin, DW_AT_name, &name) ? dwarf_formstring(&name) : NULL;
}

/* A constant in the register; false: something else. */
static int constant_of(Dwarf_Die *site, int reg, unsigned long *out)
{
	Dwarf_Die child;
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_child(site, &child))
		return 0;
	do {
		if (!dwarf_attr(&child, DW_AT_location, &attr) ||
		    dwarf_getlocation(&attr, &ops, &n) || n != 1 || ops[0].atom != DW_OP_reg0 + reg)
			continue;
		if ((!dwarf_attr(&child, DW_AT_call_value, &attr) &&
		     !dwarf_attr(&child, DW_AT_GNU_call_site_value, &attr)) ||
		    dwarf_getlocation(&attr, &ops, &n) || n != 1)
			return 0;
		if (ops[0].atom >= DW_OP_lit0 && ops[0].atom <= DW_OP_lit31)
			*out = ops[0].atom - DW_OP_lit0;
		else if (ops[0].atom >= DW_OP_const1u && ops[0].atom <= DW_OP_consts)
			*out = ops[0].number;
		else
			return 0;
		return 1;
	} while (!dwarf_siblingof(&child, &child));
	return 0;
}

static void tell(Dwarf_Die *site)
{
	const char *name = origin_name(site);
	int reg = reg_of(name);
	Dwarf_Attribute attr;
	Dwarf_Addr pc;
	unsigned long n;

	if (reg < 0 ||
	    (!dwarf_attr(site, DW_AT_call_return_pc, &attr) &&
	     !dwarf_attr(site, DW_AT_low_pc, &attr)) ||
	    dwarf_formaddr(&attr, &pc) || pc < 0x1000)
		return;
	if (constant_of(site, reg, &n))
		printf("%lx %lu %s\n", (unsigned long)pc, n, name);
	else
		printf("%lx - %s\n", (unsigned long)pc, name);
}

static void walk(Dwarf_Die *die, int depth)
{
	Dwarf_Die child;

	if (depth > 100 || dwarf_child(die, &child))
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site)
			tell(&child);
		else
			walk(&child, depth + 1);
	} while (!dwarf_siblingof(&child, &child));
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	Dwarf *dw = dwarf_begin(fd, DWARF_C_READ);
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Die unit;
	uint8_t type;

	while (dw && !dwarf_get_units(dw, cu, &cu, &version, &type, &unit, NULL))
		walk(&unit, 0);
	dwarf_end(dw);
	return !dw;
}
