/* num.h - numbers out of hostile bytes: little-endian loads, checked sums, ranges. */
#ifndef CS_NUM_H
#define CS_NUM_H
#include "base/error.h"

#include <string.h>

static inline uint16_t cs_le16(const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t cs_le32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t cs_le64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* *out = a + b (a * b); false, *out untouched, when it does not fit. */
static inline bool cs_add(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

static inline bool cs_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

/* Bitmaps: 64 numbers to a word, number 0 the lowest bit of the first. */
static inline bool cs_bit(const uint64_t *bits, uint64_t nr)
{
	return bits[nr / 64] >> nr % 64 & 1;
}

static inline void cs_bit_set(uint64_t *bits, uint64_t nr)
{
	bits[nr / 64] |= 1ull << nr % 64;
}

/* A function that counts bits all the time: compiled twice, since not every x86-64 has an
 * instruction for it; which one runs is decided when the program is loaded. */
#if defined(__x86_64__) && __has_attribute(target_clones) && !defined(__SANITIZE_THREAD__)
#define CS_COUNTS_BITS __attribute__((target_clones("popcnt", "default")))
#else
#define CS_COUNTS_BITS
#endif

/* How many bits are set. The compiler's own function is a call where there is no instruction;
 * of this it makes the instruction where it may. */
static inline uint32_t cs_count_bits(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (uint32_t)(v * 0x0101010101010101ull >> 56);
}

/* Start and length; never an end, which can overflow. */
struct cs_range {
	cs_addr start;
	uint64_t len;
};

/* Do the len bytes at a lie wholly inside r? */
static inline bool cs_range_has(struct cs_range r, cs_addr a, uint64_t len)
{
	return a >= r.start && len <= r.len && a - r.start <= r.len - len;
}

/* One past the last byte. Only for ranges that were checked when they were made. */
static inline cs_addr cs_range_end(struct cs_range r)
{
	return r.start + r.len;
}

static inline uint64_t cs_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t cs_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}
#endif
