/* cxxworker.cc - a C++ process of a given size: orders in a map, with names, lines, tags and
 * shapes behind a base class; about six million blocks in a GiB.
 *
 * usage: cxxworker BYTES abort|wait
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
#include <unistd.h>

namespace shop {

struct Shape {
	virtual ~Shape() {}
	double x = 1, y = 2;
	char notes[250] = {0};
};

struct Circle : Shape {
	double radius = 3;
	Shape *around = nullptr;
};

struct Square : Shape {
	char corners[64] = {0};
};

struct Line {
	Line *next;
	const char *text;
	char article[420];
};

struct Order {
	uint64_t number;
	std::string name;
	std::vector<Shape *> shapes;
	std::list<std::string> tags;
	std::unordered_map<uint32_t, double> prices;
	std::shared_ptr<Circle> mark;
	Line *lines = nullptr;
	char address[500];
};

} /* namespace shop */

std::map<uint64_t, std::unique_ptr<shop::Order>> orders;

static uint64_t add_order(uint64_t number)
{
	auto *o = new shop::Order;
	uint64_t bytes = sizeof(*o) + 16 + 64;

	o->number = number;
	o->name = "an order that nobody has paid for, number " + std::to_string(number);
	for (int i = 0; i < 4; i++) {
		if (i % 2)
			o->shapes.push_back(new shop::Square);
		else
			o->shapes.push_back(new shop::Circle);
		o->tags.push_back("a tag that is too long to be kept inside a string " + std::to_string(i));
		o->prices[(uint32_t)i] = i;
		o->lines = new shop::Line{o->lines, strdup("a line of an order"), {0}};
	}
	o->mark = std::make_shared<shop::Circle>();
	bytes += 4 * (320 + 110 + 30 + 440 + 32) + 310 + 230;
	orders[number].reset(o);
	return bytes;
}

int main(int argc, char **argv)
{
	uint64_t target = argc > 1 ? strtoull(argv[1], NULL, 10) : 1 << 20, used = 0;

	for (uint64_t number = 0; used < target; number++)
		used += add_order(number);
	puts("ready");
	fflush(stdout);
	if (argc > 2 && !strcmp(argv[2], "wait"))
		pause();
	abort();
}
