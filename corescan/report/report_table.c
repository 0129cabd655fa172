#include "report/report_table.h"

#include "report/report_number.h"

#include <fnmatch.h>
#include <string.h>

void cs_table_init(struct cs_table *table, const struct cs_column *columns)
{
	*table = (struct cs_table){ .columns = columns, .last_row = UINT32_MAX };
	while (columns[table->column_count].name)
		table->column_count++;
}

void cs_table_deinit(struct cs_table *table)
{
	cs_vec_free(&table->cells);
	cs_vec_free(&table->order);
	cs_arena_deinit(&table->strings);
}

const char *cs_list_line(const struct cs_list *list, size_t i)
{
	return list->lines[list->nrs ? list->nrs[i] : i];
}

size_t cs_table_rows(const struct cs_table *table)
{
	return table->cells.count / table->column_count;
}

bool cs_table_add(struct cs_table *table, const struct cs_cell *cells)
{
	size_t before = table->cells.count;

	if (cs_pulse_stops(table->pulse))
		return false;
	for (size_t i = 0; i < table->column_count; i++)
		if (!cs_vec_push(&table->cells, cells[i])) {
			table->cells.count = before;
			return false;
		}
	return true;
}

size_t cs_table_flagged(const struct cs_table *table, unsigned flag)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (table->columns[i].flags & flag)
			return i;
	return SIZE_MAX;
}

static size_t named(const struct cs_table *table, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (!strcmp(table->columns[i].name, name))
			return i;
	return SIZE_MAX;
}

struct order {
	const struct cs_table *table;
	size_t column;	 /* SIZE_MAX: as built */
	bool keeps_last; /* last_row stays last */
};

static int compare_cells(const struct cs_cell *x, const struct cs_cell *y)
{
	if (x->text && y->text)
		return strcmp(x->text, y->text);
	if (x->text || y->text)
		return x->text ? -1 : 1;
	return (x->number < y->number) - (x->number > y->number); /* biggest first */
}

/* By the column asked for, then by every column from the left, then as built. */
static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct order *o = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct cs_cell *left = cs_table_row(o->table, x), *right = cs_table_row(o->table, y);
	int order = 0;

	if (o->keeps_last && (x == o->table->last_row || y == o->table->last_row))
		return (x == o->table->last_row) - (y == o->table->last_row);
	if (o->column != SIZE_MAX) {
		order = compare_cells(left + o->column, right + o->column);
		for (size_t i = 0; !order && i < o->table->column_count; i++)
			order = compare_cells(left + i, right + i);
	}
	return order ? order : (x > y) - (x < y);
}

static bool passes(const struct cs_table *table, const struct cs_cell *row,
		   const struct cs_filter *only)
{
	size_t column = only->column ? named(table, only->column) : SIZE_MAX;

	if (column == SIZE_MAX)
		return true;
	return (row[column].text && !strcmp(row[column].text, only->value)) != only->leaves_out;
}

static bool is_wanted(const struct cs_table *table, const struct cs_cell *row,
		      const struct cs_select *wish)
{
	size_t weight = cs_table_flagged(table, CS_COL_WEIGHT);
	size_t type = cs_table_flagged(table, CS_COL_TYPE);

	if (wish->min && weight != SIZE_MAX && row[weight].number < wish->min)
		return false;
	if (!passes(table, row, &wish->only))
		return false;
	return !wish->type || type == SIZE_MAX || !row[type].text ||
	       !fnmatch(wish->type, row[type].text, FNM_NOESCAPE);
}

/* A percentage of the sum; the sum of percentages would add up their rounding. */
static void set_percent(const struct cs_table *table, uint64_t *sums)
{
	size_t weight = cs_table_flagged(table, CS_COL_WEIGHT);

	for (size_t i = 0; i < table->column_count; i++)
		if (table->columns[i].type == CS_CELL_PERCENT && weight != SIZE_MAX)
			sums[i] = cs_number_percent(sums[weight], table->whole);
}

static void add_row(const struct cs_table *table, uint64_t *sums, uint32_t row)
{
	const struct cs_cell *cells = cs_table_row(table, row);

	for (size_t i = 0; i < table->column_count; i++)
		if (table->columns[i].flags & CS_COL_SUM)
			sums[i] += cells[i].number;
}

/* Move the first `skip` rows from `order` to `before`. */
static void leave_before(struct cs_table *table, uint64_t skip)
{
	size_t n = skip < table->order.count ? (size_t)skip : table->order.count;

	for (size_t i = 0; i < n; i++)
		add_row(table, table->before, table->order.items[i]);
	if (n)
		memmove(table->order.items, table->order.items + n,
			(table->order.count - n) * sizeof(*table->order.items));
	table->order.count -= n;
	table->before_rows = n;
	set_percent(table, table->before);
}

/* Move the rows after the first `shown` from `order` to `more`. */
static void cut(struct cs_table *table, size_t shown)
{
	while (table->order.count > shown) {
		add_row(table, table->more, table->order.items[--table->order.count]);
		table->more_rows++;
	}
	set_percent(table, table->more);
}

/* The same, but for a last row that is always shown. */
static void cut_to(struct cs_table *table, size_t shown)
{
	uint32_t last = table->order.items[table->order.count - 1];

	table->is_last_extra = table->keeps_last && last == table->last_row;
	if (table->is_last_extra)
		table->order.count--;
	cut(table, shown);
	if (table->is_last_extra)
		table->order.items[table->order.count++] = last; /* the room was there */
}

cs_status cs_table_select(struct cs_table *table, const struct cs_select *wish, struct cs_error *err)
{
	struct order order = { .table = table };

	order.column = wish->sort ? named(table, wish->sort) : SIZE_MAX;
	order.keeps_last = table->keeps_last;
	if (order.column == SIZE_MAX) {
		order.column = cs_table_flagged(table, CS_COL_WEIGHT);
		order.keeps_last = table->last_row != UINT32_MAX;
	}
	table->is_last_extra = false;
	table->order.count = table->total_rows = table->before_rows = table->more_rows = 0;
	memset(table->total, 0, sizeof(table->total));
	memset(table->before, 0, sizeof(table->before));
	memset(table->more, 0, sizeof(table->more));
	for (size_t i = 0; i < cs_table_rows(table); i++) {
		if (!is_wanted(table, cs_table_row(table, i), wish) &&
		    !(table->keeps_last && i == table->last_row))
			continue;
		if (!cs_vec_push(&table->order, (uint32_t)i))
			return cs_fail(err, CS_NOMEM, 0, "no memory to sort the rows");
		add_row(table, table->total, (uint32_t)i);
	}
	set_percent(table, table->total);
	table->total_rows = table->order.count;
	if (table->order.count)
		qsort_r(table->order.items, table->order.count, sizeof(uint32_t), compare_rows,
			&order);
	leave_before(table, wish->skip);
	if (wish->top && wish->top < table->order.count)
		cut_to(table, (size_t)wish->top);
	table->ends_in_last = order.keeps_last && table->order.count &&
			      table->order.items[table->order.count - 1] == table->last_row;
	return CS_OK;
}

void cs_table_fold(struct cs_table *table, uint64_t weight, size_t least, size_t most)
{
	size_t column = cs_table_flagged(table, CS_COL_WEIGHT);
	size_t count = table->order.count, shown = 0;
	uint32_t last = table->ends_in_last ? table->order.items[--count] : 0;

	if (column == SIZE_MAX)
		return;
	while (shown < count && shown < most) {
		uint64_t w = cs_table_row(table, table->order.items[shown])[column].number;

		if (!w || (w < weight && shown >= least))
			break;
		shown++;
	}
	if (count - shown == 1 && cs_table_row(table, table->order.items[shown])[column].number)
		shown++;
	table->order.count = count;
	cut(table, shown);
	if (table->ends_in_last)
		table->order.items[table->order.count++] = last; /* the room was there */
}
