#include "base/pulse.h"
#include "cs_test.h"

#include <string.h>
#include <time.h>

/* What an owner hears. */
struct ear {
	unsigned beats, stop_at; /* stop_at 0: never */
	unsigned last, backwards;
	const char *step;
	uint64_t last_ns, shortest_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool hear(void *ctx, const char *step, unsigned permille)
{
	struct ear *ear = ctx;
	uint64_t now = now_ns();

	if (ear->last_ns && (!ear->shortest_ns || now - ear->last_ns < ear->shortest_ns))
		ear->shortest_ns = now - ear->last_ns;
	ear->last_ns = now;
	if (ear->step == step && permille < ear->last)
		ear->backwards++;
	ear->step = step;
	ear->last = permille;
	return ++ear->beats != ear->stop_at;
}

static struct cs_pulse listen(struct ear *ear, uint64_t every_ns)
{
	return (struct cs_pulse){ .beat = hear, .ctx = ear, .every_ns = every_ns };
}

TEST(nobody_never_stops)
{
	struct cs_pulse quiet = { 0 };

	assert_int_equal(cs_pulse_step(NULL, "step", 0, 1000, NULL), CS_OK);
	cs_pulse_at(NULL, 1, 2);
	assert_int_equal(cs_pulse_step(&quiet, "step", 0, 1000, NULL), CS_OK);
	for (int i = 0; i < 1000; i++) {
		assert_false(cs_pulse_stops(NULL) || cs_pulse_spent(NULL, UINT64_MAX) ||
			     cs_pulse_look(NULL));
		assert_false(cs_pulse_stops(&quiet) || cs_pulse_spent(&quiet, 1000) ||
			     cs_pulse_look(&quiet));
	}
	assert_int_equal(cs_pulse_result(NULL, CS_NOMEM, NULL), CS_NOMEM);
	assert_int_equal(cs_pulse_result(&quiet, CS_OK, NULL), CS_OK);
}

TEST(once_stopped_is_stopped_for_good)
{
	struct ear ear = { .stop_at = 2 };
	struct cs_pulse p = listen(&ear, 1);
	struct cs_error err = { 0 };

	assert_int_equal(cs_pulse_step(&p, "one", 0, 500, &err), CS_OK);
	assert_true(cs_pulse_look(&p));
	assert_true(cs_pulse_stops(&p) && cs_pulse_spent(&p, 100) && cs_pulse_look(&p));
	assert_int_equal(cs_pulse_step(&p, "two", 500, 1000, &err), CS_STOPPED);
	assert_int_equal(err.status, CS_STOPPED);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(ear.beats, 2); /* who said stop is left alone */
}

TEST(a_stop_outweighs_every_other_result)
{
	static const cs_status rows[] = { CS_OK, CS_NOTFOUND, CS_NOMEM, CS_CORRUPT, CS_STOPPED };
	struct ear ear = { .stop_at = 1 };
	struct cs_pulse p = listen(&ear, 0);

	assert_int_equal(cs_pulse_step(&p, "one", 0, 500, NULL), CS_STOPPED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cs_error err = { .text = "something else" };

		assert_int_equal(cs_pulse_result(&p, rows[i], &err), CS_STOPPED);
		assert_string_equal(err.text, "interrupted");
	}
}

TEST(the_clock_is_looked_at_every_64th_round)
{
	struct ear ear = { 0 };
	struct cs_pulse p = listen(&ear, 1);

	for (int i = 0; i < 10 * CS_PULSE_ROUNDS; i++)
		assert_false(cs_pulse_stops(&p));
	assert_int_equal(ear.beats, 10);
	assert_false(cs_pulse_spent(&p, CS_PULSE_ROUNDS - 1));
	assert_int_equal(ear.beats, 10);
	assert_false(cs_pulse_spent(&p, 1));
	assert_int_equal(ear.beats, 11);
	assert_false(cs_pulse_spent(&p, UINT64_MAX));
	assert_int_equal(ear.beats, 12);
}

TEST(the_owner_is_called_every_20_ms_at_most)
{
	enum { LONG_NS = 130000000, LEAST_NS = 20000000 };
	struct ear ear = { 0 };
	struct cs_pulse p = listen(&ear, 0);
	uint64_t start = now_ns();

	assert_int_equal(cs_pulse_step(&p, "step", 0, 1000, NULL), CS_OK);
	while (now_ns() - start < LONG_NS)
		assert_false(cs_pulse_look(&p));
	/* how many at least depends on who else wants the processor */
	assert_in_range(ear.beats, 2, 1 + LONG_NS / LEAST_NS);
	assert_true(ear.shortest_ns >= LEAST_NS);
}

TEST(permille_is_the_steps_part_of_the_whole_at_any_size)
{
	static const struct {
		uint64_t done, total;
		unsigned permille;
	} rows[] = {
		{ 0, 0, 200 },		{ 7, 0, 200 },		 { 0, 10, 200 },
		{ 5, 10, 400 },		{ 10, 10, 600 },	 { 11, 10, 600 },
		{ 1023, 1023, 600 },	{ 512, 1024, 200 },	 { 1024, 1024, 600 },
		{ 1 << 20, 1 << 21, 400 }, { UINT64_MAX, 1, 600 }, { UINT64_MAX, UINT64_MAX, 600 },
		{ UINT64_MAX / 2, UINT64_MAX, 399 }, { 1, UINT64_MAX, 200 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ear ear = { 0 };
		struct cs_pulse p = listen(&ear, 1);

		assert_int_equal(cs_pulse_step(&p, "step", 200, 600, NULL), CS_OK);
		assert_int_equal(ear.last, 200);
		cs_pulse_at(&p, rows[i].done, rows[i].total);
		assert_false(cs_pulse_look(&p));
		assert_int_equal(ear.beats, 2);
		assert_int_equal(ear.last, rows[i].permille);
	}
}

TEST(within_a_step_it_never_goes_back)
{
	static const struct {
		uint64_t done, total;
	} rows[] = { { 900, 1000 }, { 1, 1000 }, { 0, 0 }, { 500, 1000 }, { 950, 1000 }, { 3, 4 } };
	struct ear ear = { 0 };
	struct cs_pulse p = listen(&ear, 1);

	assert_int_equal(cs_pulse_step(&p, "one", 100, 200, NULL), CS_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cs_pulse_at(&p, rows[i].done, rows[i].total);
		assert_false(cs_pulse_look(&p));
	}
	assert_int_equal(ear.backwards, 0);
	assert_int_equal(ear.last, 195);
	assert_int_equal(cs_pulse_step(&p, "two", 200, 300, NULL), CS_OK);
	assert_int_equal(ear.last, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_never_stops),
		cmocka_unit_test(once_stopped_is_stopped_for_good),
		cmocka_unit_test(a_stop_outweighs_every_other_result),
		cmocka_unit_test(the_clock_is_looked_at_every_64th_round),
		cmocka_unit_test(the_owner_is_called_every_20_ms_at_most),
		cmocka_unit_test(permille_is_the_steps_part_of_the_whole_at_any_size),
		cmocka_unit_test(within_a_step_it_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
