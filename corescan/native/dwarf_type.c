/* From entries of debug data to types: what they are called, how big, and where pointers
 * lie in them. A type is read when it is asked for; what it points to, when that is. */
#include "native/dwarf_die.h"

#include <stdio.h>

enum {
	PARTS_MAX = 4096,     /* records inside a record that are looked into */
	OWN_SLOTS_MAX = 4096, /* pointers of a record */
	MEMBERS_MAX = 1 << 18
};

const char *nt_die_name(const struct nt_die *die)
{
	Dwarf_Die d = nt_unpack(die);

	return dwarf_diename(&d);
}

/* "struct conn", "ns::Box<int>", "conn_t" of an anonymous one. */
static const char *record_name(struct cs_native *n, Dwarf_Die *die, const struct nt_def *def,
			       const char *alias)
{
	bool is_union = dwarf_tag(die) == DW_TAG_union_type;

	if (!def)
		return alias	  ? cs_arena_copy(&n->model->strings, alias)
		       : is_union ? "union (without a name)"
				  : "struct (without a name)";
	if (def->is_cxx)
		return def->name;
	return cs_arena_printf(&n->model->strings, "%s %s", is_union ? "union" : "struct",
			       def->name);
}

static bool is_derived_from(struct cs_native *n, Dwarf_Die *die, const char *alias)
{
	const char *name = dwarf_diename(die);
	uint32_t one;

	return (name && cs_map_get(&n->dwarf->derived, nt_name_key(name), &one)) ||
	       (alias && cs_map_get(&n->dwarf->derived, nt_name_key(alias), &one));
}

/* A declaration that says in which type unit the definition is. */
static void follow_signature(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die type;

	if (dwarf_attr(die, DW_AT_signature, &attr) && dwarf_formref_die(&attr, &type) &&
	    nt_is_record(dwarf_tag(&type)))
		*die = type;
}

static uint32_t add_record(struct cs_native *n, Dwarf_Die *die, const char *alias)
{
	struct nt_dwarf *d = n->dwarf;
	struct nt_type t = {.kind = dwarf_tag(die) == DW_TAG_union_type ? NT_UNION : NT_RECORD};
	const struct nt_def *def = NULL;
	int line = 0, size;
	uint32_t nr;
	uint64_t key;

	follow_signature(die);
	size = dwarf_bytesize(die);
	if (cs_map_get(&d->def_by_die, (uint64_t)(uintptr_t)die->addr, &nr))
		def = &d->defs.items[nr];
	/* a mere declaration: the definition that has its name, if there is just one */
	if (def && !def->size && cs_map_get(&d->def_by_name, nt_name_key(def->name), &nr) &&
	    nr != NT_AMBIGUOUS) {
		def = &d->defs.items[nr];
		*die = nt_unpack(&def->die);
		size = dwarf_bytesize(die);
	}
	if (dwarf_decl_line(die, &line))
		line = 0;
	t.name = record_name(n, die, def, alias);
	if (!t.name)
		return 0;
	t.size = size > 0 && !dwarf_hasattr(die, DW_AT_declaration) ? (uint64_t)size : 0;
	if (!t.size && nt_is_string(t.name)) {
		t.size = NT_STRING_SIZE;
		t.is_flat_string = true;
	}
	t.is_complete = t.size > 0;
	t.is_cxx = def ? def->is_cxx : dwarf_tag(die) == DW_TAG_class_type;
	t.has_derived = is_derived_from(n, die, alias);
	t.is_node_base = nt_is_node_base(t.name);
	t.die = nt_pack(die);
	key = (nt_name_key(t.name) ^ (uint64_t)(unsigned)line * 0x9e3779b97f4a7c15ull ^
	       t.size << 48) |
	      1;
	if ((def || alias) && cs_map_get(&d->type_by_key, key, &nr))
		return nr;
	nr = nt_type_add(n, &t);
	if (nr && (def || alias) && !cs_map_put(&d->type_by_key, key, nr))
		n->failed = true;
	return nr;
}

static uint32_t add_plain(struct cs_native *n, Dwarf_Die *die, const char *alias)
{
	struct nt_type t = {.kind = NT_VOID, .name = "", .die = nt_pack(die)};
	const char *name = dwarf_diename(die);
	int size = dwarf_bytesize(die), tag = dwarf_tag(die);

	switch (tag) {
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		t.kind = NT_POINTER;
		size = 8;
		break;
	case DW_TAG_array_type:
		t.kind = NT_ARRAY;
		t.elements = nt_array_items(die);
		size = 0;
		break;
	case DW_TAG_base_type:
	case DW_TAG_enumeration_type:
		t.kind = NT_PLAIN;
		t.is_complete = size > 0;
		if (!name)
			name = alias ? alias : "enum";
		if (size == 1)
			return NT_CHAR_TYPE;
		t.name = cs_arena_copy(&n->model->strings, name);
		break;
	default: /* functions, pointers to members, what is new */
		t.is_code = tag == DW_TAG_subroutine_type;
		break;
	}
	if (!t.name)
		return 0;
	t.size = size > 0 ? (uint64_t)size : 0;
	return nt_type_add(n, &t);
}

static uint32_t type_of(struct cs_native *n, Dwarf_Die *die)
{
	struct cs_map *known = &n->dwarf->type_by_die;
	uint64_t key = (uint64_t)(uintptr_t)die->addr, own;
	const char *alias;
	uint32_t nr;

	if (cs_map_get(known, key, &nr))
		return nr;
	if (!nt_peel(die, &alias))
		return 0;
	own = (uint64_t)(uintptr_t)die->addr;
	if (own == key || !cs_map_get(known, own, &nr)) {
		nr = nt_is_record(dwarf_tag(die)) ? add_record(n, die, alias)
					       : add_plain(n, die, alias);
		if (!cs_map_put(known, own, nr))
			n->failed = true;
	}
	if (own != key && !cs_map_put(known, key, nr))
		n->failed = true;
	return nr;
}

uint32_t nt_type_of(struct cs_native *n, const struct nt_die *die)
{
	Dwarf_Die d = nt_unpack(die);

	return type_of(n, &d);
}

uint32_t nt_type_of_variable(struct cs_native *n, const struct nt_die *die)
{
	Dwarf_Die d = nt_unpack(die), type;

	return nt_type_entry(&d, &type) ? type_of(n, &type) : 0;
}

uint32_t nt_type_named(struct cs_native *n, const char *name)
{
	uint32_t nr;

	if (!n->dwarf || !cs_map_get(&n->dwarf->def_by_name, nt_name_key(name), &nr) ||
	    nr == NT_AMBIGUOUS)
		return 0;
	return nt_type_of(n, &n->dwarf->defs.items[nr].die);
}

/* "struct conn *[]" is an array of pointers: these are called after what they point to. */
static void name_pointer(struct cs_native *n, uint32_t nr)
{
	struct nt_type *t = &n->types.items[nr];
	const struct nt_type *to = &n->types.items[t->target];
	const char *name = t->target && *to->name ? to->name : "void";
	size_t len = strlen(name);
	const char *blank = to->is_cxx || (len && name[len - 1] == '*') ? "" : " ";

	t->is_cxx = to->is_cxx;
	t->name = len < NT_NAME_MAX ? cs_arena_printf(&n->model->strings, "%s%s*", name, blank)
				    : "void *";
	if (!t->name) {
		t->name = "void *";
		n->failed = true;
	}
}

uint32_t nt_target(struct cs_native *n, uint32_t nr)
{
	uint32_t chain[PEEL_MAX], count = 0, at = nr;

	/* pointers to pointers: each has its name from the one behind it */
	while (count < PEEL_MAX && at && !n->types.items[at].has_target &&
	       (n->types.items[at].kind == NT_POINTER || n->types.items[at].kind == NT_ARRAY)) {
		uint32_t to = nt_type_of_variable(n, &n->types.items[at].die);

		n->types.items[at].target = to == at ? 0 : to;
		n->types.items[at].has_target = true;
		chain[count++] = at;
		at = to;
	}
	while (count--)
		if (n->types.items[chain[count]].kind == NT_POINTER)
			name_pointer(n, chain[count]);
	return n->types.items[nr].target;
}

uint64_t nt_size(struct cs_native *n, uint32_t nr)
{
	uint64_t items = 1;

	for (int i = 0; i < PEEL_MAX && n->types.items[nr].kind == NT_ARRAY; i++) {
		if (!cs_mul(items, n->types.items[nr].elements, &items))
			return 0;
		nr = nt_target(n, nr);
	}
	return cs_mul(items, n->types.items[nr].size, &items) && items < 1ull << 40 ? items : 0;
}

/* --- flattening --- */

struct part { /* a record inside the one that is made flat */
	struct nt_die die;
	uint64_t off;
	uint32_t type, node; /* node: what links of the container around it lead to */
	bool in_union;
};

struct flat {
	struct cs_native *n;
	uint32_t type; /* the one that is made flat */
	uint64_t size;
	size_t first;
	CS_VEC(struct part) parts;
	size_t done;
	uint32_t members; /* of all parts, looked at so far */
};

static bool add_slot(struct flat *f, const struct part *part, uint64_t off, uint32_t pointer,
		     uint64_t count, const char *member)
{
	struct cs_native *n = f->n;
	const struct nt_type *host = &n->types.items[part->type];
	struct nt_slot slot = {.off = (uint32_t)off,
			       .host = part->type,
			       .host_off = (uint32_t)part->off,
			       .in_union = part->in_union};
	uint32_t hint = member ? nt_hint(n, host->name, member) : 0;

	if (n->slots.count - f->first >= OWN_SLOTS_MAX || n->slots.count >= NT_SLOTS_MAX ||
	    off > UINT32_MAX || off + 8 > f->size)
		return true;
	if (count > (f->size - off) / 8)
		count = (f->size - off) / 8;
	slot.count = (uint32_t)count;
	slot.target = hint ? hint : nt_target(n, pointer);
	if (part->node && n->types.items[slot.target].is_node_base) {
		slot.target = part->node;
		slot.is_promoted = true;
	}
	slot.is_vector = nt_is_vector(n->types.items[part->type].name) && off == part->off;
	if (nt_is_text(n->types.items[part->type].name) &&
	    n->types.items[slot.target].kind == NT_CHAR)
		slot.is_promoted = true;
	return cs_vec_push(&n->slots, slot);
}

static bool add_part(struct flat *f, const struct part *around, uint64_t off, uint32_t type)
{
	const struct nt_type *t = &f->n->types.items[type];
	struct part part = {.die = t->die,
			    .off = off,
			    .type = type,
			    .in_union = around->in_union || t->kind == NT_UNION};
	uint32_t node;

	if (!t->is_complete || f->parts.count >= PARTS_MAX || off + t->size > f->size)
		return true;
	node = nt_container_node(f->n, t->name);
	part.node = node ? node : around->node;
	return cs_vec_push(&f->parts, part);
}

/* An array of pointers or records; without an end when it is the last member. */
static bool add_array(struct flat *f, const struct part *part, uint64_t off, uint32_t type)
{
	struct cs_native *n = f->n;
	uint64_t items = 1, size;
	struct nt_type *whole = &n->types.items[f->type];

	for (int i = 0; i < PEEL_MAX && n->types.items[type].kind == NT_ARRAY; i++) {
		if (!cs_mul(items, n->types.items[type].elements, &items))
			return true;
		type = nt_target(n, type);
	}
	whole = &n->types.items[f->type];
	size = n->types.items[type].size;
	/* [] or [0], and the old way [1] */
	if (items <= 1 && off + 8 + items * size > f->size && !part->in_union &&
	    part->off + n->types.items[part->type].size == f->size) {
		whole->tail = type;
		whole->tail_off = (uint32_t)off;
	}
	if (n->types.items[type].kind == NT_POINTER)
		return !items || add_slot(f, part, off, type, items, NULL);
	if (n->types.items[type].kind != NT_RECORD && n->types.items[type].kind != NT_UNION)
		return true;
	for (uint64_t i = 0; size && i < items && i * size < f->size && f->parts.count < PARTS_MAX;
	     i++)
		if (!add_part(f, part, off + i * size, type))
			return false;
	return true;
}

static bool add_member(struct flat *f, const struct part *part, Dwarf_Die *member)
{
	struct cs_native *n = f->n;
	const char *name = dwarf_diename(member);
	Dwarf_Die type;
	uint64_t off;
	uint32_t nr;

	if (!nt_member_offset(member, &off) || off > f->size || !nt_type_entry(member, &type))
		return true;
	nr = type_of(n, &type);
	off += part->off;
	if (name && !strncmp(name, "_vptr", 5) && !off)
		n->types.items[f->type].is_polymorphic = true;
	switch (n->types.items[nr].kind) {
	case NT_POINTER:
		return add_slot(f, part, off, nr, 1, name);
	case NT_ARRAY:
		return add_array(f, part, off, nr);
	case NT_RECORD:
	case NT_UNION:
		return add_part(f, part, off, nr);
	default:
		return true;
	}
}

/* Raw room for what the first template argument says. */
static bool add_storage(struct flat *f, const struct part *part, Dwarf_Die *die)
{
	Dwarf_Die child, type;
	const void *before;
	uint32_t nr;

	if (dwarf_child(die, &child))
		return true;
	do {
		before = child.addr;
		if (dwarf_tag(&child) != DW_TAG_template_type_parameter ||
		    !nt_type_entry(&child, &type))
			continue;
		nr = type_of(f->n, &type);
		if (f->n->types.items[nr].kind == NT_POINTER)
			return add_slot(f, part, part->off, nr, 1, NULL);
		return add_part(f, part, part->off, nr);
	} while (!dwarf_siblingof(&child, &child) && child.addr > before);
	return true;
}

/* The characters of a std::string. */
static bool add_text(struct flat *f, const struct part *part)
{
	struct nt_slot slot = {.off = (uint32_t)part->off,
			       .target = NT_CHAR_TYPE,
			       .count = 1,
			       .host = part->type,
			       .host_off = (uint32_t)part->off,
			       .in_union = part->in_union,
			       .is_promoted = true};

	return f->n->slots.count - f->first >= OWN_SLOTS_MAX || cs_vec_push(&f->n->slots, slot);
}

static bool add_members(struct flat *f, const struct part *part)
{
	Dwarf_Die die = nt_unpack(&part->die), child;

	if (f->n->types.items[part->type].is_flat_string)
		return add_text(f, part);
	if (nt_is_storage(f->n->types.items[part->type].name))
		return add_storage(f, part, &die);
	if (dwarf_child(&die, &child))
		return true;
	do {
		const void *addr = child.addr;
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_member || tag == DW_TAG_inheritance) &&
		    !add_member(f, part, &child))
			return false;
		if (++f->members > MEMBERS_MAX || dwarf_siblingof(&child, &child) ||
		    child.addr <= addr)
			break;
	} while (!cs_pulse_stops(f->n->model->pulse));
	return true;
}

void nt_flatten(struct cs_native *n, uint32_t nr)
{
	struct nt_type *t = &n->types.items[nr];
	struct part whole = {.die = t->die, .type = nr, .in_union = t->kind == NT_UNION};
	struct flat f = {.n = n, .type = nr, .size = t->size, .first = n->slots.count};
	bool ok = true;

	if (t->is_flat)
		return;
	t->is_flat = true;
	if (!t->is_complete || !t->die.words[0] || (t->kind != NT_RECORD && t->kind != NT_UNION))
		return;
	whole.node = nt_container_node(n, t->name);
	f.first = n->slots.count;
	ok = cs_vec_push(&f.parts, whole);
	while (ok && f.done < f.parts.count) {
		struct part part = f.parts.items[f.done++]; /* they move */

		ok = add_members(&f, &part);
	}
	n->failed = n->failed || !ok;
	t = &n->types.items[nr];
	t->first = (uint32_t)f.first;
	t->slots = (uint32_t)(n->slots.count - f.first);
	cs_vec_free(&f.parts);
}
