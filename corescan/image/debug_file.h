/* debug_file.h - find the file with a module's debug data.
 *
 * The module's own file; what a debugger loaded; by build id in --debug-dir,
 * SYSROOT/usr/lib/debug, /usr/lib/debug: in each .build-id/xx/yyyy.debug,
 * .build-id/xx/yyyy, the same without .build-id/, and ID/debuginfo (a debuginfod
 * cache); by the name in .gnu_debuglink, beside the module's file, in its .debug/ and
 * below those directories; from debuginfod when that is on.
 *
 * Only a file of the module's build id is taken. A module without one takes what its
 * .gnu_debuglink names when the CRC there is the file's.
 *
 * What dwz moved to a file of its own (.gnu_debugaltlink) is looked for the same way, by
 * the build id in the link, and given to the file that needs it.
 */
#ifndef CS_DEBUG_FILE_H
#define CS_DEBUG_FILE_H
#include "image/elf_file.h"
#include "image/image.h"

/* The file that holds DWARF for the module: its own, or a separate one. CS_NOTFOUND; what
 * was met instead is in module->debug_refused. The result is owned by the caller when
 * *owned is true (close it), else by the module. Searched once a module; *owned is false
 * today. */
cs_status cs_debug_file(struct cs_module *module, const struct cs_image *image,
			struct cs_elf **out, bool *owned, struct cs_error *err);
#endif
