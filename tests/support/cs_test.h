/* cs_test.h - CMocka with the four headers it needs before its own, and TEST(). */
#ifndef CS_TEST_H
#define CS_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) static void name(__attribute__((unused)) void **state)
#endif
