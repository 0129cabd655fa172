#include "base/guard.h"
#include "cs_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Four mapped pages of a file that then loses all but the first. */
static const volatile unsigned char *shrunken(size_t *len)
{
	char path[] = "/tmp/guard-XXXXXX";
	unsigned char page[PAGE];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	memset(page, 7, sizeof(page));
	for (int i = 0; i < 4; i++)
		assert_int_equal(write(fd, page, PAGE), PAGE);
	*len = 4 * PAGE;

	void *p = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	close(fd);
	return p;
}

TEST(a_lost_page_reads_as_zeroes_and_is_counted)
{
	size_t len;
	const volatile unsigned char *p = shrunken(&len);
	uint64_t before = cs_guard_lost();

	cs_guard_install();
	cs_guard_watch((const void *)(uintptr_t)p, len);
	assert_int_equal(p[10], 7);
	assert_int_equal(cs_guard_lost(), before);
	assert_int_equal(p[PAGE + 10], 0);
	assert_int_equal(p[3 * PAGE], 0);
	assert_int_equal(p[PAGE + 20], 0);
	assert_int_equal(cs_guard_lost(), before + 2);
	cs_guard_forget((const void *)(uintptr_t)p);
	munmap((void *)(uintptr_t)p, len);
}

/* What is not watched kills as without a guard. */
TEST(other_mappings_are_not_guarded)
{
	size_t len;
	const volatile unsigned char *p = shrunken(&len);
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		cs_guard_install();
		cs_guard_watch((const void *)(uintptr_t)p, len);
		cs_guard_forget((const void *)(uintptr_t)p);
		_exit(p[PAGE] == 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	munmap((void *)(uintptr_t)p, len);
}

static volatile sig_atomic_t host_caught;

static void host_handler(int nr)
{
	(void)nr;
	host_caught++;
	_exit(42);
}

/* Inside somebody else's program: only for the time of a call, and what is not
 * ours reaches the handler that was there. */
TEST(a_call_borrows_the_signal_and_gives_it_back)
{
	size_t len;
	const volatile unsigned char *p = shrunken(&len);
	struct sigaction host = { .sa_handler = host_handler }, now;
	uint64_t outer, inner;
	int status;
	pid_t pid;

	sigaction(SIGBUS, &host, NULL);
	outer = cs_guard_enter();
	inner = cs_guard_enter();
	cs_guard_watch((const void *)(uintptr_t)p, len);
	assert_int_equal(p[PAGE], 0);
	assert_int_equal(cs_guard_leave(inner), 1);
	assert_int_equal(p[2 * PAGE], 0); /* still inside the outer call */
	assert_int_equal(cs_guard_leave(outer), 2);
	sigaction(SIGBUS, NULL, &now);
	assert_ptr_equal(now.sa_handler, host_handler);
	cs_guard_forget((const void *)(uintptr_t)p);

	pid = fork();
	if (!pid) {
		outer = cs_guard_enter();
		_exit(p[3 * PAGE] == 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	signal(SIGBUS, SIG_DFL);
	munmap((void *)(uintptr_t)p, len);
}

TEST(a_full_table_is_no_failure)
{
	static char many[CS_GUARD_MAX + 8];

	for (size_t i = 0; i < sizeof(many); i++)
		cs_guard_watch(many + i, 1);
	for (size_t i = 0; i < sizeof(many); i++)
		cs_guard_forget(many + i);
	cs_guard_forget(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_page_reads_as_zeroes_and_is_counted),
		cmocka_unit_test(other_mappings_are_not_guarded),
		cmocka_unit_test(a_call_borrows_the_signal_and_gives_it_back),
		cmocka_unit_test(a_full_table_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
