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
	NAME_CAP = 256,
	DIGIT_BITS = 30, DIGITS_MAX = 3
};

/* Is the str at this address that text, in UTF-8? */
static bool str_is(struct py *py, cs_addr str, const char *name, size_t len)
{
	uint64_t points = py_word(py, str + py_off(&py->layout, PY_STR_LENGTH)); /* of code */
	char text[NAME_CAP];
	size_t got;

	return len + 8 <= sizeof(text) && points <= len && points * 4 >= len &&
	       py_str_text(py, str, text, sizeof(text), &got) && got == len &&
	       !memcmp(text, name, len);
}

/* A dict's values array, as an array of pointers. */
static cs_addr first_value(struct py *py, cs_addr values)
{
	const struct py_layout *l = &py->layout;

	return py_has(l, PY_VALUES_VALUES) ? values + py_off(l, PY_VALUES_VALUES) : values;
}

void py_dict_place(struct py *py, cs_addr dict, struct py_attrs *out)
{
	const struct py_layout *l = &py->layout;
	cs_addr values = dict ? py_word(py, dict + py_off(l, PY_DICT_VALUES)) : 0;

	*out = (struct py_attrs){ .capacity = UINT64_MAX };
	if (dict)
		out->keys = py_word(py, dict + py_off(l, PY_DICT_KEYS));
	if (values)
		out->values = first_value(py, values);
}

/* The values of an instance that has no dict yet, by its class' shared keys. */
static bool own_values(struct py *py, cs_addr instance, const struct py_type *type,
		       struct py_attrs *out)
{
	const struct py_layout *l = &py->layout;
	cs_addr at = instance + (uint64_t)type->basicsize;
	const unsigned char *p;
	uint64_t word;

	*out = (struct py_attrs){ .capacity = UINT64_MAX };
	if (py_has(l, PY_VALUES_VALID)) {
		p = type->flags & PY_FLAG_INLINE_VALUES ?
			    cs_mem_view(py->mem, at, py_off(l, PY_VALUES_VALUES)) : NULL;
		if (!p || !p[l->off[PY_VALUES_VALID]])
			return false;
		out->values = at + py_off(l, PY_VALUES_VALUES);
		out->capacity = p[l->off[PY_VALUES_CAPACITY]];
	} else if (py_minor(l) == 11) {
		out->values = py_word(py, instance - VALUES_BEFORE);
	} else {
		word = py_word(py, instance - DICT_BEFORE);
		out->values = word & 1 ? word + 1 : 0;
	}
	out->keys = py_word(py, type->addr + py_off(l, PY_HT_CACHED_KEYS));
	return out->values;
}

void py_instance_place(struct py *py, const struct py_type *type, const struct py_obj *o,
		       struct py_attrs *out)
{
	int64_t off = (int64_t)py_word(py, type->addr + py_off(&py->layout, PY_TP_DICTOFFSET));
	cs_addr dict = 0;

	if (type->flags & PY_FLAG_MANAGED_DICT) {
		if (!own_values(py, o->addr, type, out))
			py_dict_place(py, py_word(py, o->addr - DICT_BEFORE) & ~(cs_addr)1, out);
		return;
	}
	/* below 0: from the end of the object and its items (up to 3.11) */
	if (off < 0 && off >= -type->basicsize && o->p)
		off += (int64_t)cs_align_up(py_default_sizeof(py, o), 8);
	if (off > 0 && (!o->p || (uint64_t)off < o->room))
		dict = py_word(py, o->addr + (uint64_t)off);
	py_dict_place(py, dict, out);
}

/* Which entry has the name; nentries: none. */
static uint64_t find_name(struct py *py, const struct py_attrs *at, const struct py_keys *k,
			  const char *name, size_t len)
{
	cs_addr key, value;

	for (uint64_t i = 0; i < k->nentries && py_step(py); i++) {
		if (!py_keys_entry(py, k, i, &key, &value))
			break;
		/* a deleted entry has its key still */
		if (key && (value || at->values) && str_is(py, key, name, len))
			return i;
	}
	return k->nentries;
}

cs_addr py_attrs_get(struct py *py, const struct py_attrs *at, const char *name, size_t len,
		     struct py_attrs_memo *memo)
{
	cs_addr key, value;
	struct py_keys k;
	uint64_t i;

	if (!at->keys || !py_keys_load(py, at->keys, &k))
		return 0;
	if (at->values && memo && memo->keys == at->keys && memo->nentries == k.nentries)
		i = memo->index;
	else
		i = find_name(py, at, &k, name, len);
	if (at->values && memo)
		*memo = (struct py_attrs_memo){ at->keys, k.nentries, i };
	if (i >= k.nentries || i >= at->capacity)
		return 0;
	if (at->values)
		return py_word(py, at->values + i * 8);
	return py_keys_entry(py, &k, i, &key, &value) ? value : 0;
}

cs_addr py_instance_get(struct py *py, cs_addr instance, const char *name)
{
	cs_addr type = py_word(py, instance + py_off(&py->layout, PY_OB_TYPE));
	uint32_t nr = instance % 8 ? PY_NO_TYPE : py_type_at(py, type);
	struct py_obj o = { .addr = instance };
	struct py_attrs at;

	if (nr == PY_NO_TYPE)
		return 0;
	py_instance_place(py, &py->types.items[nr], &o, &at);
	return py_attrs_get(py, &at, name, strlen(name), NULL);
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
