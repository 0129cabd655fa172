#include "cpython/py_function.h"
#include "cpython/py_census.h"
#include "cpython/py_dict.h"
#include "cpython/py_line.h"
#include "cpython/py_types.h"
#include "base/own.h"

enum { WRITABLE_MAX = 16, NAME_MAX_LEN = 1 << 12, WORD = 8 };

/* Who has a line, as far as is known; all-zero: nobody yet. */
struct holder {
	cs_addr code;
	uint32_t begin;	      /* where it says that it begins: at its def */
	uint32_t first, last; /* lines of it */
	bool is_disputed;
};

struct finder {
	struct py *py;
	const struct py_wanted_lines *wanted;
	struct holder *holders; /* of each frame */
};

/* A code object's lines; false: it has no table. */
static bool extent(struct py *py, cs_addr code, struct holder *out)
{
	struct py_lines lines;
	uint32_t line, begin;

	if (!py_lines_init(&lines, py, code))
		return false;
	begin = lines.first_line;
	*out = (struct holder){ code, begin, begin, begin, false };
	while (py_lines_next(&lines, &line)) {
		if (!line)
			continue;
		out->first = line < out->first ? line : out->first;
		out->last = line > out->last ? line : out->last;
	}
	return true;
}

/* "<module>", "<lambda>", "<listcomp>": the function is another, or none. */
static bool is_nameless(struct py *py, cs_addr code, const char *name)
{
	char text[16];

	return py_str_text(py, py_word(py, code + py_off(&py->layout, PY_CODE_NAME)), text,
			   sizeof(text), NULL) && !strncmp(text, name, strlen(name));
}

/* The same code may be there twice, compiled again. */
static bool is_same(struct py *py, const struct holder *a, const struct holder *b)
{
	uint64_t off = py_off(&py->layout, PY_CODE_NAME);

	return a->first == b->first && a->last == b->last &&
	       py_word(py, a->code + off) == py_word(py, b->code + off);
}

/* Is a around b, which has no name of its own? Of two with the same lines a module is. */
static bool is_around(struct py *py, const struct holder *a, const struct holder *b)
{
	if (a->first > b->first || a->last < b->last || !is_nameless(py, b->code, "<"))
		return false;
	return a->first < b->first || a->last > b->last || is_nameless(py, a->code, "<module>") ||
	       !is_nameless(py, a->code, "<");
}

static void hold(struct finder *f, uint32_t frame, uint32_t line, const struct holder *mine)
{
	struct holder *has = &f->holders[frame];

	if (line == mine->begin && !is_nameless(f->py, mine->code, "<module>")) {
		/* made there by whoever is around it; in one line both did what was done */
		has->is_disputed |=
			mine->first == mine->last && !is_nameless(f->py, mine->code, "<");
		return;
	}
	if (has->code && (is_around(f->py, has, mine) || is_same(f->py, has, mine)))
		return;
	if (has->code && !is_around(f->py, mine, has))
		has->is_disputed = true;
	has->code = mine->code;
	has->begin = mine->begin;
	has->first = mine->first;
	has->last = mine->last;
}

static void look_at(struct finder *f, cs_addr code)
{
	cs_addr name = py_word(f->py, code + py_off(&f->py->layout, PY_CODE_FILENAME));
	struct py_lines lines;
	struct holder mine;
	uint32_t file, line, frame;

	if (!f->wanted->file(f->wanted->ctx, name, &file) || !extent(f->py, code, &mine) ||
	    !py_lines_init(&lines, f->py, code))
		return;
	while (py_lines_next(&lines, &line))
		if (line && f->wanted->frame(f->wanted->ctx, file, line, &frame))
			hold(f, frame, line, &mine);
}

/* Code objects that are no blocks: those of frozen modules, 3.11 and 3.12. */
static void look_in_data(struct finder *f, cs_addr code_type)
{
	struct py *py = f->py;
	struct cs_range ranges[WRITABLE_MAX];
	size_t n = cs_module_writable(py->module, py->image, ranges, WRITABLE_MAX);
	uint64_t back = py_off(&py->layout, PY_OB_TYPE), len;
	const unsigned char *p;
	struct py_obj o;
	cs_addr from;

	for (size_t i = 0; i < n; i++) {
		cs_addr at = ranges[i].start;

		while ((p = cs_mem_next(py->mem, ranges[i], &at, &from, &len)))
			for (uint64_t k = 0; k + WORD <= len && !py_stops(py); k += WORD)
				if (cs_le64(p + k) == code_type &&
				    py_object_static(py, from + k - back, &o))
					look_at(f, o.addr);
	}
}

static void name_frames(struct finder *f, struct cs_sites *sites)
{
	const struct py_layout *l = &f->py->layout;
	enum py_field field = py_has(l, PY_CODE_QUALNAME) ? PY_CODE_QUALNAME : PY_CODE_NAME;
	cs_addr last = 0;
	const char *text = NULL;
	size_t len;

	for (size_t i = 0; i < sites->frames.count && !py_stops(f->py); i++) {
		const struct holder *h = &f->holders[i];

		if (!h->code || h->is_disputed)
			continue;
		if (h->code != last)
			text = py_str_whole(f->py, py_word(f->py, h->code + py_off(l, field)),
					    NAME_MAX_LEN, &len);
		last = h->code;
		sites->frames.items[i].function = text;
	}
}

bool py_functions_of_lines(struct py *py, const struct py_wanted_lines *wanted,
			   struct cs_sites *sites)
{
	cs_autofree struct holder *holders = calloc(sites->frames.count + 1, sizeof(*holders));
	struct finder f = { py, wanted, holders };

	if (!holders)
		return false;
	for (size_t i = 0; i < py->codes.count && !py_stops(py); i++)
		look_at(&f, py->codes.items[i]);
	if (py->codes.count)
		look_in_data(&f, py_word(py, py->codes.items[0] + py_off(&py->layout, PY_OB_TYPE)));
	name_frames(&f, sites);
	return true;
}
