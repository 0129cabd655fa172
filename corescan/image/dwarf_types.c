/* DWARF 4 and 5, as gcc and clang write C: DW_TAG_structure_type with
 * DW_TAG_member children; anonymous struct and union members are descended
 * into with the parent's offset. */
#include "image/dwarf_types.h"
#include "image/dwarf_walk.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

enum { DEPTH_MAX = 8, UNITS_MAX = 1 << 20, MEMBERS_MAX = 4096 };

/* The next alternative in a '|' list. False at the end. */
static bool next_word(const char **list, const char **word, size_t *len)
{
	if (!**list)
		return false;
	*word = *list;
	*len = strcspn(*list, "|");
	*list += *len;
	if (**list == '|')
		++*list;
	return true;
}

static bool names_tag(const char *tags, const char *name)
{
	const char *word;
	size_t len, have = strlen(name);

	while (next_word(&tags, &word, &len))
		if (len == have && !memcmp(word, name, len))
			return true;
	return false;
}

/* Through typedefs and qualifiers to the type itself. */
static bool peel(Dwarf_Die *die)
{
	for (int i = 0; i < DEPTH_MAX; i++) {
		int tag = dwarf_tag(die);
		Dwarf_Attribute attr;

		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
		    tag != DW_TAG_atomic_type)
			return true;
		if (!dwarf_attr_integrate(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, die))
			return false;
	}
	return false;
}

static bool is_record(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static bool member_offset(Dwarf_Die *member, int64_t *off)
{
	Dwarf_Attribute attr;
	Dwarf_Word value = 0;

	if (dwarf_attr(member, DW_AT_data_member_location, &attr)) {
		if (dwarf_formudata(&attr, &value))
			return false;
	} else if (dwarf_attr(member, DW_AT_data_bit_offset, &attr)) {
		if (dwarf_formudata(&attr, &value))
			return false;
		value /= 8;
	}
	*off = (int64_t)value;
	return true;
}

/* Find a member by name in a record, also inside anonymous members. `level`
 * bounds the nesting of anonymous members: it is ours, not the target's. */
static bool find_member(Dwarf_Die *record, const char *name, size_t len, int level, Dwarf_Die *type,
			int64_t *off)
{
	Dwarf_Die child;
	const void *before;
	int left = MEMBERS_MAX;

	if (level >= DEPTH_MAX || dwarf_child(record, &child))
		return false;
	do {
		Dwarf_Attribute attr;
		int64_t at;

		before = child.addr;

		if (dwarf_tag(&child) != DW_TAG_member || !member_offset(&child, &at) ||
		    !dwarf_attr_integrate(&child, DW_AT_type, &attr) ||
		    !dwarf_formref_die(&attr, type))
			continue;

		const char *have = dwarf_diename(&child);

		if (have && strlen(have) == len && !memcmp(have, name, len)) {
			*off += at;
			return peel(type);
		}
		if (!have && peel(type) && is_record(type)) {
			Dwarf_Die inner = *type;

			*off += at;
			if (find_member(&inner, name, len, level + 1, type, off))
				return true;
			*off -= at;
		}
	} while (--left && !dwarf_siblingof(&child, &child) && child.addr > before);
	return false;
}

static bool resolve_path(Dwarf_Die record, const char *path, size_t len, int64_t *value)
{
	int64_t off = 0;

	for (size_t at = 0; at < len;) {
		size_t part = 0;
		Dwarf_Die type;

		while (at + part < len && path[at + part] != '.')
			part++;
		if (!find_member(&record, path + at, part, 0, &type, &off))
			return false;
		record = type;
		at += part + 1;
	}
	*value = off;
	return true;
}

static void answer(Dwarf_Die *record, const char *name, struct cs_dwarf_want *wants, size_t count,
		   size_t *open)
{
	for (size_t i = 0; i < count; i++) {
		const char *paths = wants[i].path, *word;
		size_t len;

		if (!wants[i].wanted || wants[i].value >= 0 || !names_tag(wants[i].tags, name))
			continue;
		if (!*paths) {
			int size = dwarf_bytesize(record);

			if (size >= 0) {
				wants[i].value = size;
				--*open;
			}
		}
		while (next_word(&paths, &word, &len))
			if (resolve_path(*record, word, len, &wants[i].value)) {
				--*open;
				break;
			}
	}
}

/* Millions of DIEs are named, a hundred names are wanted: most are told apart
 * by length and first letter. */
enum { SIEVE = 4096 };

static unsigned sieve_slot(const char *name, size_t len)
{
	return ((unsigned char)name[0] * 37u + (unsigned char)name[len - 1] * 101u + (unsigned)len * 7u) %
	       SIEVE;
}

static void fill_sieve(bool *sieve, const struct cs_dwarf_want *wants, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *tags = wants[i].tags, *word;
		size_t len;

		while (next_word(&tags, &word, &len))
			if (len)
				sieve[sieve_slot(word, len)] = true;
	}
}

static bool is_wanted(const char *name, const bool *sieve, const struct cs_dwarf_want *wants,
		      size_t count)
{
	size_t len = strlen(name);

	if (!len || !sieve[sieve_slot(name, len)])
		return false;
	for (size_t i = 0; i < count; i++)
		if (wants[i].wanted && wants[i].value < 0 && names_tag(wants[i].tags, name))
			return true;
	return false;
}

struct scan {
	struct cs_dwarf_want *wants;
	size_t count, open; /* open: not answered yet */
	struct cs_pulse *pulse;
	struct cs_dwarf_walker *walker;
	bool sieve[SIEVE];
};

static void scan_unit(Dwarf_Die *unit, struct scan *s)
{
	struct cs_dwarf_entry e;
	struct cs_dwarf_walk walk;
	Dwarf_Die die;

	if (cs_dwarf_walk_init(&walk, s->walker, unit))
		return;
	while (s->open && !cs_dwarf_walk_next(&walk, &e) && !cs_pulse_stops(s->pulse)) {
		const char *name;

		if (!e.depth)
			continue;
		cs_dwarf_walk_skip(&walk, &e);
		if (e.tag != DW_TAG_structure_type && e.tag != DW_TAG_typedef)
			continue;
		memcpy(&die, e.die, sizeof(die));
		name = dwarf_diename(&die);
		if (!name || !is_wanted(name, s->sieve, s->wants, s->count) ||
		    dwarf_hasattr(&die, DW_AT_declaration))
			continue;

		Dwarf_Die record = die;

		if (peel(&record) && is_record(&record) && !dwarf_hasattr(&record, DW_AT_declaration))
			answer(&record, name, s->wants, s->count, &s->open);
	}
}

cs_status cs_dwarf_members(struct cs_elf *elf, struct cs_dwarf_want *wants, size_t count,
			   struct cs_error *err)
{
	struct scan s = { .wants = wants, .count = count, .pulse = cs_elf_pulse(elf) };
	Dwarf *dw = cs_elf_dwarf(elf);
	Dwarf_CU *cu = NULL;
	uint8_t unit_type;
	Dwarf_Die die;
	Dwarf_Half version;
	int got = 0;

	if (!dw)
		return cs_pulse_result(s.pulse, CS_NOTFOUND, err);
	s.walker = cs_dwarf_walker_create(s.pulse);
	if (!s.walker)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the debug data");
	for (size_t i = 0; i < count; i++) {
		wants[i].value = -1;
		s.open += wants[i].wanted;
	}
	fill_sieve(s.sieve, wants, count);
	for (int units = 0; !got && s.open && units < UNITS_MAX && !cs_pulse_look(s.pulse); units++) {
		got = dwarf_get_units(dw, cu, &cu, &version, &unit_type, &die, NULL);
		if (!got && unit_type != DW_UT_type &&
		    !cs_dwarf_unit_fits((size_t)units, dwarf_dieoffset(&die)))
			break;
		if (!got)
			scan_unit(&die, &s);
	}
	cs_dwarf_walker_destroy(s.walker);
	if (got < 0)
		return cs_fail(err, CS_CORRUPT, 0, "%s: damaged DWARF: %s", cs_elf_path(elf),
			       dwarf_errmsg(-1));
	return cs_pulse_result(s.pulse, CS_OK, err);
}
