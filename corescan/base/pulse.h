/* pulse.h - long work says how far it is, and hears that somebody wants it to end.
 *
 * Loops over the target ask cs_pulse_stops() once a round. That is a counter;
 * the clock is looked at every 256th time and the owner called at most every
 * 20 ms. Work that takes longer than a microsecond a round asks
 * cs_pulse_look() instead, so that nobody waits longer than a tenth of a second.
 *
 * Invariants
 *  - Once stopped, stopped for good: every later question is answered yes.
 *  - A NULL pulse never stops.
 */
#ifndef CS_PULSE_H
#define CS_PULSE_H
#include "base/error.h"

struct cs_pulse {
	/* The owner's; may be NULL. permille: of the whole work. False: stop. */
	bool (*beat)(void *ctx, const char *step, unsigned permille);
	void *ctx;
	const char *step;   /* what is being done */
	unsigned from, to;  /* permille of the whole work at the step's begin and end */
	uint64_t done, total; /* in the step, any unit; set by whoever knows. total 0: unknown */
	uint64_t last_ns;
	uint32_t ticks;
	bool stopped;
};

/* Begin a step; the owner is called. CS_STOPPED: the work shall end. */
cs_status cs_pulse_step(struct cs_pulse *pulse, const char *step, unsigned from, unsigned to,
			struct cs_error *err);

/* Look at the clock now, and call the owner when it is time. True: stop. */
bool cs_pulse_look(struct cs_pulse *pulse);

/* CS_STOPPED with its text, for a function that has to give up. */
cs_status cs_pulse_fail(struct cs_error *err);

static inline bool cs_pulse_stops(struct cs_pulse *pulse)
{
	if (!pulse)
		return false;
	return ++pulse->ticks % 256 ? pulse->stopped : cs_pulse_look(pulse);
}

/* How far a step is, for a loop that knows. */
static inline void cs_pulse_at(struct cs_pulse *pulse, uint64_t done, uint64_t total)
{
	if (!pulse)
		return;
	pulse->done = done;
	pulse->total = total;
}
#endif
