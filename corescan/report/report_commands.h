/* report_commands.h - the views as a debugger's commands, in one table.
 *
 * "pyheap types str*" is the view by-type, only Python's, --type 'str*'. Every
 * built view also has a command of its own ("corescan by-type"), made with its
 * row in report_views.c. Adding a command is a row in report_commands.c.
 *
 * Knows nothing of a debugger: words come in, a view and options go out.
 */
#ifndef CS_REPORT_COMMANDS_H
#define CS_REPORT_COMMANDS_H
#include "base/error.h"
#include "corescan/corescan.h"
#include "report/report_table.h"

struct cs_report_options;

/* What the word behind a command's name is. */
enum cs_command_word {
	CS_WORD_NONE, /* there may be none */
	CS_WORD_VIEW, /* the view's argument */
	CS_WORD_TOP,  /* as --top */
	CS_WORD_TYPE  /* as --type */
};

struct cs_command {
	struct corescan_command is; /* as users of the library see it */
	enum cs_command_word word;
	uint64_t top;	       /* rows when nobody says; 0: as the view does */
	struct cs_filter only; /* of the view's rows */
	const char *second;    /* the option a second word is the value of; NULL: there is none */
	bool is_brief;	       /* of an object only what needs no reference graph */
	const char *next;      /* the command to go on with; NULL: that of the view's next */
};

/* Number nr of those whose view is built, each prefix before what it begins;
 * NULL beyond the last. */
const struct cs_command *cs_command_at(size_t nr);

/* By its full name, the view built; NULL: no such command. */
const struct cs_command *cs_command_find(const char *name);

/* Read the words behind a command's name. *options comes with what the user set
 * for good, and goes with what the words say on top of it; *argument is the
 * view's (NULL: none). Both borrow from words. CS_USAGE: err says which words
 * there are. */
cs_status cs_command_read(const struct cs_command *command, size_t count,
			  const char *const *words, struct cs_report_options *options,
			  const char **argument, struct cs_error *err);
#endif
