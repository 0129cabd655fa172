/* report_escape.h - text of the target, made harmless where it is written.
 *
 * The text is bytes: it may hold control characters, terminal escapes, marks
 * that reverse the writing direction, and invalid UTF-8. Each format has one
 * function here and nobody else writes such text.
 *
 * Invariants
 *  - No control character, C1 character or direction mark reaches a terminal.
 *  - JSON and CSV come out as valid UTF-8; bytes that were not are spelled
 *    \xNN, the same in every format.
 */
#ifndef CS_REPORT_ESCAPE_H
#define CS_REPORT_ESCAPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One character of the source as a terminal may show it. */
struct cs_glyph {
	char text[12];	/* what to write, NUL-terminated */
	unsigned width; /* columns it takes; never less than the terminal's view */
	size_t used;	/* bytes of the source, at least 1 */
	bool is_plain;	/* text is the source itself */
	unsigned point; /* Unicode, or the byte when it is not valid UTF-8 */
	bool is_valid;
};

/* Look at the first character of s (which must not be empty). Without is_utf8
 * everything beyond ASCII is spelled out as \uNNNN. */
void cs_glyph_read(const char *s, bool is_utf8, struct cs_glyph *out);

/* Columns that s takes on a terminal. */
size_t cs_text_width(const char *s, bool is_utf8);

/* A JSON string, quotes included; NULL is null. */
void cs_write_json_text(FILE *out, const char *s);

/* A CSV field (RFC 4180), quoted when it must be. NULL is an empty field. */
void cs_write_csv_text(FILE *out, const char *s);
#endif
