#include "report/report_commands.h"

#include "report/report.h"

#include <string.h>

enum { TOP_USUAL = 10 };

#define PREFIX(name, help) { { name, NULL, NULL, 0, help }, .word = CS_WORD_NONE }
#define COMMAND(name, view, help) { name, view, NULL, 0, help }, .word = CS_WORD_NONE
#define COMMAND_OF(name, view, argument, required, help, kind) \
	{ name, view, argument, required, help }, .word = kind
#define PYTHON .only = { "kind", "python", false }
#define NATIVE .only = { "kind", "python", true }

/* These, then a command for each view, then the rest. */
static const struct cs_command commands[] = {
	PREFIX("pyheap", "CPython's memory: objects, their types, who holds them"),
	{ COMMAND_OF("pyheap top", "by-type", "N", 0, "the biggest Python types",
		     CS_WORD_TOP), .top = TOP_USUAL, PYTHON, .next = "pyheap types" },
	{ COMMAND_OF("pyheap types", "by-type", "GLOB", 0, "objects and bytes per Python type",
		     CS_WORD_TYPE), PYTHON, .next = "pyheap find" },
	{ COMMAND("pyheap summary", "summary", "where every byte belongs, by category"),
	  .next = "pyheap top" },
	{ COMMAND("pyheap threads", "threads", "what each thread was doing, Python and native") },
	{ COMMAND_OF("pyheap object", "object", "ADDR", 1, "everything known about an object",
		     CS_WORD_VIEW), .next = "pyheap why" },
	{ COMMAND_OF("pyheap why", "why", "ADDR|TYPE", 1, "a path of references from a root",
		     CS_WORD_VIEW), .next = "pyheap object" },
	{ COMMAND_OF("pyheap find", "instances", "TYPE [ATTRS]", 1,
		     "the live instances of a type, with attributes a,b.c", CS_WORD_VIEW),
	  .second = "attrs", .next = "pyheap object" },
	{ COMMAND_OF("pyheap referrers", "referrers", "ADDR", 1, "who refers to an object",
		     CS_WORD_VIEW), .next = "pyheap why" },
	{ COMMAND_OF("pyheap referents", "referents", "ADDR", 1, "what an object refers to",
		     CS_WORD_VIEW), .next = "pyheap referrers" },
	{ COMMAND("pyheap dominators", "dominators", "who keeps how much alive"),
	  .next = "pyheap object" },
	{ COMMAND("pyheap leaks", "leaks", "objects nobody can reach any more"),
	  .next = "pyheap object" },
	{ COMMAND("pyheap sites", "by-site", "bytes per allocating source line"),
	  .next = "pyheap types" },
	PREFIX("corescan", "where the memory of the target is: every view of corescan"),
};

static const struct cs_command heap_commands[] = {
	PREFIX("corescan heap", "malloc's memory: arenas, chunks, what a block is"),
	{ COMMAND("corescan heap arenas", "arenas", "the heaps: used, free, overhead"),
	  .next = "corescan heap bins" },
	{ COMMAND_OF("corescan heap chunks", "chunks", "ADDR", 0,
		     "malloc's blocks from an address on", CS_WORD_VIEW),
	  .next = "corescan heap whatis" },
	{ COMMAND("corescan heap bins", "bins", "free memory by where it waits"),
	  .next = "corescan heap chunks" },
	{ COMMAND_OF("corescan heap whatis", "object", "ADDR", 1,
		     "what an address belongs to", CS_WORD_VIEW), .is_brief = true,
	  .next = "corescan heap chunks" },
	{ COMMAND_OF("corescan heap types", "by-type", "GLOB", 0,
		     "blocks and bytes per native type", CS_WORD_TYPE), NATIVE,
	  .next = "corescan heap sizes" },
	{ COMMAND("corescan heap sizes", "by-size", "used blocks by their size"),
	  .next = "corescan heap arenas" },
	{ COMMAND("corescan heap leaks", "leaks", "blocks nobody can reach any more"),
	  .next = "corescan heap whatis" },
	{ COMMAND("corescan heap sites", "by-site", "bytes per allocating source line"),
	  .next = "corescan heap types" },
};

static bool is_built(const struct cs_command *command)
{
	const struct cs_view *view = command->is.view ? cs_view_find(command->is.view) : NULL;

	return !command->is.view || (view && view->build);
}

const struct cs_command *cs_command_at(size_t nr)
{
	const struct cs_view *view;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (is_built(&commands[i]) && !nr--)
			return &commands[i];
	for (size_t i = 0; (view = cs_view_at(i)); i++)
		if (view->build && !nr--)
			return &view->command;
	for (size_t i = 0; i < sizeof(heap_commands) / sizeof(heap_commands[0]); i++)
		if (is_built(&heap_commands[i]) && !nr--)
			return &heap_commands[i];
	return NULL;
}

const struct cs_command *cs_command_find(const char *name)
{
	const struct cs_command *command;

	for (size_t i = 0; (command = cs_command_at(i)); i++)
		if (!strcmp(command->is.name, name))
			return command;
	return NULL;
}

/* The words of one command, being read. */
struct reader {
	const struct cs_command *command;
	const char *const *at, *const *end;
	struct cs_report_options *options;
	const char *argument;
	bool has_word, has_second, only_operands;
};

static const struct {
	const char *name, *value; /* value NULL: takes none */
} known_options[] = {
	{ "top", "N" },	      { "sort", "COLUMN" },   { "min", "SIZE" },     { "type", "GLOB" },
	{ "format", "FORMAT" }, { "json", NULL },	{ "no-values", NULL },
	{ "verbose", NULL },	{ "depth", "N" },	{ "attrs", "A,B.C" },
	{ "group-by", "line, file or traceback" }, { "cumulative", NULL },
};
enum { KNOWN = sizeof(known_options) / sizeof(known_options[0]) };

/* --name VALUE or --name=VALUE. */
static cs_status read_option(struct reader *r, const char *typed, struct cs_error *err)
{
	size_t len = strcspn(typed + 2, "="), nr = 0;
	const char *value = typed[2 + len] ? typed + 3 + len : NULL;

	while (nr < KNOWN && (strlen(known_options[nr].name) != len ||
			      strncmp(known_options[nr].name, typed + 2, len)))
		nr++;
	if (nr == KNOWN)
		return cs_fail(err, CS_USAGE, 0,
			       "there is no option '%.40s': there are --top N, --sort COLUMN, "
			       "--min SIZE, --type GLOB, --attrs A,B.C, --group-by KEY, --cumulative, "
			       "--format FORMAT, --json, --no-values", typed);
	if (!known_options[nr].value && value)
		return cs_fail(err, CS_USAGE, 0, "--%s takes no value", known_options[nr].name);
	if (known_options[nr].value && !value && r->at < r->end)
		value = *r->at++;
	if (known_options[nr].value && !value)
		return cs_fail(err, CS_USAGE, 0, "--%s needs a value: %s", known_options[nr].name,
			       known_options[nr].value);
	return cs_report_set(r->options, known_options[nr].name, value ? value : "", err);
}

static cs_status read_word(struct reader *r, const char *typed, struct cs_error *err)
{
	const struct corescan_command *is = &r->command->is;

	if (r->command->word == CS_WORD_NONE)
		return cs_fail(err, CS_USAGE, 0, "'%.40s': %s takes no argument, only options like --top 5",
			       typed, is->name);
	if (r->has_word && r->command->second && !r->has_second) {
		r->has_second = true;
		return cs_report_set(r->options, r->command->second, typed, err);
	}
	if (r->has_word)
		return cs_fail(err, CS_USAGE, 0,
			       "'%.40s' is one word too many: %s takes one %s%s", typed, is->name,
			       is->argument,
			       strstr(is->argument, "TYPE") ? " (in quotes, if it has blanks)" : "");
	r->has_word = true;
	switch (r->command->word) {
	case CS_WORD_TOP:
		return cs_report_set(r->options, "top", typed, err);
	case CS_WORD_TYPE:
		return cs_report_set(r->options, "type", typed, err);
	case CS_WORD_NONE:
	case CS_WORD_VIEW:
		break;
	}
	r->argument = typed;
	return CS_OK;
}

/* What was set for good and means nothing here is no mistake. */
static void drop_foreign(const struct cs_view *view, struct cs_report_options *options)
{
	if (options->sort && !cs_view_picks_by(view, options->sort, 0))
		options->sort = NULL;
	if (!cs_view_picks_by(view, NULL, CS_COL_TYPE))
		options->type = NULL;
	if (!cs_view_picks_by(view, NULL, CS_COL_WEIGHT))
		options->min = 0;
	if (view->needs != CS_NEEDS_INSTANCES)
		options->attrs = NULL;
	if (view->needs != CS_NEEDS_SITES) {
		options->site_key = CS_SITE_LINE;
		options->is_cumulative = false;
	}
}

/* Nobody said how many rows: as set for good, where there are pages; as the command does. */
static void set_top(const struct cs_command *command, const struct cs_view *view,
		    const struct cs_report_options *set, struct cs_report_options *options)
{
	if (options->has_top)
		return;
	options->has_top = command->top ||
			   (set->has_top && view->text_top && options->format == CS_FORMAT_TEXT);
	options->top = set->has_top ? set->top : command->top;
}

static cs_status no_view(const struct cs_command *prefix, struct cs_error *err)
{
	const struct cs_command *command;
	size_t len = strlen(prefix->is.name);
	char names[200] = "";

	for (size_t i = 0; (command = cs_command_at(i)); i++) {
		const char *name = command->is.name;
		size_t used = strlen(names);

		if (command->is.view && !strncmp(name, prefix->is.name, len) && name[len] == ' ' &&
		    !strchr(name + len + 1, ' '))
			snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
				 name + len + 1);
	}
	return cs_fail(err, CS_USAGE, 0, "%s what? %s", prefix->is.name, names);
}

cs_status cs_command_read(const struct cs_command *command, size_t count,
			  const char *const *words, struct cs_report_options *options,
			  const char **argument, struct cs_error *err)
{
	const struct cs_view *view = command->is.view ? cs_view_find(command->is.view) : NULL;
	const struct cs_report_options set = *options;
	struct reader r = { .command = command, .at = words, .end = words + count,
			    .options = options };

	if (!view)
		return no_view(command, err);
	drop_foreign(view, options);
	options->has_top = false;
	options->only = command->only;
	options->is_brief = options->is_brief || command->is_brief;
	options->command = command;
	while (r.at < r.end) {
		const char *word = *r.at++;
		bool is_option = !r.only_operands && !strncmp(word, "--", 2);
		cs_status st = CS_OK;

		if (is_option && !word[2])
			r.only_operands = true;
		else
			st = is_option ? read_option(&r, word, err) : read_word(&r, word, err);
		if (st)
			return st;
	}
	if (command->is.is_required && !r.has_word)
		return cs_fail(err, CS_USAGE, 0, "%s needs an argument: %s", command->is.name,
			       command->is.argument);
	set_top(command, view, &set, options);
	*argument = r.argument;
	return CS_OK;
}
