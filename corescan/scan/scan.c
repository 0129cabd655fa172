#include "scan/scan_state.h"
#include "base/own.h"
#include "cpython/py_census.h"
#include "cpython/py_gc.h"
#include "cpython/py_obmalloc.h"
#include "cpython/py_own.h"
#include "glibc/glibc.h"
#include "glibc/glibc_rootless.h"
#include "mem/mem_callback.h"
#include "mem/mem_core.h"
#include "native/native.h"
#include "scan/answers.h"
#include "scan/files.h"
#include "scan/heap_graph.h"
#include "scan/makers.h"
#include "scan/regions.h"
#include "scan/threads.h"

#include <ctype.h>
#include <errno.h>

enum { COMPARED_LEN = 4096, COMPARED_MAX = 32 };

static uint64_t present_of(void *ctx, cs_addr addr, uint64_t len)
{
	return cs_mem_present(ctx, addr, len);
}

/* All digits and no such file: a pid. */
static bool names_pid(const char *target, const struct cs_scan_options *options, int *pid)
{
	const char *p = target;
	long n;

	while (isdigit((unsigned char)*p))
		p++;
	if (*p || p == target || (!options->is_pid && !access(target, F_OK)))
		return false;
	errno = 0;
	n = strtol(target, NULL, 10);
	*pid = errno || n > INT32_MAX ? -1 : (int)n;
	return true;
}

static struct cs_image_options image_options(struct cs_scan *scan)
{
	const struct cs_scan_options *o = &scan->options;

	return (struct cs_image_options){
		.exe = o->exe,
		.sysroot = o->sysroot,
		.debug_dir = o->debug_dir,
		.files = o->files,
		.file_count = o->file_count,
		.debuginfod = o->debuginfod,
		.pulse = &scan->pulse,
	};
}

static cs_status open_target(struct cs_scan *scan, const char *target, struct cs_error *err)
{
	struct cs_image_options image = image_options(scan);
	struct cs_live_options live = { .allow_swap_in = scan->options.allow_swap_in,
					.pulse = &scan->pulse };
	cs_status st;
	int pid;

	if (!names_pid(target, &scan->options, &pid)) {
		if (scan->options.is_pid)
			return cs_fail(err, CS_USAGE, 0, "%s: not a process number", target);
		st = cs_core_open(target, &scan->core, err);
		return st ? st : cs_image_of_core(scan->core, &image, &scan->image, err);
	}
	st = cs_live_open(pid, &live, &scan->live, err);
	return st ? st : cs_image_of_live(scan->live, &image, &scan->image, err);
}

static cs_status open_process(struct cs_scan *scan, const struct cs_scan_process *p,
			      struct cs_error *err)
{
	const struct cs_scan_options *o = &scan->options;
	struct cs_image_options image = image_options(scan);
	struct cs_live_options live = {
		.allow_swap_in = o->allow_swap_in,
		.is_held = true,
		.threads = p->threads,
		.thread_count = p->thread_count,
		.pulse = &scan->pulse,
	};
	struct cs_callback callback = {
		.read = o->read,
		.read_page_map = o->read_page_map,
		.ctx = o->read_ctx,
		.allow_swap_in = o->allow_swap_in,
		.pulse = &scan->pulse,
		.pid = p->pid,
		.maps = p->maps,
		.command = p->command,
		.exe = p->exe,
		.threads = p->threads,
		.thread_count = p->thread_count,
		.auxv = p->auxv,
		.auxv_words = p->auxv_words,
	};
	cs_status st;

	if (!p->is_traced_here && !o->read)
		return cs_fail(err, CS_USAGE, 0, "there is no way to read the process");
	if (p->is_traced_here)
		st = cs_live_open(p->pid, &live, &scan->live, err);
	else
		st = cs_callback_open(&callback, &scan->live, err);
	scan->process = p;
	return st ? st : cs_image_of_live(scan->live, &image, &scan->image, err);
}

/* Does the debugger see the same page? CS_NOTFOUND: it is none of the target's. */
static cs_status compare_page(struct cs_scan *scan, cs_addr addr, struct cs_error *err)
{
	unsigned char theirs[COMPARED_LEN];
	cs_addr at = cs_align_down(addr, COMPARED_LEN);
	const unsigned char *ours = cs_mem_view(scan->image->mem, at, COMPARED_LEN);
	cs_status st;

	if (!ours || cs_mem_present(scan->image->mem, at, COMPARED_LEN) < COMPARED_LEN)
		return CS_NOTFOUND;
	st = scan->options.read(scan->options.read_ctx, at, theirs, COMPARED_LEN);
	if (st == CS_FAULT || (!st && memcmp(ours, theirs, COMPARED_LEN)))
		return cs_fail(err, CS_CORRUPT, at,
			       "the debugger sees other bytes at " CS_ADDR " than corescan reads by itself",
			       at);
	return st;
}

/* What the kernel shows under this number or name need not be what the debugger
 * looks at. A stack tells best: no two processes have the same. */
static cs_status compare(struct cs_scan *scan, struct cs_error *err)
{
	const struct cs_image *image = scan->image;
	cs_status st = CS_NOTFOUND;

	if (!scan->options.read || (scan->process && !scan->process->is_traced_here))
		return CS_OK;
	for (size_t i = 0; st == CS_NOTFOUND && i < image->threads.count && i < COMPARED_MAX; i++)
		st = compare_page(scan, image->threads.items[i].sp, err);
	for (size_t i = 0; st == CS_NOTFOUND && i < image->mappings.count && i < COMPARED_MAX; i++)
		if (image->mappings.items[i].prot & CS_PROT_W)
			st = compare_page(scan, image->mappings.items[i].range.start, err);
	return st == CS_NOTFOUND ? CS_OK : st; /* nothing to lie about */
}

/* Bytes of a range that can be read from anywhere. */
static uint64_t readable(struct cs_mem *mem, struct cs_range r)
{
	cs_addr end = cs_range_end(r), at = r.start;
	uint64_t n = 0;

	for (struct cs_mem_seg *seg = cs_mem_find_next(mem, at);
	     seg && seg < mem->segs.items + mem->segs.count && seg->start < end; seg++) {
		cs_addr from = seg->start > at ? seg->start : at;
		cs_addr to = seg->start + seg->len < end ? seg->start + seg->len : end;

		n += to - from;
		at = to;
	}
	return n;
}

/* What the process could write and nobody can show us: not dumped. A file's
 * pages that were never written are no loss, nor is a reservation without access. */
static uint64_t missing_bytes(struct cs_image *image)
{
	uint64_t n = 0;

	for (size_t i = 0; i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];

		if (m->kind == CS_MAPPING_KERNEL || !m->prot ||
		    (m->kind == CS_MAPPING_FILE && !(m->prot & CS_PROT_W)))
			continue;
		n += m->range.len - readable(image->mem, m->range);
	}
	return n;
}

static void describe_target(struct cs_scan *scan)
{
	struct cs_target_info *t = &scan->model.target;
	const struct cs_mem *mem = scan->image->mem;

	t->kind = scan->core || (scan->process && scan->process->is_core) ? "core" : "live";
	t->path = scan->core ? scan->core->path : NULL;
	if (scan->process && scan->process->name)
		t->name = cs_arena_copy(&scan->model.strings, scan->process->name);
	if (scan->process && scan->process->is_core)
		t->path = t->name;
	t->is_held = scan->process && !scan->process->is_core;
	t->pid = scan->image->pid;
	t->signal = scan->image->signal;
	t->command = scan->image->command ? scan->image->command : "";
	t->threads = scan->image->threads.count;
	t->mapped = mem->mapped;
	t->present = mem->present;
	t->lost = mem->truncated;
	t->swapped = mem->swapped;
	t->missing = missing_bytes(scan->image);
	t->truncated = mem->truncated ||
		       (scan->core && (scan->core->lost_headers || scan->core->lost_notes));
	if (!scan->core)
		return;
	if (t->truncated)
		cs_model_anomaly(&scan->model, "core.truncated", 0,
				 "the file ends before its memory does: %" PRIu64
				 " bytes and %" PRIu64 " program headers are missing",
				 mem->truncated, scan->core->lost_headers);
	if (scan->core->header_lies)
		cs_model_anomaly(&scan->model, "core.headers", 0,
				 "%" PRIu64 " program headers contradict the file or each other",
				 scan->core->header_lies);
}

static cs_status walk_malloc(struct cs_scan *scan, struct cs_error *err)
{
	cs_status st = cs_glibc_find(scan->image, &scan->model, &scan->glibc, err);

	if (st == CS_NOTFOUND && scan->model.target.truncated) {
		st = cs_glibc_rootless(scan->image, &scan->model, err);
		return st == CS_NOTFOUND ? CS_OK : st;
	}
	if (st == CS_NOTFOUND)
		return CS_OK;
	return st ? st : cs_glibc_walk(scan->glibc, err);
}

static cs_status walk_python(struct cs_scan *scan, struct cs_error *err)
{
	cs_status st = py_find(scan->image, &scan->model, &scan->py, err);

	if (st == CS_NOTFOUND || st == CS_UNSUPPORTED)
		return CS_OK; /* the model says so; the rest of the report stands */
	return st ? st : py_obmalloc_walk(scan->py, err);
}

/* Two independent ways to count what the collector knows: link by link, and
 * object by object. */
static void prove_collector(struct cs_scan *scan)
{
	struct py_gc_counts gc;
	uint64_t sum;

	scan->is_proven = true;
	if (py_gc_walk(scan->py, &gc))
		return;
	sum = gc.generation[0] + gc.generation[1] + gc.generation[2] + gc.permanent;
	cs_model_finding(&scan->model, "objects the collector tracks", "collector's lists",
			 sum == scan->py->tracked ? "the census counts as many" :
						    "the census counts another number",
			 "%" PRIu64 " + %" PRIu64 " + %" PRIu64 " and %" PRIu64
			 " permanent; census %" PRIu64 "%s",
			 gc.generation[0], gc.generation[1], gc.generation[2], gc.permanent,
			 scan->py->tracked, gc.is_collecting ? "; inside a collection" : "");
}

void cs_scan_prove(struct cs_scan *scan)
{
	cs_scan_prove_files(scan);
	/* stopped_ns is known once it runs again */
	if (scan->py && !scan->is_proven && !scan->model.target.stopped_ns)
		prove_collector(scan);
}

/* What is left: C and C++. Without memory for it the rest stands. */
static cs_status find_native_types(struct cs_scan *scan, struct cs_error *err)
{
	struct cs_native_options options = { .hints = scan->options.hints };
	cs_status st = cs_native_types(scan->image, &scan->model, &options, &scan->native, err);

	if (st != CS_NOMEM && st != CS_LIMIT)
		return st;
	cs_model_anomaly(&scan->model, "native.memory", 0, "%s", err ? err->text : "no memory");
	return CS_OK;
}

static cs_status walk(struct cs_scan *scan, struct cs_error *err)
{
	cs_status st = walk_malloc(scan, err);
	uint64_t overlap;

	if (!st)
		st = cs_pulse_step(&scan->pulse, "pymalloc", 300, 500, err);
	if (!st)
		st = walk_python(scan, err);
	if (!st && scan->glibc)
		st = cs_glibc_mapped(scan->glibc, err);
	if (!st)
		st = cs_pulse_step(&scan->pulse, "objects", 500, 880, err);
	if (st)
		return st;
	overlap = cs_blocks_seal(&scan->model.blocks);
	if (overlap)
		cs_model_anomaly(&scan->model, "heap.overlap", 0,
				 "%" PRIu64 " bytes of heaps lie in other heaps and were left out",
				 overlap);
	if (scan->py) {
		st = py_own_runtime(scan->py, err);
		if (!st)
			st = py_census(scan->py, err);
		if (!st)
			st = py_own_leftovers(scan->py, err);
		if (!st && scan->options.thorough)
			prove_collector(scan);
	}
	if (!st)
		st = cs_pulse_step(&scan->pulse, "native types", 880, 900, err);
	return st ? st : find_native_types(scan, err);
}

/* Everything that needs the target's memory. */
static cs_status read_all(struct cs_scan *scan, struct cs_stacks **stacks, struct cs_error *err)
{
	bool has_locals = scan->options.locals && !scan->options.no_values;
	cs_status st = cs_pulse_step(&scan->pulse, "malloc", 100, 300, err);

	if (!st)
		st = walk(scan, err);
	if (!st)
		st = cs_regions_of_image(scan->image, &scan->model, err);
	if (!st && (scan->options.threads || (scan->options.live_threads && scan->live))) {
		st = cs_pulse_step(&scan->pulse, "stacks", 900, 920, err);
		if (!st)
			st = cs_stacks_read(scan, has_locals, stacks, err);
	}
	if (!st)
		st = cs_pulse_step(&scan->pulse, "ledger", 920, 980, err);
	if (!st)
		st = cs_model_settle(&scan->model, present_of, scan->image->mem, err);
	if (!st)
		st = cs_model_check(&scan->model, err);
	return st;
}

static cs_status work(struct cs_scan *scan, struct cs_error *err)
{
	__attribute__((cleanup(cs_stacks_destroyp))) struct cs_stacks *stacks = NULL;
	cs_status st;

	describe_target(scan);
	cs_scan_tell_refused(scan);
	st = read_all(scan, &stacks, err);
	if (!st && (scan->options.sites || scan->options.thorough)) {
		st = cs_pulse_step(&scan->pulse, "traces", 980, 990, err);
		if (!st)
			st = cs_scan_sites(scan, err);
	}
	if (!st && scan->options.graph) {
		st = cs_heap_graph_create(scan, &scan->graph, err);
		if (st == CS_NOMEM || st == CS_LIMIT) { /* told by whoever needs it: the rest stands */
			scan->no_graph = err ? *err : (struct cs_error){ .text = "" };
			scan->no_graph.status = st;
			st = CS_OK;
		}
	}
	if (scan->live)
		scan->model.target.stopped_ns = cs_live_resume(scan->live);
	if (!st && scan->options.sites) {
		st = cs_pulse_step(&scan->pulse, "code", 990, 995, err);
		if (!st)
			st = cs_scan_makers(scan, err);
		st = st == CS_NOMEM ? CS_OK : st; /* told by whoever needs it: the rest stands */
	}
	if (!st && stacks) {
		st = cs_pulse_step(&scan->pulse, "names", 995, 1000, err);
		if (!st)
			st = cs_stacks_name(stacks, err);
	}
	if (!st && scan->options.thorough)
		cs_scan_prove_files(scan);
	cs_scan_tell_debug(scan);
	return st;
}

static cs_status scan_open(const char *target, const struct cs_scan_process *process,
			   const struct cs_scan_options *options, struct cs_scan **out,
			   struct cs_error *err)
{
	struct cs_scan *scan = calloc(1, sizeof(*scan));
	cs_status st;

	if (!scan)
		return cs_fail(err, CS_NOMEM, 0, "no memory");
	if (options)
		scan->options = *options;
	scan->pulse = (struct cs_pulse){ .beat = scan->options.progress,
					 .ctx = scan->options.progress_ctx,
					 .every_ns = scan->options.progress_every_ns };
	scan->model.pulse = &scan->pulse;
	st = cs_pulse_step(&scan->pulse, "opening", 0, 100, err);
	if (!st)
		st = process ? open_process(scan, process, err) : open_target(scan, target, err);
	if (!st)
		st = compare(scan, err);
	if (!st)
		st = work(scan, err);
	/* what a walk came to that was told to end says nothing */
	st = cs_pulse_result(&scan->pulse, st, err);
	scan->pulse.beat = NULL;
	scan->process = NULL; /* the caller's, for this call */
	if (st)
		cs_scan_close(scan);
	else
		*out = scan;
	return st;
}

cs_status cs_scan_open(const char *target, const struct cs_scan_options *options,
		       struct cs_scan **out, struct cs_error *err)
{
	return scan_open(target, NULL, options, out, err);
}

cs_status cs_scan_process(const struct cs_scan_process *process,
			  const struct cs_scan_options *options, struct cs_scan **out,
			  struct cs_error *err)
{
	return scan_open(NULL, process, options, out, err);
}

void cs_scan_close(struct cs_scan *scan)
{
	if (!scan)
		return;
	cs_heap_graph_destroy(scan->graph);
	cs_makers_destroy(scan->makers);
	cs_native_destroy(scan->native);
	py_destroy(scan->py);
	cs_glibc_destroy(scan->glibc);
	cs_image_destroy(scan->image);
	cs_live_close(scan->live);
	cs_core_close(scan->core);
	cs_model_deinit(&scan->model);
	free(scan);
}

void cs_scan_listen(struct cs_scan *scan,
		    bool (*progress)(void *ctx, const char *step, unsigned permille), void *ctx)
{
	scan->pulse.beat = progress;
	scan->pulse.ctx = ctx;
	scan->pulse.stopped = false;
	scan->pulse.step = "looking up";
}

cs_status cs_scan_stopped(const struct cs_scan *scan, struct cs_error *err)
{
	return scan->pulse.stopped ? cs_pulse_fail(err) : CS_OK;
}

struct cs_model *cs_scan_model(struct cs_scan *scan)
{
	return &scan->model;
}
