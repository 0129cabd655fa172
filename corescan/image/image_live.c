#include "base/own.h"
#include "image/image_build.h"
#include "mem/mem_live.h"

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static enum cs_mapping_kind kind_of(const struct cs_live_vma *vma)
{
	if (!strcmp(vma->path, "[heap]"))
		return CS_MAPPING_HEAP;
	if (!strcmp(vma->path, "[stack]"))
		return CS_MAPPING_STACK;
	if (starts_with(vma->path, "[vdso]") || starts_with(vma->path, "[vvar") ||
	    starts_with(vma->path, "[vsyscall") || starts_with(vma->path, "[uprobes"))
		return CS_MAPPING_KERNEL;
	if (vma->is_shared)
		return CS_MAPPING_SHARED;
	return vma->inode ? CS_MAPPING_FILE : CS_MAPPING_ANON;
}

static cs_status add_mappings(struct cs_image *image, const struct cs_live *live,
			      struct cs_error *err)
{
	cs_status st = CS_OK;

	for (size_t i = 0; !st && i < live->vmas.count; i++) {
		const struct cs_live_vma *vma = &live->vmas.items[i];
		struct cs_mapping m = {
			.range = vma->range,
			.kind = kind_of(vma),
			.prot = vma->prot,
			.file_off = vma->file_off,
		};

		if (m.kind == CS_MAPPING_FILE || m.kind == CS_MAPPING_SHARED) {
			m.path = cs_arena_copy(&image->strings, vma->path);
			if (!m.path)
				return cs_fail(err, CS_NOMEM, 0, "no memory for the mappings");
		}
		st = cs_image_add_mapping(image, m, err);
	}
	return st;
}

static cs_status add_threads(struct cs_image *image, const struct cs_live *live,
			     struct cs_error *err)
{
	for (size_t i = 0; i < live->threads.count; i++) {
		const struct cs_live_thread *t = &live->threads.items[i];
		struct cs_thread thread = { t->tid, t->sp, t->pc, t->fs_base, NULL, t->regs };

		if (t->sp && t->pc) { /* a debugger says no more than these */
			cs_regs_set(&thread.regs, CS_REG_SP, t->sp);
			cs_regs_set(&thread.regs, CS_REG_PC, t->pc);
		}

		thread.name = cs_arena_copy(&image->strings, t->name);
		if (!thread.name || !cs_vec_push(&image->threads, thread))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	}
	return CS_OK;
}

cs_status cs_image_of_live(struct cs_live *live, const struct cs_image_options *options,
			   struct cs_image **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_image_destroyp))) struct cs_image *image =
		cs_image_create(&live->mem, options);
	cs_status st;

	if (!image)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the image");
	image->is_live = live->proc_fd >= 0;
	image->pid = live->pid;
	image->command = cs_arena_copy(&image->strings, live->command);
	if (!image->command)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the command line");
	cs_image_read_auxv(image, live->auxv, live->auxv_len);
	st = add_mappings(image, live, err);
	if (!st)
		st = add_threads(image, live, err);
	if (!st)
		st = cs_image_settle(image, err);
	if (!st && !image->exe_path && live->exe_path) {
		image->exe_path = cs_arena_copy(&image->strings, live->exe_path);
		if (!image->exe_path)
			st = cs_fail(err, CS_NOMEM, 0, "no memory for a file name");
	}
	if (!st)
		*out = cs_steal(image);
	return st;
}
