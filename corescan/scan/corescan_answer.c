/* corescan_answer.c - the public functions of libcorescan that answer from a full handle. */
#include "scan/corescan_state.h"

#include "report/report_commands.h"
#include "report/report_number.h"
#include "scan/threads.h"

#include <string.h>

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

static cs_status set_up(struct corescan *cs, const char *format, struct cs_report_options *out)
{
	cs_status st = cs_report_set(out, "format", format, &cs->err);

	out->target = cs->target;
	out->look.is_utf8 = true;
	for (size_t i = 0; !st && i < cs->setting_count; i++) {
		const struct cs_setting *s = &cs->settings[i];

		if (!s->value || cs_is_scan_option(s->name))
			continue;
		st = cs_report_set(out, s->name, s->value, &cs->err);
		if (st == CS_NOTFOUND)
			st = cs_report_set_look(out, s->name, s->value, &cs->err);
	}
	out->look.has_bars = out->look.has_bars && out->look.is_utf8;
	return st;
}

/* Find the view and, for one about an address, what is known there. The argument may
 * be missing where the caller knows that 0 means something. */
static cs_status set_ask(struct corescan *cs, const char *view, const char *argument,
			 const struct cs_report_options *options, struct cs_ask *ask,
			 struct cs_answer *answer)
{
	cs_status st;

	ask->view = built_view(view);
	if (!ask->view)
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no view '%.40s'", view);
	if (!ask->view->argument != !argument && !(options->command && !argument))
		return cs_fail(&cs->err, CS_USAGE, 0, "the view '%s' takes %s", ask->view->name,
			       argument ? "no argument" :
			       *ask->view->argument == 'T' ? "a type" : "an address");
	if (!strcmp(view, "doctor"))
		cs_scan_prove(cs->scan);
	st = argument ? cs_ask_set(ask, argument, &cs->err) : CS_OK;
	if (st)
		return st;
	st = cs_scan_answer(cs->scan, ask, options, answer, &cs->err);
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

/* What the default page needs. A process that runs again has no graph: then the page
 * names no suspects. */
static cs_status set_page(struct corescan *cs, struct cs_report_options *page,
			  struct cs_answer *answer)
{
	cs_status st = cs_scan_threads(cs->scan, false, &cs->err);

	if (st)
		return st;
	st = cs_scan_page(cs->scan, page, answer, &cs->err);
	return st == CS_STOPPED ? st : CS_OK;
}

/* One view, or with NULL the default page. */
static int answer_view(struct corescan *cs, const char *view, const char *argument,
		       const struct cs_report_options *options, char **text)
{
	struct cs_answer answer = { 0 };
	struct cs_report_options page = *options;
	struct cs_ask ask = { 0 };
	cs_status st = CS_OK;

	cs_handle_enter(cs);
	if (view)
		st = set_ask(cs, view, argument, options, &ask, &answer);
	else
		st = set_page(cs, &page, &answer);
	if (!st)
		st = render(cs, &ask, view ? 1 : 0, &page, text);
	st = cs_handle_leave(cs, st);
	cs_answer_deinit(&answer);
	if (st) {
		free(*text);
		*text = NULL;
		return cs_result_of(st);
	}
	return cs_report_is_partial(cs_scan_model(cs->scan)) ? CORESCAN_PART : CORESCAN_OK;
}

int corescan_render(struct corescan *cs, const char *view, const char *argument,
		    const char *format, char **text)
{
	struct cs_seen seen = { 0 };
	struct cs_report_options options = { .seen = &seen };
	cs_status st;
	int result;

	*text = NULL;
	cs->last_address = 0;
	if (!cs->scan)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "no target is open"));
	st = set_up(cs, format, &options);
	result = st ? cs_result_of(st) : answer_view(cs, view, argument, &options, text);
	if (*text)
		cs->last_address = seen.last_address;
	return result;
}

const struct corescan_command *corescan_command_at(size_t nr)
{
	const struct cs_command *command = cs_command_at(nr);

	return command ? &command->is : NULL;
}

/* A table of Python types of a target without any says more in a sentence. */
static cs_status has_python(struct corescan *cs)
{
	const struct cs_target_info *t = &cs_scan_model(cs->scan)->target;

	if (!t->python.found)
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no CPython in this target");
	if (!t->python.supported)
		return cs_fail(&cs->err, CS_USAGE, 0, "CPython %.40s is not supported%s%.120s",
			       t->python.version ? t->python.version : "of unknown version",
			       t->python.problem ? ": " : "", t->python.problem ? t->python.problem : "");
	return CS_OK;
}

int corescan_command(struct corescan *cs, const char *name, size_t count, const char *const *words,
		     uint64_t skip, char **text, uint64_t *shown, uint64_t *more)
{
	const struct cs_command *command = cs_command_find(name);
	struct cs_seen seen = { 0 };
	struct cs_report_options options = { .skip = skip, .seen = &seen };
	const char *argument = NULL;
	cs_status st;
	int result;

	*text = NULL;
	cs->last_address = 0;
	if (!command)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "there is no command '%.40s'", name));
	st = set_up(cs, "text", &options);
	if (!st)
		st = cs_command_read(command, count, words, &options, &argument, &cs->err);
	if (!st && !cs->scan)
		st = cs_fail(&cs->err, CS_USAGE, 0, "no target is open");
	if (!st && !strncmp(name, "pyheap ", 7) && !strcmp(command->is.view, "by-type"))
		st = has_python(cs);
	result = st ? cs_result_of(st) :
		      answer_view(cs, command->is.view, argument, &options, text);
	if (*text)
		cs->last_address = seen.last_address;
	if (shown)
		*shown = *text ? seen.shown : 0;
	if (more)
		*more = *text ? seen.more : 0;
	return result;
}

const char *corescan_missing(struct corescan *cs)
{
	const char *commands = cs_handle_value(cs, "commands");
	FILE *out;

	memset(cs->missing, 0, sizeof(cs->missing));
	if (!cs->scan)
		return cs->missing;
	out = fmemopen(cs->missing, sizeof(cs->missing) - 1, "w");
	if (!out)
		return "no memory to say what is missing";
	cs_report_write_missing(out, cs_scan_model(cs->scan), commands ? "corescan doctor" : NULL);
	fclose(out);
	return cs->missing;
}

uint64_t corescan_last_address(const struct corescan *cs)
{
	return cs->last_address;
}

void corescan_free(char *text)
{
	free(text);
}
