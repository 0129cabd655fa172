#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

static void put_fresh(struct cs_map *map, uint64_t key, uint32_t value)
{
	size_t i = cs_map_hash(key, map->cap);

	while (map->keys[i] && map->keys[i] != key)
		i = (i + 1) & (map->cap - 1);
	if (!map->keys[i])
		map->count++;
	map->keys[i] = key;
	map->values[i] = value;
}

static bool grow(struct cs_map *map)
{
	struct cs_map bigger = { .cap = map->cap ? map->cap * 2 : FIRST_CAP };

	bigger.keys = calloc(bigger.cap, sizeof(*bigger.keys));
	bigger.values = malloc(bigger.cap * sizeof(*bigger.values));
	if (!bigger.keys || !bigger.values) {
		cs_map_deinit(&bigger);
		return false;
	}
	for (size_t i = 0; i < map->cap; i++)
		if (map->keys[i])
			put_fresh(&bigger, map->keys[i], map->values[i]);
	cs_map_deinit(map);
	*map = bigger;
	return true;
}

bool cs_map_put(struct cs_map *map, uint64_t key, uint32_t value)
{
	if (!key)
		return false;
	if (map->count * 10 >= map->cap * 7 && !grow(map))
		return false;
	put_fresh(map, key, value);
	return true;
}

void cs_map_deinit(struct cs_map *map)
{
	free(map->keys);
	free(map->values);
	memset(map, 0, sizeof(*map));
}
