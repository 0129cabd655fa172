#include "base/pulse.h"

#include <time.h>

enum { EVERY_NS = 20000000 };

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
	unsigned now = permille(p);

	p->told = now > p->told ? now : p->told;
	if (!p->stopped && p->beat && !p->beat(p->ctx, p->step ? p->step : "", p->told))
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
	pulse->from = pulse->told = from;
	pulse->to = to;
	pulse->done = pulse->total = pulse->rounds = 0;
	return beat(pulse) ? cs_pulse_fail(err) : CS_OK;
}

bool cs_pulse_look(struct cs_pulse *pulse)
{
	if (!pulse)
		return false;
	pulse->rounds = 0;
	if (pulse->stopped || !pulse->beat ||
	    now_ns() - pulse->last_ns < (pulse->every_ns ? pulse->every_ns : EVERY_NS))
		return pulse->stopped;
	return beat(pulse);
}

cs_status cs_pulse_fail(struct cs_error *err)
{
	return cs_fail(err, CS_STOPPED, 0, "interrupted");
}

cs_status cs_pulse_result(const struct cs_pulse *pulse, cs_status st, struct cs_error *err)
{
	return pulse && pulse->stopped ? cs_pulse_fail(err) : st;
}
