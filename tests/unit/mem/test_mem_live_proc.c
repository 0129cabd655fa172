#include "mem/mem_live_pages.h"
#include "mem/mem_live_proc.h"
#include "cs_test.h"

#include <fcntl.h>
#include <stdlib.h>

TEST(maps_lines_become_vmas)
{
	char text[] =
		"00400000-00401000 r-xp 00001000 08:01 1234                       /bin/with blank\n"
		"7f0000000000-7f0000002000 rw-p 00000000 00:00 0 \n"
		"7f0000002000-7f0000003000 ---p 00000000 00:00 0 \n"
		"nonsense\n"
		"7f0000002000-7f0000003000 rw-p 00000000 00:00 0   [told twice]\n"
		"7f0000004000-7f0000004000 rw-p 00000000 00:00 0   [empty]\n"
		"7f0000005000-7f0000006000 rw-s 00000000 00:05 99  /dev/shm/a\\012b\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n";
	struct cs_live live = { .pid = 0 };

	assert_int_equal(cs_proc_parse_maps(&live, text, NULL), CS_OK);
	assert_int_equal(live.vmas.count, 5);

	const struct cs_live_vma *v = live.vmas.items;

	assert_int_equal(v[0].range.start, 0x400000);
	assert_int_equal(v[0].range.len, 0x1000);
	assert_int_equal(v[0].prot, 5);
	assert_int_equal(v[0].file_off, 0x1000);
	assert_int_equal(v[0].inode, 1234);
	assert_string_equal(v[0].path, "/bin/with blank");
	assert_string_equal(v[1].path, "");
	assert_int_equal(v[1].prot, 6);
	assert_int_equal(v[2].prot, 0);
	assert_true(v[3].is_shared);
	assert_string_equal(v[3].path, "/dev/shm/a\nb");
	assert_true(cs_proc_is_kernel(&v[4]));
	cs_vec_free(&live.vmas);
}

TEST(mappings_are_told_apart)
{
	static const struct {
		const char *path;
		uint64_t inode;
		bool shared, device, anonymous;
	} rows[] = {
		{ "", 0, false, false, true },
		{ "[heap]", 0, false, false, true },
		{ "[anon:arena]", 0, false, false, true },
		{ "[vdso]", 0, false, false, false },
		{ "/usr/lib/libc.so.6", 5, false, false, false },
		{ "/dev/zero (deleted)", 5, true, false, false },
		{ "/dev/shm/x", 5, true, false, false },
		{ "/dev/dri/card0", 5, true, true, false },
		{ "anon_inode:[perf_event]", 5, true, true, false },
		{ "/SYSV00000000 (deleted)", 5, true, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cs_live_vma v = { .path = rows[i].path, .inode = rows[i].inode,
					 .is_shared = rows[i].shared };

		assert_int_equal(cs_proc_is_device(&v), rows[i].device);
		assert_int_equal(cs_live_vma_is_anonymous(&v), rows[i].anonymous);
	}
}

TEST(a_file_is_read_no_further_than_allowed)
{
	size_t len = 0;
	char *text = cs_proc_read(AT_FDCWD, "/proc/self/maps", 100, &len);

	assert_non_null(text);
	assert_int_equal(len, 100);
	assert_int_equal(text[100], 0);
	free(text);
	assert_null(cs_proc_read(AT_FDCWD, "/nowhere/at/all", 100, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_lines_become_vmas),
		cmocka_unit_test(mappings_are_told_apart),
		cmocka_unit_test(a_file_is_read_no_further_than_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
