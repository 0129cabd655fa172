#include "native/native_state.h"

uint32_t nt_type_add(struct cs_native *n, const struct nt_type *type)
{
	if (n->types.count >= NT_TYPES_MAX || !cs_vec_push(&n->types, *type)) {
		n->failed = n->types.count < NT_TYPES_MAX;
		return 0;
	}
	return (uint32_t)(n->types.count - 1);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* FNV-1a, without blanks that tell no words apart and without the u, l, ul of numbers. */
uint64_t nt_name_key(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;
	char last = 0;
	bool in_number = false;

	for (; *name; name++) {
		char c = *name;

		if (c == ' ' && !(is_word(last) && is_word(name[1])))
			continue;
		if (in_number && (c == 'u' || c == 'l'))
			continue;
		in_number = c >= '0' && c <= '9' && (in_number || !is_word(last));
		h = (h ^ (unsigned char)c) * 0x100000001b3ull;
		last = c;
	}
	return h | 1;
}
