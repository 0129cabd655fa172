/* report_views.h - the questions corescan answers, in one table.
 *
 * The command line, the library and GDB list and look up their questions
 * here; adding one is a row and a builder. A row without a builder is a
 * question that a later version answers.
 */
#ifndef CS_REPORT_VIEWS_H
#define CS_REPORT_VIEWS_H
#include "model/answer.h"
#include "model/model.h"
#include "report/report_commands.h"
#include "report/report_table.h"

struct cs_view_source {
	const struct cs_model *model;
	const struct cs_answer *answer; /* --object: NULL when addr is not in memory */
	cs_addr addr;			/* --object */
	bool no_values;			/* leave out text of the target's objects */
};

struct cs_view {
	const char *name;     /* "by-type": the option, and the JSON name */
	const char *argument; /* "ADDR"; NULL: takes none */
	const char *title;    /* over the first column */
	const char *help;     /* one line, no capital, no full stop */
	const struct cs_column *columns; /* ends at a NULL name; NULL: not built yet */
	/* Fill a table that was initialised with columns. CS_NOMEM only. Texts may
	 * be borrowed from the source, which must outlive the table. */
	cs_status (*build)(const struct cs_view_source *source, struct cs_table *table,
			   struct cs_error *err);
	unsigned text_top;	/* rows in text when nobody said --top; 0: all */
	const char *next, *next_why; /* the option to go on with; NULL: none */
	struct cs_command command;   /* of a debugger: "corescan by-type" */
};

/* Number nr, in the order of the help; NULL beyond the last. */
const struct cs_view *cs_view_at(size_t nr);

/* By name, built or not; NULL: no such view. */
const struct cs_view *cs_view_find(const char *name);

/* Not a view of its own: what the anomalies look like under --doctor. */
extern const struct cs_view cs_view_anomalies;

/* "python", "c++", "c", "raw"; "glibc", "pymalloc". */
const char *cs_kind_name(enum cs_type_kind kind);
const char *cs_allocator_name(enum cs_allocator allocator);
#endif
