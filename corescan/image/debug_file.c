#include "image/debug_file.h"
#include "image/image_build.h"

#include <limits.h>
#include <stdio.h>

/* The file at path when it has DWARF (or symbols) of this very build. */
static struct cs_elf *try_debug(const struct cs_module *module, const char *path)
{
	struct cs_elf *elf;
	size_t len;

	if (cs_elf_open(path, &elf, NULL) != CS_OK)
		return NULL;

	const unsigned char *id = cs_elf_build_id(elf, &len);

	if (len == module->build_id_len && !memcmp(id, module->build_id, len) &&
	    cs_elf_has_dwarf(elf))
		return elf;
	cs_elf_close(elf);
	return NULL;
}

static struct cs_elf *search_dir(const struct cs_module *module, const char *root, const char *dir)
{
	static const char *const forms[] = { ".build-id/", "" };
	char rest[2 * sizeof(module->build_id) + 1], path[PATH_MAX], *to = rest;
	struct cs_elf *elf = NULL;
	unsigned first = module->build_id[0];
	int n;

	for (size_t i = 1; i < module->build_id_len; i++)
		to += sprintf(to, "%02x", module->build_id[i]);
	for (size_t i = 0; !elf && i < 2; i++) {
		n = snprintf(path, sizeof(path), "%s%s/%s%02x/%s.debug", root, dir, forms[i], first, rest);
		if (n > 0 && (size_t)n < sizeof(path))
			elf = try_debug(module, path);
		n = snprintf(path, sizeof(path), "%s%s/%s%02x/%s", root, dir, forms[i], first, rest);
		if (!elf && n > 0 && (size_t)n < sizeof(path))
			elf = try_debug(module, path);
	}
	/* as debuginfod's cache has it */
	n = snprintf(path, sizeof(path), "%s%s/%02x%s/debuginfo", root, dir, first, rest);
	if (!elf && n > 0 && (size_t)n < sizeof(path))
		elf = try_debug(module, path);
	return elf;
}

static struct cs_elf *search(const struct cs_module *module, const struct cs_image *image)
{
	static const char system_dir[] = "/usr/lib/debug";
	const struct cs_image_options *o = &image->options;
	struct cs_elf *elf = NULL;
	char dir[PATH_MAX];

	if (module->build_id_len < 2)
		return NULL;
	for (size_t i = 0; !elf && i < o->file_count; i++)
		if (cs_image_file_is(&o->files[i], module))
			elf = try_debug(module, o->files[i].path);
	for (const char *list = o->debug_dir; !elf && cs_image_dir(&list, dir, sizeof(dir));)
		elf = search_dir(module, "", dir);
	for (const char *list = o->sysroot; !elf && cs_image_dir(&list, dir, sizeof(dir));)
		elf = search_dir(module, dir, system_dir);
	if (!elf)
		elf = search_dir(module, "", system_dir);
	return elf;
}

cs_status cs_debug_file(struct cs_module *module, const struct cs_image *image,
			struct cs_elf **out, bool *owned, struct cs_error *err)
{
	(void)err;
	*owned = false;
	if (module->elf && cs_elf_has_dwarf(module->elf)) {
		*out = module->elf;
		return CS_OK;
	}
	if (!module->debug_tried)
		module->debug = search(module, image);
	module->debug_tried = true;
	if (!module->debug)
		return CS_NOTFOUND;
	*out = module->debug;
	return CS_OK;
}
