/* report_threads.c - what each thread was doing; asyncio's tasks and what they await.
 *
 * For people a stack is one text, `inner (file.py:3) < outer (file.py:9)`, where calls
 * that repeat are told once; with --verbose a line for each frame.
 */
#include "report/report_number.h"
#include "report/report_views.h"

#include <stdio.h>
#include <string.h>

enum {
	RETAINED_SHOWN = 64 << 10, /* bytes worth a word */
	HEAD_SHOWN = 9, TAIL_SHOWN = 2, /* of a stack's lines in short */
	SHORT_STACKS = 64, /* different stacks told apart on the default page */
	SHORT_BESIDE = 36, SHORT_LEAST = 44 /* columns beside a stack there, and of it */
};

#define TEXT(text) cs_cell_text(text)
#define ID(n) cs_cell_number(CS_CELL_ID, n)
#define NUMBER(n) cs_cell_number(CS_CELL_SIZE, n)

static const struct cs_column local_columns[] = {
	{ "name", NULL, CS_CELL_TEXT, 0 }, { "value", NULL, CS_CELL_TEXT, 0 }, { 0 }
};

static const struct cs_column frame_columns[] = {
	{ "function", NULL, CS_CELL_TEXT, 0 }, { "file", NULL, CS_CELL_TEXT, 0 },
	{ "line", NULL, CS_CELL_ID, 0 },       { 0 },
};
static const struct cs_column frame_local_columns[] = {
	{ "function", NULL, CS_CELL_TEXT, 0 }, { "file", NULL, CS_CELL_TEXT, 0 },
	{ "line", NULL, CS_CELL_ID, 0 },       { "locals", NULL, CS_CELL_LIST, 0 },
	{ 0 },
};
static const struct cs_column frame_retained_columns[] = {
	{ "function", NULL, CS_CELL_TEXT, 0 }, { "file", NULL, CS_CELL_TEXT, 0 },
	{ "line", NULL, CS_CELL_ID, 0 },       { "retained", NULL, CS_CELL_SIZE, 0 },
	{ 0 },
};
static const struct cs_column frame_all_columns[] = {
	{ "function", NULL, CS_CELL_TEXT, 0 }, { "file", NULL, CS_CELL_TEXT, 0 },
	{ "line", NULL, CS_CELL_ID, 0 },       { "locals", NULL, CS_CELL_LIST, 0 },
	{ "retained", NULL, CS_CELL_SIZE, 0 }, { 0 },
};
static const struct cs_column *const columns_of_frames[2][2] = { /* locals, retained */
	{ frame_columns, frame_retained_columns },
	{ frame_local_columns, frame_all_columns },
};

/* address and offset: of the program counter, the latter in the function, or in the
 * module where no function is known. */
static const struct cs_column native_columns[] = {
	{ "kind", NULL, CS_CELL_TEXT, 0 },     { "function", NULL, CS_CELL_TEXT, 0 },
	{ "file", NULL, CS_CELL_TEXT, 0 },     { "line", NULL, CS_CELL_ID, 0 },
	{ "module", NULL, CS_CELL_TEXT, 0 },   { "offset", NULL, CS_CELL_SIZE, 0 },
	{ "address", NULL, CS_CELL_TEXT, 0 },  { 0 },
};
enum { FRAME_COLUMNS = 3, NATIVE_COLUMNS = 7 };

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path;
}

/* "inner (file.py:3)"; of native frames without a source only the name. */
static const char *frame_words(struct cs_arena *arena, const struct cs_frame *f, bool is_whole)
{
	const char *file = is_whole ? f->file : base_name(f->file);
	const char *module = base_name(f->module);

	if (!f->function && module)
		return cs_arena_printf(arena, "%s+0x%" PRIx64, module, f->offset);
	if (!f->function && !f->file)
		return cs_arena_printf(arena, CS_ADDR, f->address);
	if (!file)
		return is_whole && module ? cs_arena_printf(arena, "%s [%s]", f->function, module) :
					    f->function;
	if (!f->line)
		return cs_arena_printf(arena, "%s (%s)", f->function ? f->function : "?", file);
	return cs_arena_printf(arena, "%s (%s:%u)", f->function ? f->function : "?", file, f->line);
}

/* One text of a stack's lines; what repeats is told once, what is long in part. */
static const char *in_short(struct cs_arena *arena, const char *lead, const char *const *lines,
			    size_t count)
{
	size_t same, told = 0, len = strlen(lead) + 64;
	char *text, *at;

	for (size_t i = 0; i < count && told < HEAD_SHOWN + TAIL_SHOWN; i += same, told++) {
		for (same = 1; i + same < count && !strcmp(lines[i], lines[i + same]);)
			same++;
		len += strlen(lines[i]) + 32;
	}
	for (size_t i = count < TAIL_SHOWN ? 0 : count - TAIL_SHOWN; i < count; i++)
		len += strlen(lines[i]) + 32;
	text = at = cs_arena_alloc(arena, len);
	if (!text)
		return NULL;
	at = stpcpy(at, lead);
	told = 0;
	for (size_t i = 0; i < count; i += same, told++) {
		for (same = 1; i + same < count && !strcmp(lines[i], lines[i + same]);)
			same++;
		if (told == HEAD_SHOWN && count - i > TAIL_SHOWN + same) {
			at += sprintf(at, " < (%zu more)", count - i - TAIL_SHOWN);
			same = count - i - TAIL_SHOWN;
			continue;
		}
		at = stpcpy(stpcpy(at, told ? " < " : ""), lines[i]);
		if (same > 1)
			at += sprintf(at, " (%zu times)", same);
	}
	return text;
}

/* A list's lines while they are being written. */
struct lines {
	const char **items;
	size_t count;
};

static bool lines_begin(struct cs_arena *arena, struct lines *lines, size_t most)
{
	lines->count = 0;
	lines->items = cs_arena_alloc(arena, most * sizeof(*lines->items) + 1);
	return lines->items;
}

static struct cs_cell local_list(struct cs_arena *arena, const struct cs_frame *f, bool no_values)
{
	struct cs_list *list = cs_arena_alloc(arena, sizeof(*list));
	struct cs_cell *cells = cs_arena_alloc(arena, f->local_count * 2 * sizeof(*cells) + 1);

	if (!list || !cells || no_values)
		return cs_cell_list(NULL, NULL);
	for (uint32_t i = 0; i < f->local_count; i++) {
		cells[2 * i] = TEXT(f->locals[i].name);
		cells[2 * i + 1] = TEXT(f->locals[i].value);
	}
	*list = (struct cs_list){ .columns = local_columns, .cells = cells,
				  .rows = f->local_count };
	return cs_cell_list(list, NULL);
}

/* What a view's lists are made with. */
struct maker {
	struct cs_arena *arena;
	struct cs_pulse *pulse;
	bool has_locals, has_retained, no_values, is_verbose;
};

static bool fill_python(const struct maker *m, const struct cs_stack *s, struct cs_cell *cells,
			struct lines *lines)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct cs_frame *f = &s->frames[i];
		const char *words = frame_words(m->arena, f, false);

		if (!words || cs_pulse_stops(m->pulse))
			return false;
		lines->items[lines->count++] = words;
		*cells++ = TEXT(f->function);
		*cells++ = TEXT(f->file);
		*cells++ = ID(f->line);
		if (m->has_locals)
			*cells++ = local_list(m->arena, f, m->no_values);
		if (m->has_retained)
			*cells++ = NUMBER(f->retained);
	}
	return true;
}

static bool fill_native(const struct maker *m, const char *kind, const struct cs_frame *f,
			struct cs_cell *cells)
{
	const char *address = cs_arena_printf(m->arena, CS_ADDR, f->address);

	cells[0] = TEXT(kind);
	cells[1] = TEXT(f->function);
	cells[2] = TEXT(f->file);
	cells[3] = ID(f->line);
	cells[4] = TEXT(f->module);
	cells[5] = NUMBER(f->offset);
	cells[6] = TEXT(address);
	return address;
}

static const char *native_kind(const struct cs_frame *f)
{
	return f->is_inlined ? "inlined" : "native";
}

static bool make_python(const struct maker *m, const struct cs_stack *s, struct cs_cell *out)
{
	size_t columns = FRAME_COLUMNS + (size_t)m->has_locals + (size_t)m->has_retained;
	struct cs_list *list = cs_arena_alloc(m->arena, sizeof(*list));
	struct cs_cell *cells = cs_arena_alloc(m->arena, s->count * columns * sizeof(*cells) + 1);
	struct lines lines;
	const char *text = "";

	if (!list || !cells || !lines_begin(m->arena, &lines, s->count) ||
	    !fill_python(m, s, cells, &lines))
		return false;
	if (s->count && !m->is_verbose)
		text = in_short(m->arena, "", lines.items, lines.count);
	*list = (struct cs_list){ .columns = columns_of_frames[m->has_locals][m->has_retained],
				  .cells = cells, .lines = lines.items, .rows = s->count,
				  .line_count = lines.count };
	*out = cs_cell_list(list, text);
	return text;
}

static bool make_native(const struct maker *m, const struct cs_stack *s, struct cs_cell *out)
{
	struct cs_list *list = cs_arena_alloc(m->arena, sizeof(*list));
	struct cs_cell *cells =
		cs_arena_alloc(m->arena, s->count * NATIVE_COLUMNS * sizeof(*cells) + 1);
	struct lines lines, calls;
	const char *text = "";

	if (!list || !cells || !lines_begin(m->arena, &lines, s->count) ||
	    !lines_begin(m->arena, &calls, s->count))
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct cs_frame *f = &s->frames[i];
		const char *words = f->function ? f->function : frame_words(m->arena, f, false);

		if (!words || cs_pulse_stops(m->pulse) ||
		    !fill_native(m, native_kind(f), f, cells + i * NATIVE_COLUMNS))
			return false;
		lines.items[lines.count++] = words;
		if (!f->is_inlined)
			calls.items[calls.count++] = words;
	}
	if (s->count && !m->is_verbose)
		text = in_short(m->arena, "native: ", calls.items, calls.count);
	*list = (struct cs_list){ .columns = native_columns, .cells = cells, .lines = lines.items,
				  .rows = s->count, .line_count = lines.count };
	*out = cs_cell_list(list, text);
	return text;
}

/* "  n = 3, name = 'abc'" under a frame. */
static const char *local_words(const struct maker *m, const struct cs_frame *f)
{
	char text[1024] = "         ";
	size_t used = strlen(text);

	for (uint32_t i = 0; i < f->local_count && used + 1 < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s = %s",
					 i ? ", " : "", f->locals[i].name, f->locals[i].value);
	return cs_arena_printf(m->arena, "%s", text);
}

/* A stack in calling order being made: a row and a line for each frame. */
struct mix {
	const struct maker *m;
	struct cs_cell *cells;
	size_t rows;
	struct lines lines;
};

static bool mix_frame(struct mix *mix, const char *kind, const struct cs_frame *f)
{
	const char *words = frame_words(mix->m->arena, f, true);
	char retained[CS_NUMBER_LEN] = "";

	if (f->retained >= RETAINED_SHOWN)
		cs_number_bytes(retained, f->retained, false);
	words = words ? cs_arena_printf(mix->m->arena, "%-7s  %s%s%s", kind, words,
					*retained ? "   its locals keep " : "", retained) : NULL;
	if (!words || cs_pulse_stops(mix->m->pulse) ||
	    !fill_native(mix->m, kind, f, mix->cells + mix->rows++ * NATIVE_COLUMNS))
		return false;
	mix->lines.items[mix->lines.count++] = words;
	if (!f->local_count || !mix->m->has_locals || mix->m->no_values)
		return true;
	words = local_words(mix->m, f);
	if (words)
		mix->lines.items[mix->lines.count++] = words;
	return words;
}

static bool mix_python(struct mix *mix, const struct cs_thread_row *t, uint32_t first,
		       uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		if (!mix_frame(mix, "python", &t->python.frames[i]))
			return false;
	return true;
}

static bool mix_all(struct mix *mix, const struct cs_thread_row *t)
{
	if (!t->is_merged && !mix_python(mix, t, 0, t->python.count))
		return false;
	for (uint32_t i = 0; i < t->native.count; i++) {
		const struct cs_frame *f = &t->native.frames[i];

		if (t->is_merged && f->python_count) {
			if (!mix_python(mix, t, f->python_first, f->python_count))
				return false;
			continue;
		}
		if (!mix_frame(mix, native_kind(f), f))
			return false;
	}
	return true;
}

/* Where the two cannot be merged, people get one after the other, JSON nothing. */
static bool make_stack(const struct maker *m, const struct cs_thread_row *t, struct cs_cell *out)
{
	size_t most = (size_t)t->native.count + t->python.count;
	struct cs_list *list = cs_arena_alloc(m->arena, sizeof(*list));
	struct mix mix = { .m = m };

	*out = cs_cell_list(NULL, NULL);
	if (!t->is_merged && !m->is_verbose)
		return true;
	mix.cells = cs_arena_alloc(m->arena, most * NATIVE_COLUMNS * sizeof(*mix.cells) + 1);
	if (!list || !mix.cells || !lines_begin(m->arena, &mix.lines, 2 * most) ||
	    !mix_all(&mix, t))
		return false;
	*list = (struct cs_list){ .columns = native_columns, .cells = mix.cells,
				  .lines = mix.lines.items, .rows = t->is_merged ? mix.rows : 0,
				  .line_count = mix.lines.count, .is_long = true };
	*out = cs_cell_list(list, m->is_verbose && mix.lines.count ? " " : NULL);
	return true;
}

/* Why stacks are not whole; NULL: they are. */
static const char *note_of(struct cs_arena *arena, const struct cs_thread_row *t)
{
	const char *python = t->python.ends, *native = t->native.ends;

	if (!python && !native)
		return NULL;
	return cs_arena_printf(arena, "%s%s%s%s%s", python ? "Python stack: " : "",
			       python ? python : "",
			       python && native ? "; " : "", native ? "native stack: " : "",
			       native ? native : "");
}

static const char *gil_words(enum cs_gil gil)
{
	static const char *const words[] = { [CS_GIL_UNKNOWN] = NULL, [CS_GIL_HOLDS] = "holds",
					     [CS_GIL_NONE] = "no" };

	return words[gil];
}

const struct cs_column cs_thread_columns[] = {
	{ "tid", NULL, CS_CELL_ID, CS_COL_WHOLE },
	{ "name", NULL, CS_CELL_TEXT, 0 },
	{ "gil", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "python", NULL, CS_CELL_LIST, CS_COL_BELOW },
	{ "native", NULL, CS_CELL_LIST, CS_COL_BELOW },
	{ "stack", NULL, CS_CELL_LIST, CS_COL_BELOW },
	{ "note", NULL, CS_CELL_TEXT, CS_COL_BELOW },
	{ 0 },
};

cs_status cs_build_threads(const struct cs_view_source *source, struct cs_table *table,
			   struct cs_error *err)
{
	const struct cs_threads *threads = &source->model->threads;
	const struct maker m = { &table->strings, table->pulse, threads->has_locals,
				 threads->has_retained, source->no_values, source->is_verbose };

	for (size_t i = 0; i < threads->rows.count; i++) {
		const struct cs_thread_row *t = &threads->rows.items[i];
		struct cs_cell cells[] = { ID((uint64_t)t->tid), TEXT(t->name),
					   TEXT(gil_words(t->gil)), TEXT(NULL), TEXT(NULL), TEXT(NULL),
					   TEXT(note_of(&table->strings, t)) };

		if (!make_python(&m, &t->python, &cells[3]) ||
		    !make_native(&m, &t->native, &cells[4]) ||
		    !make_stack(&m, t, &cells[5]) || !cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column short_columns[] = {
	{ "tid", NULL, CS_CELL_ID, CS_COL_WHOLE },
	{ "name", "", CS_CELL_TEXT, 0 },
	{ "stack", "", CS_CELL_TEXT, 0 },
	{ "note", "", CS_CELL_TEXT, CS_COL_WHOLE },
	{ 0 },
};

/* As many frames from the innermost on as a line has room for; at least one. */
static const char *short_stack(struct cs_arena *arena, const struct cs_thread_row *t, size_t room)
{
	const struct cs_stack *s = t->python.count ? &t->python : &t->native;
	const char *text = "";

	for (uint32_t i = 0; i < s->count && text; i++) {
		const struct cs_frame *f = &s->frames[i];
		const char *words = s == &t->native && f->function ? f->function :
								     frame_words(arena, f, false);

		if (f->is_inlined)
			continue;
		if (*text && words && strlen(text) + strlen(words) + strlen(" < ") > room)
			break;
		text = !words ? NULL :
				cs_arena_printf(arena, "%s%s%s", text, *text ? " < " : "", words);
	}
	return text;
}

static const char *short_note(struct cs_arena *arena, const struct cs_thread_row *t, size_t alike)
{
	if (alike)
		return cs_arena_printf(arena, "+ %zu alike", alike);
	return t->gil == CS_GIL_HOLDS ? "holds the GIL" : "";
}

/* Threads that stand at the same place. */
struct group {
	const char *stack;
	const struct cs_thread_row *first;
	size_t alike; /* beside the first */
};

struct groups {
	struct group items[SHORT_STACKS];
	size_t count;
};

/* Who holds the GIL is alone. */
static void add_to_group(struct groups *g, const struct cs_thread_row *t, const char *stack)
{
	for (size_t i = 0; t->gil != CS_GIL_HOLDS && i < g->count; i++)
		if (g->items[i].first->gil != CS_GIL_HOLDS && !strcmp(g->items[i].stack, stack)) {
			g->items[i].alike++;
			return;
		}
	if (g->count < SHORT_STACKS)
		g->items[g->count++] = (struct group){ stack, t, 0 };
}

static bool find_groups(const struct cs_view_source *source, struct cs_table *table, bool holds,
			struct groups *g)
{
	const struct cs_threads *threads = &source->model->threads;
	size_t room = SHORT_LEAST;

	if (source->width > SHORT_BESIDE + SHORT_LEAST)
		room = source->width - SHORT_BESIDE;
	for (size_t i = 0; i < threads->rows.count; i++) {
		const struct cs_thread_row *t = &threads->rows.items[i];
		const char *stack;

		if ((t->gil == CS_GIL_HOLDS) != holds)
			continue;
		stack = short_stack(&table->strings, t, room);
		if (!stack || cs_pulse_stops(table->pulse))
			return false;
		add_to_group(g, t, stack);
	}
	return true;
}

/* Who holds the GIL is told first; threads that wait at the same place as one. */
static cs_status build_short(const struct cs_view_source *source, struct cs_table *table,
			     struct cs_error *err)
{
	struct groups g = { .count = 0 };

	if (!find_groups(source, table, true, &g) || !find_groups(source, table, false, &g))
		return cs_build_fail(err);
	for (size_t i = 0; i < g.count; i++) {
		const struct cs_thread_row *t = g.items[i].first;
		struct cs_cell cells[] = { ID((uint64_t)t->tid), TEXT(t->name), TEXT(g.items[i].stack),
					   TEXT(short_note(&table->strings, t, g.items[i].alike)) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

const struct cs_view cs_view_threads_short = {
	.name = "threads-short", .title = "THREADS", .columns = short_columns, .build = build_short,
};

const struct cs_column cs_task_columns[] = {
	{ "name", NULL, CS_CELL_TEXT, 0 },
	{ "state", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "tid", "thread", CS_CELL_ID, CS_COL_SPARE },
	{ "waits_for", "waits for", CS_CELL_TEXT, 0 },
	{ "frames", NULL, CS_CELL_LIST, CS_COL_BELOW },
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_BELOW },
	{ "note", NULL, CS_CELL_TEXT, CS_COL_BELOW },
	{ 0 },
};

cs_status cs_build_tasks(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err)
{
	const struct cs_threads *threads = &source->model->threads;
	const struct maker m = { &table->strings, table->pulse, threads->has_locals,
				 threads->has_retained, source->no_values, false };

	for (size_t i = 0; i < threads->tasks.count; i++) {
		const struct cs_task_row *t = &threads->tasks.items[i];
		struct cs_cell cells[] = { TEXT(t->name), TEXT(t->state), ID((uint64_t)t->tid),
					   TEXT(t->waits_for), TEXT(NULL),
					   cs_cell_number(CS_CELL_ADDRESS, t->address),
					   TEXT(t->stack.ends) };

		if (!make_python(&m, &t->stack, &cells[4]) || !cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}
