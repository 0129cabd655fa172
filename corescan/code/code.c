#include "code/code.h"

#include "base/map.h"
#include "base/sorted.h"
#include "code/code_elf.h"
#include "code/code_flow.h"
#include "code/code_names.h"

enum { ROUNDS_MAX = 6, SPECS_MAX = 1 << 16, SIZE_BITS = 47 };

struct candidate { /* bytes that may be a call of an allocator */
	uint64_t end, to;
	uint32_t spec;
	bool is_slot;
};

struct target { /* a function that allocates, or a slot that holds one's address */
	uint64_t addr;
	uint32_t spec;
};

struct file {
	struct code_elf elf;
	struct cs_map known;		   /* address of a function, stub or slot -> spec */
	CS_VEC(struct target) fresh, next; /* of this round and the one after it */
};

struct cs_code {
	struct file *files;
	size_t file_count;
	CS_VEC(struct code_spec) specs; /* from 1 on */
	CS_VEC(struct cs_code_site) sites;
	CS_VEC(struct candidate) candidates;
	CS_VEC(struct code_call) calls;
	struct code_flow *flow;
	struct cs_pulse *pulse;
	bool is_cut, no_memory;
};

/* --- what is looked for --- */

static uint32_t add_spec(struct cs_code *c, const struct code_spec *spec)
{
	if (c->specs.count >= SPECS_MAX) {
		c->is_cut = true;
		return 0;
	}
	if (!cs_vec_push(&c->specs, *spec)) {
		c->no_memory = true;
		return 0;
	}
	return (uint32_t)c->specs.count - 1;
}

/* From the next round on; each address once. */
static void add_target(struct cs_code *c, struct file *f, uint64_t addr, uint32_t spec)
{
	uint32_t old;

	if (!spec || !addr || cs_map_get(&f->known, addr, &old))
		return;
	if (!cs_map_put(&f->known, addr, spec) ||
	    !cs_vec_push(&f->next, (struct target){addr, spec}))
		c->no_memory = true;
}

/* All ways of a file to the function of that name in another. */
static void add_imports(struct cs_code *c, struct file *f, const char *name, size_t len,
			uint32_t spec)
{
	for (size_t i = 0; i < f->elf.slots.count; i++) {
		const struct code_slot *s = &f->elf.slots.items[i];

		if (s->len == len && !memcmp(s->name, name, len))
			add_target(c, f, s->addr, spec);
	}
}

/* A stub is what its slot is. */
static void add_stubs(struct cs_code *c, struct file *f)
{
	uint32_t spec;

	for (size_t i = 0; i < f->elf.stubs.count; i++)
		if (cs_map_get(&f->known, f->elf.slots.items[f->elf.stubs.items[i].slot].addr,
			       &spec))
			add_target(c, f, f->elf.stubs.items[i].addr, spec);
}

static uint32_t named_spec(struct cs_code *c, struct cs_map *by_name, const char *name, size_t len)
{
	const struct code_spec *known = code_name_find(name, len);
	uint32_t nr = 0;

	if (!known || cs_map_get(by_name, (uint64_t)(uintptr_t)known, &nr))
		return nr;
	nr = add_spec(c, known);
	if (nr && !cs_map_put(by_name, (uint64_t)(uintptr_t)known, nr))
		c->no_memory = true;
	return nr;
}

static void add_known(struct cs_code *c, struct file *f, struct cs_map *by_name)
{
	for (size_t i = 0; i < f->elf.symbols.count; i++) {
		const struct code_symbol *s = &f->elf.symbols.items[i];

		add_target(c, f, s->start, named_spec(c, by_name, s->name, s->len));
	}
	for (size_t i = 0; i < f->elf.slots.count; i++) {
		const struct code_slot *s = &f->elf.slots.items[i];

		add_target(c, f, s->addr, named_spec(c, by_name, s->name, s->len));
	}
	add_stubs(c, f);
}

/* --- bytes that may be calls --- */

static int by_addr(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* A small table that tells most addresses are not looked for. */
struct sieve {
	uint64_t bits[1024];
};

static unsigned sieve_bit(uint64_t addr)
{
	return (unsigned)((addr * 0x9e3779b97f4a7c15ull) >> 48);
}

static void consider(struct cs_code *c, const struct file *f, const struct sieve *sieve,
		     uint64_t end, int32_t distance, bool is_slot)
{
	struct target key = {.addr = end + (uint64_t)(int64_t)distance};
	const struct target *found;

	if (!cs_bit(sieve->bits, sieve_bit(key.addr)))
		return;
	found = bsearch(&key, f->fresh.items, f->fresh.count, sizeof(key), by_addr);
	if (found &&
	    !cs_vec_push(&c->candidates, (struct candidate){end, key.addr, found->spec, is_slot}))
		c->no_memory = true;
}

static void scan_text(struct cs_code *c, const struct file *f, const struct sieve *sieve,
		      struct cs_range r)
{
	const unsigned char *p = cs_elf_view(f->elf.elf, r.start, r.len);

	for (uint64_t i = 0; p && r.len >= 5 && i <= r.len - 5; i++) {
		bool has_two = i + 6 <= r.len;

		if (i % 4096 == 0 && cs_pulse_spent(c->pulse, 8))
			return;
		if (p[i] == 0xe8 || p[i] == 0xe9)
			consider(c, f, sieve, r.start + i + 5, (int32_t)cs_le32(p + i + 1), false);
		else if (p[i] == 0x0f && has_two && (p[i + 1] & 0xf0) == 0x80)
			consider(c, f, sieve, r.start + i + 6, (int32_t)cs_le32(p + i + 2), false);
		else if (p[i] == 0xff && has_two && (p[i + 1] == 0x15 || p[i + 1] == 0x25))
			consider(c, f, sieve, r.start + i + 6, (int32_t)cs_le32(p + i + 2), true);
	}
}

static void find_candidates(struct cs_code *c, struct file *f)
{
	struct sieve *sieve = calloc(1, sizeof(*sieve));

	c->candidates.count = 0;
	if (!sieve) {
		c->no_memory = true;
		return;
	}
	qsort(f->fresh.items, f->fresh.count, sizeof(*f->fresh.items), by_addr);
	for (size_t i = 0; i < f->fresh.count; i++)
		cs_bit_set(sieve->bits, sieve_bit(f->fresh.items[i].addr));
	for (size_t i = 0; i < f->elf.texts.count; i++)
		scan_text(c, f, sieve, f->elf.texts.items[i]);
	free(sieve);
}

/* --- what they are called with --- */

static bool is_number(struct code_value v)
{
	return v.kind == CODE_NUMBER && v.n >= 0;
}

/* n * times + add, when that is a size. */
static bool size_of(uint64_t n, uint64_t times, uint64_t add, uint64_t *size)
{
	return cs_mul(n, times, &n) && cs_add(n, add, &n) && !(n >> SIZE_BITS) && (*size = n, true);
}

/* What a function asks for that calls one like `spec` with these arguments, when it just
 * passes on its own. */
static bool passes_on(const struct code_spec *spec, struct code_value size, struct code_value count,
		      struct code_spec *out)
{
	*out = (struct code_spec){.count = CODE_NO_ARG,
				  .is_python = spec->is_python,
				  .times = spec->times,
				  .add = spec->add};
	if (size.kind == CODE_NUMBER && count.kind == CODE_ARG) {
		struct code_value other = size;

		size = count;
		count = other;
	}
	if (size.kind != CODE_ARG || size.n < 0)
		return false;
	out->size = (int8_t)size.arg;
	if (count.kind == CODE_ARG && !size.n && !count.n) {
		out->count = (int8_t)count.arg;
		return true;
	}
	return is_number(count) && cs_mul(spec->times, (uint64_t)count.n, &out->times) &&
	       out->times && size_of((uint64_t)size.n, out->times, spec->add, &out->add);
}

static void set_size(struct cs_code_site *site, const struct code_spec *spec,
		     const struct code_call *call, struct code_spec *wrapper)
{
	const struct code_value one = {1, CODE_NUMBER, 0};
	struct code_value size, count;
	uint64_t n;

	if (spec->size == CODE_NO_ARG)
		return;
	size = call->args[spec->size];
	count = spec->count == CODE_NO_ARG ? one : call->args[spec->count];
	if (is_number(size) && is_number(count)) {
		if (cs_mul((uint64_t)size.n, (uint64_t)count.n, &n) &&
		    size_of(n, spec->times, spec->add, &site->size))
			site->kind = CS_CODE_CONSTANT;
	} else if (passes_on(spec, size, count, wrapper))
		site->kind = CS_CODE_PASSED;
}

/* A function passes its own size on: whoever calls it is a site, in this file or, by its
 * names, in others. */
static void add_wrapper(struct cs_code *c, struct file *f, uint64_t start,
			const struct code_spec *spec)
{
	struct code_spec named = *spec;
	uint32_t nr, old;
	size_t lo;

	if (cs_map_get(&f->known, start, &old))
		return;
	lo = CS_BELOW(f->elf.symbols.items, f->elf.symbols.count, start, start);
	if (lo < f->elf.symbols.count && f->elf.symbols.items[lo].start == start)
		named.name = f->elf.symbols.items[lo].name;
	nr = add_spec(c, &named);
	add_target(c, f, start, nr);
	for (; nr && lo < f->elf.symbols.count && f->elf.symbols.items[lo].start == start; lo++) {
		const struct code_symbol *s = &f->elf.symbols.items[lo];

		for (size_t i = 0; s->is_exported && i < c->file_count; i++) {
			add_imports(c, &c->files[i], s->name, s->len, nr);
			if (cs_pulse_spent(c->pulse, 1 + c->files[i].elf.slots.count / 64))
				return;
		}
	}
}

static void add_site(struct cs_code *c, struct file *f, const struct code_piece *piece,
		     const struct candidate *from, const struct code_call *call)
{
	const struct code_spec *spec = &c->specs.items[from->spec];
	struct cs_code_site site = {.vaddr = call->vaddr,
				    .len = (uint8_t)(call->end - call->vaddr),
				    .kind = CS_CODE_DYNAMIC,
				    .function = piece->start,
				    .callee = spec->name,
				    .file = (uint32_t)(f - c->files),
				    .is_jump = call->is_jump,
				    .is_python = spec->is_python};
	struct code_spec wrapper;
	uint32_t known;

	if (c->sites.count >= CS_CODE_SITES_MAX) {
		c->is_cut = true;
		return;
	}
	set_size(&site, spec, call, &wrapper);
	if (site.kind == CS_CODE_PASSED)
		add_wrapper(c, f, piece->start, &wrapper);
	else if (site.kind == CS_CODE_DYNAMIC && cs_map_get(&f->known, piece->start, &known))
		site.kind = CS_CODE_PASSED; /* strdup() itself */
	if (!cs_vec_push(&c->sites, site))
		c->no_memory = true;
}

static const unsigned char *view_table(void *ctx, uint64_t addr)
{
	const struct file *f = ctx;

	return cs_elf_view(f->elf.elf, addr, 8);
}

/* The candidates of one function. */
static void read_piece(struct cs_code *c, struct file *f, size_t nr, const struct candidate *at,
		       size_t count)
{
	const struct code_piece *piece = &f->elf.pieces.items[nr];
	const uint64_t *entries = f->elf.entries.items;
	struct code_body body = {.code = cs_elf_view(f->elf.elf, piece->start, piece->len),
				 .vaddr = piece->start,
				 .len = piece->len,
				 .is_function = piece->is_function,
				 .pulse = c->pulse};
	size_t lo = piece->start ? cs_sorted_upto(entries, f->elf.entries.count,
						  (struct cs_sorted_key){0, 8, 8},
						  piece->start - 1) : 0;

	body.entries = entries + lo;
	while (lo + body.entry_count < f->elf.entries.count &&
	       entries[lo + body.entry_count] - piece->start < piece->len)
		body.entry_count++;
	c->calls.count = 0;
	for (size_t i = 0; i < count; i++)
		if (!cs_vec_push(&c->calls, (struct code_call){.end = at[i].end})) {
			c->no_memory = true;
			return;
		}
	if (!body.code || !code_flow_calls(c->flow, &body, c->calls.items, count, view_table, f)) {
		c->no_memory = c->no_memory || body.code;
		return;
	}
	cs_pulse_spent(c->pulse, 1 + code_flow_len(c->flow));
	for (size_t i = 0; i < count; i++) {
		const struct code_call *call = &c->calls.items[i];

		if (call->is_there && call->to == at[i].to && call->is_slot == at[i].is_slot)
			add_site(c, f, piece, &at[i], call);
	}
}

static void read_file(struct cs_code *c, struct file *f)
{
	struct candidate *items;
	size_t from = 0;

	find_candidates(c, f);
	items = c->candidates.items;
	while (from < c->candidates.count && !c->no_memory && !(c->pulse && c->pulse->stopped)) {
		size_t nr = code_elf_piece(&f->elf, items[from].end - 1), to = from + 1;
		uint64_t end;

		if (nr == SIZE_MAX) {
			from++;
			continue;
		}
		end = f->elf.pieces.items[nr].start + f->elf.pieces.items[nr].len;
		while (to < c->candidates.count && items[to].end <= end)
			to++;
		read_piece(c, f, nr, items + from, to - from);
		from = to;
	}
}

/* --- all files --- */

static int by_place(const void *a, const void *b)
{
	const struct cs_code_site *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
}

static void tidy(struct cs_code *c)
{
	size_t kept = 0;

	if (c->sites.count)
		qsort(c->sites.items, c->sites.count, sizeof(*c->sites.items), by_place);
	for (size_t i = 0; i < c->sites.count; i++)
		if (!kept || by_place(&c->sites.items[i], &c->sites.items[kept - 1]))
			c->sites.items[kept++] = c->sites.items[i];
	c->sites.count = kept;
}

/* True: something is to be done in another round. */
static bool round_of(struct cs_code *c)
{
	bool has_more = false;

	for (size_t i = 0; i < c->file_count; i++) {
		struct file *f = &c->files[i];

		add_stubs(c, f);
		free(f->fresh.items);
		f->fresh.items = f->next.items;
		f->fresh.count = f->next.count;
		f->fresh.cap = f->next.cap;
		f->next.items = NULL;
		f->next.count = f->next.cap = 0;
	}
	for (size_t i = 0; i < c->file_count && !c->no_memory; i++) {
		if (c->files[i].fresh.count)
			read_file(c, &c->files[i]);
		cs_pulse_at(c->pulse, i, c->file_count);
	}
	for (size_t i = 0; i < c->file_count; i++)
		has_more = has_more || c->files[i].next.count;
	return has_more && !c->no_memory && !(c->pulse && c->pulse->stopped);
}

static void work(struct cs_code *c, const struct cs_code_input *inputs)
{
	struct cs_map by_name = {0};

	if (!cs_vec_push(&c->specs, (struct code_spec){.name = NULL})) /* number 0 is none */
		c->no_memory = true;
	for (size_t i = 0; i < c->file_count && !c->no_memory; i++) {
		if (!code_elf_init(&c->files[i].elf, inputs[i].elf, inputs[i].debug, c->pulse))
			c->no_memory = !(c->pulse && c->pulse->stopped);
		add_known(c, &c->files[i], &by_name);
	}
	for (int i = 0; i < ROUNDS_MAX && round_of(c); i++)
		;
	tidy(c);
	cs_map_deinit(&by_name);
}

cs_status cs_code_create(const struct cs_code_input *inputs, size_t count, struct cs_pulse *pulse,
			 struct cs_code **out, struct cs_error *err)
{
	struct cs_code *c = calloc(1, sizeof(*c));
	cs_status st = CS_OK;

	if (c) {
		c->pulse = pulse;
		c->flow = code_flow_create();
		c->files = calloc(count + 1, sizeof(*c->files));
		c->file_count = c->files ? count : 0;
	}
	if (c && c->flow && c->files)
		work(c, inputs);
	if (!c || !c->flow || !c->files || c->no_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the sites in the code");
	st = cs_pulse_result(pulse, st, err);
	if (st)
		cs_code_destroy(c);
	else
		*out = c;
	return st;
}

void cs_code_destroy(struct cs_code *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->file_count; i++) {
		code_elf_deinit(&c->files[i].elf);
		cs_map_deinit(&c->files[i].known);
		cs_vec_free(&c->files[i].fresh);
		cs_vec_free(&c->files[i].next);
	}
	free(c->files);
	code_flow_destroy(c->flow);
	cs_vec_free(&c->specs);
	cs_vec_free(&c->sites);
	cs_vec_free(&c->candidates);
	cs_vec_free(&c->calls);
	free(c);
}

size_t cs_code_sites(const struct cs_code *code, const struct cs_code_site **out)
{
	*out = code->sites.items;
	return code->sites.count;
}

bool cs_code_is_cut(const struct cs_code *code)
{
	return code->is_cut;
}
