/* elfutils 0.188 libdw/libdw_find_split_unit.c: the .dwo file is looked for beside the file
 * with the skeleton, then in the folder the compiler ran in. .dwp files, which hold many, are
 * read since 0.191. */
#include "native/dwarf_split.h"
#include "image/elf_file.h"
#include "native/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/version.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { ID_MAX = 64, TEXT_MAX = 2 * PATH_MAX };

static const char *text_of(Dwarf_Die *die, unsigned one, unsigned other)
{
	Dwarf_Attribute attr;

	if (!dwarf_attr(die, one, &attr) && !dwarf_attr(die, other, &attr))
		return NULL;
	return dwarf_formstring(&attr);
}

/* The folder of the file with the skeleton, as libdw sees it: without symbolic links. */
static void folder_of(const struct cs_elf *elf, char *out)
{
	char *slash;

	if (!realpath(cs_elf_path(elf), out))
		*out = 0;
	slash = strrchr(out, '/');
	if (slash)
		slash[1] = 0;
}

/* What lies at folder + dir + name: a file, nothing, or what must not be opened. */
enum what { NOTHING, A_FILE, A_TRAP };

static enum what look_at(const char *folder, const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	const char *start = *name == '/' || (dir && *dir == '/') ? "" : folder;
	int n = snprintf(path, sizeof(path), "%s%s%s%s", start, dir ? dir : "", dir ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st))
		return NOTHING;
	return S_ISREG(st.st_mode) ? A_FILE : A_TRAP;
}

static bool has_package(const struct cs_elf *elf)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s.dwp", cs_elf_path(elf));

	return n > 0 && (size_t)n < sizeof(path) && !stat(path, &st);
}

static void tell_missing(struct cs_native *n, const struct cs_elf *elf, const char *name)
{
	char text[TEXT_MAX];

	if (has_package(elf))
		snprintf(text, sizeof(text),
			 "%.200s, which holds the debug data of a unit, is not there; %.200s.dwp, which "
			 "may, is read with elfutils 0.191 or later",
			 name, cs_elf_path(elf));
	else
		snprintf(text, sizeof(text),
			 "%.400s, which holds the debug data of a unit, is not where it was when the "
			 "program was built",
			 name);
	nt_trouble(n, text);
}

bool nt_split_unit(struct cs_native *n, const struct cs_elf *elf, const struct nt_die *skeleton,
		   struct nt_die *out)
{
	Dwarf_Die die, sub = {.addr = NULL};
	const char *name, *dir;
	char folder[PATH_MAX];
	enum what beside, built;

	memcpy(&die, skeleton, sizeof(die));
	name = text_of(&die, DW_AT_dwo_name, DW_AT_GNU_dwo_name);
	dir = text_of(&die, DW_AT_comp_dir, DW_AT_comp_dir);
	if (!name || !*name) {
		nt_trouble(n, "a unit of debug data does not say in which file it is");
		return false;
	}
	folder_of(elf, folder);
	beside = look_at(folder, NULL, name);
	built = dir ? look_at(folder, dir, name) : NOTHING;
	if (beside != A_TRAP && built != A_TRAP &&
	    (beside == A_FILE || built == A_FILE || _ELFUTILS_PREREQ(0, 191)))
		dwarf_cu_info(die.cu, NULL, NULL, NULL, &sub, NULL, NULL, NULL);
	if (!sub.addr)
		tell_missing(n, elf, name);
	memcpy(out, &sub, sizeof(sub));
	return sub.addr;
}

void nt_tell_unshared(struct cs_native *n, const struct cs_elf *elf)
{
	struct cs_elf_link link;
	char text[TEXT_MAX], id[2 * ID_MAX + 1] = "", *to = id;

	if (cs_elf_shared(elf) || !cs_elf_link(elf, ".gnu_debugaltlink", &link))
		return;
	for (size_t i = 0; i < link.rest_len && i < ID_MAX; i++)
		to += sprintf(to, "%02x", link.rest[i]);
	snprintf(text, sizeof(text),
		 "what dwz moved from the debug data of %.200s to %.200s (build id %s) is not there",
		 cs_elf_path(elf), link.name, id);
	nt_trouble(n, text);
}
