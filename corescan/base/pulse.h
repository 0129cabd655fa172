/* pulse.h - long work says how far it is, and hears that somebody wants it to end.
 *
 * Loops over the target ask cs_pulse_stops() once a round, cs_pulse_spent() when
 * one asks for many. That is a counter; every 64th round the clock is looked at,
 * and the owner called at most every 20 ms. A round is a microsecond or less;
 * work that takes longer asks cs_pulse_look(), so that nobody waits longer than
 * a twentieth of a second.
 *
 * A loop that is told to stop just ends; what it leaves is unfinished and of no
 * use to anybody. The functions above it return CS_STOPPED (cs_pulse_result).
 *
 * Invariants
 *  - Once stopped, stopped for good: every later question is answered yes.
 *  - A NULL pulse never stops.
 *  - Within a step the owner never hears of less than before.
 */
#ifndef CS_PULSE_H
#define CS_PULSE_H
#include "base/error.h"

enum { CS_PULSE_ROUNDS = 64 };

struct cs_pulse {
	/* The owner's; may be NULL. permille: of the whole work. False: stop. */
	bool (*beat)(void *ctx, const char *step, unsigned permille);
	void *ctx;
	uint64_t every_ns;  /* between two beats at least; 0: 20 ms */
	const char *step;   /* what is being done */
	unsigned from, to;  /* permille of the whole work at the step's begin and end */
	uint64_t done, total; /* in the step, any unit; set by whoever knows. total 0: unknown */
	unsigned told;	    /* permille of the last beat */
	uint64_t last_ns;
	uint64_t rounds;    /* since the clock was looked at */
	bool stopped;
};

/* Begin a step; the owner is called. CS_STOPPED: the work shall end. */
cs_status cs_pulse_step(struct cs_pulse *pulse, const char *step, unsigned from, unsigned to,
			struct cs_error *err);

/* Look at the clock now, and call the owner when it is time. True: stop. */
bool cs_pulse_look(struct cs_pulse *pulse);

/* CS_STOPPED with its text, for a function that has to give up. */
cs_status cs_pulse_fail(struct cs_error *err);

/* What work that came to `st` returns: CS_STOPPED when it was told to end, for
 * then st says nothing; else st. */
cs_status cs_pulse_result(const struct cs_pulse *pulse, cs_status st, struct cs_error *err);

/* So many rounds are done. True: stop. */
static inline bool cs_pulse_spent(struct cs_pulse *pulse, uint64_t rounds)
{
	if (!pulse)
		return false;
	pulse->rounds += rounds;
	return pulse->rounds < CS_PULSE_ROUNDS ? pulse->stopped : cs_pulse_look(pulse);
}

static inline bool cs_pulse_stops(struct cs_pulse *pulse)
{
	return cs_pulse_spent(pulse, 1);
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
