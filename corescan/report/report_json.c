/* report_json.c - one document for all views; numbers exact, a row a line.
 *
 * Addresses are strings ("0x7f..."): a double cannot hold all of them.
 * Whatever is unknown is null. `more` stands beside rows that --top left out,
 * `before` beside a page that is not the first: before + rows + more = total.
 */
#include "report/report.h"
#include "report/report_escape.h"

enum { SCHEMA = 1 };

static void write_list(FILE *out, const struct cs_list *list);

static void write_cell(FILE *out, const struct cs_cell *cell)
{
	switch (cell->type) {
	case CS_CELL_TEXT:
		cs_write_json_text(out, cell->text);
		break;
	case CS_CELL_DIGITS:
		fputs(cell->text, out);
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
		fprintf(out, "\"" CS_ADDR "\"", cell->number);
		break;
	case CS_CELL_ID:
		if (cell->number)
			fprintf(out, "%" PRIu64, cell->number);
		else
			fputs("null", out);
		break;
	case CS_CELL_LIST:
		write_list(out, cell->list);
		break;
	}
}

/* Lists in lists end: a view makes them, two deep at most. */
static void write_list(FILE *out, const struct cs_list *list)
{
	const struct cs_cell *cell = list ? list->cells : NULL;
	size_t columns = 0;

	if (!list) {
		fputs("null", out);
		return;
	}
	while (list->columns[columns].name)
		columns++;
	putc('[', out);
	for (size_t row = 0; row < list->rows; row++) {
		if (list->nrs)
			cell = list->cells + list->nrs[row] * columns;
		fputs(row ? ",{" : "{", out);
		for (const struct cs_column *c = list->columns; c->name; c++, cell++) {
			fprintf(out, "%s\"%s\":", c == list->columns ? "" : ",", c->name);
			write_cell(out, cell);
		}
		putc('}', out);
	}
	putc(']', out);
}

/* A column's; mostly ours, perhaps an attribute's. */
static void write_name(FILE *out, const char *before, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!name[strspn(name, plain)]) {
		fprintf(out, "%s\"%s\":", before, name);
		return;
	}
	fputs(before, out);
	cs_write_json_text(out, name);
	putc(':', out);
}

static void write_rows(FILE *out, const struct cs_table *t)
{
	for (size_t row = 0; row < t->order.count && !cs_pulse_stops(t->pulse); row++) {
		const struct cs_cell *cells = cs_table_row(t, t->order.items[row]);

		fputs(row ? ",\n    {" : "\n    {", out);
		for (size_t i = 0; i < t->column_count; i++) {
			write_name(out, i ? "," : "", t->columns[i].name);
			write_cell(out, &cells[i]);
		}
		putc('}', out);
	}
}

/* The summed columns as an object; `first` goes before them. */
static void write_sums(FILE *out, const struct cs_table *t, const uint64_t *sums, const char *first)
{
	const char *comma = *first ? "," : "";

	fprintf(out, "{%s", first);
	for (size_t i = 0; i < t->column_count; i++) {
		if (!(t->columns[i].flags & CS_COL_SUM))
			continue;
		fprintf(out, "%s\"%s\":%" PRIu64, comma, t->columns[i].name, sums[i]);
		comma = ",";
	}
	putc('}', out);
}

/* Rows that are not there, and their sums. */
static void write_rest(FILE *out, const struct cs_table *t, const char *name, size_t rows,
		       const uint64_t *sums)
{
	char first[40];

	if (!rows)
		return;
	snprintf(first, sizeof(first), "\"rows\":%zu", rows);
	fprintf(out, ",\n   \"%s\":", name);
	write_sums(out, t, sums, first);
}

static void write_table(FILE *out, const struct cs_table *t)
{
	fputs("\"rows\":[", out);
	write_rows(out, t);
	fputs("]", out);
	write_rest(out, t, "before", t->before_rows, t->before);
	write_rest(out, t, "more", t->more_rows, t->more);
}

static const char *truth(bool b)
{
	return b ? "true" : "false";
}

static void write_python(FILE *out, const struct cs_target_info *t)
{
	if (!t->python.found) {
		fputs("null", out);
		return;
	}
	fputs("{\"version\":", out);
	cs_write_json_text(out, t->python.version);
	fputs(",\"layout\":", out);
	cs_write_json_text(out, t->python.supported ? t->python.layout : "unsupported");
	fprintf(out, ",\"free_threaded\":%s,\"debug\":%s", truth(t->python.free_threaded),
		truth(t->python.debug));
	if (!t->python.supported) {
		fputs(",\"problem\":", out);
		cs_write_json_text(out, t->python.problem);
	}
	putc('}', out);
}

static void write_libc(FILE *out, const struct cs_target_info *t)
{
	if (!t->libc.found && !t->libc.other) {
		fputs("null", out);
		return;
	}
	fputs("{\"version\":", out);
	cs_write_json_text(out, t->libc.version);
	fprintf(out, ",\"arenas\":%" PRIu64 ",\"found_by\":", t->libc.arenas);
	cs_write_json_text(out, t->libc.found_by);
	if (t->libc.other) {
		fputs(",\"other\":", out);
		cs_write_json_text(out, t->libc.other);
	}
	putc('}', out);
}

static void write_target(FILE *out, const struct cs_target_info *t)
{
	fputs(" \"target\":{\"kind\":", out);
	cs_write_json_text(out, t->kind);
	fputs(",\"path\":", out);
	cs_write_json_text(out, t->path);
	fprintf(out, ",\"pid\":%d,\"command\":", t->pid);
	cs_write_json_text(out, t->command);
	fprintf(out, ",\"machine\":\"x86_64\",\"signal\":%d,\"threads\":%" PRIu64, t->signal, t->threads);
	if (t->stopped_ns)
		fprintf(out, ",\"stopped_ns\":%" PRIu64, t->stopped_ns);
	fputs(",\n   \"python\":", out);
	write_python(out, t);
	fputs(",\n   \"libc\":", out);
	write_libc(out, t);
	fprintf(out, ",\n   \"bytes\":{\"mapped\":%" PRIu64 ",\"present\":%" PRIu64
		     ",\"missing\":%" PRIu64 ",\"truncated\":%s",
		t->mapped, t->present, t->missing, truth(t->truncated));
	if (t->lost)
		fprintf(out, ",\"lost\":%" PRIu64, t->lost);
	if (t->swapped)
		fprintf(out, ",\"swapped\":%" PRIu64, t->swapped);
	fputs("}},\n", out);
}

/* The view that belongs to another: a member of it, whole. */
static cs_status write_also(FILE *out, const struct cs_model *model, struct cs_ask ask,
			    const struct cs_report_options *options, struct cs_error *err)
{
	struct cs_report_options all = { .format = CS_FORMAT_JSON, .no_values = options->no_values };
	struct cs_table t;
	cs_status st = cs_report_table(model, &ask, &all, &t, err);

	if (st)
		return st;
	fprintf(out, ",\n   \"%s\":{", ask.view->name);
	write_table(out, &t);
	putc('}', out);
	cs_table_deinit(&t);
	return CS_OK;
}

static cs_status write_view(FILE *out, const struct cs_model *model, const struct cs_ask *ask,
			    const struct cs_report_options *options, const char *before,
			    struct cs_error *err)
{
	struct cs_table t;
	cs_status st = cs_report_table(model, ask, options, &t, err);

	if (st)
		return st;
	fprintf(out, "%s\n  {\"view\":\"%s\",", before, ask->view->name);
	write_table(out, &t);
	fputs(",\n   \"total\":", out);
	write_sums(out, &t, t.total, "");
	cs_table_deinit(&t);
	if (ask->view->also)
		st = write_also(out, model, (struct cs_ask){ .view = cs_view_find(ask->view->also) },
				options, err);
	if (!st && ask->view->closing)
		st = write_also(out, model,
				(struct cs_ask){ .view = ask->view->closing, .answer = ask->answer },
				options, err);
	putc('}', out);
	return st;
}

static cs_status write_anomalies(FILE *out, const struct cs_model *model, struct cs_error *err)
{
	struct cs_report_options all = { .format = CS_FORMAT_JSON };
	struct cs_ask ask = { .view = &cs_view_anomalies };
	struct cs_table t;
	cs_status st = cs_report_table(model, &ask, &all, &t, err);

	if (st)
		return st;
	fprintf(out, "],\n \"anomalies\":{\"count\":%" PRIu64 ",", model->anomaly_count);
	write_table(out, &t);
	fputs("}}\n", out);
	cs_table_deinit(&t);
	return CS_OK;
}

cs_status cs_json_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			size_t count, const struct cs_report_options *options, struct cs_error *err)
{
	const struct cs_ask page[] = { { .view = cs_view_find("summary") },
				       { .view = cs_view_find("suspects"), .answer = options->suspects },
				       { .view = cs_view_find("by-type") },
				       { .view = cs_view_find("threads") } };

	if (!count) {
		asks = page;
		count = sizeof(page) / sizeof(page[0]);
	}
	fprintf(out, "{\"corescan\":{\"schema\":%d,\"version\":\"%s\"},\n", SCHEMA, CS_VERSION);
	write_target(out, &model->target);
	fputs(" \"views\":[", out);
	for (size_t i = 0; i < count; i++) {
		cs_status st = write_view(out, model, &asks[i], options, i ? "," : "", err);

		if (st)
			return st;
	}
	return write_anomalies(out, model, err);
}
