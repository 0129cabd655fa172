/* deep_worker N - a linked list of N blocks that nobody holds, and one of N that a variable
 * does; made in this order, so that what the first left in registers is gone. Says ready and waits. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct link {
	struct link *next;
	long number;
};

static __attribute__((noinline)) struct link *make(long count)
{
	struct link *top = NULL;

	for (long i = 0; i < count; i++) {
		struct link *l = malloc(sizeof(*l));

		l->next = top;
		l->number = i;
		top = l;
	}
	return top;
}

static struct link *volatile kept; /* volatile: nobody else reads it */

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000;

	kept = make(count);
	kept = make(count);
	printf("ready\n");
	fflush(stdout);
	pause();
	return kept == NULL;
}
