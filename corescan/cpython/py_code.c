/* code, frames, generators, types, modules: CPython Objects/codeobject.c,
 * frameobject.c, genobject.c, typeobject.c, moduleobject.c, 3.8 to 3.14. */
#include "cpython/py_dict.h"
#include "cpython/py_families.h"

enum { SLOTS_MAX = 1 << 24, STACKREF_TAGS = 3 };

void py_code_claim(struct py *py, const struct py_obj *o)
{
	static const enum py_field fields[] = {
		PY_CODE_EXTRA,	   PY_CODE_CELL2ARG, PY_CODE_OPCACHE_MAP, PY_CODE_OPCACHE,
		PY_CODE_LINEARRAY, PY_CODE_CACHED,   PY_CODE_EXECUTORS,	  PY_CODE_MONITORING,
	};

	/* without memory one is not told */
	if (!py->hunted && !py->claimed)
		cs_ignore(cs_vec_push(&py->codes, o->addr) ? CS_OK : CS_NOMEM, "a name less");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (py_has(&py->layout, fields[i]) && py_off(&py->layout, fields[i]) + 8 <= o->room)
			py_claim(py, o, cs_le64(o->p + py->layout.off[fields[i]]));
}

static uint64_t tuple_len(struct py *py, cs_addr tuple)
{
	uint64_t n = tuple ? py_word(py, tuple + py_off(&py->layout, PY_OB_SIZE)) : 0;

	return n < SLOTS_MAX ? n : 0;
}

/* Locals, cells, free variables and stack of a code object. */
static uint64_t frame_slots(struct py *py, cs_addr code)
{
	const struct py_layout *l = &py->layout;
	uint32_t locals = 0, stack = 0;

	code &= ~(cs_addr)STACKREF_TAGS; /* 3.14: a tagged reference */
	if (!code || !cs_mem_u32(py->mem, code + py_off(l, PY_CODE_STACKSIZE), &stack))
		return 0;
	if (py_has(l, PY_CODE_NLOCALSPLUS)) {
		if (!cs_mem_u32(py->mem, code + py_off(l, PY_CODE_NLOCALSPLUS), &locals))
			return 0;
		return (uint64_t)locals + stack;
	}
	if (!cs_mem_u32(py->mem, code + py_off(l, PY_CODE_NLOCALS), &locals))
		return 0;
	return (uint64_t)locals + stack +
	       tuple_len(py, py_word(py, code + py_off(l, PY_CODE_CELLVARS))) +
	       tuple_len(py, py_word(py, code + py_off(l, PY_CODE_FREEVARS)));
}

/* 3.8-3.10: ob_size slots behind the struct. 3.11+: the word there is f_back. */
uint64_t py_frame_need(struct py *py, const struct py_obj *o)
{
	return py_has(&py->layout, PY_FRAME_LOCALSPLUS) ? py_default_sizeof(py, o) :
							  (uint64_t)o->type->basicsize;
}

uint64_t py_frame_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;

	if (py_has(l, PY_FRAME_LOCALSPLUS)) {
		uint64_t slots = frame_slots(py, cs_le64(o->p + l->off[PY_FRAME_CODE]));

		return py_off(l, PY_FRAME_LOCALSPLUS) + 8 * slots;
	}

	cs_addr frame = cs_le64(o->p + l->off[PY_FRAME_FRAME]);
	cs_addr code = frame ? py_word(py, frame + py_off(l, PY_IFRAME_CODE)) : 0;

	return py_off(l, PY_FRAME_DATA) + py_off(l, PY_IFRAME_LOCALSPLUS) + 8 * frame_slots(py, code);
}

uint64_t py_gen_need(struct py *py, const struct py_obj *o)
{
	(void)py;
	return (uint64_t)o->type->basicsize;
}

/* 3.11+: the frame is part of the object. */
uint64_t py_gen_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;

	if (!py_has(l, PY_GEN_IFRAME) ||
	    o->room < py_off(l, PY_GEN_IFRAME) + py_off(l, PY_IFRAME_CODE) + 8)
		return (uint64_t)o->type->basicsize;

	cs_addr code = py_has(l, PY_GEN_CODE) ?
			       cs_le64(o->p + l->off[PY_GEN_CODE]) :
			       cs_le64(o->p + l->off[PY_GEN_IFRAME] + l->off[PY_IFRAME_CODE]);

	return py_off(l, PY_GEN_IFRAME) + py_off(l, PY_IFRAME_LOCALSPLUS) + 8 * frame_slots(py, code);
}

/* type___sizeof___impl: the heap type struct and its shared keys; neither a
 * metaclass' own members nor the slots' descriptors. */
uint64_t py_heaptype_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;
	uint64_t size = py_off(l, PY_HT_SIZE);
	struct py_keys k;

	if (!(cs_le64(o->p + l->off[PY_TP_FLAGS]) & PY_FLAG_HEAPTYPE))
		return py_off(l, PY_TP_SIZE);
	if (py_keys_load(py, cs_le64(o->p + l->off[PY_HT_CACHED_KEYS]), &k))
		size += k.size;
	return size;
}

void py_heaptype_claim(struct py *py, const struct py_obj *o)
{
	const struct py_layout *l = &py->layout;

	if (!(cs_le64(o->p + l->off[PY_TP_FLAGS]) & PY_FLAG_HEAPTYPE))
		return;
	py_claim(py, o, cs_le64(o->p + l->off[PY_HT_CACHED_KEYS]));
	py_claim(py, o, cs_le64(o->p + l->off[PY_TP_DOC]));
	if (py_has(l, PY_HT_TPNAME) && py_off(l, PY_HT_TPNAME) + 8 <= o->room)
		py_claim(py, o, cs_le64(o->p + l->off[PY_HT_TPNAME]));
}

void py_module_claim(struct py *py, const struct py_obj *o)
{
	py_claim(py, o, cs_le64(o->p + py->layout.off[PY_MODULE_STATE]));
}
