#include "base/aside.h"

#include "cs_test.h"

#include <stdlib.h>
#include <time.h>

struct work {
	int value;
	_Atomic int *dropped;
	long ms; /* at most */
	_Atomic bool is_left;
};

static void pause_for(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void do_work(void *ctx)
{
	struct work *w = ctx;

	for (long ms = 0; ms < w->ms && !w->is_left; ms += 10)
		pause_for(10);
	w->value++;
}

static void drop_work(void *ctx)
{
	struct work *w = ctx;

	++*w->dropped;
	free(w);
}

static struct work *work_of(long ms, _Atomic int *dropped)
{
	struct work *w = malloc(sizeof(*w));

	assert_non_null(w);
	*w = (struct work){ 41, dropped, ms, false };
	return w;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool beat(void *ctx, const char *step, unsigned permille)
{
	(void)step, (void)permille;
	return --*(int *)ctx > 0;
}

static void leave_work(void *ctx)
{
	((struct work *)ctx)->is_left = true;
}

TEST(work_that_may_end_is_the_caller_s_again)
{
	_Atomic int dropped = 0;
	int left = 1000;
	struct cs_pulse pulse = { .beat = beat, .ctx = &left, .every_ns = 1 };
	struct work *w = work_of(50, &dropped);

	assert_true(cs_aside(&(struct cs_aside){ do_work, drop_work, w, NULL }, &pulse));
	assert_int_equal(w->value, 42);
	assert_true(left < 1000); /* it was asked meanwhile */
	assert_true(cs_aside(&(struct cs_aside){ do_work, drop_work, w, NULL }, NULL));
	assert_int_equal(w->value, 43);
	assert_int_equal(dropped, 0);
	free(w);
}

TEST(work_that_shall_end_is_left_behind_at_once)
{
	static _Atomic int dropped;
	int left = 2;
	struct cs_pulse pulse = { .beat = beat, .ctx = &left, .every_ns = 1 };
	struct work *w = work_of(60000, &dropped);
	uint64_t start = now_ms();

	assert_false(cs_aside(&(struct cs_aside){ do_work, drop_work, w, leave_work }, &pulse));
	assert_true(now_ms() - start < 150);
	for (int i = 0; i < 500 && !dropped; i++)
		pause_for(10);
	assert_int_equal(dropped, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_that_may_end_is_the_caller_s_again),
		cmocka_unit_test(work_that_shall_end_is_left_behind_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
