/* report.h - the door of the room: a model and questions in, a document out.
 *
 * Reads the model only. Writes to the stream it is given and looks at nothing
 * else: no terminal, no environment, no clock.
 */
#ifndef CS_REPORT_H
#define CS_REPORT_H
#include "report/report_layout.h"
#include "report/report_views.h"

enum cs_format { CS_FORMAT_TEXT, CS_FORMAT_JSON, CS_FORMAT_CSV };

struct cs_ask {
	const struct cs_view *view;
	const struct cs_answer *answer; /* what view->needs; NULL: nothing is at addr */
	cs_addr addr;			/* of a view with an argument */
	const char *text;		/* what was given in place of an address; borrowed */
};

/* What the table of a document was, for whoever asked for it. */
struct cs_seen {
	uint64_t shown, more; /* rows; more: behind those shown */
	/* --object: the object or block itself; else the last address in the rows. 0: none */
	cs_addr last_address;
};

struct cs_report_options {
	enum cs_format format;
	bool has_top;
	uint64_t top; /* 0: all. Without has_top: as the view says */
	uint64_t min;
	uint64_t depth; /* --dominators: levels below the roots; 0: all */
	const char *sort, *type;
	enum cs_site_key site_key; /* --by-site: --group-by */
	bool is_cumulative;	   /* --by-site */
	const char *attrs; /* "a,b.c": more columns of a view about instances */
	bool no_values;
	bool is_brief;	 /* of an object only what needs no reference graph */
	bool is_verbose; /* more of what a view has to say */
	uint64_t skip; /* rows left out before the first: a next page */
	struct cs_filter only;
	struct cs_seen *seen; /* to be filled, of the last table; NULL: nobody asks */
	struct cs_look look;  /* text only; width 0 is CS_WIDTH_DEFAULT */
	bool no_header;	      /* text only: begin with the table */
	bool is_gdb;	      /* text and errors: name a debugger's commands, not options */
	const struct cs_command *command; /* that asks; NULL: none did */
	const struct cs_answer *suspects; /* of the default page; NULL: nobody looked */
	/* How the user would name the target again, ready to be typed: "core.1",
	 * "--pid 17", "'my core'". For the commands to go on with. */
	const char *target;
};

/* Set one option by the name it has on the command line, without dashes:
 * format, json, top, sort, min, depth, type, attrs, group-by, cumulative, no-values,
 * verbose. value is borrowed. CS_NOTFOUND: not an option of the report. CS_USAGE: a bad
 * value, err says why. */
cs_status cs_report_set(struct cs_report_options *options, const char *name, const char *value,
			struct cs_error *err);

/* Set how text looks by the names corescan_set() knows: width, ascii, bars,
 * color, commands, header, brief. value NULL changes nothing. Statuses as above. */
cs_status cs_report_set_look(struct cs_report_options *options, const char *name,
			     const char *value, struct cs_error *err);

/* Can its rows be sorted or picked by such a column? By name, or with a flag of
 * enum cs_column_flag when name is NULL. The view must be built. */
bool cs_view_picks_by(const struct cs_view *view, const char *name, unsigned flag);

/* Read the argument of ask->view: an address, the name of a type, or either. value is
 * borrowed. CS_USAGE: it is no address and must be one. */
cs_status cs_ask_set(struct cs_ask *ask, const char *value, struct cs_error *err);

/* Could these questions be answered with these options? CS_USAGE: a view that
 * is not built yet, a --sort or --type no view has a column for, several
 * tables for CSV. Before a scan, so that a typing error does not cost one.
 * No question at all asks for the default page. */
cs_status cs_report_check(const struct cs_report_options *options, const struct cs_ask *asks,
			  size_t count, struct cs_error *err);

/* Write the document. The stream's own errors are left for the caller to see
 * with ferror(). CS_USAGE as above, CS_NOMEM. */
cs_status cs_report_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			  size_t count, const struct cs_report_options *options,
			  struct cs_error *err);

/* Does it take the reference graph to answer this? */
bool cs_report_wants_graph(const struct cs_report_options *options, const struct cs_view *view);

/* How many rows the view shows at most with these options; 0: all. */
uint64_t cs_report_top(const struct cs_report_options *options, const struct cs_view *view);

/* A view's table, built and selected as the options ask for; for the writers. */
cs_status cs_report_table(const struct cs_model *model, const struct cs_ask *ask,
			  const struct cs_report_options *options, struct cs_table *out,
			  struct cs_error *err);

/* The writers of each format, called by cs_report_write() after checking. */
cs_status cs_text_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			size_t count, const struct cs_report_options *options,
			struct cs_error *err);
cs_status cs_json_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			size_t count, const struct cs_report_options *options,
			struct cs_error *err);
cs_status cs_csv_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
		       size_t count, const struct cs_report_options *options,
		       struct cs_error *err);

/* Is the answer a part only? Some memory is not there, or contradicts itself. */
bool cs_report_is_partial(const struct cs_model *model);

/* What is missing from the answer, counted: "2 anomalies (--doctor), 1.2 MiB mapped
 * but not in the core". doctor: how to ask for the anomalies; NULL: not said.
 * Nothing when the answer is whole. */
void cs_report_write_missing(FILE *out, const struct cs_model *model, const char *doctor);

/* 57.032: thousandths as a decimal number without needless zeros. */
void cs_write_percent(FILE *out, uint64_t thousandths);
#endif
