/* CPython Objects/dictobject.c and pycore_dict.h, 3.8 to 3.14. */
#include "cpython/py_dict.h"

enum { KEYS_GENERAL, KEYS_UNICODE, KEYS_SPLIT, SLOTS_MAX_LOG2 = 40, GET_ENTRIES_MAX = 1 << 16 };

static bool keys_geometry_old(const struct py_layout *l, const unsigned char *p, struct py_keys *k)
{
	k->slots = cs_le64(p + l->off[PY_KEYS_SLOTS]);
	if (!k->slots || k->slots & (k->slots - 1) || k->slots >> SLOTS_MAX_LOG2)
		return false;

	uint64_t index = k->slots <= 0xff ? 1 : k->slots <= 0xffff ? 2 : k->slots <= 0xffffffff ? 4 : 8;

	k->entry_len = 24;
	k->usable = (k->slots << 1) / 3;
	k->entries = k->addr + py_off(l, PY_KEYS_INDICES) + index * k->slots;
	return true;
}

static bool keys_geometry(const struct py_layout *l, const unsigned char *p, struct py_keys *k)
{
	unsigned log2_size = p[l->off[PY_KEYS_LOG2_SIZE]];
	unsigned log2_index = p[l->off[PY_KEYS_LOG2_INDEX_BYTES]];
	unsigned kind = p[l->off[PY_KEYS_KIND]];

	if (log2_size > SLOTS_MAX_LOG2 || log2_index > log2_size + 3 || kind > KEYS_SPLIT ||
	    log2_index < log2_size)
		return false;
	k->slots = 1ull << log2_size;
	k->entry_len = kind == KEYS_GENERAL ? 24 : 16;
	k->usable = (k->slots << 1) / 3;
	k->is_split = kind == KEYS_SPLIT;
	k->entries = k->addr + py_off(l, PY_KEYS_INDICES) + (1ull << log2_index);
	return true;
}

bool py_keys_load(struct py *py, cs_addr addr, struct py_keys *out)
{
	const struct py_layout *l = &py->layout;
	uint64_t header = py_off(l, PY_KEYS_INDICES);
	const unsigned char *p = cs_mem_view(py->mem, addr, header);
	struct py_keys k = { .addr = addr };

	if (!p)
		return false;
	if (!(py_has(l, PY_KEYS_SLOTS) ? keys_geometry_old : keys_geometry)(l, p, &k))
		return false;
	k.refcnt = cs_le64(p + l->off[PY_KEYS_REFCNT]);
	k.nentries = cs_le64(p + l->off[PY_KEYS_NENTRIES]);
	k.room = (int64_t)cs_le64(p + l->off[PY_KEYS_USABLE]);
	k.size = k.entries - addr + k.usable * k.entry_len;
	/* The static empty table has one slot and no entry: usable may be 0. */
	if (k.nentries > k.slots || k.room < 0 || k.room > (int64_t)k.slots)
		return false;
	*out = k;
	return true;
}

bool py_keys_entry(struct py *py, const struct py_keys *k, uint64_t i, cs_addr *key, cs_addr *value)
{
	const unsigned char *p = cs_mem_view(py->mem, k->entries + i * k->entry_len, k->entry_len);

	if (!p)
		return false;
	p += k->entry_len - 16;
	*key = cs_le64(p);
	*value = cs_le64(p + 8);
	return true;
}

cs_addr py_dict_get(struct py *py, cs_addr dict, const char *key)
{
	const struct py_layout *l = &py->layout;
	size_t len = strlen(key);
	struct py_keys k;
	char text[64];
	size_t got;

	if (!py_keys_load(py, py_word(py, dict + py_off(l, PY_DICT_KEYS)), &k) ||
	    k.nentries > GET_ENTRIES_MAX || py_word(py, dict + py_off(l, PY_DICT_VALUES)))
		return 0;
	for (uint64_t i = 0; i < k.nentries; i++) {
		cs_addr entry_key, value;

		if (!py_step(py) || !py_keys_entry(py, &k, i, &entry_key, &value))
			return 0;
		if (value && entry_key &&
		    py_word(py, entry_key + py_off(l, PY_STR_LENGTH)) == len &&
		    py_str_text(py, entry_key, text, sizeof(text), &got) && got == len &&
		    !memcmp(text, key, len))
			return value;
	}
	return 0;
}

/* UTF-8 of one code point, what is none as '?'; so are lone surrogates unless they pass. */
static size_t put_utf8(uint32_t c, bool passes, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if ((c >= 0xd800 && c < 0xe000 && !passes) || c > 0x10ffff) {
		out[0] = '?';
		return 1;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

static uint32_t code_point(const unsigned char *p, unsigned kind, uint64_t i)
{
	return kind == 1 ? p[i] : kind == 2 ? cs_le16(p + i * 2) : cs_le32(p + i * 4);
}

/* Where a str's characters are, how wide, how many; false when not readable. */
static bool str_data(struct py *py, cs_addr str, cs_addr *data, unsigned *kind, uint64_t *length)
{
	const struct py_layout *l = &py->layout;
	const unsigned char *p = cs_mem_view(py->mem, str, py_off(l, PY_ASCII_SIZE));

	if (!p)
		return false;

	unsigned state = p[l->off[PY_STR_STATE]];
	bool compact = state >> 5 & 1, ascii = state >> 6 & 1;

	*kind = state >> 2 & 7;
	*length = cs_le64(p + l->off[PY_STR_LENGTH]);
	if ((*kind != 1 && *kind != 2 && *kind != 4) || *length >> 40)
		return false;
	if (!compact)
		*data = py_word(py, str + py_off(l, PY_STR_DATA));
	else
		*data = str + py_off(l, ascii ? PY_ASCII_SIZE : PY_COMPACT_SIZE);
	return *data != 0;
}

bool py_str_text(struct py *py, cs_addr str, char *out, size_t cap, size_t *len)
{
	cs_addr data;
	unsigned kind;
	uint64_t length;
	size_t at = 0;

	if (!cap || !str_data(py, str, &data, &kind, &length))
		return false;
	if (length > cap)
		length = cap;

	const unsigned char *p = cs_mem_view(py->mem, data, length * kind);

	if (!p && length)
		return false;
	for (uint64_t i = 0; i < length && at + 4 < cap; i++)
		at += put_utf8(code_point(p, kind, i), false, out + at);
	out[at] = 0;
	if (len)
		*len = at;
	return true;
}

const char *py_str_copy(struct py *py, cs_addr str, size_t cap)
{
	char text[PY_STR_MOST];
	size_t len;

	if (!py_str_text(py, str, text, cap < sizeof(text) ? cap : sizeof(text), &len))
		return NULL;
	return cs_arena_text(&py->model->strings, text, len);
}

const char *py_str_whole(struct py *py, cs_addr str, uint64_t max, size_t *len)
{
	cs_addr data;
	unsigned kind;
	uint64_t length;
	char *out;

	if (!str_data(py, str, &data, &kind, &length) || length > max)
		return NULL;

	const unsigned char *p = cs_mem_view(py->mem, data, length * kind);

	out = p || !length ? cs_arena_alloc(&py->model->strings, length * 4 + 1) : NULL;
	*len = 0;
	for (uint64_t i = 0; out && i < length; i++)
		*len += put_utf8(code_point(p, kind, i), true, out + *len);
	return out;
}
