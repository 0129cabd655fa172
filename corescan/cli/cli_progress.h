/* cli_progress.h - one line on the terminal while a step takes long. */
#ifndef CS_CLI_PROGRESS_H
#define CS_CLI_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

struct cs_progress {
	bool is_shown;	 /* stderr is a terminal and nobody said --quiet */
	bool is_verbose; /* every step and its time, terminal or not */
	bool is_drawn;	 /* a line stands on the terminal */
	char step[64];
	uint64_t started_ns, drawn_ns;
};

/* For cs_scan_options.progress; ctx is a struct cs_progress. Always true: a
 * signal ends the program, and the kernel lets a traced process go on. */
bool cs_progress_step(void *ctx, const char *step, unsigned permille);

/* The last step is over: take the line away. */
void cs_progress_end(struct cs_progress *progress);
#endif
