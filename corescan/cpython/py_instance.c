/* Where instances keep attributes: CPython Objects/dictobject.c and typeobject.c.
 *   to 3.10  a dict at tp_dictoffset; its values may be apart from shared keys
 *   3.11     32 bytes in front a pointer to values, 24 in front one to a dict
 *   3.12     one word 24 in front: values when odd (less one), else a dict
 *   3.13+    24 in front a dict; without one values behind the object's basicsize,
 *            when their byte `valid` is set
 * Values go by the keys of the type (ht_cached_keys). */
#include "cpython/py_instance.h"
#include "cpython/py_dict.h"
#include "cpython/py_types.h"

enum {
	DICT_BEFORE = 24, VALUES_BEFORE = 32, /* of an instance, 3.11+ */
	NAME_CAP = 64,
	DIGIT_BITS = 30, DIGITS_MAX = 3
};

static bool is_named(struct py *py, cs_addr key, const char *name)
{
	char text[NAME_CAP];
	size_t len = strlen(name), got;

	return py_word(py, key + py_off(&py->layout, PY_STR_LENGTH)) == len &&
	       py_str_text(py, key, text, sizeof(text), &got) && got == len &&
	       !memcmp(text, name, len);
}

/* The value of a name in values (an array of pointers) that go by shared keys. */
static cs_addr split_get(struct py *py, cs_addr keys, cs_addr values, const char *name)
{
	struct py_keys k;

	if (!values || !py_keys_load(py, keys, &k))
		return 0;
	for (uint64_t i = 0; i < k.nentries && py_step(py); i++) {
		cs_addr key, ignored;

		if (!py_keys_entry(py, &k, i, &key, &ignored))
			return 0;
		if (key && is_named(py, key, name))
			return py_word(py, values + i * 8);
	}
	return 0;
}

/* A dict's values array, as an array of pointers. */
static cs_addr first_value(struct py *py, cs_addr values)
{
	const struct py_layout *l = &py->layout;

	return py_has(l, PY_VALUES_VALUES) ? values + py_off(l, PY_VALUES_VALUES) : values;
}

static cs_addr dict_get(struct py *py, cs_addr dict, const char *name)
{
	const struct py_layout *l = &py->layout;
	cs_addr values = py_word(py, dict + py_off(l, PY_DICT_VALUES));

	if (!values)
		return py_dict_get(py, dict, name);
	return split_get(py, py_word(py, dict + py_off(l, PY_DICT_KEYS)), first_value(py, values),
			 name);
}

/* The values of an instance that has no dict yet; 0: none. */
static cs_addr own_values(struct py *py, cs_addr instance, const struct py_type *type)
{
	const struct py_layout *l = &py->layout;
	cs_addr at = instance + (uint64_t)type->basicsize;
	const unsigned char *p;

	if (py_has(l, PY_VALUES_VALID)) {
		if (!(type->flags & PY_FLAG_INLINE_VALUES))
			return 0;
		p = cs_mem_view(py->mem, at, py_off(l, PY_VALUES_VALUES));
		return p && p[l->off[PY_VALUES_VALID]] ? at + py_off(l, PY_VALUES_VALUES) : 0;
	}
	if (py_minor(l) == 11)
		return py_word(py, instance - VALUES_BEFORE);

	cs_addr word = py_word(py, instance - DICT_BEFORE);

	return word & 1 ? word + 1 : 0;
}

cs_addr py_instance_get(struct py *py, cs_addr instance, const char *name)
{
	const struct py_layout *l = &py->layout;
	uint32_t nr = instance % 8 ? PY_NO_TYPE :
				     py_type_at(py, py_word(py, instance + py_off(l, PY_OB_TYPE)));
	const struct py_type *type;
	cs_addr values, dict;
	int64_t off;

	if (nr == PY_NO_TYPE)
		return 0;
	type = &py->types.items[nr];
	if (type->flags & PY_FLAG_MANAGED_DICT) {
		values = own_values(py, instance, type);
		dict = py_word(py, instance - DICT_BEFORE);
		if (!values)
			return dict ? dict_get(py, dict & ~(cs_addr)1, name) : 0;
		return split_get(py, py_word(py, type->addr + py_off(l, PY_HT_CACHED_KEYS)),
				 values, name);
	}
	off = (int64_t)py_word(py, type->addr + py_off(l, PY_TP_DICTOFFSET));
	dict = off > 0 && off < type->basicsize ? py_word(py, instance + (uint64_t)off) : 0;
	return dict ? dict_get(py, dict, name) : 0;
}

cs_addr py_module_global(struct py *py, cs_addr interp, const char *module, const char *name)
{
	const struct py_layout *l = &py->layout;
	cs_addr modules = py_word(py, interp + py_off(l, PY_IS_MODULES));
	cs_addr found = modules ? py_dict_get(py, modules, module) : 0;
	cs_addr dict = found ? py_word(py, found + py_off(l, PY_MODULE_DICT)) : 0;

	return dict ? py_dict_get(py, dict, name) : 0;
}

bool py_int_value(struct py *py, cs_addr addr, uint64_t *out)
{
	const struct py_layout *l = &py->layout;
	uint32_t nr = addr % 8 ? PY_NO_TYPE :
				 py_type_at(py, py_word(py, addr + py_off(l, PY_OB_TYPE)));
	uint64_t n, value = 0;

	if (nr == PY_NO_TYPE || !(py->types.items[nr].flags & PY_FLAG_LONG))
		return false;
	n = py_word(py, addr + py_off(l, py_has(l, PY_LONG_TAG) ? PY_LONG_TAG : PY_OB_SIZE));
	if (py_has(l, PY_LONG_TAG)) {
		if ((n & 3) == 2) /* negative */
			return false;
		n >>= 3;
	}
	if (n > DIGITS_MAX)
		return false;
	for (uint64_t i = n; i-- > 0;) {
		uint32_t digit;

		if (!cs_mem_u32(py->mem, addr + py_off(l, PY_LONG_DIGIT) + i * 4, &digit) ||
		    value >> (64 - DIGIT_BITS))
			return false;
		value = value << DIGIT_BITS | digit;
	}
	*out = value;
	return true;
}
