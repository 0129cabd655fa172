#include "base/vec.h"

#include <stdint.h>

bool cs_vec_room(void **items, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return true;

	size_t grown = *cap + *cap / 2 + 8;

	if (grown > SIZE_MAX / size)
		return false;

	void *moved = realloc(*items, grown * size);

	if (!moved)
		return false;
	*items = moved;
	*cap = grown;
	return true;
}
