/* cli_progress.h - one line on the terminal while a step takes long.
 *
 * A thread of its own draws it, so that it also moves while the scan is deep
 * in one step and calls nobody.
 */
#ifndef CS_CLI_PROGRESS_H
#define CS_CLI_PROGRESS_H
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct cs_progress {
	bool is_verbose; /* every step and its time, terminal or not */
	/* the rest is cli_progress.c's own, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t over;
	pthread_t thread;
	bool has_thread, is_over, is_drawn;
	char step[64];
	unsigned permille;
	uint64_t started_ns;
};

/* Draw only with is_shown: stderr is a terminal and nobody said --quiet. */
void cs_progress_begin(struct cs_progress *progress, bool is_shown, bool is_verbose);

/* For cs_scan_options.progress; ctx is a struct cs_progress. Always true: a
 * signal ends the program, and the kernel lets a traced process go on. */
bool cs_progress_step(void *ctx, const char *step, unsigned permille);

/* The last step is over: take the line away. */
void cs_progress_end(struct cs_progress *progress);
#endif
