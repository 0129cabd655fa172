/* corescan.c - the public functions of libcorescan, over scan and report. */
#include "corescan/corescan.h"

#include "report/report.h"
#include "report/report_number.h"
#include "scan/scan.h"

#include <string.h>

enum { OPTIONS_MAX = 16 };

struct setting {
	char *name, *value;
};

struct corescan {
	struct cs_scan *scan;
	struct setting settings[OPTIONS_MAX]; /* in the order they were first set */
	size_t setting_count;
	struct cs_error err;
	char *target;
};

static const char *const scan_options[] = { "exe", "sysroot", "debug-dir", "pid", "allow-swap-in" };

unsigned corescan_abi(void)
{
	return CORESCAN_ABI;
}

const char *corescan_version(void)
{
	return CS_VERSION;
}

static const struct cs_view *built_view(const char *name)
{
	const struct cs_view *view = name ? cs_view_find(name) : NULL;

	return view && view->build ? view : NULL;
}

const char *corescan_view_name(size_t nr)
{
	const struct cs_view *view;

	for (size_t i = 0; (view = cs_view_at(i)); i++)
		if (view->build && !nr--)
			return view->name;
	return NULL;
}

const char *corescan_view_title(const char *name)
{
	const struct cs_view *view = built_view(name);

	return view ? view->title : NULL;
}

const char *corescan_view_help(const char *name)
{
	const struct cs_view *view = built_view(name);

	return view ? view->help : NULL;
}

const char *corescan_view_argument(const char *name)
{
	const struct cs_view *view = built_view(name);

	return view ? view->argument : NULL;
}

struct corescan *corescan_new(void)
{
	return calloc(1, sizeof(struct corescan));
}

void corescan_close(struct corescan *cs)
{
	if (!cs)
		return;
	cs_scan_close(cs->scan);
	for (size_t i = 0; i < cs->setting_count; i++) {
		free(cs->settings[i].name);
		free(cs->settings[i].value);
	}
	free(cs->target);
	free(cs);
}

static int result_of(cs_status st)
{
	return st == CS_OK ? CORESCAN_OK : st == CS_USAGE ? CORESCAN_USAGE : CORESCAN_FAILED;
}

static bool is_scan_option(const char *name)
{
	for (size_t i = 0; i < sizeof(scan_options) / sizeof(scan_options[0]); i++)
		if (!strcmp(name, scan_options[i]))
			return true;
	return false;
}

static struct setting *find_setting(struct corescan *cs, const char *name)
{
	for (size_t i = 0; i < cs->setting_count; i++)
		if (!strcmp(cs->settings[i].name, name))
			return &cs->settings[i];
	return NULL;
}

/* Would the option be understood? */
static cs_status check_option(struct corescan *cs, const char *name, const char *value)
{
	struct cs_report_options report = { 0 };
	uint64_t width;
	cs_status st;

	if (is_scan_option(name))
		return !cs->scan ? CS_OK :
				   cs_fail(&cs->err, CS_USAGE, 0, "%s: the target is open already", name);
	if (!strcmp(name, "width"))
		return !value || cs_number_parse(value, &width) ?
			       CS_OK :
			       cs_fail(&cs->err, CS_USAGE, 0, "'%.40s' is not a width", value);
	st = cs_report_set(&report, name, value ? value : "0", &cs->err);
	if (st == CS_NOTFOUND || !strcmp(name, "format") || !strcmp(name, "json"))
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no option '%.40s'", name);
	return st;
}

int corescan_set(struct corescan *cs, const char *option, const char *value)
{
	cs_status st = check_option(cs, option, value);
	struct setting *setting;
	char *copy = value ? strdup(value) : NULL;

	if (st == CS_OK && value && !copy)
		st = cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option");
	if (st) {
		free(copy);
		return result_of(st);
	}
	setting = find_setting(cs, option);
	if (!setting) {
		char *name = strdup(option);

		if (!name) { /* there are fewer options than OPTIONS_MAX */
			free(copy);
			return result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option"));
		}
		setting = &cs->settings[cs->setting_count++];
		setting->name = name;
	}
	free(setting->value);
	setting->value = copy;
	return CORESCAN_OK;
}

static const char *value_of(struct corescan *cs, const char *name)
{
	const struct setting *setting = find_setting(cs, name);

	return setting ? setting->value : NULL;
}

int corescan_open(struct corescan *cs, const char *target)
{
	struct cs_scan_options options = {
		.exe = value_of(cs, "exe"),
		.sysroot = value_of(cs, "sysroot"),
		.debug_dir = value_of(cs, "debug-dir"),
		.is_pid = value_of(cs, "pid"),
		.allow_swap_in = value_of(cs, "allow-swap-in"),
		.no_values = value_of(cs, "no-values"),
	};

	if (cs->scan)
		return result_of(cs_fail(&cs->err, CS_USAGE, 0, "the handle holds a target already"));
	free(cs->target);
	cs->target = strdup(target);
	if (!cs->target)
		return result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for a name"));

	cs_status st = cs_scan_open(target, &options, &cs->scan, &cs->err);

	if (st)
		return result_of(st);
	return cs_report_is_partial(cs_scan_model(cs->scan)) ? CORESCAN_PART : CORESCAN_OK;
}

static cs_status set_up(struct corescan *cs, const char *format, struct cs_report_options *out)
{
	cs_status st = cs_report_set(out, "format", format, &cs->err);
	const char *width = value_of(cs, "width");
	uint64_t columns;

	for (size_t i = 0; !st && i < cs->setting_count; i++) {
		const struct setting *s = &cs->settings[i];

		if (s->value && strcmp(s->name, "width") && !is_scan_option(s->name))
			st = cs_report_set(out, s->name, s->value, &cs->err);
	}
	out->target = cs->target;
	out->look.is_utf8 = true;
	if (width && cs_number_parse(width, &columns))
		out->look.width = columns < UINT16_MAX ? (unsigned)columns : UINT16_MAX;
	return st;
}

/* Find the view and, for one about an address, what is known there. */
static cs_status set_ask(struct corescan *cs, const char *view, const char *argument,
			 struct cs_ask *ask, struct cs_answer *answer)
{
	cs_status st;

	ask->view = built_view(view);
	if (!ask->view)
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no view '%.40s'", view);
	if (!ask->view->argument != !argument)
		return cs_fail(&cs->err, CS_USAGE, 0, "the view '%s' takes %s", ask->view->name,
			       argument ? "no argument" : "an address");
	if (!argument)
		return CS_OK;
	if (!cs_number_parse_address(argument, &ask->addr))
		return cs_fail(&cs->err, CS_USAGE, 0, "'%.40s' is not an address", argument);
	st = cs_scan_object(cs->scan, ask->addr, answer, &cs->err);
	if (st == CS_OK)
		ask->answer = answer;
	return st == CS_NOTFOUND ? CS_OK : st;
}

static cs_status render(struct corescan *cs, const struct cs_ask *ask, size_t count,
			const struct cs_report_options *options, char **text)
{
	size_t len = 0;
	char *buf = NULL;
	FILE *out = open_memstream(&buf, &len);

	if (!out)
		return cs_fail(&cs->err, CS_NOMEM, 0, "no memory for the answer");

	cs_status st = cs_report_write(out, cs_scan_model(cs->scan), ask, count, options, &cs->err);
	bool failed = ferror(out);

	if ((fclose(out) || failed) && !st)
		st = cs_fail(&cs->err, CS_NOMEM, 0, "no memory for the answer");
	if (st)
		free(buf);
	else
		*text = buf;
	return st;
}

int corescan_render(struct corescan *cs, const char *view, const char *argument,
		    const char *format, char **text)
{
	struct cs_report_options options = { 0 };
	struct cs_answer answer = { 0 };
	struct cs_ask ask = { 0 };
	cs_status st;

	*text = NULL;
	if (!cs->scan)
		return result_of(cs_fail(&cs->err, CS_USAGE, 0, "no target is open"));
	st = set_up(cs, format, &options);
	if (!st && view)
		st = set_ask(cs, view, argument, &ask, &answer);
	if (!st)
		st = render(cs, &ask, view ? 1 : 0, &options, text);
	cs_answer_deinit(&answer);
	if (st)
		return result_of(st);
	return cs_report_is_partial(cs_scan_model(cs->scan)) ? CORESCAN_PART : CORESCAN_OK;
}

void corescan_free(char *text)
{
	free(text);
}

const char *corescan_error(const struct corescan *cs)
{
	return cs->err.text;
}
