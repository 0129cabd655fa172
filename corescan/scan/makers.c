/* makers.c - calls of allocators in all modules, and what they are called. */
#include "scan/makers.h"

#include "base/own.h"
#include "image/debug_file.h"
#include "image/dwarf_places.h"
#include "image/elf_functions.h"
#include "native/made.h"
#include "scan/makers_state.h"

enum { FRAMES = 32, DWARF_NAMES_MAX = 4000 };

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the calls of allocators");
}

void cs_makers_destroy(struct cs_makers *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->modules.count; i++)
		cs_elf_functions_destroy(m->modules.items[i].functions);
	cs_code_destroy(m->code);
	cs_vec_free(&m->modules);
	cs_vec_free(&m->items);
	cs_vec_free(&m->names);
	cs_vec_free(&m->classes);
	cs_map_deinit(&m->name_at);
	cs_arena_deinit(&m->strings);
	free(m);
}

static void cs_makers_destroyp(struct cs_makers **m)
{
	cs_makers_destroy(*m);
}

/* --- the code --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* What every program has; its own calls are what people look for first. */
static bool is_system(const char *path)
{
	static const char *const names[] = {"libc.so",	    "libc-2.",	   "ld-linux",	"ld-2.",
					    "libstdc++.so", "libgcc_s.so", "libc++.so", "libm.so",
					    "libm-2.",	    "libpthread",  "libresolv"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(base_name(path), names[i], strlen(names[i])))
			return true;
	return false;
}

static bool find_modules(struct cs_makers *m)
{
	struct cs_image *image = m->scan->image;

	for (size_t i = 0; i < image->modules.count; i++) {
		struct cs_maker_module one = {.module = &image->modules.items[i],
					      .is_system = is_system(image->modules.items[i].path)};
		bool owned;

		if (!one.module->elf) {
			m->unread++;
			continue;
		}
		if (cs_debug_file(one.module, image, &one.debug, &owned, NULL))
			one.debug = NULL;
		if (!cs_vec_push(&m->modules, one))
			return false;
	}
	return true;
}

static cs_status read_code(struct cs_makers *m, struct cs_error *err)
{
	cs_autofree struct cs_code_input *inputs = calloc(m->modules.count + 1, sizeof(*inputs));

	if (!inputs)
		return no_memory(err);
	for (size_t i = 0; i < m->modules.count; i++)
		inputs[i] = (struct cs_code_input){m->modules.items[i].module->elf,
						   m->modules.items[i].debug};
	return cs_code_create(inputs, m->modules.count, &m->scan->pulse, &m->code, err);
}

static int by_size(const void *a, const void *b)
{
	const struct cs_maker *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static cs_status take_sites(struct cs_makers *m, struct cs_error *err)
{
	const struct cs_code_site *sites;
	size_t count = cs_code_sites(m->code, &sites);

	for (size_t i = 0; i < count; i++) {
		struct cs_maker one = {.size = sites[i].size,
				       .site = (uint32_t)i,
				       .is_python = sites[i].is_python,
				       .is_system = m->modules.items[sites[i].file].is_system,
				       .is_new = sites[i].callee &&
						 (!strncmp(sites[i].callee, "_Znw", 4) ||
						  !strncmp(sites[i].callee, "_Zna", 4))};

		m->dynamic += sites[i].kind == CS_CODE_DYNAMIC;
		if (sites[i].kind == CS_CODE_CONSTANT && !cs_vec_push(&m->items, one))
			return no_memory(err);
	}
	if (m->items.count)
		qsort(m->items.items, m->items.count, sizeof(*m->items.items), by_size);
	return CS_OK;
}

/* --- what they build --- */

struct build {
	struct cs_native_call call;
	size_t maker;
};

static int by_addr(const void *a, const void *b)
{
	const struct build *x = a, *y = b;

	return (x->call.addr > y->call.addr) - (x->call.addr < y->call.addr);
}

static void set_build(const struct cs_makers *m, size_t nr, struct build *out)
{
	const struct cs_maker *maker = &m->items.items[nr];
	const struct cs_code_site *site;

	cs_code_sites(m->code, &site);
	site += maker->site;
	out->maker = nr;
	out->call = (struct cs_native_call){
		.addr = m->modules.items[site->file].module->bias + site->vaddr,
		.size = maker->size,
		.is_new = maker->is_new,
	};
	out->call.end = out->call.addr + site->len;
}

/* Only where types of blocks are known: else nothing could be compared with them. */
static cs_status find_types(struct cs_makers *m, struct cs_error *err)
{
	size_t count = m->items.count;
	cs_autofree struct build *builds = calloc(count + 1, sizeof(*builds));
	cs_autofree struct cs_native_call *calls = calloc(count + 1, sizeof(*calls));
	cs_status st;

	if (!m->scan->native)
		return CS_OK;
	if (!builds || !calls)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		set_build(m, i, &builds[i]);
	qsort(builds, count, sizeof(*builds), by_addr);
	for (size_t i = 0; i < count; i++)
		calls[i] = builds[i].call;
	st = cs_native_made(m->scan->native, calls, count, err);
	for (size_t i = 0; !st && i < count; i++)
		if (calls[i].type) {
			m->items.items[builds[i].maker].type = cs_maker_type_key(calls[i].type);
			m->typed++;
		}
	return st;
}

static void describe(struct cs_makers *m)
{
	const struct cs_code_site *sites;

	cs_model_finding(
		&m->scan->model, "calls of allocators", "machine code", NULL,
		"%zu in %zu modules: %zu of constant size (of %zu the type is known), %" PRIu64
		" of any size%s",
		cs_code_sites(m->code, &sites), m->modules.count, m->items.count, m->typed,
		m->dynamic, cs_code_is_cut(m->code) ? "; there are more" : "");
}

cs_status cs_scan_makers(struct cs_scan *scan, struct cs_error *err)
{
	__attribute__((cleanup(cs_makers_destroyp))) struct cs_makers *m = NULL;
	cs_status st;

	if (scan->makers)
		return CS_OK;
	m = calloc(1, sizeof(*m));
	if (!m)
		return no_memory(err);
	m->scan = scan;
	for (size_t i = 0; i < scan->model.sizes.count; i++)
		m->has_pymalloc |= scan->model.sizes.items[i].allocator == CS_ALLOC_PYMALLOC;
	st = find_modules(m) ? CS_OK : no_memory(err);
	if (!st)
		st = read_code(m, err);
	if (!st)
		st = take_sites(m, err);
	if (!st)
		st = find_types(m, err);
	st = cs_pulse_result(&scan->pulse, st, err);
	if (st)
		return st;
	describe(m);
	scan->makers = cs_steal(m);
	return CS_OK;
}

/* --- names --- */

/* The innermost line that is not the standard library's own. */
static const struct cs_dwarf_place *own_place(const struct cs_dwarf_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (places[i].file && places[i].line && !strstr(places[i].file, "/include/c++/"))
			return &places[i];
	return count && places[0].file && places[0].line ? &places[0] : NULL;
}

static const char *function_at(struct cs_makers *m, struct cs_maker_module *mod, uint64_t vaddr)
{
	const char *name;
	uint64_t start;
	size_t len;

	if (!mod->functions)
		mod->functions = cs_elf_functions_create(mod->module->elf, mod->debug);
	if (!mod->functions || cs_elf_functions_find(mod->functions, vaddr, &name, &len, &start))
		return NULL;
	return cs_arena_text(&m->strings, name, len);
}

static bool name_by_dwarf(struct cs_makers *m, struct cs_maker_module *mod, uint64_t vaddr,
			  struct cs_maker_name *out)
{
	struct cs_dwarf_place places[FRAMES];
	const struct cs_dwarf_place *place;
	struct cs_elf *debug = mod->debug;

	if (!debug || m->named_by_dwarf >= DWARF_NAMES_MAX)
		return false;
	m->named_by_dwarf++;
	place = own_place(places, cs_dwarf_places(debug, vaddr, places, FRAMES));
	if (!place)
		return false;
	out->file = place->file;
	out->function = place->function;
	out->site = cs_arena_printf(&m->strings, "%s:%u", place->file, place->line);
	return out->site;
}

cs_status cs_maker_name(struct cs_makers *m, size_t nr, struct cs_error *err)
{
	struct cs_maker *maker = &m->items.items[nr];
	const struct cs_code_site *sites;
	struct cs_maker_module *mod;
	struct cs_maker_name name = {.site = NULL};
	uint64_t vaddr, key;

	if (maker->name)
		return CS_OK;
	cs_code_sites(m->code, &sites);
	vaddr = sites[maker->site].vaddr;
	mod = &m->modules.items[sites[maker->site].file];
	if (!name_by_dwarf(m, mod, vaddr, &name)) {
		name.file = base_name(mod->module->path);
		name.site = cs_arena_printf(&m->strings, "%s+0x%" PRIx64, name.file, vaddr);
		name.function = function_at(m, mod, vaddr);
	}
	if (!name.site)
		return no_memory(err);
	name.is_system = mod->is_system;
	key = cs_map_key(name.site);
	if (cs_map_get(&m->name_at, key, &maker->name))
		return CS_OK;
	if (!cs_vec_push(&m->names, name) ||
	    !cs_map_put(&m->name_at, key, (uint32_t)m->names.count))
		return no_memory(err);
	maker->name = (uint32_t)m->names.count;
	return CS_OK;
}

uint64_t cs_maker_type_key(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t len = strlen(name);

	static const char derived[] = " or derived";
	const size_t end = sizeof(derived) - 1;

	if (len > 2 && !strcmp(name + len - 2, "[]"))
		len -= 2;
	else if (len > end && !strcmp(name + len - end, derived))
		len -= end;
	for (size_t i = 0; i < len; i++) {
		bool is_start =
			!i || name[i - 1] == ' ' || name[i - 1] == '<' || name[i - 1] == ',';

		if (is_start &&
		    (!strncmp(name + i, "struct ", 7) || !strncmp(name + i, "class ", 6)))
			i += name[i] == 's' ? 7 : 6;
		if (i < len && name[i] != ' ')
			hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3ull;
	}
	return hash | 1;
}
