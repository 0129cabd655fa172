/* sorted.h - places in arrays that are sorted by an unsigned member of 32 or 64 bits. */
#ifndef CS_SORTED_H
#define CS_SORTED_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cs_sorted_key { /* of an item: where it lies, its bytes, those of an item */
	size_t off, size, stride;
};

/* Use the macros below: all of the key is constant there, and folded. */
static inline size_t cs_sorted_upto(const void *items, size_t count, struct cs_sorted_key key,
				    uint64_t value)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *at = (const char *)items + mid * key.stride + key.off;
		uint64_t word;
		uint32_t half;

		if (key.size == sizeof(half)) {
			memcpy(&half, at, sizeof(half));
			word = half;
		} else {
			memcpy(&word, at, sizeof(word));
		}
		if (word <= value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

#define CS_SORTED_KEY(items, member)                                                               \
	((struct cs_sorted_key){offsetof(__typeof__(*(items)), member), sizeof((items)->member),   \
				sizeof(*(items))})

/* How many items have a member of at most `value`: the last of them is the one before. */
#define CS_UPTO(items, count, member, value)                                                       \
	cs_sorted_upto(items, count, CS_SORTED_KEY(items, member), value)

/* How many have one below `value`: the next is the first that has not. */
#define CS_BELOW(items, count, member, value)                                                      \
	((value) ? CS_UPTO(items, count, member, (value)-1) : 0)
#endif
