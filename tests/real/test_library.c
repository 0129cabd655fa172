/* The public header from outside: one living process, all views, all formats. */
#include "corescan/corescan.h"

#include "cs_test.h"

#include <signal.h>
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

TEST(every_view_renders_in_every_format)
{
	static const char *const formats[] = { "text", "json", "csv" };
	struct corescan *cs = corescan_new();
	char name[32], *text, byte;
	int to, from;
	pid_t pid = start_cat(&to, &from);

	snprintf(name, sizeof(name), "%d", (int)pid);
	assert_int_equal(corescan_set(cs, "pid", "1"), CORESCAN_OK);

	int opened = corescan_open(cs, name);

	if (opened == CORESCAN_FAILED)
		print_message("skip: %s\n", corescan_error(cs));
	for (size_t v = 0; opened <= CORESCAN_PART && corescan_view_name(v); v++) {
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

	/* and it runs on */
	assert_int_equal(write(to, "y", 1), 1);
	assert_int_equal(read(from, &byte, 1), 1);
	assert_int_equal(byte, 'y');
	close(to);
	close(from);
	waitpid(pid, NULL, 0);
	if (opened == CORESCAN_FAILED)
		skip();
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
	assert_null(corescan_view_help("leaks"));
	assert_int_equal(corescan_abi(), CORESCAN_ABI);
	corescan_close(cs);
	corescan_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_view_renders_in_every_format),
		cmocka_unit_test(wrong_calls_are_told_and_give_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
