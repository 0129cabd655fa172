/* ptrace(2): after PTRACE_SEIZE a PTRACE_INTERRUPT stops a thread without any
 * signal (PTRACE_EVENT_STOP). A thread may report a signal it was about to get
 * instead; it is stopped just as well, and gets its signal with the detach. A
 * thread that sleeps in the kernel where nothing wakes it (D; a parent in
 * vfork) stops as soon as it would return to the program: it changes nothing
 * until then, so we do not wait for it for ever. */
#include "mem/mem_live_stop.h"
#include "base/map.h"
#include "base/own.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum {
	EVENT_STOP = 128, /* PTRACE_EVENT_STOP */
	REGSET_STATUS = 1, /* NT_PRSTATUS */
	ROUNDS_MAX = 100,
	NAP_NS = 50 * 1000,
	PATIENCE_NS = 100 * 1000 * 1000 /* before asking why a thread does not stop */
};
#define WAIT_NS 5000000000ull /* for threads that neither stop nor say why */

enum thread_state { THREAD_WAITING, THREAD_STOPPED, THREAD_GONE };

struct thread {
	int tid;
	enum thread_state state;
	int signal; /* to be given back */
};

struct cs_live_stop {
	int pid;
	CS_VEC(struct thread) threads;
	struct cs_map known; /* tid -> index */
	uint64_t since, held_ns;
	volatile int is_held;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

/* 'R', 'S', 'D', 'Z', ... as in /proc; 'X' when there is no such thread. */
static char thread_letter(int proc_fd, int tid)
{
	char path[64], line[512];
	const char *state;

	snprintf(path, sizeof(path), "task/%d/stat", tid);

	cs_autoclose int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		return 'X';
	line[n] = '\0';
	state = strrchr(line, ')'); /* the name may hold anything */
	return state && strlen(state) > 2 ? state[2] : 'X';
}

/* Dead but not yet buried? The first thread's id stays until the last one ends. */
static bool is_dead(int proc_fd, int tid)
{
	char c = thread_letter(proc_fd, tid);

	return c == 'Z' || c == 'X' || c == 'x';
}

static int yama_scope(void)
{
	cs_autoclose int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	char c = '0';

	return fd >= 0 && read(fd, &c, 1) == 1 ? c - '0' : 0;
}

/* EPERM has many causes: say which, and what would help. */
static cs_status refused(int proc_fd, int pid, struct cs_error *err)
{
	struct stat st;
	int scope = yama_scope();

	if (scope == 3)
		return cs_fail(err, CS_OS, 0,
			       "not permitted to stop process %d: kernel.yama.ptrace_scope is 3, "
			       "nobody may until the next boot; scan a core instead",
			       pid);
	if (!fstat(proc_fd, &st) && geteuid() && st.st_uid != geteuid())
		return cs_fail(err, CS_OS, 0,
			       "not permitted to stop process %d of user %u: run as that user or as root",
			       pid, (unsigned)st.st_uid);
	if (scope && geteuid())
		return cs_fail(err, CS_OS, 0,
			       "not permitted to stop process %d: kernel.yama.ptrace_scope is %d; run as "
			       "root, or give corescan cap_sys_ptrace",
			       pid, scope);
	return cs_fail(err, CS_OS, 0,
		       "not permitted to stop process %d: CAP_SYS_PTRACE is missing (in a container: "
		       "--cap-add SYS_PTRACE), or it is protected",
		       pid);
}

/* CS_NOTFOUND: the thread is gone, or is known already. */
static cs_status seize(struct cs_live_stop *stop, int proc_fd, int tid, struct cs_error *err)
{
	struct thread t = { .tid = tid, .state = THREAD_WAITING };
	uint32_t nr;

	if (cs_map_get(&stop->known, (uint64_t)tid, &nr))
		return CS_NOTFOUND;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		int saved = errno;

		if (saved == ESRCH || is_dead(proc_fd, tid))
			return CS_NOTFOUND;
		if (saved == EPERM)
			return refused(proc_fd, stop->pid, err);
		errno = saved;
		return cs_fail_os(err, "cannot stop thread %d", tid);
	}
	if (!cs_map_put(&stop->known, (uint64_t)tid, (uint32_t)stop->threads.count) ||
	    !cs_vec_push(&stop->threads, t))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	/* fails only when it died just now, which waiting will tell */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return CS_OK;
}

/* Seize what is new; *fresh is how many. */
static cs_status seize_all(struct cs_live_stop *stop, int proc_fd, size_t *fresh,
			   struct cs_error *err)
{
	int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	cs_status st = CS_OK;
	struct dirent *e;

	*fresh = 0;
	if (!dir) {
		cs_closep(&fd);
		return cs_fail_os(err, "process %d: its threads cannot be listed", stop->pid);
	}
	while (!st && (e = readdir(dir))) {
		int tid = atoi(e->d_name);

		if (tid <= 0)
			continue;
		st = seize(stop, proc_fd, tid, err);
		if (st == CS_OK)
			++*fresh;
		if (st == CS_NOTFOUND)
			st = CS_OK;
	}
	closedir(dir);
	return st;
}

/* Has the thread stopped (or died)? Never blocks. */
static bool poll_thread(struct thread *t)
{
	int status;
	pid_t got = waitpid(t->tid, &status, __WALL | WNOHANG);

	if (!got)
		return false;
	if (got < 0 && errno == EINTR)
		return false;
	if (got < 0 || !WIFSTOPPED(status)) {
		t->state = THREAD_GONE;
		return true;
	}
	t->state = THREAD_STOPPED;
	/* an event's signal is not the thread's; neither is a group stop */
	t->signal = status >> 16 ? 0 : WSTOPSIG(status);
	return true;
}

/* One round over the threads; how many still run. */
static size_t poll_all(struct cs_live_stop *stop, bool *moved)
{
	size_t waiting = 0;

	*moved = false;
	for (size_t i = 0; i < stop->threads.count; i++) {
		struct thread *t = &stop->threads.items[i];

		if (t->state == THREAD_WAITING && poll_thread(t))
			*moved = true;
		waiting += t->state == THREAD_WAITING;
	}
	return waiting;
}

/* Do those that still run all sleep in the kernel where nothing wakes them? */
static bool all_asleep(const struct cs_live_stop *stop, int proc_fd)
{
	for (size_t i = 0; i < stop->threads.count; i++)
		if (stop->threads.items[i].state == THREAD_WAITING &&
		    thread_letter(proc_fd, stop->threads.items[i].tid) != 'D')
			return false;
	return true;
}

static void wait_all(struct cs_live_stop *stop, int proc_fd)
{
	uint64_t start = now_ns(), look = start + PATIENCE_NS;
	bool moved;

	while (poll_all(stop, &moved)) {
		uint64_t now = now_ns();

		if (moved)
			continue;
		if (now - start > WAIT_NS)
			return;
		if (now > look) {
			if (all_asleep(stop, proc_fd))
				return;
			look = now + PATIENCE_NS;
		}
		nap();
	}
}

cs_status cs_live_stop_all(int pid, int proc_fd, struct cs_live_stop **out, struct cs_error *err)
{
	struct cs_live_stop *stop = calloc(1, sizeof(*stop));
	size_t fresh = 1, running = 0;
	cs_status st = CS_OK;

	if (!stop)
		return cs_fail(err, CS_NOMEM, 0, "no memory to stop a process");
	stop->pid = pid;
	stop->since = now_ns();
	stop->is_held = 1;
	/* a thread that was not stopped yet may have made another */
	for (int i = 0; !st && fresh && i < ROUNDS_MAX; i++) {
		st = seize_all(stop, proc_fd, &fresh, err);
		if (!st && fresh)
			wait_all(stop, proc_fd);
	}
	for (size_t i = 0; i < stop->threads.count; i++)
		running += stop->threads.items[i].state != THREAD_GONE;
	if (!st && fresh)
		st = cs_fail(err, CS_LIMIT, 0, "process %d makes threads faster than they can be stopped",
			     pid);
	if (!st && !running)
		st = cs_fail(err, CS_OS, 0, "process %d: ended while it was being stopped", pid);
	if (st) {
		cs_live_stop_destroy(stop);
		return st;
	}
	*out = stop;
	return CS_OK;
}

size_t cs_live_stop_count(const struct cs_live_stop *stop)
{
	return stop->threads.count;
}

cs_status cs_live_stop_regs(const struct cs_live_stop *stop, size_t nr, struct cs_live_regs *out,
			    struct cs_error *err)
{
	const struct thread *t = &stop->threads.items[nr];
	struct user_regs_struct regs = { .rsp = 0 };
	struct iovec iov = { &regs, sizeof(regs) };

	if (t->state == THREAD_GONE)
		return CS_NOTFOUND;
	*out = (struct cs_live_regs){ .tid = t->tid };
	if (t->state != THREAD_STOPPED)
		return CS_OK;
	if (ptrace(PTRACE_GETREGSET, t->tid, (void *)REGSET_STATUS, &iov))
		return errno == ESRCH ? CS_NOTFOUND : cs_fail_os(err, "registers of thread %d", t->tid);
	if (iov.iov_len != sizeof(regs))
		return cs_fail(err, CS_UNSUPPORTED, 0,
			       "process %d is a 32-bit process; corescan reads x86-64 processes",
			       stop->pid);
	out->is_known = true;
	out->sp = regs.rsp;
	out->pc = regs.rip;
	out->fs_base = regs.fs_base;
	cs_regs_of_user(&out->regs, (const unsigned char *)&regs);
	return CS_OK;
}

bool cs_live_stop_is_held(const struct cs_live_stop *stop)
{
	return stop && stop->is_held;
}

uint64_t cs_live_stop_release(struct cs_live_stop *stop)
{
	if (!stop->is_held)
		return stop->held_ns;
	for (size_t i = 0; i < stop->threads.count; i++) {
		struct thread *t = &stop->threads.items[i];

		if (t->state == THREAD_WAITING)
			poll_thread(t); /* else the kernel detaches when we end */
		/* killed meanwhile: we are its tracer and must bury it first */
		if (t->state == THREAD_STOPPED &&
		    ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(intptr_t)t->signal))
			waitpid(t->tid, NULL, __WALL | WNOHANG);
	}
	stop->held_ns = now_ns() - stop->since;
	stop->is_held = 0;
	return stop->held_ns;
}

void cs_live_stop_destroy(struct cs_live_stop *stop)
{
	if (!stop)
		return;
	cs_live_stop_release(stop);
	cs_vec_free(&stop->threads);
	cs_map_deinit(&stop->known);
	free(stop);
}
