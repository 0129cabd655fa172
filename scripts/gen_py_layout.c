/* gen_py_layout.c - print one row of cpython_rows.inc from an interpreter's DWARF.
 *
 *   gen-py-layout NAME VERSION_HEX ELF_FILE...
 *
 * ELF_FILE is a libpython or interpreter with DWARF, or its separate debug file;
 * behind it extension modules for what it does not know. Development only; see
 * scripts/gen-py-layout.
 */
#include "cpython/py_fields.h"
#include "image/dwarf_types.h"

#include <stdio.h>
#include <stdlib.h>

const struct py_field_name names[PY_FIELD_COUNT] = {
#define PY_FIELD_NAME(name, tags, path) [PY_##name] = { #name, tags, path },
	PY_FIELDS(PY_FIELD_NAME)
};

/* What the file knows and those before it did not. */
static cs_status add_file(const char *path, struct cs_dwarf_want *all, struct cs_error *err)
{
	struct cs_dwarf_want wants[PY_FIELD_COUNT];
	struct cs_elf *elf;
	cs_status st = cs_elf_open(path, &elf, err);

	if (st)
		return st;
	for (int i = 0; i < PY_FIELD_COUNT; i++) {
		wants[i] = all[i];
		wants[i].wanted = all[i].value < 0;
	}
	st = cs_dwarf_members(elf, wants, PY_FIELD_COUNT, err);
	for (int i = 0; !st && i < PY_FIELD_COUNT; i++)
		if (wants[i].wanted)
			all[i].value = wants[i].value;
	cs_elf_close(elf);
	return st;
}

int main(int argc, char **argv)
{
	struct cs_dwarf_want wants[PY_FIELD_COUNT];
	struct cs_error err = { .text = "no DWARF" };

	if (argc < 4)
		return fprintf(stderr, "usage: gen-py-layout NAME VERSION_HEX ELF_FILE...\n"), 2;
	for (int i = 0; i < PY_FIELD_COUNT; i++)
		wants[i] = (struct cs_dwarf_want){ names[i].tags, names[i].path, true, -1 };
	for (int i = 3; i < argc; i++)
		if (add_file(argv[i], wants, &err))
			return fprintf(stderr, "gen-py-layout: %s: %s\n", argv[i], err.text), 1;
	printf("{ \"%s\", %s, {\n", argv[1], argv[2]);
	for (int i = 0; i < PY_FIELD_COUNT; i++)
		printf("\t[PY_%s] = %lld,\n", names[i].name, (long long)wants[i].value);
	printf("} },\n");
	return 0;
}
