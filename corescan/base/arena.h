/* arena.h - memory that dies all at once: strings and nodes of a model.
 *
 * No per-object free. All-zero is an empty arena.
 */
#ifndef CS_ARENA_H
#define CS_ARENA_H
#include <stddef.h>

struct cs_arena_slab;

struct cs_arena {
	struct cs_arena_slab *slabs;
	size_t total; /* bytes taken from the system */
};

/* len zeroed bytes, 16-aligned, or NULL when there is no memory. */
void *cs_arena_alloc(struct cs_arena *arena, size_t len);

/* A NUL-terminated copy of len bytes, or NULL. */
char *cs_arena_text(struct cs_arena *arena, const char *bytes, size_t len);

/* The same of all of a text. */
char *cs_arena_copy(struct cs_arena *arena, const char *text);

/* printf into the arena, or NULL. */
char *cs_arena_printf(struct cs_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void cs_arena_deinit(struct cs_arena *arena);
#endif
