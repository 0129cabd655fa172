/* Allocates in many ways; prints address, line and size of each block, and dies. A wrapper's
 * blocks belong to the line that calls it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

struct record {
	void *addr;
	unsigned line;
	char kind; /* k: constant size; d: dynamic; h: of constant size, but not to be seen */
	size_t size;
};

static struct record records[1 << 16];
static size_t record_count;
static unsigned seed = 12345;
volatile unsigned one = 1;

static unsigned rnd(unsigned below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

#define KEEP(kind, size, expression) keep(kind, __LINE__, size, expression)
static void *keep(char kind, unsigned line, size_t size, void *addr)
{
	memset(addr, 0, size < 8 ? size : 8);
	records[record_count++] = (struct record){ addr, line, kind, size };
	return addr;
}

/* --- wrappers --- */

NOINLINE void *x_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p) {
		fprintf(stderr, "no memory for %zu bytes\n", size);
		abort();
	}
	return p;
}

NOINLINE void *x_calloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		abort();
	return p;
}

NOINLINE char *with_header(int tag, size_t size)
{
	uint64_t *p = x_malloc(size + 16);

	p[0] = size;
	p[1] = (uint64_t)tag;
	return (char *)p;
}

static void *(*volatile hidden)(size_t) = malloc;

struct small { int a, b; };
struct connection { char name[88]; int fd; struct connection *next; };
static struct connection *connections;
struct session { char text[344]; struct connection *c; };
struct page { char bytes[1496]; };
struct rare { char bytes[2008]; };
struct big { char bytes[300000]; };

NOINLINE static struct connection *new_connection(int fd)
{
	struct connection *c = malloc(sizeof(*c)); KEEP('k', sizeof(*c), c);

	c->fd = fd;
	c->next = connections;
	connections = c;
	return c;
}

NOINLINE static struct session *new_session(int fd)
{
	struct session *s = KEEP('k', sizeof(*s), x_malloc(sizeof(*s)));

	s->c = new_connection(fd);
	return s;
}

NOINLINE static void constants(int n)
{
	for (int i = 0; i < n; i++) {
		new_session(i);
		KEEP('k', sizeof(struct page), x_calloc(1, sizeof(struct page)));
		KEEP('k', 24 + 16, with_header(i, 24));
		KEEP('k', 720, calloc(3, 240));
		KEEP('k', sizeof(struct small), malloc(sizeof(struct small)));
	}
	KEEP('k', sizeof(struct rare), realloc(NULL, sizeof(struct rare)));
	KEEP('k', sizeof(struct big), malloc(sizeof(struct big)));
	KEEP('k', 1000, aligned_alloc(64, 1000));
}

/* Two lines of the same size: candidates both. */
NOINLINE static void twins(int n)
{
	for (int i = 0; i < n; i++) {
		KEEP('k', 568, malloc(568));
		if (i % 3 == 0)
			KEEP('k', 568, x_malloc(568));
	}
}

/* Text and buffers: any size. */
NOINLINE static void texts(int n)
{
	char text[512];

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < n; i++) {
		size_t len = 1 + rnd(i % 5 ? 60 : 500);

		text[len] = 0;
		KEEP('d', len + 1, strdup(text));
		text[len] = 'x';
	}
	for (int i = 0; i < n / 20; i++)
		KEEP('d', 1024u << i % 5, malloc((size_t)one * (1024u << i % 5)));
}

/* The size is always the same, and no instruction says so. */
NOINLINE static void hidden_ones(int n)
{
	for (int i = 0; i < n; i++)
		KEEP('h', 2504, hidden(2504 * one));
}

/* One of two sizes at one call. */
NOINLINE static void either(int n)
{
	for (int i = 0; i < n; i++) {
		size_t size = rnd(2) ? 848 : 912;

		KEEP('d', size, malloc(size));
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200;

	(void)argv;
	constants(n);
	twins(n);
	texts(n * 5);
	hidden_ones(n / 4);
	either(n / 4);
	for (size_t i = 0; i < record_count; i++)
		printf("%lx %u %c %zu\n", (unsigned long)records[i].addr, records[i].line,
		       records[i].kind, records[i].size);
	printf("ready\n");
	fflush(stdout);
	abort();
}
