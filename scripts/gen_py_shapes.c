/* gen_py_shapes.c - the shapes of one CPython version from the DWARF of its files.
 *
 *   gen-py-shapes MINOR ELF_FILE ...
 *
 * Prints a line for each entry of py_shape_list.inc whose struct is there:
 *   NUMBER <tab> NAMES <tab> SIZE { <tab> LABEL HOLD OFFSET COUNT }
 * and "missing" on stderr for structs nobody knows. Development only; see
 * scripts/gen-py-shapes, which puts versions together.
 */
#include "image/dwarf_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 48, WANTS_MAX = 1 << 14 };

struct entry {
	int from, to;
	const char *names, *tags, *end, *members;
};
static const struct entry entries[] = {
#define S(from, to, names, tags, end, members) { from, to, names, tags, end, members },
#include "cpython/py_shape_list.inc"
};

static struct cs_dwarf_want wants[WANTS_MAX];
static int64_t values[WANTS_MAX];
static size_t want_count;

static size_t want(const char *tags, const char *path)
{
	wants[want_count] = (struct cs_dwarf_want){ tags, path, true, -1 };
	values[want_count] = -1;
	return want_count++;
}

struct member {
	char label[64], path[128];
	char hold;
	int count;
	size_t want;
};

static struct member parse(char *word)
{
	struct member m = { .hold = '+', .count = 1 };
	char *star = strchr(word, '*'), *is, *dot;

	if (*word == '-' || *word == '~' || *word == '@')
		m.hold = *word++;
	if (star) {
		*star = 0;
		m.count = atoi(star + 1);
	}
	is = strchr(word, '=');
	snprintf(m.path, sizeof(m.path), "%s", is ? is + 1 : word);
	if (is)
		*is = 0;
	dot = strrchr(word, '.');
	snprintf(m.label, sizeof(m.label), "%s", is || !dot ? word : dot + 1);
	return m;
}

static struct {
	size_t size, end;
	struct member members[PARTS_MAX];
	size_t count;
	int keeps_type;
} asked[sizeof(entries) / sizeof(entries[0])];

static void ask(size_t i)
{
	char *text = strdup(entries[i].members), *save = NULL;

	asked[i].size = want(entries[i].tags, "");
	asked[i].end = strchr("*", *entries[i].end) ? SIZE_MAX : want(entries[i].tags, entries[i].end);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct member m;

		if (!strcmp(w, "!type")) {
			asked[i].keeps_type = 1;
			continue;
		}
		m = parse(w);
		asked[i].members[asked[i].count] = m;
		asked[i].members[asked[i].count++].want =
			want(entries[i].tags, strdup(m.path));
	}
	free(text);
}

static void tell(size_t i)
{
	int64_t size = values[asked[i].size];

	if (asked[i].end != SIZE_MAX)
		size = values[asked[i].end];
	if (size < 0) {
		fprintf(stderr, "missing %s (%s)\n", entries[i].names, entries[i].tags);
		return;
	}
	printf("%zu\t%s\t%lld", i, entries[i].names, *entries[i].end == '*' ? 0 : (long long)size);
	if (asked[i].keeps_type)
		printf("\t- ! 0 0");
	for (size_t k = 0; k < asked[i].count; k++) {
		const struct member *m = &asked[i].members[k];

		if (values[m->want] >= 0)
			printf("\t%s %c %lld %d", m->label, m->hold, (long long)values[m->want], m->count);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	int minor = argc > 2 ? atoi(argv[1]) : 0;

	if (!minor)
		return fprintf(stderr, "usage: gen-py-shapes MINOR ELF_FILE ...\n"), 2;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].from <= minor && minor <= entries[i].to)
			ask(i);
	for (int f = 2; f < argc; f++) {
		struct cs_error err = { .text = "no DWARF" };
		struct cs_elf *elf;

		if (cs_elf_open(argv[f], &elf, &err) || cs_dwarf_members(elf, wants, want_count, &err)) {
			fprintf(stderr, "gen-py-shapes: %s: %s\n", argv[f], err.text);
			continue;
		}
		for (size_t i = 0; i < want_count; i++)
			if (wants[i].wanted && wants[i].value >= 0) {
				values[i] = wants[i].value;
				wants[i].wanted = false;
			}
		cs_elf_close(elf);
	}
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].from <= minor && minor <= entries[i].to)
			tell(i);
	return 0;
}
