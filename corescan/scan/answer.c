/* answer.c - which part of this room looks up what a view needs. */
#include "report/report.h"
#include "scan/answers.h"
#include "scan/instances.h"
#include "scan/makers.h"
#include "scan/threads.h"

static bool has_retained(const struct cs_view *view)
{
	for (const struct cs_column *c = view->columns; c && c->name; c++)
		if (c->flags & CS_COL_GRAPH)
			return true;
	return false;
}

/* And, unless only the thing itself is asked for, its neighbours. */
static cs_status whole_object(struct cs_scan *scan, struct cs_rows_wish wish, bool is_brief,
			      struct cs_answer *out, struct cs_error *err)
{
	cs_status st = cs_scan_object(scan, wish.addr, out, err);

	if (!st && !scan->model.target.stopped_ns)
		st = cs_scan_sites(scan, err);
	if (!st && scan->knows_sites)
		cs_scan_site_of(scan, wish.addr, out);
	if (!st && !is_brief)
		st = cs_makers_of(scan, wish.addr, out, err);
	wish.skip = 0;
	return st || is_brief ? st : cs_scan_neighbours(scan, &wish, out, err);
}

static cs_status instances(struct cs_scan *scan, const struct cs_ask *ask,
			   const struct cs_report_options *options, struct cs_answer *out,
			   struct cs_error *err)
{
	const char *sort = options->sort ? options->sort : "";
	struct cs_instances_wish wish = {
		.type = ask->text,
		.attrs = options->attrs,
		.key = !strcmp(sort, "bytes") ? CS_BY_BYTES :
		       !strcmp(sort, "address") ? CS_BY_ADDRESS : CS_BY_RETAINED,
		.skip = options->skip,
		.most = cs_report_top(options, ask->view),
		.min = options->min,
		.no_values = options->no_values || scan->options.no_values,
	};

	return cs_answer_instances(scan, &wish, out, err);
}

/* Recorded ones of Python, and of all other blocks those that may have made them. */
static cs_status sites(struct cs_scan *scan, const struct cs_report_options *options,
		       struct cs_answer *out, struct cs_error *err)
{
	cs_status st;

	scan->pulse.stopped = false; /* another work */
	st = cs_scan_sites(scan, err);
	if (!st && !scan->makers)
		st = cs_pulse_step(&scan->pulse, "code", 0, 500, err);
	return st ? st : cs_answer_makers(scan, options->site_key, out, err);
}

/* What frames keep is told where it can be known. */
static cs_status threads(struct cs_scan *scan, const struct cs_ask *ask,
			 const struct cs_report_options *options, struct cs_error *err)
{
	cs_status st = cs_scan_threads(scan, options->is_verbose && !scan->options.no_values, err);

	if (st || !(scan->graph || cs_report_wants_graph(options, ask->view)))
		return st;
	st = cs_scan_frames_retained(scan, err);
	return st == CS_STOPPED || st == CS_NOMEM ? st : CS_OK;
}

cs_status cs_scan_answer(struct cs_scan *scan, const struct cs_ask *ask,
			 const struct cs_report_options *options, struct cs_answer *out,
			 struct cs_error *err)
{
	const struct cs_rows_wish wish = {
		.addr = ask->addr,
		.skip = options->skip,
		.most = cs_report_top(options, ask->view),
		.no_values = options->no_values || scan->options.no_values,
	};

	switch (ask->view->needs) {
	case CS_NEEDS_OBJECT:
		return whole_object(scan, wish, options->is_brief, out, err);
	case CS_NEEDS_CHUNKS:
		return cs_answer_chunks(scan, &wish, out, err);
	case CS_NEEDS_SITES:
		return sites(scan, options, out, err);
	case CS_NEEDS_THREADS:
		return threads(scan, ask, options, err);
	case CS_NEEDS_DOMINATORS:
		return cs_answer_dominators(scan, wish.most, options->depth, out, err);
	case CS_NEEDS_WHY:
		return cs_answer_why(scan, ask->addr, ask->text, out, err);
	case CS_NEEDS_LEAKS:
		return cs_answer_leaks(scan, out, err);
	case CS_NEEDS_SUSPECTS:
		return cs_answer_suspects(scan, out, err);
	case CS_NEEDS_REFERENTS:
		return cs_answer_referents(scan, &wish, out, err);
	case CS_NEEDS_REFERRERS:
		return cs_answer_referrers(scan, &wish, out, err);
	case CS_NEEDS_INSTANCES:
		return instances(scan, ask, options, out, err);
	case CS_NEEDS_MODEL:
		break;
	}
	if (has_retained(ask->view) && (scan->graph || cs_report_wants_graph(options, ask->view)))
		return cs_scan_retained(scan, err);
	return CS_OK;
}

cs_status cs_scan_page(struct cs_scan *scan, struct cs_report_options *page, struct cs_answer *out,
		       struct cs_error *err)
{
	cs_status st = cs_answer_suspects(scan, out, err);

	if (!st && page->format != CS_FORMAT_TEXT)
		st = cs_scan_retained(scan, err);
	if (!st)
		page->suspects = out;
	return st;
}

void cs_answer_deinit(struct cs_answer *answer)
{
	cs_vec_free(&answer->rows);
	cs_vec_free(&answer->chunks);
	cs_vec_free(&answer->holders);
	cs_vec_free(&answer->steps);
	cs_vec_free(&answer->leaks);
	cs_vec_free(&answer->suspects);
	cs_vec_free(&answer->makers);
	cs_vec_free(&answer->maker_places);
	cs_vec_free(&answer->edges);
	cs_vec_free(&answer->instances);
	cs_vec_free(&answer->values);
	cs_arena_deinit(&answer->strings);
}
