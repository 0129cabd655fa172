/* A scan that is told to stop at its first beat, at its second, ... until none is
 * left to stop it: it ends each time with CS_STOPPED and nothing else, whatever
 * it was doing. Every look at the clock is a beat here. */
#include "report/report.h"
#include "scan/scan.h"
#include "cs_test.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 20000, RUNS_MOST = 5000 };

/* Long lists, a block of 8 MiB, many small objects. */
static const char python[] =
	"import collections, sys, tracemalloc\n"
	"tracemalloc.start()\n"
	"kept = [{'k%d' % i: i * 1000, 'v': (i, str(i))} for i in range(3000)]\n"
	"tracemalloc.stop()\n"
	"kept.append(collections.deque(range(40000)))\n"
	"kept.append(collections.OrderedDict((i, i) for i in range(3000)))\n"
	"kept.append(bytes(8 << 20))\n"
	"print('ready', flush=True)\n"
	"sys.stdin.read()\n";

static char folder[] = "/tmp/corescan-interrupt-XXXXXX";
static struct {
	pid_t pid;
	int to, from;
} child;

enum { STEPS = 5 };
static const char *const steps[STEPS] = { "opening", "malloc", "pymalloc", "objects", "ledger" };

struct ear {
	unsigned beats, stop_at, last;
	char step[32];
	unsigned of_step[STEPS], reached[STEPS]; /* beats; permille */
};

static bool hear(void *ctx, const char *step, unsigned permille)
{
	struct ear *ear = ctx;

	assert_in_range(permille, ear->last, 1000);
	ear->last = permille;
	snprintf(ear->step, sizeof(ear->step), "%s", step);
	for (size_t i = 0; i < STEPS; i++)
		if (!strcmp(step, steps[i])) {
			ear->of_step[i]++;
			ear->reached[i] = permille;
		}
	return ++ear->beats != ear->stop_at;
}

static _Noreturn void become(char **argv, int in, int out)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &all);
	dup2(in, 0);
	dup2(out, 1);
	closefrom(3);
	if (!chdir(folder))
		execvp(argv[0], argv);
	_exit(127);
}

/* True when it said "ready". */
static bool start(char **argv)
{
	int in[2], out[2];
	char word[6] = "";

	assert_int_equal(pipe(in) | pipe(out), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (!child.pid)
		become(argv, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	child.to = in[1];
	child.from = out[0];

	struct pollfd p = { .fd = child.from, .events = POLLIN };

	return poll(&p, 1, TIMEOUT_MS) == 1 && read(child.from, word, 5) == 5 &&
	       !strcmp(word, "ready");
}

static void end(int signal)
{
	if (!child.pid)
		return;
	kill(child.pid, signal);
	waitpid(child.pid, NULL, 0);
	close(child.to);
	close(child.from);
	child.pid = 0;
}

/* The core it leaves, in path; false when the kernel gives cores to somebody else. */
static bool die(char *path, size_t len)
{
	char pattern[64];
	glob_t found;
	bool is_there;

	end(SIGABRT);
	snprintf(pattern, sizeof(pattern), "%s/core*", folder);
	is_there = !glob(pattern, 0, NULL, &found);
	if (is_there)
		snprintf(path, len, "%s", found.gl_pathv[0]);
	globfree(&found);
	return is_there;
}

/* The scan that stops at beat n; NULL when it did. */
static struct cs_scan *scan_until(const char *target, unsigned n, struct ear *ear)
{
	struct cs_scan_options options = { .progress = hear, .progress_ctx = ear,
					   .progress_every_ns = 1, .thorough = true,
					   .threads = true };
	struct cs_scan *scan = NULL;
	struct cs_error err = { .text = "" };

	*ear = (struct ear){ .stop_at = n };

	cs_status st = cs_scan_open(target, &options, &scan, &err);

	if (st == CS_OK) {
		assert_non_null(scan);
		assert_true(ear->beats < n);
		return scan;
	}
	if (st != CS_STOPPED)
		fail_msg("stopped at beat %u in %s: status %d, %s", n, ear->step, (int)st,
			 err.text);
	assert_null(scan);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(err.status, CS_STOPPED);
	assert_int_equal(ear->beats, n);
	return NULL;
}

/* All beats up to `every`, then ever fewer of them. The scan that nothing stopped,
 * and what was heard of it. */
static struct cs_scan *stop_everywhere(const char *target, unsigned every, const char *what,
				       struct ear *heard)
{
	struct cs_scan *scan = NULL;
	struct ear ear = { 0 };
	unsigned runs = 0;

	for (unsigned n = 1; !scan; n += n < every ? 1 : 1 + n / 16) {
		scan = scan_until(target, n, &ear);
		assert_true(++runs < RUNS_MOST);
	}
	print_message("%s: %u beats, stopped at %u of them; ", what, ear.beats, runs - 1);
	for (size_t i = 0; i < STEPS; i++)
		print_message("%s %u to %u%s", steps[i], ear.of_step[i], ear.reached[i],
			      i + 1 < STEPS ? ", " : "\n");
	*heard = ear;
	return scan;
}

/* Was it asked often enough in every step, and told how far it is? */
static void check_beats(const struct ear *ear, const unsigned *least, const unsigned *reached)
{
	for (size_t i = 0; i < STEPS; i++) {
		assert_in_range(ear->of_step[i], least[i], UINT32_MAX);
		assert_in_range(ear->reached[i], reached[i], 1000);
	}
}

static char *victim(void)
{
	static char path[512];
	const char *build = getenv("BUILD");

	snprintf(path, sizeof(path), "%s/tests/real/victim_heap", build ? build : "build-check");
	return realpath(path, NULL);
}

static bool has_finding(struct cs_scan *scan, const char *what)
{
	const struct cs_model *m = cs_scan_model(scan);

	for (size_t i = 0; i < m->findings.count; i++)
		if (!strcmp(m->findings.items[i].what, what))
			return true;
	return false;
}

TEST(a_core_of_a_c_process_at_every_beat)
{
	static const unsigned least[STEPS] = { 2, 100, 20, 1, 2 };
	static const unsigned reached[STEPS] = { 0, 290, 300, 500, 920 };
	char core[256], *argv[] = { victim(), NULL };
	struct cs_scan *scan;
	struct ear ear;
	struct stat st;

	if (!argv[0] || !start(argv) || !die(core, sizeof(core))) {
		print_message("skip: %s\n",
			      argv[0] ? "the kernel leaves no core" : "no victim_heap");
		free(argv[0]);
		skip();
	}
	free(argv[0]);
	scan = stop_everywhere(core, RUNS_MOST, "C, dead", &ear);
	check_beats(&ear, least, reached);
	assert_true(cs_scan_model(scan)->target.libc.found);
	assert_true(has_finding(scan, "thread caches"));
	cs_scan_close(scan);

	/* without libc's own memory: another way to the heap */
	assert_int_equal(stat(core, &st), 0);
	assert_int_equal(truncate(core, st.st_size / 3), 0);
	scan = stop_everywhere(core, RUNS_MOST, "C, cut short", &ear);
	assert_true(has_finding(scan, "malloc heap without its arena"));
	cs_scan_close(scan);
	unlink(core);
}

static char *python_argv[] = { "python3", "-c", (char *)python, NULL };

TEST(a_core_of_a_python_process)
{
	static const unsigned least[STEPS] = { 5, 30, 100, 500, 5 };
	static const unsigned reached[STEPS] = { 0, 290, 450, 850, 950 };
	char core[256];
	struct cs_scan *scan;
	struct ear ear;

	if (!start(python_argv) || !die(core, sizeof(core))) {
		print_message("skip: no python3, or the kernel leaves no core\n");
		skip();
	}
	scan = stop_everywhere(core, 50, "Python, dead", &ear);
	check_beats(&ear, least, reached);
	assert_true(cs_scan_model(scan)->target.python.supported);
	assert_true(has_finding(scan, "objects the collector tracks"));
	cs_scan_close(scan);
	unlink(core);
}

TEST(a_living_process_runs_on_each_time)
{
	char pid[32], byte = 0;
	struct cs_scan *scan;
	struct ear ear;

	if (!start(python_argv)) {
		print_message("skip: no python3\n");
		skip();
	}
	snprintf(pid, sizeof(pid), "%d", (int)child.pid);

	struct cs_error err = { .text = "" };
	cs_status st = cs_scan_open(pid, NULL, &scan, &err);

	if (st == CS_OS) {
		print_message("skip: %s\n", err.text);
		skip();
	}
	assert_int_equal(st, CS_OK);
	cs_scan_close(scan);
	cs_scan_close(stop_everywhere(pid, 20, "Python, alive", &ear));

	/* it ends when its input does, and only if it runs */
	close(child.to);
	child.to = -1;
	while (read(child.from, &byte, 1) > 0)
		;
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	close(child.from);
	child.pid = 0;
}

/* The last block that an object owns: looking for its owner takes longest. */
static cs_addr owned_block(struct cs_scan *scan)
{
	const struct cs_blocks *blocks = &cs_scan_model(scan)->blocks;
	cs_addr found = 0;

	for (size_t i = 0; i < blocks->spans.count; i++) {
		const struct cs_span *span = &blocks->spans.items[i];

		for (uint64_t g = 0; g < span->len / 16; g = cs_span_next(span, g))
			if (cs_tile_get(span->tiles, g) == CS_BLOCK_OWNED)
				found = span->start + g * 16 +
					(span->allocator == CS_ALLOC_GLIBC ? 16 : 0);
	}
	return found;
}

static bool has_row(const struct cs_answer *answer, const char *field)
{
	for (size_t i = 0; i < answer->rows.count; i++)
		if (!strcmp(answer->rows.items[i].field, field))
			return true;
	return false;
}

TEST(a_question_about_an_object_stops_and_can_be_asked_again)
{
	char core[256];
	struct cs_scan *scan = NULL;
	struct cs_error err = { .text = "" };
	struct cs_answer answer = { 0 };
	struct ear ear = { 0 };
	cs_status st = CS_STOPPED;
	cs_addr at;

	if (!start(python_argv) || !die(core, sizeof(core))) {
		print_message("skip: no python3, or the kernel leaves no core\n");
		skip();
	}

	struct cs_scan_options options = { .progress = hear, .progress_ctx = &ear,
					   .progress_every_ns = 1 };

	assert_int_equal(cs_scan_open(core, &options, &scan, &err), CS_OK);
	at = owned_block(scan);
	assert_true(at);

	/* nobody listens any more */
	ear = (struct ear){ .stop_at = 1 };
	assert_int_equal(cs_scan_object(scan, at, &answer, &err), CS_OK);
	assert_int_equal(ear.beats, 0);
	assert_true(has_row(&answer, "owner"));

	cs_scan_listen(scan, hear, &ear);
	for (unsigned n = 1; st; n += 1 + n / 4) {
		cs_answer_deinit(&answer);
		answer = (struct cs_answer){ 0 };
		ear = (struct ear){ .stop_at = n };
		st = cs_scan_object(scan, at, &answer, &err);
		if (st) {
			assert_int_equal(st, CS_STOPPED);
			assert_string_equal(err.text, "interrupted");
		}
	}
	assert_true(ear.beats > 2);
	assert_true(has_row(&answer, "owner"));
	cs_answer_deinit(&answer);
	cs_scan_close(scan);
	unlink(core);
}

/* Rows the answer knows of, shown or not. */
static uint64_t rows_of(const struct cs_answer *a)
{
	return a->rows.count + a->edges.count + a->instances.count + a->values.count + a->rows_behind;
}

TEST(views_of_single_objects_stop_and_can_be_asked_again)
{
	static const char *const views[] = { "referents", "referrers", "instances", "object" };
	struct cs_report_options o = { .format = CS_FORMAT_JSON, .attrs = "a.b,__class__" };
	struct cs_scan *scan = NULL;
	struct ear ear = { 0 };
	char core[256];

	if (!start(python_argv) || !die(core, sizeof(core))) {
		print_message("skip: no python3, or the kernel leaves no core\n");
		skip();
	}

	struct cs_scan_options options = { .progress = hear, .progress_ctx = &ear,
					   .progress_every_ns = 1 };

	assert_int_equal(cs_scan_open(core, &options, &scan, NULL), CS_OK);
	for (size_t v = 0; v < sizeof(views) / sizeof(*views); v++) {
		struct cs_ask ask = { .view = cs_view_find(views[v]), .text = "*",
				      .addr = owned_block(scan) };
		cs_status st = CS_STOPPED;
		uint64_t rows = 0;

		for (unsigned n = 1; st; n += 1 + n / 4) {
			struct cs_answer answer = { .rows_before = 0 };
			struct cs_error err = { .text = "" };

			ear = (struct ear){ .stop_at = n };
			cs_scan_listen(scan, hear, &ear);
			st = cs_scan_answer(scan, &ask, &o, &answer, &err);
			rows = rows_of(&answer);
			cs_answer_deinit(&answer);
			assert_true(st == CS_OK || st == CS_STOPPED);
			assert_string_equal(err.text, st ? "interrupted" : "");
		}

		struct cs_answer whole = { .rows_before = 0 };

		cs_scan_listen(scan, NULL, NULL);
		assert_int_equal(cs_scan_answer(scan, &ask, &o, &whole, NULL), CS_OK);
		assert_int_equal(rows, rows_of(&whole));
		assert_true(rows || !strcmp(views[v], "referents"));
		cs_answer_deinit(&whole);
	}
	cs_scan_close(scan);
	unlink(core);
}

static int prepare(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int end_child(void **state)
{
	(void)state;
	end(SIGKILL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_core_of_a_c_process_at_every_beat, end_child),
		cmocka_unit_test_teardown(a_core_of_a_python_process, end_child),
		cmocka_unit_test_teardown(a_living_process_runs_on_each_time, end_child),
		cmocka_unit_test_teardown(a_question_about_an_object_stops_and_can_be_asked_again,
					  end_child),
		cmocka_unit_test_teardown(views_of_single_objects_stop_and_can_be_asked_again,
					  end_child),
	};

	return cmocka_run_group_tests(tests, prepare, clean);
}
