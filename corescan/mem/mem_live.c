/* process_vm_readv(2) stops at the first page it may not read (PROT_NONE);
 * /proc/PID/mem reads it all the same, for us who trace the process. */
#include "mem/mem_live.h"
#include "base/own.h"
#include "mem/mem_live_pages.h"
#include "mem/mem_live_proc.h"
#include "mem/mem_live_stop.h"
#include "mem/mem_mirror.h"
#include "mem/mem_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/uio.h>

enum { WINDOW_PAGES = 64, MAPS_MAX = 256 << 20, COMMAND_MAX = 32 << 10 };

/* A kernel's process as a source: process_vm_readv, and /proc/PID/mem where that is refused. */
struct live_source {
	struct cs_mirror_source base;
	struct cs_live *live;
};

static struct cs_live *live_of(struct cs_mirror_source *source)
{
	return ((struct live_source *)source)->live;
}

/* One process_vm_readv for all wanted runs of a window; the pages it brought. */
static uint64_t read_runs(struct cs_live *live, cs_addr addr, unsigned char *to, uint64_t want)
{
	struct iovec ours[WINDOW_PAGES / 2], theirs[WINDOW_PAGES / 2];
	unsigned long n = 0;
	uint64_t done = 0;

	for (uint64_t rest = want; rest; n++) {
		unsigned first, end;

		cs_mirror_run(rest, &first, &end);
		ours[n].iov_base = to + (uint64_t)first * CS_PAGE_LEN;
		theirs[n].iov_base = (void *)(uintptr_t)(addr + (uint64_t)first * CS_PAGE_LEN);
		ours[n].iov_len = theirs[n].iov_len = (size_t)(end - first) * CS_PAGE_LEN;
		rest &= ~cs_mirror_mask(first, end);
	}

	ssize_t got = process_vm_readv(live->pid, ours, n, theirs, n, 0);

	if (got < 0 && errno == ESRCH)
		live->is_gone = true;
	for (unsigned i = 0; i < 64 && got >= CS_PAGE_LEN; i++) {
		if (!(want >> i & 1))
			continue;
		done |= 1ull << i;
		got -= CS_PAGE_LEN;
	}
	return done;
}

/* The first wanted run by /proc/PID/mem; the pages it brought. */
static uint64_t read_forced(struct cs_live *live, cs_addr addr, unsigned char *to, uint64_t want)
{
	unsigned first, end;
	ssize_t got;

	cs_mirror_run(want, &first, &end);

	uint64_t off = (uint64_t)first * CS_PAGE_LEN;

	do
		got = pread(live->mem_fd, to + off, (size_t)(end - first) * CS_PAGE_LEN,
			    (off_t)(addr + off));
	while (got < 0 && errno == EINTR);
	if (got < CS_PAGE_LEN)
		return 0;
	return cs_mirror_mask(first, first + (unsigned)(got / CS_PAGE_LEN));
}

static uint64_t read_pages(struct cs_mirror_source *source, cs_addr addr, unsigned char *to,
			   uint64_t want)
{
	struct cs_live *live = live_of(source);
	uint64_t got = live->is_gone ? 0 : read_runs(live, addr, to, want);

	return got || live->is_gone ? got : read_forced(live, addr, to, want);
}

static bool is_held(struct cs_mirror_source *source)
{
	struct cs_live *live = live_of(source);

	return live->is_held_by_caller || cs_live_stop_is_held(live->stop);
}

static cs_status make_source(struct cs_live *live, struct cs_pulse *pulse, struct cs_error *err)
{
	struct live_source *source = calloc(1, sizeof(*source));

	if (!source)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a process");
	source->base = (struct cs_mirror_source){ .read = read_pages, .is_held = is_held, .pulse = pulse };
	source->live = live;
	live->source = &source->base;
	return CS_OK;
}

/* Is there anything in this VMA that is memory and may be read? */
static bool is_wanted(const struct cs_live *live, const struct cs_live_vma *vma)
{
	/* described, and not to be read: a page a core left out, a reservation */
	if (live->proc_fd < 0 && !vma->prot)
		return false;
	if (!vma->range.len || cs_proc_is_device(vma) || vma->range.start % CS_PAGE_LEN ||
	    vma->range.len % CS_PAGE_LEN)
		return false;
	if (cs_proc_is_kernel(vma))
		return !strcmp(vma->path, "[vdso]");
	return true;
}

/* A reserved, never touched range: a core has no bytes of it, and neither have we. */
static bool is_empty_reserve(const struct cs_mirror *m, const struct cs_live_vma *vma)
{
	return !vma->prot && cs_live_vma_is_anonymous(vma) && !m->pages.present && !m->pages.swapped;
}

static cs_status note_pages(struct cs_live *live, const struct cs_live_vma *vma,
			    struct cs_live_pages *pages, struct cs_error *err)
{
	uint64_t from = (vma->range.start - pages->start) >> CS_PAGE_BITS;
	uint64_t to = from + (vma->range.len >> CS_PAGE_BITS);

	if (live->proc_fd >= 0)
		return cs_live_pages_scan(live->proc_fd, vma, pages, err);
	if (live->page_map)
		return cs_live_pages_scan_map(live->page_map, vma, pages, err);
	/* whoever described the process knows no page tables */
	cs_bits_set(pages->need, from, to);
	cs_bits_set(pages->resident, from, to);
	pages->present += vma->range.len;
	return CS_OK;
}

/* VMAs [first, last) lie end to end: one mirror, one segment, so that a view
 * may cross from one to the other. */
static cs_status add_run(struct cs_live *live, size_t first, size_t last, struct cs_error *err)
{
	struct cs_range range = live->vmas.items[first].range;
	struct cs_mirror *m = NULL;

	for (size_t i = first + 1; i < last; i++)
		range.len += live->vmas.items[i].range.len;

	cs_status st = cs_mirror_create(live->source, range, &m, err);

	if (st)
		return st;
	if (!cs_vec_push(&live->mirrors, m)) {
		cs_mirror_destroy(m);
		return cs_fail(err, CS_NOMEM, 0, "no memory for a mirror");
	}
	for (size_t i = first; !st && i < last; i++)
		st = note_pages(live, &live->vmas.items[i], &m->pages, err);
	live->mem.swapped += m->pages.swapped;
	if (st || (last - first == 1 && is_empty_reserve(m, &live->vmas.items[first])))
		return st;
	live->mem.present += m->pages.present;
	return cs_mirror_map(m, &live->mem, err);
}

/* May b continue a's segment? Reservations stay alone: they may turn out empty. */
static bool joins(const struct cs_live *live, const struct cs_live_vma *a,
		  const struct cs_live_vma *b)
{
	bool alone = (!a->prot && cs_live_vma_is_anonymous(a)) ||
		     (!b->prot && cs_live_vma_is_anonymous(b));

	return cs_range_end(a->range) == b->range.start && is_wanted(live, b) && !alone;
}

cs_status cs_live_build(struct cs_live *live, struct cs_error *err)
{
	const struct cs_live_vma *v = live->vmas.items;
	cs_status st = CS_OK;

	for (size_t i = 0; i < live->vmas.count; i++)
		live->mem.mapped += v[i].range.len;
	for (size_t i = 0, next; !st && i < live->vmas.count; i = next) {
		next = i + 1;
		if (!is_wanted(live, &v[i]))
			continue;
		while (next < live->vmas.count && joins(live, &v[next - 1], &v[next]))
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

static cs_status add_thread(struct cs_live *live, struct cs_live_thread t, struct cs_error *err)
{
	read_name(live, &t);
	if (!cs_vec_push(&live->threads, t))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	return CS_OK;
}

static cs_status read_threads(struct cs_live *live, struct cs_error *err)
{
	for (size_t i = 0; i < cs_live_stop_count(live->stop); i++) {
		struct cs_live_regs regs;
		cs_status st = cs_live_stop_regs(live->stop, i, &regs, err);

		if (st == CS_NOTFOUND)
			continue;
		if (!st)
			st = add_thread(live, (struct cs_live_thread){ regs.tid, regs.sp, regs.pc,
								       regs.fs_base, "", regs.regs },
					err);
		if (st)
			return st;
		if (regs.tid == live->pid) { /* first */
			struct cs_live_thread t = live->threads.items[live->threads.count - 1];

			live->threads.items[live->threads.count - 1] = live->threads.items[0];
			live->threads.items[0] = t;
		}
	}
	return CS_OK;
}

static cs_status take_threads(struct cs_live *live, const struct cs_live_options *options,
			      struct cs_error *err)
{
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < options->thread_count; i++)
		st = add_thread(live, options->threads[i], err);
	return st;
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

	if (!live->mem.swapped || options->allow_swap_in)
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

/* Whoever holds it must be us, or memory would change under the scan, or be
 * that of another process whose number was used again. */
static cs_status check_held(struct cs_live *live, const struct cs_proc_status *s,
			    struct cs_error *err)
{
	int running = 0;

	if (s->tracer != getpid())
		return cs_fail(err, CS_OS, 0, "process %d is not traced from here", live->pid);
	running = cs_proc_running(live->proc_fd);
	if (running)
		return cs_fail(err, CS_OS, 0,
			       "process %d is running (thread %d): interrupt it first", live->pid,
			       running);
	return CS_OK;
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
	if (live->is_held_by_caller)
		return check_held(live, &s, err);
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
	static const struct cs_live_options none;
	__attribute__((cleanup(cs_live_closep))) struct cs_live *live = calloc(1, sizeof(*live));
	cs_status st;

	if (!options)
		options = &none;
	if (!live)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a process");
	live->proc_fd = live->mem_fd = -1;
	live->pid = pid;
	live->is_held_by_caller = options->is_held;
	st = make_source(live, options->pulse, err);
	if (!st)
		st = open_proc(live, err);
	if (!st && !options->is_held)
		st = cs_live_stop_all(live->pid, live->proc_fd, &live->stop, err);
	if (st)
		return st;
	st = read_maps(live, err);
	if (!st)
		st = options->is_held ? take_threads(live, options, err) : read_threads(live, err);
	if (!st)
		st = read_words(live, err);
	if (!st)
		st = cs_live_build(live, err);
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
	return live->source->unreadable;
}

void cs_live_close(struct cs_live *live)
{
	if (!live)
		return;
	cs_live_stop_destroy(live->stop);
	for (size_t i = 0; i < live->mirrors.count; i++)
		cs_mirror_destroy(live->mirrors.items[i]);
	cs_vec_free(&live->mirrors);
	cs_vec_free(&live->vmas);
	cs_vec_free(&live->threads);
	cs_mem_deinit(&live->mem);
	cs_closep(&live->proc_fd);
	cs_closep(&live->mem_fd);
	free(live->source);
	free(live->command);
	free(live->exe_path);
	free(live->text);
	free(live);
}
