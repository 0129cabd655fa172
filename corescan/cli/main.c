/* main.c - the program: parse, scan, report, say what was not complete.
 *
 * stdout holds the report and nothing else, stderr is about the run.
 */
#include "base/guard.h"
#include "cli/cli_options.h"
#include "cli/cli_output.h"
#include "cli/cli_progress.h"
#include "report/report_pickle.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_ANSWERED, EXIT_PART, EXIT_USAGE, EXIT_TARGET };

static int complain(int code, const struct cs_error *err)
{
	fprintf(stderr, "corescan: %s\n", err->text);
	return code;
}

/* Die of the signal, as everybody expects. A process we had stopped runs on:
 * the kernel detaches from it when we are gone. */
static void on_signal(int number)
{
	cs_output_unlink_unfinished();
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction old;

		/* nohup stays nohup */
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

static struct cs_look look_of_stdout(bool to_file)
{
	struct cs_look look = { .width = CS_WIDTH_DEFAULT };
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct winsize size;

	look.is_utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (to_file || !isatty(STDOUT_FILENO))
		return look;
	look.has_bars = look.is_utf8;
	look.has_color = term && strcmp(term, "dumb") && !(no_color && *no_color);
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		look.width = size.ws_col;
	return look;
}

/* A word as a shell takes it, after `used` bytes of buf. False: does not fit. */
static bool add_word(char *buf, size_t cap, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:@%+=,-";
	size_t used = strlen(buf);
	const char *quote = word[strspn(word, plain)] || !*word ? "'" : "";
	int len = snprintf(buf + used, cap - used, "%s%s%s%s", used ? " " : "", quote, word, quote);

	return !strchr(word, '\'') && len > 0 && (size_t)len < cap - used;
}

/* The target and what was needed to read it, ready to be typed again. */
static const char *words_again(const struct cs_cli *cli, char *buf, size_t cap)
{
	const struct {
		const char *option, *value;
	} words[] = {
		{ cli->scan.is_pid ? "--pid" : NULL, cli->target },
		{ "--exe", cli->scan.exe },
		{ "--sysroot", cli->scan.sysroot },
		{ "--debug-dir", cli->scan.debug_dir },
	};

	*buf = 0;
	for (size_t i = 0; i < 4; i++) {
		if (!words[i].value)
			continue;
		if (words[i].option && !add_word(buf, cap, words[i].option))
			return NULL;
		if (!add_word(buf, cap, words[i].value))
			return NULL;
	}
	if (cli->scan.debuginfod && !add_word(buf, cap, "--debuginfod"))
		return NULL;
	return buf;
}

/* What is missing from the answer, counted. */
static void say_partial(const struct cs_model *model)
{
	fputs("corescan: answered in part: ", stderr);
	cs_report_write_missing(stderr, model, "--doctor");
	putc('\n', stderr);
}

struct answers {
	struct cs_answer items[CS_CLI_ASKS_MAX];
	struct cs_answer suspects; /* of the default page */
	bool has_absent; /* an address was in nobody's memory */
};

/* The default page does without suspects where there is no memory for them. */
static cs_status look_up_page(struct cs_scan *scan, struct cs_cli *cli, struct answers *answers,
			      struct cs_error *err)
{
	cs_status st = cs_scan_page(scan, &cli->report, &answers->suspects, err);

	if (st && st != CS_STOPPED)
		fprintf(stderr, "corescan: who holds it is not known: %s\n", err->text);
	return st == CS_STOPPED ? st : CS_OK;
}

/* Look up what is not in the model. */
static cs_status look_up(struct cs_scan *scan, struct cs_cli *cli, struct answers *answers,
			 struct cs_error *err)
{
	if (!cli->ask_count)
		return look_up_page(scan, cli, answers, err);
	for (size_t i = 0; i < cli->ask_count; i++) {
		struct cs_ask *ask = &cli->asks[i];
		cs_status st;

		st = cs_scan_answer(scan, ask, &cli->report, &answers->items[i], err);
		if (st == CS_OK)
			ask->answer = &answers->items[i];
		else if (st == CS_NOTFOUND)
			answers->has_absent = true;
		else
			return st;
	}
	return CS_OK;
}

/* Before the report: whoever reads that finds the file. False: there is none, which is said. */
static bool write_traces(const struct cs_cli *cli, const struct cs_model *model)
{
	struct cs_output out = { 0 };
	struct cs_error err = { 0 };
	cs_status st;

	if (!cli->traces_output)
		return true;
	st = cs_output_open(cli->traces_output, &out, &err);
	if (!st)
		st = cs_pickle_write(out.file, &model->sites, model->pulse, &err);
	if (!st)
		st = cs_output_commit(&out, &err);
	cs_output_close(&out);
	if (st)
		complain(EXIT_PART, &err);
	return !st;
}

static int report(struct cs_scan *scan, struct cs_cli *cli, struct answers *answers)
{
	struct cs_model *model = cs_scan_model(scan);
	struct cs_output out = { 0 };
	struct cs_error err = { 0 };
	cs_status st = look_up(scan, cli, answers, &err);

	bool has_traces = st || write_traces(cli, model);

	if (!st)
		st = cs_output_open(cli->output, &out, &err);
	if (!st)
		st = cs_report_write(out.file, model, cli->asks, cli->ask_count, &cli->report, &err);
	if (!st)
		st = cs_output_commit(&out, &err);
	cs_output_close(&out);
	if (st)
		return complain(EXIT_PART, &err);
	if (!cli->is_quiet && model->target.stopped_ns)
		fprintf(stderr, "corescan: process %d was stopped for %.3f s\n", model->target.pid,
			(double)model->target.stopped_ns / 1e9);
	if (!cli->is_quiet && cs_report_is_partial(model))
		say_partial(model);
	return cs_report_is_partial(model) || answers->has_absent || !has_traces ? EXIT_PART :
										   EXIT_ANSWERED;
}

/* Would -o replace the very core that is being read? */
static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static cs_status would_replace_target(const struct cs_cli *cli, const char *option,
				      const char *file, struct cs_error *err)
{
	if (!file || !is_same_file(file, cli->target))
		return CS_OK;
	return cs_fail(err, CS_USAGE, 0, "%s %.100s would replace the target itself", option, file);
}

static int run(struct cs_cli *cli)
{
	struct cs_progress progress;
	struct answers *answers = calloc(1, sizeof(*answers));
	struct cs_scan *scan = NULL;
	struct cs_error err = { 0 };
	char again[512];
	int code;

	if (!answers)
		return complain(EXIT_TARGET, &(struct cs_error){ .text = "no memory" });
	cli->report.look = look_of_stdout(cli->output != NULL);
	cli->report.target = words_again(cli, again, sizeof(again));
	cli->scan.graph = cli->scan.suspects = !cli->ask_count; /* the default page */
	for (size_t i = 0; i < cli->ask_count; i++) {
		cli->scan.graph |= cs_report_wants_graph(&cli->report, cli->asks[i].view);
		cli->scan.suspects |= cli->asks[i].view->needs == CS_NEEDS_SUSPECTS;
	}
	cli->scan.progress = cs_progress_step;
	cli->scan.progress_ctx = &progress;
	cs_progress_begin(&progress, !cli->is_quiet && isatty(STDERR_FILENO), cli->is_verbose);

	cs_status st = cs_scan_open(cli->target, &cli->scan, &scan, &err);

	cs_progress_end(&progress);
	if (st)
		code = complain(st == CS_USAGE ? EXIT_USAGE : EXIT_TARGET, &err);
	else
		code = report(scan, cli, answers);
	for (size_t i = 0; i < CS_CLI_ASKS_MAX; i++)
		cs_answer_deinit(&answers->items[i]);
	cs_answer_deinit(&answers->suspects);
	free(answers);
	cs_scan_close(scan);
	return code;
}

/* Files that shrank while they were read were answered from zeroes. */
static int trusted(const struct cs_cli *cli, int code)
{
	if (!cs_guard_lost())
		return code;
	fprintf(stderr, "corescan: %s, or a file it maps, was cut while it was read: %" PRIu64
			" pages of it were lost; do not trust the answer\n",
		cli->target, cs_guard_lost());
	return EXIT_TARGET;
}

int main(int argc, char **argv)
{
	struct cs_cli cli;
	struct cs_error err = { 0 };

	setlocale(LC_CTYPE, "");
	if (cs_cli_parse(argc, argv, &cli, &err))
		return complain(EXIT_USAGE, &err);
	if (cli.wants_help)
		cs_cli_help(stdout);
	else if (cli.wants_version)
		puts("corescan " CS_VERSION);
	if (cli.wants_help || cli.wants_version) {
		if (!fflush(stdout) && !ferror(stdout))
			return EXIT_ANSWERED;
		cs_ignore(cs_fail_os(&err, "cannot write"), "told below");
		return complain(EXIT_PART, &err);
	}
	if (would_replace_target(&cli, "-o", cli.output, &err) ||
	    would_replace_target(&cli, "--tracemalloc-out", cli.traces_output, &err))
		return complain(EXIT_USAGE, &err);
	catch_signals();
	cs_guard_install();
	return trusted(&cli, run(&cli));
}
