// native_worker ROOTS [wait] - a C++ program of many types, which hang from one place only:
// "globals", "tls" or "stack". It prints a line "ADDRESS MARK TYPE" for each live block
// it made, "ready", and dies, or waits. MARK: "v" when the block begins with a vtable, "a" when it is
// an array of TYPE, "e" of a vector, "q" of a deque, "c" a node of a container, "s" a
// text, "d" one of a family whose pointers do not tell which, else "-".
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

static void record(const void *p, const char *mark, const char *type)
{
	printf("%lx %s %s\n", (unsigned long)p, mark, type);
}

template <class T> static T *made(T *p, const char *mark, const char *type)
{
	record(p, mark, type);
	return p;
}

#define NEW(T, ...) made(new T __VA_ARGS__, "-", #T)
#define NEWV(T, ...) made(new T __VA_ARGS__, "v", #T)

namespace shop {
struct Item {
	Item *next;
	int price;
	char label[40];
};
struct Tree {
	Tree *left, *right;
	long key;
	Item *item;
	double weight;
};
struct Point {
	double x, y, z;
};
class Shape {
public:
	virtual ~Shape() {}
	virtual double area() const { return 0; }
	Shape *parent = nullptr;
};
class Circle : public Shape {
public:
	double radius = 1;
	Point *center = nullptr;
	char room[64];
};
struct Named {
	virtual ~Named() {}
	virtual const char *name() { return "x"; }
	char text[24];
};
class Square : public Shape, public Named {
public:
	double side = 2;
	Item *items = nullptr;
};
template <class T, int N> struct Box : Shape {
	T what[N];
	Tree *tree = nullptr;
};
struct Order {
	long number;
	std::string customer;
	std::vector<int> amounts;
};
struct Session {
	std::unique_ptr<Order> order;
	Item *first;
	long stamps[9];
};
struct Plain { // others derive from it, without a vtable
	long id;
	Item *item;
};
struct Wider : Plain {
	Item *more;
};
struct Longest : Plain {
	long room[20];
};
union Either {
	Item *item;
	Tree *tree;
	double number;
};
struct Chooser {
	int which;
	Either what;
	Chooser *next;
};
struct Pair {
	std::shared_ptr<Point> a;
	Tree *b;
};
}
namespace {
struct Hidden : shop::Shape {
	long secret[7];
};
}

struct World {
	shop::Item *items;
	shop::Tree *tree;
	shop::Shape *shapes[64];
	shop::Named *named;
	shop::Point *points;
	shop::Tree **forest;
	shop::Session *session;
	shop::Pair *pair;
	std::vector<shop::Point> cloud;
	std::vector<shop::Session *> sessions;
	std::vector<std::unique_ptr<shop::Order>> orders;
	std::map<int, shop::Order> by_number;
	std::set<long> numbers;
	std::list<shop::Point> path;
	std::forward_list<int> marks;
	std::unordered_map<std::string, shop::Item *> by_name;
	std::unordered_map<int, double> rates;
	std::deque<shop::Point> line;
	std::shared_ptr<shop::Circle> shared;
	std::vector<std::string> words;
	shop::Order *counted; // new[] keeps their number in front
	std::unique_ptr<shop::Session[]> owned;
	std::vector<shop::Circle> circles;
	std::vector<std::vector<long>> table;
	std::vector<shop::Item *> roomy;
	shop::Plain *plain[6];
	shop::Chooser *choosers;
	std::function<int(int)> work;
	std::multimap<std::string, std::shared_ptr<shop::Point>> multi;
};

static void fill_plain(World *w)
{
	using namespace shop;

	for (int i = 0; i < 300; i++) {
		Item *item = NEW(shop::Item, ());

		item->next = w->items;
		item->price = i;
		w->items = item;
	}
	for (int i = 0; i < 200; i++) {
		Tree *t = NEW(shop::Tree, ()), **at = &w->tree;

		t->key = i * 7919 % 1000;
		t->item = w->items;
		while (*at)
			at = t->key < (*at)->key ? &(*at)->left : &(*at)->right;
		*at = t;
	}
	w->points = new Point[50]();
	record(w->points, "a", "shop::Point");
	w->forest = new Tree *[30]();
	record(w->forest, "a", "shop::Tree*");
	for (int i = 0; i < 30; i++)
		w->forest[i] = NEW(shop::Tree, ());
	w->session = NEW(shop::Session, ());
	w->session->order.reset(NEW(shop::Order, ()));
	w->session->order->customer.assign(100, 'c');
	record(w->session->order->customer.data(), "s", "char");
	w->pair = NEW(shop::Pair, ());
	w->pair->a.reset(NEW(shop::Point, ()));
	w->pair->b = NEW(shop::Tree, ());
}

static void fill_shapes(World *w)
{
	using namespace shop;
	int n = 0;

	for (int i = 0; i < 20; i++) {
		Circle *c = NEWV(shop::Circle, ());

		c->center = NEW(shop::Point, ());
		w->shapes[n++] = c;
	}
	for (int i = 0; i < 15; i++) {
		Square *s = NEWV(shop::Square, ());

		s->items = NEW(shop::Item, ());
		w->shapes[n++] = s;
	}
	for (int i = 0; i < 10; i++) {
		auto *b = new Box<Point, 5>;

		record(b, "v", "shop::Box<shop::Point, 5>");
		b->tree = NEW(shop::Tree, ());
		w->shapes[n++] = b;
	}
	for (int i = 0; i < 5; i++) {
		Hidden *h = new Hidden;

		record(h, "v", "(anonymous namespace)::Hidden");
		w->shapes[n++] = h;
	}
	w->shapes[n++] = NEWV(shop::Shape, ());
	w->named = NEWV(shop::Square, ());
}

static void node(const void *value, long head, const char *type)
{
	record((const char *)value - head, "c", type);
}

static void fill_containers(World *w)
{
	using namespace shop;

	for (int i = 0; i < 40; i++)
		w->cloud.push_back(Point());
	record(w->cloud.data(), "e", "shop::Point");
	for (int i = 0; i < 25; i++) {
		Session *s = NEW(shop::Session, ());

		s->first = NEW(shop::Item, ());
		w->sessions.push_back(s);
		w->orders.emplace_back(NEW(shop::Order, ()));
		w->orders.back()->amounts.assign(20, i);
		record(w->orders.back()->amounts.data(), "e", "int");
	}
	record(w->sessions.data(), "e", "shop::Session*");
	record(w->orders.data(), "e",
	       "std::unique_ptr<shop::Order, std::default_delete<shop::Order> >");
	for (int i = 0; i < 100; i++) {
		auto at = w->by_number.emplace(i, Order()).first;

		at->second.amounts.assign(10, i);
		node(&*at, 32, "std::_Rb_tree_node<std::pair<const int, shop::Order> >");
		record(at->second.amounts.data(), "e", "int");
	}
	for (long i = 0; i < 50; i++)
		node(&*w->numbers.insert(i).first, 32, "std::_Rb_tree_node<long>");
	for (int i = 0; i < 60; i++) {
		w->path.push_back(Point());
		node(&w->path.back(), 16, "std::_List_node<shop::Point>");
	}
	for (int i = 0; i < 30; i++) {
		w->marks.push_front(i);
		node(&w->marks.front(), 8, "std::_Fwd_list_node<int>");
	}
	for (int i = 0; i < 80; i++) {
		char name[64];

		snprintf(name, sizeof(name), "a name that is long enough not to fit inside %d", i);
		auto at = w->by_name.emplace(name, NEW(shop::Item, ())).first;

		node(&*at, 8, "std::__detail::_Hash_node<std::pair<const std::basic_string<char>, "
			      "shop::Item*>, true>");
		record(at->first.data(), "s", "char");
	}
	for (int i = 0; i < 45; i++)
		node(&*w->rates.emplace(i, 0.5).first, 8,
		     "std::__detail::_Hash_node<std::pair<const int, double>, false>");
	for (int i = 0; i < 100; i++)
		w->line.push_back(Point());
	w->shared = std::make_shared<Circle>();
	w->shared->center = NEW(shop::Point, ());
	for (int i = 0; i < 12; i++) {
		w->words.push_back(std::string(60, 'w'));
		record(w->words.back().data(), "s", "char");
	}
}

static void fill_more(World *w)
{
	using namespace shop;

	record(w->words.data(), "e", "std::basic_string<char>");
	for (size_t i = 0; i < w->line.size(); i += 21)
		record(&w->line[i], "q", "shop::Point"); // 512 bytes of them each
	w->counted = new Order[7];
	record((long *)w->counted - 1, "a", "shop::Order");
	for (int i = 0; i < 7; i++) {
		w->counted[i].amounts.assign(5 + i, i);
		record(w->counted[i].amounts.data(), "e", "int");
	}
	w->owned.reset(new Session[5]());
	record((long *)w->owned.get() - 1, "a", "shop::Session");
	w->owned[3].first = NEW(shop::Item, ());
	w->circles.resize(9);
	record(w->circles.data(), "e", "shop::Circle");
	w->circles[4].center = NEW(shop::Point, ());
	w->table.resize(12);
	record(w->table.data(), "e", "std::vector<long, std::allocator<long> >");
	for (auto &row : w->table) {
		row.assign(30, 1);
		record(row.data(), "e", "long");
	}
	for (int i = 0; i < 60; i++) // pointers to what is gone stay behind the end
		w->roomy.push_back(new Item());
	for (int i = 59; i >= 3; i--) {
		delete w->roomy.back();
		w->roomy.pop_back();
	}
	for (auto item : w->roomy)
		record(item, "-", "shop::Item");
	record(w->roomy.data(), "e", "shop::Item*");
	for (int i = 0; i < 6; i++) {
		w->plain[i] = i % 3 == 0 ? made(new Plain(), "d", "shop::Plain") :
			      i % 3 == 1 ? (Plain *)made(new Wider(), "d", "shop::Wider") :
					   made(new Longest(), "d", "shop::Longest");
		w->plain[i]->item = NEW(shop::Item, ());
	}
	for (int i = 0; i < 30; i++) {
		Chooser *c = NEW(shop::Chooser, ());

		c->which = i % 3;
		if (i % 3 == 0)
			c->what.item = NEW(shop::Item, ());
		else if (i % 3 == 1)
			c->what.tree = NEW(shop::Tree, ());
		else
			c->what.number = i / 7.0;
		c->next = w->choosers;
		w->choosers = c;
	}
	for (int i = 0; i < 10; i++) {
		auto at = w->multi.emplace("key", std::make_shared<Point>());

		node(&*at, 32, "std::_Rb_tree_node<std::pair<const std::basic_string<char>, "
			       "std::shared_ptr<shop::Point> > >");
	}
	long big[4] = { 1, 2, 3, 4 };
	w->work = [big](int i) { return (int)big[i & 3]; };
}

World *volatile global_world;
thread_local World *volatile tls_world;
volatile int after;
bool waits;

__attribute__((noinline)) static void finish(World *w, const char *roots)
{
	if (!strcmp(roots, "globals"))
		global_world = w;
	else if (!strcmp(roots, "tls"))
		tls_world = w;
	puts("ready");
	fflush(stdout);
	if (waits)
		pause();
	if (!strcmp(roots, "stack"))
		raise(SIGABRT);
	w = nullptr;
	abort();
}

__attribute__((noinline)) static void play(const char *roots)
{
	World world = {};

	fill_plain(&world);
	fill_shapes(&world);
	fill_containers(&world);
	fill_more(&world);
	finish(&world, roots);
	after = world.items->price;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	const char *roots = argc > 1 ? argv[1] : "globals";

	waits = argc > 2;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (!strcmp(roots, "stack")) {
		play(roots);
		return 0;
	}
	World *world = new World();

	record(world, "-", "World");
	fill_plain(world);
	fill_shapes(world);
	fill_containers(world);
	fill_more(world);
	finish(world, roots);
}
