/* What people really type: directories, programs, texts, compressed cores. */
#include "forge_core.h"
#include "cs_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void refused(const char *path, cs_status status, const char *words)
{
	struct cs_error err = { .text = "" };
	struct cs_core *core = NULL;

	assert_int_equal(cs_core_open(path, &core, &err), status);
	assert_null(core);
	assert_non_null(strstr(err.text, path)); /* says which file */
	assert_non_null(strstr(err.text, words));
}

static void bytes_refused(const char *bytes, size_t len, cs_status status, const char *words)
{
	const char *path = forge_write(bytes, len);

	refused(path, status, words);
	unlink(path);
}

TEST(no_file)
{
	refused("/nowhere/core", CS_OS, strerror(ENOENT));
}

TEST(a_directory)
{
	refused("/tmp", CS_CORRUPT, "is a directory");
}

TEST(a_fifo_does_not_hang)
{
	char path[] = "/tmp/fifo-XXXXXX";

	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(path, CS_CORRUPT, "not a regular file");
	unlink(path);
}

TEST(a_device)
{
	refused("/dev/zero", CS_CORRUPT, "not a regular file");
}

TEST(an_empty_file)
{
	bytes_refused("", 0, CS_CORRUPT, "empty");
}

TEST(a_text_file)
{
	bytes_refused("Hello, I am no core.\n", 21, CS_CORRUPT, "not a core file");
}

TEST(a_program)
{
	refused("/proc/self/exe", CS_CORRUPT, "not a core (executable or library?)");
}

TEST(compressed_cores_name_the_tool)
{
	bytes_refused("\x28\xb5\x2f\xfd and more", 13, CS_UNSUPPORTED, "zstd -d");
	bytes_refused("\x1f\x8b\x08 and more", 12, CS_UNSUPPORTED, "gzip -d");
	bytes_refused("\x04\x22\x4d\x18", 4, CS_UNSUPPORTED, "lz4 -d");
	bytes_refused("\xfd" "7zXZ\0", 6, CS_UNSUPPORTED, "xz -d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file),
		cmocka_unit_test(a_directory),
		cmocka_unit_test(a_fifo_does_not_hang),
		cmocka_unit_test(a_device),
		cmocka_unit_test(an_empty_file),
		cmocka_unit_test(a_text_file),
		cmocka_unit_test(a_program),
		cmocka_unit_test(compressed_cores_name_the_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
