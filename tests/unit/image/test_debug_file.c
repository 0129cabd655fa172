/* A debug file made from this very program, laid out as distributions do. */
#include "forge_core.h"
#include "image/debug_file.h"
#include "image/image_build.h"
#include "cs_test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern int cs_test_marker;
int cs_test_marker = 42;

static char root[64];	      /* a temporary directory */
static char stripped[128];    /* this program without symbols and DWARF */
static char debug_path[1024]; /* where its debug file should be */
static struct cs_module module;
static struct cs_image image;

static void make_dirs(char *path)
{
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
}

static bool run(const char *verb, const char *a, const char *b)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command), "%s %s %s 2>/dev/null", verb, a, b);
	return !system(command);
}

/* Make the stripped program and its debug file at DIR/.build-id/xx/yyyy.debug. */
static bool make_files(const char *dir)
{
	char self[PATH_MAX] = "", id_text[200] = "", *to = id_text;
	const unsigned char *id;
	size_t len;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return false;
	snprintf(stripped, sizeof(stripped), "%s/prog", root);
	if (!run("objcopy --strip-all", self, stripped))
		return false;
	assert_int_equal(cs_elf_open(stripped, &module.elf, NULL), CS_OK);
	id = cs_elf_build_id(module.elf, &len);
	if (!id)
		return false;
	memcpy(module.build_id, id, len);
	module.build_id_len = len;
	for (size_t i = 0; i < len; i++)
		to += sprintf(to, i ? "%02x" : "%02x/", id[i]);
	snprintf(debug_path, sizeof(debug_path), "%s%s/.build-id/%s.debug", root, dir, id_text);
	make_dirs(debug_path);
	return run("objcopy --only-keep-debug", self, debug_path);
}

static int setup(void **state)
{
	(void)state;
	memset(&module, 0, sizeof(module));
	memset(&image, 0, sizeof(image));
	strcpy(root, "/tmp/debug-XXXXXX");
	assert_non_null(mkdtemp(root));
	module.path = "/prog";
	module.bias = 0x1000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cs_module_deinit(&module);
	return !run("rm -r", root, "");
}

static uint64_t marker_of_self(void)
{
	struct cs_elf *self;
	uint64_t value;

	assert_int_equal(cs_elf_open("/proc/self/exe", &self, NULL), CS_OK);
	assert_int_equal(cs_elf_symbol(self, "cs_test_marker", &value, NULL), CS_OK);
	cs_elf_close(self);
	return value;
}

static void found_by_build_id(void)
{
	struct cs_elf *debug;
	cs_addr addr;
	bool owned;

	assert_int_equal(cs_debug_file(&module, &image, &debug, &owned, NULL), CS_OK);
	assert_string_equal(cs_elf_path(debug), debug_path);
	assert_true(cs_elf_is_debug(debug));
	assert_non_null(cs_elf_dwarf(debug));
	assert_int_equal(cs_module_symbol(&module, &image, "cs_test_marker", &addr, NULL), CS_OK);
	assert_int_equal(addr, marker_of_self() + 0x1000);
}

TEST(a_debug_directory_is_searched_by_build_id)
{
	if (!make_files("/dbg"))
		skip(); /* no objcopy, or no build id */

	char dir[100];

	snprintf(dir, sizeof(dir), "%s/dbg", root);
	image.options.debug_dir = dir;
	found_by_build_id();
}

TEST(a_sysroot_has_its_own_debug_files)
{
	if (!make_files("/usr/lib/debug"))
		skip();
	image.options.sysroot = root;
	found_by_build_id();
}

TEST(a_debug_file_has_no_bytes_of_the_program)
{
	const struct cs_elf_load *l;
	struct cs_elf *debug;
	size_t n;

	if (!make_files("/dbg"))
		skip();
	assert_int_equal(cs_elf_open(debug_path, &debug, NULL), CS_OK);
	n = cs_elf_loads(debug, &l);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(l[i].filesz, 0);
		assert_null(cs_elf_view(debug, l[i].vaddr, 1));
	}
	cs_elf_close(debug);
}

TEST(another_build_in_that_place_is_not_taken)
{
	struct cs_elf *debug;
	char dir[100];
	bool owned;

	if (!make_files("/dbg"))
		skip();
	snprintf(dir, sizeof(dir), "%s/dbg", root);
	image.options.debug_dir = dir;
	module.build_id[module.build_id_len - 1] ^= 1;

	/* the file where the other build's would be */
	char wrong[sizeof(debug_path)];
	size_t end = strlen(debug_path) - strlen("00.debug");

	snprintf(wrong, sizeof(wrong), "%.*s%02x.debug", (int)end, debug_path,
		 module.build_id[module.build_id_len - 1]);
	assert_int_equal(rename(debug_path, wrong), 0);
	assert_int_equal(cs_debug_file(&module, &image, &debug, &owned, NULL), CS_NOTFOUND);
	assert_int_equal(cs_debug_file(&module, &image, &debug, &owned, NULL), CS_NOTFOUND);
}

TEST(without_a_build_id_there_is_nothing_to_search_for)
{
	struct cs_elf *debug;
	bool owned;

	image.options.debug_dir = root;
	assert_int_equal(cs_debug_file(&module, &image, &debug, &owned, NULL), CS_NOTFOUND);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_debug_directory_is_searched_by_build_id),
		CASE(a_sysroot_has_its_own_debug_files),
		CASE(a_debug_file_has_no_bytes_of_the_program),
		CASE(another_build_in_that_place_is_not_taken),
		CASE(without_a_build_id_there_is_nothing_to_search_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
