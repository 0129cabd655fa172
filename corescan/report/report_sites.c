/* report_sites.c - which line allocated how much, and what nobody recorded. */
#include "report/report_views.h"

#include "report/report_number.h"

#include <string.h>

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

#define SITE_COLUMNS(sum, evidence, requested)                              \
	{ "site", NULL, CS_CELL_TEXT, 0 },                                  \
	{ "function", NULL, CS_CELL_TEXT, CS_COL_SPARE },                   \
	{ "evidence", NULL, CS_CELL_TEXT, evidence },                       \
	{ "count", NULL, CS_CELL_COUNT, sum },                              \
	{ "requested", NULL, CS_CELL_BYTES, (sum) | (requested) },          \
	{ "bytes", NULL, CS_CELL_BYTES, (sum) | CS_COL_WEIGHT },            \
	{ "frames", NULL, CS_CELL_LIST, CS_COL_BELOW }
#define CANDIDATES { "candidates", NULL, CS_CELL_LIST, CS_COL_BELOW }

const struct cs_column cs_site_columns[] = { SITE_COLUMNS(CS_COL_SUM, CS_COL_DATA, 0), { 0 } };

/* A trace counts at each of its frames: there is no sum. */
static const struct cs_column cumulative_columns[] = { SITE_COLUMNS(0, CS_COL_DATA, 0), { 0 } };

/* With what the code tells, which is not sure. */
static const struct cs_column made_columns[] = { SITE_COLUMNS(CS_COL_SUM, CS_COL_WHOLE, CS_COL_DATA),
						 CANDIDATES, { 0 } };
static const struct cs_column made_cumulative[] = { SITE_COLUMNS(0, CS_COL_WHOLE, CS_COL_DATA),
						    CANDIDATES, { 0 } };
/* What the code tells is the same for all. */
static const struct cs_column candidate_columns[] = {
	{ "site", NULL, CS_CELL_TEXT, 0 },
	{ "function", NULL, CS_CELL_TEXT, 0 },
	{ "size", NULL, CS_CELL_ID, 0 },
	{ 0 },
};
enum { CANDIDATE_COLUMNS = 3, NAMED = 3 /* for people */ };

static bool has_makers(const struct cs_view_source *source)
{
	return source->answer && source->answer->has_makers;
}

const struct cs_column *cs_site_columns_of(const struct cs_view_source *source,
					   struct cs_arena *arena)
{
	(void)arena;
	if (has_makers(source))
		return source->is_cumulative ? made_cumulative : made_columns;
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
				   cs_cell_list(NULL, NULL), cs_cell_list(NULL, NULL) };
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

/* --- what the code tells --- */

/* The places that fit: of a single one the row says all itself. */
static bool list_candidates(struct cs_table *table, const struct cs_maker_place *places,
			    const struct cs_maker_row *row, struct cs_cell *out)
{
	struct cs_list *list = cs_arena_alloc(&table->strings, sizeof(*list));
	size_t n = row->kept, named = n < NAMED ? n : NAMED, lines = named + (row->site_count > named);
	struct cs_cell *cells = cs_arena_alloc(&table->strings, n * CANDIDATE_COLUMNS * sizeof(*cells) + 1);
	const char **words = cs_arena_alloc(&table->strings, lines * sizeof(*words) + 1);

	if (!list || !cells || !words)
		return false;
	for (size_t i = 0; i < n; i++) {
		cells[i * CANDIDATE_COLUMNS] = TEXT(places[i].site);
		cells[i * CANDIDATE_COLUMNS + 1] = TEXT(places[i].function);
		cells[i * CANDIDATE_COLUMNS + 2] = cs_cell_number(CS_CELL_ID, places[i].size);
		if (i >= named)
			continue;
		words[i] = places[i].function ? cs_arena_printf(&table->strings, "%s (%s)",
								places[i].function, places[i].site) :
						places[i].site;
		if (!words[i])
			return false;
	}
	if (lines > named) {
		words[named] = cs_arena_printf(&table->strings, "and %" PRIu64 " more",
					       row->site_count - named);
		if (!words[named])
			return false;
	}
	*list = (struct cs_list){ .columns = candidate_columns, .cells = cells, .lines = words,
				  .rows = n, .line_count = lines, .is_long = true };
	*out = cs_cell_list(list, row->site_count > 1 && n ? " " : NULL);
	return true;
}

static const char *const evidence_words[] = { "candidate", "likely" };

static bool add_maker(struct cs_table *table, const struct cs_answer *answer,
		      const struct cs_maker_row *row)
{
	const struct cs_maker_place *places = answer->maker_places.items + row->first;
	const char *site = row->kept ? places[0].site : NULL;
	struct cs_cell cells[] = { TEXT(NULL),	      TEXT(row->kept ? places[0].function : NULL),
				   TEXT(evidence_words[row->is_likely]), COUNT(row->count),
				   BYTES(row->requested), BYTES(row->bytes),
				   cs_cell_list(NULL, NULL), cs_cell_list(NULL, NULL) };

	if (!row->kept)
		site = cs_arena_printf(&table->strings, "(one of %" PRIu64 " places)", row->site_count);
	else if (row->site_count > 1)
		site = cs_arena_printf(&table->strings, "%s + %" PRIu64 " more", site,
				       row->site_count - 1);
	cells[0] = TEXT(site);
	return site && list_candidates(table, places, row, &cells[7]) && cs_table_add(table, cells);
}

/* Blocks and bytes of each evidence; together they are all in use. */
enum evidence { RECORDED, LIKELY, CANDIDATE, NONE, EVIDENCES };

struct share {
	uint64_t blocks, bytes;
};

static void take(struct share *from, struct share *to, uint64_t blocks, uint64_t bytes)
{
	to->blocks += blocks;
	to->bytes += bytes;
	from->blocks -= from->blocks < blocks ? from->blocks : blocks;
	from->bytes -= from->bytes < bytes ? from->bytes : bytes;
}

static void share_out(const struct cs_view_source *source, struct share shares[EVIDENCES])
{
	const struct cs_sites *s = &source->model->sites;
	const struct cs_answer *answer = source->answer;

	memset(shares, 0, EVIDENCES * sizeof(*shares));
	cs_sites_used(source->model, &shares[NONE].blocks, &shares[NONE].bytes);
	take(&shares[NONE], &shares[RECORDED], s->blocks, s->bytes);
	for (size_t i = 0; has_makers(source) && i < answer->makers.count; i++) {
		const struct cs_maker_row *row = &answer->makers.items[i];

		take(&shares[NONE], &shares[row->is_likely ? LIKELY : CANDIDATE], row->count, row->bytes);
	}
}

static bool add_rest(struct maker *m, const struct cs_view_source *source)
{
	static const char *const words[] = {
		[CS_SITES_UNKNOWN] = "(nothing tells where)",
		[CS_SITES_OFF] = "(tracemalloc was not on)",
		[CS_SITES_ON] = "(not recorded by tracemalloc)",
	};
	struct share shares[EVIDENCES];

	share_out(source, shares);

	struct cs_cell cells[] = { TEXT(words[m->sites->state]), TEXT(NULL), TEXT("none"),
				   COUNT(shares[NONE].blocks), BYTES(0), BYTES(shares[NONE].bytes),
				   cs_cell_list(NULL, NULL), cs_cell_list(NULL, NULL) };

	m->table->last_row = (uint32_t)cs_table_rows(m->table);
	m->table->keeps_last = true;
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
	for (size_t i = 0; !st && has_makers(source) && i < source->answer->makers.count; i++)
		if (!add_maker(table, source->answer, &source->answer->makers.items[i]))
			st = no_memory(err);
	if (!st && !add_rest(&m, source))
		st = no_memory(err);
	cs_vec_free(&groups.rows);
	return st;
}

/* --- how much of it is known how well --- */

static const struct cs_column share_columns[] = {
	{ "evidence", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "percent", "%", CS_CELL_PERCENT, CS_COL_BAR },
	{ "meaning", "", CS_CELL_TEXT, CS_COL_WRAP | CS_COL_SPARE },
	{ 0 },
};

static cs_status build_shares(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err)
{
	static const char *const words[EVIDENCES][2] = {
		[RECORDED] = { "tracemalloc", "the process recorded it" },
		[LIKELY] = { "likely", "one place in the code fits, and so does its type or a size nobody else asks for" },
		[CANDIDATE] = { "candidate", "places in the code fit, none is preferred" },
		[NONE] = { "none", "nothing tells where" },
	};
	struct share shares[EVIDENCES];

	share_out(source, shares);
	for (unsigned i = 0; i < EVIDENCES; i++)
		table->whole += shares[i].bytes;
	for (unsigned i = 0; i < EVIDENCES; i++) {
		struct cs_cell cells[] = { TEXT(words[i][0]), COUNT(shares[i].blocks), BYTES(shares[i].bytes),
					   cs_cell_number(CS_CELL_PERCENT,
							  cs_number_percent(shares[i].bytes, table->whole)),
					   TEXT(words[i][1]) };

		if (i == NONE)
			table->last_row = (uint32_t)cs_table_rows(table);
		if (!cs_table_add(table, cells))
			return no_memory(err);
	}
	table->keeps_last = true;
	return CS_OK;
}

const struct cs_view cs_view_site_shares = {
	.name = "evidence", .title = "EVIDENCE", .columns = share_columns, .build = build_shares,
};
