/* native_worker ROOTS - a C program of many types, which hang from one place only:
 * "globals", "static", "tls" or "stack". It prints a line "ADDRESS MARK TYPE" for each live
 * block it made, "ready", and dies. MARK: "a" an array of TYPE, "h" known by hints only,
 * "d" longer than the type that pointers to it have, "-" else. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
	struct link *next, *prev;
};
struct conn {
	struct conn *next;
	int fd;
	char peer[60];
	struct buffer *in, *out;
};
struct buffer {
	size_t len;
	struct conn *owner;
	unsigned char bytes[];
};
struct old_buffer {
	int len;
	struct conn *owner;
	struct conn *list[1];
};
typedef struct {
	double lat, lon;
	char *name;
} city_t;
struct job { /* intrusive: the link is in the middle */
	int id;
	struct link link;
	long cost[5];
};
union value {
	struct conn *conn;
	city_t *city;
	long number;
	double real;
};
struct entry {
	struct entry *next;
	int kind;
	union value value;
	void *data;
};
struct payload {
	long a[7];
	struct payload *more;
};
struct table {
	struct entry **slots;
	size_t size;
	struct entry *fixed[16];
	city_t cities[3];
};
struct head { /* others begin with it */
	int kind;
	struct head *next;
};
struct longer {
	struct head head;
	long more[10];
};
enum color { RED, GREEN };
struct shapes {
	enum color color;
	int *numbers;
	double *weights;
	struct shape **all;
	int count;
};
struct shape {
	const char *label;
	struct shape *parts[4];
	void (*draw)(struct shape *);
};
struct world {
	struct conn *conns;
	struct old_buffer *old;
	struct table *table;
	struct job *jobs;
	struct head *heads;
	struct shapes *shapes;
	struct conn *tagged;
	city_t *cities;
	void *anything;
};

static void *made(void *p, const char *mark, const char *type)
{
	printf("%lx %s %s\n", (unsigned long)(uintptr_t)p, mark, type);
	return p;
}

#define NEW(T) ((T *)made(calloc(1, sizeof(T)), "-", #T))

static void fill_conns(struct world *w)
{
	for (int i = 0; i < 120; i++) {
		struct conn *c = NEW(struct conn);
		size_t len = 40 + (size_t)i * 7;

		c->next = w->conns;
		w->conns = c;
		c->in = made(calloc(1, sizeof(struct buffer) + len), "-", "struct buffer");
		c->in->owner = c;
		c->in->len = len;
	}
	w->old = made(calloc(1, sizeof(struct old_buffer) + 9 * 8), "-", "struct old_buffer");
	for (int i = 0; i < 10; i++)
		w->old->list[i] = NEW(struct conn);
	w->tagged = (struct conn *)((uintptr_t)NEW(struct conn) | 1);
}

static void fill_table(struct world *w)
{
	struct table *t = w->table = NEW(struct table);

	t->size = 64;
	t->slots = made(calloc(t->size, sizeof(*t->slots)), "a", "struct entry *");
	for (int i = 0; i < 150; i++) {
		struct entry *e = NEW(struct entry), **at = &t->slots[i % 64];

		e->next = *at;
		e->kind = i % 3;
		*at = e;
		if (e->kind == 0)
			e->value.conn = NEW(struct conn);
		else if (e->kind == 1)
			e->value.number = 0x123456789abcdefL + i;
		else
			e->value.real = i / 7.0;
		if (i % 5 == 0) {
			struct payload *p = made(calloc(1, sizeof(*p)), "h", "struct payload");

			p->more = made(calloc(1, sizeof(*p)), "h", "struct payload");
			e->data = p;
		}
	}
	for (int i = 0; i < 16; i++)
		t->fixed[i] = NEW(struct entry);
	for (int i = 0; i < 3; i++) {
		t->cities[i].name = made(malloc(50), "t", "char");
		strcpy(t->cities[i].name, "a city");
	}
	w->cities = made(calloc(31, sizeof(city_t)), "a", "city_t");
}

static void fill_rest(struct world *w)
{
	struct job *last = NULL;
	struct shapes *s = w->shapes = NEW(struct shapes);

	for (int i = 0; i < 80; i++) {
		struct job *j = NEW(struct job);

		j->link.next = j->link.prev = &j->link;
		if (last) {
			j->link.prev = &last->link;
			j->link.next = last->link.next;
			last->link.next = &j->link;
		} else {
			w->jobs = j;
		}
		last = j;
	}
	for (int i = 0; i < 20; i++) {
		struct longer *l = made(calloc(1, sizeof(*l)), "d", "struct longer");

		l->head.next = w->heads;
		w->heads = &l->head;
	}
	s->numbers = made(calloc(100, sizeof(int)), "a", "int");
	s->weights = made(calloc(70, sizeof(double)), "a", "double");
	s->count = 25;
	s->all = made(calloc(25, sizeof(*s->all)), "a", "struct shape *");
	for (int i = 0; i < 25; i++) {
		s->all[i] = NEW(struct shape);
		s->all[i]->label = "a label";
		for (int k = 0; k < 4; k++)
			s->all[i]->parts[k] = k < i % 4 ? NEW(struct shape) : NULL;
	}
}

struct world *volatile global_world;
__thread struct world *volatile tls_world;
volatile int after;

__attribute__((noinline)) static void finish(struct world *w, const char *roots)
{
	static struct world *volatile static_world;

	if (!strcmp(roots, "globals"))
		global_world = w;
	else if (!strcmp(roots, "static"))
		static_world = w;
	else if (!strcmp(roots, "tls"))
		tls_world = w;
	puts("ready");
	fflush(stdout);
	if (!strcmp(roots, "stack"))
		raise(SIGABRT);
	after = static_world != NULL;
	abort();
}

__attribute__((noinline)) static void play(const char *roots)
{
	struct world world = { 0 };

	fill_conns(&world);
	fill_table(&world);
	fill_rest(&world);
	finish(&world, roots);
	after = world.conns->fd;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	const char *roots = argc > 1 ? argv[1] : "globals";
	struct world *world;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (!strcmp(roots, "stack")) {
		play(roots);
		return 0;
	}
	world = NEW(struct world);
	fill_conns(world);
	fill_table(world);
	fill_rest(world);
	finish(world, roots);
}
