#include "cli/cli_options.h"

#include "report/report_number.h"

#include <string.h>
#include <sys/stat.h>

struct option {
	const char *name;
	char letter;
	const char *argument; /* NULL: takes none */
	const char *help;
};

static const struct option options[] = {
	{ "format", 0, "FORMAT", "text, json or csv; csv takes one view" },
	{ "json", 0, NULL, "the same as --format json" },
	{ "top", 0, "N", "at most N rows, 0 for all; 20 in text when not told" },
	{ "sort", 0, "COLUMN", "by this column; numbers biggest first" },
	{ "min", 0, "SIZE", "only rows of at least this many bytes: 4096, 512k, 2G" },
	{ "type", 0, "GLOB", "only types whose name matches: 'app.*'" },
	{ "depth", 0, "N", "--dominators: at most N levels below the roots" },
	{ "attrs", 0, "A,B.C", "of --instances: attributes to show, a column each" },
	{ "group-by", 0, "KEY", "of --by-site: line, file or traceback" },
	{ "cumulative", 0, NULL, "of --by-site: count at every frame of a traceback" },
	{ "tracemalloc-out", 0, "FILE", "write what tracemalloc recorded, for Snapshot.load" },
	{ "no-values", 0, NULL, "no text of the target's objects in the output" },
	{ "output", 'o', "FILE", "write there instead; replaced when all is written" },
	{ "pid", 0, "PID", "the target is this process, whatever files exist" },
	{ "exe", 0, "FILE", "the executable the core came from" },
	{ "sysroot", 0, "DIR", "look for the target's binaries below DIR" },
	{ "debug-dir", 0, "DIR", "look for separate debug files below DIR" },
	{ "debuginfod", 0, NULL, "ask the servers in DEBUGINFOD_URLS for missing files" },
	{ "hints", 0, "FILE", "what pointers lead to: 'field X.data is struct Y' lines" },
	{ "allow-swap-in", 0, NULL, "read swapped pages of a process back in at its cost" },
	{ "quiet", 'q', NULL, "nothing on stderr but errors" },
	{ "verbose", 'v', NULL, "stacks in full, with locals; each step's time on stderr" },
	{ "version", 0, NULL, "print the version" },
	{ "help", 'h', NULL, "print this" },
};
enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]), WORD_MAX = 32 };

/* Commands of later versions: known, so that nobody takes them for files. */
static const char *const later_commands[] = { "diff", "watch", "record" };

static const struct option *find_option(const char *name, char letter)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (letter ? options[i].letter == letter : !strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= m; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			if (!i) {
				row[j] = (unsigned)j;
				continue;
			}

			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[m % 3][n];
}

/* The known word nearest to what was typed, or NULL when none is near. */
static const char *nearest(const char *word)
{
	const struct cs_view *view;
	const char *best = NULL;
	unsigned least = (unsigned)(strlen(word) / 3 + 1), d;

	for (size_t i = 0; (view = cs_view_at(i)); i++)
		if (view->build && (d = distance(word, view->name)) <= least && (!best || d < least)) {
			best = view->name;
			least = d;
		}
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if ((d = distance(word, options[i].name)) <= least && (!best || d < least)) {
			best = options[i].name;
			least = d;
		}
	return best;
}

static cs_status unknown(const char *typed, const char *word, struct cs_error *err)
{
	const char *near = nearest(word);

	if (near)
		return cs_fail(err, CS_USAGE, 0, "there is no option '%.40s': did you mean --%s?", typed,
			       near);
	return cs_fail(err, CS_USAGE, 0, "there is no option '%.40s': --help lists them all", typed);
}

static cs_status add_view(struct cs_cli *cli, const struct cs_view *view, const char *value,
			  struct cs_error *err)
{
	struct cs_ask *ask = &cli->asks[cli->ask_count];

	if (!view->build)
		return cs_fail(err, CS_USAGE, 0, "--%s is not available in this version", view->name);
	if (cli->ask_count == CS_CLI_ASKS_MAX)
		return cs_fail(err, CS_USAGE, 0, "more than %d views at once", CS_CLI_ASKS_MAX);
	ask->view = view;
	cli->scan.thorough = cli->scan.thorough || !strcmp(view->name, "doctor");
	cli->scan.threads = cli->scan.threads || view->needs == CS_NEEDS_THREADS;
	cli->scan.sites = cli->scan.sites || view->needs == CS_NEEDS_SITES ||
			  view->needs == CS_NEEDS_OBJECT;
	if (value && cs_ask_set(ask, value, err))
		return cs_fail(err, CS_USAGE, 0,
			       "'%.40s' is not an address: use 0x and hexadecimal, or decimal", value);
	cli->ask_count++;
	return CS_OK;
}

static cs_status set_target(struct cs_cli *cli, const char *word, struct cs_error *err)
{
	if (!*word)
		return cs_fail(err, CS_USAGE, 0, "the target has an empty name");
	if (cli->target && cs_view_find(word))
		return cs_fail(err, CS_USAGE, 0, "'%s' after the target: did you mean --%s?", word, word);
	if (cli->target)
		return cs_fail(err, CS_USAGE, 0, "one target at a time: '%.60s' and '%.60s'", cli->target,
			       word);
	cli->target = word;
	return CS_OK;
}

static cs_status set_option(struct cs_cli *cli, const struct option *o, const char *value,
			    struct cs_error *err)
{
	uint64_t pid;
	cs_status st = cs_report_set(&cli->report, o->name, value, err);

	if (st != CS_NOTFOUND) {
		cli->scan.no_values = cli->report.no_values;
		cli->scan.locals = cli->is_verbose = cli->report.is_verbose;
		return st == CS_OK ? st : cs_wrap(err, st, "--%s", o->name);
	}
	if (!strcmp(o->name, "pid")) {
		if (!cs_number_parse(value, &pid) || !pid || pid > INT32_MAX)
			return cs_fail(err, CS_USAGE, 0, "--pid: '%.40s' is not a process id", value);
		cli->scan.is_pid = true;
		return set_target(cli, value, err);
	}
	if (!strcmp(o->name, "exe"))
		cli->scan.exe = value;
	else if (!strcmp(o->name, "sysroot"))
		cli->scan.sysroot = value;
	else if (!strcmp(o->name, "debug-dir"))
		cli->scan.debug_dir = value;
	else if (!strcmp(o->name, "debuginfod"))
		cli->scan.debuginfod = true;
	else if (!strcmp(o->name, "hints"))
		cli->scan.hints = value;
	else if (!strcmp(o->name, "output"))
		cli->output = value;
	else if (!strcmp(o->name, "tracemalloc-out"))
		cli->traces_output = value;
	else if (!strcmp(o->name, "allow-swap-in"))
		cli->scan.allow_swap_in = true;
	else if (!strcmp(o->name, "quiet"))
		cli->is_quiet = true;
	else if (!strcmp(o->name, "version"))
		cli->wants_version = true;
	else
		cli->wants_help = true;
	return CS_OK;
}

/* Words still to be read. */
struct words {
	char **at, **end;
};

/* One option or view: --name, --name=value, --name value, -x, -xvalue, -x value. */
static cs_status parse_option(struct cs_cli *cli, const char *typed, struct words *words,
			      struct cs_error *err)
{
	bool is_long = typed[1] == '-';
	const char *equals = is_long ? strchr(typed, '=') : NULL, *value = NULL;
	size_t len = equals ? (size_t)(equals - typed - 2) : strlen(typed + 1 + is_long);
	char name[WORD_MAX + 1] = "";

	if (len > WORD_MAX)
		return unknown(typed, typed, err);
	memcpy(name, typed + 1 + is_long, is_long ? len : 1);

	const struct cs_view *view = is_long ? cs_view_find(name) : NULL;
	const struct option *o = find_option(name, is_long ? 0 : name[0]);
	const char *argument = view ? view->argument : o ? o->argument : NULL;

	if (!view && !o)
		return unknown(typed, name, err);
	if (view && !view->build)
		return add_view(cli, view, NULL, err);
	if (equals)
		value = equals + 1;
	else if (!is_long && typed[2])
		value = typed + 2;
	else if (argument && words->at < words->end)
		value = *words->at++;
	if (argument && !value)
		return cs_fail(err, CS_USAGE, 0, "%s needs a value: %s", typed, argument);
	if (!argument && value)
		return cs_fail(err, CS_USAGE, 0, "'%.40s': %s%s takes no value", typed,
			       is_long ? "--" : "-", name);
	return view ? add_view(cli, view, value, err) : set_option(cli, o, value ? value : "", err);
}

static cs_status check(const struct cs_cli *cli, struct cs_error *err)
{
	struct stat st;

	if (!cli->target)
		return cs_fail(err, CS_USAGE, 0, "no target: name a core file or the pid of a process");
	for (size_t i = 0; i < sizeof(later_commands) / sizeof(later_commands[0]); i++)
		if (!strcmp(cli->target, later_commands[i]) && stat(cli->target, &st))
			return cs_fail(err, CS_USAGE, 0, "'%s' is not available in this version",
				       cli->target);
	return cs_report_check(&cli->report, cli->asks, cli->ask_count, err);
}

cs_status cs_cli_parse(int argc, char **argv, struct cs_cli *out, struct cs_error *err)
{
	struct words words = { argv + (argc > 0), argv + argc };
	bool only_operands = false, is_later = false;

	*out = (struct cs_cli){ 0 };
	while (words.at < words.end) {
		const char *word = *words.at++;
		cs_status st;

		if (!only_operands && !strcmp(word, "--")) {
			only_operands = true;
			continue;
		}
		if (!only_operands && word[0] == '-' && word[1])
			st = parse_option(out, word, &words, err);
		else if (is_later)
			continue; /* `diff A B`: one clear sentence below */
		else
			st = set_target(out, word, err);
		for (size_t i = 0; i < sizeof(later_commands) / sizeof(later_commands[0]); i++)
			is_later = is_later || !strcmp(word, later_commands[i]);
		if (st)
			return st;
	}
	if (!out->ask_count && out->traces_output && add_view(out, cs_view_find("by-site"), NULL, err))
		return CS_USAGE;
	out->scan.sites = out->scan.sites || out->traces_output;
	if (!out->ask_count) /* the default page has them */
		out->scan.threads = true;
	return out->wants_help || out->wants_version ? CS_OK : check(out, err);
}

static void help_row(FILE *out, char letter, const char *name, const char *argument,
		     const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", letter ? "-" : "", letter ? letter : ' ',
		 letter ? ", " : "", name, argument ? " " : "", argument ? argument : "");
	fprintf(out, "  %-22s %s\n", left + (letter ? 0 : 1), help);
}

void cs_cli_help(FILE *out)
{
	const struct cs_view *view;

	fputs("Usage: corescan TARGET [VIEW...] [OPTION...]\n"
	      "\n"
	      "Says where every byte of a process's memory belongs: glibc's malloc, CPython's\n"
	      "heap, and the rest. TARGET is a core file or a pid.\n"
	      "\n"
	      "Views (without one: in short the summary, the ten biggest types and the threads)\n",
	      out);
	for (size_t i = 0; (view = cs_view_at(i)); i++)
		if (view->build)
			help_row(out, 0, view->name, view->argument, view->help);
	fputs("\nOptions\n", out);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		help_row(out, options[i].letter, options[i].name, options[i].argument,
			 options[i].help);
	fputs("\n"
	      "Exit status: 0 answered; 1 answered in part (memory is missing, or contradicts\n"
	      "itself); 2 wrong usage; 3 the target cannot be read.\n",
	      out);
}
