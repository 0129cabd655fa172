/* ELF-64 per the System V gABI; DT_RELR per the generic ABI proposal that
 * glibc 2.36 implements: an even word is an address to relocate, an odd word a
 * bitmap over the 63 words after the last address.
 *
 * Section headers come from libelf, which checks them against the file; what
 * they point to is read in our own mapping and checked here. */
#include "image/elf_file.h"
#include "base/guard.h"
#include "base/own.h"
#include "image/elf_dwarf.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	LOADS_MAX = 256,
	ROUND_ENTRIES = 64 /* of a table, in a round of the pulse */
};

struct cs_elf {
	char *path;
	const unsigned char *data;
	size_t size;
	dev_t dev;
	ino_t ino;
	Elf *elf;
	unsigned type; /* e_type */
	bool is_debug, may_be_shared;
	struct cs_elf_load *loads;
	size_t load_count;
	const unsigned char *build_id;
	size_t build_id_len;
	struct cs_elf_table tables[2]; /* .dynsym, .symtab */
	struct cs_elf_dwarf *dwarf;
	bool dwarf_tried;
	struct cs_elf *shared; /* what dwz took out of this and other files */
	struct cs_pulse *pulse;
};

static bool in_file(const struct cs_elf *elf, uint64_t off, uint64_t len)
{
	return cs_range_has((struct cs_range){ 0, elf->size }, off, len);
}

/* A FIFO or device of that name must neither hang us nor be touched. */
static int open_regular(const char *path, struct stat *st, struct cs_error *err)
{
	if (stat(path, st)) {
		cs_ignore(cs_fail_os(err, "%s", path), "told by the result");
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		cs_ignore(cs_fail(err, CS_OS, 0, "%s: not a regular file", path), "told by the result");
		return -1;
	}

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, st) || !S_ISREG(st->st_mode)) {
		cs_ignore(cs_fail_os(err, "%s", path), "told by the result");
		cs_closep(&fd);
		return -1;
	}
	return fd;
}

static cs_status map_file(struct cs_elf *elf, struct cs_error *err)
{
	struct stat st;
	cs_autoclose int fd = open_regular(elf->path, &st, err);

	if (fd < 0)
		return CS_OS;
	if (st.st_size < (off_t)sizeof(Elf64_Ehdr))
		return cs_fail(err, CS_CORRUPT, 0, "%s: too short for an ELF file", elf->path);

	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return cs_fail_os(err, "%s: cannot be mapped", elf->path);
	elf->data = p;
	elf->size = (size_t)st.st_size;
	elf->dev = st.st_dev;
	elf->ino = st.st_ino;
	cs_guard_watch(elf->data, elf->size);
	return CS_OK;
}

static cs_status check_header(struct cs_elf *elf, struct cs_error *err)
{
	const unsigned char *h = elf->data;

	if (memcmp(h, ELFMAG, SELFMAG))
		return cs_fail(err, CS_CORRUPT, 0, "%s: not an ELF file", elf->path);

	unsigned machine = cs_le16(h + offsetof(Elf64_Ehdr, e_machine));

	if (h[EI_CLASS] != ELFCLASS64 || h[EI_DATA] != ELFDATA2LSB || machine != EM_X86_64)
		return cs_fail(err, CS_UNSUPPORTED, 0, "%s: not an x86-64 ELF file", elf->path);
	elf->type = cs_le16(h + offsetof(Elf64_Ehdr, e_type));
	if (elf->type != ET_EXEC && elf->type != ET_DYN && (elf->type != ET_REL || !elf->may_be_shared))
		return cs_fail(err, CS_UNSUPPORTED, 0, "%s: neither an executable nor a library",
			       elf->path);
	return CS_OK;
}

/* Program header nr, or NULL past the last. */
static const unsigned char *phdr_at(const struct cs_elf *elf, size_t nr)
{
	uint64_t phoff = cs_le64(elf->data + offsetof(Elf64_Ehdr, e_phoff));
	size_t phnum = cs_le16(elf->data + offsetof(Elf64_Ehdr, e_phnum));

	if (nr >= phnum || !in_file(elf, phoff, (nr + 1) * sizeof(Elf64_Phdr)) ||
	    cs_le16(elf->data + offsetof(Elf64_Ehdr, e_phentsize)) != sizeof(Elf64_Phdr))
		return NULL;
	return elf->data + phoff + nr * sizeof(Elf64_Phdr);
}

static cs_status read_loads(struct cs_elf *elf, struct cs_error *err)
{
	const unsigned char *ph;
	uint64_t end;

	elf->loads = calloc(LOADS_MAX, sizeof(*elf->loads));
	if (!elf->loads)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the program headers");
	for (size_t i = 0; (ph = phdr_at(elf, i)) && elf->load_count < LOADS_MAX; i++) {
		struct cs_elf_load load = {
			.vaddr = cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr)),
			.filesz = cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)),
			.memsz = cs_le64(ph + offsetof(Elf64_Phdr, p_memsz)),
			.off = cs_le64(ph + offsetof(Elf64_Phdr, p_offset)),
			.align = cs_le64(ph + offsetof(Elf64_Phdr, p_align)),
			.flags = cs_le32(ph + offsetof(Elf64_Phdr, p_flags)),
		};

		if (!load.align || load.align & (load.align - 1))
			load.align = 1;
		if (cs_le32(ph) != PT_LOAD || !cs_add(load.vaddr, load.memsz, &end))
			continue;
		/* a separate debug file keeps the headers, not the bytes */
		if (load.filesz > load.memsz || !in_file(elf, load.off, load.filesz))
			load.filesz = load.off = 0;
		elf->loads[elf->load_count++] = load;
	}
	return CS_OK;
}

/* Bytes of a section inside our mapping, or NULL. */
static const unsigned char *section_bytes(const struct cs_elf *elf, const GElf_Shdr *sh)
{
	if (sh->sh_type == SHT_NOBITS || sh->sh_flags & SHF_COMPRESSED ||
	    !in_file(elf, sh->sh_offset, sh->sh_size))
		return NULL;
	return elf->data + sh->sh_offset;
}

/* objcopy --only-keep-debug and eu-strip -f turn the program's sections into
 * NOBITS but may leave p_offset and p_filesz as they were. */
static void check_debug(struct cs_elf *elf)
{
	const uint64_t mask = SHF_ALLOC | SHF_WRITE;

	elf->is_debug = elf->type == ET_REL;
	for (Elf_Scn *scn = elf_nextscn(elf->elf, NULL); scn; scn = elf_nextscn(elf->elf, scn)) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOBITS &&
		    (sh.sh_flags & mask) == SHF_ALLOC && sh.sh_size)
			elf->is_debug = true;
	}
	for (size_t i = 0; elf->is_debug && i < elf->load_count; i++)
		elf->loads[i].filesz = 0;
}

static void read_tables(struct cs_elf *elf)
{
	for (Elf_Scn *scn = elf_nextscn(elf->elf, NULL); scn; scn = elf_nextscn(elf->elf, scn)) {
		GElf_Shdr sh, str;

		if (!gelf_getshdr(scn, &sh) || (sh.sh_type != SHT_DYNSYM && sh.sh_type != SHT_SYMTAB))
			continue;

		Elf_Scn *names = elf_getscn(elf->elf, sh.sh_link);
		const unsigned char *syms = section_bytes(elf, &sh);

		if (!syms || !names || !gelf_getshdr(names, &str))
			continue;
		elf->tables[sh.sh_type == SHT_SYMTAB] = (struct cs_elf_table){
			.syms = syms,
			.count = sh.sh_size / sizeof(Elf64_Sym),
			.names = section_bytes(elf, &str),
			.names_len = str.sh_size,
		};
	}
}

static void cs_elf_closep(struct cs_elf **elf)
{
	cs_elf_close(*elf);
}

static cs_status open_elf(const char *path, bool may_be_shared, struct cs_elf **out,
			  struct cs_error *err)
{
	__attribute__((cleanup(cs_elf_closep))) struct cs_elf *elf = calloc(1, sizeof(*elf));

	if (!elf)
		return cs_fail(err, CS_NOMEM, 0, "no memory for an ELF file");
	elf->may_be_shared = may_be_shared;
	elf->path = strdup(path);
	if (!elf->path)
		return cs_fail(err, CS_NOMEM, 0, "no memory for an ELF file");

	cs_status st = map_file(elf, err);

	if (!st)
		st = check_header(elf, err);
	if (!st)
		st = read_loads(elf, err);
	if (st)
		return st;
	elf_version(EV_CURRENT);
	elf->elf = elf_memory((char *)(uintptr_t)elf->data, elf->size);
	if (!elf->elf)
		return cs_fail(err, CS_CORRUPT, 0, "%s: %s", path, elf_errmsg(-1));

	const void *id;
	ssize_t id_len = dwelf_elf_gnu_build_id(elf->elf, &id);

	if (id_len > 0) {
		elf->build_id = id;
		elf->build_id_len = (size_t)id_len;
	}
	check_debug(elf);
	read_tables(elf);
	*out = cs_steal(elf);
	return CS_OK;
}

cs_status cs_elf_open(const char *path, struct cs_elf **out, struct cs_error *err)
{
	return open_elf(path, false, out, err);
}

cs_status cs_elf_open_shared(const char *path, struct cs_elf **out, struct cs_error *err)
{
	return open_elf(path, true, out, err);
}

void cs_elf_close(struct cs_elf *elf)
{
	if (!elf)
		return;
	cs_elf_dwarf_close(elf->dwarf);
	cs_elf_close(elf->shared);
	if (elf->elf)
		elf_end(elf->elf);
	if (elf->data) {
		cs_guard_forget(elf->data);
		munmap((void *)(uintptr_t)elf->data, elf->size);
	}
	free(elf->loads);
	free(elf->path);
	free(elf);
}

void cs_elf_listen(struct cs_elf *elf, struct cs_pulse *pulse)
{
	elf->pulse = pulse;
}

struct cs_pulse *cs_elf_pulse(const struct cs_elf *elf)
{
	return elf->pulse;
}

const char *cs_elf_path(const struct cs_elf *elf)
{
	return elf->path;
}

const unsigned char *cs_elf_build_id(const struct cs_elf *elf, size_t *len)
{
	*len = elf->build_id_len;
	return elf->build_id;
}

const unsigned char *cs_elf_bytes(const struct cs_elf *elf, size_t *len)
{
	*len = elf->size;
	return elf->data;
}

struct cs_elf_table cs_elf_table(const struct cs_elf *elf, bool is_dynamic)
{
	return elf->tables[!is_dynamic];
}

bool cs_elf_is_debug(const struct cs_elf *elf)
{
	return elf->is_debug;
}

bool cs_elf_is_fixed(const struct cs_elf *elf)
{
	return elf->type == ET_EXEC;
}

size_t cs_elf_loads(const struct cs_elf *elf, const struct cs_elf_load **out)
{
	*out = elf->loads;
	return elf->load_count;
}

const unsigned char *cs_elf_view(const struct cs_elf *elf, uint64_t vaddr, uint64_t len)
{
	for (size_t i = 0; i < elf->load_count; i++) {
		const struct cs_elf_load *l = &elf->loads[i];

		if (cs_range_has((struct cs_range){ l->vaddr, l->filesz }, vaddr, len))
			return elf->data + l->off + (vaddr - l->vaddr);
	}
	return NULL;
}

/* 2: the same name; 1: the name with a suffix; 0: another. */
static int name_match(const struct cs_elf_table *t, uint64_t at, const char *name, size_t len)
{
	if (at >= t->names_len || t->names_len - at <= len || memcmp(t->names + at, name, len))
		return 0;

	unsigned char next = t->names[at + len];

	return next == 0 ? 2 : next == '.' || next == '@';
}

static cs_status find_symbol(const struct cs_elf *elf, const char *name, bool tls, uint64_t *value,
			     uint64_t *size)
{
	size_t len = strlen(name);

	for (int nr = 0; nr < 2; nr++) {
		const struct cs_elf_table *t = &elf->tables[nr];
		const unsigned char *best = NULL;

		for (size_t i = 0; t->names && i < t->count; i++) {
			const unsigned char *sym = t->syms + i * sizeof(Elf64_Sym);
			unsigned type = ELF64_ST_TYPE(sym[offsetof(Elf64_Sym, st_info)]);
			int match;

			if (i % ROUND_ENTRIES == 0 && cs_pulse_stops(elf->pulse))
				return CS_STOPPED;
			if (cs_le16(sym + offsetof(Elf64_Sym, st_shndx)) == SHN_UNDEF ||
			    type == STT_FILE || type == STT_SECTION || (type == STT_TLS) != tls)
				continue;
			match = name_match(t, cs_le32(sym), name, len);
			if (match && (match == 2 || !best))
				best = sym;
			if (match == 2)
				break;
		}
		if (!best)
			continue;
		*value = cs_le64(best + offsetof(Elf64_Sym, st_value));
		if (size)
			*size = cs_le64(best + offsetof(Elf64_Sym, st_size));
		return CS_OK;
	}
	return CS_NOTFOUND;
}

cs_status cs_elf_symbol(const struct cs_elf *elf, const char *name, uint64_t *value, uint64_t *size)
{
	return find_symbol(elf, name, false, value, size);
}

cs_status cs_elf_tls_symbol(const struct cs_elf *elf, const char *name, uint64_t *off, uint64_t *size)
{
	return find_symbol(elf, name, true, off, size);
}

static bool find_section(const struct cs_elf *elf, const char *name, GElf_Shdr *sh)
{
	size_t names;

	if (elf_getshdrstrndx(elf->elf, &names))
		return false;
	for (Elf_Scn *scn = elf_nextscn(elf->elf, NULL); scn; scn = elf_nextscn(elf->elf, scn)) {
		const char *is = gelf_getshdr(scn, sh) ? elf_strptr(elf->elf, names, sh->sh_name) : NULL;

		if (is && !strcmp(is, name))
			return true;
	}
	return false;
}

cs_status cs_elf_section(const struct cs_elf *elf, const char *name, uint64_t *addr, uint64_t *size)
{
	GElf_Shdr sh;

	if (!find_section(elf, name, &sh))
		return CS_NOTFOUND;
	*addr = sh.sh_addr;
	*size = sh.sh_size;
	return CS_OK;
}

/* The value of a dynamic tag; 0 when there is none. */
static uint64_t dynamic_value(const struct cs_elf *elf, int64_t tag)
{
	const unsigned char *ph, *dyn = NULL;
	uint64_t len = 0;

	for (size_t i = 0; !dyn && (ph = phdr_at(elf, i)); i++) {
		uint64_t off = cs_le64(ph + offsetof(Elf64_Phdr, p_offset));

		len = cs_le64(ph + offsetof(Elf64_Phdr, p_filesz));
		if (cs_le32(ph) == PT_DYNAMIC && in_file(elf, off, len))
			dyn = elf->data + off;
	}
	for (uint64_t at = 0; dyn && len - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
		int64_t is = (int64_t)cs_le64(dyn + at);

		if (is == DT_NULL)
			break;
		if (is == tag)
			return cs_le64(dyn + at + 8);
	}
	return 0;
}

enum { TAG_RELRSZ = 35, TAG_RELR = 36, RELR_WORDS = 63 };

/* The word at an address is the addend of a DT_RELR relocation. */
static bool relr_one(const struct cs_elf *elf, uint64_t at,
		     bool (*fn)(uint64_t, uint64_t, void *), void *ctx)
{
	const unsigned char *word = cs_elf_view(elf, at, 8);

	return !word || fn(at, cs_le64(word), ctx);
}

static bool relr_all(const struct cs_elf *elf, const unsigned char *table, uint64_t len,
		     bool (*fn)(uint64_t, uint64_t, void *), void *ctx)
{
	uint64_t where = 0;

	for (uint64_t i = 0; len - i >= 8; i += 8) {
		uint64_t entry = cs_le64(table + i);

		if (cs_pulse_stops(elf->pulse))
			return false;
		if (!(entry & 1)) {
			if (!relr_one(elf, entry, fn, ctx))
				return false;
			where = entry + 8;
			continue;
		}
		for (unsigned bit = 0; bit < RELR_WORDS; bit++)
			if (entry >> (bit + 1) & 1 && !relr_one(elf, where + 8 * bit, fn, ctx))
				return false;
		where += 8 * RELR_WORDS;
	}
	return true;
}

cs_status cs_elf_relatives(const struct cs_elf *elf,
			   bool (*fn)(uint64_t offset, uint64_t addend, void *ctx), void *ctx)
{
	uint64_t len = dynamic_value(elf, DT_RELASZ);
	const unsigned char *rela = len ? cs_elf_view(elf, dynamic_value(elf, DT_RELA), len) : NULL;
	uint64_t relr_len = dynamic_value(elf, TAG_RELRSZ);
	const unsigned char *relr =
		relr_len ? cs_elf_view(elf, dynamic_value(elf, TAG_RELR), relr_len) : NULL;

	if (!rela && !relr)
		return CS_NOTFOUND;
	for (uint64_t i = 0; rela && len - i >= sizeof(Elf64_Rela); i += sizeof(Elf64_Rela)) {
		uint64_t info = cs_le64(rela + i + offsetof(Elf64_Rela, r_info));

		if (i / sizeof(Elf64_Rela) % ROUND_ENTRIES == 0 && cs_pulse_stops(elf->pulse))
			return CS_STOPPED;
		if (ELF64_R_TYPE(info) != R_X86_64_RELATIVE)
			continue;
		if (!fn(cs_le64(rela + i), cs_le64(rela + i + offsetof(Elf64_Rela, r_addend)), ctx))
			return CS_OK;
	}
	if (relr)
		relr_all(elf, relr, relr_len, fn, ctx);
	return cs_pulse_result(elf->pulse, CS_OK, NULL);
}

cs_status cs_elf_tls(const struct cs_elf *elf, uint64_t *memsz, uint64_t *align)
{
	const unsigned char *ph;

	for (size_t i = 0; (ph = phdr_at(elf, i)); i++) {
		if (cs_le32(ph) != PT_TLS)
			continue;
		*memsz = cs_le64(ph + offsetof(Elf64_Phdr, p_memsz));
		*align = cs_le64(ph + offsetof(Elf64_Phdr, p_align));
		return CS_OK;
	}
	return CS_NOTFOUND;
}

bool cs_elf_is_tame(const struct cs_elf *elf)
{
	return cs_elf_is_bearable(elf->elf, elf->size);
}

bool cs_elf_is_packed(const struct cs_elf *elf)
{
	return cs_elf_has_packed(elf->elf);
}

bool cs_elf_has_dwarf(const struct cs_elf *elf)
{
	uint64_t addr, size;

	return cs_elf_section(elf, ".debug_info", &addr, &size) == CS_OK && size;
}

static bool opens_shared(struct cs_elf *elf)
{
	void *dw = elf->shared ? cs_elf_dwarf(elf->shared) : NULL;

	if (dw)
		dwarf_setalt(cs_elf_dwarf_handle(elf->dwarf), dw);
	return !elf->shared || dw;
}

int cs_elf_reopen(const struct cs_elf *elf)
{
	struct stat st;
	int fd = open_regular(elf->path, &st, NULL);

	/* the same file still: a package manager may have replaced it */
	if (fd < 0 || (st.st_dev == elf->dev && st.st_ino == elf->ino))
		return fd;
	close(fd);
	return -1;
}

void *cs_elf_dwarf(struct cs_elf *elf)
{
	int fd;

	if (elf->dwarf_tried)
		return elf->dwarf ? cs_elf_dwarf_handle(elf->dwarf) : NULL;
	elf->dwarf_tried = true;
	fd = cs_elf_reopen(elf);
	if (fd < 0)
		return NULL;
	elf->dwarf = cs_elf_dwarf_open(fd, elf->pulse);
	if (elf->dwarf && !opens_shared(elf)) {
		cs_elf_dwarf_close(elf->dwarf);
		elf->dwarf = NULL;
	}
	return elf->dwarf ? cs_elf_dwarf_handle(elf->dwarf) : NULL;
}

bool cs_elf_link(const struct cs_elf *elf, const char *section, struct cs_elf_link *out)
{
	GElf_Shdr sh;
	const unsigned char *p = find_section(elf, section, &sh) ? section_bytes(elf, &sh) : NULL;
	const unsigned char *nul = p ? memchr(p, 0, sh.sh_size) : NULL;
	size_t end;

	if (!nul || nul == p)
		return false;
	end = (size_t)(nul - p) + 1;
	*out = (struct cs_elf_link){ .name = (const char *)p, .rest = p + end, .rest_len = sh.sh_size - end };
	return true;
}

void cs_elf_share(struct cs_elf *elf, struct cs_elf *shared)
{
	cs_elf_close(elf->shared);
	elf->shared = shared;
}

const struct cs_elf *cs_elf_shared(const struct cs_elf *elf)
{
	return elf->shared;
}
