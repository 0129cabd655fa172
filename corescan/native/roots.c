/* Variables with a fixed place: globals, static ones of functions and classes, and what
 * each thread has of its own.
 *
 * Thread-local: glibc's sysdeps/x86_64/nptl/tls.h (TLS_TCB_AT_TP). The executable's block
 * ends where the thread pointer points; those of libraries are found by the thread's vector of
 * them, dtv, whose address is the second word there and whose length stands before it. Which
 * entry is a module's, the loader wrote where code asks for it (R_X86_64_DTPMOD64); where no
 * code does, entry 1 is the first module with such variables in the loader's order. */
#include "native/dwarf.h"
#include "image/elf_file.h"
#include "image/image_build.h"

#include <elf.h>
#include <stdio.h>

enum { DTV_ENTRY = 16, MODULES_MAX = 1 << 16 };

static bool may_lead(struct cs_native *n, uint32_t type)
{
	for (unsigned i = 0; i < NT_DEPTH_MAX && n->types.items[type].kind == NT_ARRAY; i++)
		type = nt_target(n, type);
	if (n->types.items[type].kind == NT_POINTER)
		return true;
	nt_flatten(n, type);
	return n->types.items[type].slots > 0;
}

static void look_at_variable(struct cs_native *n, const struct nt_var *var, cs_addr addr, int tid)
{
	struct nt_object o = {
		.addr = addr, .sure = CS_NATIVE_EXACT, .type = nt_type_of_variable(n, &var->die)};
	const char *name = nt_die_name(&var->die);
	char text[256];

	if (!o.type || !may_lead(n, o.type) || !cs_mem_view(n->image->mem, addr, 8))
		return;
	if (var->is_tls)
		snprintf(text, sizeof(text), "thread-local %.160s of thread %d",
			 name ? name : "variable", tid);
	else
		snprintf(text, sizeof(text), "global %.160s", name ? name : "variable");
	o.via = nt_place(n, addr, text);
	nt_look_at(n, &o);
}

/* What the loader wrote as the module's number; 0: no code asks for it. A symbol might be
 * another module's, no symbol is its own. */
static uint64_t written_number(struct cs_native *n, const struct cs_module *m)
{
	uint64_t addr, size, value, number = 0;
	const unsigned char *p;

	if (!m->elf || cs_elf_section(m->elf, ".rela.dyn", &addr, &size) ||
	    !(p = cs_elf_view(m->elf, addr, size)))
		return 0;
	for (uint64_t off = 0; off + sizeof(Elf64_Rela) <= size; off += sizeof(Elf64_Rela)) {
		uint64_t info = cs_le64(p + off + offsetof(Elf64_Rela, r_info));
		cs_addr at = m->bias + cs_le64(p + off + offsetof(Elf64_Rela, r_offset));

		if (cs_pulse_stops(n->model->pulse))
			return 0;
		if (ELF64_R_TYPE(info) != R_X86_64_DTPMOD64 ||
		    !cs_mem_u64(n->image->mem, at, &value) || value > MODULES_MAX)
			continue;
		number = value;
		if (!ELF64_R_SYM(info))
			break;
	}
	return number;
}

/* Number of a module among those with thread-local variables, from 1 on; 0: not known. */
static uint64_t tls_number(struct cs_native *n, const struct cs_module *module)
{
	struct cs_loader_names names = {0};
	uint64_t memsz, align, nr = 0, found = written_number(n, module);

	if (found || cs_image_loader_names(n->image, &names, NULL))
		return found;
	for (size_t i = 0; i < names.count && i < MODULES_MAX && !found; i++)
		for (size_t m = 0; m < n->image->modules.count; m++) {
			const struct cs_module *is = &n->image->modules.items[m];

			if (is->bias != names.items[i].bias ||
			    strcmp(is->path, names.items[i].path))
				continue;
			if (is->elf && !cs_elf_tls(is->elf, &memsz, &align)) {
				nr++;
				found = is == module ? nr : 0;
			}
			break;
		}
	cs_vec_free(&names);
	return found;
}

/* Where a thread has a module's block of variables; 0: not known. */
static cs_addr tls_block(struct cs_native *n, const struct cs_module *m,
			 const struct cs_thread *thread, uint64_t number)
{
	uint64_t memsz, align;
	cs_addr dtv, block;
	uint64_t entries;

	if (!thread->fs_base || !m->elf || cs_elf_tls(m->elf, &memsz, &align) || memsz > 1u << 30)
		return 0;
	if (m->is_exe) {
		align = align && !(align & (align - 1)) ? align : 1;
		return thread->fs_base - cs_align_up(memsz, align);
	}
	if (!number || !cs_mem_u64(n->image->mem, thread->fs_base + 8, &dtv) ||
	    !cs_mem_u64(n->image->mem, dtv - DTV_ENTRY, &entries) || number > entries ||
	    !cs_mem_u64(n->image->mem, dtv + DTV_ENTRY * number, &block) || block == UINT64_MAX)
		return 0;
	return cs_mem_view(n->image->mem, block, memsz) ? block : 0;
}

static void look_at_threads(struct cs_native *n, const struct nt_var *var, uint64_t number)
{
	const struct cs_module *m = &n->image->modules.items[var->module];
	uint64_t memsz, align;

	if (!m->elf || cs_elf_tls(m->elf, &memsz, &align) || var->addr >= memsz)
		return;
	for (size_t i = 0; i < n->image->threads.count && !cs_pulse_stops(n->model->pulse); i++) {
		const struct cs_thread *t = &n->image->threads.items[i];
		cs_addr block = tls_block(n, m, t, number);

		if (block)
			look_at_variable(n, var, block + var->addr, t->tid);
	}
}

cs_status nt_roots(struct cs_native *n, struct cs_error *err)
{
	uint32_t module = UINT32_MAX;
	uint64_t number = 0;

	for (size_t i = 0; i < n->dwarf->vars.count && !cs_pulse_stops(n->model->pulse); i++) {
		const struct nt_var *var = &n->dwarf->vars.items[i];

		if (!var->is_tls) {
			look_at_variable(n, var, var->addr, 0);
			continue;
		}
		if (var->module != module)
			number = tls_number(n, &n->image->modules.items[var->module]);
		module = var->module;
		look_at_threads(n, var, number);
	}
	return cs_pulse_result(n->model->pulse, CS_OK, err);
}
