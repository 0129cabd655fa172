/* Finding CPython in a process.
 *
 * 3.7+: the root is `_PyRuntime`, exported in .dynsym of the executable or of
 * libpython, also in stripped distribution builds. 3.13+: it begins with the
 * cookie "xdebugpy" and PY_VERSION_HEX (CPython Include/internal/
 * pycore_debug_offsets.h). Without both: `interpreters.head` and
 * `interpreters.main` are adjacent words of it and equal while there is one
 * interpreter. A process may hold a second, unused _PyRuntime (a libpython
 * next to a static executable, a second mapping of the binary): the proof decides.
 */
#include "cpython/py_proof.h"
#include "cpython/py_debug_offsets.h"
#include "base/own.h"
#include "image/debug_file.h"

#include <stdio.h>

enum { WRITABLE_MAX = 16, CANDIDATES_MAX = 64, OLDEST = 8, NEWEST = 14, STEPS_MIN = 1 << 22,
       WINDOW = 1 << 16 /* bytes of a module looked at at once */ };

struct candidate {
	struct cs_module *module;
	cs_addr runtime;	 /* 0: unknown, head_addr is */
	cs_addr head_addr;	 /* where interpreters.head is, when only that is known */
	uint32_t version;	 /* PY_VERSION_HEX, or only the minor; 0 unknown */
	const char *found_by;
};

struct candidates {
	struct candidate items[CANDIDATES_MAX];
	size_t count;
};

static void add_candidate(struct candidates *all, struct candidate c)
{
	if (all->count < CANDIDATES_MAX)
		all->items[all->count++] = c;
}

/* "…/libpython3.11.so.1.0", "…/python3.9" -> PY_HEX(3, N); 0 when it says nothing. */
static uint32_t version_of_path(const char *path)
{
	const char *base = path ? strrchr(path, '/') : NULL;
	const char *at = strstr(base ? base : path ? path : "", "python3.");
	unsigned minor = 0;

	if (!at || sscanf(at, "python3.%2u", &minor) != 1)
		return 0;
	return PY_HEX(3, minor);
}

static bool read_cookie(struct py *py, cs_addr addr, uint32_t *version)
{
	const unsigned char *p = cs_mem_view(py->mem, addr, 24);

	if (!p || memcmp(p, "xdebugpy", 8))
		return false;

	uint64_t v = cs_le64(p + 8);

	if (v >> 24 != 3 || (v >> 16 & 255) < 13 || v > UINT32_MAX)
		return false;
	*version = (uint32_t)v;
	return true;
}

static void add_symbols(struct py *py, struct candidates *all)
{
	for (size_t i = 0; i < py->image->modules.count && !cs_pulse_look(py->model->pulse); i++) {
		struct cs_module *m = &py->image->modules.items[i];
		struct candidate c = { .module = m, .found_by = "symbol _PyRuntime" };
		cs_addr version_addr;
		uint32_t v;

		c.version = version_of_path(m->path);
		if (cs_module_symbol(m, py->image, "_PyRuntime", &c.runtime, NULL)) {
			/* 3.6 had none: recognised, to say that it is not read */
			if (c.version && c.version < PY_HEX(3, 7) &&
			    !cs_module_symbol(m, py->image, "PyType_Type", &c.runtime, NULL)) {
				c.found_by = "symbol PyType_Type";
				add_candidate(all, c);
			}
			continue;
		}
		if (!cs_module_symbol(m, py->image, "Py_Version", &version_addr, NULL) &&
		    cs_mem_u32(py->mem, version_addr, &v))
			c.version = v;
		if (read_cookie(py, c.runtime, &v))
			c.version = v;
		add_candidate(all, c);
	}
}

/* interpreters.head == interpreters.main, and the interpreter's first thread
 * state leads back (its third word in every version): a sieve before the proof,
 * for 3.8 to 3.12; later ones have the cookie. */
static bool looks_like_head(struct py *py, const unsigned char *p)
{
	static const uint64_t threads_head[] = { 8, 16, 72 }; /* 3.8-3.10, 3.11, 3.12 */
	uint64_t head = cs_le64(p);

	if (!head || head % 8 || cs_le64(p + 8) != head)
		return false;
	for (size_t i = 0; i < sizeof(threads_head) / sizeof(threads_head[0]); i++) {
		cs_addr thread = py_word(py, head + threads_head[i]);

		if (thread && thread % 8 == 0 && py_word(py, thread + 16) == head)
			return true;
	}
	return false;
}

static void scan_words(struct py *py, struct cs_module *m, struct cs_range r,
		       struct candidates *all)
{
	const unsigned char *p = cs_mem_view(py->mem, r.start, r.len);
	uint32_t version;

	for (uint64_t off = 0; p && off + 16 <= r.len && !py_stops(py); off += 8) {
		struct candidate c = { .module = m };

		if (read_cookie(py, r.start + off, &version)) {
			c.runtime = r.start + off;
			c.version = version;
			c.found_by = "cookie in memory";
			add_candidate(all, c);
		} else if (looks_like_head(py, p + off)) {
			c.head_addr = r.start + off;
			c.version = version_of_path(m->path);
			c.found_by = "structure in memory";
			add_candidate(all, c);
		}
	}
}

static void scan_range(struct py *py, struct cs_module *m, struct cs_range r,
		       struct candidates *all)
{
	uint64_t run = cs_mem_run(py->mem, r.start);
	uint64_t len = run < r.len ? run : r.len;

	/* neighbours share a word: what is looked for has two */
	for (uint64_t off = 0; off < len; off += WINDOW) {
		struct cs_range window = { r.start + off, WINDOW + 8 };

		window.len = window.len < len - off ? window.len : len - off;
		scan_words(py, m, window, all);
	}
}

/* Without symbols: every writable word of every module that could hold an
 * interpreter. */
static void add_structures(struct py *py, struct candidates *all)
{
	for (size_t i = 0; i < py->image->modules.count; i++) {
		struct cs_module *m = &py->image->modules.items[i];
		struct cs_range ranges[WRITABLE_MAX];
		size_t n = cs_module_writable(m, py->image, ranges, WRITABLE_MAX);

		for (size_t k = 0; k < n; k++)
			scan_range(py, m, ranges[k], all);
	}
}

static void try_dwarf(struct py *py, struct cs_module *module)
{
	struct cs_elf *elf = NULL;
	struct cs_error err = { .text = "" };
	bool owned = false;
	cs_status st = cs_debug_file(module, py->image, &elf, &owned, &err);

	if (!st) {
		cs_elf_listen(elf, py->model->pulse);
		st = py_layout_add_dwarf(&py->layout, elf, &err);
	}
	if (st == CS_CORRUPT)
		cs_model_anomaly(py->model, "python.dwarf", 0, "%s", err.text);
	if (owned)
		cs_elf_close(elf);
}

/* One layout hypothesis against one candidate. */
static bool prove(struct py *py, const struct candidate *c, const struct py_row *row, bool dwarf,
		  struct cs_error *why)
{
	py_layout_of_row(&py->layout, row);
	if (dwarf)
		try_dwarf(py, c->module);
	py->layout.version = c->version ? c->version : row->version & 0xffff0000;
	py->runtime = c->runtime;
	if (!py->runtime)
		py->runtime = c->head_addr - py_off(&py->layout, PY_RT_INTERPRETERS_HEAD);
	py->module = c->module;
	py_debug_offsets_apply(py);
	return py_proof(py, why) == CS_OK;
}

/* The proven row of a minor version that contradicts the target's own words
 * least: builds of one minor differ (3.13.0 and Debian's 3.13.5). */
static bool try_rows(struct py *py, const struct candidate *c, unsigned minor, bool dwarf,
		     struct cs_error *why)
{
	const struct py_row *best = NULL, *row = NULL;
	int fewest = INT32_MAX;

	while ((row = py_row_next(row, PY_HEX(3, minor)))) {
		if (prove(py, c, row, dwarf, why) && py->layout.disagreements < fewest) {
			fewest = py->layout.disagreements;
			best = row;
		}
		/* DWARF replaces nearly all of a row: one row is enough to start from */
		if (best && (dwarf || !fewest))
			break;
	}
	/* a break left the best one in place; a full round has to go back to it */
	return best && (row || prove(py, c, best, dwarf, why));
}

static bool try_candidate(struct py *py, const struct candidate *c, struct cs_error *why)
{
	unsigned first = OLDEST, last = NEWEST;

	if (c->version)
		first = last = c->version >> 16 & 255;
	/* Reading DWARF takes long: only where a symbol or the cookie says that
	 * there is a CPython; a module with DWARF has symbols. */
	for (unsigned minor = first; minor <= last && !cs_pulse_look(py->model->pulse); minor++)
		if ((c->runtime && try_rows(py, c, minor, true, why)) ||
		    try_rows(py, c, minor, false, why))
			return true;
	return false;
}

/* Without the micro release when that is not known. */
static const char *version_text(struct py *py, uint32_t v)
{
	if (!(v & 0xffff))
		return cs_arena_printf(&py->model->strings, "%u.%u", v >> 24, v >> 16 & 255);
	return cs_arena_printf(&py->model->strings, "%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255);
}

static void say_found(struct py *py, const struct candidate *c)
{
	struct cs_target_info *t = &py->model->target;
	uint32_t v = py->layout.version;
	int by[PY_CALIBRATED + 1] = { 0 };
	char how[128];

	for (int i = 0; i < PY_FIELD_COUNT; i++)
		by[py->layout.source[i]]++;
	t->python.supported = true;
	t->python.version = version_text(py, v);
	t->python.layout = by[PY_FROM_DWARF] ? "dwarf" :
			   by[PY_FROM_TARGET] ? "debug-offsets" :
						"table";
	snprintf(how, sizeof(how), "%d fields from DWARF, %d from the target, %d from row %s",
		 by[PY_FROM_DWARF], by[PY_FROM_TARGET], by[PY_FROM_ROW], py->layout.row);
	cs_model_finding(py->model, "CPython runtime", c->found_by,
			 py->proven_by,
			 "%s at " CS_ADDR, t->python.version, py->runtime);
	cs_model_finding(py->model, "CPython layout", t->python.layout,
			 "type(type) is type, sys.__dict__ reads", "%s", how);
	if (py->layout.disagreements)
		cs_model_finding(py->model, "layout sources disagree", "comparison",
				 "the target's own word was taken", "%d fields, first %s",
				 py->layout.disagreements,
				 py_field_names[py->layout.disagreed_field].name);
}

/* Builds we recognise and do not read. */
static const char *unsupported_build(struct py *py, const struct candidate *c)
{
	const unsigned char *p;
	unsigned minor = c->version >> 16 & 255;

	if (minor && minor < OLDEST)
		return "older than 3.8";
	if (minor > NEWEST)
		return "newer than 3.14";
	if (minor >= 13 && (p = cs_mem_view(py->mem, c->runtime, 24)) && cs_le64(p + 16) & 1)
		return "a free-threaded build";
	return NULL;
}

static void say_unsupported(struct py *py, const struct candidate *c, const char *why)
{
	struct cs_target_info *t = &py->model->target;
	uint32_t v = c->version;

	t->python.found = true;
	t->python.version = version_text(py, v);
	t->python.problem = cs_arena_copy(&py->model->strings, why);
	t->python.free_threaded = strstr(why, "free-threaded") != NULL;
	cs_model_finding(py->model, "CPython runtime", c->found_by, why, "unsupported");
}

static cs_status choose(struct py *py, struct cs_error *err)
{
	struct candidates *all = calloc(1, sizeof(*all));
	cs_status st = CS_NOTFOUND;
	struct cs_error why = { .text = "" };

	if (!all)
		return cs_fail(err, CS_NOMEM, 0, "no memory");
	add_symbols(py, all);
	if (!all->count)
		add_structures(py, all);
	for (size_t i = 0; st == CS_NOTFOUND && i < all->count; i++) {
		const struct candidate *c = &all->items[i];

		if (!unsupported_build(py, c) && try_candidate(py, c, &why)) {
			py->model->target.python.found = true;
			say_found(py, c);
			st = CS_OK;
		}
	}
	/* None proved itself: a symbol is proof enough that there is a CPython. */
	for (size_t i = 0; st == CS_NOTFOUND && i < all->count; i++) {
		const struct candidate *c = &all->items[i];
		const char *build = unsupported_build(py, c);

		if (!c->runtime || !py_word(py, c->runtime + 32))
			continue;
		say_unsupported(py, c, build ? build : why.text);
		st = cs_fail(err, CS_UNSUPPORTED, c->runtime, "CPython %s: %s",
			     py->model->target.python.version, py->model->target.python.problem);
	}
	free(all);
	return st;
}

void py_steps_begin(struct py *py)
{
	py->steps_left = py->mem->present / 4 + STEPS_MIN;
}

cs_status py_find(struct cs_image *image, struct cs_model *model, struct py **out,
		  struct cs_error *err)
{
	struct py *py = calloc(1, sizeof(*py));

	if (!py)
		return cs_fail(err, CS_NOMEM, 0, "no memory");
	py->image = image;
	py->mem = image->mem;
	py->model = model;
	py_steps_begin(py);

	cs_status st = cs_pulse_result(model->pulse, choose(py, err), err);

	if (st) {
		py_destroy(py);
		return st;
	}
	py->no_refcnt_zero = py_minor(&py->layout) >= 14;
	*out = py;
	return CS_OK;
}

void py_destroy(struct py *py)
{
	if (!py)
		return;
	cs_vec_free(&py->pools);
	cs_vec_free(&py->types);
	cs_vec_free(&py->tasks);
	cs_vec_free(&py->codes);
	cs_map_deinit(&py->type_by_addr);
	cs_map_deinit(&py->row_by_name);
	py_plans_destroy(py->plans);
	free(py);
}
