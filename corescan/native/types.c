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
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

enum { LEVELS = 32 };

/* Where in a name one is: in which brackets, which argument, behind how many stars. */
struct spot {
	unsigned level, commas[LEVELS], stars[LEVELS];
};

static void move(struct spot *s, char c)
{
	if ((c == '<' || c == '(') && s->level + 1 < LEVELS) {
		s->level++;
		s->commas[s->level] = s->stars[s->level] = 0;
	} else if ((c == '>' || c == ')') && s->level) {
		s->level--;
	} else if (c == ',') {
		s->commas[s->level]++;
		s->stars[s->level] = 0;
	} else if (c == '*' || c == '&') {
		s->stars[s->level]++;
	}
}

/* Words that compilers put where they like: "long unsigned int", "unsigned long". Names are
 * asked at every letter: the first one decides. */
static unsigned loose_word(const char *name, size_t *len)
{
	static const struct {
		const char *text;
		size_t len;
	} words[] = {{"const", 5}, {"long", 4}, {"short", 5}, {"unsigned", 8}, {"int", 3}};
	unsigned nr;

	switch (*name) {
	case 'c':
		nr = 0;
		break;
	case 'l':
		nr = 1;
		break;
	case 's':
		nr = 2;
		break;
	case 'u':
		nr = 3;
		break;
	case 'i':
		nr = 4;
		break;
	default:
		return 0;
	}
	*len = words[nr].len;
	return !strncmp(name, words[nr].text, *len) && !is_word(name[*len]) ? nr + 1 : 0;
}

static uint64_t mixed(unsigned word, const struct spot *s)
{
	uint64_t x =
		((word * 64ull + s->level) << 32 ^ s->commas[s->level]) << 16 ^ s->stars[s->level];

	x *= 0xff51afd7ed558ccdull;
	return (x ^ x >> 31) * 0xc4ceb9fe1a85ec53ull;
}

enum { WORD_CONST = 1, WORD_INT = 5 };

/* FNV-1a, without blanks that tell no words apart and without the u, l, ul of numbers. Loose
 * words count by their argument, not by their place; "int" not behind another of them. */
uint64_t nt_name_key(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull, loose = 0;
	struct spot spot = {.level = 0};
	bool in_number = false, behind_loose = false;
	unsigned word;
	char last = 0;
	size_t len;

	for (; *name; name++) {
		char c = *name;

		if (c == ' ' &&
		    (!(is_word(last) && is_word(name[1])) || loose_word(name + 1, &len)))
			continue;
		word = is_word(last) && c != ' ' && name[-1] != ' ' ? 0 : loose_word(name, &len);
		if (word) {
			if (word != WORD_INT || !behind_loose)
				loose += mixed(word, &spot);
			behind_loose = word != WORD_CONST;
			name += len - 1;
			continue;
		}
		behind_loose = false;
		if (in_number && (c == 'u' || c == 'l'))
			continue;
		in_number = c >= '0' && c <= '9' && (in_number || !is_word(last));
		move(&spot, c);
		h = (h ^ (unsigned char)c) * 0x100000001b3ull;
		last = c;
	}
	return (h ^ loose) | 1;
}
