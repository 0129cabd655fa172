/* malloc_worker OUT END MODE... - a process whose malloc is looked at, and its own oracle.
 *
 * Makes every kind of chunk, writes each pointer it holds and each it gave back
 * to OUT.ptrs (three 64-bit words: pointer, malloc_usable_size(), and 1 held, 0
 * freed, 3 freed when nobody but us allocates any more, 2 overwritten behind), then what mallinfo2() and malloc_info() say to OUT.info, without another
 * malloc in between; says "ready" and dies (END abort), waits (wait), or lets
 * glibc abort it (smash: a double free). No MODE: one thread, small and big blocks.
 *
 *   threads   six more threads at work       exited    four more that are gone
 *   subheaps  a thread with over 64 MiB      foreign   somebody else moves brk
 *   blockbrk  a mapping in the way of brk    dlmopen   a second libc
 *   fork      a forked child reports         overflow  a size word is overwritten
 *   remap     mremap moves mapped blocks     trim      malloc_trim first
 * Built with glibc 2.17 to 2.43; linked statically it cannot dlmopen. */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TABLE = 1 << 18, SLOTS = 600, THREADS = 6, EXITED = 4 };

struct record {
	uint64_t addr, usable, live;
};

static struct record *table;
static unsigned table_used;
static int argc_, table_fd;
static uint64_t freed_as; /* 3 at the end: libc itself allocates no more */
static char **argv_;
static pthread_barrier_t barrier;
static char info_buffer[1 << 20];

static int mode(const char *name)
{
	for (int i = 3; i < argc_; i++)
		if (!strcmp(argv_[i], name))
			return 1;
	return 0;
}

static void note(void *p, uint64_t usable, uint64_t live)
{
	unsigned i = __sync_fetch_and_add(&table_used, 1);

	if (i < TABLE)
		table[i] = (struct record){ (uintptr_t)p, usable, live };
}

static void hold(void *p)
{
	if (p)
		note(p, malloc_usable_size(p), 1);
}

static void drop(void *p)
{
	if (p)
		note(p, 0, freed_as);
	free(p);
}

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static size_t some_size(unsigned *seed)
{
	unsigned r = next(seed) % 100;

	if (r < 70)
		return next(seed) % 500 + 1;
	if (r < 92)
		return next(seed) % 5000 + 1;
	if (r < 99)
		return next(seed) % 100000 + 1;
	return next(seed) % 900000 + 100000;
}

static void *some_block(unsigned *seed)
{
	size_t n = some_size(seed);

	switch (next(seed) % 8) {
	case 0:
		return calloc(1, n);
	case 1:
		return memalign((size_t)16 << next(seed) % 10, n);
	default:
		return malloc(n);
	}
}

/* Churn, keep what is left; every block is written to so that a wrong bound shows. */
static void churn(unsigned seed, unsigned steps)
{
	void **slot = mmap(NULL, SLOTS * sizeof(*slot), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < steps; i++) {
		unsigned k = next(&seed) % SLOTS;

		if (slot[k] && next(&seed) % 4 == 0) {
			slot[k] = realloc(slot[k], some_size(&seed));
		} else {
			drop(slot[k]);
			slot[k] = next(&seed) % 3 ? some_block(&seed) : NULL;
		}
		if (slot[k])
			memset(slot[k], (int)i, malloc_usable_size(slot[k]));
	}
	for (unsigned k = 0; k < SLOTS; k++)
		hold(slot[k]);
	munmap(slot, SLOTS * sizeof(*slot));
}

static void *worker(void *arg)
{
	churn((unsigned)(uintptr_t)arg, 6000);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static void *short_lived(void *arg)
{
	churn((unsigned)(uintptr_t)arg, 3000);
	return NULL;
}

static void *filler(void *arg)
{
	for (unsigned i = 0; i < 4000; i++) {
		char *p = malloc(30000 + i % 700);

		memset(p, 1, 64);
		if (i % 3)
			hold(p);
		else
			drop(p);
	}
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return arg;
}

static void start(pthread_t *t, void *(*fn)(void *), unsigned seed)
{
	if (pthread_create(t, NULL, fn, (void *)(uintptr_t)seed))
		_exit(70);
}

static void run_threads(void)
{
	unsigned waiting = 1 + (mode("threads") ? THREADS : 0) + (mode("subheaps") ? 1 : 0);
	pthread_t t[EXITED + THREADS + 1];

	pthread_barrier_init(&barrier, NULL, waiting);
	if (mode("exited")) {
		for (unsigned i = 0; i < EXITED; i++)
			start(&t[i], short_lived, 100 + i);
		for (unsigned i = 0; i < EXITED; i++)
			pthread_join(t[i], NULL);
	}
	for (unsigned i = 0; mode("threads") && i < THREADS; i++)
		start(&t[EXITED + i], worker, 200 + i);
	if (mode("subheaps"))
		start(&t[EXITED + THREADS], filler, 1);
	pthread_barrier_wait(&barrier);
}

static void foreign_sbrk(void)
{
	for (unsigned i = 0; i < 2; i++) {
		char *p = sbrk(12288 + 64 * (1 - (int)i));

		memset(p, 0x5a, 12288);
		for (unsigned k = 0; k < 400; k++)
			hold(malloc(900 + k));
	}
}

static void block_brk(void)
{
	uintptr_t at = ((uintptr_t)sbrk(0) + 4095) & ~(uintptr_t)4095;

	if (mmap((void *)at, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    (void *)at)
		_exit(71);
	for (unsigned k = 0; k < 3000; k++) {
		char *p = malloc(500 + k % 3000);

		if (k % 5)
			hold(p);
		else
			drop(p);
	}
}

static void second_libc(void)
{
	void *h = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	void *(*other_malloc)(size_t) = h ? (void *(*)(size_t))dlsym(h, "malloc") : NULL;
	void (*other_free)(void *) = h ? (void (*)(void *))dlsym(h, "free") : NULL;
	size_t (*usable)(void *) = h ? (size_t(*)(void *))dlsym(h, "malloc_usable_size") : NULL;

	if (!other_malloc || !other_free || !usable)
		_exit(72);
	for (unsigned k = 0; k < 3000; k++) {
		void *p = other_malloc(k % 1500 + (k % 100 ? 0 : 200000));

		note(p, k % 3 ? usable(p) : 0, k % 3 != 0);
		if (k % 3 == 0)
			other_free(p);
	}
}

static void mapped_blocks(void)
{
	for (unsigned i = 0; i < 12; i++) {
		char *p = i % 3 == 1 ? memalign((size_t)64 << i, 300000 + 5000 * i) :
				       malloc(200000 + 70000 * i);

		memset(p, 0x11, malloc_usable_size(p));
		if (mode("remap"))
			p = realloc(p, malloc_usable_size(p) * 3 / (i % 2 ? 2 : 4));
		if (i % 4 == 3)
			drop(p);
		else
			hold(p);
	}
}

static void overflow(void)
{
	char *p[64];

	for (unsigned i = 0; i < 64; i++)
		hold(p[i] = malloc(1000));
	/* past the end of a block, over the size of the one we hold behind it */
	for (unsigned i = 0; i + 1 < 64; i++)
		if (p[i + 1] - p[i] == 1008) {
			memset(p[i] + malloc_usable_size(p[i]), 'A', 8);
			note(p[i], 0, 2);
			return;
		}
	_exit(76);
}

static void say_info(FILE *f)
{
	struct mallinfo2_like {
		size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
			keepcost;
	} m;
	static char line[1024];
	int n;
#ifdef HAVE_MALLINFO2
	struct mallinfo2 now;

	malloc_info(0, f);
	fflush(f);
	now = mallinfo2();
	memcpy(&m, &now, sizeof(m));
#else
	struct mallinfo now;

	malloc_info(0, f);
	fflush(f);
	now = mallinfo();
	m = (struct mallinfo2_like){ (unsigned)now.arena, (unsigned)now.ordblks, (unsigned)now.smblks,
				     (unsigned)now.hblks, (unsigned)now.hblkhd, (unsigned)now.usmblks,
				     (unsigned)now.fsmblks, (unsigned)now.uordblks,
				     (unsigned)now.fordblks, (unsigned)now.keepcost };
#endif
	n = snprintf(line, sizeof(line),
		     "arena=%zu ordblks=%zu smblks=%zu hblks=%zu hblkhd=%zu fsmblks=%zu uordblks=%zu "
		     "fordblks=%zu keepcost=%zu pid=%d\n",
		     m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd, m.fsmblks, m.uordblks, m.fordblks,
		     m.keepcost, (int)getpid());
	if (write(fileno(f), line, (size_t)n) != n)
		_exit(73);
}

static void finish(FILE *f, const char *end)
{
	static char ready[64];
	int n = snprintf(ready, sizeof(ready), "ready %d\n", (int)getpid());
	void *volatile twice = malloc(2000); /* volatile: gcc knows what we are up to */
	void *guard = malloc(24);

	if (mode("overflow"))
		overflow();
	hold(guard);
	if (!strcmp(end, "smash")) {
		for (unsigned i = 0; i < 2; i++)
			free(twice);
		_exit(74);
	}
	hold(twice);
	say_info(f);
	if (ftruncate(table_fd, (off_t)(table_used * sizeof(struct record))) ||
	    write(1, ready, (size_t)n) != n)
		_exit(75);
	if (!strcmp(end, "abort"))
		abort();
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static char path[4096];
	FILE *f;

	argc_ = argc;
	argv_ = argv;
	if (argc < 3)
		return 64;
	snprintf(path, sizeof(path), "%s.ptrs", argv[1]);
	table_fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (table_fd < 0 || ftruncate(table_fd, TABLE * sizeof(struct record)))
		return 65;
	table = mmap(NULL, TABLE * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED,
		     table_fd, 0);
	snprintf(path, sizeof(path), "%s.info", argv[1]);
	f = fopen(path, "w");
	if (!f || table == MAP_FAILED)
		return 66;
	setvbuf(f, info_buffer, _IOFBF, sizeof(info_buffer));
	if (mode("foreign"))
		foreign_sbrk();
	mapped_blocks();
	churn(1, 8000);
	if (mode("foreign"))
		foreign_sbrk();
	if (mode("blockbrk"))
		block_brk();
	run_threads();
	if (mode("dlmopen"))
		second_libc();
	if (mode("trim"))
		malloc_trim(0);
	if (mode("fork")) {
		pid_t child = fork();
		int status;

		if (child) {
			waitpid(child, &status, 0);
			_exit(0);
		}
	}
	freed_as = 3;
	churn(2, 2000);
	finish(f, argv[2]);
	return 0;
}
