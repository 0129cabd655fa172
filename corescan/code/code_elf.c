/* System V gABI and x86-64 psABI 1.0: sections, .rela.plt, PLTs as GNU ld, gold, lld and
 * mold write them: each entry has one `jmp *slot(%rip)`. LSB Core 5.0 10.6: .eh_frame_hdr,
 * whose sorted table is there in stripped files too.
 *
 * The tables are the file's, which may be forged: all are read through cs_elf_view() and
 * cs_elf_bytes(), all counts are bounded by the bytes that hold them. */
#include "code/code_elf.h"
#include "base/sorted.h"

#include <elf.h>

enum {
	EH_ENC_PCREL_S4 = 0x1b,
	EH_ENC_U4 = 0x03,
	EH_ENC_DATAREL_S4 = 0x3b,
	EH_HEAD = 12,
	SYMBOLS_MAX = 1 << 22,
	SLOTS_MAX = 1 << 20
};

static void fail(struct code_elf *e)
{
	e->no_memory = true;
}

static const unsigned char *header_at(const struct code_elf *e, uint64_t off, uint64_t len)
{
	size_t size;
	const unsigned char *bytes = cs_elf_bytes(e->elf, &size);

	return cs_range_has((struct cs_range){0, size}, off, len) ? bytes + off : NULL;
}

/* Program header of a type, or NULL. */
static const unsigned char *segment(const struct code_elf *e, uint32_t type)
{
	const unsigned char *h = header_at(e, 0, sizeof(Elf64_Ehdr)), *ph;
	uint64_t at = cs_le64(h + offsetof(Elf64_Ehdr, e_phoff));

	for (unsigned i = 0; i < cs_le16(h + offsetof(Elf64_Ehdr, e_phnum)); i++) {
		if (!cs_add(at, i ? sizeof(Elf64_Phdr) : 0, &at))
			return NULL;
		ph = header_at(e, at, sizeof(Elf64_Phdr));
		if (!ph)
			return NULL;
		if (cs_le32(ph) == type)
			return ph;
	}
	return NULL;
}

/* --- sections --- */

static bool is_plt(const struct code_elf *e, const unsigned char *names, uint32_t at)
{
	uint64_t off = cs_le64(names + offsetof(Elf64_Shdr, sh_offset));
	const unsigned char *name;

	if (!cs_add(off, at, &off))
		return false;
	name = header_at(e, off, 4);
	return name && !memcmp(name, ".plt", 4);
}

static void add_text(struct code_elf *e, struct cs_range r, bool is_stubs)
{
	if (!r.len || r.len > UINT32_MAX || !cs_elf_view(e->elf, r.start, r.len))
		return;
	if (is_stubs ? !cs_vec_push(&e->plts, r) : !cs_vec_push(&e->texts, r))
		fail(e);
}

static bool read_sections(struct code_elf *e)
{
	const unsigned char *h = header_at(e, 0, sizeof(Elf64_Ehdr));
	uint64_t at = cs_le64(h + offsetof(Elf64_Ehdr, e_shoff));
	unsigned count = cs_le16(h + offsetof(Elf64_Ehdr, e_shnum));
	unsigned names_nr = cs_le16(h + offsetof(Elf64_Ehdr, e_shstrndx));
	const unsigned char *table = header_at(e, at, (uint64_t)count * sizeof(Elf64_Shdr));
	const unsigned char *names =
		table && names_nr < count ? table + names_nr * sizeof(Elf64_Shdr) : NULL;

	for (unsigned i = 0; at && table && i < count; i++) {
		const unsigned char *sh = table + i * sizeof(Elf64_Shdr);
		struct cs_range r = {cs_le64(sh + offsetof(Elf64_Shdr, sh_addr)),
				     cs_le64(sh + offsetof(Elf64_Shdr, sh_size))};
		const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;

		if ((cs_le64(sh + offsetof(Elf64_Shdr, sh_flags)) & code) == code &&
		    cs_le32(sh + offsetof(Elf64_Shdr, sh_type)) == SHT_PROGBITS)
			add_text(e, r, names && is_plt(e, names, cs_le32(sh)));
	}
	return e->texts.count;
}

static int by_start(const void *a, const void *b)
{
	const struct cs_range *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1)
				    : (x->len > y->len) - (x->len < y->len);
}

/* Sorted, disjoint, not more than the file has. */
static size_t tidy(struct cs_range *items, size_t count, uint64_t room)
{
	size_t kept = 0;
	uint64_t end = 0;

	if (count)
		qsort(items, count, sizeof(*items), by_start);
	for (size_t i = 0; i < count; i++) {
		if ((kept && items[i].start < end) || items[i].len > room)
			continue;
		room -= items[i].len;
		end = cs_range_end(items[i]);
		items[kept++] = items[i];
	}
	return kept;
}

static void read_texts(struct code_elf *e)
{
	const struct cs_elf_load *loads;
	size_t size, n = cs_elf_loads(e->elf, &loads);

	cs_elf_bytes(e->elf, &size);
	if (!read_sections(e))
		for (size_t i = 0; i < n; i++)
			if (loads[i].flags & PF_X)
				add_text(e, (struct cs_range){loads[i].vaddr, loads[i].filesz},
					 false);
	e->texts.count = tidy(e->texts.items, e->texts.count, size);
	e->plts.count = tidy(e->plts.items, e->plts.count, size);
}

static bool in_text(const struct code_elf *e, uint64_t addr)
{
	size_t lo = CS_UPTO(e->texts.items, e->texts.count, start, addr);

	return lo && cs_range_has(e->texts.items[lo - 1], addr, 1);
}

/* --- symbols and slots --- */

/* Name of a symbol up to its version; false: it has none. */
static bool name_of(const struct cs_elf_table *t, const unsigned char *sym, const char **name,
		    size_t *len)
{
	uint64_t at = cs_le32(sym);
	size_t room = at < t->names_len ? (size_t)(t->names_len - at) : 0;

	*name = (const char *)t->names + at;
	*len = room ? strnlen(*name, room) : 0;
	if (!*len || *len == room)
		return false;
	for (size_t i = 0; i < *len; i++)
		if ((*name)[i] == '@')
			*len = i;
	return *len;
}

static void add_symbols(struct code_elf *e, struct cs_elf_table t, bool is_exported)
{
	for (size_t i = 0; t.names && i < t.count && e->symbols.count < SYMBOLS_MAX; i++) {
		const unsigned char *sym = t.syms + i * sizeof(Elf64_Sym);
		unsigned type = ELF64_ST_TYPE(sym[offsetof(Elf64_Sym, st_info)]);
		struct code_symbol s = {.start = cs_le64(sym + offsetof(Elf64_Sym, st_value)),
					.size = cs_le64(sym + offsetof(Elf64_Sym, st_size)),
					.is_exported = is_exported};

		if (cs_pulse_stops(e->pulse))
			return;
		if (cs_le16(sym + offsetof(Elf64_Sym, st_shndx)) == SHN_UNDEF ||
		    (type != STT_FUNC && type != STT_GNU_IFUNC) ||
		    !name_of(&t, sym, &s.name, &s.len) || !in_text(e, s.start))
			continue;
		if (!cs_vec_push(&e->symbols, s))
			fail(e);
	}
}

static int compare_symbols(const void *a, const void *b)
{
	const struct code_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return (x->is_exported < y->is_exported) - (x->is_exported > y->is_exported);
}

static void add_slots(struct code_elf *e, uint64_t addr, uint64_t len)
{
	struct cs_elf_table t = cs_elf_table(e->elf, true);
	const unsigned char *rela = len ? cs_elf_view(e->elf, addr, len) : NULL;

	for (uint64_t i = 0; rela && t.names && len - i >= sizeof(Elf64_Rela);
	     i += sizeof(Elf64_Rela)) {
		uint64_t info = cs_le64(rela + i + offsetof(Elf64_Rela, r_info));
		uint64_t nr = ELF64_R_SYM(info), type = ELF64_R_TYPE(info);
		struct code_slot s = {.addr = cs_le64(rela + i)};

		if (cs_pulse_stops(e->pulse) || e->slots.count >= SLOTS_MAX)
			return;
		if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) || nr >= t.count ||
		    !name_of(&t, t.syms + nr * sizeof(Elf64_Sym), &s.name, &s.len))
			continue;
		if (!cs_vec_push(&e->slots, s))
			fail(e);
	}
}

static int compare_slots(const void *a, const void *b)
{
	const struct code_slot *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void read_slots(struct code_elf *e)
{
	const unsigned char *ph = segment(e, PT_DYNAMIC), *dyn;
	uint64_t values[64] = {0}, len, tag;
	size_t kept = 0;

	len = ph ? cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)) : 0;
	dyn = len ? header_at(e, cs_le64(ph + offsetof(Elf64_Phdr, p_offset)), len) : NULL;
	for (uint64_t i = 0; dyn && len - i >= sizeof(Elf64_Dyn); i += sizeof(Elf64_Dyn)) {
		tag = cs_le64(dyn + i);
		if (tag == DT_NULL)
			break;
		if (tag < 64)
			values[tag] = cs_le64(dyn + i + 8);
	}
	add_slots(e, values[DT_JMPREL], values[DT_PLTRELSZ]);
	add_slots(e, values[DT_RELA], values[DT_RELASZ]);
	if (e->slots.count)
		qsort(e->slots.items, e->slots.count, sizeof(*e->slots.items), compare_slots);
	for (size_t i = 0; i < e->slots.count; i++)
		if (!kept || e->slots.items[i].addr != e->slots.items[kept - 1].addr)
			e->slots.items[kept++] = e->slots.items[i];
	e->slots.count = kept;
}

static size_t slot_at(const struct code_elf *e, uint64_t addr)
{
	const struct code_slot key = {.addr = addr}, *found = NULL;

	if (e->slots.count)
		found = bsearch(&key, e->slots.items, e->slots.count, sizeof(key), compare_slots);
	return found ? (size_t)(found - e->slots.items) : SIZE_MAX;
}

/* An entry is 16 bytes with one jump in it, or 8 that are just that. */
static void read_stubs(struct code_elf *e)
{
	for (size_t nr = 0; nr < e->plts.count; nr++) {
		struct cs_range r = e->plts.items[nr];
		const unsigned char *p = cs_elf_view(e->elf, r.start, r.len);

		for (uint64_t i = 0; r.len >= 6 && i <= r.len - 6; i++) {
			struct code_stub stub;

			if (p[i] != 0xff || p[i + 1] != 0x25)
				continue;
			if (cs_pulse_stops(e->pulse))
				return;
			stub.slot =
				slot_at(e, r.start + i + 6 +
						   (uint64_t)(int64_t)(int32_t)cs_le32(p + i + 2));
			stub.addr =
				(r.start + i) % 8 ? cs_align_down(r.start + i, 16) : r.start + i;
			if (stub.slot == SIZE_MAX)
				continue;
			if (!cs_vec_push(&e->stubs, stub))
				fail(e);
		}
	}
}

/* --- functions --- */

/* Length of the function an FDE is for; 0: not as usual. */
static uint64_t fde_len(const struct code_elf *e, uint64_t fde, uint64_t start)
{
	const unsigned char *p = cs_elf_view(e->elf, fde, 16);

	if (!p || fde + 8 + (uint64_t)(int64_t)(int32_t)cs_le32(p + 8) != start)
		return 0;
	return cs_le32(p + 12);
}

static void add_piece(struct code_elf *e, uint64_t start, uint64_t len)
{
	struct code_piece piece = {start, (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX), true};

	if (e->pieces.count < CODE_PIECES_MAX && in_text(e, start) &&
	    !cs_vec_push(&e->pieces, piece))
		fail(e);
}

static void read_frames(struct code_elf *e)
{
	const unsigned char *ph = segment(e, PT_GNU_EH_FRAME), *p;
	uint64_t hdr = ph ? cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr)) : 0;
	uint64_t len = ph ? cs_le64(ph + offsetof(Elf64_Phdr, p_filesz)) : 0, count;

	p = len >= EH_HEAD ? cs_elf_view(e->elf, hdr, len) : NULL;
	if (!p || p[0] != 1 || p[1] != EH_ENC_PCREL_S4 || p[2] != EH_ENC_U4 ||
	    p[3] != EH_ENC_DATAREL_S4)
		return;
	count = cs_le32(p + 8);
	count = count < (len - EH_HEAD) / 8 ? count : (len - EH_HEAD) / 8;
	for (uint64_t i = 0; i < count; i++) {
		const unsigned char *at = p + EH_HEAD + i * 8;
		uint64_t start = hdr + (uint64_t)(int64_t)(int32_t)cs_le32(at);

		if (cs_pulse_stops(e->pulse))
			return;
		add_piece(e, start,
			  fde_len(e, hdr + (uint64_t)(int64_t)(int32_t)cs_le32(at + 4), start));
	}
}

static int compare_pieces(const void *a, const void *b)
{
	const struct code_piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->len < y->len) - (x->len > y->len);
}

static void sort_pieces(struct code_elf *e)
{
	if (e->pieces.count)
		qsort(e->pieces.items, e->pieces.count, sizeof(*e->pieces.items), compare_pieces);
}

/* Functions that only symbols tell of. */
static void add_symbol_pieces(struct code_elf *e)
{
	size_t frames = e->pieces.count, at = 0;

	for (size_t i = 0; i < e->symbols.count; i++) {
		const struct code_symbol *s = &e->symbols.items[i];

		while (at + 1 < frames && e->pieces.items[at + 1].start <= s->start)
			at++;
		if (at < frames && s->start - e->pieces.items[at].start < e->pieces.items[at].len)
			continue;
		if (at < frames && e->pieces.items[at].start == s->start)
			continue;
		add_piece(e, s->start, s->size);
	}
	sort_pieces(e);
}

static bool push_part(struct code_elf *e, struct code_piece part, struct code_piece **items,
		      size_t *count, size_t *cap)
{
	while (part.len) {
		struct code_piece one = part;

		one.len = part.len < CODE_PIECE_LEN_MAX ? part.len : CODE_PIECE_LEN_MAX;
		if (!cs_vec_room((void **)items, *count, cap, sizeof(one))) {
			fail(e);
			return false;
		}
		(*items)[(*count)++] = one;
		part.start += one.len;
		part.len -= one.len;
		part.is_function = false;
	}
	return true;
}

/* Cut at the next one's start, and fill what nobody describes. */
static void tile(struct code_elf *e)
{
	CS_VEC(struct code_piece) out = {NULL, 0, 0};
	size_t at = 0;

	for (size_t t = 0; t < e->texts.count && !e->no_memory; t++) {
		struct cs_range r = e->texts.items[t];
		uint64_t done = r.start, end = cs_range_end(r);

		for (; at < e->pieces.count && e->pieces.items[at].start < end && !e->no_memory;
		     at++) {
			struct code_piece piece = e->pieces.items[at];
			uint64_t next =
				at + 1 < e->pieces.count ? e->pieces.items[at + 1].start : end;
			uint64_t len;

			if (piece.start < done)
				continue; /* the same one again */
			next = next < end ? next : end;
			if (next == piece.start)
				next = end; /* again: dropped above */
			len = piece.len && piece.len < next - piece.start ? piece.len
									  : next - piece.start;
			push_part(e,
				  (struct code_piece){done, (uint32_t)(piece.start - done), false},
				  &out.items, &out.count, &out.cap);
			piece.len = (uint32_t)len;
			push_part(e, piece, &out.items, &out.count, &out.cap);
			done = piece.start + len;
			if (cs_pulse_stops(e->pulse))
				break;
		}
		push_part(e, (struct code_piece){done, (uint32_t)(end - done), false}, &out.items,
			  &out.count, &out.cap);
	}
	free(e->pieces.items);
	e->pieces.items = out.items;
	e->pieces.count = out.count;
	e->pieces.cap = out.cap;
}

/* "main.cold", "main.part.0.cold": jumped into, not called. */
static void mark_cold(struct code_elf *e)
{
	for (size_t i = 0; i < e->symbols.count; i++) {
		const struct code_symbol *s = &e->symbols.items[i];
		size_t nr;

		if (s->len < 5 || !memmem(s->name, s->len, ".cold", 5))
			continue;
		nr = code_elf_piece(e, s->start);
		if (nr != SIZE_MAX)
			e->pieces.items[nr].is_function = false;
	}
}

size_t code_elf_piece(const struct code_elf *e, uint64_t vaddr)
{
	size_t lo = CS_UPTO(e->pieces.items, e->pieces.count, start, vaddr);

	if (!lo || vaddr - e->pieces.items[lo - 1].start >= e->pieces.items[lo - 1].len)
		return SIZE_MAX;
	return lo - 1;
}

/* --- ways into the middle of a function --- */

static void add_entry(struct code_elf *e, uint64_t from, uint64_t to, bool is_branch)
{
	size_t nr = code_elf_piece(e, to);
	struct code_piece *piece;

	if (nr == SIZE_MAX)
		return;
	piece = &e->pieces.items[nr];
	if (from - piece->start < piece->len)
		return;
	if (to == piece->start) {
		/* what a condition leads to is the cold part of a function */
		if (is_branch)
			piece->is_function = false;
		return;
	}
	if (!cs_vec_push(&e->entries, to))
		fail(e);
}

/* Of a relocated word that holds an address in the code. */
static bool on_relative(uint64_t offset, uint64_t addend, void *ctx)
{
	struct code_elf *e = ctx;

	(void)offset;
	if (in_text(e, addend))
		add_entry(e, UINT64_MAX, addend, false);
	return !e->no_memory;
}

static void read_entries(struct code_elf *e)
{
	for (size_t t = 0; t < e->texts.count; t++) {
		struct cs_range r = e->texts.items[t];
		const unsigned char *p = cs_elf_view(e->elf, r.start, r.len);

		for (uint64_t i = 0; r.len >= 6 && i <= r.len - 6; i++) {
			bool is_branch = p[i] == 0x0f && (p[i + 1] & 0xf0) == 0x80;
			uint64_t at = i + 1 + is_branch;

			if (i % 4096 == 0 && cs_pulse_spent(e->pulse, 8))
				return;
			if (p[i] == 0xe9 || is_branch)
				add_entry(e, r.start + i,
					  r.start + at + 4 +
						  (uint64_t)(int64_t)(int32_t)cs_le32(p + at),
					  is_branch);
		}
	}
	cs_ignore(cs_elf_relatives(e->elf, on_relative, e), "no relocations are none");
}

static int compare_addr(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

bool code_elf_init(struct code_elf *e, const struct cs_elf *elf, const struct cs_elf *debug,
		   struct cs_pulse *pulse)
{
	*e = (struct code_elf){.elf = elf, .debug = debug, .pulse = pulse};
	read_texts(e);
	add_symbols(e, cs_elf_table(elf, true), true);
	add_symbols(e, cs_elf_table(elf, false), false);
	if (debug && debug != elf)
		add_symbols(e, cs_elf_table(debug, false), false);
	if (e->symbols.count)
		qsort(e->symbols.items, e->symbols.count, sizeof(*e->symbols.items),
		      compare_symbols);
	read_slots(e);
	read_stubs(e);
	read_frames(e);
	sort_pieces(e);
	add_symbol_pieces(e);
	tile(e);
	mark_cold(e);
	read_entries(e);
	if (e->entries.count)
		qsort(e->entries.items, e->entries.count, sizeof(uint64_t), compare_addr);
	return !e->no_memory && !(pulse && pulse->stopped);
}

void code_elf_deinit(struct code_elf *e)
{
	cs_vec_free(&e->texts);
	cs_vec_free(&e->plts);
	cs_vec_free(&e->symbols);
	cs_vec_free(&e->slots);
	cs_vec_free(&e->stubs);
	cs_vec_free(&e->pieces);
	cs_vec_free(&e->entries);
}
