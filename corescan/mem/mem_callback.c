#include "mem/mem_callback.h"
#include "base/own.h"
#include "mem/mem_live_pages.h"
#include "mem/mem_live_proc.h"
#include "mem/mem_mirror.h"

#include <string.h>

#define RESERVE_LEN (1ull << 38)
#define MAPPED_MAX  (1ull << 42)

/* Bytes: what a guard page before Linux 6.15 says is no more, nor does it kill. */
enum { SWAP_HARMLESS = 16 << 20 };

struct source {
	struct cs_mirror_source base;
	cs_status (*read)(void *ctx, cs_addr addr, void *buf, size_t len);
	void *ctx;
};

/* A read is all or nothing: the first wanted run, else ever smaller pieces of it. */
static uint64_t read_pages(struct cs_mirror_source *base, cs_addr addr, unsigned char *to,
			   uint64_t want)
{
	struct source *source = (struct source *)base;
	unsigned first, end;

	cs_mirror_run(want, &first, &end);
	for (unsigned n = end - first; n; n /= 2) {
		uint64_t off = (uint64_t)first * CS_PAGE_LEN;

		if (cs_pulse_look(base->pulse))
			return 0;

		cs_status st = source->read(source->ctx, addr + off, to + off, (size_t)n * CS_PAGE_LEN);

		if (st == CS_OK)
			return cs_mirror_mask(first, first + n);
		if (st == CS_STOPPED)
			base->pulse->stopped = true;
	}
	return 0;
}

static bool is_held(struct cs_mirror_source *base)
{
	(void)base;
	return true;
}

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

static cs_status describe(struct cs_live *live, const struct cs_callback *from, struct cs_error *err)
{
	live->text = copy(from->maps);
	live->command = copy(from->command);
	live->exe_path = copy(from->exe);
	if (!live->text || !live->command || !live->exe_path)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a process");
	for (size_t i = 0; i + 1 < from->auxv_words && live->auxv_len + 16 <= sizeof(live->auxv); i += 2) {
		memcpy(live->auxv + live->auxv_len, from->auxv + i, 16);
		live->auxv_len += 16;
	}
	for (size_t i = 0; i < from->thread_count; i++)
		if (!cs_vec_push(&live->threads, from->threads[i]))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	return cs_proc_parse_maps(live, live->text, err);
}

/* Without page tables every page counts: what is bigger than any memory was
 * reserved and hardly touched (a sanitizer's shadow), and is left out. */
static cs_status drop_reserves(struct cs_live *live, struct cs_error *err)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < live->vmas.count; i++) {
		struct cs_live_vma *vma = &live->vmas.items[i];

		if (vma->range.len >= RESERVE_LEN)
			vma->range.len = 0;
		sum += vma->range.len;
		if (sum > MAPPED_MAX)
			return cs_fail(err, CS_LIMIT, vma->range.start,
				       "the target has more memory mapped than %llu bytes", MAPPED_MAX);
	}
	return CS_OK;
}

/* With the page map; without, when it cannot be read after all. */
static cs_status build(struct cs_live *live, const struct cs_callback *from, struct cs_error *err)
{
	const struct cs_page_map map = { from->read_page_map, from->ctx };
	uint64_t entry;
	cs_status st;

	if (from->read_page_map && from->read_page_map(from->ctx, &entry, 8, 0) == 8)
		live->page_map = &map;
	st = cs_live_build(live, err);
	live->page_map = NULL;
	if (!st && live->mem.swapped > SWAP_HARMLESS && !from->allow_swap_in)
		return cs_fail(err, CS_LIMIT, 0,
			       "%" PRIu64 " MiB are swapped out, and reading them brings them back in: "
			       "that may get the process killed (allow-swap-in reads them all the same)",
			       live->mem.swapped >> 20);
	return st;
}

cs_status cs_callback_open(const struct cs_callback *from, struct cs_live **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_live_closep))) struct cs_live *live = calloc(1, sizeof(*live));
	struct source *source = calloc(1, sizeof(*source));
	cs_status st;

	if (!live || !source) {
		free(source);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a process");
	}
	source->base = (struct cs_mirror_source){ .read = read_pages, .is_held = is_held,
						  .pulse = from->pulse };
	source->read = from->read;
	source->ctx = from->ctx;
	live->source = &source->base;
	live->pid = from->pid;
	live->proc_fd = live->mem_fd = -1;
	live->is_held_by_caller = true;
	st = describe(live, from, err);
	if (!st && !live->vmas.count)
		st = cs_fail(err, CS_CORRUPT, 0, "the debugger knows no memory of this target");
	if (!st)
		st = drop_reserves(live, err);
	if (!st)
		st = build(live, from, err);
	if (!st)
		*out = cs_steal(live);
	return st;
}
