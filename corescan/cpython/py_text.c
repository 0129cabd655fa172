/* int, str, bytes, bytearray: CPython Objects/longobject.c, unicodeobject.c,
 * bytesobject.c, bytearrayobject.c, 3.8 to 3.14. */
#include "cpython/py_families.h"

enum {
	DIGIT = 4,
	/* PyASCIIObject.state: kind in bits 2-4, compact 5, ascii 6 */
	STATE_SHAPE = 0x7c, STATE_COMPACT_ASCII = 1 << 2 | 1 << 5 | 1 << 6,
};

static uint64_t digits(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	int64_t n;

	if (py_has(l, PY_LONG_TAG))
		return cs_le64(o->p + l->off[PY_LONG_TAG]) >> 3;
	n = (int64_t)cs_le64(o->p + l->off[PY_OB_SIZE]);
	return n == INT64_MIN ? UINT64_MAX >> 8 : (uint64_t)(n < 0 ? -n : n);
}

static uint64_t int_size(const struct py_obj *o, uint64_t n)
{
	if (n > UINT32_MAX)
		return 0;
	/* a subclass adds its own members: basicsize covers the int it begins with */
	return (uint64_t)o->type->basicsize + n * DIGIT;
}

uint64_t py_int_need(struct py *py, const struct py_obj *o)
{
	return int_size(o, digits(py, o));
}

/* long___sizeof___impl: up to 3.11 a subclass' own members do not count; from
 * 3.11 on one digit counts even for 0. */
uint64_t py_int_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t n = digits(py, o);

	if (!n && py_minor(&py->layout) >= 11)
		n = 1;
	if (py_minor(&py->layout) >= 12)
		return int_size(o, n);
	return n > UINT32_MAX ? 0 : py_off(&py->layout, PY_LONG_DIGIT) + n * DIGIT;
}

bool py_int_leaf(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size)
{
	*need = py_int_need(py, o);
	*size = py_int_sizeof(py, o);
	return true;
}

/* A compact ASCII str is one block unless it has a wchar_t copy (up to 3.11). */
bool py_str_leaf(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size)
{
	const struct py_layout *l = &py->layout;
	uint64_t length = cs_le64(o->p + l->off[PY_STR_LENGTH]);

	if ((o->p[l->off[PY_STR_STATE]] & STATE_SHAPE) != STATE_COMPACT_ASCII || length >> 48 ||
	    (py_has(l, PY_STR_WSTR) && cs_le64(o->p + l->off[PY_STR_WSTR])))
		return false;
	*need = *size = py_off(l, PY_ASCII_SIZE) + length + 1;
	return true;
}

struct str_shape {
	uint64_t length;
	unsigned kind;
	bool is_compact, is_ascii;
};

static bool str_shape(struct py *py, const struct py_obj *o, struct str_shape *s)
{
	const struct py_layout *l = &py->layout;
	unsigned state = o->p[l->off[PY_STR_STATE]];

	s->length = cs_le64(o->p + l->off[PY_STR_LENGTH]);
	s->kind = state >> 2 & 7;
	s->is_compact = state >> 5 & 1;
	s->is_ascii = state >> 6 & 1;
	return s->length >> 48 == 0 && (s->kind == 1 || s->kind == 2 || s->kind == 4 ||
					(s->kind == 0 && py_has(l, PY_STR_WSTR)));
}

uint64_t py_str_need(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	struct str_shape s;

	if (!str_shape(py, o, &s))
		return 0;
	if (s.is_compact && s.is_ascii)
		return s.kind == 1 ? py_off(l, PY_ASCII_SIZE) + s.length + 1 : 0;
	if (s.is_compact)
		return py_off(l, PY_COMPACT_SIZE) + (s.length + 1) * s.kind;
	return (uint64_t)o->type->basicsize;
}

static cs_addr str_word(struct py *py, const struct py_obj *o, enum py_field field)
{
	uint64_t off = py_off(&py->layout, field);

	return py_has(&py->layout, field) && off + 8 <= o->room ? cs_le64(o->p + off) : 0;
}

/* The blocks besides the object: character data, wstr, utf8; 0 where shared. */
struct str_blocks {
	cs_addr data, wstr, utf8;
};

static struct str_blocks str_blocks(struct py *py, const struct py_obj *o, const struct str_shape *s)
{
	struct str_blocks b = { 0, 0, 0 };
	cs_addr own = o->addr + py_off(&py->layout, PY_COMPACT_SIZE);
	cs_addr data = s->is_compact ? own : str_word(py, o, PY_STR_DATA);

	if (s->is_compact && s->is_ascii) {
		data = o->addr + py_off(&py->layout, PY_ASCII_SIZE);
		b.wstr = str_word(py, o, PY_STR_WSTR);
	} else {
		b.wstr = str_word(py, o, PY_STR_WSTR);
		b.utf8 = str_word(py, o, PY_STR_UTF8);
	}
	if (!s->is_compact)
		b.data = data;
	if (b.utf8 == data)
		b.utf8 = 0;
	if (b.wstr == data)
		b.wstr = 0;
	return b;
}

uint64_t py_str_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	struct str_shape s;

	if (!str_shape(py, o, &s))
		return 0;

	struct str_blocks b = str_blocks(py, o, &s);
	uint64_t size = py_str_need(py, o);

	if (!s.is_compact)
		size = py_off(l, PY_STR_SIZE) + (b.data ? (s.length + 1) * s.kind : 0);
	if (b.wstr) {
		uint64_t n = s.is_compact && s.is_ascii ? s.length : str_word(py, o, PY_STR_WSTR_LENGTH);

		size += (n + 1) * 4;
	}
	if (b.utf8)
		size += str_word(py, o, PY_STR_UTF8_LENGTH) + 1;
	return size;
}

void py_str_claim(struct py *py, const struct py_obj *o)
{
	struct str_shape s;

	if (!str_shape(py, o, &s))
		return;

	struct str_blocks b = str_blocks(py, o, &s);

	py_claim(py, o, b.data);
	py_claim(py, o, b.wstr);
	py_claim(py, o, b.utf8);
}

uint64_t py_bytearray_sizeof(struct py *py, const struct py_obj *o)
{
	return (uint64_t)o->type->basicsize + cs_le64(o->p + py->layout.off[PY_BYTEARRAY_ALLOC]);
}

void py_bytearray_claim(struct py *py, const struct py_obj *o)
{
	py_claim(py, o, cs_le64(o->p + py->layout.off[PY_BYTEARRAY_BYTES]));
}
