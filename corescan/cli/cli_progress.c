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

/* Under the lock, like all below. */
static void draw(struct cs_progress *p)
{
	uint64_t spent = *p->step ? now_ns() - p->started_ns : 0;

	if (spent < PATIENCE)
		return;
	fprintf(stderr, "\r\033[Kcorescan: %s (%u %%), %.0f s", p->step, p->permille / 10,
		(double)spent / SECOND);
	fflush(stderr);
	p->is_drawn = true;
}

static void end_step(struct cs_progress *p)
{
	if (p->is_drawn)
		fputs("\r\033[K", stderr);
	p->is_drawn = false;
	if (p->is_verbose && *p->step)
		fprintf(stderr, "corescan: %s: %.3f s\n", p->step,
			(double)(now_ns() - p->started_ns) / SECOND);
	*p->step = 0;
}

static void *draw_now_and_then(void *ctx)
{
	struct cs_progress *p = ctx;

	pthread_mutex_lock(&p->lock);
	while (!p->is_over) {
		uint64_t next = now_ns() + REDRAW;
		struct timespec until = { (time_t)(next / SECOND), (long)(next % SECOND) };

		pthread_cond_timedwait(&p->over, &p->lock, &until);
		if (!p->is_over)
			draw(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void cs_progress_begin(struct cs_progress *p, bool is_shown, bool is_verbose)
{
	pthread_condattr_t attr;

	*p = (struct cs_progress){ .is_verbose = is_verbose };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->over, &attr);
	pthread_condattr_destroy(&attr);
	/* without a thread there is no line, and nothing else is lost */
	p->has_thread = is_shown && !pthread_create(&p->thread, NULL, draw_now_and_then, p);
}

void cs_progress_end(struct cs_progress *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_over = true;
	end_step(p);
	pthread_cond_signal(&p->over);
	pthread_mutex_unlock(&p->lock);
	if (p->has_thread)
		pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->over);
	pthread_mutex_destroy(&p->lock);
}

bool cs_progress_step(void *ctx, const char *step, unsigned permille)
{
	struct cs_progress *p = ctx;

	pthread_mutex_lock(&p->lock);
	if (strncmp(step, p->step, sizeof(p->step) - 1)) {
		end_step(p);
		snprintf(p->step, sizeof(p->step), "%s", step);
		p->started_ns = now_ns();
	}
	p->permille = permille;
	pthread_mutex_unlock(&p->lock);
	return true;
}
