/* corescan.c - the public functions of libcorescan that make a handle and fill it. */
#include "scan/corescan_state.h"

#include <string.h>

static const char *const scan_options[] = { "exe", "sysroot", "debug-dir", "pid", "allow-swap-in" };

unsigned corescan_abi(void)
{
	return CORESCAN_ABI;
}

const char *corescan_version(void)
{
	return CS_VERSION;
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

int cs_result_of(cs_status st)
{
	if (st == CS_STOPPED)
		return CORESCAN_STOPPED;
	return st == CS_OK ? CORESCAN_OK : st == CS_USAGE ? CORESCAN_USAGE : CORESCAN_FAILED;
}

bool cs_is_scan_option(const char *name)
{
	for (size_t i = 0; i < sizeof(scan_options) / sizeof(scan_options[0]); i++)
		if (!strcmp(name, scan_options[i]))
			return true;
	return false;
}

static struct cs_setting *find_setting(struct corescan *cs, const char *name)
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
	cs_status st;

	if (cs_is_scan_option(name))
		return !cs->scan ? CS_OK :
				   cs_fail(&cs->err, CS_USAGE, 0, "%s: the target is open already", name);
	st = cs_report_set_look(&report, name, value, &cs->err);
	if (st != CS_NOTFOUND)
		return st;
	st = cs_report_set(&report, name, value ? value : "0", &cs->err);
	if (st == CS_NOTFOUND || !strcmp(name, "format") || !strcmp(name, "json"))
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no option '%.40s'", name);
	return st;
}

int corescan_set(struct corescan *cs, const char *option, const char *value)
{
	cs_status st = check_option(cs, option, value);
	struct cs_setting *setting;
	char *copy = value ? strdup(value) : NULL;

	if (st == CS_OK && value && !copy)
		st = cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option");
	if (st) {
		free(copy);
		return cs_result_of(st);
	}
	setting = find_setting(cs, option);
	if (!setting) {
		char *name = strdup(option);

		if (!name) { /* there are fewer options than OPTIONS_MAX */
			free(copy);
			return cs_result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option"));
		}
		setting = &cs->settings[cs->setting_count++];
		setting->name = name;
	}
	free(setting->value);
	setting->value = copy;
	return CORESCAN_OK;
}

const char *cs_handle_value(struct corescan *cs, const char *name)
{
	const struct cs_setting *setting = find_setting(cs, name);

	return setting ? setting->value : NULL;
}

int corescan_open(struct corescan *cs, const char *target)
{
	struct cs_scan_options options = {
		.exe = cs_handle_value(cs, "exe"),
		.sysroot = cs_handle_value(cs, "sysroot"),
		.debug_dir = cs_handle_value(cs, "debug-dir"),
		.is_pid = cs_handle_value(cs, "pid"),
		.allow_swap_in = cs_handle_value(cs, "allow-swap-in"),
		.no_values = cs_handle_value(cs, "no-values"),
	};

	if (cs->scan)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "the handle holds a target already"));
	free(cs->target);
	cs->target = strdup(target);
	if (!cs->target)
		return cs_result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for a name"));

	cs_status st = cs_scan_open(target, &options, &cs->scan, &cs->err);

	if (st)
		return cs_result_of(st);
	return cs_report_is_partial(cs_scan_model(cs->scan)) ? CORESCAN_PART : CORESCAN_OK;
}

const char *corescan_error(const struct corescan *cs)
{
	return cs->err.text;
}
