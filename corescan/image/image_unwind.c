/* libdwfl does the stepping; which files, registers and memory it sees is ours. It
 * tries frame pointers where a function has no unwind data (elfutils 0.183+,
 * backends/x86_64_unwind.c): such frames are guesses, so a stack ends before.
 *
 * The vdso is no file. Our own stands in for the target's when it has the same bytes. */
#include "image/image_unwind.h"
#include "base/map.h"
#include "base/own.h"
#include "image/debug_file.h"
#include "image/dwarf_places.h"
#include "image/elf_functions.h"

#include <elfutils/libdwfl.h>
#include <elfutils/version.h>
#include <gelf.h>
#include <sys/auxv.h>

enum { VDSO_MAX = 64 << 10 };

/* What is known of the way out of a function: none, the usual, that of a signal's
 * handler, that there is none since a thread begins there. */
enum cfi { CFI_NONE = 1, CFI_THERE, CFI_SIGNAL, CFI_BEGIN };

struct cs_unwind {
	struct cs_image *image;
	Dwfl_Callbacks callbacks;
	Dwfl *dwfl;
	CS_VEC(struct cs_unwind_frame) frames;
	CS_VEC(struct cs_regs) regs; /* of the same frames, when they are kept */
	bool keeps_regs;
	struct cs_map cfi; /* program counter -> enum cfi */
	struct cs_elf_functions **functions; /* of each module, made on first use */
	struct cs_arena names;
	/* of the walk under way */
	const struct cs_thread *thread;
	const char *ends;
	enum cfi last;	    /* of the outermost frame so far */
	cs_addr unreadable; /* an address it was asked for in vain */
	bool is_failed;	    /* no memory */
};

static const unsigned char *own_vdso(size_t *len)
{
	const unsigned char *v = (const unsigned char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	uint64_t end;

	if (!v)
		return NULL;
	/* the section headers come last */
	end = cs_le64(v + offsetof(Elf64_Ehdr, e_shoff)) +
	      (uint64_t)cs_le16(v + offsetof(Elf64_Ehdr, e_shnum)) *
		      cs_le16(v + offsetof(Elf64_Ehdr, e_shentsize));
	*len = (size_t)end;
	return end > sizeof(Elf64_Ehdr) && end <= VDSO_MAX ? v : NULL;
}

/* A file with packed sections, in memory of libelf's own. The descriptor, and *elf. */
static int open_packed(const struct cs_elf *file, Elf **elf)
{
	int fd = cs_elf_reopen(file);

	*elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
	if (!*elf)
		cs_closep(&fd);
	return *elf ? fd : -1;
}

/* The file of a module, opened already; no module: our vdso. libdwfl ends the handle. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	const struct cs_module *m = *userdata;
	size_t len = 0;
	const unsigned char *bytes = m ? cs_elf_bytes(m->elf, &len) : own_vdso(&len);

	(void)mod, (void)name, (void)base, (void)file_name;
	if (m && cs_elf_is_packed(m->elf))
		return open_packed(m->elf, elf);
	*elf = bytes ? elf_memory((char *)(uintptr_t)bytes, len) : NULL;
	return -1;
}

/* Neither searched nor downloaded: the program's own file has the unwind data. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file, const char *link, GElf_Word crc, char **out)
{
	(void)mod, (void)userdata, (void)name, (void)base;
	(void)file, (void)link, (void)crc, (void)out;
	return -1;
}

static bool report(struct cs_unwind *u, const char *name, cs_addr start, cs_addr end,
		   struct cs_module *module)
{
	Dwfl_Module *mod = dwfl_report_module(u->dwfl, name, start, end);
	void **userdata;

	if (!mod)
		return false;
	dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = module;
	return true;
}

/* libdwfl takes the start of a module for its first PT_LOAD, rounded down. */
static cs_addr load_start(const struct cs_module *m)
{
	const struct cs_elf_load *loads;

	if (!cs_elf_loads(m->elf, &loads))
		return m->range.start;
	return m->bias + cs_align_down(loads[0].vaddr, loads[0].align);
}

static void report_modules(struct cs_unwind *u)
{
	cs_addr vdso = u->image->at_sysinfo_ehdr;
	const unsigned char *own, *theirs;
	size_t len = 0;

	dwfl_report_begin(u->dwfl);
	for (size_t i = 0; i < u->image->modules.count; i++) {
		struct cs_module *m = &u->image->modules.items[i];

		if (m->elf && cs_elf_is_tame(m->elf))
			report(u, m->path, load_start(m), cs_range_end(m->range), m);
	}
	own = vdso ? own_vdso(&len) : NULL;
	theirs = own ? cs_mem_view(u->image->mem, vdso, len) : NULL;
	if (theirs && !memcmp(own, theirs, len))
		report(u, "[vdso]", vdso, vdso + cs_align_up(len, u->image->page_size), NULL);
	dwfl_report_end(u->dwfl, NULL, NULL);
}

static pid_t no_next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl, (void)arg, (void)thread_arg;
	return 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl, (void)tid;
	*thread_arg = arg;
	return true;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct cs_unwind *u = arg;
	uint64_t word;

	(void)dwfl;
	if (cs_mem_u64(u->image->mem, addr, &word) ||
	    !cs_mem_read(u->image->mem, addr, &word, sizeof(word), NULL)) {
		*result = word;
		return true;
	}
	u->unreadable = addr;
	return false;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct cs_unwind *u = arg;
	const struct cs_regs *regs = &u->thread->regs;

	for (int i = 0; i < CS_REGS; i++)
		if (regs->known >> i & 1 &&
		    !dwfl_thread_state_registers(thread, i, 1, &regs->values[i]))
			return false;
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = no_next_thread,
	.get_thread = get_thread,
	.memory_read = read_word,
	.set_initial_registers = set_registers,
};

cs_status cs_unwind_open(struct cs_image *image, struct cs_unwind **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_unwind_closep))) struct cs_unwind *u = calloc(1, sizeof(*u));

	if (!u)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the stacks");
	u->image = image;
	u->functions = calloc(image->modules.count + 1, sizeof(*u->functions));
	if (!u->functions)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the stacks");
	u->callbacks = (Dwfl_Callbacks){ .find_elf = find_elf, .find_debuginfo = find_debuginfo };
	u->dwfl = dwfl_begin(&u->callbacks);
	if (!u->dwfl)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the stacks");
	report_modules(u);
	if (!dwfl_attach_state(u->dwfl, NULL, image->pid > 0 ? image->pid : 1, &thread_callbacks,
			       u))
		return cs_fail(err, CS_UNSUPPORTED, 0, "stacks cannot be unwound: %s",
			       dwfl_errmsg(-1));
	*out = cs_steal(u);
	return CS_OK;
}

void cs_unwind_close(struct cs_unwind *u)
{
	if (!u)
		return;
	dwfl_end(u->dwfl);
	for (size_t i = 0; u->functions && i < u->image->modules.count; i++)
		cs_elf_functions_destroy(u->functions[i]);
	free(u->functions);
	cs_arena_deinit(&u->names);
	cs_vec_free(&u->frames);
	cs_vec_free(&u->regs);
	cs_map_deinit(&u->cfi);
	free(u);
}

/* What is known of how to leave the function at an address. */
static enum cfi find_cfi(struct cs_unwind *u, cs_addr at)
{
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, at);
	Dwarf_Addr bias = 0, from, to;
	Dwarf_CFI *cfi = mod ? dwfl_module_eh_cfi(mod, &bias) : NULL;
	cs_autofree Dwarf_Frame *frame = NULL;
	Dwarf_Op space[3], *rule;
	bool is_signal = false;
	size_t len;
	int back;

	if (!cfi || dwarf_cfi_addrframe(cfi, at - bias, &frame)) {
		cfi = mod ? dwfl_module_dwarf_cfi(mod, &bias) : NULL;
		if (!cfi || dwarf_cfi_addrframe(cfi, at - bias, &frame))
			return CFI_NONE;
	}
	back = dwarf_frame_info(frame, &from, &to, &is_signal);
	/* an undefined return address: no rule, but a place for one */
	if (back >= 0 && !dwarf_frame_register(frame, back, space, &rule, &len) && !len &&
	    rule == space)
		return CFI_BEGIN;
	return back >= 0 && is_signal ? CFI_SIGNAL : CFI_THERE;
}

static enum cfi cfi_at(struct cs_unwind *u, cs_addr at)
{
	uint32_t known;

	if (!at)
		return CFI_NONE;
	if (cs_map_get(&u->cfi, at, &known))
		return (enum cfi)known;

	enum cfi cfi = find_cfi(u, at);

	if (!cs_map_put(&u->cfi, at, cfi))
		u->is_failed = true;
	return cfi;
}

static struct cs_module *module_at(const struct cs_image *image, cs_addr addr)
{
	const struct cs_mapping *m = cs_image_mapping(image, addr);

	return m && m->module != CS_NO_MODULE ? &image->modules.items[m->module] : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *say_no_data(struct cs_unwind *u, cs_addr pc)
{
	const struct cs_module *m = module_at(u->image, pc);
	struct cs_arena *strings = &u->image->strings;

	if (!m)
		return cs_arena_printf(strings, CS_ADDR " is in no file: no unwind data", pc);
	if (!m->elf)
		return cs_arena_printf(strings, "%s is not here, or another build: no unwind data",
				       base_name(m->path));
	return cs_arena_printf(strings, "no unwind data for " CS_ADDR " in %s", pc,
			       base_name(m->path));
}

/* What is known of the registers of a frame. */
static void keep_registers(struct cs_unwind *u, Dwfl_Frame *state, cs_addr pc)
{
	struct cs_regs regs = { .known = 0 };

#if _ELFUTILS_PREREQ(0, 188)
	for (unsigned i = 0; i < CS_REGS; i++) {
		Dwarf_Word value;

		if (i != CS_REG_PC && dwfl_frame_reg(state, i, &value))
			continue;
		regs.values[i] = i == CS_REG_PC ? pc : value;
		regs.known |= 1u << i;
	}
#else
	(void)state, (void)pc;
#endif
	if (!cs_vec_push(&u->regs, regs))
		u->is_failed = true;
}

void cs_unwind_keep_registers(struct cs_unwind *u)
{
	u->keeps_regs = true;
}

const struct cs_regs *cs_unwind_registers(const struct cs_unwind *u, size_t frame)
{
	return frame < u->regs.count ? &u->regs.items[frame] : NULL;
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct cs_unwind *u = arg;
	struct cs_unwind_frame f = { .pc = 0 };
	enum cfi cfi;

	if (cs_pulse_stops(u->image->options.pulse) || !dwfl_frame_pc(state, &f.pc, &f.is_exact))
		return DWARF_CB_ABORT;
#if _ELFUTILS_PREREQ(0, 188)
	Dwarf_Word sp;

	if (!dwfl_frame_reg(state, CS_REG_SP, &sp))
		f.sp = sp;
#endif
	if (!f.pc && u->frames.count)
		return DWARF_CB_ABORT; /* a return address of 0: the thread began there */
	cfi = cfi_at(u, f.is_exact ? f.pc : f.pc - 1);
	f.is_signal = cfi == CFI_SIGNAL;
	u->last = cfi;
	u->unreadable = 0;
	if (!cs_vec_push(&u->frames, f))
		u->is_failed = true;
	if (u->keeps_regs)
		keep_registers(u, state, f.pc);
	if (cfi == CFI_NONE)
		u->ends = say_no_data(u, f.pc);
	else if (u->frames.count == CS_UNWIND_MAX)
		u->ends = "deeper than corescan follows";
	return u->is_failed || u->ends ? DWARF_CB_ABORT : DWARF_CB_OK;
}

/* Why libdwfl could not go on. */
static const char *say_failed(struct cs_unwind *u)
{
	struct cs_arena *strings = &u->image->strings;

	if (u->unreadable)
		return cs_arena_printf(strings, "the stack's memory at " CS_ADDR " is not there",
				       u->unreadable);
	if (u->thread->regs.known != (1u << CS_REGS) - 1)
		return "it goes on by a register the debugger did not tell";
	return cs_arena_printf(strings, "its unwind data leads nowhere (%s)", dwfl_errmsg(-1));
}

cs_status cs_unwind_thread(struct cs_unwind *u, const struct cs_thread *thread,
			   const struct cs_unwind_frame **frames, size_t *count, const char **ends,
			   struct cs_error *err)
{
	enum { NEEDED = 1u << CS_REG_SP | 1u << CS_REG_PC };

	u->frames.count = u->regs.count = 0;
	u->thread = thread;
	u->ends = NULL;
	u->unreadable = 0;
	u->last = CFI_NONE;
	dwfl_errno(); /* forget older trouble */
	if ((thread->regs.known & NEEDED) != NEEDED) {
		u->ends = "its registers are not known";
	} else {
		int left = dwfl_getthread_frames(u->dwfl, thread->tid > 0 ? thread->tid : 1,
						 on_frame, u);

		/* a return address that cannot be had looks to it like the end */
		if (!u->ends && (left < 0 || (left == DWARF_CB_OK && u->last != CFI_BEGIN)))
			u->ends = say_failed(u);
	}
	if (u->is_failed)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the stacks");
	*frames = u->frames.items;
	*count = u->frames.count;
	*ends = u->ends;
	return cs_pulse_result(u->image->options.pulse, CS_OK, err);
}

static bool find_function(struct cs_unwind *u, struct cs_module *m, const struct cs_elf *debug,
			  uint64_t vaddr, struct cs_unwind_name *out)
{
	struct cs_elf_functions **f = &u->functions[m - u->image->modules.items];
	const char *name;
	uint64_t start;
	size_t len;

	if (!*f)
		*f = cs_elf_functions_create(m->elf, debug);
	if (!*f || cs_elf_functions_find(*f, vaddr, &name, &len, &start))
		return false;
	out->function = cs_arena_text(&u->names, name, len);
	out->offset = vaddr - start;
	return true;
}

/* Names of a module that has a file; vaddr is an address of it. */
static size_t name_in_file(struct cs_unwind *u, struct cs_module *m, uint64_t vaddr, uint64_t back,
			   struct cs_unwind_name *out)
{
	struct cs_dwarf_place places[CS_UNWIND_NAMES];
	struct cs_elf *debug = NULL;
	bool owned, has_debug = !cs_debug_file(m, u->image, &debug, &owned, NULL);
	size_t n = has_debug ? cs_dwarf_places(debug, vaddr, places, CS_UNWIND_NAMES) : 0;
	struct cs_unwind_name name = *out;

	if (find_function(u, m, has_debug ? debug : NULL, vaddr, &name))
		name.offset += back;
	if (!n) {
		*out = name;
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = name;
		if (places[i].function)
			out[i].function = places[i].function;
		out[i].file = places[i].file;
		out[i].line = places[i].line;
		out[i].is_inlined = i + 1 < n;
	}
	return n;
}

size_t cs_unwind_names(struct cs_unwind *u, const struct cs_unwind_frame *frame,
		       struct cs_unwind_name *out)
{
	uint64_t back = frame->is_exact ? 0 : 1; /* into the call itself */
	struct cs_module *m = module_at(u->image, frame->pc - back);

	out[0] = (struct cs_unwind_name){ .module = m ? m->path : NULL };
	if (m)
		out[0].offset = frame->pc - m->range.start;
	if (frame->is_signal)
		out[0].function = "<signal handler called>";
	if (!m || !m->elf || frame->is_signal)
		return 1;
	return name_in_file(u, m, frame->pc - back - m->bias, back, out);
}
