#include "mem/mem_mirror.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { WINDOW_PAGES = 64, LARGE = 128 << 20 };

static bool any_set(const uint64_t *bits, uint64_t from, uint64_t to)
{
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		unsigned lo = w == from / 64 ? (unsigned)(from % 64) : 0;
		unsigned hi = w == (to - 1) / 64 ? (unsigned)((to - 1) % 64) + 1 : 64;

		if (bits[w] & cs_mirror_mask(lo, hi))
			return true;
	}
	return false;
}

static void read_window(struct cs_mirror *m, uint64_t word)
{
	uint64_t base = word * WINDOW_PAGES * CS_PAGE_LEN;
	uint64_t want = m->pages.need[word] & ~m->bad[word];

	/* every round brings a page or gives one up */
	while (want && !cs_pulse_look(m->source->pulse)) {
		uint64_t got = m->source->read(m->source, m->range.start + base, m->data + base, want);

		got &= want;
		m->pages.need[word] &= ~got;
		m->fetched += cs_count_bits(got) * CS_PAGE_LEN;
		want &= ~got;
		if (got || (m->source->pulse && m->source->pulse->stopped))
			continue;
		m->bad[word] |= want & -want;
		m->source->unreadable += CS_PAGE_LEN;
		want &= want - 1;
	}
}

static bool fetch(struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	struct cs_mirror *m = seg->fetch_ctx;

	if (!len)
		return true;

	uint64_t from = off >> CS_PAGE_BITS, to = ((off + len - 1) >> CS_PAGE_BITS) + 1;

	if (!any_set(m->pages.need, from, to))
		return true;
	if (!m->source->is_held(m->source))
		return false;
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++)
		read_window(m, w);
	return !any_set(m->pages.need, from, to);
}

cs_status cs_mirror_create(struct cs_mirror_source *source, struct cs_range range,
			   struct cs_mirror **out, struct cs_error *err)
{
	struct cs_mirror *m = calloc(1, sizeof(*m));
	size_t words = (size_t)(range.len / CS_PAGE_LEN + 63) / 64;

	if (!m)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	m->source = source;
	m->range = range;
	m->pages.start = range.start;
	m->pages.resident = calloc(words, 8);
	m->pages.need = calloc(words, 8);
	m->bad = calloc(words, 8);
	if (!m->pages.resident || !m->pages.need || !m->bad) {
		cs_mirror_destroy(m);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	}
	*out = m;
	return CS_OK;
}

static void *unmap(void *arg)
{
	struct cs_range *r = arg;

	madvise((void *)(uintptr_t)r->start, (size_t)r->len, MADV_DONTNEED);
	munmap((void *)(uintptr_t)r->start, (size_t)r->len);
	free(r);
	return NULL;
}

/* Giving gigabytes back takes the kernel a tenth of a second each: nobody who
 * pressed Ctrl-C should wait for it. False: it has to be done at once. */
static bool unmap_aside(const struct cs_mirror *m)
{
	struct cs_range *r = malloc(sizeof(*r));
	sigset_t all, old;
	pthread_t thread;
	bool done;

	if (!r)
		return false;
	*r = (struct cs_range){ (uintptr_t)m->data, m->range.len };
	/* the host program's signals are for its own threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	done = !pthread_create(&thread, NULL, unmap, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (done)
		pthread_detach(thread);
	else
		free(r);
	return done;
}

void cs_mirror_destroy(struct cs_mirror *m)
{
	if (!m)
		return;
	if (m->data && (m->fetched < LARGE || !unmap_aside(m)))
		munmap(m->data, (size_t)m->range.len);
	free(m->pages.resident);
	free(m->pages.need);
	free(m->bad);
	free(m);
}

cs_status cs_mirror_map(struct cs_mirror *m, struct cs_mem *mem, struct cs_error *err)
{
	void *data = mmap(NULL, (size_t)m->range.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return cs_fail(err, CS_NOMEM, m->range.start,
			       "no room to mirror %" PRIu64 " bytes at " CS_ADDR
			       " (address space limit? vm.overcommit_memory = 2?)",
			       m->range.len, m->range.start);
	m->data = data;
	return cs_mem_add(mem,
			  (struct cs_mem_seg){ .start = m->range.start,
					       .len = m->range.len,
					       .data = m->data,
					       .fetch = fetch,
					       .fetch_ctx = m,
					       .resident = m->pages.resident,
					       .is_target = true },
			  err);
}
