/* ctypes' type information: a dict subclass (StgDict) up to 3.12, data of the
 * metatype (StgInfo) from 3.13 on. CPython Modules/_ctypes/ctypes.h, stgdict.c
 * and _ctypes.c. Both own the same three blocks. */
#include "cpython/py_families.h"
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum {
	FORMAT_MAX = 4096,
	DICT_LEN = 48, /* PyDictObject, which StgDict begins with */
	STGDICT_LEN = 192, STGDICT_AT = 48, /* the shared members begin with `size` */
	STGINFO_AT = 8,
	/* from there: */
	LENGTH = 16, ELEMENTS = 40, PROTO = 48, ARGTYPES = 80, CONVERTERS = 88, RESTYPE = 96,
	CHECKER = 104, MODULE = 112, POINTER_TYPE = 120,
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

/* Up to 3.12 the type visits its StgDict's proto; the rest is the dict's own. */
static void visit_stgdict(struct py_visitor *v, const struct py_obj *o, uint8_t hold)
{
	const struct py_layout *l = &v->py->layout;
	cs_addr dict = py_in_room(v, o, PY_TP_DICT) ? cs_le64(o->p + l->off[PY_TP_DICT]) : 0;
	uint32_t nr = py_type_at(v->py, dict ? py_word(v->py, dict + py_off(l, PY_OB_TYPE)) : 0);

	if (nr != PY_NO_TYPE && v->py->types.items[nr].family->claim == py_stgdict_claim)
		py_emit_member(v, py_word(v->py, dict + STGDICT_AT + PROTO), hold, "proto");
}

/* From 3.13 on all is the type's. */
static void visit_stginfo(struct py_visitor *v, const struct py_obj *o)
{
	static const struct {
		uint16_t off;
		const char *label;
	} members[] = { { PROTO, "proto" },	    { ARGTYPES, "argtypes" },
			{ CONVERTERS, "converters" }, { RESTYPE, "restype" },
			{ CHECKER, "checker" },	    { MODULE, "module" },
			{ POINTER_TYPE, "pointer_type" } };
	size_t count = sizeof(members) / sizeof(members[0]) - (py_minor(&v->py->layout) < 14);
	struct stg s;

	for (size_t i = 0; stg_of_type(v->py, o, &s) && i < count; i++)
		py_emit_member(v, cs_le64(s.p + members[i].off), v->strong, members[i].label);
}

void py_visit_stg(struct py_visitor *v, const struct py_obj *o)
{
	if (py_minor(&v->py->layout) < 13)
		visit_stgdict(v, o, v->strong);
	else
		visit_stginfo(v, o);
}

/* The metatypes of arrays and simple types have type's own tp_traverse up to 3.12. */
void py_visit_stg_hidden(struct py_visitor *v, const struct py_obj *o)
{
	if (py_minor(&v->py->layout) < 13)
		visit_stgdict(v, o, PY_HIDDEN);
}
