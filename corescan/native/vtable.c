/* Itanium C++ ABI, 2.5 "Virtual Table Layout" and 2.9 "RTTI Layout". Behind a vptr lie
 * functions, 8 bytes before it the class's type_info, 16 before it how far the object's
 * start is (negative or 0). A type_info is { vptr, name, ... }; its own vptr belongs to one
 * of three classes of the ABI's runtime, which have type_infos with fixed names.
 *
 * A core leaves out names (.rodata), which come from the file then. Without RTTI
 * (-fno-rtti) only a _ZTV symbol names a vtable. */
#include "native/native_state.h"
#include "base/own.h"
#include "base/sorted.h"
#include "image/debug_file.h"
#include "image/elf_file.h"
#include "native/demangle.h"
#include "native/dwarf.h"

#include <elf.h>
#include <stdio.h>

enum {
	TYPE_INFO_OFF = 8,
	TOP_OFF = 16,
	MANGLED_MAX = 4096,
	NO_VTABLE = NT_TYPES_MAX,
	REPEAT_MAX = 4096 /* bytes of a block of unknown size */
};

struct vtable_name { /* a _ZTV symbol */
	cs_addr start;
	uint64_t size;
	const char *name; /* behind _ZTV; borrowed from the file */
	size_t len;
};

struct nt_vtable_names { /* of a module */
	CS_VEC(struct vtable_name) items;
	bool is_made;
};

static bool mentions(const struct cs_elf *elf, const char *word)
{
	for (int dynamic = 0; dynamic < 2; dynamic++) {
		struct cs_elf_table t = cs_elf_table(elf, dynamic);

		if (t.names && memmem(t.names, t.names_len, word, strlen(word)))
			return true;
	}
	return false;
}

static bool has_symbols(const struct cs_elf *elf)
{
	return cs_elf_table(elf, true).names || cs_elf_table(elf, false).names;
}

/* The runtime itself has classes, but what uses none has no objects of any. */
static bool is_runtime(const struct cs_module *m)
{
	const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path;

	return !strncmp(name, "libstdc++.so", 12) || !strncmp(name, "libc++.so", 9) ||
	       !strncmp(name, "libc++abi.so", 12);
}

/* Is some module C++: has it classes with vtables, or calls operator new? One without any
 * symbol may. */
bool nt_cxx_there(struct cs_native *n)
{
	for (size_t i = 0; i < n->image->modules.count; i++) {
		const struct cs_module *m = &n->image->modules.items[i];

		if (m->elf && !is_runtime(m) &&
		    (mentions(m->elf, "_ZTV") || mentions(m->elf, "_Znwm") || !has_symbols(m->elf)))
			return true;
	}
	return false;
}

static const struct cs_mapping *module_mapping(struct cs_native *n, cs_addr addr)
{
	const struct cs_mapping *m = cs_image_mapping(n->image, addr);

	return m && m->module != CS_NO_MODULE ? m : NULL;
}

static bool is_code(struct cs_native *n, cs_addr addr)
{
	const struct cs_mapping *m = cs_image_mapping(n->image, addr);
	const struct cs_module *module;
	const struct cs_elf_load *loads;
	size_t count;

	if (!m || m->prot || m->module == CS_NO_MODULE)
		return m && m->prot & CS_PROT_X;
	/* gdb's gcore leaves code out and does not say that it was there: the file does */
	module = &n->image->modules.items[m->module];
	count = module->elf ? cs_elf_loads(module->elf, &loads) : 0;
	for (size_t i = 0; i < count; i++)
		if (addr - module->bias - loads[i].vaddr < loads[i].memsz)
			return loads[i].flags & PF_X;
	return false;
}

/* The text behind a type_info's name pointer, without what says it is of one file. */
static const char *info_name(struct cs_native *n, cs_addr info, size_t *len)
{
	cs_addr name;
	const char *text;

	if (info % 8 || !module_mapping(n, info) || !cs_mem_u64(n->image->mem, info + 8, &name))
		return NULL;
	name &= ~(1ull << 63);
	text = module_mapping(n, name) ? cs_mem_text(n->image->mem, name, MANGLED_MAX, len) : NULL;
	if (text && *text == '*')
		text++, --*len;
	return text && *len ? text : NULL;
}

/* Is this the vptr of a type_info of a class? */
static bool is_info_vptr(struct cs_native *n, cs_addr vptr)
{
	static const char *const kinds[] = {"N10__cxxabiv117__class_type_infoE",
					    "N10__cxxabiv120__si_class_type_infoE",
					    "N10__cxxabiv121__vmi_class_type_infoE"};
	uint32_t known;
	cs_addr info;
	const char *name;
	size_t len;
	bool is = false;

	if (!vptr || vptr % 8)
		return false;
	if (cs_map_get(&n->type_infos, vptr, &known))
		return known == 1;
	if (module_mapping(n, vptr) && cs_mem_u64(n->image->mem, vptr - TYPE_INFO_OFF, &info) &&
	    (name = info_name(n, info, &len)))
		for (size_t i = 0; i < 3; i++)
			is = is || (len == strlen(kinds[i]) && !memcmp(name, kinds[i], len));
	if (!cs_map_put(&n->type_infos, vptr, is ? 1 : 2))
		n->failed = true;
	return is;
}

static int by_start(const void *a, const void *b)
{
	const struct vtable_name *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool add_names(struct nt_vtable_names *v, const struct cs_module *m,
		      const struct cs_elf *elf)
{
	for (int dynamic = 0; dynamic < 2; dynamic++) {
		struct cs_elf_table t = cs_elf_table(elf, dynamic);

		for (size_t i = 0; t.names && i < t.count; i++) {
			const unsigned char *sym = t.syms + i * sizeof(Elf64_Sym);
			uint64_t at = cs_le32(sym), left = at < t.names_len ? t.names_len - at : 0;
			const char *name = (const char *)t.names + at;
			struct vtable_name v_name = {
				.start = m->bias + cs_le64(sym + offsetof(Elf64_Sym, st_value)),
				.size = cs_le64(sym + offsetof(Elf64_Sym, st_size)),
				.name = name + 4,
			};

			if (left <= 5 || memcmp(name, "_ZTV", 4) ||
			    cs_le16(sym + offsetof(Elf64_Sym, st_shndx)) == SHN_UNDEF)
				continue;
			v_name.len = strnlen(name + 4, left - 4);
			if (!cs_vec_push(&v->items, v_name))
				return false;
		}
	}
	return true;
}

static const struct nt_vtable_names *names_of(struct cs_native *n, uint32_t nr)
{
	struct cs_module *m = &n->image->modules.items[nr];
	struct nt_vtable_names *v;
	struct cs_elf *debug;
	bool owned;

	if (!n->vtable_names)
		n->vtable_names = calloc(n->image->modules.count, sizeof(*n->vtable_names));
	if (!n->vtable_names) {
		n->failed = true;
		return NULL;
	}
	v = &n->vtable_names[nr];
	if (v->is_made || !m->elf)
		return v;
	v->is_made = true;
	if (!add_names(v, m, m->elf))
		n->failed = true;
	if (!cs_debug_file(m, n->image, &debug, &owned, NULL) && debug != m->elf &&
	    !add_names(v, m, debug))
		n->failed = true;
	if (v->items.count)
		qsort(v->items.items, v->items.count, sizeof(*v->items.items), by_start);
	return v;
}

void nt_vtables_free(struct cs_native *n)
{
	for (size_t i = 0; n->vtable_names && i < n->image->modules.count; i++)
		cs_vec_free(&n->vtable_names[i].items);
	free(n->vtable_names);
}

/* The _ZTV symbol that holds an address. */
static const char *symbol_name(struct cs_native *n, cs_addr addr, uint32_t module, size_t *len)
{
	const struct nt_vtable_names *v = names_of(n, module);
	size_t lo = v ? CS_UPTO(v->items.items, v->items.count, start, addr) : 0;

	if (!lo || addr - v->items.items[lo - 1].start >= v->items.items[lo - 1].size)
		return NULL;
	*len = v->items.items[lo - 1].len;
	return v->items.items[lo - 1].name;
}

/* Does memory around w look like a vtable of objects that begin with it? */
static bool is_shape(struct cs_native *n, cs_addr w, const struct cs_mapping **mapping,
		     cs_addr *info)
{
	uint64_t top, first;

	*mapping = w % 8 || w < TOP_OFF ? NULL : module_mapping(n, w);
	return *mapping && !((*mapping)->prot & CS_PROT_X && !((*mapping)->prot & CS_PROT_R)) &&
	       cs_mem_u64(n->image->mem, w - TOP_OFF, &top) && !top &&
	       cs_mem_u64(n->image->mem, w - TYPE_INFO_OFF, info) &&
	       (!*info || module_mapping(n, *info)) && cs_mem_u64(n->image->mem, w, &first) &&
	       (!first || is_code(n, first));
}

/* The mangled name of the class whose vtable w points into; NULL: none. */
static const char *class_name(struct cs_native *n, cs_addr w, size_t *len)
{
	const struct cs_mapping *mapping;
	cs_addr info, vptr;

	if (!is_shape(n, w, &mapping, &info))
		return NULL;
	if (!info)
		return symbol_name(n, w, mapping->module, len);
	if (!cs_mem_u64(n->image->mem, info, &vptr) || !is_info_vptr(n, vptr))
		return NULL;
	return info_name(n, info, len);
}

/* A type by its name: the one DWARF defines, or a new one of which nothing else is known. */
static uint32_t class_type(struct cs_native *n, const char *mangled, size_t len)
{
	char name[NT_NAME_MAX];
	uint32_t nr;
	struct nt_type t = {.kind = NT_RECORD, .is_cxx = true, .is_polymorphic = true};

	if (!cs_demangle_type(mangled, len, name, sizeof(name)))
		snprintf(name, sizeof(name), "%.*s", (int)(len < 1000 ? len : 1000), mangled);
	if (cs_map_get(&n->type_by_name, nt_name_key(name), &nr))
		return nr;
	nr = nt_type_named(n, name);
	t.name = nr ? NULL : cs_arena_copy(&n->model->strings, name);
	if (!nr)
		nr = t.name ? nt_type_add(n, &t) : 0;
	if (!nr || !cs_map_put(&n->type_by_name, nt_name_key(name), nr))
		n->failed = true;
	return nr;
}

/* The class whose vtable w points into; 0: it is no vptr. Looked up once a word. */
static uint32_t class_at(struct cs_native *n, cs_addr w)
{
	uint32_t nr;
	const char *name;
	size_t len;

	if (cs_map_get(&n->vtables, w, &nr))
		return nr == NO_VTABLE ? 0 : nr;
	if (!module_mapping(n, w)) /* not remembered: there is no end of such words */
		return 0;
	name = class_name(n, w, &len);
	nr = name ? class_type(n, name, len) : 0;
	if (!cs_map_put(&n->vtables, w, nr ? nr : NO_VTABLE))
		n->failed = true;
	return nr;
}

/* No object holds another of its own class: where the vptr comes again there are several. */
static bool repeats(struct cs_native *n, const struct cs_block *block, cs_addr w)
{
	uint64_t len = block->len < REPEAT_MAX ? block->len : REPEAT_MAX, word;

	for (uint64_t off = 8; off + 8 <= len; off += 8)
		if (cs_mem_u64(n->image->mem, block->addr + off, &word) && word == w)
			return true;
	return false;
}

static void look_at(struct cs_native *n, uint32_t node, const struct cs_block *block)
{
	struct nt_claim c = {
		.how = CS_NATIVE_VTABLE, .sure = CS_NATIVE_EXACT, .via = n->nodes.count};
	uint64_t size;
	cs_addr w;

	/* what is not in a module is no vtable: most words end here */
	if (block->len < 8 || !cs_mem_u64(n->image->mem, block->addr, &w) || w < 4096 || w % 8)
		return;
	if (w >= n->nodes.lowest && w < n->nodes.end && cs_node_at(&n->nodes, w) != CS_NO_NODE)
		return;
	c.type = class_at(n, w);
	if (!c.type)
		return;
	size = n->types.items[c.type].size;
	if (size > block->len)
		return;
	if (size && !nt_fits(block, size))
		c.sure = CS_NATIVE_CANDIDATE; /* several, or something that begins with one */
	else if (!size && repeats(n, block, w)) {
		c.sure = CS_NATIVE_LIKELY;
		c.is_array = true;
	}
	nt_record(n, node, block, &c);
}

cs_status nt_vtables(struct cs_native *n, struct cs_error *err)
{
	struct cs_pulse *pulse = n->model->pulse;
	struct cs_block block;

	for (size_t i = 0; i < n->model->blocks.spans.count; i++) {
		const struct cs_span *span = &n->model->blocks.spans.items[i];
		uint64_t end = span->len / 16;

		if (span->allocator != CS_ALLOC_GLIBC)
			continue;
		for (uint64_t g = 0; g < end && !cs_pulse_stops(pulse); g = cs_span_next(span, g)) {
			if (cs_tile_get(span->tiles, g) != CS_BLOCK_USED)
				continue;
			cs_blocks_granule(&n->model->blocks, (uint32_t)i, g, &block);
			look_at(n, cs_node_at(&n->nodes, block.addr), &block);
		}
	}
	for (size_t i = 0; i < n->model->blocks.big.count; i++) {
		cs_blocks_big(&n->model->blocks, i, &block);
		if (block.state == CS_BLOCK_USED && block.allocator == CS_ALLOC_GLIBC)
			look_at(n, n->nodes.big[i], &block);
	}
	return cs_pulse_result(pulse, CS_OK, err);
}
