/* report_sites.c - which line allocated how much, and what nobody recorded. */
#include "report/report_views.h"

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the report's rows");
}

#define TEXT(text) cs_cell_text(text)
#define COUNT(n) cs_cell_number(CS_CELL_COUNT, n)
#define BYTES(n) cs_cell_number(CS_CELL_BYTES, n)

/* As those of threads' stacks. */
static const struct cs_column frame_columns[] = {
	{ "function", NULL, CS_CELL_TEXT, 0 }, { "file", NULL, CS_CELL_TEXT, 0 },
	{ "line", NULL, CS_CELL_ID, 0 },       { 0 },
};
enum { FRAME_COLUMNS = 3 };

#define SITE_COLUMNS(sum)                                                   \
	{ "site", NULL, CS_CELL_TEXT, 0 },                                  \
	{ "function", NULL, CS_CELL_TEXT, CS_COL_SPARE },                   \
	{ "evidence", NULL, CS_CELL_TEXT, CS_COL_DATA },                    \
	{ "count", NULL, CS_CELL_COUNT, sum },                              \
	{ "requested", NULL, CS_CELL_BYTES, sum },                          \
	{ "bytes", NULL, CS_CELL_BYTES, (sum) | CS_COL_WEIGHT },            \
	{ "frames", NULL, CS_CELL_LIST, CS_COL_BELOW },                     \
	{ 0 },

const struct cs_column cs_site_columns[] = { SITE_COLUMNS(CS_COL_SUM) };

/* A trace counts at each of its frames: there is no sum. */
static const struct cs_column cumulative_columns[] = { SITE_COLUMNS(0) };

const struct cs_column *cs_site_columns_of(const struct cs_view_source *source,
					   struct cs_arena *arena)
{
	(void)arena;
	return source->is_cumulative ? cumulative_columns : cs_site_columns;
}

/* What rows share: cells and lines of each frame. */
struct maker {
	const struct cs_sites *sites;
	struct cs_table *table;
	struct cs_cell *cells;
	const char **lines, **places; /* "function (FILE:LINE)", "FILE:LINE" */
	enum cs_site_key key;
};

static bool make_frames(struct maker *m)
{
	const struct cs_sites *s = m->sites;
	struct cs_arena *arena = &m->table->strings;
	size_t n = s->frames.count;

	m->cells = cs_arena_alloc(arena, n * FRAME_COLUMNS * sizeof(*m->cells) + 1);
	m->lines = cs_arena_alloc(arena, n * sizeof(*m->lines) + 1);
	m->places = cs_arena_alloc(arena, n * sizeof(*m->places) + 1);
	for (size_t i = 0; m->cells && m->lines && m->places && i < n; i++) {
		const struct cs_site_frame *f = &s->frames.items[i];
		const char *file = s->files.items[f->file].name;
		struct cs_cell *cells = m->cells + i * FRAME_COLUMNS;

		cells[0] = TEXT(f->function);
		cells[1] = TEXT(file);
		cells[2] = cs_cell_number(CS_CELL_ID, f->line);
		m->places[i] = cs_arena_printf(arena, "%s:%u", file, f->line);
		m->lines[i] = f->function ? cs_arena_printf(arena, "%s (%s:%u)", f->function, file,
							    f->line) : m->places[i];
		if (!m->lines[i] || !m->places[i] || cs_pulse_stops(m->table->pulse))
			return false;
	}
	return m->cells && m->lines && m->places;
}

/* A traceback's frames, the most recent first; of a line only itself. */
static bool list_frames(struct maker *m, const uint32_t *nrs, size_t count, struct cs_cell *out)
{
	struct cs_list *list = cs_arena_alloc(&m->table->strings, sizeof(*list));

	if (!list)
		return false;
	*list = (struct cs_list){ .columns = frame_columns, .cells = m->cells, .lines = m->lines,
				  .rows = count, .line_count = count, .nrs = nrs, .is_long = true };
	*out = cs_cell_list(list, m->key == CS_SITE_TRACEBACK ? " " : NULL);
	return true;
}

static bool add_group(struct maker *m, const struct cs_site_group *g)
{
	const struct cs_sites *s = m->sites;
	struct cs_cell cells[] = { TEXT(NULL),	   TEXT(NULL),	      TEXT("tracemalloc"),
				   COUNT(g->count), BYTES(g->size), BYTES(g->bytes),
				   cs_cell_list(NULL, NULL) };
	const uint32_t *nrs = &g->nr;
	size_t count = 1;

	if (m->key == CS_SITE_FILE) {
		cells[0] = TEXT(s->files.items[g->nr].name);
		return cs_table_add(m->table, cells);
	}
	if (m->key == CS_SITE_TRACEBACK) {
		nrs = s->stack.items + s->tracebacks.items[g->nr].first;
		count = s->tracebacks.items[g->nr].count;
	} else {
		/* the group goes before the list does */
		uint32_t *copy = cs_arena_alloc(&m->table->strings, sizeof(*copy));

		if (!copy)
			return false;
		*copy = g->nr;
		nrs = copy;
	}
	cells[0] = TEXT(m->places[*nrs]);
	cells[1] = TEXT(s->frames.items[*nrs].function);
	return list_frames(m, nrs, count, &cells[6]) && cs_table_add(m->table, cells);
}

static bool add_rest(struct maker *m, const struct cs_model *model)
{
	static const char *const words[] = {
		[CS_SITES_UNKNOWN] = "(nothing tells where)",
		[CS_SITES_OFF] = "(tracemalloc was not on)",
		[CS_SITES_ON] = "(not recorded by tracemalloc)",
	};
	uint64_t blocks, bytes;

	cs_sites_used(model, &blocks, &bytes);
	blocks -= blocks < m->sites->blocks ? blocks : m->sites->blocks;
	bytes -= bytes < m->sites->bytes ? bytes : m->sites->bytes;

	struct cs_cell cells[] = { TEXT(words[m->sites->state]), TEXT(NULL), TEXT("none"),
				   COUNT(blocks), BYTES(0), BYTES(bytes),
				   cs_cell_list(NULL, NULL) };

	m->table->last_row = (uint32_t)cs_table_rows(m->table);
	return cs_table_add(m->table, cells);
}

cs_status cs_build_sites(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err)
{
	const struct cs_model *model = source->model;
	struct maker m = { .sites = &model->sites, .table = table, .key = source->site_key };
	struct cs_site_groups groups;
	cs_status st = cs_sites_group(&model->sites, m.key, source->is_cumulative, table->pulse,
				      &groups, err);

	if (!st && !make_frames(&m))
		st = no_memory(err);
	for (size_t i = 0; !st && i < groups.rows.count; i++)
		if (!add_group(&m, &groups.rows.items[i]))
			st = no_memory(err);
	if (!st && !add_rest(&m, model))
		st = no_memory(err);
	cs_vec_free(&groups.rows);
	return st;
}
