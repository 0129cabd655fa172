/* forge_core.h - write ELF cores of our own: right ones first, then broken on purpose.
 *
 * A forge collects notes and PT_LOADs and lays them out as the kernel does:
 * header, program headers (the PT_NOTE first), notes, then page-aligned bytes.
 * forge_build() gives the file's bytes, which a test may then spoil before
 * writing them. Everything fails the running test when it cannot be done.
 */
#ifndef FORGE_CORE_H
#define FORGE_CORE_H
#include "base/vec.h"
#include "image/image.h"
#include "mem/mem_core.h"

#include <elf.h>

struct forge_load {
	uint64_t vaddr, memsz, filesz;
	uint32_t flags;
	const unsigned char *bytes; /* borrowed; NULL: a pattern of the address */
};

struct forge_file { /* an entry of NT_FILE */
	uint64_t start, end, page_off;
	const char *path;
};

struct forge {
	CS_VEC(struct forge_load) loads;
	CS_VEC(unsigned char) notes;
};

void forge_load(struct forge *f, uint64_t vaddr, uint32_t flags, uint64_t filesz, uint64_t memsz);
void forge_load_bytes(struct forge *f, uint64_t vaddr, uint32_t flags, const void *bytes,
		      uint64_t filesz, uint64_t memsz);
void forge_note(struct forge *f, const char *owner, uint32_t type, const void *desc, size_t len);
void forge_thread(struct forge *f, int tid, uint64_t sp, int signal);
void forge_psinfo(struct forge *f, int pid, const char *args);
void forge_files(struct forge *f, const struct forge_file *files, size_t n);
void forge_auxv(struct forge *f, const uint64_t *pairs, size_t n);
void forge_deinit(struct forge *f);

/* What the pattern has at an address. */
unsigned char forge_pattern(uint64_t addr);

/* A small ordinary core: two threads, an anonymous mapping at FORGE_HEAP
 * (4 pages), a file mapping, one not dumped, a stack. */
#define FORGE_HEAP 0x10000000ull
#define FORGE_TEXT 0x400000ull
#define FORGE_STACK 0x7ffe00000000ull
void forge_ordinary(struct forge *f);

/* The file's bytes, malloc'ed. */
unsigned char *forge_build(const struct forge *f, size_t *len);

/* Program header nr of built bytes (0 is the PT_NOTE). */
Elf64_Phdr *forge_phdr(unsigned char *file, size_t nr);

/* Write bytes to a fresh temporary file; the name is good until the next call. */
const char *forge_write(const void *bytes, size_t len);

/* Write, open, remove. */
cs_status forge_open(const void *bytes, size_t len, struct cs_core **out, struct cs_error *err);
#endif
