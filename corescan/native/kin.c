#include "native/kin.h"
#include "base/sorted.h"
#include "native/dwarf_die.h"

enum {
	SALT_BASE = 1, /* what lies at offset 0 */
	SALT_HEAD = 2, /* the names of the first two members */
	SALT_SIZE = 4, /* what malloc gives for it */
	SALT_TEXT = 3, /* where characters without an end begin */
	MEMBERS_MAX = 4096,
	ENTRIES_MAX = 1 << 22, /* of a unit, looked at for typedefs */
	DEEP_MAX = 4
};

struct pair {
	uint64_t key;
	struct nt_die die;
};

struct family {
	uint32_t first, count;
	bool is_too_big;
};

struct tags {
	size_t count;
	struct nt_tag items[NT_TAGS_MAX];
};

struct nt_kin {
	CS_VEC(struct pair) pairs; /* by key */
	CS_VEC(struct family) families;
	CS_VEC(uint32_t) members;
	struct cs_map by_type; /* type -> family */
	CS_VEC(struct tags) tags;
	struct cs_map tags_by_type;
	struct cs_map seen; /* names of typedefs */
};

static uint64_t salted(uint64_t key, unsigned salt)
{
	key = (key ^ salt) * 0x9e3779b97f4a7c15ull;
	return (key ^ key >> 29) | 1;
}

static bool add_pair(struct nt_kin *k, uint64_t key, unsigned salt, const struct nt_die *die)
{
	struct pair p = {salted(key, salt), *die};

	return cs_vec_push(&k->pairs, p);
}

/* By the name of its struct and those of the typedefs in between. */
static bool add_base(struct nt_kin *k, Dwarf_Die *member, const struct nt_die *die)
{
	Dwarf_Die type = *member;
	const char *alias = NULL, *name;

	if (!nt_type_entry(&type, &type) || !nt_peel(&type, &alias) ||
	    dwarf_tag(&type) != DW_TAG_structure_type)
		return true;
	name = dwarf_diename(&type);
	name = name ? name : alias;
	return !name || add_pair(k, nt_name_key(name), SALT_BASE, die);
}

/* Characters without an end, or the old way with one. */
static bool add_text(struct nt_kin *k, Dwarf_Die *member, const struct nt_die *die)
{
	Dwarf_Die type = *member;
	const char *alias;
	uint64_t off;

	if (!nt_member_offset(member, &off) || !off || !nt_type_entry(&type, &type) ||
	    !nt_peel(&type, &alias) || dwarf_tag(&type) != DW_TAG_array_type ||
	    nt_array_items(&type) > 1 || !nt_type_entry(&type, &type) || !nt_peel(&type, &alias) ||
	    dwarf_bytesize(&type) != 1)
		return true;
	return add_pair(k, off, SALT_TEXT, die);
}

/* `entry`: the struct, or the typedef that gives it its name. */
static bool add_struct(struct nt_kin *k, Dwarf_Die *record, const struct nt_die *entry)
{
	uint64_t head = 0, off;
	unsigned members = 0;
	const void *at = NULL;
	Dwarf_Die child, last;
	const char *name;

	if (dwarf_tag(record) == DW_TAG_union_type || dwarf_child(record, &child))
		return true;
	do {
		int tag = dwarf_tag(&child);

		if (child.addr <= at) /* forged */
			break;
		at = child.addr;
		if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) ||
		    (tag == DW_TAG_member && dwarf_hasattr(&child, DW_AT_external)))
			continue;
		last = child;
		name = dwarf_diename(&child);
		if (!members++ && nt_member_offset(&child, &off) && !off &&
		    !add_base(k, &child, entry))
			return false;
		if (members == 1)
			head = name ? nt_name_key(name) : 0;
		else if (members == 2 && head && name &&
			 !add_pair(k, head * 31 + nt_name_key(name), SALT_HEAD, entry))
			return false;
	} while (members < MEMBERS_MAX && !dwarf_siblingof(&child, &child));
	if (!members || dwarf_bytesize(record) <= 0)
		return true;
	return add_text(k, &last, entry) &&
	       add_pair(k, nt_class((uint64_t)dwarf_bytesize(record)), SALT_SIZE, entry);
}

/* Structs without a name of their own are named by typedefs. */
static bool add_typedefs(struct cs_native *n, const struct nt_unit *unit)
{
	struct nt_kin *k = n->kin;
	Dwarf_Die die = nt_unpack(&unit->die), record;
	uint32_t one;

	if (dwarf_child(&die, &die))
		return true;
	for (uint32_t i = 0; i < ENTRIES_MAX && !cs_pulse_stops(n->model->pulse); i++) {
		const void *at = die.addr;
		const char *name = dwarf_tag(&die) == DW_TAG_typedef ? dwarf_diename(&die) : NULL;
		uint64_t key = name ? nt_name_key(name) : 0;
		struct nt_die entry = nt_pack(&die);

		if (name && !cs_map_get(&k->seen, key, &one)) {
			record = die;
			if (!cs_map_put(&k->seen, key, 1))
				return false;
			if (nt_type_entry(&record, &record) &&
			    dwarf_tag(&record) == DW_TAG_structure_type &&
			    !dwarf_diename(&record) && !add_struct(k, &record, &entry))
				return false;
		}
		if (dwarf_siblingof(&die, &die) || die.addr <= at)
			break;
	}
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->die.words[0], q = (uintptr_t)y->die.words[0];

	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (p > q) - (p < q);
}

static bool make_index(struct cs_native *n)
{
	struct nt_dwarf *d = n->dwarf;
	bool ok = true;
	uint32_t nr;

	n->kin = calloc(1, sizeof(*n->kin));
	if (!n->kin)
		return false;
	for (size_t i = 0; ok && i < d->defs.count && !cs_pulse_stops(n->model->pulse); i++) {
		const struct nt_def *def = &d->defs.items[i];
		Dwarf_Die die = nt_unpack(&def->die);

		/* one of many units that have it; all, when they differ */
		if (def->size && cs_map_get(&d->def_by_name, nt_name_key(def->name), &nr) &&
		    (nr == i || nr == NT_AMBIGUOUS))
			ok = add_struct(n->kin, &die, &def->die);
	}
	for (size_t i = 0; ok && i < d->units.count && !cs_pulse_stops(n->model->pulse); i++)
		if (!d->units.items[i].is_cxx)
			ok = add_typedefs(n, &d->units.items[i]);
	if (ok && n->kin->pairs.count)
		qsort(n->kin->pairs.items, n->kin->pairs.count, sizeof(struct pair), by_key);
	return ok;
}

static bool ready(struct cs_native *n)
{
	if (n->dwarf && !n->kin && !make_index(n))
		n->failed = true;
	return n->kin != NULL;
}

static size_t first_of(const struct nt_kin *k, uint64_t key)
{
	size_t lo = CS_BELOW(k->pairs.items, k->pairs.count, key, key);

	return lo;
}

void nt_kin_free(struct cs_native *n)
{
	struct nt_kin *k = n->kin;

	if (!k)
		return;
	cs_vec_free(&k->pairs);
	cs_vec_free(&k->families);
	cs_vec_free(&k->members);
	cs_map_deinit(&k->by_type);
	cs_map_deinit(&k->seen);
	cs_vec_free(&k->tags);
	cs_map_deinit(&k->tags_by_type);
	free(k);
	n->kin = NULL;
}

/* --- families --- */

static bool next_member(Dwarf_Die *die, bool is_first)
{
	const void *at = is_first ? NULL : die->addr;
	Dwarf_Die child = *die;

	if (is_first ? dwarf_child(die, &child) : dwarf_siblingof(die, &child))
		return false;
	while (dwarf_tag(&child) != DW_TAG_member && dwarf_tag(&child) != DW_TAG_inheritance) {
		at = child.addr;
		if (dwarf_siblingof(&child, &child) || child.addr <= at)
			return false;
	}
	*die = child;
	return true;
}

static int size_of_member(Dwarf_Die *member)
{
	Dwarf_Die type = *member;
	const char *alias;

	return nt_type_entry(&type, &type) && nt_peel(&type, &alias) ? dwarf_bytesize(&type) : -1;
}

static bool same_member(Dwarf_Die *a, Dwarf_Die *b)
{
	const char *x = dwarf_diename(a), *y = dwarf_diename(b);
	uint64_t p, q;
	bool has_place = nt_member_offset(a, &p);

	if (!x || !y || strcmp(x, y) || has_place != nt_member_offset(b, &q) ||
	    (has_place && p != q))
		return false;
	return size_of_member(a) == size_of_member(b);
}

/* Does b begin with all members of a, two at least? */
static bool repeats(struct cs_native *n, uint32_t a, uint32_t b)
{
	Dwarf_Die x = nt_unpack(&n->types.items[a].die), y = nt_unpack(&n->types.items[b].die);
	unsigned members = 0;

	while (members < MEMBERS_MAX && next_member(&x, !members)) {
		if (!next_member(&y, !members) || !same_member(&x, &y))
			return false;
		members++;
	}
	return members > 1;
}

static bool begins_with(struct cs_native *n, uint32_t type, uint32_t base)
{
	Dwarf_Die die = nt_unpack(&n->types.items[type].die);
	uint64_t off;
	struct nt_die member;

	if (!next_member(&die, true) || !nt_member_offset(&die, &off) || off)
		return false;
	member = nt_pack(&die);
	return nt_type_of_variable(n, &member) == base;
}

static bool is_in(const struct nt_kin *k, size_t first, uint32_t type)
{
	for (size_t i = first; i < k->members.count; i++)
		if (k->members.items[i] == type)
			return true;
	return false;
}

/* Those with this key that prove to begin with `base` are added behind `first`. */
static bool add_kin(struct cs_native *n, size_t first, uint32_t base, uint64_t key, bool is_head)
{
	struct nt_kin *k = n->kin;

	key = salted(key, is_head ? SALT_HEAD : SALT_BASE);
	for (size_t i = first_of(k, key); i < k->pairs.count && k->pairs.items[i].key == key; i++) {
		uint32_t nr = nt_type_of(n, &k->pairs.items[i].die);
		const struct nt_type *t = &n->types.items[nr];

		if (cs_pulse_stops(n->model->pulse) || k->members.count - first > NT_KIN_MAX)
			return true;
		/* libstdc++ measures alignments by structs of nothing but the base */
		if (!nr || nr == base || (t->is_cxx && t->size == n->types.items[base].size) ||
		    t->kind != NT_RECORD || !t->is_complete ||
		    t->size < n->types.items[base].size || is_in(k, first, nr) ||
		    !(is_head ? repeats(n, base, nr) : begins_with(n, nr, base)))
			continue;
		if (!cs_vec_push(&k->members, nr))
			return false;
	}
	return true;
}

static bool add_all(struct cs_native *n, size_t first, uint32_t base)
{
	Dwarf_Die die = nt_unpack(&n->types.items[base].die), member = die;
	const char *name = dwarf_diename(&die), *one, *two;

	name = name ? name : n->types.items[base].name;
	if (!add_kin(n, first, base, nt_name_key(name), false))
		return false;
	if (!next_member(&member, true) || !(one = dwarf_diename(&member)) ||
	    !next_member(&member, false) || !(two = dwarf_diename(&member)))
		return true;
	return add_kin(n, first, base, nt_name_key(one) * 31 + nt_name_key(two), true);
}

static uint32_t make_family(struct cs_native *n, uint32_t type)
{
	struct nt_kin *k = n->kin;
	struct family f = {.first = (uint32_t)k->members.count};
	bool ok = add_all(n, f.first, type);

	for (size_t i = f.first; ok && i < k->members.count; i++)
		ok = add_all(n, f.first, k->members.items[i]);
	for (size_t i = f.first; i < k->members.count; i++)
		if (k->members.items[i] == type) /* by way of another */
			k->members.items[i] = k->members.items[--k->members.count];
	f.is_too_big = k->members.count - f.first > NT_KIN_MAX;
	if (f.is_too_big)
		k->members.count = f.first;
	f.count = (uint32_t)(k->members.count - f.first);
	if (!ok || !cs_vec_push(&k->families, f) ||
	    !cs_map_put(&k->by_type, type, (uint32_t)(k->families.count - 1)))
		n->failed = true;
	return (uint32_t)(k->families.count - 1);
}

const uint32_t *nt_derived(struct cs_native *n, uint32_t type, size_t *count)
{
	const struct nt_type *t = &n->types.items[type];
	uint32_t nr;

	*count = 0;
	if (t->kind != NT_RECORD || !t->is_complete || !t->has_derived || !t->die.words[0] ||
	    !ready(n))
		return NULL;
	if (!cs_map_get(&n->kin->by_type, type, &nr))
		nr = make_family(n, type);
	if (n->failed)
		return NULL;
	*count = n->kin->families.items[nr].count;
	return n->kin->members.items + n->kin->families.items[nr].first;
}

bool nt_has_family(struct cs_native *n, uint32_t type)
{
	uint32_t nr;
	size_t count;

	nt_derived(n, type, &count);
	return n->kin && cs_map_get(&n->kin->by_type, type, &nr) &&
	       !n->kin->families.items[nr].is_too_big;
}

uint32_t nt_text_header(struct cs_native *n, uint32_t off)
{
	uint64_t key = salted(off, SALT_TEXT);
	uint32_t found = 0, nr;

	if (!off || !ready(n))
		return 0;
	for (size_t i = first_of(n->kin, key);
	     i < n->kin->pairs.count && n->kin->pairs.items[i].key == key; i++) {
		nr = nt_type_of(n, &n->kin->pairs.items[i].die);
		if (found && nr != found)
			return 0;
		found = nr;
	}
	return found;
}

/* --- what tells them apart --- */

/* Of a bit field; DWARF 3, and clang still, count from the upper end of what it is in. */
static bool first_bit(Dwarf_Die *member, int size, uint32_t bits, uint32_t *out)
{
	Dwarf_Attribute attr;
	Dwarf_Word bit, from_end;
	uint64_t off;

	if (dwarf_attr(member, DW_AT_data_bit_offset, &attr)) {
		if (dwarf_formudata(&attr, &bit))
			return false;
	} else if (dwarf_attr(member, DW_AT_bit_offset, &attr)) {
		if (dwarf_formudata(&attr, &from_end) || !nt_member_offset(member, &off) ||
		    size < 1 || size > 8 || off > 1u << 16 || from_end + bits > (unsigned)size * 8)
			return false;
		bit = off * 8 + (unsigned)size * 8 - from_end - bits;
	} else {
		return false;
	}
	*out = (uint32_t)bit;
	return bit < 1u << 20;
}

static bool tag_of(Dwarf_Die *member, struct nt_tag *tag)
{
	Dwarf_Attribute attr;
	Dwarf_Die type = *member;
	Dwarf_Word word;
	const char *alias;
	uint64_t off;
	int size;

	if (!nt_type_entry(&type, &type) || !nt_peel(&type, &alias) ||
	    (dwarf_tag(&type) != DW_TAG_base_type && dwarf_tag(&type) != DW_TAG_enumeration_type))
		return false;
	size = dwarf_bytesize(&type);
	if (dwarf_attr(member, DW_AT_bit_size, &attr) && !dwarf_formudata(&attr, &word)) {
		tag->bits = (uint32_t)word;
		return word && word <= 16 && first_bit(member, size, tag->bits, &tag->bit);
	}
	if (size < 1 || size > 4 || !nt_member_offset(member, &off) || off > 1u << 16)
		return false;
	*tag = (struct nt_tag){(uint32_t)off * 8, (uint32_t)size * 8};
	return true;
}

static size_t read_tags(struct cs_native *n, uint32_t type, struct nt_tag tags[NT_TAGS_MAX])
{
	Dwarf_Die die = nt_unpack(&n->types.items[type].die), first;
	const char *alias;
	size_t count = 0;

	/* those of a base come from where it lies: at the start */
	for (int deep = 0; deep < DEEP_MAX; deep++) {
		unsigned members = 0;
		bool has_base = false;

		while (members < MEMBERS_MAX && count < NT_TAGS_MAX &&
		       next_member(&die, !members)) {
			count += tag_of(&die, &tags[count]);
			if (!members++) {
				first = die;
				has_base = nt_type_entry(&first, &first) &&
					   nt_peel(&first, &alias) &&
					   dwarf_tag(&first) == DW_TAG_structure_type;
			}
		}
		if (!has_base)
			break;
		die = first;
	}
	return count;
}

size_t nt_tags(struct cs_native *n, uint32_t type, const struct nt_tag **out)
{
	struct tags t = {.count = 0};
	uint32_t nr;

	if (!ready(n))
		return 0;
	if (!cs_map_get(&n->kin->tags_by_type, type, &nr)) {
		nr = (uint32_t)n->kin->tags.count;
		t.count = read_tags(n, type, t.items);
		if (!cs_vec_push(&n->kin->tags, t) ||
		    !cs_map_put(&n->kin->tags_by_type, type, nr)) {
			n->failed = true;
			return 0;
		}
	}
	*out = n->kin->tags.items[nr].items;
	return n->kin->tags.items[nr].count;
}

size_t nt_of_class(struct cs_native *n, uint64_t len, uint32_t *types, size_t max)
{
	uint64_t key = salted(len, SALT_SIZE);
	size_t count = 0, k;

	if (!ready(n))
		return 0;
	for (size_t i = first_of(n->kin, key);
	     i < n->kin->pairs.count && n->kin->pairs.items[i].key == key; i++) {
		uint32_t nr = nt_type_of(n, &n->kin->pairs.items[i].die);

		nt_flatten(n, nr);
		if (n->types.items[nr].kind != NT_RECORD || !n->types.items[nr].slots)
			continue;
		for (k = 0; k < count && types[k] != nr; k++)
			;
		if (k < count)
			continue;
		if (count == max)
			return 0;
		types[count++] = nr;
	}
	return count;
}

bool nt_tag_value(struct cs_native *n, const struct nt_tag *tag, cs_addr addr, uint64_t *out)
{
	uint64_t word;

	if (!cs_mem_u64(n->image->mem, addr + tag->bit / 8, &word))
		return false;
	*out = word >> tag->bit % 8 & ((1ull << tag->bits) - 1);
	return true;
}

bool nt_fits_type(struct cs_native *n, uint32_t type, const struct cs_block *block)
{
	const struct nt_type *t;

	nt_flatten(n, type);
	t = &n->types.items[type];
	if (!t->is_complete || t->size > block->len + (t->tail ? t->size - t->tail_off : 0))
		return false;
	return nt_fits(block, t->size) || t->tail;
}
