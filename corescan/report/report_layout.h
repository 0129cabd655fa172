/* report_layout.h - a table on a terminal of a given width.
 *
 * Numbers stand right-aligned, texts left. When a table is too wide the widest
 * text column gives way first, then units shrink (48.1 MiB becomes 48.1M), then
 * columns that may be spared go; at the very end everything is cut.
 *
 * Invariants
 *  - No line is longer than look.width (of at least CS_WIDTH_MIN).
 *  - No line ends in a blank.
 */
#ifndef CS_REPORT_LAYOUT_H
#define CS_REPORT_LAYOUT_H
#include "report/report_table.h"

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

struct cs_layout {
	const char *title; /* over the first column */
	const char *aside; /* at the right of the title line where there is room, or NULL */
	bool is_brief;	   /* without CS_COL_DETAIL columns and without the total */
};

/* The rows selected, a line for the rest, a line for the total. */
void cs_layout_write(FILE *out, const struct cs_table *table, const struct cs_layout *layout,
		     const struct cs_look *look);
#endif
