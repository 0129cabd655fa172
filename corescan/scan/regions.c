/* Thread stacks: glibc puts struct pthread at the top of the stack's mapping
 * (nptl/allocatestack.c) and keeps {stackblock, stackblock_size} in it. The
 * pair is found by what it must be: page-aligned, holding sp and the thread
 * pointer. Neighbouring mappings merge, so a mapping's end is no stack's end. */
#include "scan/regions.h"

enum { PTHREAD_WORDS = 512, PAGE = 4096, STACK_MAX_LOG2 = 40 };

static bool is_stack_pair(uint64_t block, uint64_t size, const struct cs_thread *t)
{
	struct cs_range r = { block, size };

	return block && size && block % PAGE == 0 && size % PAGE == 0 && !(size >> STACK_MAX_LOG2) &&
	       cs_range_has(r, t->sp, 1) && cs_range_has(r, t->fs_base, 64);
}

static bool stack_of_pthread(struct cs_mem *mem, const struct cs_thread *t, struct cs_range *out)
{
	for (int i = 0; t->fs_base && i < PTHREAD_WORDS; i++) {
		const unsigned char *p = cs_mem_view(mem, t->fs_base + (uint64_t)i * 8, 16);

		if (!p)
			return false;
		if (is_stack_pair(cs_le64(p), cs_le64(p + 8), t)) {
			*out = (struct cs_range){ cs_le64(p), cs_le64(p + 8) };
			return true;
		}
	}
	return false;
}

static cs_status add_stacks(struct cs_image *image, struct cs_model *model, struct cs_error *err)
{
	for (size_t i = 0; i < image->threads.count; i++) {
		const struct cs_thread *t = &image->threads.items[i];
		const struct cs_mapping *m = cs_image_mapping(image, t->sp);
		struct cs_range r;
		cs_status st;

		if (!stack_of_pthread(image->mem, t, &r)) {
			if (!m || (m->kind != CS_MAPPING_ANON && m->kind != CS_MAPPING_STACK))
				continue;
			r = m->range;
		}
		st = cs_model_region(model, r, CS_STACKS, err);
		if (st)
			return st;
	}
	return CS_OK;
}

static enum cs_category category_of(const struct cs_mapping *m)
{
	switch (m->kind) {
	case CS_MAPPING_KERNEL:
		return CS_KERNEL;
	case CS_MAPPING_STACK:
		return CS_STACKS;
	case CS_MAPPING_SHARED:
		return CS_SHARED;
	case CS_MAPPING_FILE:
		/* relro was writable once: what a module's data is, not its text */
		return m->module != CS_NO_MODULE && m->prot & CS_PROT_W ? CS_MODULES : CS_FILES;
	case CS_MAPPING_ANON:
	case CS_MAPPING_HEAP:
		break;
	}
	return m->module != CS_NO_MODULE ? CS_MODULES : CS_ANONYMOUS;
}

cs_status cs_regions_of_image(struct cs_image *image, struct cs_model *model, struct cs_error *err)
{
	enum { WRITABLE_MAX = 16 };
	cs_status st = add_stacks(image, model, err);

	for (size_t i = 0; !st && i < image->modules.count; i++) {
		struct cs_range ranges[WRITABLE_MAX];
		size_t n = cs_module_writable(&image->modules.items[i], image, ranges, WRITABLE_MAX);

		for (size_t k = 0; !st && k < n; k++)
			st = cs_model_region(model, ranges[k], CS_MODULES, err);
	}
	for (size_t i = 0; !st && i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];

		st = cs_model_region(model, m->range, category_of(m), err);
	}
	return st;
}
