/* ctypes' type information: a dict subclass (StgDict) up to 3.12, data of the
 * metatype (StgInfo) from 3.13 on. CPython Modules/_ctypes/ctypes.h, stgdict.c
 * and _ctypes.c. Both own the same three blocks. */
#include "cpython/py_families.h"

enum {
	FORMAT_MAX = 4096,
	DICT_LEN = 48, /* PyDictObject, which StgDict begins with */
	STGDICT_LEN = 192, STGDICT_AT = 48, /* the shared members begin with `size` */
	STGINFO_AT = 8,
	/* from there: */
	LENGTH = 16, ELEMENTS = 40,
	/* StgDict; StgInfo of 3.13 and 3.14 (which has pointer_type and dict_final more) */
	DICT_FORMAT = 120, INFO_FORMAT_313 = 128, INFO_FORMAT_314 = 136,
	NDIM = 8, SHAPE = 16, /* from format */
};

/* The members from `size` on, and where `format` is among them. */
struct stg {
	const unsigned char *p;
	unsigned format;
};

static bool stg_of_dict(const struct py_obj *o, struct stg *out)
{
	if (o->room < STGDICT_LEN)
		return false;
	*out = (struct stg){ o->p + STGDICT_AT, DICT_FORMAT };
	return true;
}

/* PyObject_GetTypeData: behind the heap type struct, aligned to 16. */
static bool stg_of_type(struct py *py, const struct py_obj *o, struct stg *out)
{
	uint64_t at = cs_align_up(py_off(&py->layout, PY_HT_SIZE), 16);
	unsigned format = py_minor(&py->layout) >= 14 ? INFO_FORMAT_314 : INFO_FORMAT_313;

	if (o->room < at + STGINFO_AT + format + SHAPE + 8 || !cs_le32(o->p + at))
		return false; /* too short, or not initialized */
	*out = (struct stg){ o->p + at + STGINFO_AT, format };
	return true;
}

/* What the *_sizeof functions of both generations add up. */
static uint64_t stg_size(struct py *py, const struct stg *s)
{
	cs_addr format = cs_le64(s->p + s->format);
	uint64_t size = 8 * (uint64_t)cs_le32(s->p + s->format + NDIM);
	size_t len;

	if (format && cs_mem_text(py->mem, format, FORMAT_MAX, &len))
		size += len + 1;
	if (cs_le64(s->p + ELEMENTS))
		size += 8 * (cs_le64(s->p + LENGTH) + 1);
	return size;
}

static void stg_claim(struct py *py, const struct py_obj *o, const struct stg *s)
{
	py_claim(py, o, cs_le64(s->p + ELEMENTS));
	py_claim(py, o, cs_le64(s->p + s->format));
	py_claim(py, o, cs_le64(s->p + s->format + SHAPE));
}

/* PyCStgDict_sizeof counts the members behind the dict twice; so do we. */
uint64_t py_stgdict_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = py_dict_sizeof(py, o);
	struct stg s;

	return stg_of_dict(o, &s) ? size + STGDICT_LEN - DICT_LEN + stg_size(py, &s) : size;
}

void py_stgdict_claim(struct py *py, const struct py_obj *o)
{
	struct stg s;

	py_dict_claim(py, o);
	if (stg_of_dict(o, &s))
		stg_claim(py, o, &s);
}

/* _ctypes.CType_Type.__sizeof__: the metatype's basicsize, no shared keys. */
uint64_t py_ctype_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = (uint64_t)o->type->basicsize;
	struct stg s;

	return stg_of_type(py, o, &s) ? size + stg_size(py, &s) : size;
}

void py_ctype_claim(struct py *py, const struct py_obj *o)
{
	struct stg s;

	py_heaptype_claim(py, o);
	if (stg_of_type(py, o, &s))
		stg_claim(py, o, &s);
}
