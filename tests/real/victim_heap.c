/* victim_heap - a small process with every kind of malloc chunk, to be spoiled by
 * test_hostile.py: two threads with arenas of their own, blocks in use, in tcache,
 * fastbins and bins, two mappings. Says "ready" and waits for the end of its input. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 1500 };

static void *keep[3][BLOCKS];
static pthread_barrier_t barrier;

static void work(void **mine)
{
	for (int i = 0; i < BLOCKS; i++) {
		mine[i] = malloc((size_t)(8 + i * 37 % 1300));
		memset(mine[i], i, 8);
	}
	for (int i = 0; i < BLOCKS; i += 3) {
		free(mine[i]);
		mine[i] = NULL;
	}
	/* blocks that point at blocks, as a program's do */
	for (int i = 4; i + 3 < BLOCKS; i += 3)
		*(void **)mine[i] = mine[i + 3];
}

static void *thread(void *mine)
{
	work(mine);
	pthread_barrier_wait(&barrier);
	pause();
	return NULL;
}

int main(void)
{
	char byte;
	pthread_attr_t small;
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, 3);
	work(keep[0]);
	keep[0][0] = malloc(300000);
	keep[0][3] = malloc(200000);
	memset(keep[0][0], 1, 300000);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 16);
	for (int i = 1; i < 3; i++)
		pthread_create(&t, &small, thread, keep[i]);
	pthread_barrier_wait(&barrier);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
