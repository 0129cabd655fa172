#include "scan/files.h"
#include "image/debug_file.h"
#include "image/debuginfod.h"
#include "scan/scan_state.h"

#include <stdio.h>

enum { ID_TEXT_LEN = 2 * sizeof(((struct cs_module *)0)->build_id) + 16 };

/* "build id 1f2e..." */
static const char *id_text(const unsigned char *id, size_t len, char *out)
{
	char *to = out + sprintf(out, len ? "build id " : "no build id");

	for (size_t i = 0; i < len; i++)
		to += sprintf(to, "%02x", id[i]);
	return out;
}

static const char *id_of(const struct cs_module *m, char *out)
{
	return id_text(m->build_id, m->build_id_len, out);
}

static const char *id_refused(const struct cs_refused *r, char *out)
{
	return id_text(r->build_id, r->build_id_len, out);
}

/* What --exe names is compared with the executable; the wanted build id is that one's. */
static void tell_exe(struct cs_scan *scan)
{
	const struct cs_image *image = scan->image;
	const struct cs_module *exe = NULL;
	char wanted[ID_TEXT_LEN], found[ID_TEXT_LEN];

	for (size_t i = 0; !exe && i < image->modules.count; i++)
		if (image->modules.items[i].is_exe)
			exe = &image->modules.items[i];
	if (exe && image->exe_refusal.path)
		cs_model_anomaly(&scan->model, "file.mismatch", 0,
				 "%s is not the executable this process ran: it has %s, wanted is %s; "
				 "not used",
				 scan->options.exe, id_refused(&image->exe_refusal, found),
				 id_of(exe, wanted));
	else
		cs_model_anomaly(&scan->model, "file.mismatch", 0,
				 "%s is not the executable this process ran, or no ELF file: not used",
				 scan->options.exe);
}

void cs_scan_tell_refused(struct cs_scan *scan)
{
	char wanted[ID_TEXT_LEN], found[ID_TEXT_LEN];

	if (scan->image->exe_refused)
		tell_exe(scan);
	for (size_t i = 0; i < scan->image->modules.count; i++) {
		const struct cs_module *m = &scan->image->modules.items[i];

		if (m->file == CS_FILE_MISMATCH)
			cs_model_anomaly(&scan->model, "file.replaced", m->range.start,
					 "%s is another build than the process ran: it has %s, wanted "
					 "is %s; not used",
					 m->refused.path, id_refused(&m->refused, found),
					 id_of(m, wanted));
	}
}

void cs_scan_tell_debug(struct cs_scan *scan)
{
	const struct cs_image *image = scan->image;
	char wanted[ID_TEXT_LEN], found[ID_TEXT_LEN];
	const char *trouble = image->debuginfod ? cs_debuginfod_trouble(image->debuginfod) : NULL;

	if (trouble && !scan->told_debuginfod)
		cs_model_anomaly(&scan->model, "file.debuginfod", 0, "debuginfod could not be asked: %s",
				 trouble);
	scan->told_debuginfod = scan->told_debuginfod || trouble;
	for (size_t i = 0; i < image->modules.count; i++) {
		struct cs_module *m = &image->modules.items[i];

		if (!m->debug_refused.path || m->debug || m->is_debug_told)
			continue;
		m->is_debug_told = true;
		cs_model_anomaly(&scan->model, "file.mismatch", m->range.start,
				 "%s is debug data of another build than %s: it has %s, wanted is %s; "
				 "not used",
				 m->debug_refused.path, m->path, id_refused(&m->debug_refused, found),
				 id_of(m, wanted));
	}
}

/* The file itself, and what lay in its place. */
static void prove_file(struct cs_scan *scan, const struct cs_module *m, bool has_debug)
{
	char wanted[ID_TEXT_LEN], found[ID_TEXT_LEN], proof[ID_TEXT_LEN + 64];
	bool is_sure = !m->elf || m->file == CS_FILE_MATCHED;

	snprintf(proof, sizeof(proof), "%s%s",
		 is_sure ? id_of(m, wanted) : "no build id in memory; headers and layout are the same",
		 has_debug ? "" : "; no debug data");
	if (m->elf)
		cs_model_finding(&scan->model, "file", m->found_by, proof, "%s", m->file_path);
	else if (*m->path == '/')
		cs_model_finding(&scan->model, "file not found", "build id", proof, "%s", m->path);
	if (m->refused.path && m->elf)
		cs_model_finding(&scan->model, "file refused", "build id",
				 id_refused(&m->refused, found), "%s", m->refused.path);
}

static void prove_debug(struct cs_scan *scan, const struct cs_module *m, const struct cs_elf *debug)
{
	char found[ID_TEXT_LEN];
	const struct cs_elf *shared = debug ? cs_elf_shared(debug) : NULL;
	struct cs_elf_link link;

	if (debug && debug != m->elf)
		cs_model_finding(&scan->model, "debug file", m->debug_found_by, id_of(m, found), "%s",
				 cs_elf_path(debug));
	if (shared)
		cs_model_finding(&scan->model, "debug file, shared by dwz", "build id", NULL, "%s",
				 cs_elf_path(shared));
	else if (debug && cs_elf_link(debug, ".gnu_debugaltlink", &link))
		cs_model_finding(&scan->model, "debug file not found", "build id",
				 id_text(link.rest, link.rest_len <= 64 ? link.rest_len : 0, found),
				 "%s, shared by dwz", link.name);
	if (m->debug_refused.path && debug)
		cs_model_finding(&scan->model, "debug file refused", "build id",
				 id_refused(&m->debug_refused, found), "%s", m->debug_refused.path);
}

void cs_scan_prove_files(struct cs_scan *scan)
{
	if (scan->told_files)
		return;
	scan->told_files = true;
	for (size_t i = 0; i < scan->image->modules.count; i++) {
		struct cs_module *m = &scan->image->modules.items[i];
		struct cs_elf *debug = NULL;
		bool owned;

		if (cs_pulse_look(&scan->pulse))
			return;
		if (cs_debug_file(m, scan->image, &debug, &owned, NULL))
			debug = NULL;
		prove_file(scan, m, debug);
		prove_debug(scan, m, debug);
	}
	cs_scan_tell_debug(scan);
}
