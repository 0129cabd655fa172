#include "report/report_views.h"

#include "report/report_number.h"

#include <string.h>

static const char *kind_name(enum cs_type_kind kind)
{
	static const char *const names[] = { [CS_KIND_PYTHON] = "python", [CS_KIND_CXX] = "c++",
					     [CS_KIND_C] = "c", [CS_KIND_RAW] = "raw" };

	return names[kind];
}

static const char *allocator_name(enum cs_allocator allocator)
{
	return allocator == CS_ALLOC_PYMALLOC ? "pymalloc" : "glibc";
}

cs_status cs_build_fail(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the report's rows");
}

#define TEXT(text) cs_cell_text(text)
#define COUNT(n) cs_cell_number(CS_CELL_COUNT, n)
#define BYTES(n) cs_cell_number(CS_CELL_BYTES, n)
#define PERCENT(part, whole) cs_cell_number(CS_CELL_PERCENT, cs_number_percent(part, whole))

static const struct cs_column summary_columns[] = {
	{ "category", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "percent", "%", CS_CELL_PERCENT, CS_COL_BAR },
	{ "blocks", NULL, CS_CELL_COUNT, CS_COL_SUM | CS_COL_DETAIL },
	{ 0 },
};

static bool is_python(enum cs_category category)
{
	return category >= CS_PY_OBJECTS && category <= CS_PY_OVERHEAD;
}

static cs_status build_summary(const struct cs_view_source *source, struct cs_table *table,
			       struct cs_error *err)
{
	const struct cs_model *m = source->model;

	table->whole = m->target.present;
	for (unsigned i = 0; i < CS_CATEGORIES; i++) {
		const struct cs_ledger_row *row = &m->ledger[i];
		struct cs_cell cells[] = { TEXT(cs_category_names[i]), BYTES(row->bytes),
					   PERCENT(row->bytes, m->target.present),
					   COUNT(row->blocks) };

		if (is_python(i) && !m->target.python.found && !row->bytes && !row->blocks)
			continue;
		if (i == CS_UNEXPLAINED)
			table->last_row = (uint32_t)cs_table_rows(table);
		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column type_columns[] = {
	{ "type", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ "kind", NULL, CS_CELL_TEXT, CS_COL_DETAIL | CS_COL_SPARE },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "shallow", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_DETAIL | CS_COL_SPARE },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "percent", "%", CS_CELL_PERCENT, 0 },
	{ "retained", NULL, CS_CELL_BYTES, CS_COL_DETAIL | CS_COL_GRAPH },
	{ 0 },
};

static bool add_type(struct cs_table *table, const struct cs_type *t, uint64_t present)
{
	struct cs_cell cells[] = { TEXT(t->name),     TEXT(kind_name(t->kind)),
				   COUNT(t->count),   BYTES(t->shallow),
				   BYTES(t->bytes),   PERCENT(t->bytes, present),
				   BYTES(t->retained) };

	return !(t->count || t->bytes) || cs_table_add(table, cells);
}

/* Used blocks whose type nobody knows stand in the table too, one row for
 * each allocator: the column then answers for all memory in use. */
static cs_status build_by_type(const struct cs_view_source *source, struct cs_table *table,
			       struct cs_error *err)
{
	const struct cs_model *m = source->model;
	const struct cs_ledger_row *malloced = &m->ledger[CS_MALLOC_UNTYPED];
	const struct cs_ledger_row *pooled = &m->ledger[CS_PY_UNIDENTIFIED];
	const struct cs_type raw[] = {
		{ "(malloc, type unknown)", CS_KIND_RAW, malloced->blocks, malloced->bytes,
		  malloced->bytes, m->raw_retained[CS_ALLOC_GLIBC] },
		{ "(pymalloc, type unknown)", CS_KIND_RAW, pooled->blocks, pooled->bytes,
		  pooled->bytes, m->raw_retained[CS_ALLOC_PYMALLOC] },
	};

	table->whole = m->target.present;
	for (size_t i = 0; i < m->types.count; i++)
		if (!add_type(table, &m->types.items[i], m->target.present))
			return cs_build_fail(err);
	for (size_t i = 0; i < 2; i++)
		if (!add_type(table, &raw[i], m->target.present))
			return cs_build_fail(err);
	return CS_OK;
}

static const struct cs_column size_columns[] = {
	{ "size", NULL, CS_CELL_SIZE, 0 },
	{ "allocator", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ 0 },
};

static cs_status build_by_size(const struct cs_view_source *source, struct cs_table *table,
			       struct cs_error *err)
{
	for (size_t i = 0; i < source->model->sizes.count; i++) {
		const struct cs_size_row *row = &source->model->sizes.items[i];
		struct cs_cell cells[] = { cs_cell_number(CS_CELL_SIZE, row->size),
					   TEXT(allocator_name(row->allocator)),
					   COUNT(row->count), BYTES(row->bytes) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column arena_columns[] = {
	{ "arena", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "allocator", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "system", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "used", NULL, CS_CELL_BYTES, CS_COL_SUM },
	{ "free", NULL, CS_CELL_BYTES, CS_COL_SUM },
	{ "top", NULL, CS_CELL_BYTES, CS_COL_SUM },
	{ "overhead", NULL, CS_CELL_BYTES, CS_COL_SUM },
	{ "heaps", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "threads", NULL, CS_CELL_COUNT, CS_COL_SPARE },
	{ 0 },
};

static cs_status build_arenas(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err)
{
	for (size_t i = 0; i < source->model->arenas.count; i++) {
		const struct cs_arena_row *a = &source->model->arenas.items[i];
		struct cs_cell cells[] = { TEXT(a->name),      TEXT(allocator_name(a->allocator)),
					   BYTES(a->system),   BYTES(a->used),
					   BYTES(a->free),     BYTES(a->top),
					   BYTES(a->overhead), COUNT(a->heaps),
					   COUNT(a->threads) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column object_columns[] = {
	{ "field", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "value", "", CS_CELL_TEXT, CS_COL_WRAP },
	{ 0 },
};

static cs_status build_object(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err)
{
	struct cs_cell absent[][2] = {
		{ TEXT("address"), cs_cell_number(CS_CELL_ADDRESS, source->addr) },
		{ TEXT("state"), TEXT("not in the target's memory") },
	};

	if (!source->answer && (!cs_table_add(table, absent[0]) || !cs_table_add(table, absent[1])))
		return cs_build_fail(err);
	for (size_t i = 0; source->answer && i < source->answer->rows.count; i++) {
		const struct cs_answer_row *row = &source->answer->rows.items[i];
		enum cs_cell_type type = row->is_address ? CS_CELL_ADDRESS : CS_CELL_SIZE;
		struct cs_cell cells[] = { TEXT(row->field), row->text ? TEXT(row->text) :
						   cs_cell_number(type, row->number) };

		if (source->no_values && row->text && !strcmp(row->field, "value"))
			continue;
		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column doctor_columns[] = {
	{ "what", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "value", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "found_by", "found by", CS_CELL_TEXT, CS_COL_WRAP },
	{ "proof", NULL, CS_CELL_TEXT, CS_COL_BELOW },
	{ 0 },
};

static cs_status build_doctor(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err)
{
	for (size_t i = 0; i < source->model->findings.count; i++) {
		const struct cs_finding *f = &source->model->findings.items[i];
		struct cs_cell cells[] = { TEXT(f->what), TEXT(f->value), TEXT(f->found_by),
					   TEXT(f->proof) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

static const struct cs_column anomaly_columns[] = {
	{ "kind", NULL, CS_CELL_TEXT, 0 },
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "text", "", CS_CELL_TEXT, CS_COL_WRAP },
	{ 0 },
};

static cs_status build_anomalies(const struct cs_view_source *source, struct cs_table *table,
				 struct cs_error *err)
{
	for (size_t i = 0; i < source->model->anomalies.count; i++) {
		const struct cs_anomaly *a = &source->model->anomalies.items[i];
		struct cs_cell cells[] = { TEXT(a->kind), cs_cell_number(CS_CELL_ADDRESS, a->addr),
					   TEXT(a->text) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

const struct cs_view cs_view_anomalies = {
	.name = "anomalies", .title = "ANOMALIES", .columns = anomaly_columns,
	.build = build_anomalies,
};

/* name, argument, help and the debugger's command of a view. */
#define VIEW(option, words)                                                     \
	.name = option, .help = words,                                          \
	.command = { { "corescan " option, option, NULL, 0, words }, .word = CS_WORD_NONE }
#define VIEW_OF(option, takes, words)                                           \
	.name = option, .argument = takes, .help = words,                       \
	.command = { { "corescan " option, option, takes, 1, words }, .word = CS_WORD_VIEW }
#define NEXT(to, why) .next = to, .next_why = why

/* A view without a builder comes in a later version. */
static const struct cs_view views[] = {
	{ VIEW("summary", "where every byte belongs, by category"), .title = "WHERE IT WENT",
	  .columns = summary_columns, .build = build_summary,
	  NEXT("--by-type", "objects of which type") },
	{ VIEW("by-type", "objects and bytes per type, Python and native"), .title = "TYPES",
	  .columns = type_columns, .build = build_by_type, .text_top = 20,
	  NEXT("--by-size", "blocks of which size") },
	{ VIEW("by-size", "used blocks by the size the allocator rounds them to"),
	  .title = "BLOCK SIZE", .columns = size_columns, .build = build_by_size, .text_top = 20,
	  NEXT("--arenas", "how much of each heap is free") },
	{ VIEW("by-site", "bytes per allocating source line"),
	  .title = "SITE", .columns = cs_site_columns, .build = cs_build_sites, .text_top = 20,
	  .needs = CS_NEEDS_SITES, .columns_of = cs_site_columns_of, .closing = &cs_view_site_shares,
	  NEXT("--by-type", "objects of which type") },
	{ VIEW("arenas", "the heaps of glibc and CPython: used, free, overhead"),
	  .title = "ARENAS", .columns = arena_columns, .build = build_arenas, .text_top = 20,
	  NEXT("--bins", "where their free memory waits") },
	{ VIEW("bins", "free memory of malloc by where it waits"), .title = "ARENA",
	  .columns = cs_bin_columns, .build = cs_build_bins, .text_top = 20,
	  NEXT("--doctor", "how the heaps were found") },
	{ VIEW_OF("chunks", "ADDR", "blocks of malloc one by one, from an address on"),
	  .title = "ADDRESS", .columns = cs_chunk_columns, .build = cs_build_chunks,
	  .text_top = 20, .data_top = 1000, .needs = CS_NEEDS_CHUNKS, .rows = CS_ROWS_ORDERED,
	  NEXT("--bins", "where free memory waits") },
	{ VIEW("fragmentation", "where free memory is stuck, and what pins it") },
	{ VIEW("threads", "what each thread was doing, Python and native"), .title = "THREAD",
	  .columns = cs_thread_columns, .build = cs_build_threads, .text_top = 20,
	  .needs = CS_NEEDS_THREADS, .also = "tasks",
	  NEXT("--by-type", "objects of which type") },
	{ VIEW("tasks", "asyncio's tasks, and what each awaits"), .title = "TASK",
	  .columns = cs_task_columns, .build = cs_build_tasks, .text_top = 20,
	  .needs = CS_NEEDS_THREADS,
	  NEXT("--threads", "what each thread was doing") },
	{ VIEW("suspects", "where memory accumulates, and what is wasted"),
	  .title = "SUSPECTS", .columns = cs_suspect_columns, .build = cs_build_suspects,
	  .text_top = 20, .needs = CS_NEEDS_SUSPECTS, NEXT("--dominators", "who keeps how much alive") },
	{ VIEW("leaks", "blocks nobody can reach any more"), .title = "LEAKS",
	  .columns = cs_leak_columns, .build = cs_build_leaks, .text_top = 20,
	  .needs = CS_NEEDS_LEAKS, NEXT("--dominators", "who keeps the rest") },
	{ VIEW("dominators", "who keeps how much alive"), .title = "DOMINATORS",
	  .columns = cs_dominator_columns, .build = cs_build_dominators, .text_top = 20,
	  .data_top = 1000, .needs = CS_NEEDS_DOMINATORS,
	  NEXT("--why ADDR|TYPE", "the ways that lead to one of them") },
	{ VIEW_OF("why", "ADDR|TYPE", "a path of references from a root"), .title = "WHY",
	  .columns = cs_why_columns, .build = cs_build_why, .needs = CS_NEEDS_WHY,
	  NEXT("--dominators", "who keeps how much alive") },
	{ VIEW_OF("instances", "TYPE", "the live instances of a type, with --attrs a,b.c"),
	  .title = "ADDRESS", .columns = cs_instance_columns, .build = cs_build_instances,
	  .text_top = 20, .data_top = 1000, .needs = CS_NEEDS_INSTANCES, .rows = CS_ROWS_PAGE,
	  .columns_of = cs_instance_columns_of,
	  NEXT("--object ADDR", "everything known about one of them") },
	{ VIEW_OF("object", "ADDR", "everything known about an object or block"),
	  .title = "OBJECT", .columns = object_columns, .build = build_object,
	  .text_top = 20, .data_top = 1000, .needs = CS_NEEDS_OBJECT,
	  NEXT("--why ADDR|TYPE", "the ways that lead to it") },
	{ VIEW_OF("referrers", "ADDR", "who refers to an object or block"),
	  .title = "ADDRESS", .columns = cs_edge_columns, .build = cs_build_edges,
	  .text_top = 20, .data_top = 1000, .needs = CS_NEEDS_REFERRERS, .rows = CS_ROWS_ORDERED,
	  NEXT("--why ADDR|TYPE", "the ways that lead to it") },
	{ VIEW_OF("referents", "ADDR", "what an object or block refers to"),
	  .title = "ADDRESS", .columns = cs_edge_columns, .build = cs_build_edges,
	  .text_top = 20, .data_top = 1000, .needs = CS_NEEDS_REFERENTS, .rows = CS_ROWS_ORDERED,
	  NEXT("--referrers ADDR", "who refers to it") },
	{ VIEW("doctor", "what was found, by which means, and what contradicts"),
	  .title = "DOCTOR", .columns = doctor_columns, .build = build_doctor,
	  NEXT("--summary", "where every byte belongs") },
};

const struct cs_view *cs_view_at(size_t nr)
{
	return nr < sizeof(views) / sizeof(views[0]) ? &views[nr] : NULL;
}

const struct cs_view *cs_view_find(const char *name)
{
	const struct cs_view *view;

	for (size_t i = 0; (view = cs_view_at(i)); i++)
		if (!strcmp(view->name, name))
			return view;
	return NULL;
}
