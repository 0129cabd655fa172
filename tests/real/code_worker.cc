// As code_worker.c, with new and containers: those lines that say new are recorded.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct Record { void *addr; unsigned line; char kind; size_t size; };
static std::vector<Record> *records;

#define KEEP(kind, size, expression) keep(kind, __LINE__, size, expression)
template <typename T> static T *keep(char kind, unsigned line, size_t size, T *p)
{
	records->push_back({ (void *)p, line, kind, size });
	return p;
}

struct Point { double x, y; Point() : x(1), y(2) {} };
struct Shape { virtual ~Shape() {} int id = 0; };
struct Circle : Shape { double radius[12]; Circle() { radius[0] = 1; } };
struct Square : Shape { double side[27]; };
struct Node { Node *next; char text[440]; Node(Node *n) : next(n) { text[0] = 0; } };
struct Wide { char bytes[1304]; };

static std::vector<Shape *> shapes;
static std::map<int, std::string> names;
static std::vector<std::string> lines;
static Node *list;
static volatile unsigned one = 1;

__attribute__((noinline)) static void fill(int n)
{
	for (int i = 0; i < n; i++) {
		shapes.push_back(KEEP('k', sizeof(Circle), new Circle));
		shapes.push_back(KEEP('k', sizeof(Square), new Square));
		list = KEEP('k', sizeof(Node), new Node(list));
		names[i] = std::string(size_t(i % 90), 'n');
		lines.push_back(std::string(size_t(i * 7 % 400), 'l'));
		KEEP('d', 16 * (i % 50 + 1), new Point[size_t(i % 50 + 1)]);
	}
	KEEP('k', sizeof(Wide), new Wide);
	KEEP('k', 80 * sizeof(Point), new Point[80]);
}

int main(int argc, char **argv)
{
	records = new std::vector<Record>;
	fill(argc > 1 ? atoi(argv[1]) : 200);
	for (const Record &r : *records)
		printf("%lx %u %c %zu\n", (unsigned long)r.addr, r.line, r.kind, r.size);
	printf("ready\n");
	fflush(stdout);
	abort();
}
