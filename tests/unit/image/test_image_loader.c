/* The dynamic loader's list, forged in a core that has no NT_FILE. */
#include "forge_core.h"
#include "image/image_build.h"
#include "cs_test.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PHDRS = 0, DYNAMIC = 0x200, DEBUG = 0x300, MAPS = 0x400, NAMES = 0x800 };

static struct {
	unsigned char bytes[PAGE];
} heap;
static struct cs_core *core;
static struct cs_image *image;
static struct cs_loader_names names;

static void put64(size_t at, uint64_t v)
{
	memcpy(heap.bytes + at, &v, 8);
}

static uint64_t map_addr(size_t nr)
{
	return FORGE_HEAP + MAPS + nr * 0x40;
}

static void put_map(size_t nr, uint64_t bias, uint64_t name, uint64_t next, uint64_t prev)
{
	size_t at = MAPS + nr * 0x40;

	put64(at, bias);
	put64(at + 8, name);
	put64(at + 24, next);
	put64(at + 32, prev);
}

/* Program headers, DT_DEBUG, r_debug and three objects. */
static int forge_list(void **state)
{
	Elf64_Phdr *ph = (Elf64_Phdr *)(heap.bytes + PHDRS);

	(void)state;
	memset(&heap, 0, sizeof(heap));
	memset(&names, 0, sizeof(names));
	ph[0] = (Elf64_Phdr){ .p_type = PT_PHDR, .p_vaddr = 0x40 + PHDRS };
	ph[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_vaddr = 0x40 + DYNAMIC };
	put64(DYNAMIC, DT_NEEDED);
	put64(DYNAMIC + 16, DT_DEBUG);
	put64(DYNAMIC + 24, FORGE_HEAP + DEBUG);
	put64(DEBUG + 8, map_addr(0));
	strcpy((char *)heap.bytes + NAMES, "");
	strcpy((char *)heap.bytes + NAMES + 0x10, "/lib/libc.so.6");
	strcpy((char *)heap.bytes + NAMES + 0x40, "linux-vdso.so.1");
	strcpy((char *)heap.bytes + NAMES + 0x80, "/usr/bin/prog");
	put_map(0, 0x1000, FORGE_HEAP + NAMES, map_addr(1), 0);
	put_map(1, 0x2000, FORGE_HEAP + NAMES + 0x40, map_addr(2), map_addr(0));
	put_map(2, 0x3000, FORGE_HEAP + NAMES + 0x10, 0, map_addr(1));
	return 0;
}

static void take(void)
{
	static const uint64_t auxv[] = { AT_PHDR, FORGE_HEAP + PHDRS, AT_EXECFN,
					 FORGE_HEAP + NAMES + 0x80, AT_NULL, 0 };
	struct forge f = { .loads = { NULL, 0, 0 } };
	unsigned char *file;
	size_t len;

	forge_auxv(&f, auxv, 3);
	forge_load_bytes(&f, FORGE_HEAP, PF_R | PF_W, heap.bytes, PAGE, PAGE);
	file = forge_build(&f, &len);
	forge_deinit(&f);
	assert_int_equal(forge_open(file, len, &core, NULL), CS_OK);
	free(file);
	assert_int_equal(cs_image_of_core(core, NULL, &image, NULL), CS_OK);
	assert_int_equal(cs_image_loader_names(image, &names, NULL), CS_OK);
}

static int drop(void **state)
{
	(void)state;
	cs_vec_free(&names);
	cs_image_destroy(image);
	cs_core_close(core);
	return 0;
}

TEST(names_and_biases_come_from_the_list)
{
	take();
	assert_int_equal(names.count, 2); /* the vdso has no file */
	assert_int_equal(names.items[0].bias, 0x1000);
	assert_string_equal(names.items[0].path, "/usr/bin/prog");
	assert_int_equal(names.items[1].bias, 0x3000);
	assert_string_equal(names.items[1].path, "/lib/libc.so.6");
}

TEST(a_list_that_bites_its_tail_ends)
{
	put_map(2, 0x3000, FORGE_HEAP + NAMES + 0x10, map_addr(1), map_addr(1));
	take();
	assert_int_equal(names.count, 2);
}

TEST(an_object_that_is_its_own_successor_ends_the_list)
{
	put_map(2, 0x3000, FORGE_HEAP + NAMES + 0x10, map_addr(2), map_addr(1));
	take();
	assert_int_equal(names.count, 2);
}

TEST(absent_pieces_end_the_list)
{
	put_map(1, 0x2000, 0xdead0000, 0xdead1000, map_addr(0));
	take();
	assert_int_equal(names.count, 1);
}

TEST(a_wild_debug_pointer_gives_no_names)
{
	put64(DYNAMIC + 24, UINT64_MAX - 7);
	take();
	assert_int_equal(names.count, 0);
}

TEST(a_dynamic_section_without_end_ends)
{
	put64(DYNAMIC + 16, DT_NEEDED);
	for (size_t at = DYNAMIC; at < PAGE; at += 16)
		put64(at, DT_NEEDED);
	take();
	assert_int_equal(names.count, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, forge_list, drop)
	const struct CMUnitTest tests[] = {
		CASE(names_and_biases_come_from_the_list),
		CASE(a_list_that_bites_its_tail_ends),
		CASE(an_object_that_is_its_own_successor_ends_the_list),
		CASE(absent_pieces_end_the_list),
		CASE(a_wild_debug_pointer_gives_no_names),
		CASE(a_dynamic_section_without_end_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
