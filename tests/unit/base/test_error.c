#include "base/error.h"
#include "cs_test.h"

#include <errno.h>
#include <string.h>

TEST(a_failure_keeps_status_address_and_words)
{
	struct cs_error err = { .text = "" };

	assert_int_equal(cs_fail(&err, CS_CORRUPT, 0x40, "chunk of %d", 7), CS_CORRUPT);
	assert_int_equal(err.status, CS_CORRUPT);
	assert_int_equal(err.addr, 0x40);
	assert_string_equal(err.text, "chunk of 7");
}

TEST(context_goes_in_front)
{
	struct cs_error err = { .text = "" };
	cs_status st = cs_fail(&err, CS_FAULT, 0x40, "no memory");

	assert_int_equal(cs_wrap(&err, st, "arena %d", 3), CS_FAULT);
	assert_string_equal(err.text, "arena 3: no memory");
	assert_int_equal(err.addr, 0x40);
}

TEST(not_found_is_an_answer_and_gets_no_words)
{
	struct cs_error err = { .text = "old" };

	assert_int_equal(cs_wrap(&err, CS_NOTFOUND, "arena"), CS_NOTFOUND);
	assert_int_equal(cs_wrap(&err, CS_OK, "arena"), CS_OK);
	assert_string_equal(err.text, "old");
}

TEST(the_system_says_why)
{
	struct cs_error err = { .addr = 1, .text = "" };

	errno = ENOENT;
	assert_int_equal(cs_fail_os(&err, "file %s", "x"), CS_OS);
	assert_string_equal(err.text, "file x: No such file or directory");
	assert_int_equal(err.addr, 0);
}

TEST(long_words_are_cut_not_overrun)
{
	struct cs_error err = { .text = "" };
	char longer[1000];
	cs_status st;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	st = cs_fail(&err, CS_CORRUPT, 0, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	st = cs_wrap(&err, st, "%s", longer);
	errno = EIO;
	st = cs_fail_os(&err, "%s", longer);
	assert_int_equal(st, CS_OS);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

TEST(nobody_need_want_the_words)
{
	assert_int_equal(cs_fail(NULL, CS_FAULT, 1, "x"), CS_FAULT);
	assert_int_equal(cs_fail_os(NULL, "x"), CS_OS);
	assert_int_equal(cs_wrap(NULL, CS_LIMIT, "x"), CS_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_keeps_status_address_and_words),
		cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(not_found_is_an_answer_and_gets_no_words),
		cmocka_unit_test(the_system_says_why),
		cmocka_unit_test(long_words_are_cut_not_overrun),
		cmocka_unit_test(nobody_need_want_the_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
