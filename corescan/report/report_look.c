#include "report/report_look.h"

#include "report/report_escape.h"

void cs_look_paint(FILE *out, const struct cs_look *look, enum cs_paint paint)
{
	static const char *const codes[] = {
		[CS_PAINT_NONE] = "\033[0m",	[CS_PAINT_TITLE] = "\033[1m",
		[CS_PAINT_FAINT] = "\033[2m",	[CS_PAINT_BAR] = "\033[36m",
		[CS_PAINT_WARN] = "\033[33m",
	};

	if (look->has_color)
		fputs(codes[paint], out);
}

/* Write glyphs of s while they fit into width; *used in columns. Returns the rest. */
static const char *write_head(FILE *out, const struct cs_look *look, const char *s, size_t width,
			      size_t *used)
{
	struct cs_glyph g;

	for (; *s; s += g.used) {
		cs_glyph_read(s, look->is_utf8, &g);
		if (g.width > width - *used)
			break;
		fputs(g.text, out);
		*used += g.width;
	}
	return s;
}

unsigned cs_look_text(FILE *out, const struct cs_look *look, const char *s, unsigned width)
{
	size_t whole = cs_text_width(s, look->is_utf8), used = 0;
	const char *dots = look->is_utf8 ? "\u2026" : "..";
	unsigned dots_width = look->is_utf8 ? 1 : 2;
	struct cs_glyph g;

	if (whole <= width || width <= dots_width) {
		write_head(out, look, s, width, &used);
		return (unsigned)used;
	}

	/* as much of the end as of the beginning: both tell names apart */
	size_t room = width - dots_width, tail = room - room / 2;

	write_head(out, look, s, room / 2, &used);
	for (; whole > tail; s += g.used) {
		cs_glyph_read(s, look->is_utf8, &g);
		whole -= g.width;
	}
	fputs(dots, out);
	used += dots_width;
	write_head(out, look, s, width, &used);
	return (unsigned)used;
}

const char *cs_look_line(const struct cs_look *look, const char *s, unsigned width, size_t *len)
{
	const char *at = s, *blank = NULL;
	struct cs_glyph g;
	size_t used = 0;

	for (; *at; at += g.used) {
		cs_glyph_read(at, look->is_utf8, &g);
		if (used && g.width > width - used)
			break;
		if (*at == ' ')
			blank = at;
		used += g.width < width - used ? g.width : width - used;
	}
	if (*at && *at != ' ' && blank && blank > s)
		at = blank;
	*len = (size_t)(at - s);
	while (*at == ' ')
		at++;
	return at;
}

void cs_look_wrapped(FILE *out, const struct cs_look *look, const char *s, unsigned indent)
{
	cs_look_item(out, look, "", s, indent);
}

void cs_look_item(FILE *out, const struct cs_look *look, const char *lead, const char *s,
		  unsigned indent)
{
	for (; *s; lead = "") {
		size_t len, used = 0;
		const char *rest = cs_look_line(look, s, look->width - indent, &len);
		struct cs_glyph g;

		fprintf(out, "%-*s", (int)indent, lead);
		for (const char *at = s; at < s + len; at += g.used) {
			cs_glyph_read(at, look->is_utf8, &g);
			used += g.width;
			if (used <= look->width - indent)
				fputs(g.text, out);
		}
		putc('\n', out);
		s = rest;
	}
}
