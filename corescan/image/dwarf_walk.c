/* DWARF 2 to 5, section 7.5: a unit is a header and entries; an entry is the code of an
 * abbreviation, which lists its attributes' forms, and their values. */
#include "image/dwarf_walk.h"
#include "base/map.h"
#include "base/own.h"
#include "base/vec.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>

_Static_assert(sizeof(Dwarf_Die) == sizeof(((struct cs_dwarf_entry *)0)->die), "four words");

enum op_kind { OP_FIXED, OP_LEB, OP_STRING, OP_BLOCK, OP_BLOCK1, OP_BLOCK2, OP_BLOCK4, OP_INDIRECT,
	       OP_UNKNOWN };

struct op { /* how to get past some values */
	uint32_t kind, len; /* len: of OP_FIXED */
};

struct abbrev {
	uint32_t first, count; /* of ops */
	uint32_t sibling;      /* where DW_AT_sibling is behind the code; NO_SIBLING: nowhere */
	uint16_t tag;
	uint8_t sibling_len;
	bool has_children;
};

struct table {
	size_t first, count; /* of abbrevs; codes run from 1 unless they are in the map */
	unsigned offset_len, addr_len, version;
};

enum { NO_SIBLING = UINT32_MAX, LEN_MAX = 1 << 20, WORK_FACTOR = 4, WORK_SLACK = 1 << 16 };

struct bytes {
	const unsigned char *start;
	size_t len;
};

struct cs_dwarf_walker {
	struct cs_pulse *pulse;
	Dwarf *dw; /* the one that the rest is about */
	struct bytes info[4], abbrev[4]; /* .debug_info, .debug_types, and the same of .dwo */
	uint64_t work; /* codes and attributes that may still be read */
	CS_VEC(struct table) tables;
	CS_VEC(struct abbrev) abbrevs;
	CS_VEC(struct op) ops;
	struct cs_map by_place; /* offset and header -> 1 + table */
	struct cs_map by_code;	/* table and code -> abbrev, where codes leave some out */
};

struct cs_dwarf_walker *cs_dwarf_walker_create(struct cs_pulse *pulse)
{
	struct cs_dwarf_walker *w = calloc(1, sizeof(*w));

	if (w)
		w->pulse = pulse;
	return w;
}

static void forget(struct cs_dwarf_walker *w)
{
	cs_vec_free(&w->tables);
	cs_vec_free(&w->abbrevs);
	cs_vec_free(&w->ops);
	cs_map_deinit(&w->by_place);
	cs_map_deinit(&w->by_code);
	*w = (struct cs_dwarf_walker){ .pulse = w->pulse };
}

void cs_dwarf_walker_destroy(struct cs_dwarf_walker *w)
{
	if (!w)
		return;
	forget(w);
	free(w);
}

/* --- numbers --- */

static bool leb(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < end; shift += 7) {
		unsigned char c = *(*at)++;

		if (shift < 64)
			value |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*out = value;
			return true;
		}
	}
	return false;
}

static uint64_t number(const unsigned char *p, unsigned len)
{
	return len == 1 ? *p : len == 2 ? cs_le16(p) : len == 4 ? cs_le32(p) : cs_le64(p);
}

/* --- abbreviations --- */

static struct op op_of(const struct table *t, uint64_t form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return (struct op){ OP_FIXED, 0 };
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return (struct op){ OP_FIXED, 1 };
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return (struct op){ OP_FIXED, 2 };
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return (struct op){ OP_FIXED, 3 };
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return (struct op){ OP_FIXED, 4 };
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return (struct op){ OP_FIXED, 8 };
	case DW_FORM_data16:
		return (struct op){ OP_FIXED, 16 };
	case DW_FORM_addr:
		return (struct op){ OP_FIXED, t->addr_len };
	case DW_FORM_ref_addr:
		return (struct op){ OP_FIXED, t->version < 3 ? t->addr_len : t->offset_len };
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_sec_offset:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return (struct op){ OP_FIXED, t->offset_len };
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		return (struct op){ OP_LEB, 0 };
	case DW_FORM_string:
		return (struct op){ OP_STRING, 0 };
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return (struct op){ OP_BLOCK, 0 };
	case DW_FORM_block1:
		return (struct op){ OP_BLOCK1, 0 };
	case DW_FORM_block2:
		return (struct op){ OP_BLOCK2, 0 };
	case DW_FORM_block4:
		return (struct op){ OP_BLOCK4, 0 };
	case DW_FORM_indirect:
		return (struct op){ OP_INDIRECT, 0 };
	default:
		return (struct op){ OP_UNKNOWN, 0 };
	}
}

/* One attribute behind those that are there: fixed lengths become one. */
static bool add_op(struct cs_dwarf_walker *w, struct abbrev *a, struct op op, uint64_t attribute)
{
	struct op *last = a->count ? &w->ops.items[w->ops.count - 1] : NULL;

	if (attribute == DW_AT_sibling && op.kind == OP_FIXED && a->count <= 1 &&
	    (!last || last->kind == OP_FIXED) &&
	    (op.len == 1 || op.len == 2 || op.len == 4 || op.len == 8)) {
		a->sibling = last ? last->len : 0;
		a->sibling_len = (uint8_t)op.len;
	}
	if (last && last->kind == OP_FIXED && op.kind == OP_FIXED && last->len < LEN_MAX) {
		last->len += op.len;
		return true;
	}
	a->count++;
	return cs_vec_push(&w->ops, op);
}

/* The attributes of one abbreviation. */
static cs_status read_attributes(struct cs_dwarf_walker *w, const struct table *t,
				 const unsigned char **at, const unsigned char *end,
				 struct abbrev *a)
{
	for (;;) {
		uint64_t name, form, value;

		if (!w->work || !leb(at, end, &name) || !leb(at, end, &form))
			return CS_CORRUPT;
		w->work--;
		if (form == DW_FORM_implicit_const && !leb(at, end, &value))
			return CS_CORRUPT;
		if (!name && !form)
			return CS_OK;
		if (!add_op(w, a, op_of(t, form), name))
			return CS_NOMEM;
	}
}

static uint64_t code_key(size_t table, uint64_t code)
{
	return ((uint64_t)table << 32 ^ code * 0x9e3779b97f4a7c15ull) | 1;
}

/* A table that ends badly is as good as what came before. */
static cs_status read_table(struct cs_dwarf_walker *w, struct table *t, const unsigned char *at,
			    const unsigned char *end)
{
	uint64_t code, tag;

	t->first = w->abbrevs.count;
	while (w->work && at < end && leb(&at, end, &code) && code) {
		struct abbrev a = { .first = (uint32_t)w->ops.count, .sibling = NO_SIBLING };
		cs_status st;

		w->work--;
		if (!leb(&at, end, &tag) || at >= end || w->ops.count >= UINT32_MAX / 2)
			break;
		a.tag = tag <= UINT16_MAX ? (uint16_t)tag : 0;
		a.has_children = *at++;
		st = read_attributes(w, t, &at, end, &a);
		if (st == CS_NOMEM)
			return st;
		if (st)
			break;
		if (code != t->count + 1 &&
		    !cs_map_put(&w->by_code, code_key(w->tables.count, code), (uint32_t)w->abbrevs.count))
			return CS_NOMEM;
		if (!cs_vec_push(&w->abbrevs, a))
			return CS_NOMEM;
		t->count++;
	}
	return t->count ? CS_OK : CS_CORRUPT;
}

static const struct abbrev *find_abbrev(const struct cs_dwarf_walker *w, size_t nr, uint64_t code)
{
	const struct table *t = &w->tables.items[nr];
	uint32_t at;

	/* what is in the map stands at another place than its code says */
	if (w->by_code.count && cs_map_get(&w->by_code, code_key(nr, code), &at))
		return &w->abbrevs.items[at];
	return code - 1 < t->count ? &w->abbrevs.items[t->first + code - 1] : NULL;
}

/* --- units --- */

static bool holds(const struct bytes *b, const unsigned char *p)
{
	return b->start && p >= b->start && (size_t)(p - b->start) < b->len;
}

/* The sections of a file, as libdw has them: unpacked. */
static void find_sections(struct cs_dwarf_walker *w, Dwarf *dw)
{
	static const char *const names[] = { "info", "types", "info.dwo", "types.dwo",
					     "abbrev", "abbrev", "abbrev.dwo", "abbrev.dwo" };
	Elf *elf = dwarf_getelf(dw);
	size_t strings;

	forget(w);
	w->dw = dw;
	if (elf_getshdrstrndx(elf, &strings))
		return;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, strings, sh.sh_name) : NULL;
		size_t dot = !name ? 0 : !strncmp(name, ".debug_", 7) ? 7 :
			     !strncmp(name, ".zdebug_", 8) ? 8 : 0;
		Elf_Data *data = dot ? elf_rawdata(scn, NULL) : NULL;

		for (size_t i = 0; data && data->d_buf && i < 8; i++) {
			struct bytes *b = i < 4 ? &w->info[i] : &w->abbrev[i - 4];

			if (!b->start && !strcmp(name + dot, names[i]))
				*b = (struct bytes){ data->d_buf, data->d_size };
		}
	}
	for (size_t i = 0; i < 4; i += 2)
		w->work += w->abbrev[i].len;
	w->work = w->work * WORK_FACTOR + WORK_SLACK;
}

static cs_status find_table(struct cs_dwarf_walker *w, const struct bytes *abbrev, uint64_t off,
			    struct table t, size_t *out)
{
	unsigned how = t.addr_len << 4 | (t.offset_len == 8 ? 2u : 0) | (t.version < 3 ? 4u : 0) |
		       (abbrev >= &w->abbrev[2] ? 8u : 0);
	uint64_t key = (off << 12 | how) + 1;
	uint32_t nr;
	cs_status st;

	if (cs_map_get(&w->by_place, key, &nr)) {
		*out = nr;
		return CS_OK;
	}
	if (!abbrev->start || off >= abbrev->len)
		return CS_CORRUPT;
	st = read_table(w, &t, abbrev->start + off, abbrev->start + abbrev->len);
	if (st)
		return st;
	*out = w->tables.count;
	return cs_vec_push(&w->tables, t) && cs_map_put(&w->by_place, key, (uint32_t)*out) ? CS_OK :
											      CS_NOMEM;
}

cs_status cs_dwarf_walk_init(struct cs_dwarf_walk *w, struct cs_dwarf_walker *walker,
			     const void *unit)
{
	Dwarf_Die die, again;
	Dwarf_Half version;
	Dwarf_Off abbrev;
	uint8_t addr_len, offset_len;
	uint64_t header, len;
	const struct bytes *info = NULL;
	size_t nr = 0;

	memcpy(&die, unit, sizeof(die));
	if (!die.addr || !dwarf_cu_die(die.cu, &again, &version, &abbrev, &addr_len, &offset_len, NULL,
				       NULL))
		return CS_CORRUPT;
	if (walker->dw != dwarf_cu_getdwarf(die.cu))
		find_sections(walker, dwarf_cu_getdwarf(die.cu));
	for (; nr < 4 && !info; nr++)
		info = holds(&walker->info[nr], die.addr) ? &walker->info[nr] : NULL;
	header = dwarf_cuoffset(&die);
	if (!info || header > (uint64_t)((unsigned char *)die.addr - info->start) || header < 11)
		return CS_CORRUPT;
	*w = (struct cs_dwarf_walk){ .walker = walker, .cu = die.cu, .hidden = SIZE_MAX };
	w->start = (unsigned char *)die.addr - header;
	w->at = die.addr;
	len = offset_len == 8 ? cs_le64(w->start + 4) : cs_le32(w->start);
	w->end = info->start + info->len;
	if (len < (uint64_t)(w->end - w->start) - (offset_len == 8 ? 12 : 4))
		w->end = w->start + len + (offset_len == 8 ? 12 : 4);
	return find_table(walker, &walker->abbrev[nr - 1], abbrev,
			  (struct table){ .offset_len = offset_len, .addr_len = addr_len,
					  .version = version }, &w->table);
}

/* Past one value of variable length. */
static bool pass(const struct table *t, struct op op, const unsigned char **at,
		 const unsigned char *end)
{
	unsigned width = op.kind == OP_BLOCK1 ? 1 : op.kind == OP_BLOCK2 ? 2 : 4;
	const unsigned char *nul;
	uint64_t value = op.len;

	switch ((enum op_kind)op.kind) {
	case OP_FIXED:
		break;
	case OP_LEB:
		return leb(at, end, &value);
	case OP_STRING:
		nul = memchr(*at, 0, (size_t)(end - *at));
		value = nul ? (uint64_t)(nul - *at) + 1 : UINT64_MAX;
		break;
	case OP_BLOCK:
		if (!leb(at, end, &value))
			return false;
		break;
	case OP_BLOCK1:
	case OP_BLOCK2:
	case OP_BLOCK4:
		if ((size_t)(end - *at) < width)
			return false;
		value = number(*at, width);
		*at += width;
		break;
	case OP_INDIRECT:
		if (!leb(at, end, &value) || value == DW_FORM_indirect ||
		    value == DW_FORM_implicit_const)
			return false;
		return pass(t, op_of(t, value), at, end); /* not another one: once */
	case OP_UNKNOWN:
	default:
		return false;
	}
	if (value > (uint64_t)(end - *at))
		return false;
	*at += value;
	return true;
}

static void fill(const struct cs_dwarf_walk *w, const struct abbrev *a, const unsigned char *code,
		 const unsigned char *values, struct cs_dwarf_entry *out)
{
	Dwarf_Die die = { .addr = (void *)(uintptr_t)code, .cu = w->cu };

	*out = (struct cs_dwarf_entry){ .tag = a->tag, .has_children = a->has_children,
					.depth = w->depth };
	memcpy(out->die, &die, sizeof(die));
	if (a->sibling != NO_SIBLING)
		out->sibling = number(values + a->sibling, a->sibling_len);
}

cs_status cs_dwarf_walk_next(struct cs_dwarf_walk *w, struct cs_dwarf_entry *out)
{
	const struct cs_dwarf_walker *walker = w->walker;

	while (w->at < w->end) {
		const unsigned char *start = w->at, *values;
		const struct abbrev *a;
		uint64_t code;
		bool ok = leb(&w->at, w->end, &code);

		if (!ok || !code) {
			if (!ok || !w->depth)
				return ok ? CS_NOTFOUND : CS_CORRUPT;
			if (!--w->depth)
				return CS_NOTFOUND;
			continue;
		}
		a = find_abbrev(walker, w->table, code);
		values = w->at;
		for (uint32_t i = 0; a && ok && i < a->count; i++)
			ok = pass(&walker->tables.items[w->table], walker->ops.items[a->first + i],
				  &w->at, w->end);
		if (!a || !ok)
			return CS_CORRUPT;
		if (w->depth <= w->hidden) {
			w->hidden = SIZE_MAX;
			fill(w, a, start, values, out);
			w->depth += a->has_children;
			return CS_OK;
		}
		if (cs_pulse_stops(walker->pulse))
			return CS_STOPPED;
		w->depth += a->has_children;
	}
	return w->depth ? CS_CORRUPT : CS_NOTFOUND;
}

void cs_dwarf_walk_skip(struct cs_dwarf_walk *w, const struct cs_dwarf_entry *last)
{
	if (!last->has_children)
		return;
	w->hidden = last->depth;
	if (last->sibling < (uint64_t)(w->end - w->start) && w->start + last->sibling > w->at) {
		w->at = w->start + last->sibling;
		w->depth = last->depth;
	}
}

bool cs_dwarf_holds(const void *die, uint64_t vaddr, uint64_t *budget)
{
	Dwarf_Addr base, from, to;
	ptrdiff_t at = 0;
	Dwarf_Die d;

	memcpy(&d, die, sizeof(d));
	while (*budget && (at = dwarf_ranges(&d, at, &base, &from, &to)) > 0) {
		--*budget;
		if (vaddr >= from && vaddr < to)
			return true;
	}
	return false;
}
