/* A server of our own that takes a connection and says nothing. */
#include "image/debuginfod.h"

#include "cs_test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const unsigned char id[20] = { 1, 2, 3, 4 };

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Says stop from *ctx on. */
static bool beat(void *ctx, const char *step, unsigned permille)
{
	(void)step, (void)permille;
	return now_ms() < *(uint64_t *)ctx;
}

static int listen_somewhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64];

	assert_true(fd >= 0 && !bind(fd, (struct sockaddr *)&at, len) && !listen(fd, 8) &&
		    !getsockname(fd, (struct sockaddr *)&at, &len));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
	return fd;
}

TEST(who_waits_for_a_silent_server_hears_an_interruption)
{
	char cache[] = "/tmp/debuginfod-XXXXXX", command[64];
	void *library = dlopen("libdebuginfod.so.1", RTLD_NOW);
	uint64_t until;
	struct cs_pulse pulse = { .beat = beat, .ctx = &until, .every_ns = 1000000 };
	struct cs_debuginfod *d;
	int fd;

	if (!library)
		skip(); /* libdebuginfod.so.1 is not installed */
	assert_non_null(mkdtemp(cache));
	setenv("DEBUGINFOD_CACHE_PATH", cache, 1);
	fd = listen_somewhere();
	d = cs_debuginfod_create(&pulse);
	assert_non_null(d);
	assert_null(cs_debuginfod_trouble(d));
	until = now_ms() + 200;
	assert_null(cs_debuginfod_find(d, CS_DEBUGINFOD_DEBUG, id, sizeof(id)));
	assert_true(pulse.stopped);
	assert_in_range(now_ms(), until, until + 300);
	/* nor is it asked again */
	assert_null(cs_debuginfod_find(d, CS_DEBUGINFOD_EXECUTABLE, id, sizeof(id)));
	assert_in_range(now_ms(), until, until + 320);
	cs_debuginfod_destroy(d);
	sleep(2); /* the thread that was left behind looks once a second */
	close(fd);
	snprintf(command, sizeof(command), "rm -r %s", cache);
	assert_int_equal(system(command), 0);
}

TEST(without_servers_nobody_is_asked)
{
	struct cs_debuginfod *d;

	setenv("DEBUGINFOD_URLS", " ", 1);
	d = cs_debuginfod_create(NULL);
	assert_non_null(strstr(cs_debuginfod_trouble(d), "DEBUGINFOD_URLS"));
	assert_null(cs_debuginfod_find(d, CS_DEBUGINFOD_DEBUG, id, sizeof(id)));
	cs_debuginfod_destroy(d);
	assert_null(cs_debuginfod_find(NULL, CS_DEBUGINFOD_DEBUG, id, sizeof(id)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_a_silent_server_hears_an_interruption),
		cmocka_unit_test(without_servers_nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
