#include "report/report_escape.h"

#include <stdint.h>
#include <string.h>

struct span {
	unsigned first, last;
};

/* Marks that reorder or hide what follows (Unicode 15 UAX #9, general category
 * Cf and Zl/Zp): a type name could dress up as another with them. */
static const struct span hidden[] = {
	{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	    { 0x61c, 0x61c },
	{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
	{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
};

/* Drawn over the character before (the common blocks; others count one column). */
static const struct span combining[] = {
	{ 0x300, 0x36f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff },
	{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
};

/* East Asian Wide and Fullwidth (UAX #11), rounded up to whole blocks. */
static const struct span wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },	  { 0x23e9, 0x23f3 },
	{ 0x25fd, 0x25fe },   { 0x2600, 0x27bf },   { 0x2b1b, 0x2b55 },	  { 0x2e80, 0xa4cf },
	{ 0xa960, 0xa97f },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },	  { 0xfe10, 0xfe19 },
	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },	  { 0x16fe0, 0x18cff },
	{ 0x1aff0, 0x1b2ff }, { 0x1f000, 0x1faff }, { 0x20000, 0x3fffd },
};

#define IN(point, table) in_table(point, table, sizeof(table) / sizeof((table)[0]))
static bool in_table(unsigned point, const struct span *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (point >= table[i].first && point <= table[i].last)
			return true;
	return false;
}

/* Length of the valid UTF-8 sequence at s, 0 when it is none. No overlong
 * forms, no surrogates, nothing above U+10FFFF. */
static size_t decode(const unsigned char *s, unsigned *point)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (len < 2) {
		*point = s[0];
		return len;
	}

	unsigned v = s[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) /* also stops at the NUL */
			return 0;
		v = v << 6 | (s[i] & 0x3fu);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*point = v;
	return len;
}

void cs_glyph_read(const char *s, bool is_utf8, struct cs_glyph *out)
{
	const unsigned char *bytes = (const unsigned char *)s;
	unsigned point = bytes[0];

	if (point >= 0x20 && point < 0x7f) { /* nearly always */
		*out = (struct cs_glyph){ { s[0] }, 1, 1, true, point, true };
		return;
	}

	size_t len = decode(bytes, &point);

	*out = (struct cs_glyph){ .used = len ? len : 1, .point = point, .is_valid = len != 0 };
	if (!len || (point < 0x80 && IN(point, hidden)))
		out->width = (unsigned)snprintf(out->text, sizeof(out->text), "\\x%02x", point);
	else if (IN(point, hidden) || (point > 0x7f && !is_utf8))
		out->width = (unsigned)snprintf(out->text, sizeof(out->text),
						point > 0xffff ? "\\U%08x" : "\\u%04x", point);
	else {
		memcpy(out->text, s, len);
		out->is_plain = true;
		out->width = point < 0x80 ? 1 : IN(point, combining) ? 0 : IN(point, wide) ? 2 : 1;
	}
}

size_t cs_text_width(const char *s, bool is_utf8)
{
	struct cs_glyph g;
	size_t width = 0;

	for (; *s; s += g.used) {
		cs_glyph_read(s, is_utf8, &g);
		width += g.width;
	}
	return width;
}

static void write_json_glyph(FILE *out, const struct cs_glyph *g)
{
	if (!g->is_valid)
		fprintf(out, "\\\\x%02x", g->point);
	else if (g->point == '"' || g->point == '\\')
		fprintf(out, "\\%c", (int)g->point);
	else if (g->is_plain)
		fputs(g->text, out);
	else if (g->point > 0xffff) /* a surrogate pair */
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((g->point - 0x10000) >> 10),
			0xdc00 + ((g->point - 0x10000) & 0x3ff));
	else
		fprintf(out, "\\u%04x", g->point);
}

void cs_write_json_text(FILE *out, const char *s)
{
	struct cs_glyph g;

	if (!s) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	for (; *s; s += g.used) {
		cs_glyph_read(s, true, &g);
		write_json_glyph(out, &g);
	}
	putc('"', out);
}

void cs_write_csv_text(FILE *out, const char *s)
{
	if (!s)
		return;

	size_t len = strlen(s);
	bool quoted = strpbrk(s, ",\"\r\n") || (len && (s[0] == ' ' || s[len - 1] == ' '));
	struct cs_glyph g;

	if (quoted)
		putc('"', out);
	for (; *s; s += g.used) {
		cs_glyph_read(s, true, &g);
		if (g.point == '"')
			putc('"', out);
		if (g.point == '\n' || g.point == '\r' || g.point == '\t')
			putc((int)g.point, out);
		else
			fputs(g.text, out);
	}
	if (quoted)
		putc('"', out);
}
