/* code_elf.h - what of an ELF file is code: sections, functions, ways into other files.
 *
 * Invariants
 *  - Texts and pieces are sorted and disjoint; all pieces together are all texts.
 *  - Slots are sorted by address, stubs too.
 *  - Not more text than the file has bytes, whatever its headers say.
 */
#ifndef CS_CODE_ELF_H
#define CS_CODE_ELF_H
#include "base/num.h"
#include "base/vec.h"
#include "image/elf_file.h"

struct code_symbol { /* defined in the file, a function */
	uint64_t start, size;
	const char *name; /* not of a version: "malloc@..." ends there */
	size_t len;
	bool is_exported;
};

struct code_slot { /* a word of the GOT, which holds a function's address */
	uint64_t addr;
	const char *name;
	size_t len;
};

struct code_stub { /* of the PLT: jumps to what a slot holds */
	uint64_t addr;
	size_t slot;
};

struct code_piece {
	uint64_t start;
	uint32_t len;
	bool is_function; /* else a part of one, or what nobody describes */
};

struct code_elf {
	const struct cs_elf *elf, *debug;
	struct cs_pulse *pulse;
	CS_VEC(struct cs_range) texts;
	CS_VEC(struct cs_range) plts;
	CS_VEC(struct code_symbol) symbols; /* by start */
	CS_VEC(struct code_slot) slots;
	CS_VEC(struct code_stub) stubs;
	CS_VEC(struct code_piece) pieces;
	CS_VEC(uint64_t) entries; /* sorted: inside of pieces, where others jump to */
	bool no_memory;
};

enum { CODE_PIECES_MAX = 1 << 22, CODE_PIECE_LEN_MAX = 1 << 20 };

/* False: no memory, or told to stop. */
bool code_elf_init(struct code_elf *e, const struct cs_elf *elf, const struct cs_elf *debug,
		   struct cs_pulse *pulse);
void code_elf_deinit(struct code_elf *e);

/* Number of the piece that holds vaddr; SIZE_MAX: none does. O(log pieces). */
size_t code_elf_piece(const struct code_elf *e, uint64_t vaddr);
#endif
