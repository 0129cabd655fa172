#include "report/report_layout.h"

#include "report/report_escape.h"
#include "report/report_number.h"

#include <string.h>

enum { INDENT = 2, TEXT_FLOOR = 16, FIRST_WIDTH = 26, BAR_WIDTH = 20, LABEL_LEN = 48 };

struct grid {
	const struct cs_table *table;
	const struct cs_layout *layout;
	const struct cs_look *look;
	unsigned left_out;		 /* columns the terminal has no room for */
	bool is_tight;			 /* short units, one blank between columns */
	bool is_shown[CS_COLUMNS_MAX];
	unsigned width[CS_COLUMNS_MAX];	 /* 0: not shown */
};

/* Where writing stands in a line; blanks are owed until something follows. */
struct pen {
	FILE *out;
	unsigned at;
};

static void pen_to(struct pen *pen, unsigned column)
{
	if (pen->at < column) {
		fprintf(pen->out, "%*s", (int)(column - pen->at), "");
		pen->at = column;
	}
}

static bool is_number(const struct cs_column *column)
{
	return column->type != CS_CELL_TEXT && column->type != CS_CELL_LIST;
}

/* The cell as text: its own, or its number in buf. */
static const char *cell_words(const struct grid *g, const struct cs_cell *cell,
			      char buf[CS_NUMBER_LEN])
{
	switch (cell->type) {
	case CS_CELL_TEXT:
	case CS_CELL_DIGITS:
	case CS_CELL_LIST:
		return cell->text ? cell->text : "";
	case CS_CELL_ID:
		snprintf(buf, CS_NUMBER_LEN, "%" PRIu64, cell->number);
		return cell->number ? buf : "";
	case CS_CELL_COUNT:
	case CS_CELL_SIZE:
		cs_number_count(buf, cell->number);
		break;
	case CS_CELL_BYTES:
		cs_number_bytes(buf, cell->number, g->is_tight);
		break;
	case CS_CELL_PERCENT:
		snprintf(buf, CS_NUMBER_LEN, "%" PRIu64 ".%" PRIu64, (cell->number + 50) / 1000,
			 (cell->number + 50) / 100 % 10);
		break;
	case CS_CELL_ADDRESS:
		snprintf(buf, CS_NUMBER_LEN, CS_ADDR, cell->number);
		break;
	}
	return buf;
}

static const char *heading(const struct grid *g, size_t i)
{
	const struct cs_column *c = &g->table->columns[i];

	return !i ? g->layout->title : c->heading ? c->heading : c->name;
}

static void widen(unsigned *width, size_t least)
{
	if (least > *width)
		*width = least < UINT16_MAX ? (unsigned)least : UINT16_MAX;
}

/* A row of sums (`more` or `total`), its label in the first column. */
static void sum_cells(const struct grid *g, const char *label, const uint64_t *sums,
		      struct cs_cell *cells)
{
	for (size_t i = 0; i < g->table->column_count; i++) {
		const struct cs_column *c = &g->table->columns[i];

		cells[i] = cs_cell_text(NULL);
		if ((c->flags & CS_COL_SUM) || c->type == CS_CELL_PERCENT)
			cells[i] = cs_cell_number(c->type, sums[i]);
	}
	cells[0] = cs_cell_text(label);
}

static void measure_cells(struct grid *g, const struct cs_cell *cells)
{
	char buf[CS_NUMBER_LEN];

	for (size_t i = 0; i < g->table->column_count; i++)
		if (g->is_shown[i])
			widen(&g->width[i], cs_text_width(cell_words(g, &cells[i], buf),
							  g->look->is_utf8) + (i ? 0 : INDENT));
}

static bool has_total(const struct grid *g)
{
	return !g->layout->is_brief && g->table->total_rows > 1 &&
	       cs_table_flagged(g->table, CS_COL_SUM) != SIZE_MAX;
}

/* A row that stands for rows not shown. */
static void rest_label(size_t rows, const char *where, char label[LABEL_LEN])
{
	cs_number_count(label, rows);
	strcat(label, where);
}

/* The width each column would like to have. */
static void measure(struct grid *g)
{
	const struct cs_table *t = g->table;
	struct cs_cell cells[CS_COLUMNS_MAX];
	char label[LABEL_LEN];

	for (size_t i = 0; i < t->column_count; i++) {
		g->width[i] = g->is_shown[i] ? (unsigned)strlen(heading(g, i)) : 0;
		if (g->is_shown[i] && t->columns[i].type == CS_CELL_PERCENT)
			widen(&g->width[i], strlen("100.0"));
	}
	for (size_t i = 0; i < t->order.count; i++)
		measure_cells(g, cs_table_row(t, t->order.items[i]));
	if (t->before_rows) {
		rest_label(t->before_rows, " before", label);
		sum_cells(g, label, t->before, cells);
		measure_cells(g, cells);
	}
	if (t->more_rows) {
		rest_label(t->more_rows, " more", label);
		sum_cells(g, label, t->more, cells);
		measure_cells(g, cells);
	}
	if (has_total(g)) {
		sum_cells(g, "total", t->total, cells);
		measure_cells(g, cells);
	}
}

static unsigned gap(const struct grid *g)
{
	return g->is_tight ? 1 : 2;
}

static unsigned grid_width(const struct grid *g)
{
	unsigned sum = 0;

	for (size_t i = 0; i < g->table->column_count; i++)
		if (g->is_shown[i])
			sum += g->width[i] + (i ? gap(g) : 0);
	return sum;
}

/* Take from the widest text column, down to `floor`, until the table fits. */
static bool shrink(struct grid *g, unsigned floor, bool also_whole)
{
	while (grid_width(g) > g->look->width) {
		size_t widest = SIZE_MAX;

		for (size_t i = 0; i < g->table->column_count; i++) {
			const struct cs_column *c = &g->table->columns[i];

			if (!g->is_shown[i] || g->width[i] <= floor ||
			    (!also_whole && (is_number(c) || (c->flags & CS_COL_WHOLE))))
				continue;
			if (widest == SIZE_MAX || g->width[i] > g->width[widest])
				widest = i;
		}
		if (widest == SIZE_MAX)
			return false;
		g->width[widest]--;
	}
	return true;
}

/* Leave one column out, from the right, never the first or the heaviest. A
 * number that is cut would be a lie. */
static bool drop_column(struct grid *g, bool only_spare)
{
	for (size_t i = g->table->column_count; --i;) {
		unsigned flags = g->table->columns[i].flags;

		if (!g->is_shown[i] || (flags & (CS_COL_WEIGHT | CS_COL_WRAP)) ||
		    (only_spare && !(flags & CS_COL_SPARE)))
			continue;
		g->is_shown[i] = false;
		g->left_out++;
		measure(g);
		return true;
	}
	return false;
}

static void fit(struct grid *g)
{
	measure(g);
	if (shrink(g, TEXT_FLOOR, false))
		return;
	g->is_tight = true;
	measure(g);
	while (!shrink(g, TEXT_FLOOR, false))
		if (!drop_column(g, true))
			break;
	while (!shrink(g, TEXT_FLOOR / 2, false))
		if (!drop_column(g, false))
			break;
	if (!shrink(g, 4, false) && !shrink(g, 4, true))
		return; /* three columns are left: they fit into CS_WIDTH_MIN */
}

/* Small tables get air after the names; all of them the same, so that one
 * below the other lines up better. */
static void breathe(struct grid *g)
{
	unsigned used = grid_width(g);

	if (cs_table_flagged(g->table, CS_COL_WEIGHT) == SIZE_MAX || is_number(&g->table->columns[0]))
		return;
	if (g->width[0] < FIRST_WIDTH && used - g->width[0] + FIRST_WIDTH <= g->look->width)
		g->width[0] = FIRST_WIDTH;
}

/* One line of a cell; *rest moves on, to NULL when nothing is left. */
static void write_part(const struct grid *g, struct pen *pen, size_t i, unsigned column,
		       const char **rest, bool is_number_cell)
{
	const struct cs_column *c = &g->table->columns[i];
	unsigned room = g->width[i] - (i ? 0 : INDENT);
	size_t width = cs_text_width(*rest, g->look->is_utf8);

	if (!width) {
		*rest = NULL;
		return;
	}
	if (is_number_cell && width < room)
		column += room - (unsigned)width;
	pen_to(pen, column);
	if (!(c->flags & CS_COL_WRAP) || width <= room) {
		pen->at += cs_look_text(pen->out, g->look, *rest, room);
		*rest = NULL;
		return;
	}

	size_t len;
	const char *next = cs_look_line(g->look, *rest, room, &len);
	struct cs_glyph glyph;
	unsigned used = 0;

	for (const char *at = *rest; at < *rest + len; at += glyph.used) {
		cs_glyph_read(at, g->look->is_utf8, &glyph);
		if (glyph.width > room - used)
			break;
		fputs(glyph.text, pen->out);
		used += glyph.width;
	}
	pen->at += used;
	*rest = *next ? next : NULL;
}

/* The row without its line end; as many lines as its longest wrapped cell. */
static void write_cells(const struct grid *g, struct pen *pen, const struct cs_cell *cells)
{
	char bufs[CS_COLUMNS_MAX][CS_NUMBER_LEN];
	const char *rest[CS_COLUMNS_MAX] = { NULL };
	bool goes_on = true;

	for (size_t i = 0; i < g->table->column_count; i++)
		if (g->is_shown[i])
			rest[i] = cell_words(g, &cells[i], bufs[i]);
	while (goes_on) {
		unsigned column = 0;

		goes_on = false;
		for (size_t i = 0; i < g->table->column_count; i++) {
			if (!g->is_shown[i])
				continue;

			/* a number in a column of mixed things stands left; a label right */
			bool right = is_number(&g->table->columns[i]);

			if (rest[i])
				write_part(g, pen, i, column + (i ? 0 : INDENT), &rest[i], right);
			goes_on = goes_on || rest[i];
			column += g->width[i] + gap(g);
		}
		if (goes_on) {
			putc('\n', pen->out);
			pen->at = 0;
		}
	}
}

static void write_bar(const struct grid *g, struct pen *pen, uint64_t part, uint64_t most)
{
	static const char *const eighths[] = { "",	 "\u258f", "\u258e", "\u258d",
					       "\u258c", "\u258b", "\u258a", "\u2589" };
	unsigned left = grid_width(g) + 2, room = g->look->width - grid_width(g);

	if (!g->look->has_bars || room < 10 || !most || !part)
		return;
	room = room - 2 < BAR_WIDTH ? room - 2 : BAR_WIDTH;

	uint64_t cells = (part * room * 8 + most / 2) / most;

	if (!cells)
		return;
	pen_to(pen, left);
	cs_look_paint(pen->out, g->look, CS_PAINT_BAR);
	for (uint64_t i = 0; i < cells / 8; i++)
		fputs("\u2588", pen->out);
	fputs(eighths[cells % 8], pen->out);
	cs_look_paint(pen->out, g->look, CS_PAINT_NONE);
}

static void write_heading(const struct grid *g, FILE *out)
{
	struct pen pen = { out, 0 };
	unsigned column = 0;

	cs_look_paint(out, g->look, CS_PAINT_TITLE);
	for (size_t i = 0; i < g->table->column_count; i++) {
		const char *words = heading(g, i);
		unsigned width = (unsigned)strlen(words);

		if (!g->is_shown[i])
			continue;
		if (i && is_number(&g->table->columns[i]) && width < g->width[i])
			pen_to(&pen, column + g->width[i] - width);
		else if (*words)
			pen_to(&pen, column);
		pen.at += cs_look_text(out, g->look, words, g->width[i]);
		column += g->width[i] + gap(g);
	}
	cs_look_paint(out, g->look, CS_PAINT_NONE);

	const char *aside = g->layout->aside;

	if (aside && grid_width(g) + 4 + strlen(aside) <= g->look->width) {
		pen_to(&pen, grid_width(g) + 4);
		cs_look_paint(out, g->look, CS_PAINT_FAINT);
		fputs(aside, out);
		cs_look_paint(out, g->look, CS_PAINT_NONE);
	}
	putc('\n', out);
}

static void write_lines(const struct grid *g, FILE *out, const struct cs_list *list, unsigned indent)
{
	for (size_t i = 0, same; i < list->line_count; i += same) {
		const char *line = cs_list_line(list, i);

		for (same = 1; i + same < list->line_count && !strcmp(line, cs_list_line(list, i + same));)
			same++;
		fprintf(out, "%*s", (int)indent, "");
		cs_look_text(out, g->look, line, g->look->width - indent);
		putc('\n', out);
		if (same > 1)
			fprintf(out, "%*s(%zu times)\n", (int)indent + 9, "", same);
	}
}

/* What stands under a row: texts of CS_COL_BELOW columns, at the second column. */
static void write_below(const struct grid *g, FILE *out, const struct cs_cell *cells)
{
	for (size_t i = 0; i < g->table->column_count; i++) {
		const struct cs_cell *cell = &cells[i];
		unsigned indent = g->width[0] + gap(g);

		if (!(g->table->columns[i].flags & CS_COL_BELOW) || !cell->text || !*cell->text)
			continue;
		indent = indent < g->look->width / 2 ? indent : 4;
		if (cell->type == CS_CELL_LIST && cell->list->is_long) {
			write_lines(g, out, cell->list, indent);
			continue;
		}
		cs_look_paint(out, g->look, CS_PAINT_FAINT);
		cs_look_wrapped(out, g->look, cell->text, indent);
		cs_look_paint(out, g->look, CS_PAINT_NONE);
	}
}

static void write_left_out(const struct grid *g, FILE *out)
{
	char words[160] = "no room for:";

	if (!g->left_out)
		return;
	for (size_t i = 0; i < g->table->column_count; i++) {
		const struct cs_column *c = &g->table->columns[i];
		size_t used = strlen(words);
		bool is_hidden = (c->flags & (CS_COL_BELOW | CS_COL_DATA)) ||
				 (g->layout->is_brief && (c->flags & CS_COL_DETAIL));

		if (!g->is_shown[i] && !is_hidden)
			snprintf(words + used, sizeof(words) - used, " %s", c->name);
	}
	cs_look_paint(out, g->look, CS_PAINT_FAINT);
	cs_look_wrapped(out, g->look, words, INDENT);
	cs_look_paint(out, g->look, CS_PAINT_NONE);
}

static void write_total(const struct grid *g, FILE *out)
{
	struct cs_cell cells[CS_COLUMNS_MAX];
	struct pen pen = { out, 0 };

	sum_cells(g, "total", g->table->total, cells);
	cs_look_paint(out, g->look, CS_PAINT_TITLE);
	write_cells(g, &pen, cells);
	cs_look_paint(out, g->look, CS_PAINT_NONE);
	putc('\n', out);
}

static void write_row(const struct grid *g, FILE *out, const struct cs_cell *cells, uint64_t most)
{
	size_t bar = cs_table_flagged(g->table, CS_COL_BAR);
	struct pen pen = { out, 0 };

	write_cells(g, &pen, cells);
	if (bar != SIZE_MAX && g->is_shown[bar])
		write_bar(g, &pen, cells[bar].number, most);
	putc('\n', out);
	write_below(g, out, cells);
}

/* The largest number any bar stands for. */
static uint64_t bar_most(const struct cs_table *t)
{
	size_t bar = cs_table_flagged(t, CS_COL_BAR);
	uint64_t most = 0;

	for (size_t i = 0; bar != SIZE_MAX && i < t->order.count; i++) {
		uint64_t n = cs_table_row(t, t->order.items[i])[bar].number;

		most = n > most ? n : most;
	}
	if (bar != SIZE_MAX && t->before[bar] > most)
		most = t->before[bar];
	if (bar != SIZE_MAX && t->more_rows && t->more[bar] > most)
		most = t->more[bar];
	return most;
}

static void write_before(const struct grid *g, FILE *out, uint64_t most)
{
	struct cs_cell cells[CS_COLUMNS_MAX];
	char label[LABEL_LEN];

	if (!g->table->before_rows)
		return;
	rest_label(g->table->before_rows, " before", label);
	sum_cells(g, label, g->table->before, cells);
	write_row(g, out, cells, most);
}

static void write_more(const struct grid *g, FILE *out, uint64_t most)
{
	struct cs_cell cells[CS_COLUMNS_MAX];
	char label[LABEL_LEN];

	if (!g->table->more_rows)
		return;
	rest_label(g->table->more_rows, " more", label);
	sum_cells(g, label, g->table->more, cells);
	write_row(g, out, cells, most);
}

void cs_layout_write(FILE *out, const struct cs_table *table, const struct cs_layout *layout,
		     const struct cs_look *look)
{
	struct grid g = { .table = table, .layout = layout, .look = look };
	unsigned hidden = CS_COL_BELOW | CS_COL_DATA | (layout->is_brief ? CS_COL_DETAIL : 0);
	uint64_t most = bar_most(table);

	for (size_t i = 0; i < table->column_count; i++)
		g.is_shown[i] = !(table->columns[i].flags & hidden);
	fit(&g);
	breathe(&g);
	write_heading(&g, out);
	write_before(&g, out, most);
	for (size_t i = 0; i < table->order.count && !cs_pulse_stops(table->pulse); i++) {
		/* what is folded stands before the row that is always last */
		if (table->ends_in_last && i + 1 == table->order.count)
			write_more(&g, out, most);
		write_row(&g, out, cs_table_row(table, table->order.items[i]), most);
	}
	if (!table->total_rows)
		fputs("  none\n", out);
	if (!table->ends_in_last)
		write_more(&g, out, most);
	if (has_total(&g))
		write_total(&g, out);
	write_left_out(&g, out);
}
