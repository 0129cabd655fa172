/* process_vm_readv(2) stops at the first page it may not read (PROT_NONE);
 * /proc/PID/mem reads it all the same, for us who trace the process.
 *
 * A window is the 64 pages (256 KiB) of one word of the bitmaps: big enough
 * for full speed, small enough not to read much that nobody asked for. */
#include "mem/mem_live.h"
#include "base/own.h"
#include "mem/mem_live_pages.h"
#include "mem/mem_live_proc.h"
#include "mem/mem_live_stop.h"
#include "mem/mem_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { WINDOW_PAGES = 64, MAPS_MAX = 256 << 20, COMMAND_MAX = 32 << 10 };

/* Neighbouring VMAs in one piece, so that a view may cross from one to the other. */
struct cs_live_mirror {
	struct cs_live *live;
	struct cs_range range;
	unsigned char *data; /* range.len bytes of ours */
	struct cs_live_pages pages;
	uint64_t *bad; /* asked for, and refused */
};

/* Set bits [from, to) of one word. */
static uint64_t word_mask(unsigned from, unsigned to)
{
	uint64_t below = to == 64 ? UINT64_MAX : (1ull << to) - 1;

	return below & ~((1ull << from) - 1);
}

static bool any_set(const uint64_t *bits, uint64_t from, uint64_t to)
{
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		unsigned lo = w == from / 64 ? (unsigned)(from % 64) : 0;
		unsigned hi = w == (to - 1) / 64 ? (unsigned)((to - 1) % 64) + 1 : 64;

		if (bits[w] & word_mask(lo, hi))
			return true;
	}
	return false;
}

static void mark_bad(struct cs_live_mirror *m, uint64_t word, uint64_t pages)
{
	m->bad[word] |= pages;
	m->live->unreadable += (uint64_t)__builtin_popcountll(pages) * CS_PAGE_LEN;
}

/* One process_vm_readv for all wanted runs of a window; the pages it brought. */
static uint64_t read_runs(struct cs_live_mirror *m, uint64_t word, uint64_t want)
{
	struct iovec ours[WINDOW_PAGES / 2], theirs[WINDOW_PAGES / 2];
	uint64_t base = word * WINDOW_PAGES * CS_PAGE_LEN, done = 0;
	unsigned long n = 0;

	for (unsigned from = 0, to; from < 64; from = to) {
		for (to = from + 1; to < 64 && (want >> to & 1) == (want >> from & 1); to++)
			;
		if (!(want >> from & 1))
			continue;
		ours[n].iov_base = m->data + base + (uint64_t)from * CS_PAGE_LEN;
		theirs[n].iov_base =
			(void *)(uintptr_t)(m->range.start + base + (uint64_t)from * CS_PAGE_LEN);
		ours[n].iov_len = theirs[n].iov_len = (size_t)(to - from) * CS_PAGE_LEN;
		n++;
	}

	ssize_t got = process_vm_readv(m->live->pid, ours, n, theirs, n, 0);

	if (got < 0 && errno == ESRCH)
		m->live->is_gone = true;
	for (unsigned i = 0; i < 64 && got >= CS_PAGE_LEN; i++) {
		if (!(want >> i & 1))
			continue;
		done |= 1ull << i;
		got -= CS_PAGE_LEN;
	}
	return done;
}

/* The first wanted run by /proc/PID/mem; the pages it brought. */
static uint64_t read_forced(struct cs_live_mirror *m, uint64_t word, uint64_t want)
{
	unsigned from = (unsigned)__builtin_ctzll(want), to = from;
	uint64_t off = (word * WINDOW_PAGES + from) * CS_PAGE_LEN;
	ssize_t got;

	while (to < 64 && want >> to & 1)
		to++;
	do
		got = pread(m->live->mem_fd, m->data + off, (size_t)(to - from) * CS_PAGE_LEN,
			    (off_t)(m->range.start + off));
	while (got < 0 && errno == EINTR);
	if (got < CS_PAGE_LEN)
		return 0;
	return word_mask(from, from + (unsigned)(got / CS_PAGE_LEN));
}

static void read_window(struct cs_live_mirror *m, uint64_t word)
{
	uint64_t want = m->pages.need[word] & ~m->bad[word];

	/* every round brings a page or gives one up */
	while (want) {
		uint64_t got = m->live->is_gone ? 0 : read_runs(m, word, want);

		m->pages.need[word] &= ~got;
		want &= ~got;
		if (!want)
			break;
		if (m->live->is_gone || !cs_live_stop_is_held(m->live->stop)) {
			mark_bad(m, word, want);
			break;
		}
		got = read_forced(m, word, want);
		m->pages.need[word] &= ~got;
		want &= ~got;
		if (!got) {
			mark_bad(m, word, want & -want);
			want &= want - 1;
		}
	}
}

static bool fetch(struct cs_mem_seg *seg, uint64_t off, uint64_t len)
{
	struct cs_live_mirror *m = seg->fetch_ctx;

	if (!len)
		return true;

	uint64_t from = off >> CS_PAGE_BITS, to = ((off + len - 1) >> CS_PAGE_BITS) + 1;

	if (!any_set(m->pages.need, from, to))
		return true;
	/* what runs changes under us: nothing beats half a truth */
	if (!cs_live_stop_is_held(m->live->stop))
		return false;
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++)
		read_window(m, w);
	return !any_set(m->pages.need, from, to);
}

static void mirror_destroy(struct cs_live_mirror *m)
{
	if (!m)
		return;
	if (m->data)
		munmap(m->data, (size_t)m->range.len);
	free(m->pages.resident);
	free(m->pages.need);
	free(m->bad);
	free(m);
}

static cs_status mirror_create(struct cs_live *live, struct cs_range range,
			       struct cs_live_mirror **out, struct cs_error *err)
{
	struct cs_live_mirror *m = calloc(1, sizeof(*m));
	size_t words = (size_t)(range.len / CS_PAGE_LEN + 63) / 64;

	if (!m)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	m->live = live;
	m->range = range;
	m->pages.start = range.start;
	m->pages.resident = calloc(words, 8);
	m->pages.need = calloc(words, 8);
	m->bad = calloc(words, 8);
	if (!m->pages.resident || !m->pages.need || !m->bad) {
		mirror_destroy(m);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	}
	*out = m;
	return CS_OK;
}

/* Reserve our side. Nothing is used until something is fetched. */
static cs_status mirror_map(struct cs_live_mirror *m, struct cs_error *err)
{
	void *data = mmap(NULL, (size_t)m->range.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return cs_fail(err, CS_NOMEM, m->range.start,
			       "no room to mirror %" PRIu64 " bytes at " CS_ADDR
			       " (address space limit? vm.overcommit_memory = 2?)",
			       m->range.len, m->range.start);
	m->data = data;
	return CS_OK;
}

/* Is there anything in this VMA that is memory and may be read? */
static bool is_wanted(const struct cs_live_vma *vma)
{
	if (cs_proc_is_device(vma) || vma->range.start % CS_PAGE_LEN || vma->range.len % CS_PAGE_LEN)
		return false;
	if (cs_proc_is_kernel(vma))
		return !strcmp(vma->path, "[vdso]");
	return true;
}

/* A reserved, never touched range nobody may read either: a core has no bytes
 * of it, and neither have we. */
static bool is_empty_reserve(const struct cs_live_mirror *m, const struct cs_live_vma *vma)
{
	return !vma->prot && cs_live_vma_is_anonymous(vma) && !m->pages.present && !m->pages.swapped;
}

/* VMAs [first, last) lie end to end: one mirror, one segment. */
static cs_status add_run(struct cs_live *live, size_t first, size_t last, struct cs_error *err)
{
	struct cs_range range = live->vmas.items[first].range;
	struct cs_live_mirror *m = NULL;

	for (size_t i = first + 1; i < last; i++)
		range.len += live->vmas.items[i].range.len;

	cs_status st = mirror_create(live, range, &m, err);

	if (st)
		return st;
	if (!cs_vec_push(&live->mirrors, m)) {
		mirror_destroy(m);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	}
	for (size_t i = first; !st && i < last; i++)
		st = cs_live_pages_scan(live->proc_fd, &live->vmas.items[i], &m->pages, err);
	live->mem.swapped += m->pages.swapped;
	if (st || (last - first == 1 && is_empty_reserve(m, &live->vmas.items[first])))
		return st;
	st = mirror_map(m, err);
	if (st)
		return st;
	live->mem.present += m->pages.present;
	return cs_mem_add(&live->mem,
			  (struct cs_mem_seg){ .start = range.start,
					       .len = range.len,
					       .data = m->data,
					       .fetch = fetch,
					       .fetch_ctx = m,
					       .resident = m->pages.resident,
					       .is_target = true },
			  err);
}

/* May b continue a's segment? Reservations stay alone: they may turn out empty. */
static bool joins(const struct cs_live_vma *a, const struct cs_live_vma *b)
{
	bool alone = (!a->prot && cs_live_vma_is_anonymous(a)) ||
		     (!b->prot && cs_live_vma_is_anonymous(b));

	return cs_range_end(a->range) == b->range.start && is_wanted(b) && !alone;
}

static cs_status build_memory(struct cs_live *live, struct cs_error *err)
{
	const struct cs_live_vma *v = live->vmas.items;
	cs_status st = CS_OK;

	for (size_t i = 0; i < live->vmas.count; i++)
		live->mem.mapped += v[i].range.len;
	for (size_t i = 0, next; !st && i < live->vmas.count; i = next) {
		next = i + 1;
		if (!is_wanted(&v[i]))
			continue;
		while (next < live->vmas.count && joins(&v[next - 1], &v[next]))
			next++;
		st = add_run(live, i, next, err);
	}
	cs_mem_seal(&live->mem, NULL);
	return st;
}

static void read_name(struct cs_live *live, struct cs_live_thread *t)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "task/%d/comm", t->tid);

	cs_autofree char *name = cs_proc_read(live->proc_fd, path, sizeof(t->name), &len);

	if (!name)
		return;
	if (len && name[len - 1] == '\n')
		len--;
	len = len < sizeof(t->name) ? len : sizeof(t->name) - 1;
	memcpy(t->name, name, len);
	t->name[len] = '\0';
}

static cs_status read_threads(struct cs_live *live, struct cs_error *err)
{
	for (size_t i = 0; i < cs_live_stop_count(live->stop); i++) {
		struct cs_live_thread t = { .tid = 0 };
		struct cs_live_regs regs;
		cs_status st = cs_live_stop_regs(live->stop, i, &regs, err);

		if (st == CS_NOTFOUND)
			continue;
		if (st)
			return st;
		t.tid = regs.tid;
		t.sp = regs.sp;
		t.pc = regs.pc;
		t.fs_base = regs.fs_base;
		read_name(live, &t);
		if (!cs_vec_push(&live->threads, t))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
		if (t.tid == live->pid) { /* first */
			live->threads.items[live->threads.count - 1] = live->threads.items[0];
			live->threads.items[0] = t;
		}
	}
	return CS_OK;
}

static cs_status read_words(struct cs_live *live, struct cs_error *err)
{
	char exe[PATH_MAX];
	size_t len;
	ssize_t n = readlinkat(live->proc_fd, "exe", exe, sizeof(exe) - 1);
	cs_autofree char *auxv = cs_proc_read(live->proc_fd, "auxv", sizeof(live->auxv), &len);

	if (auxv) {
		memcpy(live->auxv, auxv, len);
		live->auxv_len = len;
	}
	if (n > 0) {
		exe[n] = '\0';
		live->exe_path = strdup(exe);
	}
	live->command = cs_proc_read(live->proc_fd, "cmdline", COMMAND_MAX, &len);
	if (!live->command && !(live->command = calloc(1, 1)))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the command line");
	while (len && !live->command[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!live->command[i])
			live->command[i] = ' ';
	return CS_OK;
}

static cs_status read_maps(struct cs_live *live, struct cs_error *err)
{
	size_t len;

	live->text = cs_proc_read(live->proc_fd, "maps", MAPS_MAX, &len);
	if (!live->text)
		return cs_fail_os(err, "its memory map cannot be read");
	if (!len)
		return cs_fail(err, CS_OS, 0, "it ended while it was being stopped");
	if (len == MAPS_MAX)
		return cs_fail(err, CS_LIMIT, 0, "its memory map is longer than %d bytes", MAPS_MAX);
	live->mem_fd = openat(live->proc_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (live->mem_fd < 0)
		return cs_fail_os(err, "its memory cannot be opened");
	return cs_proc_parse_maps(live, live->text, err);
}

/* Reading swapped pages brings them back in, on the process' account. */
static cs_status check_swap(const struct cs_live *live, const struct cs_live_options *options,
			    struct cs_error *err)
{
	uint64_t room;

	if (!live->mem.swapped || (options && options->allow_swap_in))
		return CS_OK;
	room = cs_swap_headroom("", live->pid);
	if (live->mem.swapped <= room)
		return CS_OK;
	return cs_fail(err, CS_LIMIT, 0,
		       "%" PRIu64 " MiB are swapped out and only %" PRIu64
		       " MiB can come back: reading them may get the process killed "
		       "(--allow-swap-in reads them all the same)",
		       live->mem.swapped >> 20, room >> 20);
}

static cs_status check_status(struct cs_live *live, struct cs_error *err)
{
	struct cs_proc_status s;
	cs_status st = cs_proc_status(live->proc_fd, live->pid, &s, err);
	int given = live->pid;

	if (st)
		return st;
	if (s.tgid > 0)
		live->pid = s.tgid;
	if (live->pid == getpid())
		return cs_fail(err, CS_USAGE, 0, "process %d is corescan itself", given);
	if (s.state == 'Z' || s.state == 'X')
		return cs_fail(err, CS_OS, 0,
			       "process %d is a zombie: it has ended and its memory is gone", given);
	if (s.tracer)
		return cs_fail(err, CS_OS, 0,
			       "process %d is already traced by process %d (gdb, strace?); "
			       "end that first",
			       given, s.tracer);
	if (!s.has_memory)
		return cs_fail(err, CS_OS, 0, "process %d is a kernel thread: it has no memory of its own",
			       given);
	return CS_OK;
}

static cs_status open_proc(struct cs_live *live, struct cs_error *err)
{
	char path[64];
	cs_status st;

	snprintf(path, sizeof(path), "/proc/%d", live->pid);
	live->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (live->proc_fd < 0 && (errno == ENOENT || errno == ESRCH))
		return cs_fail(err, CS_OS, 0, "no process with pid %d", live->pid);
	if (live->proc_fd < 0)
		return cs_fail_os(err, "%s", path);

	int given = live->pid;

	st = check_status(live, err);
	if (st || live->pid == given)
		return st;
	close(live->proc_fd); /* a thread's id was given */
	snprintf(path, sizeof(path), "/proc/%d", live->pid);
	live->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return live->proc_fd < 0 ? cs_fail_os(err, "%s", path) : check_status(live, err);
}

cs_status cs_live_open(int pid, const struct cs_live_options *options, struct cs_live **out,
		       struct cs_error *err)
{
	__attribute__((cleanup(cs_live_closep))) struct cs_live *live = calloc(1, sizeof(*live));
	cs_status st;

	if (!live)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a process");
	live->proc_fd = live->mem_fd = -1;
	live->pid = pid;
	st = open_proc(live, err);
	if (!st)
		st = cs_live_stop_all(live->pid, live->proc_fd, &live->stop, err);
	if (st)
		return st;
	st = read_maps(live, err);
	if (!st)
		st = read_threads(live, err);
	if (!st)
		st = read_words(live, err);
	if (!st)
		st = build_memory(live, err);
	if (!st)
		st = check_swap(live, options, err);
	if (!st)
		*out = cs_steal(live);
	return st ? cs_wrap(err, st, "process %d", pid) : CS_OK;
}

uint64_t cs_live_resume(struct cs_live *live)
{
	return live->stop ? cs_live_stop_release(live->stop) : 0;
}

uint64_t cs_live_unreadable(const struct cs_live *live)
{
	return live->unreadable;
}

void cs_live_close(struct cs_live *live)
{
	if (!live)
		return;
	cs_live_stop_destroy(live->stop);
	for (size_t i = 0; i < live->mirrors.count; i++)
		mirror_destroy(live->mirrors.items[i]);
	cs_vec_free(&live->mirrors);
	cs_vec_free(&live->vmas);
	cs_vec_free(&live->threads);
	cs_mem_deinit(&live->mem);
	cs_closep(&live->proc_fd);
	cs_closep(&live->mem_fd);
	free(live->command);
	free(live->exe_path);
	free(live->text);
	free(live);
}
