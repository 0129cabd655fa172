/* dwarf_split.h - debug data that lie in other files than the one they belong to.
 *
 * -gsplit-dwarf leaves a skeleton of each unit, which names a .dwo file; dwz moves what
 * several files have in common to one. libdw opens both by itself, whatever they are: here
 * it is made sure that they are files, and said when they are not there.
 */
#ifndef CS_NATIVE_DWARF_SPLIT_H
#define CS_NATIVE_DWARF_SPLIT_H
#include "native/native_state.h"

struct cs_elf;

/* The unit in the .dwo file of a skeleton. False: it is not there, which is told. */
bool nt_split_unit(struct cs_native *n, const struct cs_elf *elf, const struct nt_die *skeleton,
		   struct nt_die *out);

/* Tell when this file's debug data lack what dwz moved away. */
void nt_tell_unshared(struct cs_native *n, const struct cs_elf *elf);
#endif
