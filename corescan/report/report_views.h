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
	const struct cs_answer *answer; /* NULL when nothing is at addr, or none is needed */
	cs_addr addr;
	bool no_values;			/* leave out text of the target's objects */
	bool is_verbose;
	enum cs_site_key site_key;	/* what sites are grouped by */
	bool is_cumulative;		/* a trace counts at each of its frames */
	unsigned width;			/* of a terminal's line; 0: nobody will see it there */
};

/* What must be looked up before the view can be built: the report may not read memory. */
enum cs_view_needs {
	CS_NEEDS_MODEL, /* nothing */
	CS_NEEDS_OBJECT,
	CS_NEEDS_CHUNKS,
	CS_NEEDS_REFERENTS,
	CS_NEEDS_SITES, /* that the model's sites are known */
	CS_NEEDS_THREADS, /* that the model's threads are known */
	CS_NEEDS_DOMINATORS, /* these need the reference graph */
	CS_NEEDS_WHY,
	CS_NEEDS_LEAKS,
	CS_NEEDS_SUSPECTS,
	CS_NEEDS_REFERRERS,
	CS_NEEDS_INSTANCES
};

/* Which rows the answer holds. */
enum cs_view_rows {
	CS_ROWS_ALL,  /* all there are: the table sorts, filters and cuts them */
	CS_ROWS_PAGE, /* those of the page, chosen and sorted as wished; it knows of the others */
	CS_ROWS_ORDERED /* the same in an order of their own: not to be sorted nor filtered */
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
	unsigned data_top;	/* the same in JSON and CSV */
	enum cs_view_needs needs;
	enum cs_view_rows rows;
	/* What stands in the place of `columns` with this answer; may be NULL. CS_NOMEM: NULL. */
	const struct cs_column *(*columns_of)(const struct cs_view_source *source,
					      struct cs_arena *arena);
	const char *also;	/* a view that belongs to it and is shown with it when it has rows */
	const struct cs_view *closing; /* a small table of the same answer under it; NULL: none */
	const char *next, *next_why; /* the option to go on with; NULL: none */
	struct cs_command command;   /* of a debugger: "corescan by-type" */
};

/* Number nr, in the order of the help; NULL beyond the last. */
const struct cs_view *cs_view_at(size_t nr);

/* By name, built or not; NULL: no such view. */
const struct cs_view *cs_view_find(const char *name);

/* Not a view of its own: what the anomalies look like under --doctor. */
extern const struct cs_view cs_view_anomalies;

/* "used", "bin", of malloc's blocks; in report_bins.c. */
const char *cs_chunk_state_name(enum cs_block_state state);

/* CS_NOMEM with its text, for a build whose row could not be added. */
cs_status cs_build_fail(struct cs_error *err);

/* The views of the reference graph; in report_holders.c. */
extern const struct cs_column cs_dominator_columns[], cs_why_columns[], cs_leak_columns[];
cs_status cs_build_dominators(const struct cs_view_source *source, struct cs_table *table,
			      struct cs_error *err);
cs_status cs_build_why(const struct cs_view_source *source, struct cs_table *table,
		       struct cs_error *err);
cs_status cs_build_leaks(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err);

/* What to look at first; in report_suspects.c. */
extern const struct cs_column cs_suspect_columns[];
cs_status cs_build_suspects(const struct cs_view_source *source, struct cs_table *table,
			    struct cs_error *err);

/* Does it need the reference graph, at least for a part of the answer? */
static inline bool cs_view_needs_graph(const struct cs_view *view)
{
	return view->needs >= CS_NEEDS_DOMINATORS || view->needs == CS_NEEDS_OBJECT;
}

/* The views of single objects; in report_objects.c. */
extern const struct cs_column cs_edge_columns[], cs_instance_columns[];
cs_status cs_build_edges(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err);
cs_status cs_build_instances(const struct cs_view_source *source, struct cs_table *table,
			     struct cs_error *err);
const struct cs_column *cs_instance_columns_of(const struct cs_view_source *source,
					       struct cs_arena *arena);

/* Where memory was allocated; in report_sites.c. */
extern const struct cs_column cs_site_columns[];
cs_status cs_build_sites(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err);
const struct cs_column *cs_site_columns_of(const struct cs_view_source *source,
					   struct cs_arena *arena);

extern const struct cs_view cs_view_site_shares;

/* The views of malloc's blocks; in report_bins.c. */
extern const struct cs_column cs_bin_columns[], cs_chunk_columns[];
cs_status cs_build_bins(const struct cs_view_source *source, struct cs_table *table,
			struct cs_error *err);
cs_status cs_build_chunks(const struct cs_view_source *source, struct cs_table *table,
			  struct cs_error *err);

/* What threads do; in report_threads.c. The short one is for the default page. */
extern const struct cs_column cs_thread_columns[], cs_task_columns[];
extern const struct cs_view cs_view_threads_short;
cs_status cs_build_threads(const struct cs_view_source *source, struct cs_table *table,
			   struct cs_error *err);
cs_status cs_build_tasks(const struct cs_view_source *source, struct cs_table *table,
			 struct cs_error *err);
#endif
