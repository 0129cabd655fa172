/* debug_file.h - find the ELF file (main or separate debug) that a build id names.
 *
 * Order: the module's own file, then --debug-dir, SYSROOT/usr/lib/debug,
 * /usr/lib/debug; in each .build-id/xx/yyyy.debug, .build-id/xx/yyyy, the same
 * without .build-id/, and ID/debuginfo (a debuginfod cache). Never the network.
 */
#ifndef CS_DEBUG_FILE_H
#define CS_DEBUG_FILE_H
#include "image/elf_file.h"
#include "image/image.h"

/* The file that holds DWARF for the module: its own, or the separate debug
 * file whose build id equals the module's. CS_NOTFOUND. The result is owned by
 * the caller when *owned is true (close it), else by the module. Searched once
 * a module; *owned is false today. */
cs_status cs_debug_file(struct cs_module *module, const struct cs_image *image,
			struct cs_elf **out, bool *owned, struct cs_error *err);
#endif
