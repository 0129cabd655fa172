/* report_layout.h - a table on a terminal of a given width.
 *
 * Numbers stand right-aligned, texts left. When a table is too wide the widest
 * text column gives way first, then units shrink (48.1 MiB becomes 48.1M), then
 * columns go, those that may be spared first, and are named below it. Numbers are never cut.
 *
 * Invariants
 *  - No line is longer than look.width (of at least CS_WIDTH_MIN).
 *  - No line ends in a blank.
 */
#ifndef CS_REPORT_LAYOUT_H
#define CS_REPORT_LAYOUT_H
#include "report/report_look.h"
#include "report/report_table.h"

struct cs_layout {
	const char *title; /* over the first column */
	const char *aside; /* at the right of the title line where there is room, or NULL */
	bool is_brief;	   /* without CS_COL_DETAIL columns and without the total */
};

/* The rows selected, a line for the rest, a line for the total. */
void cs_layout_write(FILE *out, const struct cs_table *table, const struct cs_layout *layout,
		     const struct cs_look *look);
#endif
