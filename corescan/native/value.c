#include "native/value.h"
#include "image/elf_functions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_ITEMS = 8, SHOWN_TEXT = 64, ENUMERATORS_MAX = 1 << 16 };

static void put(struct nt_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct nt_text *t, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(t->out + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	if (len > 0)
		t->len = t->len + (size_t)len < t->cap ? t->len + (size_t)len : t->cap - 1;
}

/* --- text --- */

static void put_character(struct nt_text *t, unsigned char c)
{
	if (c == '"' || c == '\\')
		put(t, "\\%c", c);
	else if (c == '\n')
		put(t, "\\n");
	else if (c < 0x20 || c == 0x7f)
		put(t, "\\x%02x", c);
	else
		put(t, "%c", c);
}

void nt_put_string(struct cs_native *n, cs_addr addr, uint64_t len, struct nt_text *t)
{
	uint64_t run = cs_mem_run(n->image->mem, addr), shown = 0;
	const unsigned char *p;

	if (len > run)
		len = run;
	shown = len < SHOWN_TEXT ? len : SHOWN_TEXT;
	p = shown ? cs_mem_view(n->image->mem, addr, shown) : NULL;
	if (t->no_text || (shown && !p))
		return;
	put(t, "\"");
	for (uint64_t i = 0; i < shown && p[i]; i++)
		put_character(t, p[i]);
	put(t, "\"%s", shown < len && p && !memchr(p, 0, shown) ? "..." : "");
}

/* --- numbers --- */

static bool read_bits(struct cs_native *n, const struct nt_value *v, uint64_t size, uint64_t *out)
{
	unsigned char scratch[16];
	uint64_t len = v->bits ? (v->bit_off + v->bits + 7) / 8 : size;
	const unsigned char *p = len && len <= sizeof(scratch)
					 ? cs_mem_borrow(n->image->mem, v->addr, len, scratch)
					 : NULL;

	*out = 0;
	if (!p || (!v->bits && len > 8) || v->bits > 64)
		return false;
	if (!v->bits) {
		memcpy(out, p, len);
		return true;
	}
	for (uint32_t i = 0; i < v->bits; i++) {
		uint32_t at = v->bit_off + i;

		*out |= (uint64_t)(p[at / 8] >> at % 8 & 1) << i;
	}
	return true;
}

static int64_t with_sign(uint64_t raw, uint64_t bits)
{
	return bits && bits < 64 ? (int64_t)(raw << (64 - bits)) >> (64 - bits) : (int64_t)raw;
}

static void put_float(struct cs_native *n, const struct nt_value *v, uint64_t size,
		      struct nt_text *t)
{
	unsigned char scratch[16];
	const unsigned char *p = size <= sizeof(scratch)
					 ? cs_mem_borrow(n->image->mem, v->addr, size, scratch)
					 : NULL;
	float f;
	double d;
	long double l;

	if (p && size == sizeof(f)) {
		memcpy(&f, p, sizeof(f));
		put(t, "%.9g", (double)f);
	} else if (p && size == sizeof(d)) {
		memcpy(&d, p, sizeof(d));
		put(t, "%.17g", d);
	} else if (p && size == sizeof(l)) {
		memcpy(&l, p, sizeof(l));
		put(t, "%.21Lg", l);
	}
}

static Dwarf_Word encoding_of(Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Word word = 0;

	if (dwarf_attr_integrate(type, DW_AT_encoding, &attr))
		dwarf_formudata(&attr, &word);
	return word;
}

/* "char", not what is a number of one byte. */
static bool is_character(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return dwarf_tag(type) == DW_TAG_base_type && dwarf_bytesize(type) == 1 && name &&
	       !strcmp(name, "char");
}

static void put_base(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	Dwarf_Die type = v->type;
	int bytes = dwarf_bytesize(&type);
	uint64_t size = bytes > 0 ? (uint64_t)bytes : 0, raw, bits = v->bits ? v->bits : size * 8;
	Dwarf_Word encoding = encoding_of(&type);

	if (encoding == DW_ATE_float) {
		put_float(n, v, size, t);
		return;
	}
	if (!read_bits(n, v, size, &raw))
		return;
	if (encoding == DW_ATE_boolean && raw < 2) {
		put(t, "%s", raw ? "true" : "false");
	} else if (is_character(&type) && !t->no_text && raw >= 0x20 && raw < 0x7f) {
		put(t, "%u '%c'", (unsigned)raw, (char)raw);
	} else {
		t->is_integer = true;
		if (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char)
			put(t, "%" PRId64, with_sign(raw, bits));
		else
			put(t, "%" PRIu64, raw);
	}
}

static void put_enum(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	Dwarf_Die type = v->type, child;
	int bytes = dwarf_bytesize(&type), left = ENUMERATORS_MAX;
	uint64_t size = bytes > 0 ? (uint64_t)bytes : 4, raw, bits = v->bits ? v->bits : size * 8;
	Dwarf_Attribute attr;
	Dwarf_Sword value;

	if (!read_bits(n, v, size, &raw))
		return;
	if (!dwarf_child(&type, &child)) {
		do {
			const char *name = dwarf_diename(&child);

			if (dwarf_tag(&child) == DW_TAG_enumerator && name &&
			    dwarf_attr(&child, DW_AT_const_value, &attr) &&
			    !dwarf_formsdata(&attr, &value) &&
			    with_sign((uint64_t)value, bits) == with_sign(raw, bits)) {
				put(t, "%s", name);
				return;
			}
		} while (--left && !dwarf_siblingof(&child, &child));
	}
	t->is_integer = true;
	put(t, "%" PRId64, with_sign(raw, bits));
}

/* --- addresses --- */

static void put_function(struct cs_native *n, cs_addr addr, struct nt_text *t)
{
	const struct cs_mapping *map = cs_image_mapping(n->image, addr);
	struct cs_module *m =
		map && map->module != CS_NO_MODULE ? &n->image->modules.items[map->module] : NULL;
	struct cs_elf_functions **f;
	const char *name;
	uint64_t start;
	size_t len;

	if (!m || !m->elf || !(map->prot & CS_PROT_X))
		return;
	if (!n->functions)
		n->functions = calloc(n->image->modules.count, sizeof(*n->functions));
	if (!n->functions)
		return;
	f = &n->functions[map->module];
	if (!*f)
		*f = cs_elf_functions_create(m->elf, m->debug);
	if (!*f || cs_elf_functions_find(*f, addr - m->bias, &name, &len, &start))
		return;
	put(t, " <%.*s", (int)(len < 200 ? len : 200), name);
	if (addr - m->bias != start)
		put(t, "+%" PRIu64, addr - m->bias - start);
	put(t, ">");
}

static void put_address(struct cs_native *n, cs_addr addr, struct nt_text *t)
{
	struct cs_native_fact fact;
	struct cs_block block;

	put(t, "0x%" PRIx64, addr);
	if (!cs_blocks_holding(&n->model->blocks, addr, &block)) {
		put_function(n, addr, t);
	} else if (addr >= block.addr && addr - block.addr < block.len &&
		   cs_native_find(n, &block, &fact) && fact.row != CS_NATIVE_NO_ROW) {
		put(t, " %s", fact.type);
		if (addr != block.addr)
			put(t, "+%" PRIu64, addr - block.addr);
	}
}

static void put_pointer(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	Dwarf_Die type = v->type, to;
	const char *alias;
	cs_addr addr;

	if (!cs_mem_u64(n->image->mem, v->addr, &addr))
		return;
	if (!addr || t->no_text || !nt_type_entry(&type, &to) || !nt_peel(&to, &alias) ||
	    !is_character(&to) || !cs_mem_view(n->image->mem, addr, 1)) {
		put_address(n, addr, t);
		return;
	}
	put(t, "0x%" PRIx64 " ", addr);
	nt_put_string(n, addr, UINT64_MAX, t);
}

/* --- arrays --- */

static void put_scalar(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	Dwarf_Die type = v->type;

	switch (dwarf_tag(&type)) {
	case DW_TAG_base_type:
		put_base(n, v, t);
		return;
	case DW_TAG_enumeration_type:
		put_enum(n, v, t);
		return;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		put_pointer(n, v, t);
		return;
	default: /* pointers to members and what is new */
		return;
	}
}

static const char *record_name(struct cs_native *n, const Dwarf_Die *record)
{
	struct nt_die die = nt_pack(record);
	uint32_t nr = nt_type_of(n, &die); /* types may move */

	return n->types.items[nr].name;
}

static uint64_t size_of_item(struct cs_native *n, const Dwarf_Die *item)
{
	struct nt_die die = nt_pack(item);

	return nt_size(n, nt_type_of(n, &die));
}

static void put_array(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	Dwarf_Die type = v->type;
	uint64_t items = nt_array_items(&type), size, shown;
	struct nt_value item = {.room = 0};
	const char *alias;

	if (!nt_type_entry(&type, &item.type) || !nt_peel(&item.type, &alias))
		return;
	size = size_of_item(n, &item.type);
	if (size && (!items || v->is_open || items > v->room / size))
		items = v->room / size;
	if (!size || nt_is_record(dwarf_tag(&item.type))) {
		put(t, "%" PRIu64 " of %s", items, record_name(n, &item.type));
		return;
	}
	if (is_character(&item.type)) {
		nt_put_string(n, v->addr, items, t);
		return;
	}
	shown = items < SHOWN_ITEMS ? items : SHOWN_ITEMS;
	put(t, "{");
	for (uint64_t i = 0; i < shown; i++) {
		item.addr = v->addr + i * size;
		put(t, "%s", i ? ", " : "");
		put_scalar(n, &item, t);
	}
	if (shown < items)
		put(t, ", ... %" PRIu64 " in all", items);
	put(t, "}");
	t->is_integer = false;
}

/* --- what the standard library makes --- */

/* libstdc++'s, whose layout is part of its ABI: bits/stl_tree.h, stl_list.h, hashtable.h,
 * unique_ptr.h, shared_ptr_base.h. */
enum whole { WHOLE_NONE, WHOLE_STRING, WHOLE_VECTOR, WHOLE_COUNTED, WHOLE_POINTER };

struct known {
	const char *start;
	enum whole how;
	uint32_t off; /* of the count */
};

static const struct known knowns[] = {
	{"std::vector<", WHOLE_VECTOR, 0},
	{"std::map<", WHOLE_COUNTED, 40},
	{"std::multimap<", WHOLE_COUNTED, 40},
	{"std::set<", WHOLE_COUNTED, 40},
	{"std::multiset<", WHOLE_COUNTED, 40},
	{"std::unordered_map<", WHOLE_COUNTED, 24},
	{"std::unordered_multimap<", WHOLE_COUNTED, 24},
	{"std::unordered_set<", WHOLE_COUNTED, 24},
	{"std::unordered_multiset<", WHOLE_COUNTED, 24},
	{"std::__cxx11::list<", WHOLE_COUNTED, 16},
	{"std::unique_ptr<", WHOLE_POINTER, 0},
	{"std::shared_ptr<", WHOLE_POINTER, 0},
	{"std::weak_ptr<", WHOLE_POINTER, 0},
};

static enum whole whole_of(struct cs_native *n, Dwarf_Die *record, uint32_t *off)
{
	const char *name = record_name(n, record);
	size_t len = strlen(name);

	*off = 0;
	if (nt_is_string(name))
		return WHOLE_STRING;
	for (size_t i = 0; i < sizeof(knowns) / sizeof(*knowns); i++) {
		const struct known *k = &knowns[i];

		/* vector<bool> has no items of its own */
		if (strncmp(name, k->start, strlen(k->start)) || name[len - 1] != '>' ||
		    !strncmp(name, "std::vector<bool", 16))
			continue;
		*off = k->off;
		return k->how;
	}
	return WHOLE_NONE;
}

bool nt_is_whole(struct cs_native *n, Dwarf_Die *record)
{
	uint32_t off;

	return whole_of(n, record, &off) != WHOLE_NONE;
}

/* Bytes of the first template argument; 0: not known. */
static uint64_t argument_size(struct cs_native *n, Dwarf_Die *record)
{
	int left = ENUMERATORS_MAX;
	Dwarf_Die child, type;

	if (dwarf_child(record, &child))
		return 0;
	do {
		if (dwarf_tag(&child) == DW_TAG_template_type_parameter &&
		    nt_type_entry(&child, &type))
			return size_of_item(n, &type);
	} while (--left && !dwarf_siblingof(&child, &child));
	return 0;
}

static void put_whole(struct cs_native *n, const struct nt_value *v, struct nt_text *t)
{
	struct cs_mem *mem = n->image->mem;
	Dwarf_Die record = v->type;
	uint64_t first, second, size;
	uint32_t off;

	switch (whole_of(n, &record, &off)) {
	case WHOLE_STRING:
		if (cs_mem_u64(mem, v->addr, &first) && cs_mem_u64(mem, v->addr + 8, &second))
			nt_put_string(n, first, second, t);
		return;
	case WHOLE_VECTOR:
		size = argument_size(n, &record);
		if (size && cs_mem_u64(mem, v->addr, &first) &&
		    cs_mem_u64(mem, v->addr + 8, &second) && second >= first)
			put(t, "%" PRIu64 " items", (second - first) / size);
		return;
	case WHOLE_COUNTED:
		if (cs_mem_u64(mem, v->addr + off, &first))
			put(t, "%" PRIu64 " items", first);
		return;
	case WHOLE_POINTER:
		if (cs_mem_u64(mem, v->addr, &first))
			put_address(n, first, t);
		return;
	case WHOLE_NONE:
		put(t, "%s", record_name(n, &record));
		return;
	}
}

void nt_value_text(struct cs_native *n, const struct nt_value *value, struct nt_text *t)
{
	Dwarf_Die type = value->type;

	t->len = 0;
	t->out[0] = 0;
	t->is_integer = false;
	if (dwarf_tag(&type) == DW_TAG_array_type)
		put_array(n, value, t);
	else if (nt_is_record(dwarf_tag(&type)))
		put_whole(n, value, t);
	else
		put_scalar(n, value, t);
}
