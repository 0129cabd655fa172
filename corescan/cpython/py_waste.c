/* How containers grow: CPython Objects/listobject.c list_resize() (an eighth and a few
 * more), dictobject.c (tables of a power of two, two thirds of it usable, three times
 * what is used when it grows), setobject.c (three fifths, four times), bytearrayobject.c
 * (an eighth). Removing only shrinks lists and bytearrays, to twice what is there. */
#include "cpython/py_waste.h"

#include "cpython/py_dict.h"

enum { TABLE_LEAST = 8, LIST_EXTRA = 8, BYTES_EXTRA = 64, DICT_TIMES = 4, SET_TIMES = 8 };

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

bool py_str_fingerprint(struct py *py, const struct py_obj *o, uint64_t *out)
{
	const struct py_layout *l = &py->layout;
	unsigned state = o->p[l->off[PY_STR_STATE]], kind = state >> 2 & 7;
	uint64_t length = cs_le64(o->p + l->off[PY_STR_LENGTH]), off, len, i = 0, last = 0;
	bool is_compact = state >> 5 & 1, is_ascii = state >> 6 & 1;

	off = py_off(l, is_ascii ? PY_ASCII_SIZE : PY_COMPACT_SIZE);
	if (!is_compact || length >> 48 || o->room < off || (o->room - off) / (kind ? kind : 1) < length)
		return false;
	len = length * kind;
	if (off + len > PY_SEEN) {
		const unsigned char *p = cs_mem_view(py->mem, o->addr + off, len);

		if (!p)
			return false;
		*out = mix(length, kind);
		for (; i + 8 <= len; i += 8)
			*out = mix(*out, cs_le64(p + i));
		memcpy(&last, p + i, len - i);
	} else {
		*out = mix(length, kind);
		for (; i + 8 <= len; i += 8)
			*out = mix(*out, cs_le64(o->p + off + i));
		memcpy(&last, o->p + off + i, len - i);
	}
	*out = mix(*out, last);
	return true;
}

static uint64_t power_of_two(uint64_t least)
{
	uint64_t n = TABLE_LEAST;

	while (n < least && n >> 62 == 0)
		n *= 2;
	return n;
}

static uint64_t dict_room(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	uint64_t used = cs_le64(o->p + l->off[PY_DICT_USED]), slots;
	struct py_keys k;

	if (cs_le64(o->p + l->off[PY_DICT_VALUES]) ||
	    !py_keys_load(py, cs_le64(o->p + l->off[PY_DICT_KEYS]), &k) || k.refcnt != 1 ||
	    used > k.slots)
		return 0;
	slots = power_of_two(used * 3 / 2 + 1);
	return k.slots < slots * DICT_TIMES ? 0 : k.size - k.size / (k.slots / slots);
}

static uint64_t set_room(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	uint64_t used = py_word(py, o->addr + py_off(l, PY_SET_USED));
	uint64_t mask = py_word(py, o->addr + py_off(l, PY_SET_MASK)), slots;

	if (mask >> 48 || used > mask)
		return 0;
	slots = power_of_two(used * 5 / 3 + 1);
	return mask + 1 < slots * SET_TIMES ? 0 : (mask + 1 - slots) * 16;
}

/* Items of that size, `have` of them where `used` are wanted; an eighth and `extra` are usual. */
static uint64_t array_room(uint64_t have, uint64_t used, uint64_t size, uint64_t extra)
{
	if (have >> 48 || used > have || have <= used + used / 8 + extra)
		return 0;
	return (have - used) * size;
}

uint64_t py_spare_room(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	const char *family = o->type->family->name;
	uint64_t size = o->room >= py_off(l, PY_OB_SIZE) + 8 ? cs_le64(o->p + l->off[PY_OB_SIZE]) : 0;

	if (!strcmp(family, "list"))
		return array_room(py_word(py, o->addr + py_off(l, PY_LIST_ALLOCATED)), size, 8, LIST_EXTRA);
	if (!strcmp(family, "bytearray"))
		return array_room(py_word(py, o->addr + py_off(l, PY_BYTEARRAY_ALLOC)), size, 1,
				  BYTES_EXTRA);
	if (!strcmp(family, "dict"))
		return dict_room(py, o);
	return !strcmp(family, "set") ? set_room(py, o) : 0;
}
