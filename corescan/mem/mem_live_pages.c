/* Linux Documentation/admin-guide/mm/pagemap.rst. An entry of pagemap is 64
 * bits a page: 63 present, 62 swapped, 58 (since 6.15) a guard region, which says
 * "swapped" too and holds nothing: glibc 2.43 makes the guards of its stacks so.
 * Since 6.7 the ioctl PAGEMAP_SCAN on the same file hands out runs of pages instead,
 * which makes huge empty reservations free; its structures
 * (include/uapi/linux/fs.h) are written out here because older headers lack them. */
#include "mem/mem_live_pages.h"
#include "base/own.h"
#include "mem/mem_live_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

enum { CHUNK = 8192, REGIONS = 1024 };
enum { IS_PRESENT = 1 << 3, IS_SWAPPED = 1 << 4 };
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_GUARD   (1ull << 58)

struct region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

void cs_bits_set(uint64_t *bits, uint64_t from, uint64_t to)
{
	for (; from < to && from % 64; from++)
		bits[from / 64] |= 1ull << (from % 64);
	for (; to - from >= 64 && from < to; from += 64)
		bits[from / 64] = UINT64_MAX;
	for (; from < to; from++)
		bits[from / 64] |= 1ull << (from % 64);
}

bool cs_live_vma_is_anonymous(const struct cs_live_vma *vma)
{
	return !vma->is_shared && !vma->inode && !cs_proc_is_kernel(vma);
}

/* Pages [start, end) of the address space are present or swapped. */
static void note_pages(struct cs_live_pages *pages, cs_addr start, cs_addr end, bool present)
{
	uint64_t from = (start - pages->start) >> CS_PAGE_BITS;
	uint64_t to = (end - pages->start) >> CS_PAGE_BITS;

	cs_bits_set(pages->need, from, to);
	if (present)
		cs_bits_set(pages->resident, from, to);
	*(present ? &pages->present : &pages->swapped) += end - start;
}

static cs_status scan_entries(const struct cs_page_map *map, struct cs_range range, struct cs_live_pages *pages,
			      struct cs_error *err)
{
	cs_autofree uint64_t *entries = malloc(CHUNK * sizeof(*entries));
	cs_addr at = range.start, end = cs_range_end(range);

	if (!entries)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the page map");
	while (at < end) {
		uint64_t want = (end - at) >> CS_PAGE_BITS;
		ssize_t got;

		want = want < CHUNK ? want : CHUNK;
		got = map->read(map->ctx, entries, want * 8, (at >> CS_PAGE_BITS) * 8);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cs_fail_os(err, "the page map cannot be read");
		if (got < 8)
			return cs_fail(err, CS_OS, at, "the page map ends at " CS_ADDR, at);
		for (size_t i = 0; i < (size_t)got / 8; i++, at += CS_PAGE_LEN)
			if (entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entries[i] & ENTRY_GUARD))
				note_pages(pages, at, at + CS_PAGE_LEN, entries[i] & ENTRY_PRESENT);
	}
	return CS_OK;
}

static ssize_t read_file(void *ctx, void *buf, size_t len, uint64_t off)
{
	return pread(*(const int *)ctx, buf, len, (off_t)off);
}

static void note_run(int fd, const struct region *run, struct cs_live_pages *pages)
{
	const struct cs_page_map map = { read_file, &fd };
	struct cs_range range = { run->start, run->end - run->start };

	if (run->categories & IS_PRESENT)
		note_pages(pages, run->start, run->end, true);
	else if (scan_entries(&map, range, pages, NULL)) /* tells guards from what is swapped */
		note_pages(pages, run->start, run->end, false);
}

/* CS_NOTFOUND: this kernel cannot. */
static cs_status scan_ioctl(int fd, struct cs_range range, struct cs_live_pages *pages)
{
	struct region found[REGIONS];
	cs_addr at = range.start, end = cs_range_end(range);

	while (at < end) {
		struct scan_arg arg = {
			.size = sizeof(arg),
			.start = at,
			.end = end,
			.vec = (uintptr_t)found,
			.vec_len = REGIONS,
			.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
			.return_mask = IS_PRESENT | IS_SWAPPED,
		};
		int n = ioctl(fd, SCAN_IOCTL, &arg);

		/* it must move on, or we would never end */
		if (n < 0 || n > REGIONS || arg.walk_end <= at || arg.walk_end > end)
			return CS_NOTFOUND;
		for (int i = 0; i < n; i++)
			if (found[i].start >= at && found[i].start < found[i].end &&
			    found[i].end <= end)
				note_run(fd, &found[i], pages);
		at = arg.walk_end;
	}
	return CS_OK;
}

static int open_pagemap(int proc_fd, struct cs_error *err)
{
	int fd = openat(proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		cs_ignore(cs_fail_os(err, "the page map cannot be opened"), "told by the result");
	return fd;
}

/* A file's pages have bytes also while they are not in memory. */
static void need_files(const struct cs_live_vma *vma, struct cs_live_pages *pages)
{
	uint64_t from = (vma->range.start - pages->start) >> CS_PAGE_BITS;

	if (!cs_live_vma_is_anonymous(vma))
		cs_bits_set(pages->need, from, from + (vma->range.len >> CS_PAGE_BITS));
}

cs_status cs_live_pages_scan(int proc_fd, const struct cs_live_vma *vma,
			     struct cs_live_pages *pages, struct cs_error *err)
{
	cs_autoclose int fd = open_pagemap(proc_fd, err);
	struct cs_live_pages before = *pages;

	if (fd < 0)
		return CS_OS;
	need_files(vma, pages);
	if (scan_ioctl(fd, vma->range, pages) == CS_OK)
		return CS_OK;
	*pages = before; /* the bits it set are right, only the sums would be twice */
	return scan_entries(&(struct cs_page_map){ read_file, &fd }, vma->range, pages, err);
}

cs_status cs_live_pages_scan_slowly(int proc_fd, const struct cs_live_vma *vma,
				    struct cs_live_pages *pages, struct cs_error *err)
{
	cs_autoclose int fd = open_pagemap(proc_fd, err);

	if (fd < 0)
		return CS_OS;
	return cs_live_pages_scan_map(&(struct cs_page_map){ read_file, &fd }, vma, pages, err);
}

cs_status cs_live_pages_scan_map(const struct cs_page_map *map, const struct cs_live_vma *vma,
				 struct cs_live_pages *pages, struct cs_error *err)
{
	need_files(vma, pages);
	return scan_entries(map, vma->range, pages, err);
}
