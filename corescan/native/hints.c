/* Lines "field X.data is struct Y": the pointer `data` of X, void * or char * as a rule,
 * leads to a Y. Names as --by-type writes them, "struct" may be left out; # begins a
 * comment. The user's own file, yet bounded. */
#include "native/dwarf.h"

#include <errno.h>
#include <stdio.h>

enum { HINTS_MAX = 10000, LINE_LEN = 1024 };

struct hint {
	char type[LINE_LEN / 3], member[LINE_LEN / 3], is[LINE_LEN / 3];
};

struct nt_hints {
	CS_VEC(struct hint) items;
};

void nt_hints_free(struct nt_hints *hints)
{
	if (hints)
		cs_vec_free(&hints->items);
	free(hints);
}

/* A name without "struct " and the like, and without blanks around. */
static bool take_name(const char *from, const char *end, char *out, size_t cap)
{
	static const char *const words[] = {"struct ", "union ", "class "};

	while (from < end && *from == ' ')
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r'))
		end--;
	for (size_t i = 0; i < 3; i++)
		if ((size_t)(end - from) > strlen(words[i]) &&
		    !strncmp(from, words[i], strlen(words[i])))
			from += strlen(words[i]);
	if (from == end || (size_t)(end - from) >= cap)
		return false;
	memcpy(out, from, (size_t)(end - from));
	out[end - from] = 0;
	return true;
}

static bool parse(char *line, struct hint *h)
{
	const char *is, *dot = NULL;

	if (strncmp(line, "field ", 6))
		return false;
	is = strstr(line, " is ");
	for (const char *p = line; is && p < is; p++)
		if (*p == '.')
			dot = p;
	return is && dot && take_name(line + 6, dot, h->type, sizeof(h->type)) &&
	       take_name(dot + 1, is, h->member, sizeof(h->member)) &&
	       take_name(is + 4, is + strlen(is), h->is, sizeof(h->is));
}

static cs_status read_lines(struct nt_hints *hints, FILE *f, const char *path, struct cs_error *err)
{
	char line[LINE_LEN];
	struct hint h;

	for (unsigned nr = 1; fgets(line, sizeof(line), f); nr++) {
		char *text = line + strspn(line, " \t");

		if (!*text || *text == '#' || *text == '\n')
			continue;
		if (!parse(text, &h) || hints->items.count >= HINTS_MAX)
			return cs_fail(err, CS_USAGE, 0,
				       "%s: line %u is not \"field TYPE.MEMBER is TYPE\"", path,
				       nr);
		if (!cs_vec_push(&hints->items, h))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the hints");
	}
	return CS_OK;
}

cs_status nt_hints_read(const char *path, struct nt_hints **out, struct cs_error *err)
{
	FILE *f = fopen(path, "re");
	cs_status st;

	if (!f)
		return cs_fail_os(err, "%s", path);
	*out = calloc(1, sizeof(**out));
	st = *out ? read_lines(*out, f, path, err)
		  : cs_fail(err, CS_NOMEM, 0, "no memory for the hints");
	fclose(f);
	return st;
}

uint32_t nt_hint(struct cs_native *n, const char *type, const char *member)
{
	const struct nt_hints *hints = n->hints;
	char name[LINE_LEN];

	if (!hints || !take_name(type, type + strnlen(type, sizeof(name)), name, sizeof(name)))
		return 0;
	for (size_t i = 0; i < hints->items.count; i++) {
		const struct hint *h = &hints->items.items[i];

		if (!strcmp(h->member, member) && !strcmp(h->type, name))
			return nt_type_named(n, h->is);
	}
	return 0;
}
