/* native_library - what test_native.py builds twice: with -DLIBRARY a library with types of
 * its own and thread-local variables, else the program that uses it and knows them by name
 * only; with -DLATE it opens the library while it runs, and one before it that it closes
 * again. Lines as native_worker.c prints them; several threads. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct handle;
#if defined(LATE) && !defined(LIBRARY)
#include <dlfcn.h>
static struct handle *(*handle_new)(int size);
static void (*handle_keep)(struct handle *h);
#else
struct handle *handle_new(int size);
void handle_keep(struct handle *h);
#endif

#ifdef LIBRARY
struct piece {
	struct piece *next;
	long room[4];
};
struct handle {
	int size;
	struct piece *pieces;
	char name[80];
};
static __thread long padding[3];
__thread struct handle *volatile kept;

struct handle *handle_new(int size)
{
	struct handle *h = calloc(1, sizeof(*h));

	printf("%lx - struct handle\n", (unsigned long)(uintptr_t)h);
	for (h->size = 0; h->size < size; h->size++) {
		struct piece *p = calloc(1, sizeof(*p));

		printf("%lx - struct piece\n", (unsigned long)(uintptr_t)p);
		p->next = h->pieces;
		h->pieces = p;
	}
	return h;
}

void handle_keep(struct handle *h)
{
	padding[1]++;
	kept = h;
}
#else
struct user {
	struct user *next;
	struct handle *handle;
	long number;
};
struct user *volatile users;
static pthread_barrier_t barrier;

static void *thread(void *arg)
{
	handle_keep(handle_new(5 + (int)(intptr_t)arg));
	pthread_barrier_wait(&barrier);
	for (;;)
		pthread_barrier_wait(&barrier);
}

int main(void)
{
	static char buffer[1 << 16];
	pthread_t t;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
#ifdef LATE
	void *first = dlopen(FIRST, RTLD_NOW), *library = dlopen(LATE, RTLD_NOW);

	handle_new = (struct handle *(*)(int))dlsym(library, "handle_new");
	handle_keep = (void (*)(struct handle *))dlsym(library, "handle_keep");
	dlclose(first);
#endif
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 2; i++)
		pthread_create(&t, NULL, thread, (void *)(intptr_t)i);
	pthread_barrier_wait(&barrier);
	handle_keep(handle_new(9));
	for (int i = 0; i < 30; i++) {
		struct user *u = calloc(1, sizeof(*u));

		printf("%lx - struct user\n", (unsigned long)(uintptr_t)u);
		u->next = users;
		u->handle = handle_new(3);
		users = u;
	}
	puts("ready");
	fflush(stdout);
	abort();
}
#endif
