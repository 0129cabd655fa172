/* report_holders.c - the views of the reference graph: who keeps how much, why, and what
 * nobody keeps. */
#include "report/report_views.h"

#define TEXT(text) cs_cell_text(text)
#define COUNT(n) cs_cell_number(CS_CELL_COUNT, n)
#define BYTES(n) cs_cell_number(CS_CELL_BYTES, n)
#define ADDRESS(a) cs_cell_number(CS_CELL_ADDRESS, a)

/* Nested sets: retained has no sum. */
const struct cs_column cs_dominator_columns[] = {
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "type", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ "name", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "shallow", NULL, CS_CELL_BYTES, CS_COL_SPARE },
	{ "retained", NULL, CS_CELL_BYTES, CS_COL_WEIGHT },
	{ "count", NULL, CS_CELL_COUNT, 0 },
	{ 0 },
};

cs_status cs_build_dominators(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err)
{
	for (size_t i = 0; source->answer && i < source->answer->holders.count; i++) {
		const struct cs_holder_row *r = &source->answer->holders.items[i];
		struct cs_cell cells[] = { ADDRESS(r->addr),   TEXT(r->type),	   TEXT(r->name),
					   BYTES(r->shallow), BYTES(r->retained), COUNT(r->count) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

const struct cs_column cs_why_columns[] = {
	{ "from", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "edge", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "to", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "type", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ 0 },
};

cs_status cs_build_why(const struct cs_view_source *source, struct cs_table *table,
		       struct cs_error *err)
{
	for (size_t i = 0; source->answer && i < source->answer->steps.count; i++) {
		const struct cs_step_row *r = &source->answer->steps.items[i];
		struct cs_cell cells[] = { TEXT(r->from), TEXT(r->edge), ADDRESS(r->to),
					   TEXT(r->type) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

const struct cs_column cs_leak_columns[] = {
	{ "kind", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "type", NULL, CS_CELL_TEXT, CS_COL_TYPE },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ "example", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "traces", NULL, CS_CELL_TEXT, CS_COL_BELOW },
	{ 0 },
};

/* Who let go of them last: "dead stack points to 3, free memory to 1". */
static const char *traces(const struct cs_leak_row *r, struct cs_arena *arena)
{
	if (r->on_dead_stack && r->in_free)
		return cs_arena_printf(arena, "dead stack points to %" PRIu64 ", free memory to %" PRIu64,
				       r->on_dead_stack, r->in_free);
	if (r->on_dead_stack)
		return cs_arena_printf(arena, "dead stack points to %" PRIu64, r->on_dead_stack);
	return r->in_free ? cs_arena_printf(arena, "free memory points to %" PRIu64, r->in_free) : NULL;
}

cs_status cs_build_leaks(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err)
{
	for (size_t i = 0; source->answer && i < source->answer->leaks.count; i++) {
		const struct cs_leak_row *r = &source->answer->leaks.items[i];
		struct cs_cell cells[] = { TEXT(r->kind), TEXT(r->type), COUNT(r->count),
					   BYTES(r->bytes), ADDRESS(r->example),
					   TEXT(traces(r, &table->strings)) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}
