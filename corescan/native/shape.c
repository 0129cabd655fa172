/* libstdc++'s containers by their shape, where no debug data name them: an object that points
 * at its parts, counts them, and whose parts point back. Only what proves itself so is told.
 *
 * gcc 5 and later, the new ABI (bits/stl_tree.h, stl_list.h, hashtable.h, stl_deque.h,
 * stl_vector.h, basic_string.h), words of 8 bytes:
 *  tree node      color, parent, left, right, value; the header is one, then the node count
 *  list           next, previous, count; a node: next, previous, value
 *  hash table     buckets, their number, first node, count, float load, ..., single bucket
 *  deque          map, its size, two iterators: current, first, last, place in the map
 *  vector         begin, end, end of storage
 *  string         text, length, capacity (16 and more: in a block of its own) */
#include "native/native_state.h"

enum {
	NODE_HEIGHT = 128,
	CHUNK_MAX = 1 << 20,
	PAGE = 4096,
	WORDS = 10,
	STEPS_A_NODE = 16,
	STEPS_MIN = 1 << 20
};

enum shape { TREE, LIST, HASH, BUCKETS, CHUNK, CHUNKS, VECTOR, STRING, SHAPES };

static const char *const names[SHAPES] = {
	[TREE] = "std::map or std::set node",
	[LIST] = "std::list node",
	[HASH] = "std::unordered_map or std::unordered_set node",
	[BUCKETS] = "std::unordered_map or std::unordered_set buckets",
	[CHUNK] = "std::deque items",
	[CHUNKS] = "std::deque map",
	[VECTOR] = "std::vector items",
	[STRING] = "std::string data",
};

struct shapes {
	struct cs_native *n;
	uint32_t types[SHAPES];
	uint32_t via;	   /* who holds what is looked at */
	uint64_t *lost;	   /* bit by node: on from here something is no list's node */
	uint64_t steps;	   /* that may still be made along links that prove nothing yet */
	bool vectors_only; /* at last: parts of other containers look like vectors too */
};

static uint64_t word_at(struct shapes *s, cs_addr addr)
{
	uint64_t word;

	return cs_mem_u64(s->n->image->mem, addr, &word) ? word : 0;
}

/* Whether what an address leads to has a type that says more. */
static bool is_told(struct shapes *s, cs_addr addr)
{
	uint32_t node = cs_node_at(&s->n->nodes, addr);

	return node != CS_NO_NODE && nt_sure(s->n->what[node]) > CS_NATIVE_CANDIDATE;
}

static bool is_tree(struct shapes *s, cs_addr addr)
{
	uint32_t node = cs_node_at(&s->n->nodes, addr);

	return s->types[TREE] && node != CS_NO_NODE &&
	       nt_type_nr(s->n->what[node]) == s->types[TREE];
}

/* Does a block that may have a type begin here? */
static bool begins(struct shapes *s, cs_addr addr, struct cs_block *block)
{
	return addr >= s->n->nodes.lowest && addr < s->n->nodes.end &&
	       nt_block_at(s->n, addr, block) != CS_NO_NODE && block->addr == addr;
}

/* Just what malloc gives for so many bytes? */
static bool is_room(const struct cs_block *block, uint64_t len)
{
	if (!len || len > block->len)
		return false;
	return block->span == CS_BIG_BLOCK ? nt_fits(block, len) : block->len == nt_class(len);
}

static void tell(struct shapes *s, const struct cs_block *block, enum shape shape)
{
	struct nt_type t = {.name = names[shape], .kind = NT_RECORD, .is_cxx = true};
	uint32_t node = cs_node_at(&s->n->nodes, block->addr);
	struct nt_claim c = {.how = CS_NATIVE_SHAPE, .sure = CS_NATIVE_LIKELY, .via = s->via};

	if (node == CS_NO_NODE)
		return;
	if (!s->types[shape])
		s->types[shape] = nt_type_add(s->n, &t);
	c.type = s->types[shape];
	nt_record(s->n, node, block, &c);
}

static void tell_at(struct shapes *s, cs_addr addr, enum shape shape)
{
	struct cs_block block;

	if (begins(s, addr, &block))
		tell(s, &block, shape);
}

/* --- trees --- */

/* The header: red, its parent the root, left and right of it the outermost nodes. */
static bool is_tree_header(struct shapes *s, cs_addr header)
{
	cs_addr left = word_at(s, header + 16), right = word_at(s, header + 24);
	uint64_t count = word_at(s, header + 32);
	struct cs_block block;

	return !(uint32_t)word_at(s, header) && count && count < s->n->nodes.count &&
	       begins(s, left, &block) && !word_at(s, left + 16) && begins(s, right, &block) &&
	       !word_at(s, right + 24) && (count == 1) == (left == right);
}

static bool is_child(struct shapes *s, cs_addr child, cs_addr of, uint32_t color)
{
	struct cs_block block;

	return !child || (begins(s, child, &block) && word_at(s, child + 8) == of &&
			  (color || (uint32_t)word_at(s, child) == 1));
}

static bool is_tree_node(struct shapes *s, cs_addr node)
{
	uint32_t color = (uint32_t)word_at(s, node);
	cs_addr at = node, up, left = word_at(s, node + 16), right = word_at(s, node + 24);
	struct cs_block block;

	if (color > 1 || (left && left == right) || !is_child(s, left, node, color) ||
	    !is_child(s, right, node, color))
		return false;
	for (int i = 0; i < NODE_HEIGHT; i++) {
		up = word_at(s, at + 8);
		if (!up || up % 8)
			return false;
		if (word_at(s, up + 8) == at)
			return is_tree_header(s, up);
		if ((word_at(s, up + 16) != at && word_at(s, up + 24) != at) ||
		    !begins(s, up, &block))
			return false;
		if (is_tree(s, up)) /* so its way up was seen */
			return true;
		at = up;
	}
	return false;
}

/* --- owners: memory of which p are the words from addr on, `left` bytes of them --- */

static bool may_step(struct shapes *s)
{
	if (!s->steps || cs_pulse_stops(s->n->model->pulse))
		return false;
	s->steps--;
	return true;
}

/* No list through any of those that a walk met before it came to what is no node. */
static void lose(struct shapes *s, cs_addr at, uint64_t steps)
{
	for (; steps--; at = word_at(s, at))
		cs_bit_set(s->lost, cs_node_at(&s->n->nodes, at));
}

static bool is_list(struct shapes *s, cs_addr addr, const uint64_t *w)
{
	cs_addr at = w[0], before = addr;
	uint32_t node = cs_node_at(&s->n->nodes, at);
	struct cs_block block;

	if (!w[2] || w[2] > s->n->nodes.count || word_at(s, w[0] + 8) != addr ||
	    word_at(s, w[1]) != addr || node == CS_NO_NODE || cs_bit(s->lost, node))
		return false;
	for (uint64_t i = 0; i < w[2]; i++) {
		if (!may_step(s))
			return false;
		if (!begins(s, at, &block) || block.len < 24 || word_at(s, at + 8) != before) {
			lose(s, w[0], i);
			return false;
		}
		before = at;
		at = word_at(s, at);
	}
	return at == addr && before == w[1];
}

static void tell_list(struct shapes *s, const uint64_t *w)
{
	cs_addr at = w[0];

	for (uint64_t i = 0; i < w[2]; i++, at = word_at(s, at))
		tell_at(s, at, LIST);
}

static bool is_load(uint32_t bits)
{
	float load;

	memcpy(&load, &bits, sizeof(load));
	return load > 0.01f && load < 1000;
}

/* Each bucket leads to the node before its first, which may be the table's own. */
static bool are_buckets(struct shapes *s, cs_addr addr, const uint64_t *w)
{
	uint64_t own = 0;
	struct cs_block block;

	for (uint64_t i = 0; i < w[1]; i++) {
		cs_addr to = word_at(s, w[0] + 8 * i);

		if (!may_step(s) || (to && to != addr + 16 && !begins(s, to, &block)))
			return false;
		own += to == addr + 16;
	}
	return own == (w[3] ? 1 : 0);
}

static bool is_hash_table(struct shapes *s, cs_addr addr, const uint64_t *w)
{
	cs_addr at = w[2];
	struct cs_block block;
	bool has_block = begins(s, w[0], &block);

	if (!w[1] || w[1] > 1ull << 32 || w[3] > s->n->nodes.count || !is_load((uint32_t)w[4]) ||
	    !(has_block ? is_room(&block, 8 * w[1]) : w[0] == addr + 48 && w[1] == 1))
		return false;
	for (uint64_t i = 0; i < w[3]; i++, at = word_at(s, at))
		if (!may_step(s) || !begins(s, at, &block))
			return false;
	return !at && are_buckets(s, addr, w);
}

static void tell_hash_table(struct shapes *s, const uint64_t *w)
{
	cs_addr at = w[2];

	tell_at(s, w[0], BUCKETS);
	for (uint64_t i = 0; i < w[3]; i++, at = word_at(s, at))
		tell_at(s, at, HASH);
}

static bool is_deque(struct shapes *s, const uint64_t *w)
{
	uint64_t chunk = w[4] - w[3];
	struct cs_block map, first;

	if (w[1] < 8 || w[1] > 1ull << 32 || !begins(s, w[0], &map) || !is_room(&map, 8 * w[1]) ||
	    !chunk || chunk > CHUNK_MAX || w[8] - w[7] != chunk || w[2] - w[3] >= chunk ||
	    w[6] - w[7] >= chunk || w[5] - w[0] >= 8 * w[1] || w[9] - w[0] >= 8 * w[1] ||
	    w[5] > w[9] || w[5] % 8 || w[9] % 8 || word_at(s, w[5]) != w[3] ||
	    word_at(s, w[9]) != w[7])
		return false;
	for (cs_addr at = w[5]; at <= w[9]; at += 8)
		if (!may_step(s) || !begins(s, word_at(s, at), &first) || !is_room(&first, chunk))
			return false;
	return true;
}

static void tell_deque(struct shapes *s, const uint64_t *w)
{
	tell_at(s, w[0], CHUNKS);
	for (cs_addr at = w[5]; at <= w[9]; at += 8)
		tell_at(s, word_at(s, at), CHUNK);
}

static bool is_string(struct shapes *s, const uint64_t *w, const struct cs_block *block)
{
	const unsigned char *end;

	if (w[2] < 16 || w[1] > w[2] || w[2] > 1ull << 40 || !is_room(block, w[2] + 1))
		return false;
	end = cs_mem_view(s->n->image->mem, w[0] + w[1], 1);
	return end && !*end;
}

static void look_at(struct shapes *s, cs_addr addr, const unsigned char *p, uint64_t left)
{
	uint64_t w[WORDS] = {0};
	struct cs_block block;
	bool has_block;

	w[0] = cs_le64(p);
	if (left < 24 || (w[0] - s->n->nodes.lowest >= s->n->nodes.end - s->n->nodes.lowest &&
			  w[0] != addr + 48))
		return;
	if (is_told(s, w[0]))
		return;
	for (size_t i = 1; i < WORDS && 8 * i + 8 <= left; i++)
		w[i] = cs_le64(p + 8 * i);
	has_block = begins(s, w[0], &block);
	if (s->vectors_only) {
		if (has_block && w[1] >= w[0] && w[2] >= w[1] && is_room(&block, w[2] - w[0]))
			tell(s, &block, VECTOR);
	} else if (left >= 80 && has_block && is_deque(s, w)) {
		tell_deque(s, w);
	} else if (left >= 56 && is_hash_table(s, addr, w)) {
		tell_hash_table(s, w);
	} else if (has_block && is_list(s, addr, w)) {
		tell_list(s, w);
	} else if (left >= 32 && has_block && is_string(s, w, &block)) {
		tell(s, &block, STRING);
	}
}

static void look_through(struct shapes *s, cs_addr addr, uint64_t len)
{
	const unsigned char *p = cs_mem_view(s->n->image->mem, addr, len);

	for (uint64_t off = 0; p && off + 8 <= len && !cs_pulse_stops(s->n->model->pulse); off += 8)
		look_at(s, addr + off, p + off, len - off);
}

/* --- all memory that is in use --- */

static void look_at_blocks(struct shapes *s, bool trees)
{
	struct cs_native *n = s->n;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	cs_node_walk_init(&walk, &n->nodes);
	while (cs_node_walk_next(&walk, &node, &block) && !cs_pulse_stops(n->model->pulse)) {
		if (block.state != CS_BLOCK_USED || block.allocator != CS_ALLOC_GLIBC)
			continue;
		s->via = node;
		if (!trees) {
			look_through(s, block.addr, block.len);
		} else if (block.len >= 40 && nt_sure(n->what[node]) == CS_NATIVE_CANDIDATE &&
			   is_tree_node(s, block.addr)) {
			s->via = n->nodes.count;
			tell(s, &block, TREE);
		}
	}
	s->via = n->nodes.count;
}

/* Where the part of a stack begins that is in use; else the mapping's start. */
static cs_addr used_from(const struct cs_image *image, const struct cs_mapping *m)
{
	for (size_t i = 0; i < image->threads.count; i++)
		if (cs_range_has(m->range, image->threads.items[i].sp, 1))
			return cs_align_down(image->threads.items[i].sp, 8);
	return m->range.start;
}

static void look_at_mappings(struct shapes *s)
{
	struct cs_native *n = s->n;

	for (size_t i = 0; i < n->image->mappings.count; i++) {
		const struct cs_mapping *m = &n->image->mappings.items[i];
		cs_addr end = cs_range_end(m->range);
		struct cs_block block;
		uint64_t len;

		if (!(m->prot & CS_PROT_W))
			continue;
		for (cs_addr at = used_from(n->image, m);
		     at < end && !cs_pulse_stops(n->model->pulse); at += len) {
			len = PAGE - at % PAGE;
			if (cs_blocks_holding(&n->model->blocks, at, &block))
				continue;
			/* what begins on this page may end on the next */
			look_through(s, at,
				     end - at < len + WORDS * 8 ? end - at : len + WORDS * 8);
		}
	}
}

cs_status nt_shapes(struct cs_native *n, struct cs_error *err)
{
	struct shapes s = {.n = n, .via = n->nodes.count};

	s.steps = (uint64_t)n->nodes.count * STEPS_A_NODE + STEPS_MIN;
	s.lost = calloc((size_t)n->nodes.count / 64 + 1, sizeof(*s.lost));
	if (!s.lost)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the native types");
	look_at_blocks(&s, true);
	for (int i = 0; i < 2; i++) {
		s.vectors_only = i;
		look_at_mappings(&s);
		look_at_blocks(&s, false);
	}
	free(s.lost);
	return cs_pulse_result(n->model->pulse, CS_OK, err);
}
