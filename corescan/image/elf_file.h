/* elf_file.h - one ELF file on disk: build id, symbols, sections, relocations, DWARF.
 *
 * The only door to libelf and libdw. Files may be hostile: everything is
 * bounds-checked by libelf or here. Nothing of the process is known here;
 * addresses are the file's own (add a module's bias).
 */
#ifndef CS_ELF_FILE_H
#define CS_ELF_FILE_H
#include "base/num.h"
#include "base/pulse.h"

struct cs_elf;

/* Open an ELF file read-only (regular files only, never blocks).
 * CS_OS, CS_CORRUPT (not ELF), CS_UNSUPPORTED (not x86-64). */
cs_status cs_elf_open(const char *path, struct cs_elf **out, struct cs_error *err);

/* The same for what dwz takes out of several files, which is a relocatable one (ET_REL). */
cs_status cs_elf_open_shared(const char *path, struct cs_elf **out, struct cs_error *err);
void cs_elf_close(struct cs_elf *elf);

/* Searches of this file ask the pulse (borrowed, may be NULL) whether to go on;
 * those that shall not return CS_STOPPED. */
void cs_elf_listen(struct cs_elf *elf, struct cs_pulse *pulse);
struct cs_pulse *cs_elf_pulse(const struct cs_elf *elf);

const char *cs_elf_path(const struct cs_elf *elf);

/* GNU build id, borrowed; NULL when the file has none. */
const unsigned char *cs_elf_build_id(const struct cs_elf *elf, size_t *len);

/* The whole file's bytes, borrowed. */
const unsigned char *cs_elf_bytes(const struct cs_elf *elf, size_t *len);

/* ET_EXEC: lives at the addresses it names, bias 0. */
bool cs_elf_is_fixed(const struct cs_elf *elf);

/* A separate debug file: headers and DWARF, but not the bytes of the program. */
bool cs_elf_is_debug(const struct cs_elf *elf);

struct cs_elf_load { /* one PT_LOAD */
	uint64_t vaddr, filesz, memsz, off, align; /* align: a power of two */
	unsigned flags;
};
size_t cs_elf_loads(const struct cs_elf *elf, const struct cs_elf_load **out);

/* The file's own bytes at a virtual address of the file; NULL when they are
 * not in the file. */
const unsigned char *cs_elf_view(const struct cs_elf *elf, uint64_t vaddr, uint64_t len);

/* Defined symbol by exact name, or up to a '.' suffix (LTO's name.lto_priv.0)
 * or an '@' (a version), in .dynsym, then .symtab. Never a thread-local one.
 * CS_NOTFOUND. size may be NULL. O(symbols). */
cs_status cs_elf_symbol(const struct cs_elf *elf, const char *name, uint64_t *value, uint64_t *size);

/* The same for thread-local symbols; *off is from the start of the module's
 * TLS block (see cs_elf_tls). */
cs_status cs_elf_tls_symbol(const struct cs_elf *elf, const char *name, uint64_t *off,
			    uint64_t *size);

/* A symbol table, .dynsym or .symtab: Elf64_Sym after Elf64_Sym, and their names.
 * Borrowed; names NULL: there is none. A name may run past names_len. */
struct cs_elf_table {
	const unsigned char *syms, *names;
	size_t count, names_len;
};
struct cs_elf_table cs_elf_table(const struct cs_elf *elf, bool is_dynamic);

/* Section by name: virtual address and size. CS_NOTFOUND. */
cs_status cs_elf_section(const struct cs_elf *elf, const char *name, uint64_t *addr, uint64_t *size);

/* Call fn for every relative relocation (DT_RELA R_X86_64_RELATIVE and
 * DT_RELR): where it is applied and its addend. fn returns false to stop. CS_NOTFOUND: no tables. */
cs_status cs_elf_relatives(const struct cs_elf *elf,
			   bool (*fn)(uint64_t offset, uint64_t addend, void *ctx), void *ctx);

/* Alignment and size of PT_TLS; CS_NOTFOUND when there is none. */
cs_status cs_elf_tls(const struct cs_elf *elf, uint64_t *memsz, uint64_t *align);

/* A section that names another file: ".gnu_debuglink" (the separate debug file; after it,
 * aligned to 4, its CRC) or ".gnu_debugaltlink" (what dwz put into a file of its own; after it
 * that one's build id). */
struct cs_elf_link {
	const char *name; /* not empty; borrowed, like the rest */
	const unsigned char *rest;
	size_t rest_len;
};
bool cs_elf_link(const struct cs_elf *elf, const char *section, struct cs_elf_link *out);

/* The file that .gnu_debugaltlink names, taken over; before cs_elf_dwarf(). */
void cs_elf_share(struct cs_elf *elf, struct cs_elf *shared);
const struct cs_elf *cs_elf_shared(const struct cs_elf *elf); /* NULL: none */

/* May libdwfl have it, which takes as much memory as a file asks for? */
bool cs_elf_is_tame(const struct cs_elf *elf);

/* Are sections packed? Then libelf must not be given our bytes: it would write into them. */
bool cs_elf_is_packed(const struct cs_elf *elf);

/* A descriptor of the same file, the caller's; -1: another is there now, or none. */
int cs_elf_reopen(const struct cs_elf *elf);

/* Does this file itself have DWARF (.debug_info)? */
bool cs_elf_has_dwarf(const struct cs_elf *elf);

/* The libdw handle (a Dwarf *), opened on first use, or NULL; owned by elf.
 * void so that no header includes elfutils. */
void *cs_elf_dwarf(struct cs_elf *elf);
#endif
