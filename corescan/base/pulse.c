#include "base/pulse.h"

#include <time.h>

enum { BEAT_NS = 20000000 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static unsigned permille(const struct cs_pulse *p)
{
	uint64_t done = p->done < p->total ? p->done : p->total;

	/* shifted so that no product overflows */
	if (!(p->total >> 10))
		return p->total ? p->from + (unsigned)(done * (p->to - p->from) / p->total) : p->from;
	return p->from + (unsigned)((done >> 10) * (p->to - p->from) / (p->total >> 10));
}

static bool beat(struct cs_pulse *p)
{
	if (!p->stopped && p->beat && !p->beat(p->ctx, p->step ? p->step : "", permille(p)))
		p->stopped = true;
	p->last_ns = now_ns();
	return p->stopped;
}

cs_status cs_pulse_step(struct cs_pulse *pulse, const char *step, unsigned from, unsigned to,
			struct cs_error *err)
{
	if (!pulse)
		return CS_OK;
	pulse->step = step;
	pulse->from = from;
	pulse->to = to;
	pulse->done = pulse->total = 0;
	return beat(pulse) ? cs_pulse_fail(err) : CS_OK;
}

bool cs_pulse_look(struct cs_pulse *pulse)
{
	if (!pulse)
		return false;
	if (pulse->stopped || !pulse->beat || now_ns() - pulse->last_ns < BEAT_NS)
		return pulse->stopped;
	return beat(pulse);
}

cs_status cs_pulse_fail(struct cs_error *err)
{
	return cs_fail(err, CS_STOPPED, 0, "interrupted");
}
