/* elf_dwarf.h - libdw's view of one file; elf_file.c's own.
 *
 * Distributions compress debug data. What a file says they unpack to is believed only as
 * far as its bytes can bear (elf_dwarf.c): a small file never costs much memory.
 */
#ifndef CS_ELF_DWARF_H
#define CS_ELF_DWARF_H
#include "base/num.h"
#include "base/pulse.h"

struct cs_elf_dwarf;

/* fd: of a regular file, taken over in any case. NULL: no debug data or damaged ones, no
 * memory, or the pulse (borrowed, may be NULL) said stop. O(bytes of debug data). */
struct cs_elf_dwarf *cs_elf_dwarf_open(int fd, struct cs_pulse *pulse);
void cs_elf_dwarf_close(struct cs_elf_dwarf *d);

/* Would elfutils take no more memory for this file (an Elf *) than its bytes can bear?
 * O(sections + functions with unwind data). */
bool cs_elf_is_bearable(void *handle, uint64_t file_len);

/* Is a section packed? libelf unpacks in place, and dies where its memory cannot be written
 * (0.188 libelf/elf_compress.c, elf_compress). */
bool cs_elf_has_packed(void *handle);

void *cs_elf_dwarf_handle(const struct cs_elf_dwarf *d); /* a Dwarf * */
#endif
