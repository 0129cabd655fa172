/* dwarf FILE... - what the index of debug data costs, against libdw's bare walk over all
 * entries of the same file in the same run; `make bench-dwarf FILE=...` calls this.
 *
 * Both begin with sections that are unpacked already. Seconds are CPU seconds of all
 * threads. Exit status 1: more than MUST times as much. */
#include "image/elf_file.h"
#include "native/dwarf.h"

#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const double must = 2.5;

static double seconds(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu(void)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* MiB of the process's own memory, now. */
static double private_memory(void)
{
	FILE *in = fopen("/proc/self/status", "r");
	char line[128];
	long kb = 0;

	while (in && fgets(line, sizeof(line), in))
		if (!strncmp(line, "RssAnon:", 8))
			kb = strtol(line + 8, NULL, 10);
	if (in)
		fclose(in);
	return (double)kb / 1024;
}

static uint64_t walk_unit(Dwarf_Die *unit)
{
	enum { DEPTH = 256 };
	Dwarf_Die stack[DEPTH];
	uint64_t entries = 1;
	size_t depth = 0;

	if (dwarf_child(unit, &stack[0]))
		return entries;
	for (;;) {
		entries++;
		if (depth + 1 < DEPTH && !dwarf_child(&stack[depth], &stack[depth + 1])) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&stack[depth], &stack[depth]))
			if (!depth--)
				return entries;
	}
}

static uint64_t walk_all(Dwarf *dw)
{
	uint64_t entries = 0;
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Die die;
	uint8_t type;

	while (!dwarf_get_units(dw, cu, &cu, &version, &type, &die, NULL))
		entries += walk_unit(&die);
	return entries;
}

/* The file as the only module of a process. */
static int measure(const char *path)
{
	struct cs_model model = {.anomaly_count = 0};
	struct cs_module module = {.path = path, .is_exe = true};
	struct cs_image image = {.modules = {&module, 1, 1}};
	struct cs_native native = {.image = &image, .model = &model};
	struct cs_error err = {.text = ""};
	double start, bare, index, wall, before;
	uint64_t entries, size = 0, addr;
	Dwarf *dw;

	if (cs_elf_open(path, &module.elf, &err)) {
		fprintf(stderr, "bench: %s\n", err.text);
		return 2;
	}
	cs_ignore(cs_elf_section(module.elf, ".debug_info", &addr, &size), "0 then");
	start = cpu();
	dw = cs_elf_dwarf(module.elf);
	if (!dw) {
		fprintf(stderr, "bench: %s: no debug data\n", path);
		return 2;
	}
	printf("%s\n  unpacked in %.2f s, %.0f MiB\n", path, cpu() - start, private_memory());
	start = cpu();
	entries = walk_all(dw);
	bare = cpu() - start;
	before = private_memory();
	start = cpu();
	wall = seconds(CLOCK_MONOTONIC);
	if (nt_dwarf_index(&native, &err)) {
		fprintf(stderr, "bench: %s\n", err.text);
		return 2;
	}
	index = cpu() - start;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("  bare walk %.3f s, %llu entries; index %.3f s (%.3f s on the clock), %.0f MiB, %zu "
	       "types, %zu variables\n  %-44s %8.2fx %7gx  %s\n",
	       bare, (unsigned long long)entries, index, wall, private_memory() - before,
	       native.dwarf->defs.count, native.dwarf->vars.count, "index / bare walk", index / bare,
	       must, index <= must * bare ? "ok" : "MISSED");
	nt_dwarf_free(&native);
	cs_elf_close(module.elf);
	cs_model_deinit(&model);
	return index > must * bare;
}

int main(int argc, char **argv)
{
	int bad = argc < 2;

	for (int i = 1; i < argc; i++)
		bad |= measure(argv[i]);
	return bad;
}
