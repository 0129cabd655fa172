/* ELF-64 per the System V gABI; core specifics from Linux fs/binfmt_elf.c:
 * notes come first, PT_LOADs with p_filesz < p_memsz were not (wholly) dumped,
 * and from 65535 program headers on the count is in section header 0's
 * sh_info (PN_XNUM). */
#include "mem/mem_core.h"
#include "base/guard.h"
#include "base/own.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PHNUM_MAX = 4 << 20, NOTES_MAX = 1 << 20 };

static bool in_file(const struct cs_core *core, uint64_t off, uint64_t len)
{
	return cs_range_has((struct cs_range){ 0, core->size }, off, len);
}

/* Look before opening: a device may do something when it is opened. */
static cs_status open_file(const char *path, struct stat *st, int *out, struct cs_error *err)
{
	if (stat(path, st))
		return cs_fail_os(err, "%s", path);
	if (S_ISDIR(st->st_mode))
		return cs_fail(err, CS_CORRUPT, 0, "%s: is a directory, not a core file", path);
	if (!S_ISREG(st->st_mode))
		return cs_fail(err, CS_CORRUPT, 0, "%s: not a regular file", path);

	/* O_NONBLOCK: a FIFO that took its place must not hang us */
	cs_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, st))
		return cs_fail_os(err, "%s", path);
	if (!S_ISREG(st->st_mode))
		return cs_fail(err, CS_CORRUPT, 0, "%s: not a regular file", path);
	*out = fd;
	fd = -1;
	return CS_OK;
}

static cs_status map_file(struct cs_core *core, struct cs_error *err)
{
	struct stat st;
	cs_autoclose int fd = -1;
	cs_status status = open_file(core->path, &st, &fd, err);

	if (status)
		return status;
	if (!st.st_size)
		return cs_fail(err, CS_CORRUPT, 0, "%s: the file is empty", core->path);

	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return cs_fail_os(err, "%s: cannot be mapped", core->path);
	core->data = p;
	core->size = (size_t)st.st_size;
	cs_guard_watch(core->data, core->size);
	return CS_OK;
}

/* The tool that would unpack it, or NULL. */
static const char *unpacker(const struct cs_core *core)
{
	static const struct {
		const char *tool;
		size_t len;
		unsigned char magic[6];
	} kinds[] = {
		{ "zstd -d", 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ "gzip -d", 2, { 0x1f, 0x8b } },
		{ "lz4 -d", 4, { 0x04, 0x22, 0x4d, 0x18 } },
		{ "xz -d", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (core->size >= kinds[i].len && !memcmp(core->data, kinds[i].magic, kinds[i].len))
			return kinds[i].tool;
	return NULL;
}

static const char *class_problem(const unsigned char *h)
{
	if (h[EI_CLASS] == ELFCLASS32)
		return "a 32-bit core; corescan reads 64-bit x86-64 cores";
	if (h[EI_CLASS] != ELFCLASS64)
		return "an ELF file of unknown class";
	if (h[EI_DATA] != ELFDATA2LSB)
		return "a big-endian core; corescan reads x86-64 cores";
	return NULL;
}

static cs_status check_header(const struct cs_core *core, struct cs_error *err)
{
	const unsigned char *h = core->data;
	const char *tool = unpacker(core);

	if (tool)
		return cs_fail(err, CS_UNSUPPORTED, 0, "%s: compressed; unpack it first (%s)", core->path,
			       tool);
	if (core->size < SELFMAG || memcmp(h, ELFMAG, SELFMAG))
		return cs_fail(err, CS_CORRUPT, 0, "%s: not a core file (no ELF header)", core->path);
	if (core->size < sizeof(Elf64_Ehdr))
		return cs_fail(err, CS_CORRUPT, 0, "%s: truncated inside the ELF header (%zu bytes)",
			       core->path, core->size);

	const char *why = class_problem(h);

	if (why)
		return cs_fail(err, CS_UNSUPPORTED, 0, "%s: %s", core->path, why);
	if (cs_le16(h + offsetof(Elf64_Ehdr, e_type)) != ET_CORE)
		return cs_fail(err, CS_CORRUPT, 0,
			       "%s: an ELF file, but not a core (executable or library?)", core->path);

	unsigned machine = cs_le16(h + offsetof(Elf64_Ehdr, e_machine));

	if (machine != EM_X86_64)
		return cs_fail(err, CS_UNSUPPORTED, 0,
			       "%s: a core of another machine (ELF machine %u); "
			       "corescan reads x86-64 cores",
			       core->path, machine);
	if (cs_le16(h + offsetof(Elf64_Ehdr, e_phentsize)) != sizeof(Elf64_Phdr))
		return cs_fail(err, CS_CORRUPT, 0, "%s: program headers of %u bytes instead of %zu",
			       core->path, cs_le16(h + offsetof(Elf64_Ehdr, e_phentsize)),
			       sizeof(Elf64_Phdr));
	return CS_OK;
}

static uint64_t header_count(const struct cs_core *core)
{
	uint64_t phnum = cs_le16(core->data + offsetof(Elf64_Ehdr, e_phnum));
	uint64_t shoff = cs_le64(core->data + offsetof(Elf64_Ehdr, e_shoff));

	if (phnum == PN_XNUM && shoff && in_file(core, shoff, sizeof(Elf64_Shdr)))
		phnum = cs_le32(core->data + shoff + offsetof(Elf64_Shdr, sh_info));
	return phnum;
}

/* False at the end, or when the next note does not fit. A note whose owner is
 * not a string is handed out with the owner "". */
static bool note_next(const unsigned char *p, size_t len, size_t align, size_t *at,
		      struct cs_core_note *out)
{
	if (len - *at < sizeof(Elf64_Nhdr))
		return false;

	uint64_t namesz = cs_le32(p + *at), descsz = cs_le32(p + *at + 4);
	uint64_t name = *at + sizeof(Elf64_Nhdr);
	uint64_t desc = cs_align_up(name + namesz, align);

	if (desc > len || descsz > len - desc)
		return false;
	out->owner = namesz && !p[name + namesz - 1] ? (const char *)p + name : "";
	out->type = cs_le32(p + *at + 8);
	out->desc = p + desc;
	out->len = (size_t)descsz;

	uint64_t next = cs_align_up(desc + descsz, align);

	*at = next < len ? (size_t)next : len;
	return true;
}

static cs_status add_notes(struct cs_core *core, uint64_t off, uint64_t len, uint64_t align,
			   struct cs_error *err)
{
	uint64_t room = off < core->size ? core->size - off : 0;

	if (len > room) {
		core->lost_notes += len - room;
		len = room;
	}
	if (!len)
		return CS_OK;

	size_t at = 0;
	struct cs_core_note note;

	while (note_next(core->data + off, (size_t)len, align == 8 ? 8 : 4, &at, &note)) {
		if (core->notes.count >= NOTES_MAX)
			break;
		if (!cs_vec_push(&core->notes, note))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the notes");
	}
	if (at < len) /* a size that lies, or the one note the end of the file cut */
		core->header_lies++;
	return CS_OK;
}

static cs_status add_load(struct cs_core *core, const unsigned char *ph, struct cs_error *err)
{
	uint64_t off = cs_le64(ph + offsetof(Elf64_Phdr, p_offset)), end;
	struct cs_core_load load = {
		.start = cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr)),
		.memsz = cs_le64(ph + offsetof(Elf64_Phdr, p_memsz)),
		.filesz = cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)),
		.flags = cs_le32(ph + offsetof(Elf64_Phdr, p_flags)),
	};

	if (load.filesz > load.memsz) {
		core->header_lies++;
		load.filesz = load.memsz;
	}
	if (!load.memsz)
		return CS_OK;
	if (!cs_add(load.start, load.memsz, &end)) {
		core->header_lies++;
		return CS_OK;
	}
	if (!cs_add(off, load.filesz, &end)) {
		core->header_lies++;
		load.filesz = 0; /* mapped, and none of it here */
	}
	if (off < core->size)
		load.present = load.filesz < core->size - off ? load.filesz : core->size - off;

	struct cs_mem_seg seg = {
		.start = load.start,
		.len = load.present,
		.data = core->data + (load.present ? off : 0),
		.is_target = true,
	};

	if (!cs_vec_push(&core->loads, load))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the segment table");
	return cs_mem_add(&core->mem, seg, err);
}

static int by_start(const void *a, const void *b)
{
	const struct cs_core_load *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->memsz < y->memsz) - (x->memsz > y->memsz); /* the longer first */
}

/* mapped, present, truncated of the memory; loads sorted. */
static void count_bytes(struct cs_core *core)
{
	cs_addr done = 0;

	if (core->loads.count)
		qsort(core->loads.items, core->loads.count, sizeof(*core->loads.items), by_start);
	for (size_t i = 0; i < core->loads.count; i++) {
		const struct cs_core_load *l = &core->loads.items[i];
		cs_addr end = l->start + l->memsz;

		if (!cs_add(core->mem.truncated, l->filesz - l->present, &core->mem.truncated))
			core->mem.truncated = UINT64_MAX;
		if (end > done) /* overlaps count once */
			core->mem.mapped += end - (l->start > done ? l->start : done);
		done = end > done ? end : done;
	}
	for (size_t i = 0; i < core->mem.segs.count; i++)
		core->mem.present += core->mem.segs.items[i].len;
}

static cs_status read_headers(struct cs_core *core, struct cs_error *err)
{
	uint64_t phnum = header_count(core);
	uint64_t phoff = cs_le64(core->data + offsetof(Elf64_Ehdr, e_phoff));
	uint64_t room = phoff < core->size ? (core->size - phoff) / sizeof(Elf64_Phdr) : 0;
	uint64_t cut = 0;
	cs_status st = CS_OK;

	if (phnum > PHNUM_MAX)
		phnum = PHNUM_MAX;
	if (phnum > room) {
		core->lost_headers = phnum - room;
		phnum = room;
	}
	if (!phnum)
		return cs_fail(err, CS_CORRUPT, 0, "%s: no program header in the file", core->path);
	for (uint64_t i = 0; !st && i < phnum; i++) {
		const unsigned char *ph = core->data + phoff + i * sizeof(Elf64_Phdr);
		uint32_t type = cs_le32(ph);

		if (type == PT_LOAD)
			st = add_load(core, ph, err);
		else if (type == PT_NOTE)
			st = add_notes(core, cs_le64(ph + offsetof(Elf64_Phdr, p_offset)),
				       cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)),
				       cs_le64(ph + offsetof(Elf64_Phdr, p_align)), err);
	}
	cs_mem_seal(&core->mem, &cut);
	count_bytes(core);
	if (cut)
		core->header_lies++;
	return st;
}

cs_status cs_core_open(const char *path, struct cs_core **out, struct cs_error *err)
{
	__attribute__((cleanup(cs_core_closep))) struct cs_core *core = calloc(1, sizeof(*core));

	if (!core || !(core->path = strdup(path)))
		return cs_fail(err, CS_NOMEM, 0, "no memory");

	cs_status st = map_file(core, err);

	if (!st)
		st = check_header(core, err);
	if (!st)
		st = read_headers(core, err);
	if (!st)
		*out = cs_steal(core);
	return st;
}

void cs_core_close(struct cs_core *core)
{
	if (!core)
		return;
	if (core->data) {
		cs_guard_forget(core->data);
		munmap((void *)(uintptr_t)core->data, core->size);
	}
	cs_mem_deinit(&core->mem);
	cs_vec_free(&core->loads);
	cs_vec_free(&core->notes);
	free(core->path);
	free(core);
}
