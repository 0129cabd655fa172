/* debug_file.h - find the ELF file (main or separate debug) that a build id names.
 *
 * Order: under --debug-dir, then /usr/lib/debug: .build-id/xx/yyyy.debug and
 * xx/yyyy; under sysroot when one is given. Never the network.
 */
#ifndef CS_DEBUG_FILE_H
#define CS_DEBUG_FILE_H
#include "image/elf_file.h"
#include "image/image.h"

/* The file that holds DWARF for the module: its own, or the separate debug
 * file whose build id equals the module's. CS_NOTFOUND. The result is owned by
 * the caller when *owned is true (close it), else by the module. */
cs_status cs_debug_file(struct cs_module *module, const struct cs_image *image,
			struct cs_elf **out, bool *owned, struct cs_error *err);
#endif
