/* native_idioms - how C programs say less by their pointers than they know: structs that
 * begin with a common header and have a tag in it, lists and tables of void *, strings with
 * a header in front. Prints a line "ADDRESS MARK TYPE" for each live block it made, "ready",
 * and dies. MARK: "t" text or an array of TYPE, "d" told by its tag; reached by void * only
 * are "v", "w" text, "b" with a header in front, "m" in a list of all sorts; "-" else. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An interpreter's values: every struct repeats the header. */
#define HEADER struct thing *next; unsigned char tag; unsigned char mark
enum { TEXT = 4, TABLE, CLOSURE, CELL, PROTO, LONG_TEXT = 20 };
struct thing {
	HEADER;
};
struct value {
	union {
		struct thing *thing;
		double number;
		long integer;
	} u;
	unsigned char tag;
};
struct text {
	HEADER;
	unsigned char extra;
	unsigned hash;
	union {
		size_t len;
		struct text *same_hash;
	} u;
	char bytes[1];
};
struct table {
	HEADER;
	unsigned char flags;
	unsigned size;
	struct value *array;
	struct pair *node;
	struct thing *gray;
	struct table *meta;
};
struct pair {
	struct value key, value;
};
struct proto {
	HEADER;
	unsigned char params;
	int code_size;
	unsigned *code;
	struct value *constants;
	struct proto **inner;
	struct text *source;
	int lines[9];
};
struct cell {
	HEADER;
	struct value *at;
	struct value own;
};
struct closure {
	HEADER;
	unsigned char cells_count;
	struct thing *gray;
	struct proto *proto;
	struct cell *cells[1];
};
struct machine {
	struct thing *all;
	struct text *names[64]; /* by hash */
	struct table *meta[4];
	struct closure *running;
	struct value *stack;
} *machine;

/* A tree of a compiler: the header is a first member, and sizes repeat. */
typedef struct expr {
	int kind;
	unsigned line;
	struct expr *parent;
} expr_t;
struct number {
	expr_t head;
	double value;
	long bits;
};
struct name {
	expr_t head;
	char *text;
	struct expr *defined;
};
typedef struct {
	expr_t head;
	struct expr *function, *arguments[5];
} call_t;
struct expr *trees[40];

/* Containers of void *, and strings with their length in front. */
struct __attribute__((packed)) short_head {
	uint8_t len, room, flags;
	char bytes[];
};
struct __attribute__((packed)) long_head {
	uint32_t len, room;
	uint8_t flags;
	char bytes[];
};
struct item {
	struct item *next;
	void *data;
};
struct list {
	struct item *first;
	long count;
};
struct entry {
	void *key, *value;
	struct entry *next;
};
struct map {
	struct entry **slots;
	long size, used;
};
struct user {
	int id;
	struct user *boss;
	char *mail;
	long stamps[4];
};
struct box { /* what it holds depends on its kind */
	unsigned kind : 4, spare : 28;
	int count;
	void *data;
};
struct other { /* as big as a user */
	double samples[7];
};
struct user *admin;
struct box *any_box;
struct list *users, *notes, *boxes, *mixed;
struct map *by_name, *settings;

static void *made(void *p, const char *mark, const char *type)
{
	printf("%lx %s %s\n", (unsigned long)(uintptr_t)p, mark, type);
	return p;
}

static void *thing(size_t size, unsigned tag, const char *type)
{
	struct thing *t = made(calloc(1, size), "d", type);

	t->next = machine->all;
	t->tag = (unsigned char)tag;
	t->mark = (unsigned char)(rand() % 3);
	machine->all = t;
	return t;
}

static struct text *new_text(int nr, int is_long)
{
	char bytes[200];
	int len = snprintf(bytes, sizeof(bytes), is_long ? "a long text that nobody looks up by its hash, nr %d"
						       : "name%d", nr);
	struct text *t = thing(offsetof(struct text, bytes) + (size_t)len + 1,
			       is_long ? LONG_TEXT : TEXT, "struct text");

	memcpy(t->bytes, bytes, (size_t)len + 1);
	if (is_long) {
		t->u.len = (size_t)len;
	} else {
		t->hash = (unsigned)nr * 2654435761u;
		t->u.same_hash = machine->names[t->hash % 64];
		machine->names[t->hash % 64] = t;
	}
	return t;
}

static struct value value_of(void *t)
{
	struct value v = { .tag = ((struct thing *)t)->tag };

	v.u.thing = t;
	return v;
}

static struct table *new_table(int nr)
{
	struct table *t = thing(sizeof(*t), TABLE, "struct table");

	t->array = made(calloc(4, sizeof(struct value)), "t", "struct value");
	t->array[0] = value_of(new_text(nr + 1000, 0));
	t->array[1].u.number = nr / 7.0;
	t->array[2].u.integer = nr;
	t->array[3] = value_of(new_text(nr, 1));
	t->size = 4;
	return t;
}

static void fill_machine(void)
{
	struct proto *p;

	machine = made(calloc(1, sizeof(*machine)), "-", "struct machine");
	machine->stack = made(calloc(400, sizeof(struct value)), "t", "struct value");
	machine->meta[0] = new_table(0);
	p = thing(sizeof(*p), PROTO, "struct proto");
	p->source = new_text(5000, 0);
	p->code = made(calloc(40, sizeof(unsigned)), "t", "unsigned int");
	for (int i = 0; i < 150; i++) {
		struct closure *c = thing(offsetof(struct closure, cells) + (1 + (size_t)i % 3) * 8, CLOSURE,
					  "struct closure");
		struct table *t = new_table(i + 1);

		t->meta = i % 4 ? NULL : machine->meta[0];
		c->cells_count = (unsigned char)(1 + i % 3);
		c->proto = p;
		for (int k = 0; k < c->cells_count; k++) {
			struct cell *cell = c->cells[k] = thing(sizeof(*cell), CELL, "struct cell");

			cell->at = &cell->own;
			cell->own = value_of(t);
		}
		machine->stack[2 * i] = value_of(c);
	}
}

static struct expr *new_expr(int deep)
{
	int kind = deep ? 2 : rand() % 2;
	struct expr *e;

	if (kind == 2) {
		call_t *c = made(calloc(1, sizeof(*c)), "d", "call_t");

		c->function = new_expr(0);
		for (int i = 0; i < 3; i++)
			c->arguments[i] = new_expr(deep - 1);
		e = &c->head;
	} else if (kind) {
		struct name *n = made(calloc(1, sizeof(*n)), "d", "struct name");

		n->text = made(strdup("a name of a variable"), "t", "char");
		e = &n->head;
	} else {
		struct number *n = made(calloc(1, sizeof(*n)), "d", "struct number");

		n->value = rand() / 7.0;
		n->bits = 0x1234567812345678 + rand();
		e = &n->head;
	}
	e->kind = kind + 10;
	e->line = (unsigned)rand() % 1000;
	return e;
}

static char *string(const char *text, const char *mark)
{
	size_t len = strlen(text);

	if (len < 200) {
		struct short_head *h = made(malloc(sizeof(*h) + len + 1), mark, "struct short_head");

		h->len = h->room = (uint8_t)len;
		h->flags = 1;
		return strcpy(h->bytes, text);
	}
	struct long_head *h = made(malloc(sizeof(*h) + len + 1), mark, "struct long_head");

	h->len = h->room = (uint32_t)len;
	h->flags = 2;
	return strcpy(h->bytes, text);
}

static void put(struct map *m, void *key, void *value)
{
	struct entry *e = made(malloc(sizeof(*e)), "-", "struct entry"), **at = &m->slots[m->used++ % m->size];

	*e = (struct entry){ key, value, *at };
	*at = e;
}

static struct map *new_map(void)
{
	struct map *m = made(calloc(1, sizeof(*m)), "-", "struct map");

	m->size = 64;
	m->slots = made(calloc(64, sizeof(*m->slots)), "t", "struct entry *");
	return m;
}

static void add(struct list **list, void *data)
{
	struct item *item = made(calloc(1, sizeof(*item)), "-", "struct item");

	if (!*list)
		*list = made(calloc(1, sizeof(**list)), "-", "struct list");
	item->next = (*list)->first;
	item->data = data;
	(*list)->first = item;
	(*list)->count++;
}

static void fill_containers(void)
{
	char text[400];

	by_name = new_map();
	settings = new_map();
	for (int i = 0; i < 90; i++) {
		struct user *u = made(calloc(1, sizeof(*u)), i ? "v" : "-", "struct user");

		admin = admin ? admin : u;
		u->boss = i % 3 ? NULL : admin;
		u->id = i;
		add(&users, u);
		snprintf(text, sizeof(text), "user-%d", i);
		put(by_name, string(text, "b"), u);
		snprintf(text, sizeof(text), "a setting with number %d%*s", i, i % 9 ? 1 : 260, ".");
		put(settings, string("some key", "b"), string(text, "b"));
		snprintf(text, sizeof(text), "a note that somebody wrote, %d", i);
		add(&notes, made(strdup(text), "w", "char"));
	}
	for (int i = 0; i < 60; i++) {
		struct box *b = made(calloc(1, sizeof(*b)), i ? "v" : "-", "struct box");

		any_box = any_box ? any_box : b;
		b->kind = (unsigned)(i % 3) + 1;
		b->count = rand();
		if (i % 3 == 0)
			b->data = string("text in a box", "b");
		else if (i % 3 == 1)
			b->data = i % 2 ? admin : made(calloc(1, sizeof(struct user)), "v", "struct user");
		else
			b->data = (void *)(intptr_t)(i * 1000);
		add(&boxes, b);
	}
}

/* Nothing tells what these are, one by one. */
static void fill_mixed(void)
{
	for (int i = 0; i < 60; i++) {
		struct other *o;

		if (i % 10 == 0) {
			add(&mixed, made(calloc(1, sizeof(struct user)), "m", "struct user"));
			continue;
		}
		o = made(calloc(1, sizeof(*o)), "m", "struct other");
		for (int k = 0; k < 7; k++)
			o->samples[k] = rand() / 7.0;
		add(&mixed, o);
	}
	add(&mixed, admin);
	add(&mixed, made(strdup("text among all sorts of things"), "m", "char"));
}

int main(void)
{
	static char buffer[1 << 18];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	srand(1);
	fill_machine();
	for (int i = 0; i < 40; i++)
		trees[i] = new_expr(i % 3);
	fill_containers();
	fill_mixed();
	puts("ready");
	fflush(stdout);
	abort();
}
