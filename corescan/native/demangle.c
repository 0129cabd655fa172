/* Itanium C++ ABI, 5.1 "External Names (a.k.a. Mangling)". Productions call each other as
 * they nest in the name, at most DEPTH_MAX deep: a bound of ours, not the target's. */
#include "native/demangle.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 48, SUBS_MAX = 256, TEXT_MAX = 1 << 14, STEPS_MAX = 1 << 14 };

struct piece {
	uint16_t at, len; /* in d->kept */
};

struct d {
	const char *p, *end;
	char *out;
	size_t len, cap;
	unsigned depth, steps;
	struct piece subs[SUBS_MAX];
	unsigned sub_count;
	size_t kept_len;
	char kept[TEXT_MAX];
};

static bool parse_type(struct d *d);
static bool parse_name(struct d *d);

static bool put(struct d *d, const char *text, size_t len)
{
	if (len >= d->cap - d->len)
		return false;
	memmove(d->out + d->len, text, len);
	d->len += len;
	d->out[d->len] = 0;
	return true;
}

static bool say(struct d *d, const char *text)
{
	return put(d, text, strlen(text));
}

/* Text in front of what was written from `at` on. */
static bool insert(struct d *d, size_t at, const char *text)
{
	size_t len = strlen(text), rest = d->len - at;

	if (len >= d->cap - d->len)
		return false;
	memmove(d->out + at + len, d->out + at, rest + 1);
	memcpy(d->out + at, text, len);
	d->len += len;
	return true;
}

static char peek(const struct d *d)
{
	return d->p < d->end ? *d->p : 0;
}

static bool take(struct d *d, char c)
{
	if (peek(d) != c)
		return false;
	d->p++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool number(struct d *d, size_t *out)
{
	size_t n = 0;

	if (!is_digit(peek(d)))
		return false;
	while (is_digit(peek(d))) {
		n = n * 10 + (size_t)(*d->p++ - '0');
		if (n > TEXT_MAX)
			return false;
	}
	*out = n;
	return true;
}

/* What was written from `at` on can be referred to later. */
static bool keep(struct d *d, size_t at)
{
	size_t len = d->len - at;

	if (d->sub_count == SUBS_MAX || len > TEXT_MAX - d->kept_len)
		return false;
	memcpy(d->kept + d->kept_len, d->out + at, len);
	d->subs[d->sub_count++] = (struct piece){(uint16_t)d->kept_len, (uint16_t)len};
	d->kept_len += len;
	return true;
}

static bool source_name(struct d *d)
{
	size_t len;

	if (!number(d, &len) || !len || len > (size_t)(d->end - d->p))
		return false;
	if (len > 10 && !memcmp(d->p, "_GLOBAL__N", 10)) {
		d->p += len;
		return say(d, "(anonymous namespace)");
	}
	if (!put(d, d->p, len))
		return false;
	d->p += len;
	return true;
}

/* S_, S0_, ... after the S. */
static bool substitution(struct d *d)
{
	size_t nr = 0;

	if (!take(d, '_')) {
		for (; peek(d) && peek(d) != '_'; d->p++) {
			char c = *d->p;

			if (nr > SUBS_MAX || !(is_digit(c) || (c >= 'A' && c <= 'Z')))
				return false;
			nr = nr * 36 + (size_t)(is_digit(c) ? c - '0' : c - 'A' + 10);
		}
		nr++;
		if (!take(d, '_'))
			return false;
	}
	return nr < d->sub_count && put(d, d->kept + d->subs[nr].at, d->subs[nr].len);
}

/* The abbreviations of the ABI after the S; false: it is none. */
static bool std_name(struct d *d)
{
	static const struct {
		char c;
		const char *name;
	} names[] = {
		{'t', "std"},
		{'a', "std::allocator"},
		{'b', "std::basic_string"},
		{'s', "std::basic_string<char, std::char_traits<char>, std::allocator<char> >"},
		{'i', "std::basic_istream<char, std::char_traits<char> >"},
		{'o', "std::basic_ostream<char, std::char_traits<char> >"},
		{'d', "std::basic_iostream<char, std::char_traits<char> >"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (take(d, names[i].c))
			return say(d, names[i].name);
	return false;
}

/* L <type> <value> E: numbers, bool, enumerators; (type)value like DWARF. */
static bool literal(struct d *d)
{
	static const char plain[] = "ilmjxystahb"; /* no (type) in front */
	char kind = peek(d);
	size_t at = d->len;

	if (take(d, '_')) /* a function or object */
		return false;
	if (!parse_type(d))
		return false;
	if (strchr(plain, kind)) {
		d->len = at;
		d->out[at] = 0;
	} else if (!insert(d, at, "(") || !say(d, ")")) {
		return false;
	}
	if (kind == 'b' && (peek(d) == '0' || peek(d) == '1')) {
		if (!say(d, *d->p++ == '1' ? "true" : "false"))
			return false;
		return take(d, 'E');
	}
	if (take(d, 'n') && !say(d, "-"))
		return false;
	while (is_digit(peek(d)))
		if (!put(d, d->p++, 1))
			return false;
	return take(d, 'E');
}

static bool template_arg(struct d *d)
{
	size_t at = d->len;

	if (take(d, 'L'))
		return literal(d);
	if (!take(d, 'J'))
		return parse_type(d);
	while (!take(d, 'E')) { /* a pack */
		if (d->len > at && !say(d, ", "))
			return false;
		if (!template_arg(d))
			return false;
	}
	return true;
}

/* I <arg>+ E */
static bool template_args(struct d *d)
{
	size_t first;

	if (++d->depth > DEPTH_MAX || !take(d, 'I') || !say(d, "<"))
		return false;
	first = d->len;
	while (!take(d, 'E')) {
		size_t before = d->len;

		if (++d->steps > STEPS_MAX || (before > first && !say(d, ", ")))
			return false;
		size_t at = d->len;

		if (!template_arg(d))
			return false;
		if (d->len == at) { /* an empty pack */
			d->len = before;
			d->out[before] = 0;
		}
	}
	d->depth--;
	return say(d, d->len && d->out[d->len - 1] == '>' ? " >" : ">");
}

/* Ul <types> E [nr] _ and Ut [nr] _ */
static bool unnamed(struct d *d)
{
	bool is_lambda = take(d, 'l');
	size_t nr = 0, first;

	if (!is_lambda && !take(d, 't'))
		return false;
	if (!say(d, is_lambda ? "{lambda(" : "{unnamed type"))
		return false;
	first = d->len;
	while (is_lambda && !take(d, 'E')) {
		if (d->len > first && !say(d, ", "))
			return false;
		if (peek(d) == 'v' ? !take(d, 'v') : !parse_type(d))
			return false;
	}
	if (is_digit(peek(d)) && number(d, &nr))
		nr++;
	char text[40];

	snprintf(text, sizeof(text), "%s#%zu}", is_lambda ? ")" : "", nr + 1);
	return take(d, '_') && say(d, text);
}

static bool unqualified(struct d *d)
{
	bool ok = take(d, 'U') ? unnamed(d) : source_name(d);

	while (ok && take(d, 'B')) { /* [abi:cxx11] */
		ok = say(d, "[abi:") && source_name(d) && say(d, "]");
	}
	return ok;
}

/* N [cv] <prefix>+ E */
static bool nested(struct d *d)
{
	size_t at = d->len;
	bool first = true;

	while (strchr("rVK", peek(d)) && peek(d))
		d->p++;
	for (; !take(d, 'E'); first = false) {
		bool is_new = true;

		if (++d->steps > STEPS_MAX)
			return false;
		if (peek(d) == 'I') {
			if (first || !template_args(d))
				return false;
		} else if (first && take(d, 'S')) {
			is_new = false;
			if (!std_name(d) && !substitution(d))
				return false;
		} else if ((!first && !say(d, "::")) || !unqualified(d)) {
			return false;
		}
		/* the whole is kept by who asked for it */
		if (is_new && peek(d) != 'E' && !keep(d, at))
			return false;
	}
	return !first;
}

/* Z <function> E <name> */
static bool local_name(struct d *d)
{
	size_t first, nr;

	if (!parse_name(d))
		return false;
	if (peek(d) != 'E') {
		if (!say(d, "("))
			return false;
		first = d->len;
		while (peek(d) && peek(d) != 'E') {
			if (d->len > first && !say(d, ", "))
				return false;
			if (peek(d) == 'v' ? !take(d, 'v') : !parse_type(d))
				return false;
		}
		if (!say(d, ")"))
			return false;
	}
	if (!take(d, 'E') || !say(d, "::"))
		return false;
	if (peek(d) == 'S' || peek(d) == 'd' || !parse_name(d))
		return false;
	if (take(d, '_')) { /* which of the same name */
		bool is_long = take(d, '_');

		if (!number(d, &nr) || (is_long && !take(d, '_')))
			return false;
	}
	return true;
}

/* A class or function name; what S.. alone said is no new substitution. */
static bool parse_name(struct d *d)
{
	size_t at = d->len;

	if (take(d, 'N'))
		return nested(d);
	if (take(d, 'Z'))
		return local_name(d);
	if (take(d, 'S')) {
		if (take(d, 't')) {
			if (!say(d, "std::") || !unqualified(d))
				return false;
			if (peek(d) == 'I' && !keep(d, at))
				return false;
		} else if (!std_name(d) && !substitution(d)) {
			return false;
		}
	} else {
		if (!unqualified(d) || (peek(d) == 'I' && !keep(d, at)))
			return false;
	}
	return peek(d) != 'I' || template_args(d);
}

static const char *builtin(char c)
{
	static const char *const names[26] = {
		['v' - 'a'] = "void",	     ['w' - 'a'] = "wchar_t",
		['b' - 'a'] = "bool",	     ['c' - 'a'] = "char",
		['a' - 'a'] = "signed char", ['h' - 'a'] = "unsigned char",
		['s' - 'a'] = "short",	     ['t' - 'a'] = "unsigned short",
		['i' - 'a'] = "int",	     ['j' - 'a'] = "unsigned int",
		['l' - 'a'] = "long",	     ['m' - 'a'] = "unsigned long",
		['x' - 'a'] = "long long",   ['y' - 'a'] = "unsigned long long",
		['n' - 'a'] = "__int128",    ['o' - 'a'] = "unsigned __int128",
		['f' - 'a'] = "float",	     ['d' - 'a'] = "double",
		['e' - 'a'] = "long double", ['g' - 'a'] = "__float128",
		['z' - 'a'] = "...",
	};

	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

static bool builtin_d(struct d *d)
{
	char c = peek(d);
	const char *name = c == 'n'   ? "decltype(nullptr)"
			   : c == 'i' ? "char32_t"
			   : c == 's' ? "char16_t"
			   : c == 'u' ? "char8_t"
			   : c == 'a' ? "auto"
				      : NULL;

	if (!name)
		return false;
	d->p++;
	return say(d, name);
}

/* F <result> <args> E; `mark` is "*" or "&" of a pointer to it, or "". */
static bool function(struct d *d, const char *mark)
{
	size_t first;

	take(d, 'Y');
	if (!parse_type(d) || !say(d, *mark ? " (" : " ") || !say(d, mark) ||
	    !say(d, *mark ? ")(" : "("))
		return false;
	first = d->len;
	while (!take(d, 'E')) {
		if (d->len > first && !say(d, ", "))
			return false;
		if (peek(d) == 'v' ? !take(d, 'v') : !parse_type(d))
			return false;
	}
	return say(d, ")");
}

static bool pointer(struct d *d, const char *mark)
{
	size_t at = d->len;

	if (take(d, 'F')) {
		/* the function itself counts too; nobody refers to it alone */
		if (!function(d, "") || !keep(d, at))
			return false;
		char *open = strchr(d->out + at, '(');

		if (!open)
			return false;
		return insert(d, (size_t)(open - d->out), *mark == '*' ? "(*)" : "(&)") &&
		       keep(d, at);
	}
	return parse_type(d) && say(d, mark) && keep(d, at);
}

/* K, V: before the name; behind a pointer's star. */
static bool qualified(struct d *d, const char *word)
{
	size_t at = d->len;
	char text[16], last;

	if (!parse_type(d))
		return false;
	last = d->len > at ? d->out[d->len - 1] : 0;
	snprintf(text, sizeof(text), last == '*' || last == '&' ? " %s" : "%s ", word);
	return (last == '*' || last == '&' ? say(d, text) : insert(d, at, text)) && keep(d, at);
}

static bool array(struct d *d)
{
	size_t at = d->len, n = 0;
	char text[40] = " []";

	if (is_digit(peek(d))) {
		if (!number(d, &n))
			return false;
		snprintf(text, sizeof(text), " [%zu]", n);
	}
	return take(d, '_') && parse_type(d) && say(d, text) && keep(d, at);
}

static bool type_here(struct d *d)
{
	size_t at = d->len;
	const char *name = builtin(peek(d));
	bool is_sub;

	if (name) {
		d->p++;
		return say(d, name);
	}
	if (take(d, 'D'))
		return builtin_d(d);
	if (take(d, 'P'))
		return pointer(d, "*");
	if (take(d, 'R'))
		return pointer(d, "&");
	if (take(d, 'O'))
		return pointer(d, "&&");
	if (take(d, 'K'))
		return qualified(d, "const");
	if (take(d, 'V'))
		return qualified(d, "volatile");
	if (take(d, 'A'))
		return array(d);
	if (take(d, 'F'))
		return function(d, "") && keep(d, at);
	/* a class; one that is a substitution already is none again */
	is_sub = peek(d) == 'S' && d->p + 1 < d->end && d->p[1] != 't';
	const char *from = d->p;

	if (!parse_name(d))
		return false;
	if (is_sub && memchr(from, 'I', (size_t)(d->p - from)) == NULL)
		return true;
	return keep(d, at);
}

static bool parse_type(struct d *d)
{
	bool ok = ++d->depth <= DEPTH_MAX && ++d->steps <= STEPS_MAX && type_here(d);

	d->depth--;
	return ok;
}

bool cs_demangle_type(const char *name, size_t len, char *out, size_t cap)
{
	struct d *d = len && cap > 1 ? calloc(1, sizeof(*d)) : NULL;
	bool ok;

	if (!d)
		return false;
	d->p = name;
	d->end = name + len;
	d->out = out;
	d->cap = cap;
	*out = 0;
	ok = parse_type(d) && d->p == d->end && d->len;
	free(d);
	return ok;
}
