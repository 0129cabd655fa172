#include "cpython/py_families.h"
#include "cpython/py_dict.h"
#include "cpython/py_types.h"

static uint64_t items_need(struct py *py, const struct py_obj *o)
{
	return py_default_sizeof(py, o);
}

static bool items_leaf(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size)
{
	*need = *size = py_default_sizeof(py, o);
	return true;
}

const struct py_family py_family_object = { .name = "object" };

/* Order matters only where a name and a flag could both fit: flags first. */
static const struct py_family families[] = {
	{ "int", PY_FLAG_LONG, py_int_need, py_int_sizeof, NULL, py_int_leaf, true, { PY_OB_SIZE }, 0, 0 },
	{ "str", PY_FLAG_STR, py_str_need, py_str_sizeof, py_str_claim, py_str_leaf, true,
	  { 0 }, 0, 0 },
	{ "bytes", PY_FLAG_BYTES, items_need, NULL, NULL, items_leaf, true, { 0 }, 0, 0 },
	{ "tuple", PY_FLAG_TUPLE, items_need, NULL, NULL, items_leaf, true, { 0 }, 0, 0 },
	{ "list", PY_FLAG_LIST, NULL, py_list_sizeof, py_list_claim, NULL, false,
	  { PY_LIST_ITEM, PY_LIST_ALLOCATED }, 0, 0 },
	{ "_ctypes.CType_Type", 0, items_need, py_ctype_sizeof, py_ctype_claim, NULL, true,
	  { PY_TP_FLAGS, PY_TP_DOC, PY_HT_CACHED_KEYS }, 0, 0 },
	{ "type", PY_FLAG_TYPE, items_need, py_heaptype_sizeof, py_heaptype_claim, NULL, true,
	  { PY_TP_FLAGS, PY_TP_DOC, PY_HT_CACHED_KEYS }, 0, 0 },
	{ "collections.OrderedDict", 0, NULL, py_odict_sizeof, py_odict_claim, NULL, false,
	  { 0 }, 80, 0 },
	{ "StgDict", 0, NULL, py_stgdict_sizeof, py_stgdict_claim, NULL, false,
	  { PY_DICT_KEYS, PY_DICT_VALUES, PY_DICT_USED }, 0, 0 },
	{ "dict", PY_FLAG_DICT, NULL, py_dict_sizeof, py_dict_claim, NULL, false,
	  { PY_DICT_KEYS, PY_DICT_VALUES, PY_DICT_USED }, 0, 0 },
	{ "set", 0, NULL, py_set_sizeof, py_set_claim, NULL, false, { PY_SET_MASK, PY_SET_TABLE }, 0, 0 },
	{ "frozenset", 0, NULL, py_set_sizeof, py_set_claim, NULL, false,
	  { PY_SET_MASK, PY_SET_TABLE }, 0, 0 },
	{ "bytearray", 0, NULL, py_bytearray_sizeof, py_bytearray_claim, NULL, false,
	  { PY_BYTEARRAY_ALLOC, PY_BYTEARRAY_BYTES }, 0, 0 },
	{ "collections.deque", 0, NULL, py_deque_sizeof, py_deque_claim, NULL, false,
	  { PY_OB_SIZE }, 48, 0 },
	{ "array.array", 0, NULL, py_array_sizeof, py_array_claim, NULL, false,
	  { PY_OB_SIZE }, 48, 0 },
	{ "code", 0, items_need, NULL, py_code_claim, NULL, true, { 0 }, 0, 0 },
	{ "frame", 0, py_frame_need, py_frame_sizeof, NULL, NULL, true,
	  { PY_FRAME_CODE, PY_FRAME_FRAME }, 0, 0 },
	{ "generator", 0, py_gen_need, py_gen_sizeof, NULL, NULL, true, { 0 }, 0, 0 },
	{ "coroutine", 0, py_gen_need, py_gen_sizeof, NULL, NULL, true, { 0 }, 0, 0 },
	{ "async_generator", 0, py_gen_need, py_gen_sizeof, NULL, NULL, true, { 0 }, 0, 0 },
	{ "module", 0, NULL, NULL, py_module_claim, NULL, false, { PY_MODULE_STATE }, 0, 0 },
	{ "_io.BufferedReader", 0, NULL, py_buffered_sizeof, py_buffered_claim, NULL, false,
	  { 0 }, 0, 0 },
	{ "_io.BufferedWriter", 0, NULL, py_buffered_sizeof, py_buffered_claim, NULL, false,
	  { 0 }, 0, 0 },
	{ "_io.BufferedRandom", 0, NULL, py_buffered_sizeof, py_buffered_claim, NULL, false,
	  { 0 }, 0, 0 },
	{ "_io.BytesIO", 0, NULL, py_bytesio_sizeof, NULL, NULL, false, { 0 }, 0, 0 },
	{ "_io.StringIO", 0, NULL, NULL, py_first_pointer_claim, NULL, false, { 0 }, 0, 0 },
	{ "_thread.lock", 0, NULL, NULL, py_first_pointer_claim, NULL, false, { 0 }, 0, 0 },
	{ "_thread.RLock", 0, NULL, NULL, py_first_pointer_claim, NULL, false, { 0 }, 0, 0 },
	{ "Struct", 0, NULL, py_struct_sizeof, py_struct_claim, NULL, false, { 0 }, 0, 0 },
	{ "_struct.Struct", 0, NULL, py_struct_sizeof, py_struct_claim, NULL, false, { 0 }, 0, 0 },
	{ "numpy.ndarray", 0, NULL, py_ndarray_sizeof, py_ndarray_claim, NULL, false, { 0 }, 0, 0 },
	{ "xml.etree.ElementTree.Element", 0, NULL, py_element_sizeof, py_element_claim, NULL, false,
	  { 0 }, 0, 0 },
	{ "datetime.time", 0, py_time_need, NULL, NULL, NULL, false, { 0 }, 32, 8 },
	{ "datetime.datetime", 0, py_time_need, NULL, NULL, NULL, false, { 0 }, 40, 8 },
	{ "_asyncio.Task", 0, NULL, NULL, py_task_claim, NULL, false,
	  { PY_TASK_NAME, PY_TASK_CORO, PY_TASK_STATE }, 0, 0 },
	{ "object", 0, NULL, NULL, NULL, NULL, false, { 0 }, 0, 0 },
};

/* A Python-level class has its name's text from ht_name; a C type from a literal
 * or a copy of its own. Only C types begin a family. */
bool py_is_python_class(struct py *py, cs_addr type)
{
	const struct py_layout *l = &py->layout;
	uint64_t flags = py_word(py, type + py_off(l, PY_TP_FLAGS));
	cs_addr name = py_word(py, type + py_off(l, PY_HT_NAME));
	cs_addr text = py_word(py, type + py_off(l, PY_TP_NAME));

	return flags & PY_FLAG_HEAPTYPE && name &&
	       (text == name + py_off(l, PY_ASCII_SIZE) ||
		text == py_word(py, name + py_off(l, PY_STR_UTF8)));
}

const struct py_family *py_family_of_type(struct py *py, cs_addr type)
{
	const struct py_layout *l = &py->layout;
	uint64_t flags = py_word(py, type + py_off(l, PY_TP_FLAGS));
	cs_addr base = py_word(py, type + py_off(l, PY_TP_BASE));
	uint64_t base_flags = base ? py_word(py, base + py_off(l, PY_TP_FLAGS)) : 0;
	const char *name = py_is_python_class(py, type) ? NULL : py_tp_name(py, type);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct py_family *f = &families[i];

		/* A flag is inherited: the type that has it first is the family's own. */
		if (f->flag && flags & f->flag && !(base_flags & f->flag))
			return f;
		if (name && !strcmp(name, f->name))
			return f;
	}
	return NULL;
}

uint64_t py_default_sizeof(struct py *py, const struct py_obj *o)
{
	const struct py_type *t = o->type;
	uint64_t size = (uint64_t)t->basicsize, items;
	int64_t n;

	if (!t->itemsize)
		return size;
	if (o->room < py_off(&py->layout, PY_OB_SIZE) + 8)
		return 0;
	n = (int64_t)cs_le64(o->p + py->layout.off[PY_OB_SIZE]);
	if (n == INT64_MIN || !cs_mul((uint64_t)(n < 0 ? -n : n), (uint64_t)t->itemsize, &items) ||
	    !cs_add(size, items, &size))
		return 0;
	return size;
}

static uint64_t reach_of(const struct py_layout *l, const struct py_family *f)
{
	uint64_t reach = f->reads_bytes;

	for (size_t i = 0; i < sizeof(f->reads) / sizeof(f->reads[0]) && f->reads[i]; i++)
		if (py_has(l, f->reads[i]) && py_off(l, f->reads[i]) + 8 > reach)
			reach = py_off(l, f->reads[i]) + 8;
	return reach;
}

void py_family_prepare(struct py *py, struct py_type *type)
{
	const struct py_family *f = type->family;

	if ((uint64_t)type->basicsize < reach_of(&py->layout, f))
		f = type->family = &py_family_object;

	bool has_values = (type->flags & PY_FLAG_MANAGED_DICT && py_minor(&py->layout) <= 12) ||
			  type->flags & PY_FLAG_INLINE_VALUES;

	type->is_fixed = !f->need && !type->itemsize && !has_values;
	type->is_leaf = type->is_fixed && !f->claim && !f->sizeof_;
	/* a compact str ends before PyUnicodeObject does */
	type->least = (uint32_t)(type->flags & PY_FLAG_STR ? py_off(&py->layout, PY_ASCII_SIZE) :
							     (uint64_t)type->basicsize - f->tail);
	type->need = (uint32_t)type->basicsize;
}

uint64_t py_getsizeof(struct py *py, const struct py_obj *o)
{
	const struct py_family *f = o->type->family;
	uint64_t size = f->sizeof_ ? f->sizeof_(py, o) : py_default_sizeof(py, o);

	return size + o->type->pre;
}

/* With the debug allocator a big block has two headers: pymalloc's debug layer
 * got it from the raw domain, which has one too. */
bool py_block_at(struct py *py, cs_addr addr, struct cs_block *out)
{
	if (cs_blocks_at(&py->model->blocks, addr - py->skew, out))
		return true;
	return py->skew && cs_blocks_at(&py->model->blocks, addr - 2 * py->skew, out);
}

bool py_claim(struct py *py, const struct py_obj *o, cs_addr addr)
{
	struct cs_model *m = py->model;
	struct cs_type *row = &m->types.items[o->type->model_nr];
	struct cs_block block;

	if (py->claimed)
		return py->claimed(py->claimed_ctx, addr);
	if (py->hunted) {
		/* looking for one block's owner: nothing is claimed again. Saying yes
		 * lets walks over an object's own lists go on. */
		if (addr == py->hunted)
			py->hunter = o->addr;
		return addr != 0;
	}
	if (!addr || !py_block_at(py, addr, &block) || block.state != CS_BLOCK_USED)
		return false;
	cs_block_set(&m->blocks, &block, CS_BLOCK_OWNED);
	row->bytes += block.len;
	return true;
}
