/* leak_worker - leaks some blocks and keeps others, and says which. Each has a size of its
 * own. Says "leaked ADDR", "indirect ADDR", "kept ADDR", then ready, and waits. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
	struct node *next;
	char *text;
};

static size_t next_size = 200;
static void *volatile global; /* volatile: written for us alone */
static char *volatile interior;
static struct node *volatile list;
static __thread void *volatile per_thread;
static volatile uintptr_t tagged;

static void *block(const char *word)
{
	void *p = malloc(next_size);

	memset(p, 0, next_size);
	printf("%s %p\n", word, p);
	next_size += 16;
	return p;
}

/* The stack of this function is used again by the next. */
static __attribute__((noinline)) void leak_alone(void)
{
	for (int i = 0; i < 20; i++)
		block("leaked");
}

static __attribute__((noinline)) void leak_chain(void)
{
	struct node *first = block("leaked");

	first->next = block("indirect");
	first->next->next = block("indirect");
	first->next->text = (char *)block("indirect") + 7;
}

/* Of a circle the lower address is said to be leaked: a heap only grows here. */
static __attribute__((noinline)) void leak_circle(void)
{
	struct node *a = block("leaked"), *b = block("indirect");

	a->next = b;
	b->next = a;
}

static __attribute__((noinline)) void keep_some(void)
{
	global = block("kept");
	interior = (char *)block("kept") + 100;
	tagged = (uintptr_t)block("kept") | 3;
	list = block("kept");
	list->next = block("kept");
	list->next->next = block("kept");
	per_thread = block("kept");
}

/* Freed blocks, full of pointers to what was leaked, hold nothing. */
static __attribute__((noinline)) void free_some(void)
{
	void *p[30];

	for (int i = 0; i < 30; i++) {
		p[i] = malloc(next_size + 16 * (size_t)i);
		memset(p[i], 0, next_size);
	}
	for (int i = 0; i < 30; i++)
		free(p[i]);
}

static __attribute__((noinline)) void wipe_stack(void)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

static void *in_thread(void *arg)
{
	void *mine = malloc(5000);
	pthread_barrier_t *ready = arg;

	printf("kept %p\n", mine);
	pthread_barrier_wait(ready);
	for (;;) {
		pause();
		*(volatile char *)mine = 1;
	}
}

/* A block given back goes on pointing to what is leaked; malloc writes on its first
 * 16 bytes only. */
static __attribute__((noinline)) void leave_trace_in_free(void)
{
	void *volatile *p = malloc(1000);

	memset((void *)p, 0, 1000);
	p[100] = block("leaked");
	printf("in-free %p\n", (void *)p[100]);
	free((void *)p);
}

static __attribute__((noinline)) void leave_trace_on_stack(void)
{
	void *volatile deep[8192];

	deep[0] = block("leaked");
	printf("on-stack %p\n", (void *)deep[0]);
}

int main(void)
{
	static char buffer[1 << 16]; /* stdio's own block would be one more */
	void *volatile on_stack;
	pthread_barrier_t ready;
	pthread_t t;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	leak_alone();
	leak_chain();
	leak_circle();
	keep_some();
	free_some();
	on_stack = block("kept");
	pthread_barrier_init(&ready, NULL, 2);
	pthread_create(&t, NULL, in_thread, &ready);
	pthread_barrier_wait(&ready);
	leave_trace_in_free();
	wipe_stack();
	leave_trace_on_stack();
	puts("ready");
	fflush(stdout);
	for (;;) {
		pause();
		*(volatile char *)on_stack = 1;
	}
}
