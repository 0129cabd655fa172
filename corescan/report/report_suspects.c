/* report_suspects.c - a sentence for each suspect, and the question that shows more of it. */
#include "report/report_suspects.h"

#include "report/report_number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MORE_NAMED = 6 }; /* suspects told in the last sentence */

static const char *const kinds[] = {
	[CS_SUSPECT_HOLDER] = "holder",	  [CS_SUSPECT_OBJECT] = "object",
	[CS_SUSPECT_GROUP] = "group",	  [CS_SUSPECT_GARBAGE] = "garbage",
	[CS_SUSPECT_LEAKED] = "leaked",	  [CS_SUSPECT_FREE] = "free",
	[CS_SUSPECT_COPIES] = "copies",	  [CS_SUSPECT_ROOM] = "spare room",
};

const struct cs_column cs_suspect_columns[] = {
	{ "kind", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "name", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "type", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_WEIGHT },
	{ "percent", "%", CS_CELL_PERCENT, 0 },
	{ "count", NULL, CS_CELL_COUNT, 0 },
	{ "address", NULL, CS_CELL_ADDRESS, 0 },
	{ "sure", NULL, CS_CELL_TEXT, 0 },
	{ "text", NULL, CS_CELL_TEXT, CS_COL_BELOW },
	{ 0 },
};

/* What the sentences share. */
struct words {
	char bytes[CS_NUMBER_LEN * 2]; /* "612.1 MiB (57 %)" */
	char count[CS_NUMBER_LEN], parts[CS_NUMBER_LEN];
	char what[512]; /* "app.cache.SESSIONS, a dict of 412,000 entries," */
};

static const char *article(const char *type)
{
	const char *dot = strrchr(type, '.');
	char c = (char)tolower((unsigned char)(dot && dot[1] ? dot[1] : *type));

	return c && strchr("aeiou", c) ? "an" : "a";
}

/* A type's own name goes by itself; what has none is told by its address. */
static void name_words(const struct cs_suspect_row *r, struct words *w)
{
	const char *type = r->is_cache ? "functools.lru_cache without a maxsize" :
			   r->type && *r->type != '(' ? r->type : "block of memory";
	char of[CS_NUMBER_LEN + 24] = "", at[24] = "";

	if (r->count_of)
		snprintf(of, sizeof(of), " of %s %s", w->count, r->count_of);
	snprintf(at, sizeof(at), CS_ADDR, r->addr);
	if (r->name)
		snprintf(w->what, sizeof(w->what), "%.300s, %s %.120s%s,", r->name, article(type), type,
			 of);
	else
		snprintf(w->what, sizeof(w->what), "%s %.120s%s at %s", article(type), type, of, at);
}

static void make_words(const struct cs_suspect_row *r, uint64_t present, struct words *w)
{
	uint64_t percent = cs_number_percent(r->bytes, present);
	char bytes[CS_NUMBER_LEN];

	cs_number_bytes(bytes, r->bytes, false);
	snprintf(w->bytes, sizeof(w->bytes), "%s (%" PRIu64 " %%)", bytes, (percent + 500) / 1000);
	cs_number_count(w->count, r->count);
	cs_number_count(w->parts, r->parts_count);
	name_words(r, w);
}

/* "Its values are Order." and what else helps to find the line of code. */
static const char *second(const struct cs_suspect_row *r, const struct words *w,
			  struct cs_arena *arena)
{
	const char *parts = "", *local = "";

	if (r->is_chain)
		parts = " There a linked list, or a tree, of its kind begins.";
	else if (r->parts && r->parts_count == 1)
		parts = cs_arena_printf(arena, " Most of it is one %s.", r->parts);
	else if (r->parts)
		parts = cs_arena_printf(arena, " %s: %s %s, which nothing else holds.",
					r->is_mixed ? "Most in it" : "Most of it", w->parts, r->parts);
	if (r->is_local && r->tid)
		local = cs_arena_printf(arena, " It goes when that function returns, in thread %" PRId64 ".",
					r->tid);
	else if (r->is_local)
		local = " It goes when that function returns.";
	return parts && local ? cs_arena_printf(arena, "%s%s", parts, local) : NULL;
}

static const char *of_free(const struct cs_suspect_row *r, const struct words *w,
			   struct cs_arena *arena)
{
	return cs_arena_printf(arena, "%s is free inside the heaps of %s and was not given back.",
			       w->bytes, r->type);
}

static const char *of_copies(const struct cs_suspect_row *r, const struct words *w,
			     struct cs_arena *arena)
{
	return cs_arena_printf(arena, "%s strings say what others say already: %s. The text that wastes most%s%s is there %s times.",
			       w->count, w->bytes, r->parts ? ", " : "",
			       r->parts ? cs_arena_printf(arena, "%s,", r->parts) : "", w->parts);
}

static const char *of_room(const struct cs_suspect_row *r, const struct words *w,
			   struct cs_arena *arena)
{
	char most[CS_NUMBER_LEN];

	cs_number_bytes(most, r->parts_count, false);
	return cs_arena_printf(arena, "%s container%s ha%s room for much more than %s hold%s: %s unused, %s of it in %.*s.",
			       w->count, r->count == 1 ? "" : "s", r->count == 1 ? "s" : "ve",
			       r->count == 1 ? "it" : "they", r->count == 1 ? "s" : "", w->bytes, most,
			       (int)(strlen(w->what) - (r->name != NULL)), w->what);
}

const char *cs_suspect_text(const struct cs_suspect_row *r, uint64_t present, struct cs_arena *arena)
{
	const char *more, *seems = r->is_guess ? "It seems that " : "";
	struct words w;

	make_words(r, present, &w);
	more = second(r, &w, arena);
	switch (r->kind) {
	case CS_SUSPECT_HOLDER:
		return cs_arena_printf(arena, "%s%s keeps %s alive.%s", seems, w.what, w.bytes, more);
	case CS_SUSPECT_OBJECT:
		return cs_arena_printf(arena, "%s%s has %s in itself.%s", seems, w.what, w.bytes, more);
	case CS_SUSPECT_GROUP:
		return cs_arena_printf(arena, "%s %s have %s; each is held from more than one place%s%s%s%s.",
				       w.count, r->type, w.bytes, r->name ? ", such as " : "",
				       r->name ? r->name : "", r->also ? " and " : "",
				       r->also ? r->also : "");
	case CS_SUSPECT_GARBAGE:
		return cs_arena_printf(arena, "%s objects are garbage that only holds itself and was not collected: %s, most of it %s %s.",
				       w.count, w.bytes, w.parts, r->parts);
	case CS_SUSPECT_LEAKED:
		return cs_arena_printf(arena, "Nothing points to %s blocks any more that were never given back: %s leaked.",
				       w.count, w.bytes);
	case CS_SUSPECT_FREE:
		return of_free(r, &w, arena);
	case CS_SUSPECT_COPIES:
		return of_copies(r, &w, arena);
	case CS_SUSPECT_ROOM:
		return of_room(r, &w, arena);
	}
	return NULL;
}

/* A class of the program says where to look; a builtin's instances are everywhere. */
static bool is_telling(const char *type)
{
	return type && strchr(type, '.') && !strchr(type, ' ') && *type != '(';
}

const char *cs_suspect_option(const struct cs_suspect_row *r, struct cs_arena *arena)
{
	switch (r->kind) {
	case CS_SUSPECT_HOLDER:
	case CS_SUSPECT_OBJECT:
		if (is_telling(r->parts))
			return cs_arena_printf(arena, "--why %s", r->parts);
		return cs_arena_printf(arena, "--why " CS_ADDR, r->addr);
	case CS_SUSPECT_GROUP:
		if (is_telling(r->type))
			return cs_arena_printf(arena, "--why %s", r->type);
		return cs_arena_printf(arena, "--why " CS_ADDR, r->addr);
	case CS_SUSPECT_GARBAGE:
	case CS_SUSPECT_LEAKED:
		return "--leaks";
	case CS_SUSPECT_FREE:
		return "--arenas";
	case CS_SUSPECT_COPIES:
	case CS_SUSPECT_ROOM:
		return cs_arena_printf(arena, "--object " CS_ADDR, r->addr);
	}
	return NULL;
}

const char *cs_suspects_rest(const struct cs_suspect_row *rows, size_t count, struct cs_arena *arena)
{
	const char *text = NULL;

	for (size_t i = 0; i < count && i < MORE_NAMED; i++) {
		const char *name = rows[i].name ? rows[i].name : kinds[rows[i].kind];
		char bytes[CS_NUMBER_LEN];

		cs_number_bytes(bytes, rows[i].bytes, false);
		text = text ? cs_arena_printf(arena, "%s; %s %s", text, name, bytes) :
			      cs_arena_printf(arena, "Then %s %s", name, bytes);
		if (!text)
			return NULL;
	}
	if (count > MORE_NAMED)
		return cs_arena_printf(arena, "%s; and %zu more.", text, count - MORE_NAMED);
	return text ? cs_arena_printf(arena, "%s.", text) : NULL;
}

cs_status cs_build_suspects(const struct cs_view_source *source, struct cs_table *table,
			    struct cs_error *err)
{
	uint64_t present = source->model->target.present;

	table->whole = present;
	for (size_t i = 0; source->answer && i < source->answer->suspects.count; i++) {
		const struct cs_suspect_row *r = &source->answer->suspects.items[i];
		const char *text = cs_suspect_text(r, present, &table->strings);
		struct cs_cell cells[] = {
			cs_cell_text(kinds[r->kind]), cs_cell_text(r->name), cs_cell_text(r->type),
			cs_cell_number(CS_CELL_BYTES, r->bytes),
			cs_cell_number(CS_CELL_PERCENT, cs_number_percent(r->bytes, present)),
			cs_cell_number(CS_CELL_COUNT, r->count),
			cs_cell_number(CS_CELL_ADDRESS, r->addr),
			cs_cell_text(r->is_guess ? "no" : "yes"), cs_cell_text(text),
		};

		if (!text || !cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}
