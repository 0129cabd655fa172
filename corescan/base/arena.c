#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_LEN = 64 << 10 };

struct cs_arena_slab {
	struct cs_arena_slab *next;
	size_t used, cap;
	alignas(16) unsigned char bytes[];
};

void *cs_arena_alloc(struct cs_arena *arena, size_t len)
{
	if (len > SIZE_MAX / 2)
		return NULL;
	len = (len + 15) & ~(size_t)15;

	struct cs_arena_slab *slab = arena->slabs;

	if (!slab || slab->cap - slab->used < len) {
		size_t cap = len > SLAB_LEN ? len : SLAB_LEN;

		slab = calloc(1, sizeof(*slab) + cap);
		if (!slab)
			return NULL;
		slab->cap = cap;
		slab->next = arena->slabs;
		arena->slabs = slab;
		arena->total += sizeof(*slab) + cap;
	}

	void *p = slab->bytes + slab->used;

	slab->used += len;
	return p;
}

char *cs_arena_text(struct cs_arena *arena, const char *bytes, size_t len)
{
	char *text = len < SIZE_MAX ? cs_arena_alloc(arena, len + 1) : NULL;

	if (text)
		memcpy(text, bytes, len);
	return text;
}

char *cs_arena_copy(struct cs_arena *arena, const char *text)
{
	return cs_arena_text(arena, text, strlen(text));
}

char *cs_arena_printf(struct cs_arena *arena, const char *fmt, ...)
{
	char small[512];
	va_list ap;

	va_start(ap, fmt);

	int need = vsnprintf(small, sizeof(small), fmt, ap);

	va_end(ap);
	if (need < 0)
		return NULL;
	if ((size_t)need < sizeof(small))
		return cs_arena_text(arena, small, (size_t)need);

	char *text = cs_arena_alloc(arena, (size_t)need + 1);

	if (!text)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)need + 1, fmt, ap);
	va_end(ap);
	return text;
}

void cs_arena_deinit(struct cs_arena *arena)
{
	while (arena->slabs) {
		struct cs_arena_slab *next = arena->slabs->next;

		free(arena->slabs);
		arena->slabs = next;
	}
	arena->total = 0;
}
