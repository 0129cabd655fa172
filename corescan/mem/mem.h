/* mem.h - the target's memory as sorted segments of bytes we can look at.
 *
 * Knows nothing of ELF, processes or heaps. mem_core fills it from a mapped
 * core file, mem_live from a stopped process, image lays file pages under it.
 *
 * Invariants
 *  - Segments are sorted by start, disjoint, non-empty; none wraps around.
 *  - A segment's bytes lie contiguously at `data`. In a live segment (fetch
 *    not NULL) they are there only after cs_mem_view() has asked for them.
 *  - What is not in a segment is absent, which is not zero.
 */
#ifndef CS_MEM_H
#define CS_MEM_H
#include "base/num.h"
#include "base/vec.h"

enum { CS_MEM_HINTS = 1024 };

struct cs_mem;

struct cs_mem_seg {
	cs_addr start;
	uint64_t len;
	const unsigned char *data;
	/* Live only, else NULL: make [off, off + len) of the segment readable at
	 * data; false when the process does not let go of it. */
	bool (*fetch)(struct cs_mem_seg *seg, uint64_t off, uint64_t len);
	void *fetch_ctx;
	const uint64_t *resident; /* live: a bit per 4 KiB page; NULL: all of it */
	bool is_target; /* bytes of the target; false: laid under from a file */
};

struct cs_mem {
	CS_VEC(struct cs_mem_seg) segs;
	uint32_t hints[CS_MEM_HINTS]; /* segment last seen for (addr >> 16) */
	/* For the report, bytes: mapped by the process; of these present here;
	 * lost because the file is shorter than its headers say; swapped out. */
	uint64_t mapped, present, truncated, swapped;
};

/* Add a segment; order does not matter until cs_mem_seal(). */
cs_status cs_mem_add(struct cs_mem *mem, struct cs_mem_seg seg, struct cs_error *err);

/* Sort, join what is adjacent in both address and data, cut overlaps (the lower
 * start wins). Call after adding; may be called again after more adds. Live
 * segments must not overlap. *overlaps (may be NULL): bytes cut away. */
void cs_mem_seal(struct cs_mem *mem, uint64_t *overlaps);

void cs_mem_deinit(struct cs_mem *mem); /* frees the table, not the data */

/* The segment that holds addr, or NULL. O(log segments), O(1) when near the last. */
struct cs_mem_seg *cs_mem_find(struct cs_mem *mem, cs_addr addr);

/* The first segment that ends above addr (holds it or follows it), or NULL. */
struct cs_mem_seg *cs_mem_find_next(struct cs_mem *mem, cs_addr addr);

/* Borrow len bytes at addr, or NULL when one of them is absent. Good as long
 * as the core is open; of a live target, as long as it is. */
static inline const unsigned char *cs_mem_view(struct cs_mem *mem, cs_addr addr, uint64_t len)
{
	size_t nr = mem->hints[(addr >> 16) % CS_MEM_HINTS];
	struct cs_mem_seg *seg = nr < mem->segs.count ? &mem->segs.items[nr] : NULL;

	if (!seg || addr - seg->start >= seg->len) {
		seg = cs_mem_find(mem, addr);
		if (!seg)
			return NULL;
	}

	uint64_t off = addr - seg->start;

	if (len > seg->len - off)
		return NULL;
	if (seg->fetch && !seg->fetch(seg, off, len))
		return NULL;
	return seg->data + off;
}

/* Copy, also across neighbouring segments. CS_FAULT names the first absent byte. */
cs_status cs_mem_read(struct cs_mem *mem, cs_addr addr, void *buf, size_t len, struct cs_error *err);

/* Borrow, or copy into scratch (len bytes, the caller's) where the bytes cross
 * a seam between segments; NULL when one is absent. */
const unsigned char *cs_mem_borrow(struct cs_mem *mem, cs_addr addr, size_t len, void *scratch);

/* One word; false when absent. */
static inline bool cs_mem_u64(struct cs_mem *mem, cs_addr addr, uint64_t *out)
{
	const unsigned char *p = cs_mem_view(mem, addr, 8);

	if (!p)
		return false;
	*out = cs_le64(p);
	return true;
}

static inline bool cs_mem_u32(struct cs_mem *mem, cs_addr addr, uint32_t *out)
{
	const unsigned char *p = cs_mem_view(mem, addr, 4);

	if (!p)
		return false;
	*out = cs_le32(p);
	return true;
}

/* How many bytes can be read from addr on without a gap (0: none). */
uint64_t cs_mem_run(struct cs_mem *mem, cs_addr addr);

/* How many bytes of [addr, addr + len) are the target's own: in the core, or
 * resident in the process. Pages laid under from files do not count. */
uint64_t cs_mem_present(struct cs_mem *mem, cs_addr addr, uint64_t len);

/* The next bytes of the target's own in range, at most CS_MEM_PIECE of them, for
 * those who look at all of it: *at begins as range.start and moves on. NULL: no
 * more. *addr and *len say which they are. */
enum { CS_MEM_PIECE = 256 << 10 };
const unsigned char *cs_mem_next(struct cs_mem *mem, struct cs_range range, cs_addr *at,
				 cs_addr *addr, uint64_t *len);

/* A NUL-terminated string of at most max bytes, borrowed; *len without the
 * NUL. NULL when absent or longer. */
const char *cs_mem_text(struct cs_mem *mem, cs_addr addr, size_t max, size_t *len);
#endif
