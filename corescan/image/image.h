/* image.h - what the process had mapped: mappings, ELF modules, threads.
 *
 * One picture for cores (NT_FILE, PT_LOAD, notes) and live processes
 * (/proc). Knows nothing of heaps. Lays read-only file pages that a core
 * leaves out under its memory, but only after the build id matched.
 *
 * Invariants
 *  - Mappings are sorted and disjoint. Paths and names live as long as the image.
 *  - A module's file is only consulted when `file` is CS_FILE_MATCHED, or
 *    CS_FILE_UNVERIFIED (the core holds no build id to compare, and says so).
 */
#ifndef CS_IMAGE_H
#define CS_IMAGE_H
#include "base/arena.h"
#include "base/pulse.h"
#include "mem/mem.h"
#include "mem/regs.h"

enum cs_mapping_kind {
	CS_MAPPING_ANON,
	CS_MAPPING_FILE,   /* private mapping of a file */
	CS_MAPPING_SHARED, /* shared mapping, with a file or without */
	CS_MAPPING_KERNEL, /* vdso, vvar, vsyscall */
	CS_MAPPING_HEAP,   /* live: "[heap]"; anonymous brk memory */
	CS_MAPPING_STACK   /* the main thread's stack */
};

enum { CS_PROT_R = 4, CS_PROT_W = 2, CS_PROT_X = 1 }; /* as ELF's p_flags */

struct cs_mapping {
	struct cs_range range;
	enum cs_mapping_kind kind;
	unsigned prot;
	uint64_t file_off;
	const char *path;  /* NULL: anonymous or unknown */
	uint32_t module;   /* index, or CS_NO_MODULE */
};
#define CS_NO_MODULE UINT32_MAX

enum cs_file_state {
	CS_FILE_MATCHED,    /* build id in memory == build id in the file */
	CS_FILE_UNVERIFIED, /* no build id in memory or in the file */
	CS_FILE_MISMATCH,   /* another build: refused */
	CS_FILE_MISSING
};

struct cs_elf; /* an opened ELF file, elf_file.h of this room */
struct cs_debuginfod;

enum { CS_MODULE_WRITABLE = 8 };

/* A file that lay where a module's was looked for, and is of another build. */
struct cs_refused {
	char *path; /* NULL: there was none */
	unsigned char build_id[64];
	size_t build_id_len;
};

struct cs_module {
	const char *path;	/* as the process knew it, "" when unknown; never NULL */
	const char *file_path;	/* the file we opened, NULL when none */
	const char *found_by;	/* by which means: "path", "--sysroot"; NULL when none */
	struct cs_refused refused;
	enum cs_file_state file;
	struct cs_range range;	/* from the first to the end of the last mapping, .bss included */
	uint64_t bias;		/* address in memory - address in the ELF file */
	unsigned char build_id[64];
	size_t build_id_len;	/* of the memory, or of the file when memory has none */
	struct cs_elf *elf;	/* NULL unless file is MATCHED or UNVERIFIED */
	bool is_exe;
	/* The rest is image's own. */
	struct cs_range writable[CS_MODULE_WRITABLE];
	size_t writable_count;
	struct cs_elf *debug; /* separate debug file, looked for on first use */
	bool debug_tried, debug_unfit, is_debug_told;
	const char *debug_found_by;
	struct cs_refused debug_refused;
};

struct cs_thread {
	int tid;
	uint64_t sp, pc, fs_base;
	const char *name; /* NULL when unknown (cores do not say) */
	struct cs_regs regs; /* sp and pc among them */
};

/* A file somebody knows to be of that build, say a debugger that loaded it. */
struct cs_image_file {
	const char *path;
	unsigned char build_id[64];
	size_t build_id_len;
};

struct cs_image_options { /* all may be NULL; borrowed */
	const char *exe;
	const char *sysroot;   /* these two: directories, with ':' between them */
	const char *debug_dir;
	const struct cs_image_file *files; /* looked at first; modules and debug files */
	size_t file_count;
	bool debuginfod; /* ask the servers the environment names for what is not here */
	struct cs_pulse *pulse; /* borrowed, must outlive the image */
};

struct cs_image {
	struct cs_mem *mem;
	CS_VEC(struct cs_mapping) mappings;
	CS_VEC(struct cs_module) modules;
	CS_VEC(struct cs_thread) threads; /* first: the one that got the signal */
	struct cs_image_options options;
	int pid, signal;	/* signal 0: none known */
	const char *command;	/* the command line as far as known, "" when not */
	const char *exe_path;	/* NULL when unknown */
	uint64_t page_size;
	cs_addr at_phdr, at_entry, at_sysinfo_ehdr; /* auxv, 0 when unknown */
	cs_addr at_stack, at_execfn; /* on the first stack, 0 when unknown */
	bool exe_refused; /* options.exe is not what the process ran, or no ELF file at all */
	bool has_paths; /* mappings know their files (NT_FILE, or live) */
	bool is_live;	/* a process of this machine: /proc/PID is its */
	struct cs_refused exe_refusal; /* its build, when it is an ELF file */
	struct cs_debuginfod *debuginfod; /* NULL: nobody asked for it */
	struct cs_arena strings;
};

struct cs_core;
struct cs_live;

/* Take the picture, find and open the files, lay their pages under mem.
 * Missing pieces (no NT_FILE, no files) are no failure. */
cs_status cs_image_of_core(struct cs_core *core, const struct cs_image_options *options,
			   struct cs_image **out, struct cs_error *err);
cs_status cs_image_of_live(struct cs_live *live, const struct cs_image_options *options,
			   struct cs_image **out, struct cs_error *err);
void cs_image_destroy(struct cs_image *image);

/* The mapping that holds addr, or NULL. */
const struct cs_mapping *cs_image_mapping(const struct cs_image *image, cs_addr addr);

/* A module's writable memory as the process has it: RW PT_LOADs (.data, relro)
 * and the .bss that follows, in whole pages. Fills at most max ranges, returns
 * how many. */
size_t cs_module_writable(const struct cs_module *module, const struct cs_image *image,
			  struct cs_range *out, size_t max);

/* Address in memory of a symbol: .dynsym first, then .symtab (also of the
 * separate debug file). Never a thread-local one. CS_NOTFOUND. *size may be NULL. */
cs_status cs_module_symbol(struct cs_module *module, const struct cs_image *image,
			   const char *name, cs_addr *addr, uint64_t *size);

/* Address range in memory of a section by name. CS_NOTFOUND. */
cs_status cs_module_section(const struct cs_module *module, const char *name, struct cs_range *out);
#endif
