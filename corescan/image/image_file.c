/* Where the file of a module may lie. The process may have run in a container,
 * on another machine, or with a file that was replaced since: only the build id
 * decides, the path is a hint. */
#include "base/own.h"
#include "image/debuginfod.h"
#include "image/elf_file.h"
#include "image/image_build.h"
#include "mem/mem_live.h"

#include <limits.h>
#include <stdio.h>

static const char default_debug_dir[] = "/usr/lib/debug";

/* The search for one module's file. */
struct look {
	struct cs_image *image;
	struct cs_module *module;
	const struct cs_module_match *match;
	size_t path_len; /* of the module's path, without " (deleted)" */
	struct cs_error *err;
};

void cs_refuse(struct cs_refused *refused, const struct cs_elf *elf, const char *path)
{
	size_t len;
	const unsigned char *id = cs_elf_build_id(elf, &len);

	if (refused->path)
		return;
	refused->path = strdup(path); /* without memory it is not told */
	refused->build_id_len = len <= sizeof(refused->build_id) ? len : 0;
	if (id)
		memcpy(refused->build_id, id, refused->build_id_len);
}

/* Take the file if it is the one. CS_OK also when it is not: see module->elf. */
static cs_status try_file(struct look *l, const char *path, const char *means)
{
	struct cs_module *module = l->module;
	struct cs_elf *elf;
	size_t len;

	if (module->elf || cs_elf_open(path, &elf, NULL) != CS_OK)
		return CS_OK;

	const unsigned char *id = cs_elf_build_id(elf, &len);
	bool verified = module->build_id_len > 0;
	bool fits = verified ? len == module->build_id_len && !memcmp(id, module->build_id, len) :
			       l->match->is_same(elf, l->match->ctx);

	if (cs_elf_is_debug(elf) || !fits) {
		if (!fits)
			cs_refuse(&module->refused, elf, path);
		cs_elf_close(elf);
		return CS_OK;
	}
	module->file_path = cs_arena_copy(&l->image->strings, path);
	if (!module->file_path) {
		cs_elf_close(elf);
		return cs_fail(l->err, CS_NOMEM, 0, "no memory for a file name");
	}
	module->elf = elf;
	module->found_by = means;
	module->file = verified ? CS_FILE_MATCHED : CS_FILE_UNVERIFIED;
	if (!verified && id && len <= sizeof(module->build_id)) {
		memcpy(module->build_id, id, len);
		module->build_id_len = len;
	}
	return CS_OK;
}

/* The same of dir + the module's path. */
static cs_status try_below(struct look *l, const char *dir, const char *means)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%.*s", dir, (int)l->path_len, l->module->path);

	return l->path_len && n > 0 && (size_t)n < sizeof(path) ? try_file(l, path, means) : CS_OK;
}

/* What the user or a debugger named. What is refused there is not the process's fault. */
static cs_status try_named_files(struct look *l)
{
	const struct cs_image_options *o = &l->image->options;
	struct cs_refused *refused = &l->module->refused;
	cs_status st = CS_OK;

	if (l->module->is_exe && o->exe) {
		st = try_file(l, o->exe, "--exe");
		l->image->exe_refused = !l->module->elf;
		if (!l->image->exe_refusal.path)
			l->image->exe_refusal = *refused;
		else
			free(refused->path);
		refused->path = NULL;
	}
	for (size_t i = 0; !st && i < o->file_count; i++)
		if (cs_image_file_is(&o->files[i], l->module))
			st = try_file(l, o->files[i].path, "the debugger");
	free(refused->path);
	*refused = (struct cs_refused){ .path = NULL };
	return st;
}

static void hex(const struct cs_module *module, size_t from, char *out)
{
	for (size_t i = from; i < module->build_id_len; i++)
		out += sprintf(out, "%02x", module->build_id[i]);
}

static cs_status try_build_id_dir(struct look *l, const char *dir, const char *means)
{
	const struct cs_module *module = l->module;
	char path[PATH_MAX], id[2 * sizeof(module->build_id) + 1];
	cs_status st = CS_OK;

	if (module->build_id_len < 2)
		return CS_OK;
	hex(module, 1, id);
	for (size_t i = 0; !st && i < 2; i++) {
		int n = i ? snprintf(path, sizeof(path), "%s/%02x/%s", dir, module->build_id[0], id) :
			    snprintf(path, sizeof(path), "%s/.build-id/%02x/%s", dir,
				     module->build_id[0], id);

		if (n > 0 && (size_t)n < sizeof(path))
			st = try_file(l, path, means);
	}
	hex(module, 0, id);

	/* as debuginfod's cache has it */
	int n = snprintf(path, sizeof(path), "%s/%s/executable", dir, id);

	if (!st && n > 0 && (size_t)n < sizeof(path))
		st = try_file(l, path, means);
	return st;
}

/* The file a living process has mapped, also deleted and in another namespace. */
static cs_status try_live(struct look *l)
{
	const struct cs_mapping *m = cs_image_mapping(l->image, l->module->range.start);
	char path[PATH_MAX], dir[64];
	cs_status st = CS_OK;

	/* our own file of that name is as good when the build id says so, and
	 * outlives the process */
	if (l->module->build_id_len)
		st = try_below(l, "", "path");
	snprintf(dir, sizeof(dir), "/proc/%d/root", l->image->pid);
	if (!st)
		st = try_below(l, dir, "/proc/PID/root");
	if (!st && m) {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
			 l->image->pid, m->range.start, cs_range_end(m->range));
		st = try_file(l, path, "/proc/PID/map_files");
	}
	if (!st && l->module->is_exe) {
		snprintf(path, sizeof(path), "/proc/%d/exe", l->image->pid);
		st = try_file(l, path, "/proc/PID/exe");
	}
	return st;
}

static cs_status try_debuginfod(struct look *l)
{
	const struct cs_module *module = l->module;
	cs_autofree char *path = NULL;

	if (!module->elf)
		path = cs_debuginfod_find(l->image->debuginfod, CS_DEBUGINFOD_EXECUTABLE,
					  module->build_id, module->build_id_len);
	return path ? try_file(l, path, "debuginfod") : CS_OK;
}

static cs_status search(struct look *l)
{
	const struct cs_image_options *o = &l->image->options;
	char dir[PATH_MAX], path[PATH_MAX];
	cs_status st = try_named_files(l);

	if (!st && l->image->is_live)
		st = try_live(l);
	for (const char *list = o->sysroot; !st && cs_image_dir(&list, dir, sizeof(dir));)
		st = try_below(l, dir, "--sysroot");
	if (!st && !l->image->is_live)
		st = try_below(l, "", "path");
	for (const char *list = o->debug_dir; !st && cs_image_dir(&list, dir, sizeof(dir));)
		st = try_build_id_dir(l, dir, "--debug-dir");
	for (const char *list = o->sysroot; !st && cs_image_dir(&list, dir, sizeof(dir));) {
		int n = snprintf(path, sizeof(path), "%s%s", dir, default_debug_dir);

		if (n > 0 && (size_t)n < sizeof(path))
			st = try_build_id_dir(l, path, "--sysroot");
	}
	if (!st)
		st = try_build_id_dir(l, default_debug_dir, default_debug_dir);
	return st ? st : try_debuginfod(l);
}

cs_status cs_image_open_file(struct cs_image *image, struct cs_module *module,
			     const struct cs_module_match *match, struct cs_error *err)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(module->path), tail = sizeof(deleted) - 1;
	struct look l = { .image = image, .module = module, .match = match, .err = err };
	cs_status st;

	if (len > tail && !strcmp(module->path + len - tail, deleted))
		len -= tail;
	l.path_len = *module->path == '/' ? len : 0;
	st = search(&l);
	if (!module->elf)
		module->file = module->refused.path ? CS_FILE_MISMATCH : CS_FILE_MISSING;
	return st;
}

/* The part of [at, end) that begins a hole in the target's memory. */
static struct cs_range next_hole(struct cs_mem *mem, cs_addr at, cs_addr end)
{
	while (at < end) {
		const struct cs_mem_seg *seg = cs_mem_find_next(mem, at);

		if (!seg || seg->start >= end)
			return (struct cs_range){ at, end - at };
		if (seg->start > at)
			return (struct cs_range){ at, seg->start - at };
		at = seg->start + seg->len;
	}
	return (struct cs_range){ end, 0 };
}

/* Add file bytes for the holes in [at, end), which the file has at `data`. */
static cs_status fill_holes(struct cs_mem *mem, struct cs_mem *add, struct cs_range range,
			    const unsigned char *data, struct cs_error *err)
{
	cs_addr at = range.start, end = cs_range_end(range);
	cs_status st = CS_OK;

	while (!st && at < end) {
		struct cs_range hole = next_hole(mem, at, end);
		struct cs_mem_seg seg = {
			.start = hole.start,
			.len = hole.len,
			.data = data + (hole.start - range.start),
		};

		st = cs_mem_add(add, seg, err);
		at = cs_range_end(hole);
	}
	return st;
}

/* Was this piece of the file still mapped, and not writable, when we looked? */
static bool may_show(const struct cs_image *image, const struct cs_module *module,
		     const struct cs_mapping *m)
{
	if (!m)
		return true; /* gcore leaves out what it does not dump */
	if (m->prot & CS_PROT_W)
		return false;
	return m->path ? !strcmp(m->path, module->path) : !image->has_paths;
}

/* The first mapping that ends above addr, or one past the last. */
static const struct cs_mapping *mapping_after(const struct cs_image *image, cs_addr addr)
{
	size_t lo = 0, hi = image->mappings.count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cs_range_end(image->mappings.items[mid].range) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return image->mappings.items + lo;
}

static cs_status underlay_load(struct cs_image *image, struct cs_mem *add,
			       const struct cs_module *module, const struct cs_elf_load *l,
			       struct cs_error *err)
{
	const struct cs_mapping *all_end = image->mappings.items + image->mappings.count;
	const unsigned char *data = cs_elf_view(module->elf, l->vaddr, l->filesz);
	cs_addr start = module->bias + l->vaddr, at = start, end;
	cs_status st = CS_OK;

	if (!data || !cs_add(start, l->filesz, &end))
		return CS_OK;
	for (const struct cs_mapping *m = mapping_after(image, at); !st && at < end;) {
		bool inside = m < all_end && m->range.start <= at;
		cs_addr edge = m == all_end ? end : inside ? cs_range_end(m->range) : m->range.start;
		cs_addr stop = edge < end ? edge : end;

		if (may_show(image, module, inside ? m : NULL))
			st = fill_holes(image->mem, add, (struct cs_range){ at, stop - at },
					data + (at - start), err);
		at = stop;
		m += inside;
	}
	return st;
}

cs_status cs_image_underlay(struct cs_image *image, struct cs_error *err)
{
	struct cs_mem add = { .mapped = 0 };
	cs_status st = CS_OK;

	for (size_t i = 0; i < image->modules.count; i++) {
		const struct cs_module *module = &image->modules.items[i];
		const struct cs_elf_load *loads;
		size_t n = module->elf ? cs_elf_loads(module->elf, &loads) : 0;

		for (size_t k = 0; !st && k < n; k++)
			if (!(loads[k].flags & CS_PROT_W))
				st = underlay_load(image, &add, module, &loads[k], err);
	}
	for (size_t i = 0; !st && i < add.segs.count; i++)
		st = cs_mem_add(image->mem, add.segs.items[i], err);
	cs_mem_seal(image->mem, NULL);
	cs_mem_deinit(&add);
	return st;
}
