/* regs.h - a thread's general registers, as far as its source knows them.
 *
 * Numbered as DWARF does (System V ABI, AMD64 supplement, figure 3.36).
 */
#ifndef CS_REGS_H
#define CS_REGS_H
#include "base/num.h"

enum { CS_REG_SP = 7, CS_REG_PC = 16, CS_REGS = 17 };

struct cs_regs {
	uint64_t values[CS_REGS];
	uint32_t known; /* a bit for each */
};

static inline void cs_regs_set(struct cs_regs *regs, unsigned nr, uint64_t value)
{
	regs->values[nr] = value;
	regs->known |= 1u << nr;
}

/* Take all out of the kernel's struct user_regs_struct (sys/user.h), or an
 * NT_PRSTATUS's copy of it: at least CS_USER_REGS words of 8 bytes. */
enum { CS_USER_REGS = 27 };
static inline void cs_regs_of_user(struct cs_regs *regs, const unsigned char *user)
{
	static const unsigned char words[CS_REGS] = { 10, 12, 11, 5, 13, 14, 4,	 19, 9,
						      8,  7,  6,  3, 2,	 1,  0, 16 };

	for (unsigned i = 0; i < CS_REGS; i++)
		cs_regs_set(regs, i, cs_le64(user + 8 * words[i]));
}
#endif
