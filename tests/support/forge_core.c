#include "forge_core.h"
#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, STATUS_LEN = 336, PSINFO_LEN = 136, NOTE_ALIGN = 4, XNUM = 0xffff };

unsigned char forge_pattern(uint64_t addr)
{
	return (unsigned char)(addr * 0x9e3779b97f4a7c15ull >> 56 ^ addr >> 12);
}

void forge_load_bytes(struct forge *f, uint64_t vaddr, uint32_t flags, const void *bytes,
		      uint64_t filesz, uint64_t memsz)
{
	struct forge_load l = { vaddr, memsz, filesz, flags, bytes };

	assert_true(cs_vec_push(&f->loads, l));
}

void forge_load(struct forge *f, uint64_t vaddr, uint32_t flags, uint64_t filesz, uint64_t memsz)
{
	forge_load_bytes(f, vaddr, flags, NULL, filesz, memsz);
}

static void put(struct forge *f, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		assert_true(cs_vec_push(&f->notes, p[i]));
	while (f->notes.count % NOTE_ALIGN)
		assert_true(cs_vec_push(&f->notes, 0));
}

void forge_note(struct forge *f, const char *owner, uint32_t type, const void *desc, size_t len)
{
	uint32_t head[3] = { (uint32_t)strlen(owner) + 1, (uint32_t)len, type };

	put(f, head, sizeof(head));
	put(f, owner, strlen(owner) + 1);
	put(f, desc, len);
}

static void put32(unsigned char *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

static void put64(unsigned char *at, uint64_t v)
{
	memcpy(at, &v, sizeof(v));
}

void forge_thread(struct forge *f, int tid, uint64_t sp, int signal)
{
	unsigned char desc[STATUS_LEN] = { 0 };

	put32(desc + 12, (uint32_t)signal);
	put32(desc + 32, (uint32_t)tid);
	put64(desc + 112 + 8 * 16, FORGE_TEXT + 0x10);
	put64(desc + 112 + 8 * 19, sp);
	put64(desc + 112 + 8 * 21, FORGE_HEAP + 0x40);
	forge_note(f, "CORE", NT_PRSTATUS, desc, sizeof(desc));
}

void forge_psinfo(struct forge *f, int pid, const char *args)
{
	unsigned char desc[PSINFO_LEN] = { 0 };

	put32(desc + 24, (uint32_t)pid);
	memcpy(desc + 56, args, strlen(args) < 80 ? strlen(args) : 80);
	forge_note(f, "CORE", NT_PRPSINFO, desc, sizeof(desc));
}

void forge_files(struct forge *f, const struct forge_file *files, size_t n)
{
	size_t len = 16 + 24 * n, at = len;

	for (size_t i = 0; i < n; i++)
		len += strlen(files[i].path) + 1;

	unsigned char *desc = calloc(1, len);

	assert_non_null(desc);
	put64(desc, n);
	put64(desc + 8, PAGE);
	for (size_t i = 0; i < n; i++) {
		put64(desc + 16 + 24 * i, files[i].start);
		put64(desc + 16 + 24 * i + 8, files[i].end);
		put64(desc + 16 + 24 * i + 16, files[i].page_off);
		memcpy(desc + at, files[i].path, strlen(files[i].path) + 1);
		at += strlen(files[i].path) + 1;
	}
	forge_note(f, "CORE", NT_FILE, desc, len);
	free(desc);
}

void forge_auxv(struct forge *f, const uint64_t *pairs, size_t n)
{
	forge_note(f, "CORE", NT_AUXV, pairs, n * 16);
}

void forge_deinit(struct forge *f)
{
	cs_vec_free(&f->loads);
	cs_vec_free(&f->notes);
}

void forge_ordinary(struct forge *f)
{
	static const uint64_t auxv[] = { AT_PAGESZ, PAGE, AT_ENTRY, FORGE_TEXT + 0x10,
					 AT_RANDOM, FORGE_STACK + 0x800, AT_NULL, 0 };
	const struct forge_file files[] = {
		{ FORGE_TEXT, FORGE_TEXT + 2 * PAGE, 0, "/nowhere/prog" },
	};

	forge_thread(f, 100, FORGE_STACK + 0x100, 6);
	forge_psinfo(f, 100, "prog --now ");
	forge_auxv(f, auxv, 4);
	forge_files(f, files, 1);
	forge_thread(f, 101, FORGE_HEAP + 0x2000, 0);
	forge_load(f, FORGE_TEXT, PF_R | PF_X, PAGE, 2 * PAGE);
	forge_load(f, FORGE_HEAP, PF_R | PF_W, 4 * PAGE, 4 * PAGE);
	forge_load(f, FORGE_HEAP + 0x100000, PF_R | PF_W, 0, 16 * PAGE);
	forge_load(f, FORGE_STACK, PF_R | PF_W, 2 * PAGE, 2 * PAGE);
}

static uint64_t round_page(uint64_t v)
{
	return (v + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static void fill(unsigned char *to, const struct forge_load *l)
{
	if (l->bytes) {
		memcpy(to, l->bytes, l->filesz);
		return;
	}
	for (uint64_t i = 0; i < l->filesz; i++)
		to[i] = forge_pattern(l->vaddr + i);
}

unsigned char *forge_build(const struct forge *f, size_t *len)
{
	size_t phnum = f->loads.count + 1;
	uint64_t notes = sizeof(Elf64_Ehdr) + phnum * sizeof(Elf64_Phdr);
	uint64_t at = round_page(notes + f->notes.count), end = at;
	bool extended = phnum >= XNUM;

	for (size_t i = 0; i < f->loads.count; i++)
		end += round_page(f->loads.items[i].filesz);
	*len = end + (extended ? sizeof(Elf64_Shdr) : 0);

	unsigned char *file = calloc(1, *len);

	assert_non_null(file);

	Elf64_Ehdr *e = (Elf64_Ehdr *)file;
	Elf64_Phdr *ph = forge_phdr(file, 0);

	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_ident[EI_VERSION] = EV_CURRENT;
	e->e_type = ET_CORE;
	e->e_machine = EM_X86_64;
	e->e_version = EV_CURRENT;
	e->e_phoff = sizeof(*e);
	e->e_ehsize = sizeof(*e);
	e->e_phentsize = sizeof(*ph);
	e->e_phnum = extended ? XNUM : (Elf64_Half)phnum;
	if (extended) {
		Elf64_Shdr *sh = (Elf64_Shdr *)(file + end);

		e->e_shoff = end;
		e->e_shentsize = sizeof(*sh);
		e->e_shnum = 1;
		sh->sh_info = (Elf64_Word)phnum;
	}
	*ph = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = notes, .p_filesz = f->notes.count, .p_align = 4 };
	if (f->notes.count)
		memcpy(file + notes, f->notes.items, f->notes.count);
	for (size_t i = 0; i < f->loads.count; i++) {
		const struct forge_load *l = &f->loads.items[i];

		ph[i + 1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = l->flags, .p_offset = at,
					  .p_vaddr = l->vaddr, .p_filesz = l->filesz,
					  .p_memsz = l->memsz, .p_align = PAGE };
		fill(file + at, l);
		at += round_page(l->filesz);
	}
	return file;
}

Elf64_Phdr *forge_phdr(unsigned char *file, size_t nr)
{
	return (Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)) + nr;
}

const char *forge_write(const void *bytes, size_t len)
{
	static char path[64];
	const char *p = bytes;
	int fd;

	snprintf(path, sizeof(path), "/tmp/forge-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, p + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	close(fd);
	return path;
}

cs_status forge_open(const void *bytes, size_t len, struct cs_core **out, struct cs_error *err)
{
	const char *path = forge_write(bytes, len);
	cs_status st = cs_core_open(path, out, err);

	unlink(path);
	return st;
}
