#include "cpython/py_dict.h"
#include "cpython/py_value.h"
#include "cpython/py_visit.h"

#include <stdio.h>

enum { NAME_MAX_LEN = 120 };

/* What a key is if it is no name: 5 and b'x' as they are written, others by their type. */
static void key_text(struct py *py, cs_addr key, char *out, size_t cap)
{
	struct py_obj o;
	char value[NAME_MAX_LEN];
	const char *type;

	if (!py_object_at(py, key, &o))
		return;
	py_value(py, &o, value, sizeof(value));
	type = py_type_name(py, &o);
	if (*value && (o.type->flags & (PY_FLAG_STR | PY_FLAG_LONG | PY_FLAG_BYTES) ||
		       o.type->family == &py_family_object))
		snprintf(out, cap, "%s", value);
	else
		snprintf(out, cap, *value ? "<%s: %s>" : "<%s>", type, value);
}

/* "?" when it cannot be read. */
static void name_text(struct py *py, cs_addr name, bool is_key, char *out, size_t cap)
{
	snprintf(out, cap, "?");
	if (name && is_key)
		key_text(py, name, out, cap);
	else if (name && !py_str_text(py, name, out, cap, NULL))
		snprintf(out, cap, "?");
}

void py_edge_text(struct py *py, const struct py_edge *e, char *buf, size_t cap)
{
	char name[NAME_MAX_LEN];
	const char *label = e->label ? e->label : "";

	name_text(py, e->name, e->kind == PY_EDGE_VALUE, name, sizeof(name));
	switch ((enum py_edge_kind)e->kind) {
	case PY_EDGE_MEMBER:
		snprintf(buf, cap, ".%s", label);
		return;
	case PY_EDGE_TYPE:
		snprintf(buf, cap, "type");
		return;
	case PY_EDGE_ATTRIBUTE:
	case PY_EDGE_SLOT:
		snprintf(buf, cap, ".%s", name);
		return;
	case PY_EDGE_KEY:
		snprintf(buf, cap, "a key");
		return;
	case PY_EDGE_VALUE:
		snprintf(buf, cap, "[%s]", name);
		return;
	case PY_EDGE_INDEX:
		snprintf(buf, cap, "[%" PRId64 "]", e->index);
		return;
	case PY_EDGE_LOCAL:
		snprintf(buf, cap, "local %s", name);
		return;
	case PY_EDGE_CELL:
		snprintf(buf, cap, "closure cell %s", name);
		return;
	case PY_EDGE_STACK:
		snprintf(buf, cap, "stack[%" PRId64 "]", e->index);
		return;
	case PY_EDGE_BLOCK:
		snprintf(buf, cap, "%s", *label ? label : "a block of its own");
		return;
	case PY_EDGE_WORD:
		snprintf(buf, cap, "perhaps at +%" PRId64, e->index);
		return;
	}
	snprintf(buf, cap, "?");
}
