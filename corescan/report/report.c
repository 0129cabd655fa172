#include "report/report.h"

#include "report/report_number.h"

#include <string.h>

static cs_status set_format(struct cs_report_options *options, const char *value,
			    struct cs_error *err)
{
	static const char *const names[] = { [CS_FORMAT_TEXT] = "text", [CS_FORMAT_JSON] = "json",
					     [CS_FORMAT_CSV] = "csv" };

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(value, names[i])) {
			options->format = i;
			return CS_OK;
		}
	return cs_fail(err, CS_USAGE, 0, "there is no format '%.40s': use text, json or csv", value);
}

cs_status cs_report_set(struct cs_report_options *options, const char *name, const char *value,
			struct cs_error *err)
{
	if (!strcmp(name, "format"))
		return set_format(options, value, err);
	if (!strcmp(name, "json"))
		options->format = CS_FORMAT_JSON;
	else if (!strcmp(name, "no-values"))
		options->no_values = true;
	else if (!strcmp(name, "verbose"))
		options->is_verbose = true;
	else if (!strcmp(name, "sort"))
		options->sort = value;
	else if (!strcmp(name, "type"))
		options->type = value;
	else if (!strcmp(name, "min"))
		return cs_number_parse_size(value, &options->min, err);
	else if (!strcmp(name, "top")) {
		options->has_top = true;
		if (!cs_number_parse(value, &options->top))
			return cs_fail(err, CS_USAGE, 0,
				       "'%.40s' is not a number of rows (0 means all)", value);
	} else
		return CS_NOTFOUND;
	return CS_OK;
}

static cs_status set_flag(bool *flag, const char *name, const char *value, struct cs_error *err)
{
	if (!value)
		return CS_OK;
	if (strcmp(value, "0") && strcmp(value, "1"))
		return cs_fail(err, CS_USAGE, 0, "%s is 1 or 0, not '%.40s'", name, value);
	*flag = *value == '1';
	return CS_OK;
}

cs_status cs_report_set_look(struct cs_report_options *options, const char *name,
			     const char *value, struct cs_error *err)
{
	bool flag = false;
	cs_status st = CS_OK;
	uint64_t n = 0;

	if (!strcmp(name, "width")) {
		if (value && !cs_number_parse(value, &n))
			return cs_fail(err, CS_USAGE, 0, "'%.40s' is not a width", value);
		if (value)
			options->look.width = n < UINT16_MAX ? (unsigned)n : UINT16_MAX;
	} else if (!strcmp(name, "ascii")) {
		flag = !options->look.is_utf8;
		st = set_flag(&flag, name, value, err);
		options->look.is_utf8 = !flag;
	} else if (!strcmp(name, "bars"))
		st = set_flag(&options->look.has_bars, name, value, err);
	else if (!strcmp(name, "color"))
		st = set_flag(&options->look.has_color, name, value, err);
	else if (!strcmp(name, "header")) {
		flag = !options->no_header;
		st = set_flag(&flag, name, value, err);
		options->no_header = !flag;
	} else if (!strcmp(name, "commands")) {
		if (value && strcmp(value, "gdb"))
			return cs_fail(err, CS_USAGE, 0, "'%.40s' is no debugger: use gdb", value);
		options->is_gdb = options->is_gdb || value;
	} else
		return CS_NOTFOUND;
	return st;
}

bool cs_view_picks_by(const struct cs_view *view, const char *name, unsigned flag)
{
	for (const struct cs_column *c = view->columns; c->name; c++)
		if (name ? !strcmp(c->name, name) : (c->flags & flag) != 0)
			return view->needs != CS_NEEDS_CHUNKS;
	return false;
}

static bool any_has(const struct cs_ask *asks, size_t count, const char *name, unsigned flag)
{
	if (!count)
		return cs_view_picks_by(cs_view_find("summary"), name, flag) ||
		       cs_view_picks_by(cs_view_find("by-type"), name, flag);
	for (size_t i = 0; i < count; i++)
		if (cs_view_picks_by(asks[i].view, name, flag))
			return true;
	return false;
}

/* What stands before the name of a view where the user types it. */
static const char *lead_in(const struct cs_report_options *options)
{
	return options->is_gdb ? "corescan " : "--";
}

static cs_status bad_sort(const struct cs_report_options *options, const struct cs_ask *asks,
			  size_t count, struct cs_error *err)
{
	const struct cs_view *view = count ? asks[0].view : cs_view_find("by-type");
	char columns[160] = "";

	if (view->needs == CS_NEEDS_CHUNKS)
		return cs_fail(err, CS_USAGE, 0, "%s%s is in the order of addresses",
			       lead_in(options), view->name);
	for (const struct cs_column *c = view->columns; c->name; c++) {
		size_t used = strlen(columns);

		snprintf(columns + used, sizeof(columns) - used, "%s%s", used ? ", " : "", c->name);
	}
	return cs_fail(err, CS_USAGE, 0, "there is no column '%.30s' to sort by: %s%s has %s",
		       options->sort, lead_in(options), view->name, columns);
}

cs_status cs_report_check(const struct cs_report_options *options, const struct cs_ask *asks,
			  size_t count, struct cs_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (!asks[i].view->build)
			return cs_fail(err, CS_USAGE, 0, "%s%s is not available in this version",
				       lead_in(options), asks[i].view->name);
	if (options->sort && !any_has(asks, count, options->sort, 0))
		return bad_sort(options, asks, count, err);
	if (options->type && !any_has(asks, count, NULL, CS_COL_TYPE))
		return cs_fail(err, CS_USAGE, 0,
			       "--type picks rows by their type, and %s%s has none: ask %sby-type",
			       lead_in(options), asks[0].view->name, lead_in(options));
	if (options->min && !any_has(asks, count, NULL, CS_COL_WEIGHT))
		return cs_fail(err, CS_USAGE, 0,
			       "--min picks rows by their bytes, and %s%s has none", lead_in(options),
			       asks[0].view->name);
	if (options->format == CS_FORMAT_CSV && count != 1)
		return cs_fail(err, CS_USAGE, 0,
			       "CSV holds one table: name one view, for example --by-type");
	return CS_OK;
}

/* Of a table about one address the thing itself: the object, else its block. */
static cs_addr address_of_object(const struct cs_table *t)
{
	static const char *const fields[] = { "object", "block", "address" };

	for (size_t i = 0; i < 3; i++)
		for (size_t row = 0; row < cs_table_rows(t); row++) {
			const struct cs_cell *cells = cs_table_row(t, row);

			if (cells[1].type == CS_CELL_ADDRESS && !strcmp(cells[0].text, fields[i]))
				return cells[1].number;
		}
	return 0;
}

static cs_addr last_address(const struct cs_table *t)
{
	for (size_t row = t->order.count; row--;) {
		const struct cs_cell *cells = cs_table_row(t, t->order.items[row]);

		for (size_t i = t->column_count; i--;)
			if (cells[i].type == CS_CELL_ADDRESS)
				return cells[i].number;
	}
	return 0;
}

uint64_t cs_report_top(const struct cs_report_options *options, const struct cs_view *view)
{
	if (options->has_top)
		return options->top;
	return options->format == CS_FORMAT_TEXT ? view->text_top : view->data_top;
}

/* The answer holds the rows of one page: all are shown, and it knows of the others. */
static cs_status select_page(struct cs_table *table, const struct cs_answer *answer,
			     struct cs_error *err)
{
	const struct cs_select all = { 0 };
	cs_status st = cs_table_select(table, &all, err);

	if (st || !answer)
		return st;
	table->before_rows = answer->chunks_before;
	table->more_rows = answer->chunks_behind;
	table->total_rows += answer->chunks_before + answer->chunks_behind;
	return CS_OK;
}

cs_status cs_report_table(const struct cs_model *model, const struct cs_ask *ask,
			  const struct cs_report_options *options, struct cs_table *out,
			  struct cs_error *err)
{
	struct cs_view_source source = { model, ask->answer, ask->addr, options->no_values,
					 options->is_verbose, options->look.width };
	struct cs_select wish = { .sort = options->sort, .min = options->min,
				  .type = options->type, .skip = options->skip,
				  .top = cs_report_top(options, ask->view),
				  .only = options->only };

	cs_table_init(out, ask->view->columns);
	out->pulse = model->pulse;

	cs_status st = cs_pulse_result(model->pulse, ask->view->build(&source, out, err), err);

	if (!st && ask->view->needs == CS_NEEDS_CHUNKS)
		st = select_page(out, ask->answer, err);
	else if (!st)
		st = cs_table_select(out, &wish, err);
	if (st)
		cs_table_deinit(out);
	else if (options->seen)
		*options->seen = (struct cs_seen){
			.shown = out->order.count,
			.more = out->more_rows,
			.last_address = ask->view->needs == CS_NEEDS_OBJECT ?
						address_of_object(out) : last_address(out),
		};
	return st;
}

cs_status cs_report_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			  size_t count, const struct cs_report_options *options,
			  struct cs_error *err)
{
	cs_status st = cs_report_check(options, asks, count, err);

	if (st)
		return st;
	switch (options->format) {
	case CS_FORMAT_JSON:
		return cs_json_write(out, model, asks, count, options, err);
	case CS_FORMAT_CSV:
		return cs_csv_write(out, model, asks, count, options, err);
	case CS_FORMAT_TEXT:
		break;
	}
	return cs_text_write(out, model, asks, count, options, err);
}

bool cs_report_is_partial(const struct cs_model *model)
{
	const struct cs_target_info *t = &model->target;

	return model->anomaly_count || cs_model_lacks_memory(model) ||
	       (t->python.found && !t->python.supported);
}

static void write_bytes(FILE *out, uint64_t bytes, const char *words, const char **comma)
{
	char text[CS_NUMBER_LEN];

	if (!bytes)
		return;
	cs_number_bytes(text, bytes, false);
	fprintf(out, "%s%s %s", *comma, text, words);
	*comma = ", ";
}

void cs_report_write_missing(FILE *out, const struct cs_model *model, const char *doctor)
{
	const struct cs_target_info *t = &model->target;
	char count[CS_NUMBER_LEN];
	const char *comma = "";

	if (model->anomaly_count) {
		cs_number_count(count, model->anomaly_count);
		fprintf(out, "%s anomal%s", count, model->anomaly_count == 1 ? "y" : "ies");
		if (doctor)
			fprintf(out, " (%s)", doctor);
		comma = ", ";
	}
	write_bytes(out, t->missing, !strcmp(t->kind, "core") ? "mapped but not in the core" : "mapped but not readable",
		    &comma);
	write_bytes(out, t->lost, "lost to truncation", &comma);
	write_bytes(out, t->swapped, "swapped out", &comma);
	if (t->truncated && !t->lost) {
		fprintf(out, "%sthe core is truncated", comma);
		comma = ", ";
	}
	if (t->python.found && !t->python.supported)
		fprintf(out, "%sCPython %s is not supported", comma,
			t->python.version ? t->python.version : "of unknown version");
}

void cs_write_percent(FILE *out, uint64_t thousandths)
{
	unsigned part = (unsigned)(thousandths % 1000);
	int digits = 3;

	fprintf(out, "%" PRIu64, thousandths / 1000);
	for (; part && part % 10 == 0; part /= 10)
		digits--;
	if (part)
		fprintf(out, ".%0*u", digits, part);
}
