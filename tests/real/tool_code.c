/* tool_code FILE [DEBUG-FILE]: the sites in an ELF file's code, one a line:
 * address, constant|dynamic|passed, size, call|jump, callee. Seconds on stderr. */
#include "code/code.h"

#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"constant", "dynamic", "passed"};
	const struct cs_code_site *sites;
	struct cs_code_input input = {0};
	struct cs_elf *elf = NULL, *debug = NULL;
	struct cs_code *code = NULL;
	struct cs_error err = {.text = ""};
	clock_t begin = clock();

	if (argc < 2 || cs_elf_open(argv[1], &elf, &err) ||
	    (argc > 2 && cs_elf_open(argv[2], &debug, &err))) {
		fprintf(stderr, "%s\n", err.text);
		cs_elf_close(elf);
		return 3;
	}
	input.elf = elf;
	input.debug = debug;
	if (cs_code_create(&input, 1, NULL, &code, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	fprintf(stderr, "%.3f s\n", (double)(clock() - begin) / CLOCKS_PER_SEC);
	for (size_t i = 0, n = cs_code_sites(code, &sites); i < n; i++)
		printf("%lx %s %lu %s %s\n", sites[i].vaddr, kinds[sites[i].kind], sites[i].size,
		       sites[i].is_jump ? "jump" : "call", sites[i].callee ? sites[i].callee : "-");
	cs_code_destroy(code);
	cs_elf_close(debug);
	cs_elf_close(elf);
	return 0;
}
