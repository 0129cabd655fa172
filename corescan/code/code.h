/* code.h - where a program's code calls allocators, and with which sizes.
 *
 * Reads the machine code of ELF files (x86-64) and nothing of a process: it needs no
 * symbols and no debug data. Knows no heap and no block.
 *
 * Invariants
 *  - Every site is an instruction that calls, or jumps to, an allocator or a function that
 *    passes its own argument on to one; each is there once, sorted by file and address.
 *  - A size is told only when every way to the call that is seen leads to that size.
 *
 * Memory: 40 bytes a site; while a file is read 16 a function, 32 an instruction of the
 * function at hand.
 */
#ifndef CS_CODE_H
#define CS_CODE_H
#include "base/pulse.h"
#include "image/elf_file.h"

struct cs_code;

struct cs_code_input { /* a file of the process; borrowed */
	const struct cs_elf *elf;
	const struct cs_elf *debug; /* separate debug file, for symbols; NULL: none */
};

enum cs_code_kind {
	CS_CODE_CONSTANT, /* the size is always the same */
	CS_CODE_DYNAMIC,
	CS_CODE_PASSED /* inside an allocator or a wrapper: its callers are the sites */
};

struct cs_code_site {
	uint64_t vaddr;	    /* of the call, as the file has it */
	uint64_t size;	    /* bytes of malloc, when CONSTANT */
	uint64_t function;  /* where the code around it begins */
	const char *callee; /* a known name; NULL: a wrapper without one */
	uint32_t file;	    /* of the inputs */
	uint8_t len;	    /* bytes of the instruction */
	uint8_t kind;	    /* enum cs_code_kind */
	bool is_jump;	    /* a tail call */
	bool is_python;	    /* up to 512 bytes are CPython's own affair */
};

enum { CS_CODE_SITES_MAX = 1 << 20 };

/* Read the code of all files. CS_NOMEM, CS_STOPPED. Damaged files give fewer sites. Cost:
 * 5 ms a MiB of code, 1 us an instruction of functions that call allocators. */
cs_status cs_code_create(const struct cs_code_input *inputs, size_t count, struct cs_pulse *pulse,
			 struct cs_code **out, struct cs_error *err);
void cs_code_destroy(struct cs_code *code);

/* All sites; borrowed. */
size_t cs_code_sites(const struct cs_code *code, const struct cs_code_site **out);

/* Were there more sites or functions than are kept? */
bool cs_code_is_cut(const struct cs_code *code);
#endif
