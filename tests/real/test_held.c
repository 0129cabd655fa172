/* A process that somebody else holds: as a debugger would, this program traces a
 * victim, and lends the library its eyes. What the library says must not depend on
 * whose eyes they are. */
#include "corescan/corescan.h"

#include "image/elf_file.h"
#include "cs_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MAX = 16, MAPS_MAX = 1 << 20 };

static struct {
	pid_t pid;
	struct corescan_thread threads[THREADS_MAX];
	size_t thread_count;
	char maps[MAPS_MAX];
	uint64_t auxv[128];
	size_t auxv_words;
} victim;

/* What the eyes do today. */
static struct {
	uint64_t reads, bytes, polls, stop_at_poll, fail_at, interrupt_at, lie_at;
	bool is_silent;
} eyes;

static void look(void *user, struct corescan_read *r)
{
	struct iovec ours = { r->buf, r->len }, theirs = { (void *)(uintptr_t)r->addr, r->len };
	uint64_t nr = ++eyes.reads;

	assert_ptr_equal(user, &victim);
	assert_int_equal(r->got, -1);
	eyes.bytes += r->len;
	if (eyes.is_silent || nr == eyes.fail_at)
		return;
	if (nr == eyes.interrupt_at) {
		r->got = -EINTR;
		return;
	}
	if (process_vm_readv(victim.pid, &ours, 1, &theirs, 1, 0) != (ssize_t)r->len)
		return; /* all or nothing */
	if (nr == eyes.lie_at)
		((unsigned char *)r->buf)[r->len / 2] ^= 1;
	r->got = (int64_t)r->len;
}

/* The page map, in small and odd pieces, as over a wire. */
static void look_at_map(void *user, struct corescan_read *r)
{
	char path[64];
	uint64_t len = r->len < 808 ? r->len : 808;

	assert_ptr_equal(user, &victim);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", victim.pid);

	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	r->got = pread(fd, r->buf, len, (off_t)r->addr);
	close(fd);
}

static int poll_for_end(void)
{
	return ++eyes.polls == eyes.stop_at_poll;
}

static size_t slurp(const char *name, void *to, size_t cap)
{
	char path[64];
	size_t n = 0;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/%s", victim.pid, name);

	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	while (n < cap && (got = read(fd, (char *)to + n, cap - n)) > 0)
		n += (size_t)got;
	close(fd);
	return n;
}

static void hold_thread(int tid)
{
	struct user_regs_struct regs;
	int status;

	assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
	assert_int_equal(waitpid(tid, &status, __WALL), tid);
	assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &regs), 0);
	victim.threads[victim.thread_count++] =
		(struct corescan_thread){ tid, regs.rsp, regs.rip, regs.fs_base };
}

static int start(void **state)
{
	char path[512], byte[6];
	const char *build = getenv("BUILD");
	int in[2], out[2];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/real/victim_heap", build ? build : "build");
	if (pipe(in) || pipe(out))
		return -1;
	victim.pid = fork();
	if (!victim.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl(path, path, NULL);
		_exit(127);
	}
	if (read(out[0], byte, sizeof(byte)) != sizeof(byte)) /* "ready\n" */
		return -1;
	/* the first is the main thread; then those it made, one after the other */
	hold_thread(victim.pid);
	for (int tid = victim.pid + 1; tid < victim.pid + 64 && victim.thread_count < 3; tid++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d", victim.pid, tid);
		if (!access(path, F_OK))
			hold_thread(tid);
	}
	victim.maps[slurp("maps", victim.maps, sizeof(victim.maps) - 1)] = '\0';
	victim.auxv_words = slurp("auxv", victim.auxv, sizeof(victim.auxv)) / 8;
	return 0;
}

static int end(void **state)
{
	(void)state;
	kill(victim.pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	return 0;
}

static struct corescan_process described(bool here)
{
	return (struct corescan_process){
		.size = sizeof(struct corescan_process),
		.name = here ? NULL : "elsewhere:1",
		.pid = victim.pid,
		.is_traced_here = here,
		.threads = victim.threads,
		.thread_count = victim.thread_count,
		.maps = here ? NULL : victim.maps,
		.auxv = here ? NULL : victim.auxv,
		.auxv_words = here ? 0 : victim.auxv_words,
	};
}

static struct corescan *new_handle(void)
{
	struct corescan_hooks hooks = { .size = sizeof(hooks), .user = &victim, .read = look,
					.poll = poll_for_end, .page_map = look_at_map };
	struct corescan *cs = corescan_new();

	assert_int_equal(corescan_hook(cs, &hooks), CORESCAN_OK);
	memset(&eyes, 0, sizeof(eyes));
	return cs;
}

static void opens(struct corescan *cs, bool here)
{
	struct corescan_process process = described(here);
	int result = corescan_open_process(cs, &process);

	if (result > CORESCAN_PART)
		fail_msg("%s", corescan_error(cs));
}

static char *answer(struct corescan *cs, const char *view)
{
	char *text = NULL;

	assert_in_range(corescan_render(cs, view, NULL, "csv", &text), 0, CORESCAN_PART);
	return text;
}

TEST(says_the_same_with_its_own_eyes_and_with_ours)
{
	static const char *const views[] = { "summary", "arenas", "by-size", "by-type" };
	struct corescan *own = new_handle(), *lent = new_handle();

	assert_int_equal(victim.thread_count, 3);
	opens(own, true); /* reading maps a file's pages in: from now on they are resident */
	corescan_close(own);
	own = new_handle();
	opens(own, true);
	assert_int_equal(eyes.reads, 1); /* the page that is compared */
	opens(lent, false);
	assert_true(eyes.reads > 1);
	for (size_t i = 0; i < 4; i++) {
		char *a = answer(own, views[i]), *b = answer(lent, views[i]);

		assert_string_equal(a, b);
		assert_true(strlen(a) > strcspn(a, "\n") + 1); /* more than the heading */
		corescan_free(a);
		corescan_free(b);
	}
	corescan_close(own);
	corescan_close(lent);
}

TEST(a_page_that_differs_is_not_believed)
{
	struct corescan_process process = described(true);
	struct corescan *cs = new_handle();

	eyes.lie_at = 1;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "the debugger sees other bytes"));
	corescan_close(cs);

	cs = new_handle();
	eyes.is_silent = true;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "the debugger sees other bytes"));
	corescan_close(cs);
}

TEST(an_eye_that_never_answers_leaves_an_answer_without_memory)
{
	struct corescan_process process = described(false);
	struct corescan *cs = new_handle();
	char *text;

	eyes.is_silent = true;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_OK);
	assert_int_equal(corescan_render(cs, "by-size", NULL, "csv", &text), CORESCAN_OK);
	assert_string_equal(text, "size,allocator,count,bytes\n");
	corescan_free(text);
	corescan_close(cs);
}

/* The n-th read fails, for n = 1, 2, ... until there is none: no crash, and the
 * ledger still sums (cs_model_check ran inside). */
TEST(any_read_may_fail)
{
	for (uint64_t n = 1;; n++) {
		struct corescan *cs = new_handle();
		uint64_t reads;

		eyes.fail_at = n;
		opens(cs, false);
		reads = eyes.reads;
		corescan_close(cs);
		if (reads < n)
			break;
	}
}

TEST(an_interrupted_read_ends_the_scan)
{
	for (uint64_t n = 1;; n++) {
		struct corescan_process process = described(false);
		struct corescan *cs = new_handle();

		eyes.interrupt_at = n;

		int result = corescan_open_process(cs, &process);

		if (eyes.reads < n) {
			assert_in_range(result, 0, CORESCAN_PART);
			corescan_close(cs);
			break;
		}
		assert_int_equal(result, CORESCAN_STOPPED);
		assert_string_equal(corescan_error(cs), "interrupted");
		assert_int_equal(eyes.reads, n); /* not one more */

		/* the handle is none the worse */
		eyes.interrupt_at = 0;
		opens(cs, false);
		corescan_close(cs);
	}
}

TEST(a_poll_ends_the_scan)
{
	struct corescan_process process = described(true);
	struct corescan *cs = new_handle();

	eyes.stop_at_poll = 1;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_STOPPED);
	assert_string_equal(corescan_error(cs), "interrupted");
	corescan_close(cs);
}

TEST(a_process_that_runs_is_refused)
{
	struct corescan_process process = described(true);
	struct corescan *cs = new_handle();
	int tid = (int)victim.threads[2].tid, status;

	assert_int_equal(ptrace(PTRACE_CONT, tid, NULL, NULL), 0);
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "is running"));
	assert_non_null(strstr(corescan_error(cs), "interrupt it first"));
	corescan_close(cs);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
	assert_int_equal(waitpid(tid, &status, __WALL), tid);
}

TEST(a_process_that_is_not_ours_is_refused)
{
	struct corescan_process process = described(true);
	struct corescan *cs = new_handle();

	process.pid = getppid(); /* somebody else's number, as after a gdbserver's or a core's */
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "not traced from here"));
	corescan_close(cs);
}

TEST(what_cannot_be_understood_is_refused)
{
	struct corescan_process process = described(false);
	struct corescan_hooks tiny = { .size = 3 };
	struct corescan *cs = corescan_new();

	assert_int_equal(corescan_hook(cs, &tiny), CORESCAN_USAGE);
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_USAGE); /* no eyes */
	process.maps = NULL;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_USAGE);
	process = described(false);
	process.size = 8;
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_USAGE);
	assert_int_equal(corescan_file(cs, "xyz", "/bin/true"), CORESCAN_USAGE);
	assert_int_equal(corescan_file(cs, "abc", "/bin/true"), CORESCAN_USAGE);
	assert_int_equal(corescan_file(cs, "", "/bin/true"), CORESCAN_USAGE);
	corescan_close(cs);

	cs = new_handle();
	process = described(false);
	process.maps = "no map\n7f00-6f00 rw-p 0 0:0 0\n";
	assert_int_equal(corescan_open_process(cs, &process), CORESCAN_FAILED);
	assert_non_null(strstr(corescan_error(cs), "no memory of this target"));
	corescan_close(cs);
}

/* Mappings nobody could hold, in a description that came over a wire. */
TEST(absurd_mappings_cost_nothing)
{
	struct corescan_process process = described(false);
	struct corescan *cs = new_handle();

	process.maps = "1000-7ffffffff000 rw-p 00000000 00:00 0\n"
		       "7ffffffff000-fffffffffffff000 rw-p 00000000 00:00 0 [heap]\n";
	corescan_open_process(cs, &process);
	assert_true(eyes.bytes < 1 << 20);
	corescan_close(cs);
}

/* The victim's libc, under a name that is not there. */
static char *misplaced_maps(char *libc, size_t cap)
{
	char *maps = strdup(victim.maps), *at;

	at = strstr(maps, "libc");
	assert_non_null(at);
	while (at[-1] != ' ')
		at--;
	snprintf(libc, cap, "%.*s", (int)strcspn(at, "\n"), at);
	for (at = maps; (at = strstr(at, libc)); at++)
		at[1] = '_';
	return maps;
}

TEST(a_file_the_debugger_knows_is_used_wherever_it_lies)
{
	struct corescan_process process = described(false);
	char libc[512], id[130] = "", wrong[130], *maps = misplaced_maps(libc, sizeof(libc));
	const unsigned char *bytes;
	struct cs_elf *elf;
	size_t len;

	assert_int_equal(cs_elf_open(libc, &elf, NULL), CS_OK);
	bytes = cs_elf_build_id(elf, &len);
	for (size_t i = 0; i < len && i < 64; i++)
		snprintf(id + 2 * i, 3, "%02X", bytes[i]);
	cs_elf_close(elf);
	strcpy(wrong, id);
	wrong[0] ^= 1;
	process.maps = maps;

	const struct {
		const char *id, *path;
		bool is_used;
	} cases[] = { { id, libc, true },	   { wrong, libc, false },
		      { id, "/bin/true", false }, { id, "/nowhere", false } };

	for (size_t i = 0; i < 4; i++) {
		struct corescan *cs = new_handle();
		char *text;

		assert_int_equal(corescan_file(cs, cases[i].id, cases[i].path), CORESCAN_OK);
		assert_in_range(corescan_open_process(cs, &process), 0, CORESCAN_PART);
		text = answer(cs, "doctor");
		assert_int_equal(!strstr(text, "file not found"), cases[i].is_used);
		corescan_free(text);
		corescan_close(cs);
	}
	free(maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_the_same_with_its_own_eyes_and_with_ours),
		cmocka_unit_test(a_page_that_differs_is_not_believed),
		cmocka_unit_test(an_eye_that_never_answers_leaves_an_answer_without_memory),
		cmocka_unit_test(any_read_may_fail),
		cmocka_unit_test(an_interrupted_read_ends_the_scan),
		cmocka_unit_test(a_poll_ends_the_scan),
		cmocka_unit_test(a_process_that_runs_is_refused),
		cmocka_unit_test(a_process_that_is_not_ours_is_refused),
		cmocka_unit_test(what_cannot_be_understood_is_refused),
		cmocka_unit_test(absurd_mappings_cost_nothing),
		cmocka_unit_test(a_file_the_debugger_knows_is_used_wherever_it_lies),
	};

	return cmocka_run_group_tests(tests, start, end);
}
