/* vec.h - growable arrays: CS_VEC(struct foo) v; cs_vec_push(&v, item).
 *
 * All-zero is an empty vector. Items move when the vector grows: keep
 * indexes, not pointers. Growth is by half, so a table of N entries costs at
 * most 1.5 N.
 */
#ifndef CS_VEC_H
#define CS_VEC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define CS_VEC(type)          \
	struct {              \
		type *items;  \
		size_t count; \
		size_t cap;   \
	}

/* Room for one more item of `size` bytes; false when there is no memory. */
bool cs_vec_room(void **items, size_t count, size_t *cap, size_t size);

/* Append; false when there is no memory, the vector untouched. */
#define cs_vec_push(v, ...)                                                                        \
	(cs_vec_room((void **)&(v)->items, (v)->count, &(v)->cap, sizeof(*(v)->items)) ?           \
		 ((v)->items[(v)->count++] = (__VA_ARGS__), true) :                                \
		 false)

#define cs_vec_free(v)                        \
	do {                                  \
		free((v)->items);             \
		(v)->items = NULL;            \
		(v)->count = (v)->cap = 0;    \
	} while (0)
#endif
