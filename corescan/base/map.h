/* map.h - a hash map from 64-bit keys to 32-bit numbers; key 0 is not allowed.
 *
 * Open addressing, at most 70 % full, 12 bytes an entry and slot. All-zero is
 * an empty map.
 */
#ifndef CS_MAP_H
#define CS_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cs_map {
	uint64_t *keys;
	uint32_t *values;
	size_t count, cap; /* cap is 0 or a power of two */
};

static inline size_t cs_map_hash(uint64_t key, size_t cap)
{
	return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 20) & (cap - 1);
}

/* A key for a text, odd; two texts may have the same. FNV-1a. */
static inline uint64_t cs_map_key(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h | 1;
}

/* The value of key through *out; false when it is not there. */
static inline bool cs_map_get(const struct cs_map *map, uint64_t key, uint32_t *out)
{
	if (!map->cap)
		return false;
	for (size_t i = cs_map_hash(key, map->cap);; i = (i + 1) & (map->cap - 1)) {
		if (map->keys[i] == key) {
			*out = map->values[i];
			return true;
		}
		if (!map->keys[i])
			return false;
	}
}

/* Insert or replace; false when there is no memory (or key is 0). */
bool cs_map_put(struct cs_map *map, uint64_t key, uint32_t value);

void cs_map_deinit(struct cs_map *map);
#endif
