/* graph_memory.h - big zeroed arrays that grow without being copied and go back at once.
 *
 * malloc() would do, but for tens of megabytes it may keep what was freed, and
 * clear what nobody will touch. Small arrays come from it, so that sanitizers
 * see their ends.
 */
#ifndef CS_GRAPH_MEMORY_H
#define CS_GRAPH_MEMORY_H
#include <stdint.h>

/* count zeroed items of size bytes (size at most 64), or NULL; count 0 is one item.
 * Untouched pages of a big array cost nothing. The caller's, until cs_graph_free(). */
void *cs_graph_alloc(uint64_t count, uint64_t size);

/* Resize what cs_graph_alloc() gave; what is new holds anything. NULL: no memory, the
 * old array is as it was. */
void *cs_graph_resize(void *items, uint64_t count, uint64_t size);

/* May be NULL. */
void cs_graph_free(void *items);

/* Bytes of an array, 0 of NULL. */
uint64_t cs_graph_len(const void *items);
#endif
