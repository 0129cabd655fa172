/* Notes of a Linux x86-64 core: include/uapi/linux/elfcore.h, fs/binfmt_elf.c.
 *   NT_PRSTATUS  pr_cursig at 12, pr_pid at 32, registers at 112 in the order of
 *                user_regs_struct: rip is word 16, rsp 19, fs_base 21
 *   NT_PRPSINFO  pr_pid at 24, pr_psargs (80 bytes) at 56
 *   NT_FILE      count, page size, count x {start, end, offset in pages}, names
 * A note is told by owner and type, never by its place: gcore's order differs
 * from the kernel's. NT_FILE is missing when it would exceed 4 MiB. */
#include "base/own.h"
#include "base/sorted.h"
#include "image/image_build.h"
#include "mem/mem_core.h"

#include <elf.h>
#include <signal.h>

enum {
	STATUS_LEN = 336, STATUS_SIGNAL = 12, STATUS_PID = 32, STATUS_REGS = 112,
	REG_PC = 16, REG_SP = 19, REG_FS_BASE = 21,
	PSINFO_LEN = 136, PSINFO_PID = 24, PSINFO_ARGS = 56, PSINFO_ARGS_LEN = 80,
	FILE_HEADER = 16, FILE_ENTRY = 24,
	SIGNALS = 64
};

static bool stops(const struct cs_image *image)
{
	return cs_pulse_stops(image->options.pulse);
}

static uint64_t reg(const unsigned char *status, unsigned nr)
{
	return cs_le64(status + STATUS_REGS + 8 * nr);
}

/* gcore writes the SIGSTOP it attached with; no kernel dumps for that one. */
static bool is_signal(uint32_t nr)
{
	return nr > 0 && nr <= SIGNALS && nr != SIGSTOP;
}

static cs_status read_status(struct cs_image *image, const unsigned char *desc, struct cs_error *err)
{
	struct cs_thread t = {
		.tid = (int)cs_le32(desc + STATUS_PID),
		.sp = reg(desc, REG_SP),
		.pc = reg(desc, REG_PC),
		.fs_base = reg(desc, REG_FS_BASE),
	};
	uint32_t nr = cs_le16(desc + STATUS_SIGNAL);

	cs_regs_of_user(&t.regs, desc + STATUS_REGS);
	if (!image->threads.count && is_signal(nr))
		image->signal = (int)nr;
	if (!cs_vec_push(&image->threads, t))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	return CS_OK;
}

static cs_status read_psinfo(struct cs_image *image, const unsigned char *desc, struct cs_error *err)
{
	const char *args = (const char *)desc + PSINFO_ARGS;
	size_t len = strnlen(args, PSINFO_ARGS_LEN);

	while (len && args[len - 1] == ' ')
		len--;
	image->pid = (int)cs_le32(desc + PSINFO_PID);

	const char *command = cs_arena_text(&image->strings, args, len);

	if (!command)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the command line");
	image->command = command;
	return CS_OK;
}

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* Nothing in a core says "shared"; these names never are private. */
static bool is_shared_name(const char *path)
{
	static const char *const names[] = { "/dev/zero", "/memfd:", "/dev/shm/", "/SYSV",
					     "/anon_hugepage", "/[aio]" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (starts_with(path, names[i]))
			return true;
	return false;
}

/* The PT_LOAD that holds addr, or NULL. */
static const struct cs_core_load *load_at(const struct cs_core *core, cs_addr addr)
{
	size_t lo = CS_UPTO(core->loads.items, core->loads.count, start, addr);

	if (!lo || addr - core->loads.items[lo - 1].start >= core->loads.items[lo - 1].memsz)
		return NULL;
	return &core->loads.items[lo - 1];
}

static cs_status add_file(struct cs_image *image, const struct cs_core *core,
			  const unsigned char *entry, uint64_t unit, const char *path,
			  struct cs_error *err)
{
	cs_addr start = cs_le64(entry), end = cs_le64(entry + 8);
	const struct cs_core_load *load = load_at(core, start);
	struct cs_mapping m = {
		.range = { start, end - start },
		.kind = is_shared_name(path) ? CS_MAPPING_SHARED : CS_MAPPING_FILE,
		.prot = load ? load->flags & 7 : 0,
		.path = path,
	};

	if (end <= start || !cs_mul(cs_le64(entry + 16), unit, &m.file_off))
		return CS_OK;
	return cs_image_add_mapping(image, m, err);
}

/* One string per run of equal names, so that paths compare by pointer. */
static const char *intern(struct cs_image *image, const char *last, const char *name, size_t len)
{
	if (last && !strcmp(last, name))
		return last;
	return cs_arena_text(&image->strings, name, len);
}

static cs_status read_files(struct cs_image *image, const struct cs_core *core,
			    const struct cs_core_note *note, struct cs_error *err)
{
	uint64_t count = note->len >= FILE_HEADER ? cs_le64(note->desc) : 0;
	uint64_t unit = note->len >= FILE_HEADER ? cs_le64(note->desc + 8) : 0;
	const char *last = NULL;
	cs_status st = CS_OK;

	if (!count)
		return CS_OK;
	/* every entry has a name of at least its NUL */
	if (count > (note->len - FILE_HEADER) / (FILE_ENTRY + 1))
		count = (note->len - FILE_HEADER) / (FILE_ENTRY + 1);

	const char *name = (const char *)note->desc + FILE_HEADER + count * FILE_ENTRY;
	const char *end = (const char *)note->desc + note->len;

	if (cs_le64(note->desc) != count)
		return CS_OK; /* the names are not where they should be */
	for (uint64_t i = 0; !st && i < count; i++) {
		size_t len = strnlen(name, (size_t)(end - name));

		if (name + len >= end)
			break;
		if (stops(image))
			return cs_pulse_fail(err);
		last = intern(image, last, name, len);
		if (!last)
			return cs_fail(err, CS_NOMEM, 0, "no memory for the file names");
		st = add_file(image, core, note->desc + FILE_HEADER + i * FILE_ENTRY, unit, last, err);
		name += len + 1;
	}
	return st;
}

static cs_status read_note(struct cs_image *image, const struct cs_core *core,
			   const struct cs_core_note *note, struct cs_error *err)
{
	if (strcmp(note->owner, "CORE"))
		return CS_OK;
	if (note->type == NT_PRSTATUS && note->len >= STATUS_LEN)
		return read_status(image, note->desc, err);
	if (note->type == NT_PRPSINFO && note->len >= PSINFO_LEN)
		return read_psinfo(image, note->desc, err);
	if (note->type == NT_FILE && !image->mappings.count)
		return read_files(image, core, note, err);
	if (note->type == NT_AUXV)
		cs_image_read_auxv(image, note->desc, note->len);
	else if (note->type == NT_SIGINFO && note->len >= 4 && !image->signal &&
		 is_signal(cs_le32(note->desc)))
		image->signal = (int)cs_le32(note->desc);
	return CS_OK;
}

static int by_start(const void *a, const void *b)
{
	const struct cs_mapping *x = a, *y = b;

	return (x->range.start > y->range.start) - (x->range.start < y->range.start);
}

/* What PT_LOADs tell beyond NT_FILE: anonymous memory, the kernel's pages. */
static cs_status add_rest(struct cs_image *image, const struct cs_core *core, struct cs_error *err)
{
	size_t files = image->mappings.count, nr = 0;
	cs_addr done = 0;
	cs_status st = CS_OK;

	if (files)
		qsort(image->mappings.items, files, sizeof(struct cs_mapping), by_start);
	for (size_t i = 0; !st && i < core->loads.count && !stops(image); i++) {
		const struct cs_core_load *l = &core->loads.items[i];
		cs_addr at = l->start > done ? l->start : done, end = l->start + l->memsz;

		while (!st && at < end) {
			/* items may move while we add */
			const struct cs_mapping *f = nr < files ? &image->mappings.items[nr] : NULL;

			if (f && cs_range_end(f->range) <= at) {
				nr++;
				continue;
			}

			cs_addr stop = f && f->range.start < end ? f->range.start : end;

			if (stop <= at) {
				at = cs_range_end(f->range);
				continue;
			}

			struct cs_mapping m = { .range = { at, stop - at }, .prot = l->flags & 7 };

			st = cs_image_add_mapping(image, m, err);
			at = stop;
		}
		done = at > done ? at : done;
	}
	return st;
}

/* gcore leaves out the headers of what it does not dump; NT_FILE still has it. */
static void count_mapped(const struct cs_image *image, struct cs_mem *mem)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < image->mappings.count; i++)
		sum += image->mappings.items[i].range.len;
	if (sum > mem->mapped)
		mem->mapped = sum;
}

cs_status cs_image_of_core(struct cs_core *core, const struct cs_image_options *options,
			   struct cs_image **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_image_destroyp))) struct cs_image *image =
		cs_image_create(&core->mem, options);
	cs_status st = CS_OK;

	if (!image)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the image");
	for (size_t i = 0; !st && i < core->notes.count && !stops(image); i++)
		st = read_note(image, core, &core->notes.items[i], err);
	if (!st)
		st = add_rest(image, core, err);
	if (!st)
		st = cs_image_settle(image, err);
	if (!st && !image->pid && image->threads.count)
		image->pid = image->threads.items[0].tid;
	count_mapped(image, &core->mem);
	st = cs_pulse_result(image->options.pulse, st, err);
	if (!st)
		*out = cs_steal(image);
	return st;
}
