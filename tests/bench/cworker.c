/* cworker.c - a C process of a given size: malloc blocks of many sizes, a tenth freed again.
 *
 * usage: cworker BYTES abort|wait
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
	struct node *next;
};

int main(int argc, char **argv)
{
	uint64_t target = argc > 1 ? strtoull(argv[1], NULL, 10) : 1 << 20, used = 0;
	uint32_t random = 1;
	struct node *all = NULL;

	while (used < target) {
		random = random * 1664525 + 1013904223;

		/* mostly small, some of a few KiB */
		size_t size = 16 + (random >> 8) % ((random >> 24) < 8 ? 4000 : 200);
		struct node *n = malloc(size);

		if (!n)
			return 1;
		memset(n, (int)(random >> 16), size);
		if (random >> 28 == 0) {
			free(n);
			continue;
		}
		used += size + 16;
		n->next = all;
		all = n;
		if ((random >> 28) == 1 && all->next) { /* holes among the live ones */
			struct node *hole = all->next;

			all->next = hole->next;
			free(hole);
		}
	}
	puts("ready");
	fflush(stdout);
	if (argc > 2 && !strcmp(argv[2], "wait"))
		pause();
	abort();
}
