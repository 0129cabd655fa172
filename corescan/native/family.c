/* Which of the structs that begin with a base a block is, where pointers have only the base.
 *
 * What tells them apart is a small integer in the base (a kind, a tag) as a rule. Nobody
 * says which member, nor what its values mean, but both can be learnt: blocks are put into
 * groups by the value of each such member, and a member is believed when all blocks of a
 * group that are known by pointers of their own type are of one type. A group is of
 *  - the type of its known blocks, if the others look like it too;
 *  - the only candidate that looks like all of its blocks, when none is known: by size,
 *    null or mapped pointers, functions that are code, targets of the right type. Looking
 *    like it is not enough in a small group, nor beside others: then most of the blocks
 *    must have a pointer that leads to just what its type says, or end in text as it does.
 * Where groups say nothing, a block may still be the only candidate's by its size. All this
 * makes likely facts; what stays open stays a candidate, or "T or derived" when a T fits. */
#include "native/dwarf.h"
#include "native/kin.h"

enum {
	LOWEST = 1 << 16, /* no pointer is less */
	DEEP_MAX = 2,
	SLOTS_DEEP = 16,
	SLOTS_LOOKED = 256,
	BASES_MAX = 64,
	GROUPS_MAX = 1 << 12,
	CANDIDATES_MAX = NT_KIN_MAX + 1,
	LOOKED_MAX = 4096, /* blocks of a group that are compared with its candidates */
	TEXT_MIN = 4,
	TEXT_MAX = 4096,
	SLACK = 24, /* bytes */
	MANY = 16,  /* blocks that no other candidate looks like are no accident */
	ROUNDS_MAX = 16
};

struct base {
	uint32_t types[CANDIDATES_MAX]; /* the last is the base itself */
	size_t count, tag_count, tag;	/* tag: the chosen one; tag_count: none */
	struct nt_tag tags[NT_TAGS_MAX];
};

struct group {
	uint32_t base, tag, blocks, looked;
	uint32_t fits[CANDIDATES_MAX], known[CANDIDATES_MAX], proofs[CANDIDATES_MAX],
		exact[CANDIDATES_MAX]; /* exact: in size, nothing left unsplit */
};

struct families {
	struct cs_native *n;
	CS_VEC(struct base) bases;
	CS_VEC(struct group) groups;
	struct cs_map base_by_type, /* type -> base */
		known_as;	    /* derived type -> 1 + a base of it */
	struct cs_map group_by_key;
	bool any;
};

/* --- does it look like one? --- */

static bool is_related(struct cs_native *n, uint32_t a, uint32_t b)
{
	const uint32_t *derived;
	size_t count;

	if (a == b)
		return true;
	for (int i = 0; i < 2; i++) {
		derived = nt_derived(n, i ? a : b, &count);
		for (size_t k = 0; k < count; k++)
			if (derived[k] == (i ? b : a))
				return true;
	}
	return false;
}

static int judge_all(struct cs_native *n, uint32_t type, cs_addr addr, unsigned deep);

/* Does text fill the end of a block of an open type, as far as malloc's rounding lets it? */
static bool is_filled_with_text(struct cs_native *n, const struct nt_type *t,
				const struct cs_block *block)
{
	uint64_t room = block->len - t->tail_off, len = 0;
	const unsigned char *p =
		t->tail == NT_CHAR_TYPE && t->tail_off < block->len
			? cs_mem_view(n->image->mem, block->addr + t->tail_off, room)
			: NULL;

	if (p)
		len = nt_text_len(p, room < TEXT_MAX ? room : TEXT_MAX);
	return len >= TEXT_MIN &&
	       (len == TEXT_MAX || (len < room && !p[len] && len + SLACK >= room));
}

/* A block of text and nothing else? */
static bool is_text_at(struct cs_native *n, cs_addr addr)
{
	struct cs_block block;
	struct nt_type text = {.tail = NT_CHAR_TYPE};

	return nt_block_at(n, addr, &block) != CS_NO_NODE && block.addr == addr &&
	       is_filled_with_text(n, &text, &block);
}

/* What variable lies at an address: its type, 0: none. */
static uint32_t variable_at(struct cs_native *n, cs_addr addr)
{
	struct nt_dwarf *d = n->dwarf;
	uint32_t nr;

	if (!d->var_by_addr.count)
		for (size_t i = 0; i < d->vars.count; i++)
			if (!d->vars.items[i].is_tls &&
			    !cs_map_put(&d->var_by_addr, d->vars.items[i].addr | 1ull << 63,
					(uint32_t)i))
				n->failed = true;
	return cs_map_get(&d->var_by_addr, addr | 1ull << 63, &nr)
		       ? nt_type_of_variable(n, &d->vars.items[nr].die)
		       : 0;
}

/* A pointer of a type: -1 it cannot be one, 1 it leads to just that, 0 else. */
static int judge(struct cs_native *n, uint32_t target, cs_addr word, unsigned deep)
{
	const struct nt_type *t = &n->types.items[target];
	const struct cs_mapping *m;
	struct cs_block block;
	uint32_t node, what;

	if (!word)
		return 0;
	if (t->kind == NT_VOID && !t->is_code) /* may be a number as well */
		return 0;
	if (!cs_mem_find(n->image->mem, word) && !cs_image_mapping(n->image, word))
		return -1;
	node = cs_node_at(&n->nodes, word);
	if (t->is_code) {
		m = node == CS_NO_NODE ? cs_image_mapping(n->image, word) : NULL;
		return m && (m->prot & CS_PROT_X || !m->prot) ? 1 : -1;
	}
	if (node != CS_NO_NODE && t->kind == NT_CHAR)
		return is_text_at(n, word);
	if (node == CS_NO_NODE && t->kind == NT_RECORD)
		return variable_at(n, word) == target;
	if (node == CS_NO_NODE || t->kind != NT_RECORD || !t->is_complete)
		return 0;
	cs_node_block_at(&n->nodes, word, &block);
	what = n->what[node];
	if (block.addr != word || block.state != CS_BLOCK_USED)
		return block.state != CS_BLOCK_USED ? -1 : 0;
	if (t->size > block.len)
		return -1;
	if (what && nt_sure(what) > CS_NATIVE_CANDIDATE)
		return is_related(n, nt_type_nr(what), target) ? nt_type_nr(what) == target : -1;
	return deep && block.len == nt_class(t->size) && judge_all(n, target, word, deep - 1) > 0;
}

/* Text at the end of a struct that is an address is none: a pointer has two zero bytes and
 * six that would have to be those of something mapped. */
static bool is_pointer_as_text(struct cs_native *n, const struct nt_type *t, cs_addr addr)
{
	uint64_t word;

	return t->tail == NT_CHAR_TYPE &&
	       cs_mem_u64(n->image->mem, addr + cs_align_up(t->tail_off, 8), &word) &&
	       word >= LOWEST && cs_mem_find(n->image->mem, word);
}

/* At most `deep` steps further. */
static int judge_all(struct cs_native *n, uint32_t type, cs_addr addr, unsigned deep)
{
	struct nt_type t;
	int proofs = 0;

	nt_flatten(n, type);
	t = n->types.items[type];
	if (is_pointer_as_text(n, &t, addr))
		return -1;
	for (uint32_t i = 0; i < t.slots && i < SLOTS_LOOKED; i++) {
		struct nt_slot slot = n->slots.items[t.first + i];
		cs_addr word;
		int one;

		if (slot.in_union || !cs_mem_u64(n->image->mem, addr + slot.off, &word))
			continue;
		one = judge(n, slot.target, word, i < SLOTS_DEEP ? deep : 0);
		if (one < 0)
			return -1;
		proofs += one;
	}
	return proofs;
}

int nt_judge(struct cs_native *n, uint32_t type, cs_addr addr)
{
	return judge_all(n, type, addr, 0);
}

int nt_judge_deep(struct cs_native *n, uint32_t type, cs_addr addr)
{
	return judge_all(n, type, addr, DEEP_MAX);
}

/* As nt_judge() of a block, whose size fits. */
static int judge_block(struct cs_native *n, uint32_t type, const struct cs_block *block)
{
	int proofs = nt_judge(n, type, block->addr);

	return proofs < 0 ? -1 : proofs + is_filled_with_text(n, &n->types.items[type], block);
}

/* --- bases and groups --- */

/* NO_BASE: there are too many. */
enum { NO_BASE = UINT32_MAX };

static uint32_t base_of(struct families *f, uint32_t type)
{
	struct base b = {.count = 0};
	const uint32_t *derived;
	uint32_t nr, one;

	if (cs_map_get(&f->base_by_type, type, &nr))
		return nr;
	if (f->bases.count >= BASES_MAX)
		return NO_BASE;
	derived = nt_derived(f->n, type, &b.count);
	nr = (uint32_t)f->bases.count;
	for (size_t i = 0; i < b.count; i++) {
		b.types[i] = derived[i];
		if (!cs_map_get(&f->known_as, derived[i], &one) &&
		    !cs_map_put(&f->known_as, derived[i], nr))
			f->n->failed = true;
	}
	b.types[b.count++] = type;
	b.tag = b.tag_count = nt_tags(f->n, type, b.tags);
	if (!cs_vec_push(&f->bases, b) || !cs_map_put(&f->base_by_type, type, nr))
		f->n->failed = true;
	return nr;
}

/* The group of a block by one of its base's tags; NULL: none, or there are too many. */
static struct group *group_of(struct families *f, uint32_t base, uint32_t tag, cs_addr addr,
			      bool make)
{
	const struct base *b = &f->bases.items[base];
	struct group g = {.base = base, .tag = tag};
	uint64_t value = 0, key;
	uint32_t nr;

	if (tag < b->tag_count && !nt_tag_value(f->n, &b->tags[tag], addr, &value))
		return NULL;
	key = ((base * NT_TAGS_MAX + tag) * 0x9e3779b97f4a7c15ull ^ value) * 0xff51afd7ed558ccdull |
	      1;
	if (cs_map_get(&f->group_by_key, key, &nr))
		return &f->groups.items[nr];
	nr = (uint32_t)f->groups.count;
	if (!make || nr >= GROUPS_MAX)
		return NULL;
	if (!cs_vec_push(&f->groups, g) || !cs_map_put(&f->group_by_key, key, nr)) {
		f->n->failed = true;
		return NULL;
	}
	return &f->groups.items[nr];
}

/* A block of which only the base is known. */
static void add_member(struct families *f, uint32_t base, const struct cs_block *block)
{
	struct base *b = &f->bases.items[base];
	int looks[CANDIDATES_MAX];

	for (size_t i = 0; i < b->count; i++)
		looks[i] = nt_fits_type(f->n, b->types[i], block)
				   ? judge_block(f->n, b->types[i], block)
				   : -1;
	for (uint32_t t = 0; t < b->tag_count; t++) {
		struct group *g = group_of(f, base, t, block->addr, true);

		if (!g)
			continue;
		g->blocks++;
		if (g->looked >= LOOKED_MAX)
			continue;
		g->looked++;
		for (size_t i = 0; i < b->count; i++) {
			g->fits[i] += looks[i] >= 0;
			g->proofs[i] += looks[i] > 0;
			g->exact[i] += f->n->types.items[b->types[i]].tail ||
				       nt_class(f->n->types.items[b->types[i]].size) == block->len;
		}
	}
}

/* A block whose own type says what the values of its tags mean. */
static void add_known(struct families *f, uint32_t base, uint32_t type, cs_addr addr)
{
	struct base *b = &f->bases.items[base];

	for (size_t i = 0; i < b->count; i++)
		for (uint32_t t = 0; b->types[i] == type && t < b->tag_count; t++) {
			struct group *g = group_of(f, base, t, addr, true);

			if (g)
				g->known[i]++;
		}
}

/* --- what a group is --- */

enum { UNKNOWN = -1, CONTRADICTED = -2 };

/* Index of its type among the candidates, UNKNOWN or CONTRADICTED. */
static int winner_of(const struct base *b, const struct group *g)
{
	uint64_t known = 0;
	int best = UNKNOWN, proven = UNKNOWN;
	size_t fitting = 0, proving = 0;

	for (size_t i = 0; i < b->count; i++) {
		known += g->known[i];
		if (g->known[i] && (best < 0 || g->known[i] > g->known[best]))
			best = (int)i;
	}
	if (known) /* what was freed or never was may have been taken for one */
		return g->known[best] * 100ull < known * 99	    ? CONTRADICTED
		       : g->fits[best] * 100ull < g->looked * 95ull ? CONTRADICTED
								    : best;
	for (size_t i = 0; i < b->count; i++) {
		if (g->fits[i] * 100ull < g->looked * 99ull || g->exact[i] * 2 < g->looked)
			continue;
		fitting++;
		best = (int)i;
		if (g->proofs[i] * 2 >= g->looked) {
			proving++;
			proven = (int)i;
		}
	}
	if (proving == 1)
		return proven;
	return fitting == 1 && g->looked >= MANY ? best : UNKNOWN;
}

/* The tag that tells most about this base's blocks, if what it tells is consistent. */
static void choose_tag(struct families *f, uint32_t base)
{
	struct base *b = &f->bases.items[base];
	uint64_t told[NT_TAGS_MAX] = {0}, best = 0;
	bool is_wrong[NT_TAGS_MAX] = {false};

	for (size_t i = 0; i < f->groups.count; i++) {
		const struct group *g = &f->groups.items[i];
		int winner = g->base == base ? winner_of(b, g) : UNKNOWN;

		if (winner == CONTRADICTED)
			is_wrong[g->tag] = true;
		else if (winner >= 0)
			told[g->tag] += g->blocks;
	}
	b->tag = b->tag_count;
	for (size_t t = 0; t < b->tag_count; t++)
		if (!is_wrong[t] && told[t] > best) {
			best = told[t];
			b->tag = t;
		}
}

static void settle(struct families *f, uint32_t node, const struct cs_block *block, uint32_t base)
{
	const struct base *b = &f->bases.items[base];
	struct group *g = b->tag < b->tag_count
				  ? group_of(f, base, (uint32_t)b->tag, block->addr, false)
				  : NULL;
	int winner = g ? winner_of(b, g) : UNKNOWN;
	struct nt_claim c = {.how = CS_NATIVE_DERIVED, .sure = CS_NATIVE_LIKELY};

	if (winner < 0 || !nt_fits_type(f->n, b->types[winner], block) ||
	    nt_judge(f->n, b->types[winner], block->addr) < 0)
		return;
	c.type = b->types[winner];
	c.via = f->n->via[node];
	f->any |= nt_record(f->n, node, block, &c);
}

/* --- all blocks --- */

enum step { FIND_BASES, FIND_GROUPS, SETTLE, LEAVE };

static bool is_open(uint32_t what)
{
	return nt_how(what) == CS_NATIVE_BASE && nt_sure(what) == CS_NATIVE_CANDIDATE;
}

/* Nothing told: what it is by its size alone, or one of several. */
static void leave(struct families *f, uint32_t node, const struct cs_block *block)
{
	struct cs_native *n = f->n;
	uint32_t type = nt_type_nr(n->what[node]), only = 0, fitting = 0;
	struct nt_claim c = {.type = type, .via = n->via[node], .sure = CS_NATIVE_LIKELY};
	const uint32_t *derived;
	size_t count;
	bool is_base = nt_fits_type(n, type, block) && nt_judge(n, type, block->addr) >= 0;

	for (size_t i = 0; derived = nt_derived(n, type, &count), i < count; i++)
		if (nt_fits_type(n, derived[i], block) &&
		    nt_judge(n, derived[i], block->addr) >= 0) {
			only = derived[i];
			fitting++;
		}
	if (is_base) {
		c.how = CS_NATIVE_POINTER;
		c.or_derived = fitting > 0;
	} else if (fitting == 1 && !n->types.items[only].tail &&
		   block->len < 2 * n->types.items[only].size &&
		   block->len % n->types.items[type].size >= 8) {
		c.how = CS_NATIVE_DERIVED;
		c.type = only;
	} else {
		return;
	}
	f->any |= nt_record(n, node, block, &c);
}

static void look_at(struct families *f, enum step step, uint32_t node)
{
	struct cs_native *n = f->n;
	uint32_t what = n->what[node], base;
	struct cs_block block;

	if (is_open(what)) {
		cs_node_block(&n->nodes, node, &block);
		if (step == LEAVE) {
			leave(f, node, &block);
			return;
		}
		base = base_of(f, nt_type_nr(what));
		if (base == NO_BASE || step == FIND_BASES)
			return;
		if (step == FIND_GROUPS)
			add_member(f, base, &block);
		else
			settle(f, node, &block, base);
	} else if (step == FIND_GROUPS && what && nt_sure(what) > CS_NATIVE_CANDIDATE &&
		   !(what & NT_ARRAY_BIT) && nt_how(what) != CS_NATIVE_DERIVED &&
		   cs_map_get(&f->known_as, nt_type_nr(what), &base)) {
		cs_node_block(&n->nodes, node, &block);
		for (base = 0; base < f->bases.count; base++)
			add_known(f, base, nt_type_nr(what), block.addr);
	}
}

static void look_at_all(struct families *f, enum step step)
{
	for (uint32_t node = 0; node < f->n->nodes.count && !f->n->failed; node++) {
		if (!f->n->what[node])
			continue;
		if (cs_pulse_stops(f->n->model->pulse))
			return;
		look_at(f, step, node);
	}
}

static void free_families(struct families *f)
{
	cs_vec_free(&f->bases);
	cs_vec_free(&f->groups);
	cs_map_deinit(&f->base_by_type);
	cs_map_deinit(&f->known_as);
	cs_map_deinit(&f->group_by_key);
}

/* One round; false: nothing new. */
static bool round_of(struct cs_native *n, bool is_last)
{
	struct families f = {.n = n};

	if (is_last) {
		look_at_all(&f, LEAVE);
	} else {
		look_at_all(&f, FIND_BASES);
		if (f.bases.count)
			look_at_all(&f, FIND_GROUPS);
		for (uint32_t i = 0; i < f.bases.count; i++)
			choose_tag(&f, i);
		if (f.bases.count)
			look_at_all(&f, SETTLE);
	}
	free_families(&f);
	return f.any;
}

/* Rounds of both kinds of conclusions until there is nothing new. */
static cs_status repeat(struct cs_native *n, struct cs_error *err)
{
	cs_status st = CS_OK;
	bool any = true;

	for (int i = 0; !st && any && i < ROUNDS_MAX && !cs_pulse_stops(n->model->pulse); i++) {
		any = round_of(n, false);
		if (!any)
			any = nt_guess_slots(n);
		st = nt_spread(n, err);
	}
	return st;
}

cs_status nt_conclude(struct cs_native *n, struct cs_error *err)
{
	cs_status st = repeat(n, err);

	if (!st && n->dwarf->slack.count) {
		nt_follow_slack(n);
		st = nt_spread(n, err);
		st = st ? st : repeat(n, err);
	}
	if (!st && round_of(n, true)) {
		st = nt_spread(n, err);
		st = st ? st : repeat(n, err);
	}
	return cs_pulse_result(n->model->pulse, st, err);
}
