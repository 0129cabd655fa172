/* made.h - what calls of allocators build, as debug data tell it.
 *
 * A type of its own is said by what the compiler put around the call: operator new inside
 * std::allocator<T>, a constructor right behind it of a class that is as big as what was
 * asked for, or a variable that begins to live in the register of the result.
 */
#ifndef CS_NATIVE_MADE_H
#define CS_NATIVE_MADE_H
#include "native/native.h"

struct cs_native_call {
	cs_addr addr, end; /* of the instruction, in memory */
	uint64_t size;	   /* bytes asked for */
	bool is_new;	   /* by operator new */
	uint8_t rank;	   /* of what says so; 0: nothing does */
	const char
		*type; /* its name, as in --by-type; lives as long as the model. NULL: not known */
};

/* Fill the types of calls that are sorted by addr; n may be NULL. CS_NOMEM, CS_STOPPED.
 * O(entries of the units with such calls). */
cs_status cs_native_made(struct cs_native *n, struct cs_native_call *calls, size_t count,
			 struct cs_error *err);
#endif
