/* A process of ours with known bytes and known threads, stopped and read. The
 * process is the oracle: it writes a pattern of addresses we share by fork. */
#include "base/own.h"
#include "image/image.h"
#include "mem/mem_live.h"
#include "cs_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 1024, THREADS = 4, TIMEOUT_MS = 20000 };

extern int cs_test_marker;
int cs_test_marker = 0x1234567;

static struct { /* shared by parent and child */
	_Atomic uint64_t ticks, signals, sent;
} *shared;

/* Mapped before the fork, so the addresses are known here; written by the child. */
static unsigned char *sparse;	 /* every third page is touched */
static unsigned char *untouched; /* never */
static unsigned char *hidden;	 /* written, then PROT_NONE */
static unsigned char *reserved;	 /* PROT_NONE from the start */
static unsigned char *filed;	 /* private mapping of a file, never read */
static unsigned char *common;	 /* shared anonymous */
static unsigned char *undumped;	 /* MADV_DONTDUMP */
static char file_path[] = "/tmp/live-XXXXXX";

static pid_t target;
static struct cs_live *live;
static struct cs_error err;

static unsigned char pattern(const unsigned char *at)
{
	return (unsigned char)((uintptr_t)at * 0x9e3779b97f4a7c15ull >> 56 | 1);
}

static void paint(unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern(p + i);
}

static unsigned char *map(int prot, int flags, int fd)
{
	void *p = mmap(NULL, PAGES * PAGE, prot, flags, fd, 0);

	assert_true(p != MAP_FAILED);
	madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void on_usr1(int nr)
{
	(void)nr;
	shared->signals++;
}

static void *tick(void *arg)
{
	for (;;) {
		shared->ticks++;
		usleep(200);
	}
	return arg;
}

/* One signal at a time, the next when it was taken: a lost one ends it all. */
static void *send_signals(void *to)
{
	for (;;) {
		shared->sent++;
		pthread_kill(*(pthread_t *)to, SIGUSR1);
		while (shared->signals != shared->sent)
			sched_yield();
	}
	return to;
}

static void *start_and_end(void *arg)
{
	return arg;
}

enum child { CHILD_PLAIN, CHILD_CHURN, CHILD_VFORK, CHILD_SIGNALS };

static _Noreturn void run_child(enum child kind, int ready)
{
	pthread_t t;

	signal(SIGUSR1, on_usr1);
	for (size_t i = 0; i < PAGES; i += 3)
		paint(sparse + i * PAGE, PAGE);
	paint(hidden, PAGES * PAGE);
	mprotect(hidden, PAGES * PAGE, PROT_NONE);
	paint(common, PAGES * PAGE);
	paint(undumped, PAGES * PAGE);
	madvise(undumped, PAGES * PAGE, MADV_DONTDUMP);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t, NULL, tick, NULL);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	while (kind == CHILD_CHURN) {
		pthread_create(&t, NULL, start_and_end, NULL);
		pthread_join(t, NULL);
	}
	if (kind == CHILD_SIGNALS) {
		static pthread_t me;

		me = pthread_self();
		pthread_create(&t, NULL, send_signals, &me);
		for (;;)
			sched_yield();
	}
	if (kind == CHILD_VFORK) {
		pid_t pid = vfork();

		if (!pid) { /* the parent sleeps until we end */
			nanosleep(&(struct timespec){ .tv_sec = 3 }, NULL);
			_exit(0);
		}
	}
	for (;;)
		pause();
}

static void start_target(enum child kind)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	target = fork();
	assert_true(target >= 0);
	if (!target) {
		close(fds[0]);
		run_child(kind, fds[1]);
	}
	close(fds[1]);

	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
}

static void end_target(void)
{
	if (target > 0) {
		kill(target, SIGKILL);
		waitpid(target, NULL, 0);
	}
	target = 0;
}

static int setup(void **state)
{
	(void)state;
	live = NULL;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cs_live_close(live);
	live = NULL;
	end_target();
	return 0;
}

static int prepare(void **state)
{
	static unsigned char page[PAGE];
	int fd = mkstemp(file_path);

	(void)state;
	assert_true(fd >= 0);
	for (int i = 0; i < PAGES; i++) {
		memset(page, i, sizeof(page));
		assert_int_equal(write(fd, page, PAGE), PAGE);
	}
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sparse = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	/* gaps of our own between them: neighbours would be one segment */
	reserved = map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	untouched = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	hidden = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	filed = map(PROT_READ, MAP_PRIVATE, fd);
	common = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	undumped = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	close(fd);
	return 0;
}

static int tidy(void **state)
{
	(void)state;
	unlink(file_path);
	return 0;
}

/* The state letters of all threads, e.g. "ttttt". */
static void states(pid_t pid, char *out, size_t max)
{
	char command[200];
	FILE *p;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/status | sed -n 's/^State:.\\(.\\).*/\\1/p'"
					   " | tr -d '\\n'", pid);
	p = popen(command, "r");
	assert_non_null(p);
	out[fread(out, 1, max - 1, p)] = '\0';
	pclose(p);
}

static long status_kb(pid_t pid, const char *name)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kb = atol(line + strlen(name) + 1);
	fclose(f);
	return kb;
}

/* Does the counter move within a second? */
static bool ticks_move(void)
{
	uint64_t before = shared->ticks;

	for (int i = 0; i < 1000 && shared->ticks == before; i++)
		usleep(1000);
	return shared->ticks != before;
}

static void open_target(void)
{
	cs_status st = cs_live_open(target, NULL, &live, &err);

	if (st)
		print_error("%s\n", err.text);
	assert_int_equal(st, CS_OK);
}

static cs_addr addr(const void *p)
{
	return (uintptr_t)p;
}

static bool is_painted(const unsigned char *at, size_t len)
{
	unsigned char *copy = malloc(len);
	bool same = cs_mem_read(&live->mem, addr(at), copy, len, NULL) == CS_OK;

	for (size_t i = 0; same && i < len; i++)
		same = copy[i] == pattern(at + i);
	free(copy);
	return same;
}

TEST(every_byte_is_what_the_process_wrote)
{
	static const unsigned char zero[PAGE];

	start_target(CHILD_PLAIN);
	open_target();
	for (size_t i = 0; i < PAGES; i++) {
		const unsigned char *p = cs_mem_view(&live->mem, addr(sparse + i * PAGE), PAGE);

		assert_non_null(p);
		if (i % 3)
			assert_memory_equal(p, zero, PAGE);
		else
			assert_true(is_painted(sparse + i * PAGE, PAGE));
	}
	assert_true(is_painted(hidden, PAGES * PAGE));
	assert_true(is_painted(common, PAGES * PAGE));
	assert_true(is_painted(undumped, PAGES * PAGE));
	for (size_t i = 0; i < PAGES; i++) {
		const unsigned char *p = cs_mem_view(&live->mem, addr(filed + i * PAGE + 7), 1);

		assert_non_null(p);
		assert_int_equal(*p, i % 256);
	}
	assert_int_equal(cs_live_unreadable(live), 0);
}

TEST(a_view_may_span_many_windows)
{
	start_target(CHILD_PLAIN);
	open_target();

	const unsigned char *p = cs_mem_view(&live->mem, addr(hidden + 5), PAGES * PAGE - 5);

	assert_non_null(p);
	for (size_t i = 5; i < PAGES * PAGE; i++)
		assert_int_equal(p[i - 5], pattern(hidden + i));
	/* a view does not move, whatever is asked for later */
	assert_ptr_equal(cs_mem_view(&live->mem, addr(hidden + 5), 1), p);
}

TEST(presence_is_what_was_touched)
{
	start_target(CHILD_PLAIN);
	open_target();
	assert_int_equal(cs_mem_present(&live->mem, addr(sparse), PAGES * PAGE), (PAGES + 2) / 3 * PAGE);
	assert_int_equal(cs_mem_present(&live->mem, addr(untouched), PAGES * PAGE), 0);
	assert_int_equal(cs_mem_present(&live->mem, addr(hidden), PAGES * PAGE), PAGES * PAGE);
	assert_int_equal(cs_mem_present(&live->mem, 0, UINT64_MAX), live->mem.present);
	assert_true(live->mem.present <= live->mem.mapped);
}

TEST(never_touched_memory_is_zero_and_stays_untouched)
{
	static const unsigned char zero[PAGE];
	long rss, pte;

	start_target(CHILD_PLAIN);
	open_target();
	rss = status_kb(target, "VmRSS");
	pte = status_kb(target, "VmPTE");
	for (size_t i = 0; i < PAGES; i++)
		assert_memory_equal(cs_mem_view(&live->mem, addr(untouched + i * PAGE), PAGE), zero, PAGE);
	assert_int_equal(status_kb(target, "VmRSS"), rss);
	assert_int_equal(status_kb(target, "VmPTE"), pte);
	/* what the process itself could not read is absent */
	assert_null(cs_mem_view(&live->mem, addr(reserved), 1));
}

TEST(all_threads_stand_still_until_resumed)
{
	char s[64];
	uint64_t before;

	start_target(CHILD_PLAIN);
	assert_true(ticks_move());
	open_target();
	states(target, s, sizeof(s));
	assert_string_equal(s, "ttttt");
	before = shared->ticks;
	usleep(50000);
	assert_int_equal(shared->ticks, before);

	uint64_t ns = cs_live_resume(live);

	assert_true(ns >= 50000000 && ns < 20000000000ull);
	assert_int_equal(cs_live_resume(live), ns); /* once is enough */
	assert_true(ticks_move());
	states(target, s, sizeof(s));
	assert_null(strchr(s, 't'));
}

TEST(what_was_not_fetched_before_resuming_is_absent)
{
	start_target(CHILD_PLAIN);
	open_target();
	assert_true(is_painted(hidden, PAGE));
	cs_live_resume(live);
	assert_true(is_painted(hidden, PAGE));
	assert_null(cs_mem_view(&live->mem, addr(hidden + 512 * PAGE), 1));
	assert_null(cs_mem_view(&live->mem, addr(undumped), 1));
}

TEST(threads_have_names_and_stacks)
{
	start_target(CHILD_PLAIN);
	open_target();
	assert_int_equal(live->threads.count, THREADS + 1);
	assert_int_equal(live->threads.items[0].tid, target);
	for (size_t i = 0; i <= THREADS; i++) {
		const struct cs_live_thread *t = &live->threads.items[i];

		assert_true(*t->name);
		assert_non_null(cs_mem_view(&live->mem, t->sp, 8));
		assert_non_null(cs_mem_view(&live->mem, t->pc, 1));
		assert_non_null(cs_mem_view(&live->mem, t->fs_base, 8));
	}
}

TEST(the_picture_has_the_program_and_its_symbols)
{
	struct cs_image *image;
	cs_addr at;
	uint32_t v = 0;
	bool found = false;

	start_target(CHILD_PLAIN);
	open_target();
	assert_int_equal(cs_image_of_live(live, NULL, &image, &err), CS_OK);
	for (size_t i = 0; i < image->modules.count; i++) {
		struct cs_module *m = &image->modules.items[i];

		assert_int_equal(m->file, CS_FILE_MATCHED);
		if (!m->is_exe)
			continue;
		found = true;
		assert_int_equal(cs_module_symbol(m, image, "cs_test_marker", &at, NULL), CS_OK);
		assert_int_equal(at, addr(&cs_test_marker));
		assert_true(cs_mem_u32(image->mem, at, &v));
		assert_int_equal(v, 0x1234567);
	}
	assert_true(found);
	assert_int_equal(cs_image_mapping(image, addr(common))->kind, CS_MAPPING_SHARED);
	assert_int_equal(cs_image_mapping(image, addr(filed))->kind, CS_MAPPING_FILE);
	assert_int_equal(cs_image_mapping(image, addr(sparse))->kind, CS_MAPPING_ANON);
	assert_int_equal(cs_image_mapping(image, image->at_stack)->kind, CS_MAPPING_STACK);
	cs_image_destroy(image);
}

TEST(a_signal_during_the_stop_is_not_lost)
{
	start_target(CHILD_PLAIN);
	shared->signals = 0;
	open_target();
	kill(target, SIGUSR1);
	usleep(20000);
	assert_int_equal(shared->signals, 0);
	cs_live_resume(live);
	for (int i = 0; i < 2000 && !shared->signals; i++)
		usleep(1000);
	assert_int_equal(shared->signals, 1);
}

/* A signal may be what a thread stops with, instead of our interruption. */
TEST(signals_that_race_with_the_stop_are_not_lost)
{
	enum { SECONDS = 3 }; /* some hundred rounds, a hit in every fiftieth or so */
	time_t start = time(NULL);

	shared->signals = shared->sent = 0;
	start_target(CHILD_SIGNALS);
	while (time(NULL) - start < SECONDS) {
		uint64_t before;

		open_target();
		before = shared->signals;
		cs_live_close(live);
		live = NULL;
		for (int k = 0; k < 20000 && shared->signals <= before + 1; k++)
			usleep(100);
		assert_true(shared->signals > before + 1);
	}
}

TEST(a_stopped_process_stays_stopped)
{
	char s[64];

	start_target(CHILD_PLAIN);
	kill(target, SIGSTOP);
	assert_int_equal(waitpid(target, NULL, WUNTRACED), target);
	open_target();
	assert_true(is_painted(hidden, PAGE));
	cs_live_close(live);
	live = NULL;
	usleep(20000);
	states(target, s, sizeof(s));
	assert_string_equal(s, "TTTTT");
	kill(target, SIGCONT);
	assert_true(ticks_move());
}

TEST(a_killed_scanner_leaves_the_process_running)
{
	int fds[2];
	char c, s[64];
	pid_t scanner;

	start_target(CHILD_PLAIN);
	assert_int_equal(pipe(fds), 0);
	scanner = fork();
	if (!scanner) {
		struct cs_live *theirs;
		bool ok = cs_live_open(target, NULL, &theirs, NULL) == CS_OK;

		if (write(fds[1], ok ? "y" : "n", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	states(target, s, sizeof(s));
	assert_string_equal(s, "ttttt");
	kill(scanner, SIGKILL);
	waitpid(scanner, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	assert_true(ticks_move());
}

TEST(a_process_that_dies_during_the_scan_becomes_absent)
{
	int status;

	start_target(CHILD_PLAIN);
	open_target();
	assert_true(is_painted(hidden, PAGE));
	kill(target, SIGKILL);
	usleep(50000);
	assert_true(is_painted(hidden, PAGE));
	assert_null(cs_mem_view(&live->mem, addr(undumped), PAGES * PAGE));
	assert_true(cs_live_unreadable(live) >= PAGE);
	cs_live_close(live);
	live = NULL;
	assert_int_equal(waitpid(target, &status, 0), target);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	target = 0;
}

static void refused(pid_t pid, cs_status status, const char *words)
{
	cs_status st = cs_live_open(pid, NULL, &live, &err);

	assert_int_equal(st, status);
	assert_null(live);
	if (!strstr(err.text, words))
		print_error("%s\n", err.text);
	assert_non_null(strstr(err.text, words));
}

TEST(a_zombie_has_no_memory_left)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	usleep(50000);
	refused(pid, CS_OS, "zombie");
	waitpid(pid, NULL, 0);
	refused(pid, CS_OS, "no process with pid");
	refused(-1, CS_OS, "no process with pid");
	refused(0, CS_OS, "no process with pid");
}

TEST(a_process_is_not_its_own_patient)
{
	refused(getpid(), CS_USAGE, "itself");
}

TEST(a_kernel_thread_is_told)
{
	refused(2, CS_OS, access("/proc/2", F_OK) ? "no process" : "kernel thread");
}

TEST(a_thread_stands_for_its_process)
{
	int tid;

	start_target(CHILD_PLAIN);
	open_target();
	tid = live->threads.items[2].tid;
	cs_live_close(live);
	live = NULL;
	assert_int_not_equal(tid, target);
	assert_int_equal(cs_live_open(tid, NULL, &live, &err), CS_OK);
	assert_int_equal(live->pid, target);
	assert_int_equal(live->threads.count, THREADS + 1);
}

TEST(another_tracer_is_named)
{
	char words[64];
	int fds[2];
	char c;
	pid_t tracer;

	start_target(CHILD_PLAIN);
	assert_int_equal(pipe(fds), 0);
	tracer = fork();
	if (!tracer) {
		long r = ptrace(PTRACE_SEIZE, target, NULL, NULL);

		if (write(fds[1], r ? "n" : "y", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	snprintf(words, sizeof(words), "already traced by process %d", tracer);
	refused(target, CS_OS, words);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(another_users_process_is_refused_with_a_hint)
{
	pid_t pid;
	int status;

	if (geteuid())
		skip(); /* only root can become somebody else */
	start_target(CHILD_PLAIN);
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		if (cs_live_open(target, NULL, &live, &err) != CS_OS)
			_exit(3);
		_exit(!strstr(err.text, "of user 0: run as that user or as root"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(ticks_move());
}

TEST(threads_that_come_and_go_do_not_escape)
{
	start_target(CHILD_CHURN);
	for (int i = 0; i < 10; i++) {
		uint64_t before;

		open_target();
		before = shared->ticks;
		usleep(2000);
		assert_int_equal(shared->ticks, before);
		assert_true(live->threads.count > THREADS);
		cs_live_close(live);
		live = NULL;
	}
	assert_true(ticks_move());
}

TEST(a_parent_in_vfork_is_read_without_registers)
{
	struct timespec a, b;

	start_target(CHILD_VFORK);
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC, &a);
	open_target();
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 3);
	assert_int_equal(live->threads.count, THREADS + 1);
	assert_int_equal(live->threads.items[0].sp, 0);
	assert_int_not_equal(live->threads.items[1].sp, 0);
	assert_true(is_painted(hidden, PAGE));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(every_byte_is_what_the_process_wrote),
		CASE(a_view_may_span_many_windows),
		CASE(presence_is_what_was_touched),
		CASE(never_touched_memory_is_zero_and_stays_untouched),
		CASE(all_threads_stand_still_until_resumed),
		CASE(what_was_not_fetched_before_resuming_is_absent),
		CASE(threads_have_names_and_stacks),
		CASE(the_picture_has_the_program_and_its_symbols),
		CASE(a_signal_during_the_stop_is_not_lost),
		CASE(signals_that_race_with_the_stop_are_not_lost),
		CASE(a_stopped_process_stays_stopped),
		CASE(a_killed_scanner_leaves_the_process_running),
		CASE(a_process_that_dies_during_the_scan_becomes_absent),
		CASE(a_zombie_has_no_memory_left),
		CASE(a_process_is_not_its_own_patient),
		CASE(a_kernel_thread_is_told),
		CASE(a_thread_stands_for_its_process),
		CASE(another_tracer_is_named),
		CASE(another_users_process_is_refused_with_a_hint),
		CASE(threads_that_come_and_go_do_not_escape),
		CASE(a_parent_in_vfork_is_read_without_registers),
	};

	alarm(240);
	return cmocka_run_group_tests(tests, prepare, tidy);
}
