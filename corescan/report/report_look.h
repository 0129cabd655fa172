/* report_look.h - what a terminal can show, and text cut or wrapped to fit it.
 *
 * Knows nothing of tables. All text goes through report_escape.h.
 */
#ifndef CS_REPORT_LOOK_H
#define CS_REPORT_LOOK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CS_WIDTH_MIN = 40, CS_WIDTH_DEFAULT = 80 };

struct cs_look {
	unsigned width;
	bool is_utf8;	/* names beyond ASCII are shown as they are */
	bool has_bars;	/* may draw block characters */
	bool has_color;
};

enum cs_paint { CS_PAINT_NONE, CS_PAINT_TITLE, CS_PAINT_FAINT, CS_PAINT_BAR, CS_PAINT_WARN };

/* Switch colours, when there are any. CS_PAINT_NONE ends. */
void cs_look_paint(FILE *out, const struct cs_look *look, enum cs_paint paint);

/* Write s in at most `width` columns, the middle left out when it is longer.
 * Returns the columns used. */
unsigned cs_look_text(FILE *out, const struct cs_look *look, const char *s, unsigned width);

/* How much of s fits into a line of `width` columns, broken at a blank if there
 * is one: *len bytes. Returns where the next line begins (not at a blank). At
 * least one character is taken, so the loop over it ends. */
const char *cs_look_line(const struct cs_look *look, const char *s, unsigned width, size_t *len);

/* Write s in lines of look->width, each line `indent` blanks in from the left. */
void cs_look_wrapped(FILE *out, const struct cs_look *look, const char *s, unsigned indent);

/* The same with `lead`, shorter than indent, at the start of the first line: "  1". */
void cs_look_item(FILE *out, const struct cs_look *look, const char *lead, const char *s,
		  unsigned indent);
#endif
