#include "cpython/py_value.h"
#include "cpython/py_dict.h"
#include "cpython/py_number.h"
#include "cpython/py_types.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 60, KEYS_SHOWN = 4, KEYS_LOOKED_AT = 1 << 16 };

/* printf behind what is in out already; what does not fit is cut. */
static void add(char *out, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *out, size_t cap, const char *fmt, ...)
{
	size_t at = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + at, cap - at, fmt, ap);
	va_end(ap);
}

/* Text as repr() writes it; where `is_text` bytes from 128 on are part of UTF-8. */
static void quote(char *out, size_t cap, const char *text, size_t len, bool is_text, bool cut)
{
	size_t i = 0;

	add(out, cap, "%s'", is_text ? "" : "b");
	/* room for one more in full, and the end */
	for (; i < len && strlen(out) + sizeof("\\xff...'") <= cap; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\'' || c == '\\')
			add(out, cap, "\\%c", c);
		else if (c == '\n')
			add(out, cap, "\\n");
		else if (c < 32 || c == 127 || (c > 127 && !is_text))
			add(out, cap, "\\x%02x", c);
		else
			add(out, cap, "%c", c);
	}
	add(out, cap, "%s'", cut || i < len ? "..." : "");
}

/* Code points of UTF-8 of our own making. */
static uint64_t code_points(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void str_value(struct py *py, cs_addr addr, char *out, size_t cap)
{
	char text[TEXT_MAX * 4 + 8];
	size_t len;
	uint64_t length = py_word(py, addr + py_off(&py->layout, PY_STR_LENGTH));

	if (py_str_text(py, addr, text, TEXT_MAX + 5, &len))
		quote(out, cap, text, len, true, length > code_points(text, len));
}

static void bytes_value(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	uint64_t off = py_off(&py->layout, PY_BYTES_SVAL), n;

	if (o->room < off)
		return;
	n = cs_le64(o->p + py->layout.off[PY_OB_SIZE]);

	uint64_t show = n < TEXT_MAX ? n : TEXT_MAX;

	if (o->room - off >= show)
		quote(out, cap, (const char *)o->p + off, show, false, n > show);
}

static void int_value(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	bool negative;
	uint64_t bits = py_int_bits(py, o, &negative);

	if (!py_int_text(py, o, out, cap))
		snprintf(out, cap, "%sa number of about %" PRIu64 " bits", negative ? "-" : "", bits);
}

static void float_value(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	uint64_t bits, off = py_off(&py->layout, PY_FLOAT_FVAL);
	char text[32];
	double value;

	if (o->room < off + 8)
		return;
	bits = cs_le64(o->p + off);
	memcpy(&value, &bits, sizeof(value));
	py_float_text(value, text, sizeof(text));
	snprintf(out, cap, "%s", text);
}

static void dict_value(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	const struct py_layout *l = &py->layout;
	uint64_t used = cs_le64(o->p + l->off[PY_DICT_USED]);
	struct py_keys k;
	int shown = 0;

	snprintf(out, cap, "%" PRIu64 " %s", used, used == 1 ? "entry" : "entries");
	if (!py_keys_load(py, cs_le64(o->p + l->off[PY_DICT_KEYS]), &k))
		return;
	for (uint64_t i = 0; i < k.nentries && i < KEYS_LOOKED_AT && shown < KEYS_SHOWN; i++) {
		cs_addr key, value, type;
		char text[48] = "";
		uint32_t nr;

		if (!py_keys_entry(py, &k, i, &key, &value))
			break;
		if (!key)
			continue;
		type = py_word(py, key + py_off(l, PY_OB_TYPE));
		nr = py_type_at(py, type);
		if (nr == PY_NO_TYPE || !(py->types.items[nr].flags & PY_FLAG_STR) ||
		    !py_str_text(py, key, text, 24, NULL))
			continue;

		add(out, cap, "%s", shown++ ? ", " : ", keys ");
		quote(out, cap, text, strlen(text), true, false);
	}
	if (shown && used > (uint64_t)shown)
		add(out, cap, ", ...");
}

static void named(struct py *py, const struct py_obj *o, enum py_field field, char *out, size_t cap)
{
	char text[128];

	if (py_str_text(py, py_word(py, o->addr + py_off(&py->layout, field)), text, sizeof(text), NULL))
		snprintf(out, cap, "%s", text);
}

void py_value(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	const char *family = o->type->family->name;
	uint64_t n;

	if (!cap)
		return;
	out[0] = 0;
	if (!strcmp(family, "str"))
		str_value(py, o->addr, out, cap);
	else if (!strcmp(family, "int"))
		int_value(py, o, out, cap);
	else if (!strcmp(family, "bytes"))
		bytes_value(py, o, out, cap);
	else if (!strcmp(family, "dict") || !strcmp(family, "collections.OrderedDict"))
		dict_value(py, o, out, cap);
	else if (py_length(py, o, &n))
		snprintf(out, cap, "%" PRIu64 " %s", n, n == 1 ? "item" : "items");
	else if (!strcmp(family, "type")) {
		uint32_t nr = py_type_at(py, o->addr);

		if (nr != PY_NO_TYPE)
			snprintf(out, cap, "%s", py->model->types.items[py->types.items[nr].model_nr].name);
	} else if (!strcmp(family, "code"))
		named(py, o, PY_CODE_NAME, out, cap);
	else if (!strcmp(family, "module"))
		named(py, o, PY_MODULE_NAME, out, cap);
	else if (!strcmp(family, "generator") || !strcmp(family, "coroutine") ||
		 !strcmp(family, "async_generator"))
		named(py, o, PY_GEN_QUALNAME, out, cap);
	else if (!strcmp(py_type_name(py, o), "function"))
		named(py, o, PY_FUNC_QUALNAME, out, cap);
	else if (!strcmp(py_type_name(py, o), "float"))
		float_value(py, o, out, cap);
}

bool py_length(struct py *py, const struct py_obj *o, uint64_t *out)
{
	static const struct {
		const char *family;
		enum py_field field;
	} sized[] = {
		{ "dict", PY_DICT_USED },
		{ "collections.OrderedDict", PY_DICT_USED },
		{ "set", PY_SET_USED },
		{ "frozenset", PY_SET_USED },
		{ "list", PY_OB_SIZE },
		{ "tuple", PY_OB_SIZE },
		{ "collections.deque", PY_OB_SIZE },
		{ "bytearray", PY_OB_SIZE },
		{ "bytes", PY_OB_SIZE },
		{ "str", PY_STR_LENGTH },
	};

	for (size_t i = 0; i < sizeof(sized) / sizeof(sized[0]); i++) {
		uint64_t off = py_off(&py->layout, sized[i].field);

		if (strcmp(o->type->family->name, sized[i].family))
			continue;
		if (o->room < off + 8)
			return false;
		*out = cs_le64(o->p + off);
		return *out <= INT64_MAX / 8;
	}
	return false;
}
