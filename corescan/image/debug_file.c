/* .gnu_debuglink and the directories that go with it: GDB's manual, "Debugging Information in
 * Separate Files"; the CRC is that of zlib's crc32(). */
#include "image/debug_file.h"
#include "base/own.h"
#include "image/debuginfod.h"
#include "image/image_build.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { ID_MAX = sizeof(((struct cs_module *)0)->build_id), CRC_ROUND = 1 << 20 };

static const char system_dir[] = "/usr/lib/debug";

/* The search for one file. */
struct hunt {
	const struct cs_image *image;
	const unsigned char *id;
	size_t id_len;
	uint32_t crc;	/* for who has no build id */
	bool is_shared; /* it is what dwz took out of others */
	struct cs_refused *refused;
	struct cs_elf *found;
	const char *means;
};

static uint32_t crc_of(const struct cs_elf *elf, struct cs_pulse *pulse)
{
	uint32_t table[256], crc = UINT32_MAX;
	size_t len;
	const unsigned char *bytes = cs_elf_bytes(elf, &len);

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < len; i++) {
		if (i % CRC_ROUND == 0 && cs_pulse_look(pulse))
			break;
		crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
	}
	return ~crc;
}

static bool is_wanted(const struct hunt *h, const struct cs_elf *elf)
{
	size_t len;
	const unsigned char *id = cs_elf_build_id(elf, &len);

	if (h->id_len)
		return len == h->id_len && !memcmp(id, h->id, len);
	return !id && crc_of(elf, h->image->options.pulse) == h->crc;
}

static void try_file(struct hunt *h, const char *path, const char *means)
{
	struct cs_elf *elf;
	cs_status st = h->found	      ? CS_NOTFOUND :
		       h->is_shared ? cs_elf_open_shared(path, &elf, NULL) :
				      cs_elf_open(path, &elf, NULL);

	if (st)
		return;
	if (!is_wanted(h, elf))
		cs_refuse(h->refused, elf, path);
	else if (cs_elf_has_dwarf(elf))
		h->found = cs_steal(elf);
	cs_elf_close(elf);
	h->means = means;
}

/* The file of a build id below root + dir. */
static void search_ids(struct hunt *h, const char *root, const char *dir, const char *means)
{
	enum { FORMS = 5, CACHE = 4 /* debuginfod's */ };
	char rest[2 * ID_MAX + 1] = "", path[PATH_MAX], *to = rest;

	if (h->id_len < 2)
		return;
	for (size_t i = 1; i < h->id_len; i++)
		to += sprintf(to, "%02x", h->id[i]);
	for (int i = 0; !h->found && i < FORMS; i++) {
		int n = i == CACHE ? snprintf(path, sizeof(path), "%s%s/%02x%s/debuginfo", root, dir,
					      h->id[0], rest) :
				     snprintf(path, sizeof(path), "%s%s/%s%02x/%s%s", root, dir,
					      i < 2 ? ".build-id/" : "", h->id[0], rest,
					      i % 2 ? "" : ".debug");

		if (n > 0 && (size_t)n < sizeof(path))
			try_file(h, path, means);
	}
}

static void search_all_ids(struct hunt *h)
{
	const struct cs_image_options *o = &h->image->options;
	char dir[PATH_MAX];

	for (const char *list = o->debug_dir; !h->found && cs_image_dir(&list, dir, sizeof(dir));)
		search_ids(h, "", dir, "--debug-dir");
	for (const char *list = o->sysroot; !h->found && cs_image_dir(&list, dir, sizeof(dir));)
		search_ids(h, dir, system_dir, "--sysroot");
	search_ids(h, "", system_dir, system_dir);
}

static void ask_servers(struct hunt *h)
{
	cs_autofree char *path = NULL;

	if (!h->found)
		path = cs_debuginfod_find(h->image->debuginfod, CS_DEBUGINFOD_DEBUG, h->id, h->id_len);
	if (path)
		try_file(h, path, "debuginfod");
}

/* A name inside a directory, and what that lies in. */
struct place {
	const char *root, *middle, *dir, *between, *name;
	int dir_len;
};

static void try_place(struct hunt *h, const struct place *p, const char *means)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%.*s/%s%s", p->root, p->middle, p->dir_len, p->dir,
			 p->between, p->name);

	if (n > 0 && (size_t)n < sizeof(path))
		try_file(h, path, means);
}

static int dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

/* The file that .gnu_debuglink names. */
static void follow_link(struct hunt *h, const struct cs_module *m)
{
	static const char means[] = ".gnu_debuglink";
	const struct cs_image_options *o = &h->image->options;
	struct cs_elf_link link;
	struct place p = { "", "", m->file_path, "", NULL, 0 };
	char dir[PATH_MAX];

	if (h->found || !m->elf || !m->file_path || !cs_elf_link(m->elf, ".gnu_debuglink", &link) ||
	    strchr(link.name, '/') || link.rest_len < 4)
		return;
	h->crc = cs_le32(link.rest + link.rest_len - 4);
	p.name = link.name;
	p.dir_len = dir_len(p.dir);
	try_place(h, &p, means);
	p.between = ".debug/";
	try_place(h, &p, means);
	p.between = "";
	p.dir = m->path;
	p.dir_len = dir_len(p.dir);
	for (const char *list = o->debug_dir; !h->found && cs_image_dir(&list, dir, sizeof(dir));) {
		p.root = dir;
		try_place(h, &p, means);
	}
	p.middle = system_dir;
	for (const char *list = o->sysroot; !h->found && cs_image_dir(&list, dir, sizeof(dir));) {
		p.root = dir;
		try_place(h, &p, means);
	}
	p.root = "";
	try_place(h, &p, means);
}

static void search(struct cs_module *m, const struct cs_image *image)
{
	const struct cs_image_options *o = &image->options;
	struct hunt h = { .image = image, .id = m->build_id, .id_len = m->build_id_len,
			  .refused = &m->debug_refused };

	for (size_t i = 0; !h.found && i < o->file_count; i++)
		if (cs_image_file_is(&o->files[i], m))
			try_file(&h, o->files[i].path, "the debugger");
	search_all_ids(&h);
	follow_link(&h, m);
	ask_servers(&h);
	m->debug = h.found;
	m->debug_found_by = h.found ? h.means : NULL;
}

/* Would libdw, which looks there by itself, wait for a FIFO or touch a device? */
static bool is_trap(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* What dwz moved away. False: the file had better not be read. */
static bool find_shared(const struct cs_image *image, struct cs_elf *elf)
{
	struct cs_refused refused = { .path = NULL };
	struct hunt h = { .image = image, .refused = &refused, .is_shared = true };
	struct cs_elf_link link;
	char dir[PATH_MAX], path[PATH_MAX];
	const char *own = cs_elf_path(elf);
	int n;

	if (!cs_elf_link(elf, ".gnu_debugaltlink", &link) || !link.rest_len || link.rest_len > ID_MAX)
		return true;
	h.id = link.rest;
	h.id_len = link.rest_len;
	for (const char *list = image->options.sysroot;
	     *link.name == '/' && !h.found && cs_image_dir(&list, dir, sizeof(dir));)
		if (snprintf(path, sizeof(path), "%s%s", dir, link.name) < (int)sizeof(path))
			try_file(&h, path, "--sysroot");
	n = snprintf(path, sizeof(path), "%.*s%s%s", *link.name == '/' ? 0 : dir_len(own), own,
		     *link.name == '/' || !strchr(own, '/') ? "" : "/", link.name);
	if (n < 0 || (size_t)n >= sizeof(path) || is_trap(path))
		return false;
	try_file(&h, path, "path");
	search_all_ids(&h);
	ask_servers(&h);
	if (h.found) {
		cs_elf_listen(h.found, cs_elf_pulse(elf));
		cs_elf_share(elf, h.found);
	}
	free(refused.path);
	return true;
}

cs_status cs_debug_file(struct cs_module *module, const struct cs_image *image,
			struct cs_elf **out, bool *owned, struct cs_error *err)
{
	bool is_own = module->elf && cs_elf_has_dwarf(module->elf);

	(void)err;
	*owned = false;
	if (!module->debug_tried) {
		module->debug_tried = true;
		if (!is_own)
			search(module, image);
		if (module->debug)
			cs_elf_listen(module->debug, image->options.pulse);
		module->debug_unfit = (is_own || module->debug) &&
				      !find_shared(image, is_own ? module->elf : module->debug);
	}
	if (module->debug_unfit || (!is_own && !module->debug))
		return CS_NOTFOUND;
	*out = is_own ? module->elf : module->debug;
	return CS_OK;
}
