/* The page map of this very process, asked in both ways. */
#include "mem/mem_live_pages.h"
#include "cs_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 200, WORDS = (PAGES + 63) / 64 };

struct maps {
	uint64_t resident[WORDS], need[WORDS];
	struct cs_live_pages pages;
};

typedef cs_status scan_fn(int, const struct cs_live_vma *, struct cs_live_pages *, struct cs_error *);

static void scan(scan_fn *fn, const struct cs_live_vma *vma, struct maps *out)
{
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	memset(out, 0, sizeof(*out));
	out->pages = (struct cs_live_pages){ vma->range.start, out->resident, out->need, 0, 0 };
	assert_int_equal(fn(fd, vma, &out->pages, NULL), CS_OK);
	close(fd);
}

static bool bit(const uint64_t *bits, uint64_t nr)
{
	return bits[nr / 64] >> (nr % 64) & 1;
}

static void check_touched(scan_fn *fn)
{
	unsigned char *p = mmap(NULL, PAGES * CS_PAGE_LEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cs_live_vma vma = { .range = { (uintptr_t)p, PAGES * CS_PAGE_LEN }, .path = "" };
	struct maps m;

	assert_true(p != MAP_FAILED);
	madvise(p, PAGES * CS_PAGE_LEN, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < PAGES; i += 7)
		p[i * CS_PAGE_LEN] = 1;
	mprotect(p + 7 * CS_PAGE_LEN, CS_PAGE_LEN, PROT_NONE);
	scan(fn, &vma, &m);
	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(bit(m.resident, i), i % 7 == 0);
		assert_int_equal(bit(m.need, i), i % 7 == 0);
	}
	assert_int_equal(m.pages.present, (PAGES + 6) / 7 * CS_PAGE_LEN);
	assert_int_equal(m.pages.swapped, 0);
	munmap(p, PAGES * CS_PAGE_LEN);
}

TEST(touched_pages_are_resident_and_needed)
{
	check_touched(cs_live_pages_scan);
	check_touched(cs_live_pages_scan_slowly);
}

static void check_file(scan_fn *fn)
{
	char path[] = "/tmp/pages-XXXXXX";
	int fd = mkstemp(path);
	struct maps m;
	unsigned char *p;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, PAGES * CS_PAGE_LEN), 0);
	p = mmap(NULL, PAGES * CS_PAGE_LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(p != MAP_FAILED);

	struct cs_live_vma vma = { .range = { (uintptr_t)p, PAGES * CS_PAGE_LEN }, .inode = 1, .path = path };

	scan(fn, &vma, &m);
	assert_int_equal(m.pages.present, 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_true(bit(m.need, i) && !bit(m.resident, i));
	munmap(p, PAGES * CS_PAGE_LEN);
	close(fd);
}

TEST(pages_of_files_are_needed_also_when_not_resident)
{
	check_file(cs_live_pages_scan);
	check_file(cs_live_pages_scan_slowly);
}

/* A guard page says that it is swapped: glibc 2.43 guards its stacks with such. */
static void check_guard(scan_fn *fn)
{
	enum { GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL, Linux 6.13 */
	unsigned char *p = mmap(NULL, PAGES * CS_PAGE_LEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cs_live_vma vma = { .range = { (uintptr_t)p, PAGES * CS_PAGE_LEN }, .path = "" };
	struct maps m;

	assert_true(p != MAP_FAILED);
	madvise(p, PAGES * CS_PAGE_LEN, MADV_NOHUGEPAGE);
	p[0] = 1;
	if (madvise(p + CS_PAGE_LEN, 3 * CS_PAGE_LEN, GUARD_INSTALL)) {
		print_message("skip: this kernel has no guard regions\n");
	} else {
		scan(fn, &vma, &m);
		assert_int_equal(m.pages.present, CS_PAGE_LEN);
		assert_int_equal(m.pages.swapped, 0);
		assert_false(bit(m.need, 1) || bit(m.need, 2) || bit(m.need, 3));
	}
	munmap(p, PAGES * CS_PAGE_LEN);
}

TEST(guard_pages_are_not_swapped_out)
{
	check_guard(cs_live_pages_scan);
	check_guard(cs_live_pages_scan_slowly);
}

TEST(bits_are_set_at_every_boundary)
{
	static const uint64_t ends[] = { 0, 1, 63, 64, 65, 127, 128, 190, 192 };
	enum { N = sizeof(ends) / sizeof(*ends) };

	for (size_t i = 0; i < N; i++)
		for (size_t k = i; k < N; k++) {
			uint64_t bits[3] = { 0 };

			cs_bits_set(bits, ends[i], ends[k]);
			for (uint64_t b = 0; b < 192; b++)
				assert_int_equal(bit(bits, b), b >= ends[i] && b < ends[k]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(touched_pages_are_resident_and_needed),
		cmocka_unit_test(pages_of_files_are_needed_also_when_not_resident),
		cmocka_unit_test(guard_pages_are_not_swapped_out),
		cmocka_unit_test(bits_are_set_at_every_boundary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
