/* report_objects.c - the views of single objects: a type's instances with attributes, and
 * the references of one object. */
#include "report/report_views.h"

#define TEXT(text) cs_cell_text(text)
#define ADDRESS(a) cs_cell_number(CS_CELL_ADDRESS, a)
#define BYTES(n) cs_cell_number(CS_CELL_BYTES, n)

const struct cs_column cs_edge_columns[] = {
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "type", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "edge", NULL, CS_CELL_TEXT, CS_COL_WRAP },
	{ "hold", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SPARE },
	{ 0 },
};

cs_status cs_build_edges(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err)
{
	for (size_t i = 0; source->answer && i < source->answer->edges.count; i++) {
		const struct cs_edge_row *r = &source->answer->edges.items[i];
		struct cs_cell cells[] = { r->addr ? ADDRESS(r->addr) : TEXT(NULL), TEXT(r->type),
					   TEXT(r->edge), TEXT(r->hold),
					   r->bytes != CS_NO_BYTES ? BYTES(r->bytes) : TEXT(NULL) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}

/* Nested sets: retained has no sum. */
const struct cs_column cs_instance_columns[] = {
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM },
	{ "retained", NULL, CS_CELL_BYTES, CS_COL_WEIGHT },
	{ 0 },
};
enum { FIXED = sizeof(cs_instance_columns) / sizeof(cs_instance_columns[0]) - 1 };

/* An int or a float: text of the target is in quotes, all else begins with a letter. */
static bool is_number(const char *text)
{
	return (*text >= '0' && *text <= '9') || *text == '-';
}

/* Numbers stand right, and are never cut, where nothing else is in the column. */
static enum cs_cell_type column_type(const struct cs_answer *a, size_t nr)
{
	bool any = false;

	for (size_t i = nr; i < a->values.count; i += a->attr_count) {
		const struct cs_attr_value *v = &a->values.items[i];

		if (v->text && !is_number(v->text))
			return CS_CELL_TEXT;
		any = any || v->text;
	}
	return any ? CS_CELL_DIGITS : CS_CELL_TEXT;
}

/* An attribute that has a column's name gets a dot in front: ".bytes". */
static const char *column_name(const char *attr, struct cs_arena *arena)
{
	for (size_t i = 0; i < FIXED; i++)
		if (!strcmp(cs_instance_columns[i].name, attr))
			return cs_arena_printf(arena, ".%s", attr);
	return attr;
}

const struct cs_column *cs_instance_columns_of(const struct cs_view_source *source,
					       struct cs_arena *arena)
{
	const struct cs_answer *a = source->answer;
	size_t count = a ? a->attr_count : 0;
	struct cs_column *columns = cs_arena_alloc(arena, (FIXED + count + 1) * sizeof(*columns));

	if (!columns)
		return NULL;
	memcpy(columns, cs_instance_columns, sizeof(*columns) * FIXED);
	for (size_t i = 0; i < count; i++) {
		columns[FIXED + i] = (struct cs_column){ .name = column_name(a->attr_names[i], arena),
							 .type = column_type(a, i) };
		if (!columns[FIXED + i].name)
			return NULL;
	}
	return columns;
}

cs_status cs_build_instances(const struct cs_view_source *source, struct cs_table *table,
			     struct cs_error *err)
{
	const struct cs_answer *a = source->answer;

	for (size_t i = 0; a && i < a->instances.count; i++) {
		const struct cs_instance_row *r = &a->instances.items[i];
		struct cs_cell cells[CS_COLUMNS_MAX] = {
			ADDRESS(r->addr), BYTES(r->bytes),
			r->retained ? BYTES(r->retained) : TEXT(NULL),
		};

		for (size_t k = 0; k < a->attr_count; k++) {
			const struct cs_attr_value *v = &a->values.items[i * a->attr_count + k];

			cells[FIXED + k] = cs_cell_text(v->text);
			if (v->text && v->is_integer)
				cells[FIXED + k].type = CS_CELL_DIGITS;
		}
		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}
