/* CPython Objects/object.c (_PyObject_GenericGetAttrWithDict), typeobject.c (type_getattro,
 * find_name_in_mro), descrobject.c, structmember.c (PyMember_GetOne), 3.8 to 3.14. */
#include "cpython/py_attr.h"
#include "cpython/py_number.h"
#include "cpython/py_plan.h"
#include "cpython/py_types.h"
#include "cpython/py_value.h"
#include "cpython/py_visit.h"

#include <stdio.h>

enum {
	MRO_MAX = 1 << 12,
	/* PyTypeObject: tp_dict, tp_descr_get, tp_descr_set, tp_dictoffset follow each other */
	DESCR_GET = 8, DESCR_SET = 16, DICTOFFSET = 24,
	DESCR_MEMBER = 40, /* PyMemberDescrObject: d_member */
	TUPLEGETTER_INDEX = 16, /* of _collections._tuplegetter */
	/* PyMemberDef {name, type, offset, flags, doc} and its types, structmember.h */
	MEMBER_TYPE = 8, MEMBER_OFFSET = 16, MEMBER_DEF = 40,
	T_SHORT = 0, T_INT, T_LONG, T_FLOAT, T_DOUBLE, T_OBJECT = 6, T_CHAR, T_BYTE, T_UBYTE,
	T_USHORT, T_UINT, T_ULONG, T_BOOL = 14, T_OBJECT_EX = 16, T_LONGLONG, T_ULONGLONG, T_SSIZE,
};

bool py_attr_path_set(struct py_attr_path *path, const char *text, size_t len)
{
	const char *end = text + len;

	path->count = 0;
	while (path->count < PY_ATTR_PARTS_MAX) {
		struct py_attr_part *part = &path->parts[path->count];
		const char *dot = memchr(text, '.', (size_t)(end - text));

		*part = (struct py_attr_part){ .len = (size_t)((dot ? dot : end) - text) };
		if (!part->len || part->len >= PY_ATTR_NAME_MAX)
			return false;
		memcpy(part->name, text, part->len);
		path->count++;
		if (!dot)
			return true;
		text = dot + 1;
	}
	return false;
}

static uint64_t type_word(struct py *py, cs_addr type, enum py_field field)
{
	return py_word(py, type + py_off(&py->layout, field));
}

/* tp_descr_get or tp_descr_set of an object's type. */
static bool has_descr(struct py *py, cs_addr object, uint64_t which)
{
	const struct py_layout *l = &py->layout;
	cs_addr type = object ? type_word(py, object, PY_OB_TYPE) : 0;

	return type && l->off[PY_TP_DICTOFFSET] - l->off[PY_TP_DICT] == DICTOFFSET &&
	       py_word(py, type + py_off(l, PY_TP_DICT) + which);
}

static cs_addr class_dict_get(struct py *py, cs_addr type, const struct py_attr_part *part)
{
	struct py_attrs at;

	py_dict_place(py, py_type_dict(py, type), &at);
	return py_attrs_get(py, &at, part->name, part->len, NULL);
}

/* What a class or its bases have under the name; 0: nothing. */
static cs_addr class_get(struct py *py, cs_addr type, struct py_attr_part *part)
{
	const struct py_layout *l = &py->layout;
	cs_addr mro, found = 0;
	uint64_t count;

	if (part->type == type)
		return part->found;
	mro = type_word(py, type, PY_TP_MRO);
	count = mro ? type_word(py, mro, PY_OB_SIZE) : 0;
	for (uint64_t i = 0; i < count && i < MRO_MAX && !found && py_step(py); i++)
		found = class_dict_get(py, py_word(py, mro + py_off(l, PY_TUPLE_ITEM) + i * 8),
				       part);
	part->type = type;
	return part->found = found;
}

static void set_integer(struct py_attr *out, bool negative, uint64_t value)
{
	out->state = PY_ATTR_TEXT_IS;
	out->is_integer = true;
	snprintf(out->text, sizeof(out->text), "%s%" PRIu64, negative ? "-" : "", value);
}

static void set_signed(struct py_attr *out, int64_t value)
{
	set_integer(out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void set_double(struct py_attr *out, double value)
{
	out->state = PY_ATTR_TEXT_IS;
	py_float_text(value, out->text, sizeof(out->text));
}

static void set_number(struct py_attr *out, uint32_t kind, const unsigned char *p)
{
	double d;
	float f;

	memcpy(&d, p, sizeof(d));
	memcpy(&f, p, sizeof(f));
	switch (kind) {
	case T_SHORT:
		set_signed(out, (int16_t)cs_le16(p));
		return;
	case T_INT:
		set_signed(out, (int32_t)cs_le32(p));
		return;
	case T_BYTE:
		set_signed(out, (int8_t)*p);
		return;
	case T_UBYTE:
		set_signed(out, *p);
		return;
	case T_USHORT:
		set_signed(out, cs_le16(p));
		return;
	case T_UINT:
		set_signed(out, cs_le32(p));
		return;
	case T_LONG:
	case T_LONGLONG:
	case T_SSIZE:
		set_signed(out, (int64_t)cs_le64(p));
		return;
	case T_ULONG:
	case T_ULONGLONG:
		set_integer(out, false, cs_le64(p));
		return;
	case T_FLOAT:
		set_double(out, (double)f);
		return;
	case T_DOUBLE:
		set_double(out, d);
		return;
	case T_BOOL:
		out->state = PY_ATTR_TEXT_IS;
		snprintf(out->text, sizeof(out->text), "%s", *p ? "True" : "False");
		return;
	default: /* text in C: nobody bounds it */
		out->state = PY_ATTR_COMPUTED;
	}
}

/* A slot, or a member of the C struct. */
static void get_member(struct py *py, const struct py_obj *o, cs_addr descr, struct py_attr *out)
{
	const unsigned char *def = cs_mem_view(py->mem, py_word(py, descr + DESCR_MEMBER),
					       MEMBER_DEF);
	uint64_t off = def ? cs_le64(def + MEMBER_OFFSET) : UINT64_MAX;
	uint32_t kind = def ? cs_le32(def + MEMBER_TYPE) : 0;
	unsigned char bytes[8] = { 0 };

	if (off >= o->room)
		return;
	memcpy(bytes, o->p + off, o->room - off < 8 ? (size_t)(o->room - off) : 8);
	if (kind != T_OBJECT && kind != T_OBJECT_EX) {
		set_number(out, kind, bytes);
		return;
	}
	out->object = cs_le64(bytes);
	if (out->object) {
		out->state = PY_ATTR_OBJECT;
	} else if (kind == T_OBJECT) {
		out->state = PY_ATTR_TEXT_IS;
		snprintf(out->text, sizeof(out->text), "None");
	}
}

/* A field of a named tuple. */
static void get_item(struct py *py, const struct py_obj *o, cs_addr descr, struct py_attr *out)
{
	uint64_t index = py_word(py, descr + TUPLEGETTER_INDEX);
	uint64_t at = py_off(&py->layout, PY_TUPLE_ITEM);

	if (!(o->type->flags & PY_FLAG_TUPLE) || o->room < at || index >= (o->room - at) / 8 ||
	    index >= type_word(py, o->addr, PY_OB_SIZE))
		return;
	out->state = PY_ATTR_OBJECT;
	out->object = py_word(py, o->addr + at + index * 8);
}

/* Of a C type's getter the member it hands out, where that is known by the same name;
 * what an empty one gives (None, an error, something made) only the getter knows. */
static void get_known_member(struct py *py, const struct py_obj *o, const char *name,
			     struct py_attr *out)
{
	struct py_plans *plans = py_plans_of(py);
	const struct py_plan *plan = plans ? py_plan_of(py, plans, o->type) : NULL;

	out->state = PY_ATTR_COMPUTED;
	for (unsigned i = 0; plan && i < plan->member_count; i++) {
		const struct py_member *m = &plan->members[i];
		cs_addr to;

		if (strcmp(m->label, name) || m->hold == PY_PLACE || m->hold == PY_OWNED ||
		    m->count != 1 || m->off + 8u > o->room)
			continue;
		to = cs_le64(o->p + m->off);
		if (to)
			*out = (struct py_attr){ .state = PY_ATTR_OBJECT, .object = to };
		return;
	}
}

/* What a descriptor of the class would give. */
static void get_descriptor(struct py *py, const struct py_obj *o, cs_addr descr, const char *name,
			   struct py_attr *out)
{
	const char *kind = py_tp_name(py, type_word(py, descr, PY_OB_TYPE));

	out->object = descr;
	if (kind && !strcmp(kind, "member_descriptor")) {
		get_member(py, o, descr, out);
	} else if (kind && (!strcmp(kind, "_collections._tuplegetter") ||
			    !strcmp(kind, "collections._tuplegetter"))) {
		get_item(py, o, descr, out);
	} else if (kind && !strcmp(kind, "getset_descriptor")) {
		get_known_member(py, o, name, out);
	} else {
		out->state = PY_ATTR_COMPUTED;
	}
}

static void get_one(struct py *py, const struct py_obj *o, struct py_attr_part *part,
		    struct py_attr *out)
{
	cs_addr type = o->type->addr, descr, own;
	bool is_class = o->type->flags & PY_FLAG_TYPE;
	struct py_attrs at;

	*out = (struct py_attr){ .state = PY_ATTR_OBJECT, .object = type };
	if (!strcmp(part->name, "__class__"))
		return;
	out->state = PY_ATTR_MISSING;
	descr = class_get(py, type, part);
	if (descr && has_descr(py, descr, DESCR_SET)) {
		get_descriptor(py, o, descr, part->name, out);
		return;
	}
	if (is_class) { /* a class is not one of many: no memo */
		struct py_attr_part mine = *part;

		mine.type = 0;
		own = class_get(py, o->addr, &mine);
	} else {
		py_instance_place(py, o->type, o, &at);
		own = py_attrs_get(py, &at, part->name, part->len, &part->memo);
	}
	if (own || descr)
		*out = (struct py_attr){ .state = !own && has_descr(py, descr, DESCR_GET) ?
						 PY_ATTR_COMPUTED : PY_ATTR_OBJECT,
					 .object = own ? own : descr };
}

void py_attr_get(struct py *py, cs_addr addr, struct py_attr_path *path, struct py_attr *out)
{
	struct py_obj o;

	*out = (struct py_attr){ .state = PY_ATTR_MISSING };
	for (size_t i = 0; i < path->count; i++) {
		if ((i && out->state != PY_ATTR_OBJECT) ||
		    !py_object_at(py, i ? out->object : addr, &o)) {
			*out = (struct py_attr){ .state = PY_ATTR_MISSING };
			return;
		}
		get_one(py, &o, &path->parts[i], out);
	}
}

/* --- in short --- */

static bool fits_64_bits(const char *digits)
{
	bool negative = *digits == '-';
	const char *most = negative ? "9223372036854775808" : "18446744073709551615";
	size_t len = strlen(digits + negative), room = strlen(most);

	return len < room || (len == room && strcmp(digits + negative, most) <= 0);
}

static void count_text(const char *name, uint64_t n, char *out, size_t cap)
{
	char digits[24], grouped[32];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			grouped[at++] = ',';
		grouped[at++] = digits[i];
	}
	grouped[at] = 0;
	snprintf(out, cap, "%.200s of %s", name, grouped);
}

static bool object_text(struct py *py, cs_addr addr, bool no_text, char *out, size_t cap)
{
	struct py_obj o;
	const char *name;
	uint64_t n;
	bool is_str;

	snprintf(out, cap, "<at " CS_ADDR ">", addr);
	if (!py_object_at(py, addr, &o))
		return false;
	name = py_type_name(py, &o);
	is_str = !strcmp(name, "str") || !strcmp(name, "bytes");
	if (!strcmp(name, "NoneType")) {
		snprintf(out, cap, "None");
	} else if (!strcmp(name, "int") || !strcmp(name, "float") || (is_str && !no_text)) {
		py_value(py, &o, out, cap);
		return !strcmp(name, "int") && py_int_text(py, &o, out, cap) && fits_64_bits(out);
	} else if (!strcmp(name, "bool")) {
		py_value(py, &o, out, cap);
		snprintf(out, cap, "%s", strcmp(out, "0") ? "True" : "False");
	} else if ((is_str || !(o.type->flags & (PY_FLAG_STR | PY_FLAG_BYTES))) &&
		   py_length(py, &o, &n)) {
		count_text(name, n, out, cap);
	} else {
		snprintf(out, cap, "%.200s " CS_ADDR, name, addr);
	}
	return false;
}

bool py_attr_text(struct py *py, const struct py_attr *attr, bool no_text, char *out, size_t cap)
{
	struct py_obj o;

	*out = 0;
	switch (attr->state) {
	case PY_ATTR_MISSING:
		break;
	case PY_ATTR_OBJECT:
		return object_text(py, attr->object, no_text, out, cap);
	case PY_ATTR_TEXT_IS:
		snprintf(out, cap, "%s", attr->text);
		return attr->is_integer;
	case PY_ATTR_COMPUTED:
		snprintf(out, cap, "<%.200s>",
			 py_object_at(py, attr->object, &o) ? py_type_name(py, &o) : "?");
		break;
	}
	return false;
}
