/* From typed memory along its pointers to blocks, which then have a type themselves, and so
 * on: breadth first, without recursion. A block is looked through again only when a better
 * fact about it is found, which is a few times at most. */
#include "native/dwarf.h"
#include "native/kin.h"

enum {
	LOWEST = 4096, /* no pointer is less */
	OBJECTS_MAX = 1 << 20,
	SAMPLE = 64, /* items of an array that must look right */
	TAG_MASK = 7,
	AHEAD = 12 /* blocks */
};

struct link {		   /* a pointer, where it was found and what it should lead to */
	cs_addr value, at; /* at 0: in a register */
	uint32_t target, via;
	enum cs_native_sure sure;
	uint32_t owner, host, host_off; /* the type it is in, the record of that, and its place */
	bool in_union, is_promoted, is_vector, is_slack;
};

static const struct nt_type *type_at(const struct cs_native *n, uint32_t nr)
{
	return &n->types.items[nr];
}

static enum cs_native_sure lesser(enum cs_native_sure a, enum cs_native_sure b)
{
	return a < b ? a : b;
}

static bool is_mapped(struct cs_native *n, cs_addr addr)
{
	return !addr || cs_mem_find(n->image->mem, addr) != NULL;
}

/* Is every pointer of `items` things at addr null or an address? */
bool nt_is_plausible(struct cs_native *n, uint32_t type, cs_addr addr, uint64_t items)
{
	const struct nt_type *t;
	uint64_t word;

	nt_flatten(n, type);
	t = type_at(n, type);
	for (uint64_t i = 0; i < items && i < SAMPLE; i++)
		for (uint32_t s = 0; s < t->slots; s++) {
			const struct nt_slot *slot = &n->slots.items[t->first + s];
			cs_addr at = addr + i * t->size + slot->off;

			if (!slot->in_union && cs_mem_u64(n->image->mem, at, &word) &&
			    !is_mapped(n, word))
				return false;
		}
	return true;
}

static void claim(struct cs_native *n, uint32_t node, const struct cs_block *block,
		  const struct link *l, struct nt_claim c)
{
	c.via = l->via;
	c.sure = lesser(c.sure, l->sure);
	nt_record(n, node, block, &c);
}

/* A vector says how much it asked malloc for: proof enough for what is in it. */
static bool claim_vector(struct cs_native *n, uint32_t node, const struct cs_block *block,
			 const struct link *l)
{
	uint64_t size = nt_size(n, l->target);
	struct nt_claim c = {.type = l->target,
			     .how = CS_NATIVE_CONTAINER,
			     .sure = CS_NATIVE_EXACT,
			     .is_array = true};
	uint64_t end, room, len;

	if (!l->is_vector || !size || !cs_mem_u64(n->image->mem, l->at + 8, &end) ||
	    !cs_mem_u64(n->image->mem, l->at + 16, &room))
		return false;
	len = room - l->value;
	if (end < l->value || end > room || len > block->len || len % size ||
	    (end - l->value) % size || !nt_fits(block, len) || len / size >= UINT32_MAX)
		return false;
	c.items = (uint32_t)((end - l->value) / size) + 1;
	claim(n, node, block, l, c);
	return true;
}

/* Several of a type, or something that only begins with one. */
static void claim_many(struct cs_native *n, uint32_t node, const struct cs_block *block,
		       const struct link *l)
{
	const struct nt_type *t = type_at(n, l->target);
	uint64_t items = block->len / t->size;
	struct nt_claim c = {.type = l->target,
			     .how = CS_NATIVE_ARRAY,
			     .sure = CS_NATIVE_LIKELY,
			     .is_array = true};

	if (items < 2 || (t->has_derived && !nt_has_family(n, l->target)) || l->in_union ||
	    l->is_promoted ||
	    !(nt_fits(block, items * t->size) || nt_fits(block, (items - 1) * t->size)) ||
	    !nt_is_plausible(n, l->target, block->addr, items)) {
		c.how = CS_NATIVE_PREFIX;
		c.sure = CS_NATIVE_CANDIDATE;
		c.is_array = false;
	}
	claim(n, node, block, l, c);
}

/* Do others begin with this type, one of which the block may be? */
static bool may_be_derived(struct cs_native *n, const struct cs_block *block, const struct link *l)
{
	size_t count = 0;
	const uint32_t *derived = l->is_promoted || type_at(n, l->target)->is_polymorphic
					  ? NULL
					  : nt_derived(n, l->target, &count);

	for (size_t i = 0; i < count; i++) {
		if (nt_fits_type(n, derived[i], block))
			return true;
		derived = nt_derived(n, l->target, &count); /* they may have moved */
	}
	return false;
}

static void claim_record(struct cs_native *n, uint32_t node, const struct cs_block *block,
			 const struct link *l)
{
	struct nt_claim c = {.type = l->target, .how = CS_NATIVE_POINTER, .sure = CS_NATIVE_EXACT};
	const struct nt_type *t;
	bool is_doubtful;

	nt_flatten(n, l->target);
	t = type_at(n, l->target);
	if (t->is_node_base && !l->is_promoted)
		return;
	if (!t->is_complete) {
		c.how = CS_NATIVE_OPAQUE;
		c.sure = CS_NATIVE_LIKELY;
		claim(n, node, block, l, c);
		return;
	}
	/* its vtable would have told; it was deleted, or never was one */
	if (t->size > block->len ||
	    (t->is_polymorphic && nt_how(n->what[node]) != CS_NATIVE_VTABLE)) {
		n->conflicts++;
		return;
	}
	if (may_be_derived(n, block, l)) {
		c.how = CS_NATIVE_BASE;
		c.sure = CS_NATIVE_CANDIDATE;
		claim(n, node, block, l, c);
		return;
	}
	t = type_at(n, l->target);
	is_doubtful = t->has_derived || l->in_union;
	/* what may be no pointer at all must lead to just the right thing */
	if ((l->is_slack || l->in_union) && !t->tail &&
	    (block->len != nt_class(t->size) || nt_judge(n, l->target, block->addr) < 0))
		return;
	if (nt_fits(block, t->size)) {
		if (l->is_promoted)
			c.how = CS_NATIVE_CONTAINER;
		else if (is_doubtful || 2 * t->size <= block->len)
			c.sure = CS_NATIVE_LIKELY;
	} else if (t->tail) {
		c.how = CS_NATIVE_FLEXIBLE;
		if (is_doubtful)
			c.sure = CS_NATIVE_LIKELY;
	} else {
		claim_many(n, node, block, l);
		return;
	}
	if (lesser(c.sure, l->sure) < CS_NATIVE_EXACT &&
	    !nt_is_plausible(n, l->target, block->addr, 1)) {
		n->conflicts++;
		return;
	}
	claim(n, node, block, l, c);
}

/* A pointer to the beginning of a block. */
static void lead_to_start(struct cs_native *n, uint32_t node, const struct cs_block *block,
			  struct link *l)
{
	struct nt_claim c = {.is_array = true, .sure = CS_NATIVE_LIKELY};

	for (unsigned i = 0; i < NT_DEPTH_MAX && type_at(n, l->target)->kind == NT_ARRAY; i++)
		l->target = nt_target(n, l->target);
	if (claim_vector(n, node, block, l))
		return;
	c.type = l->target;
	switch (type_at(n, l->target)->kind) {
	case NT_CHAR:
		c.how = l->is_promoted ? CS_NATIVE_CONTAINER : CS_NATIVE_TEXT;
		claim(n, node, block, l, c);
		break;
	case NT_POINTER:
		nt_target(n, l->target); /* which gives it its name */
					 /* fall through */
	case NT_PLAIN:
		c.how = CS_NATIVE_ARRAY;
		if (*type_at(n, l->target)->name && type_at(n, l->target)->size <= block->len)
			claim(n, node, block, l, c);
		break;
	case NT_RECORD:
	case NT_UNION:
		claim_record(n, node, block, l);
		break;
	default:
		break;
	}
}

/* A part of a block whose whole nobody knows, or only by name. */
static void look_inside(struct cs_native *n, uint32_t node, const struct cs_block *block,
			const struct link *l)
{
	struct nt_object o = {.addr = l->value,
			      .type = l->target,
			      .via = l->via,
			      .sure = lesser(l->sure, CS_NATIVE_LIKELY)};
	const struct nt_type *t = type_at(n, l->target);
	uint32_t what = n->what[node];

	if (what && nt_sure(what) > CS_NATIVE_CANDIDATE &&
	    type_at(n, nt_type_nr(what))->is_complete)
		return;
	if (t->kind == NT_RECORD && t->is_complete && !t->is_node_base &&
	    t->size <= block->len - (l->value - block->addr) &&
	    nt_is_plausible(n, l->target, l->value, 1))
		nt_look_at(n, &o);
}

/* A pointer into a block: behind the count that new[] keeps, or to a link in the middle. */
static void lead_inside(struct cs_native *n, uint32_t node, const struct cs_block *block,
			const struct link *l)
{
	uint64_t off = l->value - block->addr, items, size = type_at(n, l->target)->size;
	struct nt_claim c = {.type = l->target,
			     .how = CS_NATIVE_ARRAY,
			     .sure = CS_NATIVE_EXACT,
			     .is_array = true,
			     .start = (uint32_t)off};
	const struct nt_type *owner = type_at(n, l->owner);

	if ((off == 8 || off == 16) && size && type_at(n, l->target)->kind == NT_RECORD &&
	    cs_mem_u64(n->image->mem, l->value - 8, &items) && items && items < block->len &&
	    items * size <= block->len - off && nt_fits(block, items * size + off)) {
		c.items = (uint32_t)items + 1;
		claim(n, node, block, l, c);
		return;
	}
	if (l->owner && l->target == l->host && l->host_off == off && owner->is_complete &&
	    l->owner != l->host && nt_fits(block, owner->size) &&
	    nt_is_plausible(n, l->owner, block->addr, 1)) {
		c = (struct nt_claim){
			.type = l->owner, .how = CS_NATIVE_INTRUSIVE, .sure = CS_NATIVE_LIKELY};
		claim(n, node, block, l, c);
		return;
	}
	look_inside(n, node, block, l);
}

/* Memory that is no block: a global, another stack, a mapping. */
static void lead_outside(struct cs_native *n, const struct link *l)
{
	struct nt_object o = {.addr = l->value, .type = l->target, .via = l->via, .sure = l->sure};
	const struct cs_mapping *m = cs_image_mapping(n->image, l->value);

	if (m && m->module == CS_NO_MODULE) /* a stack, whose function may have returned */
		o.sure = lesser(o.sure, CS_NATIVE_LIKELY);
	if (m && m->prot & CS_PROT_W && type_at(n, l->target)->is_complete &&
	    (type_at(n, l->target)->kind == NT_RECORD || type_at(n, l->target)->kind == NT_UNION))
		nt_look_at(n, &o);
}

static void follow(struct cs_native *n, struct link *l)
{
	const uint32_t same = ((1u << NT_TYPE_BITS) - 1) | NT_ARRAY_BIT;
	struct cs_block block;
	uint32_t node;
	uint64_t off;

	if (l->value < LOWEST || !l->target)
		return;
	node = cs_node_at(&n->nodes, l->value);
	if (node == CS_NO_NODE) {
		lead_outside(n, l);
		return;
	}
	/* the usual case: one more pointer to what is known */
	if ((n->what[node] & same) == l->target && nt_sure(n->what[node]) == CS_NATIVE_EXACT)
		return;
	cs_node_block_at(&n->nodes, l->value, &block);
	if (block.state != CS_BLOCK_USED || block.allocator != CS_ALLOC_GLIBC)
		return;
	off = l->value - block.addr;
	/* what ends in text, behind its header: strings that keep their length in front */
	if (off && type_at(n, l->target)->kind == NT_CHAR && !l->is_promoted) {
		if (nt_text_at(n, &block, l->value) == NT_SURE_TEXT)
			nt_claim_text(n, node, &block, l->value, l->via);
		return;
	}
	if (off > 0 && off <= TAG_MASK) { /* bits of its own in a pointer */
		l->value = block.addr;
		off = 0;
	}
	if (off)
		lead_inside(n, node, &block, l);
	else
		lead_to_start(n, node, &block, l);
}

/* The last word of an open array may be in use, or what malloc gave on top, where an older
 * block's words remain: followed when everything else was. */
static bool is_deferred(struct cs_native *n, const struct link *l)
{
	struct nt_object o = {.addr = l->at, .type = l->target, .via = l->via, .sure = l->sure};
	struct cs_block block;
	uint32_t node = cs_node_at(&n->nodes, l->at);

	if (node == CS_NO_NODE)
		return false;
	cs_node_block_at(&n->nodes, l->at, &block);
	if (l->at + 8 < block.addr + block.len)
		return false;
	if (n->dwarf->slack.count < OBJECTS_MAX && !cs_vec_push(&n->dwarf->slack, o))
		n->failed = true;
	return true;
}

void nt_follow_slack(struct cs_native *n)
{
	for (size_t i = 0; i < n->dwarf->slack.count && !cs_pulse_stops(n->model->pulse); i++) {
		struct nt_object o = n->dwarf->slack.items[i];
		struct link l = {.at = o.addr,
				 .target = o.type,
				 .via = o.via,
				 .sure = lesser(o.sure, CS_NATIVE_LIKELY),
				 .is_slack = true};

		if (cs_mem_u64(n->image->mem, l.at, &l.value))
			follow(n, &l);
	}
	n->dwarf->slack.count = 0;
}

enum { MANY = 512 };

/* So many items of an array as there is memory mapped for: an array may say anything. */
static uint64_t mapped_items(const struct cs_native *n, cs_addr at, uint64_t size, uint64_t count)
{
	const struct cs_mapping *m = cs_image_mapping(n->image, at);
	const struct cs_mapping *last = n->image->mappings.items + n->image->mappings.count - 1;
	uint64_t room;

	if (count <= MANY)
		return count;
	if (!m)
		return 0;
	while (m < last && m[1].range.start == cs_range_end(m->range))
		m++;
	room = (cs_range_end(m->range) - at) / size;
	return room < count ? room : count;
}

static void follow_slots(struct cs_native *n, const struct nt_object *o)
{
	struct nt_type t;

	nt_flatten(n, o->type);
	t = *type_at(n, o->type); /* types move while links are followed */
	for (uint32_t i = 0; i < t.slots; i++) {
		struct nt_slot slot = n->slots.items[t.first + i];
		uint64_t count = mapped_items(n, o->addr + slot.off, 8, slot.count);

		for (uint64_t k = 0; k < count; k++) {
			struct link l = {.at = o->addr + slot.off + 8 * k,
					 .target = slot.target,
					 .via = o->via,
					 .sure = o->sure,
					 .owner = o->type,
					 .host = slot.host,
					 .host_off = slot.host_off,
					 .in_union = slot.in_union,
					 .is_promoted = slot.is_promoted,
					 .is_vector = slot.is_vector};

			if (cs_pulse_stops(n->model->pulse))
				return;
			if (cs_mem_u64(n->image->mem, l.at, &l.value))
				follow(n, &l);
		}
	}
}

/* `items` things of a type, one behind the other. */
static void follow_items(struct cs_native *n, const struct nt_object *first, uint64_t items,
			 bool is_open)
{
	struct nt_object o = *first;
	uint32_t target = type_at(n, o.type)->kind == NT_POINTER ? nt_target(n, o.type) : 0;
	uint64_t size = type_at(n, o.type)->size;

	if (!target) {
		nt_flatten(n, o.type);
		if (!type_at(n, o.type)->slots)
			return;
	}
	for (uint64_t i = 0; i < items && !cs_pulse_stops(n->model->pulse); i++, o.addr += size) {
		struct link l = {.at = o.addr, .target = target, .via = o.via, .sure = o.sure};

		if (!target)
			follow_slots(n, &o);
		else if (cs_mem_u64(n->image->mem, l.at, &l.value) &&
			 !(is_open && i + 1 == items && is_deferred(n, &l)))
			follow(n, &l);
	}
}

void nt_follow(struct cs_native *n, cs_addr value, const struct nt_object *object)
{
	struct link l = {.value = value,
			 .via = object->via,
			 .sure = object->sure,
			 .target = nt_target(n, object->type)};

	follow(n, &l);
}

void nt_look_at(struct cs_native *n, const struct nt_object *object)
{
	struct nt_dwarf *d = n->dwarf;
	uint64_t key = (object->addr * 0x9e3779b97f4a7c15ull ^ object->type) | 1;
	uint32_t one;

	if (d->seen.count >= OBJECTS_MAX || cs_map_get(&d->seen, key, &one))
		return;
	if (!cs_map_put(&d->seen, key, 1) || !cs_vec_push(&d->objects, *object))
		n->failed = true;
}

static void spread_object(struct cs_native *n, struct nt_object o)
{
	uint64_t items = 1;

	for (unsigned i = 0; i < NT_DEPTH_MAX && type_at(n, o.type)->kind == NT_ARRAY; i++) {
		if (!cs_mul(items, type_at(n, o.type)->elements, &items) || items > 1ull << 32)
			return;
		o.type = nt_target(n, o.type);
	}
	if (type_at(n, o.type)->size)
		follow_items(n, &o, mapped_items(n, o.addr, type_at(n, o.type)->size, items), false);
}

static void spread_block(struct cs_native *n, cs_addr addr)
{
	struct cs_block block;
	uint32_t node = cs_node_block_at(&n->nodes, addr, &block), what = n->what[node], start = 0,
		 known;
	struct nt_object o = {.type = nt_type_nr(what),
			      .via = node,
			      .sure = nt_sure(what) == CS_NATIVE_EXACT ? CS_NATIVE_EXACT
								       : CS_NATIVE_LIKELY};
	const struct nt_type *t = type_at(n, o.type);
	uint64_t items = 1, size = t->size;

	cs_map_get(&n->starts, (uint64_t)node + 1, &start);
	o.addr = block.addr;
	if (what & NT_ARRAY_BIT) {
		o.addr += start;
		items = size ? (block.len - start) / size : 0;
		if (cs_map_get(&n->items, (uint64_t)node + 1, &known) && known && known - 1 < items)
			items = known - 1;
	}
	if (t->kind == NT_CHAR || t->kind == NT_PLAIN)
		return;
	follow_items(n, &o, items, false);
	t = type_at(n, o.type);
	if ((nt_how(what) != CS_NATIVE_FLEXIBLE && nt_how(what) != CS_NATIVE_DERIVED) || !t->tail ||
	    !type_at(n, t->tail)->size)
		return;
	o.addr += t->tail_off;
	items = (block.len - t->tail_off) / type_at(n, t->tail)->size;
	o.type = t->tail;
	o.sure = CS_NATIVE_LIKELY; /* how many of them are in use is not known */
	if (type_at(n, o.type)->kind >= NT_POINTER && type_at(n, o.type)->kind != NT_ARRAY)
		follow_items(n, &o, items, true);
}

/* The block that is next but a few will be looked through soon: memory is waited for less. */
static void fetch_ahead(struct cs_native *n)
{
	size_t nr = n->queue_head + AHEAD;
	const unsigned char *p;

	if (nr >= n->queue.count)
		return;
	cs_node_soon(&n->nodes, n->queue.items[nr]);
	p = cs_mem_view(n->image->mem, n->queue.items[nr], 8);
	if (p) {
		__builtin_prefetch(p);
		__builtin_prefetch(p + 64);
	}
}

cs_status nt_spread(struct cs_native *n, struct cs_error *err)
{
	struct nt_dwarf *d = n->dwarf;

	while (!n->failed && !cs_pulse_stops(n->model->pulse)) {
		if (n->queue_head < n->queue.count) {
			fetch_ahead(n);
			spread_block(n, n->queue.items[n->queue_head++]);
			if (n->queue_head > n->queue.count / 2) { /* what is done makes room */
				n->queue.count -= n->queue_head;
				memmove(n->queue.items, n->queue.items + n->queue_head,
					n->queue.count * sizeof(*n->queue.items));
				n->queue_head = 0;
			}
		} else if (d->objects.count) {
			spread_object(n, d->objects.items[--d->objects.count]);
		} else {
			break;
		}
	}
	if (n->failed)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the native types");
	return cs_pulse_result(n->model->pulse, CS_OK, err);
}
