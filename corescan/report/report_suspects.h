/* report_suspects.h - suspects in words, for the default page and --suspects. */
#ifndef CS_REPORT_SUSPECTS_H
#define CS_REPORT_SUSPECTS_H
#include "report/report_views.h"

/* A sentence or two, in the arena; present: bytes that are 100 percent. NULL: no memory. */
const char *cs_suspect_text(const struct cs_suspect_row *row, uint64_t present,
			    struct cs_arena *arena);

/* The question that shows more: "--why app.models.Session". */
const char *cs_suspect_option(const struct cs_suspect_row *row, struct cs_arena *arena);

/* Those there is no room for, in one sentence. */
const char *cs_suspects_rest(const struct cs_suspect_row *rows, size_t count, struct cs_arena *arena);
#endif
