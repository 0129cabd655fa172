#include "report/report.h"

#include "report/report_number.h"

#include <ctype.h>
#include <string.h>

enum { ATTR_LEN_MAX = 127, ATTR_PARTS_MAX = 16 }; /* as cpython/py_attr.h can follow */

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

static cs_status set_group_by(struct cs_report_options *options, const char *value,
			      struct cs_error *err)
{
	static const char *const names[] = { [CS_SITE_LINE] = "line", [CS_SITE_FILE] = "file",
					     [CS_SITE_TRACEBACK] = "traceback" };

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(value, names[i])) {
			options->site_key = i;
			return CS_OK;
		}
	return cs_fail(err, CS_USAGE, 0, "'%.40s' is nothing to group by: use line, file or traceback",
		       value);
}

/* A name of Python's? Bytes from 128 on are letters to us. */
static bool is_name(const char *text, size_t len)
{
	if (!len || len > ATTR_LEN_MAX || (*text >= '0' && *text <= '9'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' &&
		    (unsigned char)text[i] < 0x80)
			return false;
	return true;
}

/* "a.b.c" */
static bool is_path(const char *text, size_t len)
{
	for (size_t parts = 1; parts <= ATTR_PARTS_MAX; parts++) {
		size_t part = 0;

		while (part < len && text[part] != '.')
			part++;
		if (!is_name(text, part))
			return false;
		if (part == len)
			return true;
		text += part + 1;
		len -= part + 1;
	}
	return false;
}

static cs_status check_attrs(const char *value, struct cs_error *err)
{
	const char *at = value;
	size_t count = 0;

	for (;; at++) {
		size_t len = strcspn(at, ",");

		if (!is_path(at, len))
			return cs_fail(err, CS_USAGE, 0, "'%.*s' is not the name of an attribute",
				       (int)(len < 40 ? len : 40), at);
		for (const char *p = value; p < at; p += strcspn(p, ",") + 1)
			if (strcspn(p, ",") == len && !strncmp(p, at, len))
				return cs_fail(err, CS_USAGE, 0, "'%.*s' is asked for twice",
					       (int)(len < 40 ? len : 40), at);
		if (++count > CS_ATTRS_MAX)
			return cs_fail(err, CS_USAGE, 0, "more than %d attributes", CS_ATTRS_MAX);
		at += len;
		if (!*at)
			return CS_OK;
	}
}

cs_status cs_report_set(struct cs_report_options *options, const char *name, const char *value,
			struct cs_error *err)
{
	if (!strcmp(name, "format"))
		return set_format(options, value, err);
	if (!strcmp(name, "group-by"))
		return set_group_by(options, value, err);
	if (!strcmp(name, "json"))
		options->format = CS_FORMAT_JSON;
	else if (!strcmp(name, "no-values"))
		options->no_values = true;
	else if (!strcmp(name, "verbose"))
		options->is_verbose = true;
	else if (!strcmp(name, "cumulative"))
		options->is_cumulative = true;
	else if (!strcmp(name, "sort"))
		options->sort = value;
	else if (!strcmp(name, "type"))
		options->type = value;
	else if (!strcmp(name, "attrs")) {
		options->attrs = value;
		return check_attrs(value, err);
	} else if (!strcmp(name, "min"))
		return cs_number_parse_size(value, &options->min, err);
	else if (!strcmp(name, "depth")) {
		if (!cs_number_parse(value, &options->depth))
			return cs_fail(err, CS_USAGE, 0,
				       "'%.40s' is not a number of levels (0 means all)", value);
	} else if (!strcmp(name, "top")) {
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
	} else if (!strcmp(name, "brief")) {
		st = set_flag(&options->is_brief, name, value, err);
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
			return view->rows != CS_ROWS_ORDERED;
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

	if (view->rows == CS_ROWS_ORDERED)
		return cs_fail(err, CS_USAGE, 0, "%s%s is in %s", lead_in(options), view->name,
			       view->needs == CS_NEEDS_CHUNKS ? "the order of addresses" :
								"an order of its own");
	for (const struct cs_column *c = view->columns; c->name; c++) {
		size_t used = strlen(columns);

		snprintf(columns + used, sizeof(columns) - used, "%s%s", used ? ", " : "", c->name);
	}
	return cs_fail(err, CS_USAGE, 0, "there is no column '%.30s' to sort by: %s%s has %s",
		       options->sort, lead_in(options), view->name, columns);
}

static bool has_needing(const struct cs_ask *asks, size_t count, enum cs_view_needs needs)
{
	for (size_t i = 0; i < count; i++)
		if (asks[i].view->needs == needs)
			return true;
	return false;
}

static cs_status check_sites(const struct cs_report_options *options, const struct cs_ask *asks,
			     size_t count, struct cs_error *err)
{
	const char *name = options->is_cumulative ? "cumulative" : "group-by";

	if (!options->is_cumulative && options->site_key == CS_SITE_LINE)
		return CS_OK;
	if (!has_needing(asks, count, CS_NEEDS_SITES))
		return cs_fail(err, CS_USAGE, 0, "--%s is about %sby-site", name, lead_in(options));
	if (options->is_cumulative && options->site_key == CS_SITE_TRACEBACK)
		return cs_fail(err, CS_USAGE, 0, "--cumulative counts each line or file of a traceback: "
			       "it cannot group by traceback");
	return CS_OK;
}

cs_status cs_ask_set(struct cs_ask *ask, const char *value, struct cs_error *err)
{
	const char *argument = ask->view->argument ? ask->view->argument : "";

	ask->addr = 0;
	ask->text = NULL;
	if (strncmp(argument, "ADDR", 4))
		ask->text = value;
	else if (!cs_number_parse_address(value, &ask->addr)) {
		if (!strchr(argument, '|')) /* ADDR|TYPE */
			return cs_fail(err, CS_USAGE, 0, "'%.40s' is not an address", value);
		ask->text = value;
	}
	return CS_OK;
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
	if (options->attrs && !has_needing(asks, count, CS_NEEDS_INSTANCES))
		return cs_fail(err, CS_USAGE, 0, "--attrs names attributes of %sinstances TYPE",
			       lead_in(options));
	if (options->format == CS_FORMAT_CSV && count != 1)
		return cs_fail(err, CS_USAGE, 0,
			       "CSV holds one table: name one view, for example --by-type");
	return check_sites(options, asks, count, err);
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

bool cs_report_wants_graph(const struct cs_report_options *options, const struct cs_view *view)
{
	if (cs_view_needs_graph(view) || (view->needs == CS_NEEDS_THREADS && options->is_verbose))
		return true; /* stacks in full say what frames keep */
	for (const struct cs_column *c = view->columns; options->sort && c && c->name; c++)
		if (c->flags & CS_COL_GRAPH && !strcmp(c->name, options->sort))
			return true;
	return false;
}

uint64_t cs_report_top(const struct cs_report_options *options, const struct cs_view *view)
{
	if (options->has_top)
		return options->top;
	return options->format == CS_FORMAT_TEXT ? view->text_top : view->data_top;
}

/* The answer holds the rows of one page: all are shown, and it knows of the others. */
static cs_status select_page(struct cs_table *table, const struct cs_answer *answer,
			     const char *sort, struct cs_error *err)
{
	const struct cs_select all = { .sort = sort };
	cs_status st = cs_table_select(table, &all, err);

	if (st || !answer)
		return st;
	table->before_rows = answer->rows_before;
	table->more_rows = answer->rows_behind;
	table->total_rows += answer->rows_before + answer->rows_behind;
	for (size_t i = 0; i < table->column_count; i++) {
		if (!(table->columns[i].flags & CS_COL_SUM))
			continue;
		table->before[i] = answer->bytes_before;
		table->more[i] = answer->bytes_behind;
		table->total[i] += answer->bytes_before + answer->bytes_behind;
	}
	return CS_OK;
}

static cs_status begin_table(const struct cs_view_source *source, const struct cs_view *view,
			     struct cs_table *out, struct cs_error *err)
{
	struct cs_arena strings = { 0 };
	const struct cs_column *columns = view->columns;

	if (view->columns_of)
		columns = view->columns_of(source, &strings);
	cs_table_init(out, columns ? columns : view->columns);
	out->strings = strings;
	return columns ? CS_OK : cs_fail(err, CS_NOMEM, 0, "no memory for the columns");
}

cs_status cs_report_table(const struct cs_model *model, const struct cs_ask *ask,
			  const struct cs_report_options *options, struct cs_table *out,
			  struct cs_error *err)
{
	struct cs_view_source source = { model, ask->answer, ask->addr, options->no_values,
					 options->is_verbose, options->site_key,
					 options->is_cumulative, options->look.width };
	struct cs_select wish = { .sort = options->sort, .min = options->min,
				  .type = options->type, .skip = options->skip,
				  .top = cs_report_top(options, ask->view),
				  .only = options->only };

	cs_status st = begin_table(&source, ask->view, out, err);

	out->pulse = model->pulse;
	while (!model->has_retained && out->column_count &&
	       out->columns[out->column_count - 1].flags & CS_COL_GRAPH)
		out->column_count--;
	if (!st)
		st = cs_pulse_result(model->pulse, ask->view->build(&source, out, err), err);
	if (ask->view->needs == CS_NEEDS_OBJECT)
		wish.top = 0; /* one object; its lists are as long as wished */
	if (!st && ask->view->rows != CS_ROWS_ALL)
		st = select_page(out, ask->answer, options->sort, err);
	else if (!st)
		st = cs_table_select(out, &wish, err);
	if (st)
		cs_table_deinit(out);
	else if (options->seen)
		*options->seen = (struct cs_seen){
			.shown = out->order.count - out->is_last_extra,
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
