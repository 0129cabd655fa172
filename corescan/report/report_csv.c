/* report_csv.c - one table as RFC 4180 says, numbers exact, lines end in LF. */
#include "report/report.h"
#include "report/report_escape.h"

#include <stdlib.h>
#include <string.h>

/* One field: the lines with " < " between them. False: no memory. */
static bool write_list(FILE *out, const struct cs_list *list)
{
	size_t len = 1;
	char *text, *at;

	for (size_t i = 0; list && i < list->line_count; i++)
		len += strlen(cs_list_line(list, i)) + strlen(" < ");
	text = at = malloc(len);
	if (!text)
		return false;
	for (size_t i = 0; list && i < list->line_count; i++)
		at = stpcpy(stpcpy(at, i ? " < " : ""), cs_list_line(list, i));
	*at = 0;
	cs_write_csv_text(out, text);
	free(text);
	return true;
}

static bool write_cell(FILE *out, const struct cs_cell *cell)
{
	switch (cell->type) {
	case CS_CELL_TEXT:
	case CS_CELL_DIGITS:
		cs_write_csv_text(out, cell->text);
		break;
	case CS_CELL_COUNT:
	case CS_CELL_BYTES:
	case CS_CELL_SIZE:
		fprintf(out, "%" PRIu64, cell->number);
		break;
	case CS_CELL_PERCENT:
		cs_write_percent(out, cell->number);
		break;
	case CS_CELL_ADDRESS:
		fprintf(out, CS_ADDR, cell->number);
		break;
	case CS_CELL_ID:
		if (cell->number)
			fprintf(out, "%" PRIu64, cell->number);
		break;
	case CS_CELL_LIST:
		return write_list(out, cell->list);
	}
	return true;
}

cs_status cs_csv_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
		       size_t count, const struct cs_report_options *options, struct cs_error *err)
{
	struct cs_table t;
	cs_status st = count == 1 ? cs_report_table(model, asks, options, &t, err) :
				    cs_fail(err, CS_USAGE, 0, "CSV holds one table");

	if (st)
		return st;
	for (size_t i = 0; i < t.column_count; i++) {
		fputs(i ? "," : "", out);
		cs_write_csv_text(out, t.columns[i].name);
	}
	putc('\n', out);
	for (size_t row = 0; row < t.order.count && !cs_pulse_stops(t.pulse); row++) {
		const struct cs_cell *cells = cs_table_row(&t, t.order.items[row]);

		for (size_t i = 0; i < t.column_count; i++) {
			if (i)
				putc(',', out);
			if (!write_cell(out, &cells[i]))
				st = cs_fail(err, CS_NOMEM, 0, "no memory for a field");
		}
		putc('\n', out);
	}
	cs_table_deinit(&t);
	return st;
}
