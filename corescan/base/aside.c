#include "base/aside.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { ROUND_NS = 10000000, SECOND_NS = 1000000000 };

struct job {
	struct cs_aside aside;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool is_done, is_left; /* left: nobody waits for it any more */
};

static struct job *job_create(const struct cs_aside *aside)
{
	struct job *job = calloc(1, sizeof(*job));
	pthread_condattr_t attr;

	if (!job)
		return NULL;
	job->aside = *aside;
	pthread_mutex_init(&job->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&job->news, &attr);
	pthread_condattr_destroy(&attr);
	return job;
}

static void job_destroy(struct job *job)
{
	pthread_cond_destroy(&job->news);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

static void *run(void *ctx)
{
	struct job *job = ctx;
	bool is_left;

	job->aside.work(job->aside.ctx);
	pthread_mutex_lock(&job->lock);
	job->is_done = true;
	is_left = job->is_left;
	pthread_cond_signal(&job->news);
	pthread_mutex_unlock(&job->lock);
	if (!is_left)
		return NULL;
	job->aside.drop(job->aside.ctx);
	job_destroy(job);
	return NULL;
}

/* Signals are for the thread that called us; those of faults find whoever made them. */
static bool start(struct job *job, pthread_t *thread)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	if (pthread_sigmask(SIG_SETMASK, &all, &before))
		return false;
	failed = pthread_create(thread, NULL, run, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !failed;
}

/* Under the lock. */
static void wait_a_round(struct job *job)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ROUND_NS;
	if (until.tv_nsec >= SECOND_NS) {
		until.tv_nsec -= SECOND_NS;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&job->news, &job->lock, &until);
}

/* True: it is done. */
static bool wait_for(struct job *job, struct cs_pulse *pulse)
{
	bool is_done;

	pthread_mutex_lock(&job->lock);
	while (!job->is_done) {
		bool stops;

		wait_a_round(job);
		if (job->is_done)
			break;
		pthread_mutex_unlock(&job->lock); /* the owner of the pulse may take its time */
		stops = cs_pulse_look(pulse);
		pthread_mutex_lock(&job->lock);
		if (stops)
			break;
	}
	is_done = job->is_done;
	job->is_left = !is_done;
	if (!is_done && job->aside.leave)
		job->aside.leave(job->aside.ctx);
	pthread_mutex_unlock(&job->lock);
	return is_done;
}

bool cs_aside(const struct cs_aside *aside, struct cs_pulse *pulse)
{
	struct job *job = pulse ? job_create(aside) : NULL;
	pthread_t thread;

	if (!job || !start(job, &thread)) {
		if (job)
			job_destroy(job);
		aside->work(aside->ctx);
		return true;
	}
	if (!wait_for(job, pulse)) {
		pthread_detach(thread);
		return false;
	}
	pthread_join(thread, NULL);
	job_destroy(job);
	return true;
}
