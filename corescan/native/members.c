/* Members of blocks whose type debug data describe, with what they hold. */
#include "native/value.h"

#include <stdio.h>

enum {
	LEVELS = 8,	     /* records inside records */
	MEMBERS_MAX = 65536, /* looked at, of one block */
	PARTS_MAX = 16	     /* pointers that a path follows */
};

enum verdict { GO_ON, STOP };

/* A record being gone through: at is its next member. */
struct level {
	Dwarf_Die at;
	cs_addr start;
	size_t prefix; /* of the walk's name, what stands before its members' names */
};

struct walk {
	struct cs_native *n;
	cs_addr end; /* of the block */
	struct level levels[LEVELS];
	int depth;
	char name[CS_NATIVE_MEMBER_MAX];
	cs_addr tail; /* an open array at the end of the block; 0: none */
	enum verdict (*each)(struct walk *w, const struct nt_value *value, bool is_opened);
	void *ctx;
};

/* The entry that defines a record, which another unit may have. */
static Dwarf_Die definition(struct cs_native *n, const Dwarf_Die *record)
{
	struct nt_die die = nt_pack(record);
	uint32_t nr = nt_type_of(n, &die); /* types may move */
	const struct nt_type *t = &n->types.items[nr];

	return t->die.words[0] ? nt_unpack(&t->die) : *record;
}

static void enter(struct walk *w, const Dwarf_Die *record, cs_addr start, size_t prefix)
{
	Dwarf_Die die = definition(w->n, record);
	struct level *l = &w->levels[w->depth];

	if (w->depth < LEVELS && start < w->end && !dwarf_child(&die, &l->at)) {
		l->start = start;
		l->prefix = prefix;
		w->depth++;
	}
}

/* In DWARF 5 a bit-field's place is counted from its record's first bit, in version 4 from
 * the last bit of a word of its type. */
static bool find_bits(Dwarf_Die *member, struct nt_value *v, cs_addr start)
{
	Dwarf_Attribute attr;
	Dwarf_Word bits, off;
	Dwarf_Die type = v->type;
	int size = dwarf_bytesize(member) > 0 ? dwarf_bytesize(member) : dwarf_bytesize(&type);

	if (!dwarf_attr(member, DW_AT_bit_size, &attr) || dwarf_formudata(&attr, &bits) || !bits ||
	    bits > 64)
		return false;
	if (dwarf_attr(member, DW_AT_data_bit_offset, &attr) && !dwarf_formudata(&attr, &off)) {
		v->addr = start + off / 8;
	} else if (dwarf_attr(member, DW_AT_bit_offset, &attr) && !dwarf_formudata(&attr, &off) &&
		   size > 0 && (uint64_t)size * 8 >= bits && off <= (uint64_t)size * 8 - bits) {
		off = (uint64_t)size * 8 - off - bits;
		v->addr += off / 8;
	} else {
		return false;
	}
	v->bit_off = off % 8;
	v->bits = (uint32_t)bits;
	return true;
}

/* Name a member behind its record's prefix; anonymous records and base classes add nothing. */
static size_t name_member(struct walk *w, const struct level *l, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (l->prefix + len + 2 > sizeof(w->name))
		len = sizeof(w->name) - l->prefix - 2;
	if (len)
		memcpy(w->name + l->prefix, name, len);
	w->name[l->prefix + len] = 0;
	return l->prefix + len;
}

static enum verdict visit(struct walk *w, const struct level *l, Dwarf_Die *member)
{
	bool is_base = dwarf_tag(member) == DW_TAG_inheritance;
	const char *name = is_base ? NULL : dwarf_diename(member), *alias;
	struct nt_value v = {.bits = 0};
	bool is_record, has_place;
	uint64_t off;
	size_t end;

	if (!nt_type_entry(member, &v.type) || !nt_peel(&v.type, &alias))
		return GO_ON;
	has_place = nt_member_offset(member, &off);
	v.addr = l->start + off;
	if (!find_bits(member, &v, l->start) && !has_place)
		return GO_ON;
	if (v.addr >= w->end || v.addr < l->start || (name && !strncmp(name, "_vptr", 5)))
		return GO_ON;
	v.room = w->end - v.addr;
	v.is_open = v.addr == w->tail;
	end = name_member(w, l, name);
	is_record = nt_is_record(dwarf_tag(&v.type)) && (is_base || !nt_is_whole(w->n, &v.type));
	if (name && w->each(w, &v, is_record && w->depth < LEVELS) == STOP)
		return STOP;
	if (is_record) {
		if (name)
			w->name[end++] = '.';
		enter(w, &v.type, v.addr, end);
	}
	return GO_ON;
}

/* All members, those of records inside in their place. */
static void walk(struct walk *w)
{
	uint32_t left = MEMBERS_MAX;

	while (w->depth && left-- && !cs_pulse_stops(w->n->model->pulse)) {
		struct level *l = &w->levels[w->depth - 1], here = *l;
		const void *addr = here.at.addr;
		int tag = dwarf_tag(&here.at);

		if (dwarf_siblingof(&l->at, &l->at) || l->at.addr <= addr)
			w->depth--;
		if ((tag == DW_TAG_member || tag == DW_TAG_inheritance) &&
		    visit(w, &here, &here.at) == STOP)
			return;
	}
}

/* --- all of them --- */

struct teller {
	const struct cs_native_members_wish *wish;
	cs_native_member_fn *fn;
	void *ctx;
	uint64_t left_out;
	uint64_t told;
};

static void tell(struct cs_native *n, struct teller *to, const char *name, const struct nt_value *v)
{
	char text[CS_NATIVE_VALUE_MAX];
	struct nt_text out = {.out = text, .cap = sizeof(text), .no_text = to->wish->no_text};

	if (to->told >= to->wish->most) {
		to->left_out++;
		return;
	}
	nt_value_text(n, v, &out);
	if (!out.len)
		return;
	to->told++;
	to->fn(to->ctx, name, text);
}

static enum verdict tell_member(struct walk *w, const struct nt_value *v, bool is_opened)
{
	if (!is_opened)
		tell(w->n, w->ctx, w->name, v);
	return GO_ON;
}

/* What is known of the block, when it is known well enough; 0: nothing. */
static uint32_t type_of_block(struct cs_native *n, const struct cs_block *block, struct nt_value *v,
			      bool *is_array)
{
	uint32_t node = n ? cs_node_at(&n->nodes, block->addr) : CS_NO_NODE, what, start = 0;
	const struct nt_type *t;

	if (node == CS_NO_NODE || !(what = n->what[node]) || nt_sure(what) == CS_NATIVE_CANDIDATE)
		return 0;
	t = &n->types.items[nt_type_nr(what)];
	cs_map_get(&n->starts, (uint64_t)node + 1, &start);
	*is_array = what & NT_ARRAY_BIT;
	*v = (struct nt_value){.addr = block->addr + start};
	if (start > block->len || (!t->die.words[0] && t->kind != NT_CHAR))
		return 0;
	v->room = block->len - start;
	v->type = nt_unpack(&t->die);
	return nt_type_nr(what);
}

uint64_t cs_native_members(struct cs_native *n, const struct cs_block *block,
			   const struct cs_native_members_wish *wish, cs_native_member_fn *fn,
			   void *ctx)
{
	struct teller to = {.wish = wish, .fn = fn, .ctx = ctx};
	char text[CS_NATIVE_VALUE_MAX];
	struct walk w = {.n = n, .each = tell_member, .ctx = &to};
	struct nt_value v;
	bool is_array;
	uint32_t nr = type_of_block(n, block, &v, &is_array);

	if (!nr)
		return 0;
	if (n->types.items[nr].kind == NT_CHAR) {
		struct nt_text out = {.out = text, .cap = sizeof(text), .no_text = wish->no_text};

		text[0] = 0;
		nt_put_string(n, v.addr, v.room, &out);
		if (out.len)
			fn(ctx, "", text);
		return 0;
	}
	if (!nt_is_record(dwarf_tag(&v.type))) {
		if (!is_array)
			tell(n, &to, "", &v);
		return 0;
	}
	w.end = v.addr + v.room;
	if (is_array)
		memcpy(w.name, "[0].", 5);
	else if (n->types.items[nr].tail)
		w.tail = v.addr + n->types.items[nr].tail_off;
	enter(&w, &v.type, v.addr, strlen(w.name));
	walk(&w);
	return to.left_out;
}

/* --- one of them --- */

struct finder {
	const char *path;
	struct nt_value found; /* the whole path, or a pointer to go on from */
	size_t used;	       /* of the path; 0: nothing */
};

static enum verdict find_member(struct walk *w, const struct nt_value *v, bool is_opened)
{
	struct finder *f = w->ctx;
	Dwarf_Die type = v->type;
	size_t len = strlen(w->name);

	(void)is_opened;
	if (strncmp(f->path, w->name, len) || (f->path[len] && f->path[len] != '.') ||
	    (f->path[len] && dwarf_tag(&type) != DW_TAG_pointer_type))
		return GO_ON;
	f->found = *v;
	f->used = len;
	return STOP;
}

/* Where a pointer leads, as memory of its type. False: nowhere. */
static bool follow(struct cs_native *n, struct nt_value *v)
{
	Dwarf_Die pointer = v->type;
	const char *alias;

	if (!cs_mem_u64(n->image->mem, v->addr, &v->addr) || !v->addr ||
	    !nt_type_entry(&pointer, &v->type) || !nt_peel(&v->type, &alias))
		return false;
	v->type = definition(n, &v->type);
	v->room = cs_mem_run(n->image->mem, v->addr);
	return nt_is_record(dwarf_tag(&v->type)) && v->room;
}

bool cs_native_member(struct cs_native *n, const struct cs_block *block, const char *path,
		      bool no_text, char text[CS_NATIVE_VALUE_MAX], bool *is_integer)
{
	struct nt_text out = {.out = text, .cap = CS_NATIVE_VALUE_MAX, .no_text = no_text};
	struct finder f = {.path = path};
	bool is_array;

	text[0] = 0;
	if (!type_of_block(n, block, &f.found, &is_array) || !f.found.type.addr)
		return false;
	for (int i = 0; i < PARTS_MAX; i++) {
		struct walk w = {.n = n, .each = find_member, .ctx = &f};

		w.end = f.found.addr + f.found.room;
		if (w.end < f.found.addr || !nt_is_record(dwarf_tag(&f.found.type)))
			return false;
		f.used = 0;
		enter(&w, &f.found.type, f.found.addr, 0);
		walk(&w);
		if (!f.used)
			return false;
		if (!f.path[f.used])
			break;
		f.path += f.used + 1;
		if (!follow(n, &f.found))
			return false;
	}
	nt_value_text(n, &f.found, &out);
	*is_integer = out.is_integer;
	return out.len;
}

/* --- which one --- */

struct place {
	cs_addr addr; /* looked for */
	struct nt_value found;
	bool has;
};

static enum verdict hold_place(struct walk *w, const struct nt_value *v, bool is_opened)
{
	struct place *p = w->ctx;
	struct nt_die die = nt_pack(&v->type);
	uint64_t size = nt_size(w->n, nt_type_of(w->n, &die));

	if (is_opened || v->bits || p->addr < v->addr)
		return GO_ON;
	if (p->addr - v->addr >= (size && !v->is_open ? size : v->room))
		return GO_ON;
	p->found = *v;
	p->has = true;
	return STOP;
}

/* From an array to the item that holds the address: its number, and the item in *v. */
static bool enter_item(struct cs_native *n, struct nt_value *v, cs_addr addr, uint64_t *number)
{
	Dwarf_Die array = v->type;
	const char *alias;
	struct nt_die die;
	uint64_t size;

	if (!nt_type_entry(&array, &v->type) || !nt_peel(&v->type, &alias))
		return false;
	die = nt_pack(&v->type);
	size = nt_size(n, nt_type_of(n, &die));
	if (!size)
		return false;
	*number = (addr - v->addr) / size;
	v->addr += *number * size;
	v->room = size;
	return true;
}

/* Go on from `len` characters of a name to the innermost member at the address: ".pos.x",
 * "[3].next". False: nothing has its place there. */
static bool name_inside(struct cs_native *n, struct place *p, uint32_t type, char *name, size_t len)
{
	const struct nt_type *t = &n->types.items[type];
	cs_addr tail = t->tail ? p->found.addr + t->tail_off : 0;
	uint64_t number;

	for (int i = 0; i < LEVELS; i++) {
		struct walk w = {.n = n, .each = hold_place, .ctx = p};

		if (dwarf_tag(&p->found.type) == DW_TAG_array_type) {
			if (!enter_item(n, &p->found, p->addr, &number) ||
			    len + 24 > CS_NATIVE_MEMBER_MAX)
				return false;
			len += (size_t)sprintf(name + len, "[%" PRIu64 "]", number);
		}
		if (!nt_is_record(dwarf_tag(&p->found.type)) ||
		    (i && nt_is_whole(n, &p->found.type)))
			break;
		memcpy(w.name, name, len);
		w.name[len] = '.';
		w.end = p->found.addr + p->found.room;
		w.tail = tail;
		p->has = false;
		enter(&w, &p->found.type, p->found.addr, len + 1);
		walk(&w);
		if (!p->has)
			return false;
		len = (size_t)snprintf(name, CS_NATIVE_MEMBER_MAX, "%s", w.name);
	}
	name[len] = 0;
	return true;
}

bool cs_native_member_name(struct cs_native *n, const struct cs_block *block, uint64_t off,
			   char name[CS_NATIVE_MEMBER_MAX])
{
	struct place p = {.addr = block->addr + off};
	size_t len = 0;
	bool is_array;
	uint32_t nr = type_of_block(n, block, &p.found, &is_array);
	const struct nt_type *t = nr ? &n->types.items[nr] : NULL;

	if (!nr || !t->die.words[0] || p.addr < p.found.addr)
		return false;
	if (is_array && t->size) {
		uint64_t number = (p.addr - p.found.addr) / t->size;

		p.found.addr += number * t->size;
		p.found.room = t->size;
		len = (size_t)snprintf(name, CS_NATIVE_MEMBER_MAX, "[%" PRIu64 "]", number);
	}
	return name_inside(n, &p, nr, name, len) && *name;
}

/* --- variables --- */

/* "pool" of "global pool", "local pool of main() in thread 7". */
static void cut_name(const char *text, char name[CS_NATIVE_MEMBER_MAX])
{
	const char *start = strchr(text, ' ');

	start = start ? start + 1 : text;
	snprintf(name, CS_NATIVE_MEMBER_MAX, "%.*s", (int)strcspn(start, " "), start);
}

static bool name_global(struct cs_native *n, const struct nt_var *var, cs_addr addr,
			char name[CS_NATIVE_MEMBER_MAX])
{
	struct place p = {.addr = addr, .found = {.addr = var->addr}};
	uint32_t nr = nt_type_of_variable(n, &var->die);
	const char *own = nt_die_name(&var->die), *alias;
	Dwarf_Die die = nt_unpack(&var->die);

	p.found.room = nt_size(n, nr);
	if (!nr || !own || addr - var->addr >= p.found.room ||
	    !nt_type_entry(&die, &p.found.type) || !nt_peel(&p.found.type, &alias))
		return false;
	snprintf(name, CS_NATIVE_MEMBER_MAX, "%.100s", own);
	return name_inside(n, &p, nr, name, strlen(name));
}

bool cs_native_has_variables(const struct cs_native *n)
{
	return n && n->dwarf && n->dwarf->vars.count;
}

bool cs_native_variable(struct cs_native *n, cs_addr addr, char name[CS_NATIVE_MEMBER_MAX])
{
	const struct nt_var *best = NULL;

	if (!n || !n->dwarf)
		return false;
	for (size_t i = 1; i < n->places.count; i++)
		if (n->places.items[i].addr == addr &&
		    !strncmp(n->places.items[i].text, "local", 5)) {
			cut_name(n->places.items[i].text, name);
			return true;
		}
	for (size_t i = 0; i < n->dwarf->vars.count; i++) {
		const struct nt_var *v = &n->dwarf->vars.items[i];

		if (!v->is_tls && v->addr <= addr && (!best || v->addr > best->addr))
			best = v;
	}
	if (best && name_global(n, best, addr, name))
		return true;
	for (size_t i = 1; i < n->places.count; i++)
		if (n->places.items[i].addr == addr) {
			cut_name(n->places.items[i].text, name);
			return true;
		}
	return false;
}
