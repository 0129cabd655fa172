/* What `void *` and `char *` lead to, where the rest of the program tells.
 *
 * A list, a table or a tree holds one kind of thing as a rule: pointers at one place of all
 * nodes of one container (that hang from the same block or variable) make a group, and so do
 * pointers of all structs of a type that have the same value in a small integer of it (a kind,
 * an encoding). A group leads to
 *  - text, when nearly all of its targets are, most by their length in front or by filling
 *    their block;
 *  - what some of its targets are known to be, when none is known to be something else and
 *    the others look like it: of its size, or with a buffer behind it that it points into;
 *  - the only struct of their size that all targets look like, when most have a pointer
 *    that leads to just what that struct says, a global of this type among them.
 * Targets may lie behind a header (strings with their length in front); a struct that ends in
 * open characters at just that place is its type. All of this makes likely facts. */
#include "native/dwarf.h"
#include "native/kin.h"

enum {
	LOWEST = 1 << 16,
	GROUPS_MAX = 1 << 18,
	TAGS_MAX = 4,
	LOOKED_MAX = 512, /* targets that are compared with guesses */
	GUESSES_MAX = 256,
	ALL_GUESSES = 1 << 22,
	HEADER_MAX = 64,
	TEXT_MIN = 4,
	TEXT_MAX = 1 << 16,
	STEPS_MAX = 1 << 20 /* nodes of a container from its beginning */
};

struct group {
	uint32_t total, texts, strong, known, others, looks, looked;
	uint32_t type;	 /* what the known ones are */
	uint32_t votes;	 /* while that is looked for */
	uint64_t one;	 /* block length of the first unknown one, 0: they differ */
	uint32_t guess;	 /* type that all of one length look like; 0: none */
	uint32_t sample; /* first of its targets in `samples`, each with the next */
};

struct sample {
	cs_addr addr;
	uint32_t next; /* 1 + index */
};

enum step { COUNT, COMPARE, CLAIM };

struct slots {
	struct cs_native *n;
	CS_VEC(struct group) groups;
	CS_VEC(struct sample) samples;
	struct cs_map by_key;
	uint32_t *context; /* by node: what its container hangs from, + 1 */
	uint8_t *interest; /* by type: 1 has such pointers, 2 has none */
	uint32_t guesses;  /* that may still be made */
	enum step step;
	bool any;
};

/* A pointer that is looked at. */
struct place {
	uint32_t node, owner, off, context;
	cs_addr item, word;
	uint32_t target_node;
	struct cs_block target;
};

/* --- text --- */

uint64_t nt_text_len(const unsigned char *p, uint64_t room)
{
	uint64_t len = 0, more, at;

	while (len < room) {
		unsigned char c = p[len];

		if ((c >= ' ' && c < 0x7f) || c == '\t' || c == '\n' || c == '\r' || c == 0x1b) {
			len++;
			continue;
		}
		more = c < 0xc2 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 0;
		for (at = len + 1; more && at < room && p[at] >> 6 == 2; at++)
			more--;
		if (at == len + 1 || more)
			break;
		len = at;
	}
	return len;
}

/* Does a header say how long the text behind it is? One that is text itself says nothing. */
static bool tells_length(const unsigned char *p, uint64_t off, uint64_t len)
{
	bool is_text = nt_text_len(p, off) == off, found = false;

	if (off == 1 && p[0] >> 3 == len) /* redis' shortest ones */
		return true;

	for (uint64_t i = 0; i < off; i++) {
		uint64_t room = off - i;

		found = found || p[i] == len || (room >= 2 && cs_le16(p + i) == len) ||
			(room >= 4 && cs_le32(p + i) == len);
	}
	return found && !is_text;
}

enum nt_texts nt_text_at(struct cs_native *n, const struct cs_block *block, cs_addr addr)
{
	uint64_t off = addr - block->addr, room = block->len - off, len = 0;
	const unsigned char *p = cs_mem_view(n->image->mem, block->addr, block->len);

	if (!p || off > HEADER_MAX)
		return NT_NO_TEXT;
	room = room < TEXT_MAX ? room : TEXT_MAX;
	len = nt_text_len(p + off, room);
	if (len == room || p[off + len])
		return NT_NO_TEXT;
	if (off && tells_length(p, off, len))
		return NT_SURE_TEXT;
	if (!len || (block->span == CS_BIG_BLOCK ? !nt_fits(block, off + len + 1)
						 : block->len != nt_class(off + len + 1)))
		return NT_NO_TEXT;
	return !off && len >= TEXT_MIN ? NT_SURE_TEXT : NT_SHORT_TEXT;
}

bool nt_claim_text(struct cs_native *n, uint32_t node, const struct cs_block *block, cs_addr addr,
		   uint32_t via)
{
	uint32_t header =
		addr > block->addr ? nt_text_header(n, (uint32_t)(addr - block->addr)) : 0;
	struct nt_claim c = {.type = header ? header : NT_CHAR_TYPE,
			     .how = header ? CS_NATIVE_HEADER : CS_NATIVE_TEXT,
			     .sure = CS_NATIVE_LIKELY,
			     .is_array = !header,
			     .via = via};

	return nt_record(n, node, block, &c);
}

/* --- does it look like one? --- */

/* It points into what follows it in its block: a buffer of its own. */
static bool has_buffer(struct cs_native *n, uint32_t type, const struct cs_block *block)
{
	const struct nt_type *t;
	uint64_t word;

	nt_flatten(n, type);
	t = &n->types.items[type];
	for (uint32_t i = 0; i < t->slots; i++) {
		const struct nt_slot *slot = &n->slots.items[t->first + i];

		if (n->types.items[slot->target].kind <= NT_CHAR &&
		    cs_mem_u64(n->image->mem, block->addr + slot->off, &word) &&
		    word >= block->addr + t->size && word < block->addr + block->len &&
		    nt_text_at(n, block, word) != NT_NO_TEXT)
			return true;
	}
	return false;
}

static bool looks_like(struct cs_native *n, uint32_t type, const struct cs_block *block)
{
	const struct nt_type *t = &n->types.items[type];

	if (t->kind != NT_RECORD || !t->is_complete || t->is_polymorphic || t->size > block->len)
		return false;
	return nt_judge(n, type, block->addr) >= 0 &&
	       (block->len == nt_class(t->size) || has_buffer(n, type, block));
}

/* --- groups --- */

static struct group *group_at(struct slots *s, uint64_t key)
{
	struct group g = {.total = 0};
	uint32_t nr;

	key = (key ^ key >> 31) * 0x9e3779b97f4a7c15ull;
	key = (key ^ key >> 29) | 1;
	if (cs_map_get(&s->by_key, key, &nr))
		return &s->groups.items[nr];
	if (s->step != COUNT || s->groups.count >= GROUPS_MAX)
		return NULL;
	if (!cs_vec_push(&s->groups, g) ||
	    !cs_map_put(&s->by_key, key, (uint32_t)(s->groups.count - 1))) {
		s->n->failed = true;
		return NULL;
	}
	return &s->groups.items[s->groups.count - 1];
}

static bool is_known(uint32_t what)
{
	return what && nt_sure(what) > CS_NATIVE_CANDIDATE;
}

static void count(struct slots *s, struct group *g, const struct place *p)
{
	uint32_t what = s->n->what[p->target_node], type = nt_type_nr(what);
	struct sample sample = {p->target.addr, g->sample};
	enum nt_texts text = nt_text_at(s->n, &p->target, p->word);
	bool is_text = text != NT_NO_TEXT && (!is_known(what) || nt_how(what) == CS_NATIVE_HEADER ||
					      type == NT_CHAR_TYPE);

	g->total++;
	g->texts += is_text;
	g->strong += is_text && text == NT_SURE_TEXT;
	if (p->word != p->target.addr || (is_known(what) && (what & NT_ARRAY_BIT))) {
		g->others++;
		return;
	}
	if (is_known(what)) {
		g->known++;
		if (!g->votes)
			g->type = type;
		g->votes += g->type == type ? 1 : -1u;
		return;
	}
	if (g->looked < LOOKED_MAX) {
		g->one = !g->looked || g->one == p->target.len ? p->target.len : 0;
		g->looked++;
		if (!cs_vec_push(&s->samples, sample))
			s->n->failed = true;
		g->sample = (uint32_t)s->samples.count;
	}
}

/* The only struct of their size that all of a group's targets look like. */
static uint32_t guess(struct slots *s, const struct group *g)
{
	struct cs_native *n = s->n;
	uint32_t found = 0, types[GUESSES_MAX];
	size_t types_count = nt_of_class(n, g->one, types, GUESSES_MAX);

	for (size_t i = 0; i < types_count; i++) {
		uint32_t proofs = 0;
		bool fits = true;

		for (uint32_t k = g->sample; k && fits && s->guesses;
		     k = s->samples.items[k - 1].next) {
			int got = nt_judge_deep(n, types[i], s->samples.items[k - 1].addr);

			fits = got >= 0 && !cs_pulse_stops(n->model->pulse);
			proofs += got > 0;
			s->guesses--;
		}
		if (!s->guesses || !fits || proofs * 2 < g->looked)
			continue;
		if (found)
			return 0;
		found = types[i];
	}
	return found;
}

static bool is_text_group(const struct group *g)
{
	return g->texts && g->texts * 100ull >= g->total * 95ull && g->strong * 4ull >= g->total;
}

static void compare(struct slots *s, struct group *g, const struct place *p)
{
	if (g->type && !is_known(s->n->what[p->target_node]) && p->word == p->target.addr)
		g->looks += looks_like(s->n, g->type, &p->target);
	if (is_known(s->n->what[p->target_node]) && p->word == p->target.addr &&
	    nt_type_nr(s->n->what[p->target_node]) != g->type)
		g->others++;
}

/* The type of a group's targets; 0: not known. */
static uint32_t type_of_group(struct slots *s, const struct group *g)
{
	uint32_t unknown = g->total - g->known - g->others;

	if (g->guess)
		return g->guess;
	if (!g->known || g->others * 100ull > g->total || !unknown ||
	    g->looks * 100ull < unknown * 95ull)
		return 0;
	return s->n->types.items[g->type].kind == NT_RECORD ? g->type : 0;
}

static bool claim(struct slots *s, const struct group *g, const struct place *p)
{
	struct cs_native *n = s->n;
	struct nt_claim c = {.how = CS_NATIVE_SLOT, .sure = CS_NATIVE_LIKELY, .via = p->node};

	if (is_known(n->what[p->target_node]))
		return true;
	if (is_text_group(g)) {
		if (nt_text_at(n, &p->target, p->word) != NT_NO_TEXT)
			s->any |= nt_claim_text(n, p->target_node, &p->target, p->word, p->node);
		return true;
	}
	c.type = p->word == p->target.addr ? type_of_group(s, g) : 0;
	if (!c.type || !looks_like(n, c.type, &p->target))
		return false;
	s->any |= nt_record(n, p->target_node, &p->target, &c);
	return true;
}

/* True: the pointer needs no other group any more. */
static bool look_at_group(struct slots *s, uint64_t key, const struct place *p)
{
	struct group *g = group_at(s, key);

	if (!g)
		return false;
	if (s->step == COUNT)
		count(s, g, p);
	else if (s->step == COMPARE)
		compare(s, g, p);
	else
		return claim(s, g, p);
	return false;
}

static void look_at_pointer(struct slots *s, const struct place *p)
{
	uint64_t place = ((uint64_t)p->owner << 32 | p->off) * 0xff51afd7ed558ccdull, value;
	struct nt_tag tags[NT_TAGS_MAX];
	size_t tag_count;

	if (look_at_group(s, place + p->context * 0x9e3779b97f4a7c15ull, p))
		return;
	tag_count = nt_tags(s->n, p->owner, tags);
	for (size_t i = 0; i < tag_count && i < TAGS_MAX; i++)
		if (nt_tag_value(s->n, &tags[i], p->item, &value) &&
		    look_at_group(s,
				  (place ^ (i + 1) * 0xc4ceb9fe1a85ec53ull) +
					  value * 0x2545f4914f6cdd1dull,
				  p))
			return;
}

/* --- where such pointers lie --- */

static bool is_vague(const struct cs_native *n, const struct nt_slot *slot)
{
	const struct nt_type *t = &n->types.items[slot->target];

	return t->kind <= NT_CHAR && !t->is_code && !slot->is_promoted;
}

static bool is_interesting(struct slots *s, uint32_t type)
{
	struct cs_native *n = s->n;
	const struct nt_type *t;

	if (!s->interest[type]) {
		nt_flatten(n, type);
		t = &n->types.items[type];
		s->interest[type] = 2;
		for (uint32_t i = 0; i < t->slots && t->kind == NT_RECORD; i++)
			if (is_vague(n, &n->slots.items[t->first + i]))
				s->interest[type] = 1;
	}
	return s->interest[type] == 1;
}

/* Is b a node before one of type a in the same container: such a one, or pointers to it? */
static bool is_inside(struct cs_native *n, uint32_t a, uint32_t via)
{
	uint32_t type;

	if (via >= n->nodes.count || !n->what[via])
		return false;
	type = nt_type_nr(n->what[via]);
	return type == a || (n->types.items[type].kind == NT_POINTER && nt_target(n, type) == a);
}

static uint32_t context_of(struct slots *s, uint32_t node, uint32_t type)
{
	struct cs_native *n = s->n;
	uint32_t at = node, found, steps = 0, next;

	while (!s->context[at] && is_inside(n, type, n->via[at]) && steps++ < STEPS_MAX)
		at = n->via[at];
	found = s->context[at] ? s->context[at] : n->via[at] + 1;
	for (at = node; steps-- && !s->context[at]; at = next) {
		next = n->via[at];
		s->context[at] = found;
	}
	return found;
}

static void look_at_item(struct slots *s, struct place *p)
{
	struct cs_native *n = s->n;
	struct nt_type t = n->types.items[p->owner];

	for (uint32_t i = 0; i < t.slots; i++) {
		const struct nt_slot *slot = &n->slots.items[t.first + i];

		if (!is_vague(n, slot) ||
		    !cs_mem_u64(n->image->mem, p->item + slot->off, &p->word) || p->word < LOWEST)
			continue;
		p->off = slot->off;
		p->target_node = cs_node_at(&n->nodes, p->word);
		if (p->target_node == CS_NO_NODE || p->target_node == p->node)
			continue;
		cs_node_block_at(&n->nodes, p->word, &p->target);
		if (p->target.state == CS_BLOCK_USED && p->target.allocator == CS_ALLOC_GLIBC &&
		    p->word - p->target.addr <= HEADER_MAX)
			look_at_pointer(s, p);
	}
}

static void look_at_block(struct slots *s, uint32_t node)
{
	struct cs_native *n = s->n;
	uint32_t what = n->what[node], type = nt_type_nr(what), known;
	struct place p = {.node = node, .owner = type};
	struct cs_block block;
	uint64_t items = 1, size;

	if (!is_known(what) || !is_interesting(s, type))
		return;
	cs_node_block(&n->nodes, node, &block);
	size = n->types.items[type].size;
	p.item = block.addr;
	p.context = context_of(s, node, type);
	if (what & NT_ARRAY_BIT) {
		items = size ? block.len / size : 0;
		if (cs_map_get(&n->items, (uint64_t)node + 1, &known) && known && known - 1 < items)
			items = known - 1;
	}
	for (uint64_t i = 0; i < items && !cs_pulse_stops(n->model->pulse); i++, p.item += size)
		look_at_item(s, &p);
}

static void look_at_all(struct slots *s, enum step step)
{
	s->step = step;
	for (uint32_t node = 0; node < s->n->nodes.count && !s->n->failed; node++)
		if (s->n->what[node] && !cs_pulse_stops(s->n->model->pulse))
			look_at_block(s, node);
}

bool nt_guess_slots(struct cs_native *n)
{
	struct slots s = {.n = n, .guesses = ALL_GUESSES};

	s.context = calloc((size_t)n->nodes.count + 1, sizeof(*s.context));
	s.interest = calloc(NT_TYPES_MAX, 1);
	if (!s.context || !s.interest)
		n->failed = true;
	look_at_all(&s, COUNT);
	for (size_t i = 0; i < s.groups.count; i++) {
		struct group *g = &s.groups.items[i];

		if (!is_text_group(g) && !g->known && !g->others && g->one && g->looked > 1)
			g->guess = guess(&s, g);
	}
	look_at_all(&s, COMPARE);
	look_at_all(&s, CLAIM);
	cs_vec_free(&s.groups);
	cs_vec_free(&s.samples);
	cs_map_deinit(&s.by_key);
	free(s.context);
	free(s.interest);
	return s.any;
}
