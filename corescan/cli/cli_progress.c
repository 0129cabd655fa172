#include "cli/cli_progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000000000, PATIENCE = SECOND / 2, REDRAW = SECOND / 10 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void clear(struct cs_progress *p)
{
	if (p->is_drawn)
		fputs("\r\033[K", stderr);
	p->is_drawn = false;
}

void cs_progress_end(struct cs_progress *p)
{
	clear(p);
	if (p->is_verbose && *p->step)
		fprintf(stderr, "corescan: %s: %.3f s\n", p->step,
			(double)(now_ns() - p->started_ns) / SECOND);
	*p->step = 0;
}

bool cs_progress_step(void *ctx, const char *step, unsigned permille)
{
	struct cs_progress *p = ctx;
	uint64_t now = now_ns();

	if (strncmp(step, p->step, sizeof(p->step) - 1)) {
		cs_progress_end(p);
		snprintf(p->step, sizeof(p->step), "%s", step);
		p->started_ns = now;
	}
	if (!p->is_shown || now - p->started_ns < PATIENCE || now - p->drawn_ns < REDRAW)
		return true;
	fprintf(stderr, "\r\033[Kcorescan: %s ... %u %%", p->step, permille / 10);
	fflush(stderr);
	p->is_drawn = true;
	p->drawn_ns = now;
	return true;
}
