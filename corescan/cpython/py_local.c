/* Local variables: CPython Objects/frameobject.c and pycore_code.h.
 *   to 3.10  slots: locals by co_varnames, then cells by co_cellvars and co_freevars
 *   3.11+    slots by co_localsplusnames; co_localspluskinds tells hidden ones
 * A cell (cellobject.h) has its value behind the object's head. 3.14: tagged. */
#include "cpython/py_dict.h"
#include "cpython/py_frame.h"
#include "cpython/py_types.h"
#include "cpython/py_value.h"
#include "cpython/py_visit.h"

#include <stdio.h>

enum {
	LOCALS_MAX = 24, /* of a frame */
	FREE_MAX = 1 << 16, /* free variables looked for among so many slots */
	NAME_CAP = 64, VALUE_CAP = 160, REF_TAGS = 3, CELL_VALUE = 16, KIND_HIDDEN = 0x10,
	KIND_FREE = 0x80
};

/* Locals being listed: a slot after the other. */
struct list {
	struct py *py;
	struct cs_local items[LOCALS_MAX];
	uint32_t count;
	cs_addr slot;
};

/* Values that stand for themselves; of others the type stands before it. */
static bool is_plain(const char *type)
{
	static const char *const names[] = { "str", "int", "float", "bytes" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(type, names[i]))
			return true;
	return false;
}

static cs_addr deref(struct py *py, cs_addr addr)
{
	struct py_obj o;

	if (!addr || !py_object_at(py, addr, &o) || strcmp(py_type_name(py, &o), "cell"))
		return addr;
	return py_word(py, addr + CELL_VALUE);
}

static const char *preview(struct py *py, cs_addr addr)
{
	struct cs_arena *strings = &py->model->strings;
	char value[VALUE_CAP];
	struct py_obj o;
	const char *type;

	if (!py_object_at(py, addr, &o))
		return cs_arena_printf(strings, "<at " CS_ADDR ">", addr);
	type = py_type_name(py, &o);
	if (!strcmp(type, "NoneType"))
		return "None";
	py_value(py, &o, value, sizeof(value));
	if (!strcmp(type, "bool"))
		return strcmp(value, "0") ? "True" : "False";
	if (is_plain(type) && *value)
		return cs_arena_printf(strings, "%s", value);
	return cs_arena_printf(strings, "<%s%s%s>", type, *value ? " " : "", value);
}

/* One name and the slot under it; what is not bound is left out. */
static void add(struct list *list, cs_addr name)
{
	struct py *py = list->py;
	cs_addr value = deref(py, py_word(py, list->slot) & ~(cs_addr)REF_TAGS);
	char text[NAME_CAP];
	size_t len;

	list->slot += 8;
	if (!value || list->count == LOCALS_MAX || !py_str_text(py, name, text, sizeof(text), &len))
		return;

	struct cs_local local = { cs_arena_text(&py->model->strings, text, len),
				  preview(py, value) };

	if (local.name && local.value)
		list->items[list->count++] = local;
}

/* The names of a tuple, each with the next slot. kinds 0: none are hidden. */
static void add_tuple(struct list *list, cs_addr tuple, cs_addr kinds)
{
	const struct py_layout *l = &list->py->layout;
	uint64_t n = py_word(list->py, tuple + py_off(l, PY_OB_SIZE));

	for (uint64_t i = 0; tuple && i < n && list->count < LOCALS_MAX && py_step(list->py); i++) {
		const unsigned char *kind = kinds ? cs_mem_view(list->py->mem, kinds + i, 1) : NULL;
		cs_addr name = py_word(list->py, tuple + py_off(l, PY_TUPLE_ITEM) + 8 * i);

		if (kind && *kind & KIND_HIDDEN)
			list->slot += 8;
		else
			add(list, name);
	}
}

void py_frame_locals(struct py *py, cs_addr addr, cs_addr code, struct cs_frame *out)
{
	const struct py_layout *l = &py->layout;
	struct list list = { .py = py };
	struct cs_local *copy;

	if (py_has(l, PY_CODE_LOCALSPLUSNAMES)) {
		cs_addr kinds = py_word(py, code + py_off(l, PY_CODE_LOCALSPLUSKINDS));

		list.slot = addr + py_off(l, PY_IFRAME_LOCALSPLUS);
		add_tuple(&list, py_word(py, code + py_off(l, PY_CODE_LOCALSPLUSNAMES)),
			  kinds ? kinds + py_off(l, PY_BYTES_SVAL) : 0);
	} else {
		list.slot = addr + py_off(l, PY_FRAME_LOCALSPLUS);
		add_tuple(&list, py_word(py, code + py_off(l, PY_CODE_VARNAMES)), 0);
		add_tuple(&list, py_word(py, code + py_off(l, PY_CODE_CELLVARS)), 0);
		add_tuple(&list, py_word(py, code + py_off(l, PY_CODE_FREEVARS)), 0);
	}
	copy = list.count ? cs_arena_alloc(&py->model->strings, list.count * sizeof(*copy)) : NULL;
	if (!copy)
		return;
	memcpy(copy, list.items, list.count * sizeof(*copy));
	out->locals = copy;
	out->local_count = list.count;
}

/* From 3.11 on free variables are the slots of their kind, in order. */
static cs_addr free_name(struct py *py, cs_addr code, uint64_t nr)
{
	const struct py_layout *l = &py->layout;
	cs_addr names, kinds;
	uint64_t count;

	if (!py_has(l, PY_CODE_LOCALSPLUSNAMES)) {
		names = py_word(py, code + py_off(l, PY_CODE_FREEVARS));
		count = names ? py_word(py, names + py_off(l, PY_OB_SIZE)) : 0;
		return nr < count ? py_word(py, names + py_off(l, PY_TUPLE_ITEM) + 8 * nr) : 0;
	}
	names = py_word(py, code + py_off(l, PY_CODE_LOCALSPLUSNAMES));
	kinds = py_word(py, code + py_off(l, PY_CODE_LOCALSPLUSKINDS));
	count = names ? py_word(py, names + py_off(l, PY_OB_SIZE)) : 0;
	for (uint64_t i = 0; kinds && i < count && i < FREE_MAX; i++) {
		const unsigned char *kind = cs_mem_view(py->mem, kinds + py_off(l, PY_BYTES_SVAL) + i, 1);

		if (kind && *kind & KIND_FREE && !nr--)
			return py_word(py, names + py_off(l, PY_TUPLE_ITEM) + 8 * i);
	}
	return 0;
}

bool py_free_variable(struct py *py, cs_addr function, uint64_t nr, char *out, size_t cap)
{
	cs_addr code = py_word(py, function + py_off(&py->layout, PY_FUNC_CODE));
	cs_addr name = code ? free_name(py, code, nr) : 0;

	return name && py_str_text(py, name, out, cap, NULL);
}
