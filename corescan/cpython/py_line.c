/* CPython Objects/lnotab_notes.txt and codeobject.c of 3.9 (pairs of bytes: address
 * increment, signed line increment) and 3.10 (pairs: code bytes, signed line delta,
 * -128: no line); Objects/locations.md of 3.11+: entries whose first byte is
 * 0x80 | kind << 3 | (code units - 1), the line delta behind it. Line deltas add up
 * over entries without a line too. */
#include "cpython/py_line.h"

enum {
	NO_LINE_DELTA = -128,	 /* 3.10 */
	UNIT = 2,		 /* bytes of an instruction */
	ONE_LINE_0 = 10, ONE_LINE_1 = 11, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15
};

/* A bytes object's content that is looked at a byte at a time. */
struct table {
	struct py *py;
	const unsigned char *p;
	uint64_t len, at;
};

static bool open_table(struct py *py, cs_addr bytes, struct table *out)
{
	const struct py_layout *l = &py->layout;
	uint64_t len;

	*out = (struct table){ .py = py };
	if (!bytes || !cs_mem_u64(py->mem, bytes + py_off(l, PY_OB_SIZE), &len))
		return false;
	out->len = len;
	out->p = cs_mem_view(py->mem, bytes + py_off(l, PY_BYTES_SVAL), len);
	return out->p != NULL;
}

static uint32_t as_line(int64_t line)
{
	return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static uint32_t line_of_lnotab(struct table *t, int64_t line, int64_t at)
{
	int64_t addr = 0;

	for (; t->len - t->at >= 2 && py_step(t->py); t->at += 2) {
		addr += t->p[t->at];
		if (addr > at)
			break;
		line += (signed char)t->p[t->at + 1];
	}
	return as_line(line);
}

static uint32_t line_of_pairs(struct table *t, int64_t line, int64_t at)
{
	int64_t end = 0;

	for (; t->len - t->at >= 2 && py_step(t->py); t->at += 2) {
		int delta = (signed char)t->p[t->at + 1];

		end += t->p[t->at];
		if (delta != NO_LINE_DELTA)
			line += delta;
		if (at < end)
			return delta == NO_LINE_DELTA ? 0 : as_line(line);
	}
	return 0;
}

/* Six bits a byte, lowest first; bit 6: more follows. */
static uint64_t varint(struct table *t)
{
	uint64_t value = 0;

	for (unsigned shift = 0; t->at < t->len && shift < 64; shift += 6) {
		unsigned byte = t->p[t->at++];

		value |= (uint64_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return value;
}

/* Zigzag with the sign in bit 0. No real file has 2^32 lines. */
static int64_t signed_varint(struct table *t)
{
	uint64_t v = varint(t);
	int64_t size = (int64_t)(v >> 1 & UINT32_MAX);

	return v & 1 ? -size : size;
}

static int64_t line_delta(struct table *t, unsigned kind)
{
	switch (kind) {
	case NONE:
		return 0;
	case NO_COLUMNS:
	case LONG:
		return signed_varint(t);
	case ONE_LINE_1:
		return 1;
	case ONE_LINE_2:
		return 2;
	default: /* ONE_LINE_0, and the short forms, stay on the line */
		return 0;
	}
}

static uint32_t line_of_locations(struct table *t, int64_t line, int64_t at)
{
	int64_t end = 0;

	while (t->at < t->len && py_step(t->py)) {
		unsigned first = t->p[t->at++], kind = first >> 3 & 15;

		line += line_delta(t, kind);
		end += (int64_t)((first & 7) + 1) * UNIT;
		if (at < end)
			return kind == NONE ? 0 : as_line(line);
		while (t->at < t->len && !(t->p[t->at] & 0x80)) /* the columns */
			t->at++;
	}
	return 0;
}

static enum py_field table_field(const struct py_layout *l)
{
	return py_has(l, PY_CODE_LNOTAB) ? PY_CODE_LNOTAB : PY_CODE_LINETABLE;
}

uint32_t py_line(struct py *py, cs_addr code, int64_t at)
{
	const struct py_layout *l = &py->layout;
	enum py_field field = table_field(l);
	uint32_t first = 0;
	struct table t;

	if (!cs_mem_u32(py->mem, code + py_off(l, PY_CODE_FIRSTLINENO), &first))
		return 0;
	if (at < 0)
		return first;
	if (!open_table(py, py_word(py, code + py_off(l, field)), &t))
		return 0;
	if (field == PY_CODE_LNOTAB)
		return line_of_lnotab(&t, first, at);
	return py_has(l, PY_CODE_ADAPTIVE) ? line_of_locations(&t, first, at) :
					     line_of_pairs(&t, first, at);
}

bool py_lines_init(struct py_lines *lines, struct py *py, cs_addr code)
{
	const struct py_layout *l = &py->layout;
	struct table t;

	*lines = (struct py_lines){ .py = py };
	if (!cs_mem_u32(py->mem, code + py_off(l, PY_CODE_FIRSTLINENO), &lines->first_line) ||
	    !open_table(py, py_word(py, code + py_off(l, table_field(l))), &t))
		return false;
	lines->p = t.p;
	lines->len = t.len;
	lines->line = lines->first_line;
	return true;
}

/* Entries that do not move on in the code only carry a bigger step of the line. */
static bool next_of_lnotab(struct py_lines *s)
{
	if (!s->is_begun) {
		s->is_begun = true;
		return true;
	}
	while (s->len - s->at >= 2) {
		s->line += (signed char)s->p[s->at + 1];
		s->at += 2;
		if (s->len - s->at < 2 || s->p[s->at])
			return true;
	}
	return false;
}

static bool next_of_pairs(struct py_lines *s)
{
	while (s->len - s->at >= 2) {
		int delta = (signed char)s->p[s->at + 1];
		bool moves = s->p[s->at];

		s->at += 2;
		if (delta != NO_LINE_DELTA)
			s->line += delta;
		if (delta != NO_LINE_DELTA && moves)
			return true;
	}
	return false;
}

static bool next_of_locations(struct py_lines *s)
{
	struct table t = { s->py, s->p, s->len, s->at };
	unsigned kind = NONE;

	while (t.at < t.len && kind == NONE) {
		kind = t.p[t.at++] >> 3 & 15;
		s->line += line_delta(&t, kind);
		while (t.at < t.len && !(t.p[t.at] & 0x80))
			t.at++;
	}
	s->at = t.at;
	return kind != NONE;
}

bool py_lines_next(struct py_lines *s, uint32_t *line)
{
	const struct py_layout *l = &s->py->layout;
	bool (*next)(struct py_lines *) = py_has(l, PY_CODE_LNOTAB) ? next_of_lnotab :
					  py_has(l, PY_CODE_ADAPTIVE) ? next_of_locations :
									next_of_pairs;

	if (!py_step(s->py) || !next(s))
		return false;
	*line = as_line(s->line);
	return true;
}
