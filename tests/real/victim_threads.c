/* victim_threads.c - threads that stand in known functions: `main_thread` in abort or
 * pause, others in a chain of calls, in deep recursion, in a signal's handler, in a
 * callback of qsort.
 *
 *   victim_threads wait|abort
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static int pipes[2];
static volatile int depth_reached;
static pthread_barrier_t barrier;

NOINLINE static int block(void)
{
	char c;

	pthread_barrier_wait(&barrier);
	return (int)read(pipes[0], &c, 1) + depth_reached;
}

static inline __attribute__((always_inline)) int inlined_inner(int n)
{
	return block() + n;
}

static inline __attribute__((always_inline)) int inlined_outer(int n)
{
	return inlined_inner(n) * 2;
}

NOINLINE static int third(int n)
{
	return inlined_outer(n) + 1;
}

NOINLINE static int second(int n)
{
	char room[4096];

	memset(room, n, sizeof(room));
	return third(n) + room[n & 15];
}

NOINLINE static int recursion(int n)
{
	int r = n ? recursion(n - 1) : block();

	depth_reached++;
	return r + 1;
}

static void on_signal(int number)
{
	depth_reached = number + second(number);
}

NOINLINE static int raises(void)
{
	raise(SIGUSR1);
	return depth_reached;
}

static int compare(const void *a, const void *b)
{
	static int is_blocked;

	if (!is_blocked++)
		block();
	return *(const int *)a - *(const int *)b;
}

NOINLINE static int sorts(void)
{
	int numbers[] = { 3, 1, 2 };

	qsort(numbers, 3, sizeof(int), compare);
	return numbers[0];
}

static void *run_chain(void *arg)
{
	return (char *)arg + second(2);
}

static void *run_recursion(void *arg)
{
	return (char *)arg + recursion(500);
}

static void *run_signal(void *arg)
{
	return (char *)arg + raises();
}

static void *run_sort(void *arg)
{
	return (char *)arg + sorts();
}

NOINLINE static int main_thread(const char *mode)
{
	printf("ready\n");
	fflush(stdout);
	if (!strcmp(mode, "abort"))
		abort();
	pause();
	return depth_reached;
}

int main(int argc, char **argv)
{
	void *(*const runs[])(void *) = { run_chain, run_recursion, run_signal, run_sort };
	pthread_t thread;

	if (argc < 2 || pipe(pipes) || pthread_barrier_init(&barrier, NULL, 5))
		return 2;
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, runs[i], NULL))
			return 2;
	pthread_barrier_wait(&barrier);
	usleep(100000);
	return main_thread(argv[1]);
}
