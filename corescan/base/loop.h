/* loop.h - does a chain of the target lead back into itself? Brent's way: no memory.
 *
 * A chain that runs into a circle of n links is told after at most three times the
 * links before it and n together. All-zero is the beginning of a chain.
 */
#ifndef CS_LOOP_H
#define CS_LOOP_H
#include <stdbool.h>
#include <stdint.h>

struct cs_loop {
	uint64_t mark, steps, limit;
};

/* Asked once for each link, with its address (not 0). True: it was met before. */
static inline bool cs_loop_closes(struct cs_loop *loop, uint64_t addr)
{
	if (addr == loop->mark)
		return true;
	if (loop->steps++ == loop->limit) {
		loop->mark = addr;
		loop->limit = loop->limit * 2 + 1;
		loop->steps = 0;
	}
	return false;
}
#endif
