/* A made-up /proc and /sys below a temporary directory. */
#include "mem/mem_swap.h"
#include "cs_test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1ull << 20)

static char root[64];

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int fresh_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/swap-XXXXXX");
	assert_non_null(mkdtemp(root));
	put("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    1048576 kB\nSwapFree:   102400 kB\n");
	return 0;
}

static int remove_root(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

TEST(without_cgroups_the_machine_is_the_limit)
{
	assert_int_equal(cs_swap_headroom(root, 7), 1024 * MIB + 100 * MIB);
}

TEST(every_ancestor_of_a_v2_cgroup_counts)
{
	put("proc/self/mountinfo", "24 1 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
	put("proc/7/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/memory.max", "max\n");
	put("sys/fs/cgroup/a/b/memory.current", "10485760\n");
	put("sys/fs/cgroup/a/b/memory.swap.max", "max\n");
	put("sys/fs/cgroup/a/memory.max", "104857600\n");	 /* 100 MiB */
	put("sys/fs/cgroup/a/memory.current", "94371840\n");	 /* 90 MiB */
	put("sys/fs/cgroup/a/memory.swap.max", "52428800\n");	 /* 50 MiB */
	put("sys/fs/cgroup/a/memory.swap.current", "47185920\n"); /* 45 MiB */
	assert_int_equal(cs_swap_headroom(root, 7), 10 * MIB + 5 * MIB);
}

TEST(no_room_at_all_is_zero_not_a_wrap)
{
	put("proc/self/mountinfo", "24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("proc/7/cgroup", "0::/a\n");
	put("sys/fs/cgroup/a/memory.max", "1000\n");
	put("sys/fs/cgroup/a/memory.current", "2000\n");
	put("sys/fs/cgroup/a/memory.swap.max", "0\n");
	put("sys/fs/cgroup/a/memory.swap.current", "500\n");
	assert_int_equal(cs_swap_headroom(root, 7), 0);
}

TEST(v1_limits_are_found_by_the_memory_controller)
{
	put("proc/self/mountinfo",
	    "30 1 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	    "31 1 0:2 /outer /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	put("proc/7/cgroup", "5:cpu:/x\n4:memory:/outer/job\n0::/\n");
	put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "209715200\n");
	put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "104857600\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n");
	assert_int_equal(cs_swap_headroom(root, 7), 100 * MIB + 100 * MIB);
}

TEST(garbage_in_the_files_is_no_limit)
{
	put("proc/self/mountinfo", "- - -\n\n24 1 / - cgroup2\n24 1 0:22 / /x rw - cgroup2 c rw\n");
	put("proc/7/cgroup", "\n:\n0:\n0::\n");
	assert_int_equal(cs_swap_headroom(root, 7), 1124 * MIB);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh_root, remove_root)
	const struct CMUnitTest tests[] = {
		CASE(without_cgroups_the_machine_is_the_limit),
		CASE(every_ancestor_of_a_v2_cgroup_counts),
		CASE(no_room_at_all_is_zero_not_a_wrap),
		CASE(v1_limits_are_found_by_the_memory_controller),
		CASE(garbage_in_the_files_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
