/* elf_functions.h - which function is at an address, by symbols.
 *
 * A name only where the symbol reaches: behind its size nobody is named. Of several
 * names for one place the plainest is taken: `poll`, not `__poll`.
 */
#ifndef CS_ELF_FUNCTIONS_H
#define CS_ELF_FUNCTIONS_H
#include "image/elf_file.h"

/* 24 bytes a function and 8 more while it is made. */
struct cs_elf_functions;

/* From a file's symbols, and of its separate debug file (NULL: none). Both must
 * outlive it. NULL: no memory. */
struct cs_elf_functions *cs_elf_functions_create(const struct cs_elf *elf, const struct cs_elf *debug);
void cs_elf_functions_destroy(struct cs_elf_functions *f);

/* The function that holds vaddr, an address of the file: its name (len bytes, not
 * NUL-terminated) and start. CS_NOTFOUND. O(log functions). */
cs_status cs_elf_functions_find(const struct cs_elf_functions *f, uint64_t vaddr, const char **name,
				size_t *len, uint64_t *start);
#endif
