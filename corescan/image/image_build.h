/* image_build.h - what image_core and image_live share: from mappings to modules.
 *
 * Private to the room. A builder fills pid, command, threads, auxv and
 * mappings, then calls cs_image_settle(); the rest is the same for the dead
 * and the living.
 */
#ifndef CS_IMAGE_BUILD_H
#define CS_IMAGE_BUILD_H
#include "image/image.h"

/* An image over mem; options are copied (the strings borrowed). NULL: no memory. */
struct cs_image *cs_image_create(struct cs_mem *mem, const struct cs_image_options *options);

static inline void cs_image_destroyp(struct cs_image **image)
{
	cs_image_destroy(*image);
}

/* Take in an auxiliary vector. */
void cs_image_read_auxv(struct cs_image *image, const unsigned char *auxv, size_t len);

/* Append; mappings may come in any order. Paths must live as long as the image. */
cs_status cs_image_add_mapping(struct cs_image *image, struct cs_mapping mapping,
			       struct cs_error *err);

/* Sort mappings, drop what overlaps, tell stack and kernel mappings, find the
 * modules, open their files, lay file pages under mem. */
cs_status cs_image_settle(struct cs_image *image, struct cs_error *err);

/* Group mappings to modules; find and open files (image_module.c). */
cs_status cs_image_find_modules(struct cs_image *image, struct cs_error *err);

/* What the dynamic loader knew, as far as its list can be followed
 * (image_loader.c). Bounded; an endless list ends. Free with cs_vec_free. */
struct cs_loader_name {
	uint64_t bias;
	const char *path; /* absolute; lives as long as the image */
};
struct cs_loader_names {
	struct cs_loader_name *items;
	size_t count, cap;
};
cs_status cs_image_loader_names(struct cs_image *image, struct cs_loader_names *out,
				struct cs_error *err);

/* Open the file of a module whose build id (if any) is known (image_file.c).
 * is_same says whether a file without comparable build id can be the one. */
struct cs_module_match {
	bool (*is_same)(const struct cs_elf *elf, void *ctx);
	void *ctx;
};
cs_status cs_image_open_file(struct cs_image *image, struct cs_module *module,
			     const struct cs_module_match *match, struct cs_error *err);

/* Close what was opened for it; the module itself is its vector's. */
void cs_module_deinit(struct cs_module *module);

/* Keep the first file of another build that was met. */
void cs_refuse(struct cs_refused *refused, const struct cs_elf *elf, const char *path);

/* Was that file said to be of this module's build? False without a build id. */
static inline bool cs_image_file_is(const struct cs_image_file *file, const struct cs_module *module)
{
	return module->build_id_len && file->build_id_len == module->build_id_len &&
	       !memcmp(file->build_id, module->build_id, module->build_id_len);
}

/* The next directory of a list with ':' between them; *list moves on. False: no
 * more. Names that do not fit, and empty ones, are left out. */
bool cs_image_dir(const char **list, char *dir, size_t cap);

/* Lay the read-only pages of opened files under mem where the target has none. */
cs_status cs_image_underlay(struct cs_image *image, struct cs_error *err);
#endif
