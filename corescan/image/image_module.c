/* A module is an ELF file that the loader mapped piece by piece: its first
 * mapping begins at offset 0 and with the ELF header, which kernel and gcore
 * dump although they leave out text (coredump_filter bit 4). The program
 * headers in that page say how far the module reaches, .bss included, and where
 * its build id lies. Tools that rewrite files (patchelf, and what makes wheels
 * self-contained) move program headers or build id far behind: then the file
 * has to tell, and is believed when the rest agrees. A file that was only read
 * through mmap has the magic too, but its segments do not lie where a loader
 * would have put them. */
#include "image/elf_file.h"
#include "image/image_build.h"

#include <elf.h>

enum { LOADS_MAX = 64, NOTES_MAX_LEN = 64 << 10, BUILD_ID_MIN = 4 };

struct header { /* of one module, from memory or from the file */
	struct cs_elf_load loads[LOADS_MAX];
	size_t count;
	const unsigned char *ehdr;  /* borrowed from memory, NULL when absent */
	const unsigned char *phdrs; /* borrowed, NULL when unknown */
	size_t phdrs_len;
};

struct candidate { /* what a file is compared with */
	struct cs_image *image;
	const char *path; /* as the mappings know it */
	cs_addr start;
	const struct header *header;
	const struct cs_loader_names *names;
};

static uint64_t bias_of(const struct cs_image *image, const struct header *h, cs_addr start)
{
	return start - cs_align_down(h->loads[0].vaddr, image->page_size);
}

static bool is_elf64(const unsigned char *p)
{
	unsigned type = cs_le16(p + offsetof(Elf64_Ehdr, e_type));

	return !memcmp(p, ELFMAG, SELFMAG) && p[EI_CLASS] == ELFCLASS64 &&
	       p[EI_DATA] == ELFDATA2LSB && (type == ET_EXEC || type == ET_DYN) &&
	       cs_le16(p + offsetof(Elf64_Ehdr, e_machine)) == EM_X86_64 &&
	       cs_le16(p + offsetof(Elf64_Ehdr, e_phentsize)) == sizeof(Elf64_Phdr);
}

static void add_load(struct header *h, const unsigned char *ph)
{
	uint64_t end;
	struct cs_elf_load load = {
		.vaddr = cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr)),
		.filesz = cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)),
		.memsz = cs_le64(ph + offsetof(Elf64_Phdr, p_memsz)),
		.off = cs_le64(ph + offsetof(Elf64_Phdr, p_offset)),
		.flags = cs_le32(ph + offsetof(Elf64_Phdr, p_flags)),
	};

	if (cs_le32(ph) == PT_LOAD && h->count < LOADS_MAX && cs_add(load.vaddr, load.memsz, &end))
		h->loads[h->count++] = load;
}

/* The ELF header at start into h->ehdr and, when they lie in the same page,
 * its program headers. */
static void read_header(struct cs_image *image, cs_addr start, struct header *h)
{
	const unsigned char *e = cs_mem_view(image->mem, start, sizeof(Elf64_Ehdr));

	if (!e || !is_elf64(e))
		return;
	h->ehdr = e;

	uint64_t phoff = cs_le64(e + offsetof(Elf64_Ehdr, e_phoff));
	size_t len = cs_le16(e + offsetof(Elf64_Ehdr, e_phnum)) * sizeof(Elf64_Phdr);

	/* further on, file offset and address need not go together */
	if (!cs_range_has((struct cs_range){ 0, image->page_size }, phoff, len))
		return;
	h->phdrs = cs_mem_view(image->mem, start + phoff, len);
	h->phdrs_len = h->phdrs ? len : 0;
	for (size_t at = 0; at < h->phdrs_len; at += sizeof(Elf64_Phdr))
		add_load(h, h->phdrs + at);
}

/* The build id in a run of notes; 0 when there is none. */
static size_t find_build_id(const unsigned char *p, size_t len, unsigned char *out, size_t max)
{
	for (size_t at = 0; len - at > sizeof(Elf64_Nhdr);) {
		uint64_t namesz = cs_le32(p + at), descsz = cs_le32(p + at + 4);
		uint64_t name = at + sizeof(Elf64_Nhdr), desc = cs_align_up(name + namesz, 4);

		if (desc > len || descsz > len - desc)
			return 0;
		if (cs_le32(p + at + 8) == NT_GNU_BUILD_ID && namesz == 4 &&
		    !memcmp(p + name, "GNU", 4) && descsz >= BUILD_ID_MIN && descsz <= max) {
			memcpy(out, p + desc, descsz);
			return (size_t)descsz;
		}

		uint64_t next = cs_align_up(desc + descsz, 4);

		if (next >= len)
			return 0;
		at = (size_t)next;
	}
	return 0;
}

/* The build id as memory has it; 0 when it is not there. */
static size_t read_build_id(struct cs_image *image, const struct header *h, uint64_t bias,
			    unsigned char *out, size_t max)
{
	size_t found = 0;

	for (size_t at = 0; at < h->phdrs_len && !found; at += sizeof(Elf64_Phdr)) {
		const unsigned char *ph = h->phdrs + at;
		cs_addr addr = bias + cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr));
		uint64_t len = cs_le64(ph + offsetof(Elf64_Phdr, p_filesz));
		const unsigned char *notes = NULL;

		if (cs_le32(ph) == PT_NOTE && len <= NOTES_MAX_LEN)
			notes = cs_mem_view(image->mem, addr, len);
		if (notes)
			found = find_build_id(notes, (size_t)len, out, max);
	}
	return found;
}

static bool same_path(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Do the mappings contradict that a loader put these segments here? */
static bool layout_fits(const struct candidate *c, const struct header *h)
{
	uint64_t bias = bias_of(c->image, h, c->start);

	for (size_t i = 0; i < h->count; i++) {
		const struct cs_elf_load *l = &h->loads[i];
		cs_addr at = bias + l->vaddr;
		const struct cs_mapping *m = cs_image_mapping(c->image, at);

		if (!l->filesz || !m || !m->path)
			continue; /* unknown, or remapped: no contradiction */
		if (!same_path(m->path, c->path))
			return false;
		if (m->file_off + (at - m->range.start) != l->off)
			return false;
		if (l->flags & PF_X && m->prot && !(m->prot & CS_PROT_X))
			return false;
	}
	return true;
}

static void header_of_file(const struct cs_elf *elf, struct header *h)
{
	const struct cs_elf_load *loads;
	size_t n = cs_elf_loads(elf, &loads), len;
	const unsigned char *bytes = cs_elf_bytes(elf, &len);
	uint64_t phoff = cs_le64(bytes + offsetof(Elf64_Ehdr, e_phoff));

	h->count = n < LOADS_MAX ? n : LOADS_MAX;
	memcpy(h->loads, loads, h->count * sizeof(*loads));
	h->phdrs_len = cs_le16(bytes + offsetof(Elf64_Ehdr, e_phnum)) * sizeof(Elf64_Phdr);
	if (!cs_range_has((struct cs_range){ 0, len }, phoff, h->phdrs_len))
		h->phdrs_len = 0;
	h->phdrs = h->phdrs_len ? bytes + phoff : NULL;
}

/* Without a build id to compare at once: the same headers as far as memory has
 * them, else the same layout and, where the file says it lies, no other id. */
static bool can_be_file(const struct cs_elf *elf, void *ctx)
{
	const struct candidate *c = ctx;
	const struct header *in_memory = c->header;
	unsigned char id[sizeof(((struct cs_module *)0)->build_id)];
	struct header h = { .count = 0 };
	size_t len, id_len;
	const unsigned char *bytes = cs_elf_bytes(elf, &len), *file_id;

	header_of_file(elf, &h);
	if (in_memory->ehdr && memcmp(bytes, in_memory->ehdr, sizeof(Elf64_Ehdr)))
		return false;
	if (in_memory->phdrs)
		return h.phdrs_len == in_memory->phdrs_len &&
		       !memcmp(h.phdrs, in_memory->phdrs, h.phdrs_len);
	if (!h.count || !layout_fits(c, &h))
		return false;
	id_len = read_build_id(c->image, &h, bias_of(c->image, &h, c->start), id, sizeof(id));
	file_id = cs_elf_build_id(elf, &len);
	return !id_len || (len == id_len && !memcmp(id, file_id, len));
}

/* From start to the end of the last segment, but not into other files. */
static struct cs_range extent(const struct candidate *c, const struct header *h)
{
	uint64_t page = c->image->page_size, bias = bias_of(c->image, h, c->start);
	const struct cs_mapping *items = c->image->mappings.items;
	const struct cs_mapping *m = cs_image_mapping(c->image, c->start);
	cs_addr end = c->start + 1;

	for (size_t i = 0; i < h->count; i++) {
		cs_addr stop = cs_align_up(bias + h->loads[i].vaddr + h->loads[i].memsz, page);

		end = stop > end ? stop : end;
	}
	for (; m && m < items + c->image->mappings.count && m->range.start < end; m++)
		if ((m->path && !same_path(m->path, c->path)) || m->kind == CS_MAPPING_HEAP ||
		    m->kind == CS_MAPPING_STACK || m->kind == CS_MAPPING_KERNEL)
			return (struct cs_range){ c->start, m->range.start - c->start };
	return (struct cs_range){ c->start, end - c->start };
}

/* Without any program header: the run of mappings of the same file. */
static struct cs_range run_of_mappings(const struct candidate *c)
{
	const struct cs_mapping *m = cs_image_mapping(c->image, c->start);
	const struct cs_mapping *end = c->image->mappings.items + c->image->mappings.count;
	cs_addr stop = cs_range_end(m->range);

	for (m++; m < end && same_path(m->path, c->path) && m->file_off; m++)
		stop = cs_range_end(m->range);
	return (struct cs_range){ c->start, stop - c->start };
}

static void set_writable(const struct cs_image *image, const struct header *h,
			 struct cs_module *module)
{
	cs_addr limit = cs_range_end(module->range);

	for (size_t i = 0; i < h->count; i++) {
		const struct cs_elf_load *l = &h->loads[i];
		cs_addr at = cs_align_down(module->bias + l->vaddr, image->page_size);
		cs_addr end = cs_align_up(module->bias + l->vaddr + l->memsz, image->page_size);
		struct cs_range *last = module->writable + module->writable_count;

		end = end < limit ? end : limit;
		if (!(l->flags & PF_W) || at < module->range.start || at >= end)
			continue;
		if (module->writable_count && cs_range_end(last[-1]) == at)
			last[-1].len += end - at;
		else if (module->writable_count < CS_MODULE_WRITABLE)
			module->writable[module->writable_count++] = (struct cs_range){ at, end - at };
	}
}

/* The same, told by the mappings alone. */
static void set_writable_mapped(const struct cs_image *image, struct cs_module *module)
{
	const struct cs_mapping *m = cs_image_mapping(image, module->range.start);
	const struct cs_mapping *end = image->mappings.items + image->mappings.count;

	for (; m && m < end && cs_range_has(module->range, m->range.start, m->range.len); m++)
		if (m->prot & CS_PROT_W && module->writable_count < CS_MODULE_WRITABLE)
			module->writable[module->writable_count++] = m->range;
}

static bool has_code(const struct candidate *c)
{
	struct cs_range run = run_of_mappings(c);
	const struct cs_mapping *m = cs_image_mapping(c->image, c->start);

	for (; m < c->image->mappings.items + c->image->mappings.count &&
	       cs_range_has(run, m->range.start, 1);
	     m++)
		if (m->prot & CS_PROT_X)
			return true;
	return false;
}

static bool is_exe(const struct candidate *c, struct cs_range range)
{
	const struct cs_image *image = c->image;
	const struct cs_mapping *m = image->at_entry ? cs_image_mapping(image, image->at_entry) : NULL;

	return (image->at_phdr && cs_range_has(range, image->at_phdr, 1)) ||
	       (image->at_entry && cs_range_has(range, image->at_entry, 1)) ||
	       (m && m->path && m->range.start >= c->start && same_path(m->path, c->path));
}

static void settle_module(const struct candidate *c, const struct header *h,
			  struct cs_module *module)
{
	unsigned char id[sizeof(module->build_id)];

	if (!h->count) {
		module->bias = c->start;
		set_writable_mapped(c->image, module);
		return;
	}
	module->bias = bias_of(c->image, h, c->start);
	module->range = extent(c, h);
	set_writable(c->image, h, module);
	/* the file told where its build id lies, and it lies there */
	if (module->file == CS_FILE_UNVERIFIED &&
	    read_build_id(c->image, h, module->bias, id, sizeof(id)) == module->build_id_len &&
	    module->build_id_len && !memcmp(id, module->build_id, module->build_id_len))
		module->file = CS_FILE_MATCHED;
}

/* Without paths of mappings: what the loader called it. */
static const char *loader_path(const struct candidate *c, const struct header *h)
{
	for (size_t i = 0; h->count && i < c->names->count; i++)
		if (c->names->items[i].bias == bias_of(c->image, h, c->start))
			return c->names->items[i].path;
	return "";
}

/* Fill *module for what begins at c->start; CS_NOTFOUND: no module does. */
static cs_status make_module(struct candidate *c, struct cs_module *module, struct cs_error *err)
{
	struct header h = { .count = 0 };
	struct cs_module_match match = { can_be_file, c };

	read_header(c->image, c->start, &h);
	if (!h.ehdr && (!c->path || cs_mem_view(c->image->mem, c->start, sizeof(Elf64_Ehdr))))
		return CS_NOTFOUND;
	if (h.count && !layout_fits(c, &h))
		return CS_NOTFOUND; /* mapped as data */
	c->header = &h;
	module->path = c->path ? c->path : loader_path(c, &h);
	module->range = h.count ? extent(c, &h) : run_of_mappings(c);
	module->is_exe = is_exe(c, module->range);
	if (h.count)
		module->build_id_len = read_build_id(c->image, &h, bias_of(c->image, &h, c->start),
						     module->build_id, sizeof(module->build_id));

	cs_status st = cs_image_open_file(c->image, module, &match, err);

	if (st)
		return st;
	if (module->elf) {
		cs_elf_listen(module->elf, c->image->options.pulse);
		header_of_file(module->elf, &h);
	} else if (!h.count && !has_code(c))
		return CS_NOTFOUND; /* a data file */
	settle_module(c, &h, module);
	return CS_OK;
}

static void own_mappings(struct cs_image *image, uint32_t nr, size_t first)
{
	const struct cs_module *module = &image->modules.items[nr];

	for (size_t i = first; i < image->mappings.count; i++) {
		struct cs_mapping *m = &image->mappings.items[i];

		if (!cs_range_has(module->range, m->range.start, 1))
			break;
		/* an anonymous mapping may begin as .bss and go on as something else */
		if (m->path || cs_range_has(module->range, m->range.start, m->range.len))
			m->module = nr;
		/* nobody else told that these are pages of a file */
		if (m->module == nr && !image->has_paths && !(m->prot & CS_PROT_W) && *module->path) {
			m->kind = CS_MAPPING_FILE;
			m->path = module->path;
		}
	}
	if (module->is_exe && *module->path)
		image->exe_path = module->path;
}

static cs_status find_all(struct cs_image *image, const struct cs_loader_names *names,
			  struct cs_error *err)
{
	cs_addr done = 0;

	for (size_t i = 0; i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];
		struct candidate c = {
			.image = image, .path = m->path, .start = m->range.start, .names = names,
		};
		struct cs_module module = { .file = CS_FILE_MISSING };

		if (m->range.start < done || m->kind == CS_MAPPING_KERNEL || m->file_off ||
		    (image->has_paths && !m->path))
			continue;

		if (cs_pulse_look(image->options.pulse))
			return cs_pulse_fail(err);

		cs_status st = make_module(&c, &module, err);

		if (!st && !cs_vec_push(&image->modules, module))
			st = cs_fail(err, CS_NOMEM, 0, "no memory for the modules");
		if (st)
			cs_module_deinit(&module);
		if (st == CS_NOTFOUND)
			continue;
		if (st)
			return st;
		done = cs_range_end(module.range);
		own_mappings(image, (uint32_t)image->modules.count - 1, i);
	}
	return CS_OK;
}

cs_status cs_image_find_modules(struct cs_image *image, struct cs_error *err)
{
	struct cs_loader_names names = { .items = NULL };
	cs_status st = CS_OK;

	for (size_t i = 0; i < image->mappings.count && !image->has_paths; i++)
		image->has_paths = image->mappings.items[i].path &&
				   *image->mappings.items[i].path == '/';
	if (!image->has_paths)
		st = cs_image_loader_names(image, &names, err);
	if (!st)
		st = find_all(image, &names, err);
	cs_vec_free(&names);
	return st;
}
