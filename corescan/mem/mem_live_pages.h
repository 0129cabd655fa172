/* mem_live_pages.h - which pages of a stopped process are there, and which are worth reading.
 *
 * Asks the kernel's page tables and touches no memory of the process.
 */
#ifndef CS_MEM_LIVE_PAGES_H
#define CS_MEM_LIVE_PAGES_H
#include "mem/mem_live.h"

#include <sys/types.h>

enum { CS_PAGE_BITS = 12, CS_PAGE_LEN = 1 << CS_PAGE_BITS };

/* Bitmaps over the pages of a range, bit 0 the page at start. */
struct cs_live_pages {
	cs_addr start;
	uint64_t *resident; /* in memory now */
	uint64_t *need;	    /* has bytes that must be fetched; others are zero */
	/* Bytes. Counted while scanning: a bitmap may span terabytes of nothing. */
	uint64_t present, swapped;
};

/* Fill in the pages of one VMA, each VMA once. */
cs_status cs_live_pages_scan(int proc_fd, const struct cs_live_vma *vma,
			     struct cs_live_pages *pages, struct cs_error *err);

/* The same for kernels before 6.7, page by page; cs_live_pages_scan falls back to it. */
cs_status cs_live_pages_scan_slowly(int proc_fd, const struct cs_live_vma *vma,
				    struct cs_live_pages *pages, struct cs_error *err);

/* Private memory without a file: what was never touched is zero. */
bool cs_live_vma_is_anonymous(const struct cs_live_vma *vma);

/* The same from a page map (/proc/PID/pagemap) that somebody else reads: bytes
 * at an offset, as pread() gives them. */
struct cs_page_map {
	ssize_t (*read)(void *ctx, void *buf, size_t len, uint64_t off);
	void *ctx;
};
cs_status cs_live_pages_scan_map(const struct cs_page_map *map, const struct cs_live_vma *vma,
				 struct cs_live_pages *pages, struct cs_error *err);

void cs_bits_set(uint64_t *bits, uint64_t from, uint64_t to);
#endif
