/* Types of extension modules that own memory. Their structs are in modules
 * whose debug data is rarely at hand; the offsets are from the sources named. */
#include "cpython/py_families.h"
#include "cpython/py_types.h"

enum {
	BASES_MAX = 64,
	HAS_TZINFO = 24, TZINFO = 8, /* _PyTZINFO_HEAD, and its size at the struct's end */
	FIRST = 16, /* first member after the object header */
	/* buffered, Modules/_io/bufferedio.c 3.8-3.14 */
	BUFFERED_BUFFER = 56, BUFFERED_LOCK = 104, BUFFERED_SIZE = 120,
	/* bytesio, Modules/_io/bytesio.c */
	BYTESIO_BUF = 16,
	/* PyStructObject and formatcode, Modules/_struct.c */
	STRUCT_CODES = 32, FORMATCODE = 32, FORMATCODES_MAX = 1 << 16,
	/* PyArrayObject_fields, numpy/core/include/numpy/ndarraytypes.h 1.x and 2.x */
	ARRAY_DATA = 16, ARRAY_NDIM = 24, ARRAY_DIMS = 32, ARRAY_FLAGS = 64, ARRAY_OWNDATA = 4,
	ARRAY_NDIM_MAX = 64, ARRAY_DESCR = 56, ARRAY_LEN_OLD = 80,
	DESCR_LEN = 48, DESCR_ELSIZE_1 = 32, DESCR_ALIGNMENT_1 = 36, DESCR_ELSIZE_2 = 40,
	/* ElementObject and its extra, Modules/_elementtree.c */
	ELEMENT_EXTRA = 40, EXTRA_SIZE = 64, EXTRA_ALLOCATED = 16, EXTRA_CHILDREN = 24,
	EXTRA_STATIC = 32,
};

/* tp_basicsize of the base of that name; 0 when there is none. */
static uint64_t base_size(struct py *py, const struct py_type *type, const char *name)
{
	cs_addr at = type->addr;

	for (int i = 0; at && i < BASES_MAX && (!i || py_step(py)); i++) {
		const char *have = py_tp_name(py, at);

		if (have && !strcmp(have, name))
			return py_word(py, at + py_off(&py->layout, PY_TP_BASICSIZE));
		at = py_word(py, at + py_off(&py->layout, PY_TP_BASE));
	}
	return 0;
}

static bool reaches(const struct py_obj *o, uint64_t off)
{
	return o->room >= off + 8;
}

uint64_t py_buffered_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = py_default_sizeof(py, o);

	if (reaches(o, BUFFERED_SIZE) && cs_le64(o->p + BUFFERED_BUFFER))
		size += cs_le64(o->p + BUFFERED_SIZE);
	return size;
}

void py_buffered_claim(struct py *py, const struct py_obj *o)
{
	if (!reaches(o, BUFFERED_SIZE))
		return;
	py_claim(py, o, cs_le64(o->p + BUFFERED_BUFFER));
	py_claim(py, o, cs_le64(o->p + BUFFERED_LOCK));
}

/* bytesio_sizeof adds its bytes object while nobody else holds it. */
uint64_t py_bytesio_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = py_default_sizeof(py, o);
	cs_addr buf = reaches(o, BYTESIO_BUF) ? cs_le64(o->p + BYTESIO_BUF) : 0;
	uint64_t refcnt, length;

	if (buf && cs_mem_u64(py->mem, buf, &refcnt) && (refcnt & UINT32_MAX) == 1 &&
	    cs_mem_u64(py->mem, buf + py_off(&py->layout, PY_OB_SIZE), &length))
		size += py_off(&py->layout, PY_BYTES_SVAL) + 1 + length;
	return size;
}

/* StringIO.buf, lock.lock_lock: the first member owns a block. */
void py_first_pointer_claim(struct py *py, const struct py_obj *o)
{
	if (reaches(o, FIRST))
		py_claim(py, o, cs_le64(o->p + FIRST));
}

uint64_t py_struct_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = py_default_sizeof(py, o);
	cs_addr code = reaches(o, STRUCT_CODES) ? cs_le64(o->p + STRUCT_CODES) : 0;

	if (!code)
		return size;
	size += FORMATCODE; /* the terminator */
	for (int i = 0; i < FORMATCODES_MAX && py_word(py, code) && (!i || py_step(py));
	     i++, code += FORMATCODE)
		size += FORMATCODE;
	return size;
}

void py_struct_claim(struct py *py, const struct py_obj *o)
{
	if (reaches(o, STRUCT_CODES))
		py_claim(py, o, cs_le64(o->p + STRUCT_CODES));
}

/* Bytes of one element: descr->elsize moved between numpy 1 (int at 32, then
 * alignment) and 2 (64-bit flags at 32, elsize at 40). */
static uint64_t element_size(struct py *py, cs_addr descr)
{
	const unsigned char *p = descr ? cs_mem_view(py->mem, descr, DESCR_LEN) : NULL;

	if (!p)
		return 0;
	return cs_le32(p + DESCR_ALIGNMENT_1) ? cs_le32(p + DESCR_ELSIZE_1) : cs_le64(p + DESCR_ELSIZE_2);
}

/* array_sizeof (numpy/core/src/multiarray/methods.c): before mem_handler came
 * (1.22) a subclass' own members did not count. */
uint64_t py_ndarray_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = (uint64_t)o->type->basicsize, ndim, data;
	const unsigned char *dims;

	if (!reaches(o, ARRAY_FLAGS))
		return size;
	if (base_size(py, o->type, "numpy.ndarray") == ARRAY_LEN_OLD)
		size = ARRAY_LEN_OLD;
	ndim = cs_le32(o->p + ARRAY_NDIM);
	if (ndim > ARRAY_NDIM_MAX)
		return size;
	dims = cs_mem_view(py->mem, cs_le64(o->p + ARRAY_DIMS), ndim * 8);
	if (cs_le32(o->p + ARRAY_FLAGS) & ARRAY_OWNDATA && (dims || !ndim)) {
		data = element_size(py, cs_le64(o->p + ARRAY_DESCR));
		for (uint64_t i = 0; i < ndim; i++)
			if (!cs_mul(data, cs_le64(dims + i * 8), &data))
				return size;
		size += data;
	}
	return size + ndim * 16;
}

/* time_alloc(), datetime_alloc() (Modules/_datetimemodule.c): without a tzinfo the struct ends
 * before it, but for subclasses. */
uint64_t py_time_need(struct py *py, const struct py_obj *o)
{
	uint64_t size = (uint64_t)o->type->basicsize;

	return py_is_python_class(py, o->type->addr) || o->p[HAS_TZINFO] ? size : size - TZINFO;
}

/* An array that owns its data is the data's only owner; a view is not. */
void py_ndarray_claim(struct py *py, const struct py_obj *o)
{
	if (!reaches(o, ARRAY_FLAGS))
		return;
	if (cs_le32(o->p + ARRAY_FLAGS) & ARRAY_OWNDATA)
		py_claim(py, o, cs_le64(o->p + ARRAY_DATA));
	if (cs_le32(o->p + ARRAY_NDIM) <= ARRAY_NDIM_MAX)
		py_claim(py, o, cs_le64(o->p + ARRAY_DIMS));
}

uint64_t py_element_sizeof(struct py *py, const struct py_obj *o)
{
	uint64_t size = py_default_sizeof(py, o);
	cs_addr extra = reaches(o, ELEMENT_EXTRA) ? cs_le64(o->p + ELEMENT_EXTRA) : 0;

	if (!extra)
		return size;
	size += EXTRA_SIZE;
	if (py_word(py, extra + EXTRA_CHILDREN) != extra + EXTRA_STATIC)
		size += 8 * py_word(py, extra + EXTRA_ALLOCATED);
	return size;
}

void py_element_claim(struct py *py, const struct py_obj *o)
{
	cs_addr extra = reaches(o, ELEMENT_EXTRA) ? cs_le64(o->p + ELEMENT_EXTRA) : 0;

	if (!extra)
		return;
	py_claim(py, o, extra);
	py_claim(py, o, py_word(py, extra + EXTRA_CHILDREN));
}
