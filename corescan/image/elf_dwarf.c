/* Sections are packed as the gABI says (SHF_COMPRESSED, Elf64_Chdr; zlib, and zstd where
 * libelf has it: 0.189), or as older GNU tools did: .zdebug_NAME begins with "ZLIB" and the
 * length, most significant byte first (elfutils 0.188 libelf/elf_compress_gnu.c).
 *
 * libelf takes as much memory as a section says it unpacks to. 380 MB of ceph-osd's
 * .debug_info are packed to 173 MB; .debug_abbrev reaches 12 to 1. Nothing real comes near
 * the bounds here, and what does is not read.
 *
 * Unpacking asks nobody whether to go on: it is done aside. libdw gets a descriptor of
 * its own: it finds dwz's common files and .dwo files by it. */
#include "image/elf_dwarf.h"
#include "base/aside.h"
#include "base/guard.h"
#include "base/own.h"

#include <elfutils/libdw.h>
#include <gelf.h>
#include <sys/stat.h>

enum {
	SECTION_RATIO = 256,	  /* of one section, */
	SECTION_SLACK = 64 << 10, /* and so much more */
	FILE_RATIO = 32,	  /* of all the file's bytes */
	FILE_SLACK = 1 << 20,
	SECTIONS_MAX = 1 << 20,
	GNU_HEADER_LEN = 12,
	FRAME_LEN_MAX = 256 << 10
};

struct cs_elf_dwarf {
	int fd;
	Elf *elf;
	void *map; /* libelf's mapping */
	size_t len;
	Dwarf *dw;
};

/* What a section says it unpacks to; 0: it is not packed, or not so that it could be read. */
static uint64_t unpacked_size(Elf_Scn *scn, const GElf_Shdr *sh, const char *name)
{
	GElf_Chdr ch;
	Elf_Data *data;
	uint64_t size = 0;

	if (sh->sh_flags & SHF_COMPRESSED)
		return gelf_getchdr(scn, &ch) ? ch.ch_size : 0;
	if (strncmp(name, ".zdebug", 7))
		return 0;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size < GNU_HEADER_LEN || memcmp(data->d_buf, "ZLIB", 4))
		return 0;
	for (int i = 4; i < GNU_HEADER_LEN; i++)
		size = size << 8 | ((unsigned char *)data->d_buf)[i];
	return size;
}

/* libdw keeps 240 bytes of each state that a function's unwind data remember, which takes one
 * byte; real ones take a few hundred in all. */
static bool has_bearable_frames(Elf_Scn *scn)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	size_t at = 0;

	while (data && data->d_buf && data->d_size - at >= 12) {
		const unsigned char *p = (const unsigned char *)data->d_buf + at;
		uint64_t len = cs_le32(p), head = 4;

		if (len == UINT32_MAX) {
			len = cs_le64(p + 4);
			head = 12;
		}
		if (!len || len > data->d_size - at - head)
			return true; /* libdw goes no further */
		if (len > FRAME_LEN_MAX)
			return false;
		at += head + len;
	}
	return true;
}

bool cs_elf_is_bearable(void *handle, uint64_t file_len)
{
	uint64_t sum = 0, size;
	size_t names, count = 0;
	Elf *elf = handle;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) && count < SECTIONS_MAX; count++) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

		if (!name)
			continue;
		if ((!strcmp(name, ".eh_frame") || !strcmp(name, ".debug_frame")) &&
		    sh.sh_type != SHT_NOBITS && !(sh.sh_flags & SHF_COMPRESSED) &&
		    !has_bearable_frames(scn))
			return false;
		size = unpacked_size(scn, &sh, name);
		if (size && (sh.sh_size > file_len ||
			     size > sh.sh_size * SECTION_RATIO + SECTION_SLACK || !cs_add(sum, size, &sum)))
			return false;
	}
	return count < SECTIONS_MAX && sum <= file_len * FILE_RATIO + FILE_SLACK;
}

bool cs_elf_has_packed(void *handle)
{
	Elf *elf = handle;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

		if (name && (sh.sh_flags & SHF_COMPRESSED || !strncmp(name, ".zdebug", 7)))
			return true;
	}
	return false;
}

/* All of it once: a section's data are asked for when they are unpacked. */
static void unpack(void *ctx)
{
	struct cs_elf_dwarf *d = ctx;

	d->dw = dwarf_begin_elf(d->elf, DWARF_C_READ, NULL);
}

static void drop(void *ctx)
{
	cs_elf_dwarf_close(ctx);
}

static void closep(struct cs_elf_dwarf **d)
{
	cs_elf_dwarf_close(*d);
}

struct cs_elf_dwarf *cs_elf_dwarf_open(int fd, struct cs_pulse *pulse)
{
	__attribute__((cleanup(closep))) struct cs_elf_dwarf *d = calloc(1, sizeof(*d));

	if (!d) {
		cs_closep(&fd);
		return NULL;
	}
	d->fd = fd;
	d->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!d->elf || elf_kind(d->elf) != ELF_K_ELF)
		return NULL;
	d->map = elf_rawfile(d->elf, &d->len);
	if (!d->map)
		return NULL;
	cs_guard_watch(d->map, d->len);
	if (!cs_elf_is_bearable(d->elf, d->len))
		return NULL;
	if (!cs_aside(&(struct cs_aside){ .work = unpack, .drop = drop, .ctx = d }, pulse)) {
		d = NULL; /* whoever unpacks frees it */
		return NULL;
	}
	return d->dw ? cs_steal(d) : NULL;
}

void cs_elf_dwarf_close(struct cs_elf_dwarf *d)
{
	if (!d)
		return;
	if (d->dw)
		dwarf_end(d->dw);
	cs_guard_forget(d->map);
	if (d->elf)
		elf_end(d->elf);
	cs_closep(&d->fd);
	free(d);
}

void *cs_elf_dwarf_handle(const struct cs_elf_dwarf *d)
{
	return d->dw;
}
