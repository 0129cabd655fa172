/* One door for bytes: a core file, opened and scanned whole.
 *
 * `make fuzz` links it with libFuzzer (clang). In the tests it is a plain
 * program: it replays the files it is given, or without one a forged core, cut
 * and spoiled. Whatever the bytes, the scan answers or says why not, and its
 * ledger sums to what is present. */
#include "forge_core.h"
#include "cpython/py_census.h"
#include "cpython/py_visit.h"
#include "model/nodes.h"
#include "report/report.h"
#include "scan/scan_state.h"
#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds, const char *what, const char *detail)
{
	if (holds)
		return;
	fprintf(stderr, "%s: %s\n", what, detail);
	abort();
}

/* The first, a middle and the last address of every span, and around them. */
static void ask(struct cs_scan *scan)
{
	struct cs_blocks *blocks = &cs_scan_model(scan)->blocks;

	for (size_t i = 0; i < blocks->spans.count && i < 64; i++) {
		const struct cs_span *s = &blocks->spans.items[i];
		const cs_addr at[] = { s->start - 1, s->start, s->start + 16, s->start + s->len / 2,
				       s->start + s->len - 1 };

		for (size_t k = 0; k < sizeof(at) / sizeof(*at); k++) {
			struct cs_answer answer = { .rows = { NULL, 0, 0 } };

			cs_ignore(cs_scan_object(scan, at[k], &answer, NULL), "any answer is good");
			cs_answer_deinit(&answer);
		}
	}
}

/* The same of their references; and the instances of all types. */
static void ask_neighbours(struct cs_scan *scan)
{
	static const char *const names[] = { "object", "referents", "referrers" };
	struct cs_report_options options = { .format = CS_FORMAT_JSON, .attrs = "a,x.b,__class__.y" };
	struct cs_blocks *blocks = &cs_scan_model(scan)->blocks;
	struct cs_ask ask = { .view = cs_view_find("instances"), .text = "*" };
	struct cs_answer answer = { .rows_before = 0 };
	struct cs_error err = { .text = "" };
	cs_status st = cs_scan_answer(scan, &ask, &options, &answer, &err);

	must(st == CS_OK || st == CS_NOTFOUND, "instances", err.text);
	cs_answer_deinit(&answer);
	for (size_t i = 0; i < blocks->spans.count && i < 16; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
			struct cs_answer found = { .rows_before = 0 };

			ask.view = cs_view_find(names[k]);
			ask.addr = blocks->spans.items[i].start + blocks->spans.items[i].len / 2;
			st = cs_scan_answer(scan, &ask, &options, &found, &err);
			must(st == CS_OK || st == CS_NOTFOUND, names[k], err.text);
			cs_answer_deinit(&found);
		}
}

static void take_edge(void *ctx, const struct py_edge *edge)
{
	char text[32];

	py_edge_text(ctx, edge, text, sizeof(text));
}

static void take_frame(void *ctx, cs_addr thread, cs_addr frame)
{
	(void)thread;
	py_visit_frame(ctx, frame, take_edge, ctx);
}

/* What every object and frame holds. */
static void follow(struct cs_scan *scan)
{
	struct cs_error err = { .text = "" };
	struct cs_node_walk walk;
	struct cs_nodes nodes;
	struct cs_block block;
	struct py *py = scan->py;
	struct py_obj o;

	if (!py)
		return;
	py_visit_begin(py);
	must(cs_nodes_init(&nodes, &cs_scan_model(scan)->blocks, &err) == CS_OK, "nodes", err.text);
	cs_node_walk_init(&walk, &nodes);
	while (cs_node_walk_next(&walk, NULL, &block))
		if (py_object_at_block(py, &block, &o))
			py_visit(py, &o, take_edge, py);
	cs_nodes_deinit(&nodes);
	py_walk_frames(py, take_frame, py);
}

static void report(struct cs_scan *scan)
{
	static const char *const names[] = { "summary", "by-type", "by-size", "arenas",	   "bins",
					     "doctor",	"threads", "tasks",   "dominators", "leaks",
					     "chunks",	"suspects", "by-type", "why" };
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	struct cs_report_options options = { .format = CS_FORMAT_JSON, .is_verbose = true };
	struct cs_answer answers[COUNT] = { { .rows_before = 0 } };
	struct cs_ask asks[COUNT] = { { .view = NULL } };
	struct cs_error err = { .text = "" };
	FILE *out = fopen("/dev/null", "w");

	must(out != NULL, "open", "/dev/null");
	for (size_t i = 0; i < COUNT; i++) {
		asks[i].view = cs_view_find(names[i]);
		asks[i].text = "list"; /* of --why */
		cs_status st = cs_scan_answer(scan, &asks[i], &options, &answers[i], &err);

		must(st == CS_OK || (st == CS_NOTFOUND && asks[i].view->argument), names[i], err.text);
		asks[i].answer = st ? NULL : &answers[i];
	}
	must(cs_report_write(out, cs_scan_model(scan), asks, COUNT, &options, &err) == CS_OK, "report",
	     err.text);
	for (size_t i = 0; i < COUNT; i++)
		cs_answer_deinit(&answers[i]);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_scan_options options = { .thorough = true, .threads = true, .locals = true };
	struct cs_error err = { .text = "" };
	struct cs_scan *scan = NULL;
	int fd = memfd_create("core", 0);
	char path[64];

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "write", "memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	cs_status st = cs_scan_open(path, &options, &scan, &err);

	must(!st || *err.text, "a failure without words", path);
	must(!strstr(err.text, "the ledger"), "settling", err.text);
	if (!st) {
		must(cs_model_check(cs_scan_model(scan), &err) == CS_OK, "check", err.text);
		ask(scan);
		ask_neighbours(scan);
		follow(scan);
		report(scan);
	}
	cs_scan_close(scan);
	close(fd);
	return 0;
}

#ifndef FUZZER
static int replay(const char *path)
{
	FILE *in = fopen(path, "rb");
	unsigned char *bytes = NULL;
	long len = -1;

	if (in && !fseek(in, 0, SEEK_END) && (len = ftell(in)) >= 0 && !fseek(in, 0, SEEK_SET))
		bytes = malloc((size_t)len + 1);
	if (!bytes || fread(bytes, 1, (size_t)len, in) != (size_t)len) {
		perror(path);
		return 1;
	}
	LLVMFuzzerTestOneInput(bytes, (size_t)len);
	free(bytes);
	fclose(in);
	return 0;
}

TEST(a_forged_core_cut_and_spoiled_anywhere_is_answered)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	unsigned char *file, *spoiled;
	size_t len;

	forge_ordinary(&f);
	file = forge_build(&f, &len);
	spoiled = malloc(len);
	assert_non_null(spoiled);
	LLVMFuzzerTestOneInput(file, len);
	for (size_t cut = 0; cut < len; cut += cut < 1024 ? 8 : 1021)
		LLVMFuzzerTestOneInput(file, cut);
	for (size_t at = 0; at < 2048 && at + 8 <= len; at += 8) {
		memcpy(spoiled, file, len);
		memset(spoiled + at, at % 16 ? 0xff : 0, 8);
		LLVMFuzzerTestOneInput(spoiled, len);
	}
	free(spoiled);
	free(file);
	forge_deinit(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forged_core_cut_and_spoiled_anywhere_is_answered),
	};
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad |= replay(argv[i]);
	return argc > 1 ? bad : cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
