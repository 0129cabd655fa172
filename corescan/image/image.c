/* Auxiliary vector tags: Linux include/uapi/linux/auxvec.h. The kernel puts
 * AT_RANDOM's bytes and AT_EXECFN's string on the main thread's stack
 * (fs/binfmt_elf.c, create_elf_tables), so they name that mapping for sure,
 * whatever stack the thread runs on now. */
#include "image/image.h"
#include "base/own.h"
#include "base/sorted.h"
#include "image/debug_file.h"
#include "image/debuginfod.h"
#include "image/elf_file.h"
#include "image/image_build.h"

#include <elf.h>

#define VSYSCALL_ADDR 0xffffffffff600000ull

enum { PAGE_MIN = 4096, PAGE_MAX = 1 << 20, VVAR_MAX = 64 << 10 };

struct cs_image *cs_image_create(struct cs_mem *mem, const struct cs_image_options *options)
{
	struct cs_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->mem = mem;
	image->page_size = PAGE_MIN;
	image->command = "";
	if (options)
		image->options = *options;
	if (image->options.debuginfod) {
		image->debuginfod = cs_debuginfod_create(image->options.pulse);
		if (!image->debuginfod)
			cs_image_destroy(cs_steal(image));
	}
	return image;
}

void cs_module_deinit(struct cs_module *module)
{
	cs_elf_close(module->elf);
	cs_elf_close(module->debug);
	free(module->refused.path);
	free(module->debug_refused.path);
}

void cs_image_destroy(struct cs_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->modules.count; i++)
		cs_module_deinit(&image->modules.items[i]);
	free(image->exe_refusal.path);
	cs_debuginfod_destroy(image->debuginfod);
	cs_vec_free(&image->mappings);
	cs_vec_free(&image->modules);
	cs_vec_free(&image->threads);
	cs_arena_deinit(&image->strings);
	free(image);
}

void cs_image_read_auxv(struct cs_image *image, const unsigned char *auxv, size_t len)
{
	for (size_t at = 0; len - at >= 16; at += 16) {
		uint64_t tag = cs_le64(auxv + at), value = cs_le64(auxv + at + 8);

		if (tag == AT_NULL)
			break;
		if (tag == AT_PHDR)
			image->at_phdr = value;
		else if (tag == AT_ENTRY)
			image->at_entry = value;
		else if (tag == AT_SYSINFO_EHDR)
			image->at_sysinfo_ehdr = value;
		else if (tag == AT_EXECFN)
			image->at_execfn = image->at_stack = value;
		else if (tag == AT_RANDOM && !image->at_stack)
			image->at_stack = value;
		else if (tag == AT_PAGESZ && value >= PAGE_MIN && value <= PAGE_MAX &&
			 !(value & (value - 1)))
			image->page_size = value;
	}
}

cs_status cs_image_add_mapping(struct cs_image *image, struct cs_mapping mapping, struct cs_error *err)
{
	uint64_t end;

	if (!mapping.range.len || !cs_add(mapping.range.start, mapping.range.len, &end))
		return CS_OK;
	mapping.module = CS_NO_MODULE;
	if (!cs_vec_push(&image->mappings, mapping))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the mappings");
	return CS_OK;
}

static int by_start(const void *a, const void *b)
{
	const struct cs_mapping *x = a, *y = b;

	if (x->range.start != y->range.start)
		return x->range.start < y->range.start ? -1 : 1;
	return (x->range.len < y->range.len) - (x->range.len > y->range.len);
}

static void sort_mappings(struct cs_image *image)
{
	size_t kept = 0;
	cs_addr done = 0;

	if (image->mappings.count)
		qsort(image->mappings.items, image->mappings.count, sizeof(struct cs_mapping), by_start);
	for (size_t i = 0; i < image->mappings.count; i++) {
		struct cs_mapping m = image->mappings.items[i];

		if (m.range.start < done) /* hostile: real mappings are disjoint */
			continue;
		done = cs_range_end(m.range);
		image->mappings.items[kept++] = m;
	}
	image->mappings.count = kept;
}

const struct cs_mapping *cs_image_mapping(const struct cs_image *image, cs_addr addr)
{
	size_t lo = CS_UPTO(image->mappings.items, image->mappings.count, range.start, addr);

	if (!lo || !cs_range_has(image->mappings.items[lo - 1].range, addr, 1))
		return NULL;
	return &image->mappings.items[lo - 1];
}

bool cs_image_dir(const char **list, char *dir, size_t cap)
{
	while (*list && **list) {
		size_t len = strcspn(*list, ":");
		const char *from = *list;

		*list += len + (from[len] == ':');
		if (!len || len >= cap)
			continue;
		memcpy(dir, from, len);
		dir[len] = '\0';
		return true;
	}
	return false;
}

static struct cs_mapping *anonymous_at(struct cs_image *image, cs_addr addr)
{
	const struct cs_mapping *m = addr ? cs_image_mapping(image, addr) : NULL;

	if (!m || m->kind != CS_MAPPING_ANON)
		return NULL;
	return &image->mappings.items[m - image->mappings.items];
}

static void name_stack(struct cs_image *image)
{
	struct cs_mapping *m = anonymous_at(image, image->at_stack);

	for (size_t i = 0; i < image->mappings.count; i++)
		if (image->mappings.items[i].kind == CS_MAPPING_STACK)
			return; /* the kernel told us */
	for (size_t i = 0; !m && i < image->threads.count; i++)
		if (image->threads.items[i].tid == image->pid)
			m = anonymous_at(image, image->threads.items[i].sp);
	if (!m && image->threads.count)
		m = anonymous_at(image, image->threads.items[0].sp);
	if (m)
		m->kind = CS_MAPPING_STACK;
}

static void name_kernel(struct cs_image *image)
{
	struct cs_mapping *m = anonymous_at(image, image->at_sysinfo_ehdr);

	if (m)
		m->kind = CS_MAPPING_KERNEL;
	/* vvar, in one or two pieces, lies right below the vdso, read-only */
	while (m && m > image->mappings.items && m[-1].kind == CS_MAPPING_ANON &&
	       m[-1].prot == CS_PROT_R && cs_range_end(m[-1].range) == m->range.start &&
	       m[-1].range.len <= VVAR_MAX)
		(--m)->kind = CS_MAPPING_KERNEL;
	m = anonymous_at(image, VSYSCALL_ADDR);
	if (m)
		m->kind = CS_MAPPING_KERNEL;
}

cs_status cs_image_settle(struct cs_image *image, struct cs_error *err)
{
	sort_mappings(image);
	name_stack(image);
	name_kernel(image);

	cs_status st = cs_image_find_modules(image, err);

	return st ? st : cs_image_underlay(image, err);
}

size_t cs_module_writable(const struct cs_module *module, const struct cs_image *image,
			  struct cs_range *out, size_t max)
{
	size_t n = module->writable_count < max ? module->writable_count : max;

	(void)image;
	for (size_t i = 0; i < n; i++)
		out[i] = module->writable[i];
	return n;
}

cs_status cs_module_symbol(struct cs_module *module, const struct cs_image *image, const char *name,
			   cs_addr *addr, uint64_t *size)
{
	cs_status st = CS_NOTFOUND;
	struct cs_elf *debug;
	uint64_t value;
	bool owned;

	if (module->elf)
		st = cs_elf_symbol(module->elf, name, &value, size);
	if (st == CS_NOTFOUND && cs_debug_file(module, image, &debug, &owned, NULL) == CS_OK &&
	    debug != module->elf) {
		cs_elf_listen(debug, image->options.pulse);
		st = cs_elf_symbol(debug, name, &value, size);
	}
	if (st == CS_OK)
		*addr = value + module->bias; /* may wrap: a bias is a difference */
	return st;
}

cs_status cs_module_section(const struct cs_module *module, const char *name, struct cs_range *out)
{
	uint64_t addr, size, end;

	if (!module->elf || cs_elf_section(module->elf, name, &addr, &size) != CS_OK)
		return CS_NOTFOUND;
	if (!addr || !cs_add(addr + module->bias, size, &end))
		return CS_NOTFOUND; /* not in memory */
	*out = (struct cs_range){ addr + module->bias, size };
	return CS_OK;
}
