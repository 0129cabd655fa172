// member_worker.cc - one object whose members hold what is printed: "NAME = VALUE" a line.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

enum Color { RED, GREEN = 7, BLUE = -3 };
enum class Wide : unsigned long { SMALL = 1, BIG = 0xf000000000000001ul };
typedef unsigned char byte_t;

struct Base {
	long base_number;
};
struct Inner {
	short x;
	union {
		int as_int;
		unsigned char bytes[4];
	};
	struct {
		double deep;
	} named;
};
struct Other {
	int number;
	Other *next;
};
struct Thing : Base {
	bool yes, no;
	char letter, control;
	byte_t octet;
	signed char minus;
	unsigned short u16;
	int i32;
	unsigned u32;
	long i64;
	unsigned long u64;
	unsigned low : 3;
	int middle : 5;
	unsigned long high : 40;
	Color color, odd_color;
	Wide wide;
	float real;
	double precise;
	long double extended;
	char text[12], full[4];
	const char *words;
	void (*call)(int);
	int few[3], many[20], grid[2][3];
	double reals[2];
	Color colors[2];
	Inner inner;
	Other others[5], *other;
	std::string brief, lengthy, strange;
	std::vector<Other> list;
	std::map<int, int> map;
	std::unique_ptr<Other> owner;
	void *nothing;
};

Thing *volatile thing;

// not inlined: its symbol is what a pointer to it is called by
extern "C" __attribute__((noinline)) void do_call(int n)
{
	if (n > 99)
		abort();
}

int main()
{
	static char word[] = "a \"word\"\tand more";
	Thing *t = thing = new Thing();

	t->base_number = -5;
	t->yes = true;
	t->letter = 'k';
	t->control = 3;
	t->octet = 200;
	t->minus = -100;
	t->u16 = 65535;
	t->i32 = -2147483647;
	t->u32 = 4294967295u;
	t->i64 = -9000000000000000000l;
	t->u64 = 18446744073709551615ul;
	t->low = 5;
	t->middle = -11;
	t->high = 0x8765432109ul;
	t->color = BLUE;
	t->odd_color = (Color)5;
	t->wide = Wide::BIG;
	t->real = 0.25f;
	t->precise = -1.0 / 3;
	t->extended = 0.5l;
	snprintf(t->text, sizeof(t->text), "hello");
	t->full[0] = t->full[1] = t->full[2] = t->full[3] = 'z';
	t->words = word;
	t->call = do_call;
	for (int i = 0; i < 20; i++)
		t->many[i] = i * 2 - 3;
	for (int i = 0; i < 3; i++)
		t->few[i] = t->grid[1][i] = i;
	t->reals[0] = 1.5;
	t->colors[1] = GREEN;
	t->inner.x = 7;
	t->inner.as_int = 0x01020304;
	t->inner.named.deep = 2;
	t->other = new Other{42, new Other{43, nullptr}};
	t->brief = "short";
	t->lengthy = "a text that is too long to be kept in place";
	t->strange = std::string(100, 'q');
	t->list.resize(4);
	t->map = {{1, 1}, {2, 2}};
	t->owner.reset(new Other{1, nullptr});

	printf("at = %lx\nbase_number = %ld\nyes = true\nno = false\n", (unsigned long)t, t->base_number);
	printf("letter = %d 'k'\ncontrol = 3\noctet = %d\nminus = %d\n", t->letter, t->octet, t->minus);
	printf("u16 = %u\ni32 = %d\nu32 = %u\ni64 = %ld\nu64 = %lu\n", t->u16, t->i32, t->u32, t->i64, t->u64);
	printf("low = %u\nmiddle = %d\nhigh = %lu\n", t->low, t->middle, (unsigned long)t->high);
	printf("color = BLUE\nodd_color = 5\nwide = BIG\nreal = %.9g\nprecise = %.17g\nextended = %.21Lg\n",
	       t->real, t->precise, t->extended);
	printf("text = \"hello\"\nfull = \"zzzz\"\nwords = %p \"a \\\"word\\\"\\x09and more\"\n", (void *)t->words);
	printf("call = %p <do_call>\nfew = {0, 1, 2}\n", (void *)t->call);
	printf("many = {-3, -1, 1, 3, 5, 7, 9, 11, ... 20 in all}\ngrid = {0, 0, 0, 0, 1, 2}\n");
	printf("reals = {1.5, 0}\ncolors = {RED, GREEN}\ninner.x = 7\ninner.as_int = %d\n", t->inner.as_int);
	printf("inner.bytes = {4, 3, 2, 1}\ninner.named.deep = 2\nothers = 5 of Other\n");
	printf("other = %p Other\nbrief = \"short\"\nlengthy = \"%s\"\n", (void *)t->other, t->lengthy.c_str());
	printf("strange = \"%s\"...\nlist = 4 items\nmap = 2 items\n", std::string(64, 'q').c_str());
	printf("owner = %p Other\nnothing = 0x0\nready\n", (void *)t->owner.get());
	fflush(stdout);
	abort();
}
