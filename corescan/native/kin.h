/* kin.h - which structs begin with which, and the small numbers that tell them apart.
 *
 * C derives in two ways: a struct's first member is the base, or it repeats the base's
 * members (lua's CommonHeader). C++'s first base class is a first member too. Structs that
 * have a name only by typedef count, those of functions do not.
 *
 * The index is made when it is first asked for: 40 bytes for each first member and each
 * pair of first two names, of structs with different names.
 */
#ifndef CS_NATIVE_KIN_H
#define CS_NATIVE_KIN_H
#include "native/native_state.h"

enum { NT_KIN_MAX = 63, NT_TAGS_MAX = 8 };

struct nt_tag { /* a small integer inside a type */
	uint32_t bit, bits;
};

/* Types that begin with this one, other than itself, at any depth; borrowed until the next
 * call. None also when there are more than NT_KIN_MAX. */
const uint32_t *nt_derived(struct cs_native *n, uint32_t type, size_t *count);

/* Are all that begin with it known? */
static inline bool nt_has_family(struct cs_native *n, uint32_t type)
{
	size_t count;

	nt_derived(n, type, &count);
	return count > 0;
}

/* Its members that may tell which of the derived it is: at most 4 bytes each. */
size_t nt_tags(struct cs_native *n, uint32_t type, struct nt_tag tags[NT_TAGS_MAX]);

/* The one struct that ends in an open array of characters at this offset; 0: none, or more. */
uint32_t nt_text_header(struct cs_native *n, uint32_t off);

/* Structs with pointers for which malloc gives blocks of this length, at most `max`; when there
 * are more, none. */
size_t nt_of_class(struct cs_native *n, uint64_t len, uint32_t *types, size_t max);

/* Value of a tag of the thing at addr; false: it is not in the dump. */
bool nt_tag_value(struct cs_native *n, const struct nt_tag *tag, cs_addr addr, uint64_t *out);

/* Is this block as malloc makes it for a type, or with items of its own at the end? */
bool nt_fits_type(struct cs_native *n, uint32_t type, const struct cs_block *block);

void nt_kin_free(struct cs_native *n);
#endif
