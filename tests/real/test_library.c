/* The public header from outside: one living process, all views, all formats. */
#include "corescan/corescan.h"

#include "cs_test.h"

#include <signal.h>
#include <stdbool.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* cat, having read one line and waiting for the next: past its start for certain. */
static pid_t start_cat(int *to, int *from)
{
	char *argv[] = { "cat", NULL };
	int in[2], out[2];
	posix_spawn_file_actions_t fds;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(in) | pipe(out), 0);
	posix_spawn_file_actions_init(&fds);
	posix_spawn_file_actions_adddup2(&fds, in[0], 0);
	posix_spawn_file_actions_adddup2(&fds, out[1], 1);
	posix_spawn_file_actions_addclose(&fds, in[1]);
	assert_int_equal(posix_spawnp(&pid, "cat", &fds, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&fds);
	close(in[0]);
	close(out[1]);
	assert_int_equal(write(in[1], "x", 1), 1);
	assert_int_equal(read(out[0], &byte, 1), 1);
	*to = in[1];
	*from = out[0];
	return pid;
}

/* A handle that holds what a living cat was; skips where a process cannot be read. */
static struct corescan *read_cat_with(const char *graph)
{
	struct corescan *cs = corescan_new();
	char name[32], byte;
	int to, from;
	pid_t pid = start_cat(&to, &from);

	snprintf(name, sizeof(name), "%d", (int)pid);
	assert_int_equal(corescan_set(cs, "pid", "1"), CORESCAN_OK);
	assert_int_equal(corescan_set(cs, "graph", graph), CORESCAN_OK);

	int opened = corescan_open(cs, name);

	if (opened == CORESCAN_FAILED)
		print_message("skip: %s\n", corescan_error(cs));

	/* and it runs on */
	assert_int_equal(write(to, "y", 1), 1);
	assert_int_equal(read(from, &byte, 1), 1);
	assert_int_equal(byte, 'y');
	close(to);
	close(from);
	waitpid(pid, NULL, 0);
	if (opened == CORESCAN_FAILED) {
		corescan_close(cs);
		skip();
	}
	return cs;
}

static struct corescan *read_cat(void)
{
	return read_cat_with("1");
}

TEST(every_view_renders_in_every_format)
{
	static const char *const formats[] = { "text", "json", "csv" };
	struct corescan *cs = read_cat();
	char *text;

	for (size_t v = 0; corescan_view_name(v); v++) {
		const char *view = corescan_view_name(v);
		const char *argument = corescan_view_argument(view) ? "0x1000" : NULL;

		assert_non_null(corescan_view_title(view));
		assert_non_null(corescan_view_help(view));
		for (int f = 0; f < 3; f++) {
			assert_in_range(corescan_render(cs, view, argument, formats[f], &text),
					CORESCAN_OK, CORESCAN_PART);
			assert_non_null(text);
			corescan_free(text);
		}
	}
	corescan_close(cs);
}

TEST(the_page_in_json_says_what_types_retain)
{
	struct corescan *cs = read_cat();
	char *text;

	assert_in_range(corescan_render(cs, NULL, NULL, "json", &text), CORESCAN_OK, CORESCAN_PART);
	assert_non_null(strstr(text, "\"view\":\"suspects\""));
	assert_non_null(strstr(text, "\"retained\":"));
	corescan_free(text);
	corescan_close(cs);
}

/* A command's answer with up to two words, NULL when it has none. */
static char *command(struct corescan *cs, const char *name, const char *a, const char *b, uint64_t skip,
		     uint64_t *shown, uint64_t *more)
{
	const char *words[] = { a, b };
	size_t count = !a ? 0 : !b ? 1 : 2;
	char *text;
	int result = corescan_command(cs, name, count, words, skip, &text, shown, more);

	assert_true(result <= CORESCAN_PART || !text);
	return text;
}

TEST(every_command_answers_and_the_prefixes_do_not)
{
	struct corescan *cs = read_cat();
	const struct corescan_command *c;
	uint64_t shown, more;

	assert_int_equal(corescan_set(cs, "header", "0"), CORESCAN_OK);
	assert_int_equal(corescan_set(cs, "commands", "gdb"), CORESCAN_OK);
	for (size_t i = 0; (c = corescan_command_at(i)); i++) {
		char *text = command(cs, c->name, c->is_required ? "16" : NULL, NULL, 0, &shown, &more);

		/* there are no Python types in cat, and that is said */
		bool is_python = !strcmp(c->name, "pyheap top") || !strcmp(c->name, "pyheap types");

		assert_true(!text == (!c->view || is_python));
		if (is_python)
			assert_string_equal(corescan_error(cs), "there is no CPython in this target");
		if (c->is_required)
			assert_null(command(cs, c->name, NULL, NULL, 0, NULL, NULL));
		corescan_free(text);
	}
	assert_null(command(cs, "corescan summary", "x", NULL, 0, &shown, &more));
	assert_int_equal(shown + more, 0);
	assert_non_null(strstr(corescan_error(cs), "corescan summary takes no argument"));
	assert_null(command(cs, "no such", NULL, NULL, 0, NULL, NULL));
	assert_null(strchr(corescan_missing(cs), '\n'));
	corescan_close(cs);
}

/* CSV of the blocks, `top` a page, from the start or from where `from` says. */
static char *blocks(struct corescan *cs, const char *from, const char *top, uint64_t skip,
		    uint64_t *shown, uint64_t *more)
{
	const char *words[] = { "--format=csv", top, from };
	char *text;

	assert_in_range(corescan_command(cs, "corescan heap chunks", from ? 3 : 2, words, skip, &text,
					 shown, more), CORESCAN_OK, CORESCAN_PART);
	return text;
}

/* cat runs again and no graph was made: who refers to what is not known any more. */
TEST(without_a_graph_the_rest_of_an_object_stands)
{
	struct corescan *cs = read_cat_with(NULL);
	uint64_t shown, more;
	char *heap = blocks(cs, NULL, "--top=1", 0, &shown, &more), *text, address[32];

	snprintf(address, sizeof(address), "0x%llx", strtoull(strchr(heap, '\n'), NULL, 16));
	assert_in_range(corescan_render(cs, "object", address, "text", &text), CORESCAN_OK, CORESCAN_PART);
	assert_non_null(strstr(text, "  bytes "));
	assert_non_null(strstr(text, "not known: the process runs again"));
	corescan_free(text);
	assert_int_equal(corescan_set(cs, "brief", "1"), CORESCAN_OK);
	assert_in_range(corescan_render(cs, "object", address, "text", &text), CORESCAN_OK, CORESCAN_PART);
	assert_null(strstr(text, "referrers"));
	corescan_free(text);
	assert_int_equal(corescan_render(cs, "referrers", address, "text", &text), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "the process runs again"));
	corescan_free(heap);
	corescan_close(cs);
}

TEST(the_pages_of_blocks_are_all_blocks)
{
	static const char *const tops[] = { "--top=1", "--top=7", "--top=20" };
	struct corescan *cs = read_cat();
	uint64_t all, shown, more;
	char *whole = blocks(cs, NULL, "--top=0", 0, &all, &more), from[32];

	assert_true(all > 20);
	assert_int_equal(more, 0);
	for (size_t i = 0; i < 3; i++) {
		char *at = strchr(whole, '\n') + 1;
		uint64_t skip = 0;

		for (more = 1; more; skip += shown) {
			char *page = blocks(cs, NULL, tops[i], skip, &shown, &more);
			char *rows = strchr(page, '\n') + 1;

			assert_int_equal(skip + shown + more, all);
			assert_memory_equal(at, rows, strlen(rows));
			at += strlen(rows);
			corescan_free(page);
		}
		assert_string_equal(at, "");
	}

	/* from any byte of a block on */
	char *row = strchr(whole, '\n') + 1;

	for (uint64_t i = 0; i < all; i++, row = strchr(row, '\n') + 1) {
		uint64_t addr = strtoull(row, NULL, 16);
		uint64_t size = strtoull(strchr(row, ',') + 1, NULL, 10);

		for (unsigned last = 0; last < 2 && size > 17; last++) {
			uint64_t byte = last ? size - 17 : 0;
			char *page;

			snprintf(from, sizeof(from), "%llu", (unsigned long long)(addr + byte));
			page = blocks(cs, from, "--top=1", 0, &shown, &more);

			assert_memory_equal(strchr(page, '\n') + 1, row, strcspn(row, "\n"));
			assert_int_equal(shown + more, all - i);
			assert_int_equal(corescan_last_address(cs), addr);
			corescan_free(page);
		}
	}
	corescan_free(whole);
	corescan_close(cs);
}

TEST(wrong_calls_are_told_and_give_no_text)
{
	struct corescan *cs = corescan_new();
	char *text = cs ? (char *)cs : NULL;

	assert_int_equal(corescan_render(cs, "summary", NULL, "text", &text), CORESCAN_USAGE);
	assert_null(text);
	assert_string_equal(corescan_error(cs), "no target is open");
	assert_int_equal(corescan_set(cs, "top", "-1"), CORESCAN_USAGE);
	assert_int_equal(corescan_set(cs, "format", "json"), CORESCAN_USAGE);
	assert_int_equal(corescan_set(cs, "no such", "1"), CORESCAN_USAGE);
	assert_int_equal(corescan_set(cs, "top", "5"), CORESCAN_OK);
	assert_int_equal(corescan_set(cs, "top", NULL), CORESCAN_OK);
	assert_int_equal(corescan_open(cs, "/no such file"), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "/no such file"));
	assert_null(corescan_view_help("fragmentation"));
	assert_int_equal(corescan_abi(), CORESCAN_ABI);
	assert_int_equal(corescan_last_address(cs), 0);
	assert_string_equal(corescan_missing(cs), "");
	assert_null(command(cs, "corescan summary", NULL, NULL, 0, NULL, NULL));
	assert_string_equal(corescan_error(cs), "no target is open");
	assert_int_equal(corescan_set(cs, "ascii", "maybe"), CORESCAN_USAGE);
	assert_int_equal(corescan_set(cs, "ascii", "1"), CORESCAN_OK);
	assert_int_equal(corescan_set(cs, "ascii", NULL), CORESCAN_OK);
	assert_int_equal(corescan_set(cs, "width", "x"), CORESCAN_USAGE);
	assert_int_equal(corescan_set(cs, "commands", "gdb"), CORESCAN_OK);
	corescan_close(cs);
	corescan_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_view_renders_in_every_format),
		cmocka_unit_test(the_page_in_json_says_what_types_retain),
		cmocka_unit_test(every_command_answers_and_the_prefixes_do_not),
		cmocka_unit_test(without_a_graph_the_rest_of_an_object_stands),
		cmocka_unit_test(the_pages_of_blocks_are_all_blocks),
		cmocka_unit_test(wrong_calls_are_told_and_give_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
