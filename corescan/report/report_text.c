/* report_text.c - the page people read: whose memory this is, the tables, what
 * is not in them, and the command to go on with.
 */
#include "report/report.h"
#include "report/report_escape.h"
#include "report/report_number.h"
#include "report/report_suspects.h"

#include <signal.h>
#include <string.h>

enum { PIECE_GAP = 3, PAGE_TYPES = 10, PAGE_LEAST = 3, PAGE_MOST = 8, PAGE_WORDS = 30,
       PAGE_THREADS = 5,
       PAGE_SUSPECTS = 5, SUSPECT_INDENT = 4 };

struct page {
	FILE *out;
	const struct cs_model *model;
	const struct cs_report_options *options;
	struct cs_look look;
	unsigned at;   /* column in the header */
	bool is_begun; /* there is something above what comes */
};

static const char *signal_name(int number, char buf[16])
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ SIGABRT, "SIGABRT" }, { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" },
		{ SIGILL, "SIGILL" },	{ SIGFPE, "SIGFPE" },	{ SIGQUIT, "SIGQUIT" },
		{ SIGTRAP, "SIGTRAP" }, { SIGSYS, "SIGSYS" },	{ SIGXCPU, "SIGXCPU" },
		{ SIGXFSZ, "SIGXFSZ" }, { SIGKILL, "SIGKILL" }, { SIGTERM, "SIGTERM" },
		{ SIGINT, "SIGINT" },	{ SIGHUP, "SIGHUP" },	{ SIGUSR1, "SIGUSR1" },
		{ SIGUSR2, "SIGUSR2" }, { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" },
		{ SIGSTOP, "SIGSTOP" }, { SIGCONT, "SIGCONT" }, { SIGCHLD, "SIGCHLD" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(buf, 16, "signal %d", number);
	return buf;
}

/* A piece of the header: in this line if it fits, else in the next. */
static void piece(struct page *p, const char *words)
{
	size_t width;

	if (!words || !*words)
		return;
	width = cs_text_width(words, p->look.is_utf8);
	if (p->at && p->at + PIECE_GAP + width > p->look.width) {
		putc('\n', p->out);
		p->at = 0;
	}
	if (p->at) {
		fprintf(p->out, "%*s", PIECE_GAP, "");
		p->at += PIECE_GAP;
	}
	p->at += cs_look_text(p->out, &p->look, words, p->look.width - p->at);
}

static void end_line(struct page *p)
{
	if (p->at)
		putc('\n', p->out);
	p->at = 0;
}

static bool is_core(const struct cs_target_info *t)
{
	return !strcmp(t->kind, "core");
}

/* "worker.core: python3 worker.py", the command cut so that a line holds it
 * and, where there is room, what follows. */
static void write_name(struct page *p, struct cs_arena *words, size_t follows)
{
	const struct cs_target_info *t = &p->model->target;
	const char *name = t->name ? t->name :
			   t->path ? t->path : cs_arena_printf(words, "pid %d", t->pid);
	size_t used = cs_text_width(name ? name : "", p->look.is_utf8);
	size_t room = p->look.width > used + 2 ? p->look.width - used - 2 : 0;

	cs_look_paint(p->out, &p->look, CS_PAINT_TITLE);
	piece(p, name);
	cs_look_paint(p->out, &p->look, CS_PAINT_NONE);
	if (!t->command || !*t->command || room < 12)
		return;
	if (room > follows + PIECE_GAP + PAGE_WORDS)
		room -= follows + PIECE_GAP;
	fputs(": ", p->out);
	p->at += 2 + cs_look_text(p->out, &p->look, t->command, (unsigned)room);
}

static const char *run_words(const struct page *p, struct cs_arena *words)
{
	const struct cs_target_info *t = &p->model->target;
	char signal[16], threads[CS_NUMBER_LEN], pid[24] = "";
	const char *many = t->threads == 1 ? "" : "s";

	cs_number_count(threads, t->threads);
	if ((t->path || t->name) && t->pid)
		snprintf(pid, sizeof(pid), "pid %d, ", t->pid);
	if (t->is_held)
		return cs_arena_printf(words, "%sheld by the debugger, %s thread%s", pid, threads, many);
	if (!t->path)
		return cs_arena_printf(words, "alive, %s thread%s, stopped for %.2f s", threads, many,
				       (double)t->stopped_ns / 1e9);
	return cs_arena_printf(words, "%s%s%s%s thread%s", pid,
			       t->signal ? signal_name(t->signal, signal) : "",
			       t->signal ? ", " : "", threads, many);
}

static const char *python_words(const struct page *p, struct cs_arena *words)
{
	static const char *const sources[][2] = {
		{ "dwarf", "DWARF" },
		{ "debug-offsets", "_Py_DebugOffsets" },
		{ "table", "corescan's table" },
	};
	const struct cs_target_info *t = &p->model->target;
	const char *source = t->python.layout ? t->python.layout : "an unknown source";
	const char *version = t->python.version ? t->python.version : "of unknown version";

	if (!t->python.found)
		return "no CPython";
	if (!t->python.supported)
		return cs_arena_printf(words, "CPython %s, unsupported%s%s", version,
				       t->python.problem ? ": " : "",
				       t->python.problem ? t->python.problem : "");
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(source, sources[i][0]))
			source = sources[i][1];
	return cs_arena_printf(words, "CPython %s%s%s (layout from %s, proven)", version,
			       t->python.free_threaded ? " free-threaded" : "",
			       t->python.debug ? " debug" : "", source);
}

static const char *libc_words(const struct page *p, struct cs_arena *words)
{
	const struct cs_target_info *t = &p->model->target;

	if (t->libc.other)
		return cs_arena_printf(words, "malloc by %s (not walked)", t->libc.other);
	if (!t->libc.found)
		return "no glibc malloc found";
	return cs_arena_printf(words, "glibc%s%s (%" PRIu64 " arena%s)",
			       t->libc.version ? " " : "", t->libc.version ? t->libc.version : "",
			       t->libc.arenas, t->libc.arenas == 1 ? "" : "s");
}

static const char *bytes_words(const struct page *p, struct cs_arena *words)
{
	const struct cs_target_info *t = &p->model->target;
	char present[CS_NUMBER_LEN], gone[CS_NUMBER_LEN];
	uint64_t sum = t->missing + t->lost + t->swapped;

	cs_number_bytes(present, t->present, false);
	cs_number_bytes(gone, sum, false);
	if (!sum && !t->truncated)
		return cs_arena_printf(words, "%s present, nothing missing", present);
	return cs_arena_printf(words, "%s present, %s missing%s", present, gone,
			       t->truncated ? ", truncated" : "");
}

static void write_header(struct page *p)
{
	struct cs_arena words = { 0 };
	const char *run = run_words(p, &words);

	p->is_begun = true;
	write_name(p, &words, run ? strlen(run) : 0);
	piece(p, run);
	end_line(p);
	piece(p, python_words(p, &words));
	piece(p, libc_words(p, &words));
	piece(p, bytes_words(p, &words));
	end_line(p);
	cs_arena_deinit(&words);
}

/* An empty line, but never the first. */
static void leave_line(struct page *p)
{
	if (p->is_begun)
		putc('\n', p->out);
	p->is_begun = true;
}

static void write_table(struct page *p, struct cs_table *t, const struct cs_layout *layout)
{
	leave_line(p);
	cs_layout_write(p->out, t, layout, &p->look);
	cs_table_deinit(t);
}

/* A view, unless it has no rows. */
static cs_status write_if_any(struct page *p, const struct cs_view *view,
			      const struct cs_report_options *options, bool is_brief,
			      struct cs_error *err)
{
	const struct cs_layout layout = { .title = view->title, .is_brief = is_brief };
	const struct cs_ask ask = { .view = view };
	struct cs_table t;
	cs_status st = cs_report_table(p->model, &ask, options, &t, err);

	if (st)
		return st;
	if (t.total_rows)
		write_table(p, &t, &layout);
	else
		cs_table_deinit(&t);
	return CS_OK;
}

static void note(const struct page *p, const char *words)
{
	cs_look_paint(p->out, &p->look, CS_PAINT_WARN);
	cs_look_wrapped(p->out, &p->look, words ? words : "(no memory for a note)", 2);
	cs_look_paint(p->out, &p->look, CS_PAINT_NONE);
}

/* What is outside the ledger's sum, always said when it is not zero. */
static void write_missing(const struct page *p)
{
	const struct cs_target_info *t = &p->model->target;
	const struct {
		uint64_t bytes;
		const char *words;
	} lines[] = {
		{ t->missing, is_core(t) ? "mapped, but not in the core" : "mapped, but not readable" },
		{ t->lost, "lost: the core is shorter than its headers say" },
		{ t->swapped, "swapped out" },
	};

	for (size_t i = 0; i < 3; i++) {
		struct cs_arena words = { 0 };
		char bytes[CS_NUMBER_LEN];

		if (!lines[i].bytes)
			continue;
		cs_number_bytes(bytes, lines[i].bytes, false);
		note(p, cs_arena_printf(&words, "Not counted above: %s %s.", bytes, lines[i].words));
		cs_arena_deinit(&words);
	}
}

/* The reason behind a command, `width` columns into the line; it gives way first. */
static void write_why(const struct page *p, size_t width, const char *why)
{
	size_t column = width < 40 ? 40 : width;

	if (*why && column + 3 + strlen(why) <= p->look.width) {
		cs_look_paint(p->out, &p->look, CS_PAINT_FAINT);
		fprintf(p->out, "%*s   %s", (int)(column - width), "", why);
		cs_look_paint(p->out, &p->look, CS_PAINT_NONE);
	}
	putc('\n', p->out);
}

/* A debugger's command: "corescan by-type --top 0". */
static void hint_gdb(const struct page *p, const char *command, const char *words, const char *why)
{
	fprintf(p->out, "  %s%s", command, words);
	write_why(p, 2 + strlen(command) + strlen(words), why);
}

/* The command to go on with, and why. */
static void hint(const struct page *p, const char *option, const char *why)
{
	const char *target = p->options->target;
	size_t width = 0, whole = 0;
	struct cs_glyph g;

	if (p->options->is_gdb) {
		hint_gdb(p, "corescan ", option + 2, why);
		return;
	}
	for (const char *s = target ? target : ""; *s; s += g.used) {
		cs_glyph_read(s, p->look.is_utf8, &g);
		width += g.width;
		whole += g.is_plain;
	}
	/* a name that cannot be typed as it is shown is no use here */
	if (!target || whole < width || width + strlen(option) + 12 > p->look.width) {
		target = "TARGET";
		width = 6;
	}
	fputs("  corescan ", p->out);
	cs_look_text(p->out, &p->look, target, p->look.width);
	fprintf(p->out, " %s", option);
	write_why(p, width + 12 + strlen(option), why);
}

static bool has_ask(const struct cs_ask *asks, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(asks[i].view->name, name))
			return true;
	return false;
}

/* Where the last table leads: from a command to a command of its family. */
static void hint_next(const struct page *p, const struct cs_ask *asks, size_t count)
{
	const struct cs_command *command = p->options->is_gdb ? p->options->command : NULL;
	const struct cs_command *next = command && command->next ? cs_command_find(command->next) : NULL;
	const struct cs_view *view = asks[count - 1].view;
	char words[24] = "";

	if (next && next->is.is_required)
		snprintf(words, sizeof(words), " %s", next->is.argument);
	if (next)
		hint_gdb(p, next->is.name, words, next->is.help);
	else if (view->next && !has_ask(asks, count, view->next + 2))
		hint(p, view->next, view->next_why);
	else if (p->options->is_gdb)
		hint_gdb(p, "help corescan", "", "all questions");
	else
		hint(p, "--help", "all questions");
}

static void hint_anomalies(const struct page *p)
{
	uint64_t n = p->model->anomaly_count;
	char count[CS_NUMBER_LEN], why[96];

	if (!n)
		return;
	cs_number_count(count, n);
	snprintf(why, sizeof(why), "%s anomal%s: what contradicts itself", count, n == 1 ? "y" : "ies");
	hint(p, "--doctor", why);
}

static cs_status write_anomalies(struct page *p, struct cs_error *err)
{
	const struct cs_layout layout = { .title = cs_view_anomalies.title };
	struct cs_report_options options = *p->options;
	struct cs_ask ask = { .view = &cs_view_anomalies };
	struct cs_table t;

	if (!p->model->anomaly_count)
		return CS_OK;
	options.sort = options.type = NULL;
	options.seen = NULL;
	options.skip = 0;
	if (!options.has_top)
		options.top = 20;
	options.has_top = true;

	cs_status st = cs_report_table(p->model, &ask, &options, &t, err);

	if (st)
		return st;
	t.more_rows += (size_t)(p->model->anomaly_count - p->model->anomalies.count);
	write_table(p, &t, &layout);
	return CS_OK;
}

/* A type whose name ends in what was typed. */
static const char *meant_type(const struct page *p, const char *typed)
{
	size_t len = strlen(typed);

	for (size_t i = 0; i < p->model->types.count; i++) {
		const char *name = p->model->types.items[i].name;
		size_t all = strlen(name);

		if (all > len && strchr(".: ", name[all - len - 1]) &&
		    !strcmp(name + all - len, typed))
			return name;
	}
	return NULL;
}

/* There is nothing of what was asked for. */
static void write_absent(const struct page *p, const struct cs_ask *ask)
{
	const char *meant = ask->text ? meant_type(p, ask->text) : NULL;
	struct cs_arena words = { 0 };

	if (ask->view->needs == CS_NEEDS_CHUNKS)
		note(p, cs_arena_printf(&words, CS_ADDR " is in no heap of malloc.", ask->addr));
	else if (ask->view->needs == CS_NEEDS_REFERENTS || ask->view->needs == CS_NEEDS_REFERRERS ||
		 (ask->view->needs == CS_NEEDS_WHY && !ask->text))
		note(p, cs_arena_printf(&words, "Nothing in use is at " CS_ADDR ".", ask->addr));
	else if (ask->view->needs == CS_NEEDS_INSTANCES || ask->view->needs == CS_NEEDS_WHY)
		note(p, cs_arena_printf(&words, "There is no type '%.100s'%s%.200s%s", ask->text,
					meant ? ": did you mean " : "", meant ? meant : "",
					meant ? "?" : "."));
	cs_arena_deinit(&words);
}

/* What the rows leave open. */
static void write_unreached(const struct page *p, const struct cs_answer *answer)
{
	struct cs_arena words = { 0 };
	char count[CS_NUMBER_LEN];

	if (!answer->unreached)
		return;
	cs_number_count(count, answer->unreached);
	note(p, cs_arena_printf(&words,
				"No root reaches %s of them: what those would retain is not known.",
				count));
	cs_arena_deinit(&words);
}

/* What belongs to a view, when there is any of it. */
static cs_status write_also(struct page *p, const struct cs_view *view, struct cs_error *err)
{
	struct cs_report_options options = *p->options;

	options.sort = NULL;
	options.seen = NULL;
	options.skip = 0;
	return write_if_any(p, view, &options, false, err);
}

/* A table of the same answer, whole. */
static cs_status write_closing(struct page *p, const struct cs_ask *of, struct cs_error *err)
{
	const struct cs_layout layout = { .title = of->view->closing->title };
	const struct cs_ask ask = { .view = of->view->closing, .answer = of->answer };
	struct cs_report_options options = { .no_values = p->options->no_values };
	struct cs_table t;
	cs_status st = cs_report_table(p->model, &ask, &options, &t, err);

	if (st)
		return st;
	write_table(p, &t, &layout);
	return CS_OK;
}

/* What calls in the code cannot tell. */
static void write_makers(const struct page *p, const struct cs_answer *answer)
{
	struct cs_arena words = { 0 };
	char count[CS_NUMBER_LEN];

	if (!answer->has_makers)
		return;
	cs_number_count(count, answer->maker_dynamic);
	note(p, cs_arena_printf(&words,
				"likely and candidate: by the constant sizes that calls in the code ask for; %s "
				"calls ask for any size%s.",
				count, answer->maker_unread ? ", and of some files the code is not there" : ""));
	cs_arena_deinit(&words);
}

static cs_status write_view(struct page *p, const struct cs_ask *ask, struct cs_error *err)
{
	const struct cs_layout layout = { .title = ask->view->title };
	struct cs_table t;
	cs_status st = cs_report_table(p->model, ask, p->options, &t, err);

	if (st)
		return st;
	write_table(p, &t, &layout);
	if (!ask->answer)
		write_absent(p, ask);
	else
		write_unreached(p, ask->answer);
	if (cs_view_needs_graph(ask->view) && cs_model_lacks_memory(p->model))
		note(p, "Memory is missing: holders may be missing too, and what looks unreachable "
			"may not be.");
	if (!strcmp(ask->view->name, "summary"))
		write_missing(p);
	if (!strcmp(ask->view->name, "doctor"))
		return write_anomalies(p, err);
	if (ask->view->closing)
		st = write_closing(p, ask, err);
	if (st)
		return st;
	if (ask->answer)
		write_makers(p, ask->answer);
	return ask->view->also ? write_also(p, cs_view_find(ask->view->also), err) : CS_OK;
}

/* All asked views; then where they lead that was not asked for. */
static cs_status write_views(struct page *p, const struct cs_ask *asks, size_t count,
			     struct cs_error *err)
{
	for (size_t i = 0; i < count; i++) {
		cs_status st = write_view(p, &asks[i], err);

		if (st)
			return st;
	}
	putc('\n', p->out);
	hint_next(p, asks, count);
	if (!has_ask(asks, count, "doctor"))
		hint_anomalies(p);
	return CS_OK;
}

static cs_status write_page_summary(struct page *p, struct cs_error *err)
{
	const struct cs_layout layout = { .title = "WHERE IT WENT", .is_brief = true };
	const struct cs_ask ask = { .view = cs_view_find("summary") };
	struct cs_table t;
	cs_status st = cs_report_table(p->model, &ask, p->options, &t, err);

	if (st)
		return st;
	if (!p->options->has_top)
		cs_table_fold(&t, p->model->target.present / 100, PAGE_LEAST, PAGE_MOST);
	write_table(p, &t, &layout);
	write_missing(p);
	return CS_OK;
}

/* A numbered sentence, and under it the question that shows more. */
static void write_suspect(struct page *p, unsigned nr, const char *text, const char *option)
{
	char lead[16];

	snprintf(lead, sizeof(lead), "%3u", nr);
	cs_look_item(p->out, &p->look, lead, text ? text : "(no memory)", SUSPECT_INDENT);
	fputs("  ", p->out);
	hint(p, option ? option : "--suspects", "");
}

/* At most five, the last of them for all there is no room for. */
static void write_page_suspects(struct page *p)
{
	const struct cs_answer *a = p->options->suspects;
	size_t count = a ? a->suspects.count : 0;
	size_t most = count > PAGE_SUSPECTS ? PAGE_SUSPECTS - 1 : count;
	struct cs_arena words = { 0 };

	if (!count)
		return;
	leave_line(p);
	cs_look_paint(p->out, &p->look, CS_PAINT_TITLE);
	fputs("SUSPECTS\n", p->out);
	cs_look_paint(p->out, &p->look, CS_PAINT_NONE);
	for (size_t i = 0; i < most; i++)
		write_suspect(p, (unsigned)i + 1,
			      cs_suspect_text(&a->suspects.items[i], p->model->target.present, &words),
			      cs_suspect_option(&a->suspects.items[i], &words));
	if (most < count)
		write_suspect(p, (unsigned)most + 1,
			      cs_suspects_rest(a->suspects.items + most, count - most, &words),
			      "--suspects");
	cs_arena_deinit(&words);
}

static cs_status write_page_types(struct page *p, size_t *types, bool *has_more,
				  struct cs_error *err)
{
	const struct cs_ask ask = { .view = cs_view_find("by-type") };
	struct cs_report_options options = *p->options;
	struct cs_layout layout = { .title = "TYPES", .is_brief = true };
	char aside[96], all[CS_NUMBER_LEN];
	struct cs_table t;

	if (!options.has_top)
		options.top = PAGE_TYPES;
	options.has_top = true;

	cs_status st = cs_report_table(p->model, &ask, &options, &t, err);

	if (st)
		return st;
	cs_number_count(all, t.total_rows);
	snprintf(aside, sizeof(aside), "top %zu of %s", t.order.count, all);
	if (t.more_rows)
		layout.aside = aside;
	*types = t.total_rows;
	*has_more = t.more_rows;
	write_table(p, &t, &layout);
	return CS_OK;
}

static cs_status write_page_threads(struct page *p, struct cs_error *err)
{
	struct cs_report_options options = *p->options;

	options.sort = NULL;
	options.top = PAGE_THREADS;
	options.has_top = true;
	return write_if_any(p, &cs_view_threads_short, &options, true, err);
}

/* Where the page leads. */
static void hint_page(const struct page *p, size_t types, bool has_more)
{
	char aside[96], all[CS_NUMBER_LEN];

	cs_number_count(all, types);
	snprintf(aside, sizeof(aside), "all %s types", all);
	putc('\n', p->out);
	hint(p, "--summary", "every category");
	hint(p, "--by-type --top 0", has_more ? aside : "the types in full");
	if (p->model->threads.rows.count)
		hint(p, "--threads", "whole stacks, Python and native");
	hint_anomalies(p);
}

cs_status cs_text_write(FILE *out, const struct cs_model *model, const struct cs_ask *asks,
			size_t count, const struct cs_report_options *options, struct cs_error *err)
{
	struct page p = { .out = out, .model = model, .options = options, .look = options->look };
	bool has_more = false;
	size_t types = 0;
	cs_status st;

	if (!p.look.width)
		p.look.width = CS_WIDTH_DEFAULT;
	if (p.look.width < CS_WIDTH_MIN)
		p.look.width = CS_WIDTH_MIN;
	if (!options->no_header)
		write_header(&p);
	if (count)
		return write_views(&p, asks, count, err);
	st = write_page_summary(&p, err);
	if (!st)
		write_page_suspects(&p);
	if (!st)
		st = write_page_types(&p, &types, &has_more, err);
	if (!st)
		st = write_page_threads(&p, err);
	if (!st)
		hint_page(&p, types, has_more);
	return st;
}
