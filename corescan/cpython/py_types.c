/* A type is recognised by what the interpreter itself relies on: its own type
 * is a metatype (Py_TPFLAGS_TYPE_SUBCLASS, bit 31), it is READY (bit 12), its
 * mro is a tuple that begins with itself, basicsize is sane. tp_name, flags,
 * basicsize, base and mro have not moved from 3.6 to 3.15. */
#include "cpython/py_types.h"
#include "cpython/py_dict.h"
#include "cpython/py_family.h"

#include <stdio.h>

enum { BASICSIZE_MAX = 1 << 20, NAME_MAX_LEN = 255, BASES_MAX = 64, COLLISIONS_MAX = 8,
       BUILTINS_MAX = 4096 };

static size_t negative_slot(cs_addr addr)
{
	return (size_t)(addr * 0x9e3779b97f4a7c15ull >> 40) % PY_NEGATIVES;
}

const char *py_tp_name(struct py *py, cs_addr type)
{
	size_t len;

	return cs_mem_text(py->mem, py_word(py, type + py_off(&py->layout, PY_TP_NAME)),
			   NAME_MAX_LEN, &len);
}

/* Is addr a metatype: `type` itself or something whose flags say it makes types? */
static bool is_metatype(struct py *py, cs_addr addr)
{
	cs_addr meta;

	if (addr == py->type_type)
		return true;
	if (!addr || addr % 8)
		return false;
	meta = py_word(py, addr + py_off(&py->layout, PY_OB_TYPE));
	if (!(py_word(py, addr + py_off(&py->layout, PY_TP_FLAGS)) & PY_FLAG_TYPE))
		return false;
	/* a metatype's type is a metatype: four hops reach `type` in any real program */
	for (int hop = 0; hop < 4; hop++) {
		if (meta == py->type_type)
			return true;
		meta = py_word(py, meta + py_off(&py->layout, PY_OB_TYPE));
	}
	return false;
}

bool py_seems_object(struct py *py, cs_addr addr)
{
	cs_addr type = addr % 8 ? 0 : py_word(py, addr + py_off(&py->layout, PY_OB_TYPE));

	return type && type % 8 == 0 &&
	       is_metatype(py, py_word(py, type + py_off(&py->layout, PY_OB_TYPE)));
}

static bool looks_like_type(struct py *py, cs_addr addr, const unsigned char *p)
{
	const struct py_layout *l = &py->layout;
	uint64_t flags = cs_le64(p + l->off[PY_TP_FLAGS]);
	uint64_t basic = cs_le64(p + l->off[PY_TP_BASICSIZE]);
	uint64_t item = cs_le64(p + l->off[PY_TP_ITEMSIZE]);
	cs_addr mro = cs_le64(p + l->off[PY_TP_MRO]);
	uint64_t first;

	if (!(flags & PY_FLAG_READY) || basic < 16 || basic > BASICSIZE_MAX || item > BASICSIZE_MAX)
		return false;
	if (!is_metatype(py, cs_le64(p + l->off[PY_OB_TYPE])))
		return false;
	if (cs_mem_u64(py->mem, mro + py_off(l, PY_TUPLE_ITEM), &first))
		return first == addr;
	/* the rest must do where the file ends before the tuple */
	return mro && mro % 16 == 0 && py->model->target.truncated;
}

/* Where .rodata is nowhere, the builtins module still knows its types by name. */
static bool builtin_name(struct py *py, cs_addr type, char *out, size_t cap)
{
	const struct py_layout *l = &py->layout;
	cs_addr dict = py->interp_count ? py_word(py, py->interps[0] + py_off(l, PY_IS_BUILTINS)) : 0;
	struct py_keys k;

	if (!dict || !py_keys_load(py, py_word(py, dict + py_off(l, PY_DICT_KEYS)), &k) ||
	    k.nentries > BUILTINS_MAX)
		return false;
	for (uint64_t i = 0; i < k.nentries && !py_stops(py); i++) {
		cs_addr key, value;

		if (!py_keys_entry(py, &k, i, &key, &value))
			return false;
		if (value == type)
			return key && py_str_text(py, key, out, cap, NULL);
	}
	return false;
}

/* "module.qualname" as Python prints it; builtins bare. */
static void name_of(struct py *py, cs_addr addr, uint64_t flags, char *out, size_t cap)
{
	const struct py_layout *l = &py->layout;
	const char *tp_name = py_tp_name(py, addr);
	char module[160] = "", qualname[256] = "";

	if (flags & PY_FLAG_HEAPTYPE) {
		cs_addr dict = py_word(py, addr + py_off(l, PY_TP_DICT));
		cs_addr text = dict ? py_dict_get(py, dict, "__module__") : 0;

		if (text && !py_str_text(py, text, module, sizeof(module), NULL))
			module[0] = 0;
		text = py_word(py, addr + py_off(l, PY_HT_QUALNAME));
		if (text && !py_str_text(py, text, qualname, sizeof(qualname), NULL))
			qualname[0] = 0;
	}
	if (!qualname[0] && tp_name)
		snprintf(out, cap, "%s", strncmp(tp_name, "builtins.", 9) ? tp_name : tp_name + 9);
	else if (!qualname[0] && !builtin_name(py, addr, out, cap))
		snprintf(out, cap, "type at " CS_ADDR, addr);
	else if (!qualname[0])
		return;
	else if (!module[0] || !strcmp(module, "builtins"))
		snprintf(out, cap, "%s", qualname);
	else
		snprintf(out, cap, "%s.%s", module, qualname);
}

/* The family of the nearest base that has one: subclasses of dict are dicts. */
static const struct py_family *family_of(struct py *py, cs_addr addr)
{
	const struct py_layout *l = &py->layout;

	for (int i = 0; addr && i < BASES_MAX && (!i || py_step(py)); i++) {
		const struct py_family *f = py_family_of_type(py, addr);

		if (f)
			return f;
		addr = py_word(py, addr + py_off(l, PY_TP_BASE));
	}
	return &py_family_object;
}

static uint16_t pre_of(const struct py *py, uint64_t flags)
{
	unsigned minor = py_minor(&py->layout), pre = 0;

	if (flags & PY_FLAG_HAVE_GC)
		pre += (unsigned)py->layout.off[PY_GC_HEAD_SIZE];
	if (minor == 11 && flags & PY_FLAG_MANAGED_DICT)
		pre += 16;
	if (minor >= 12 && flags & (PY_FLAG_MANAGED_DICT | PY_FLAG_MANAGED_WEAKREF))
		pre += 16;
	return (uint16_t)pre;
}

/* Types of one name (a class made twice) share a row. */
static bool row_for(struct py *py, const char *name, uint32_t *nr)
{
	uint64_t key = cs_map_key(name);

	/* names chosen to collide get a row each */
	for (int i = 0; i < COLLISIONS_MAX && cs_map_get(&py->row_by_name, key, nr); i++, key += 2)
		if (!strcmp(py->model->types.items[*nr].name, name))
			return true;
	return cs_model_type(py->model, name, CS_KIND_PYTHON, nr, NULL) == CS_OK &&
	       cs_map_put(&py->row_by_name, key, *nr);
}

/* Objects point at their types, and a type may be met for the first time while one does:
 * types never move. What they may need at most is only reserved, not used. */
static bool room_for_types(struct py *py)
{
	if (!py->types.items) {
		py->types.items = malloc(PY_TYPES_MAX * sizeof(*py->types.items));
		py->types.cap = py->types.items ? PY_TYPES_MAX : 0;
	}
	return py->types.count < py->types.cap;
}

static uint32_t add_type(struct py *py, cs_addr addr, const unsigned char *p)
{
	const struct py_layout *l = &py->layout;
	struct py_type t = {
		.addr = addr,
		.flags = cs_le64(p + l->off[PY_TP_FLAGS]),
		.basicsize = (int64_t)cs_le64(p + l->off[PY_TP_BASICSIZE]),
		.itemsize = (int64_t)cs_le64(p + l->off[PY_TP_ITEMSIZE]),
	};
	char name[512];

	t.pre = pre_of(py, t.flags);
	t.family = family_of(py, addr);
	name_of(py, addr, t.flags, name, sizeof(name));
	py_family_prepare(py, &t);
	if (!row_for(py, name, &t.model_nr) || !room_for_types(py) ||
	    !cs_vec_push(&py->types, t) ||
	    !cs_map_put(&py->type_by_addr, addr, (uint32_t)(py->types.count - 1)))
		return PY_NO_TYPE;
	return (uint32_t)(py->types.count - 1);
}

uint32_t py_type_slow(struct py *py, cs_addr addr)
{
	size_t slot = negative_slot(addr);
	const struct cs_span *span;
	const unsigned char *p;
	uint32_t nr = PY_NO_TYPE;

	/* Type objects are bigger than pymalloc's biggest block. */
	span = cs_blocks_span(&py->model->blocks, addr);
	if (span && span->allocator == CS_ALLOC_PYMALLOC)
		return PY_NO_TYPE;
	if (py->negatives[slot] == addr)
		return PY_NO_TYPE;
	p = cs_mem_view(py->mem, addr, py_off(&py->layout, PY_TP_SIZE));
	if (p && looks_like_type(py, addr, p)) {
		if (py->reader.is) {
			py->reader.met_new_type = true;
			return PY_NO_TYPE;
		}
		nr = add_type(py, addr, p);
	}
	if (nr == PY_NO_TYPE)
		py->negatives[slot] = addr;
	return nr;
}

const struct py_type *py_type_of(struct py *py, cs_addr addr)
{
	uint32_t nr = PY_NO_TYPE;

	if (addr && addr % 8 == 0)
		nr = py_type_at(py, py_word(py, addr + py_off(&py->layout, PY_OB_TYPE)));
	return nr == PY_NO_TYPE ? NULL : &py->types.items[nr];
}

cs_addr py_type_dict(struct py *py, cs_addr type)
{
	const struct py_layout *l = &py->layout;
	cs_addr dict = py_word(py, type + py_off(l, PY_TP_DICT));
	uint64_t nr;

	if (dict || !py_has(l, PY_IS_STATIC_TYPES) || !py->interp_count)
		return dict;
	/* of a static type (3.12+) tp_subclasses is its index in the interpreter, from 1 */
	nr = py_word(py, type + py_off(l, PY_TP_SUBCLASSES));
	for (int ext = 0; nr && nr < 4096 && ext < 2; ext++) {
		enum py_field field = ext ? PY_IS_EXTENSION_TYPES : PY_IS_STATIC_TYPES;
		cs_addr state;

		if (!py_has(l, field))
			continue;
		state = py->interps[py->interp_count - 1] + py_off(l, field) +
			(nr - 1) * py_off(l, PY_STATIC_TYPE_SIZE);
		if (py_word(py, state + py_off(l, PY_STATIC_TYPE_TYPE)) == type)
			return py_word(py, state + py_off(l, PY_STATIC_TYPE_DICT));
	}
	return 0;
}
