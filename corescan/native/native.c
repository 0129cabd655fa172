#include "native/native_state.h"
#include "base/own.h"
#include "image/elf_functions.h"
#include "native/dwarf.h"
#include "native/kin.h"

#include <stdio.h>

const char *const cs_native_how_words[CS_NATIVE_HOWS] = {
	[CS_NATIVE_NONE] = "",
	[CS_NATIVE_PREFIX] = "a pointer of this type leads to it; it is longer than that",
	[CS_NATIVE_BASE] = "a pointer of this type leads to it; others begin with this type",
	[CS_NATIVE_OPAQUE] = "a pointer of this type leads to it; nobody says how big that is",
	[CS_NATIVE_TEXT] = "a pointer to characters leads to it",
	[CS_NATIVE_SHAPE] = "a container counts it, leads to it and is led to as this library's do",
	[CS_NATIVE_HEADER] = "a pointer to text leads right behind it, where it ends",
	[CS_NATIVE_SLOT] = "a void pointer leads to it, like others of its container or kind",
	[CS_NATIVE_ARRAY] = "a pointer of this type leads to it, and several fit",
	[CS_NATIVE_INTRUSIVE] = "a link in the one before leads to the same place in this one",
	[CS_NATIVE_DERIVED] =
		"a pointer to what it begins with leads to it; its tag or size says which",
	[CS_NATIVE_FLEXIBLE] = "a pointer of this type, which ends in an open array, leads to it",
	[CS_NATIVE_POINTER] = "a pointer of this type leads to it, and the size is right",
	[CS_NATIVE_CONTAINER] = "a container of the standard library leads to it",
	[CS_NATIVE_VTABLE] = "its first word is the vtable of this class",
};

const char *const cs_native_sure_words[3] = {"candidate", "likely", "exact"};

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the native types");
}

static void cs_native_destroyp(struct cs_native **n)
{
	cs_native_destroy(*n);
}

static unsigned rank(uint32_t what)
{
	return (unsigned)nt_sure(what) << 4 | (unsigned)nt_how(what);
}

bool nt_record(struct cs_native *n, uint32_t node, const struct cs_block *block,
	       const struct nt_claim *c)
{
	uint32_t old = n->what[node];
	uint32_t new = c->type | (uint32_t)c->how << NT_HOW_SHIFT |
		       (uint32_t)c->sure << NT_SURE_SHIFT | (c->is_array ? NT_ARRAY_BIT : 0) |
		       (c->or_derived ? NT_DERIVED_BIT : 0);
	const uint32_t same = ((1u << NT_TYPE_BITS) - 1) | NT_ARRAY_BIT;

	if (!c->type || (old && rank(old) >= rank(new))) {
		if (old && (old ^ new) & same && rank(old) == rank(new))
			n->conflicts++;
		return false;
	}
	n->what[node] = new;
	n->via[node] = c->via;
	/* also what an older fact said is over */
	if ((c->items || cs_map_get(&n->items, (uint64_t)node + 1, &old)) &&
	    !cs_map_put(&n->items, (uint64_t)node + 1, c->items))
		n->failed = true;
	if ((c->start || cs_map_get(&n->starts, (uint64_t)node + 1, &old)) &&
	    !cs_map_put(&n->starts, (uint64_t)node + 1, c->start))
		n->failed = true;
	if (!cs_vec_push(&n->queue, block->addr))
		n->failed = true;
	return true;
}

uint32_t nt_place(struct cs_native *n, cs_addr addr, const char *text)
{
	struct nt_place place = {cs_arena_copy(&n->model->strings, text), addr};

	if (n->places.count >= NT_PLACES_MAX || n->places.count >= UINT32_MAX - n->nodes.count - 1)
		return n->nodes.count;
	if (!place.text || !cs_vec_push(&n->places, place)) {
		n->failed = true;
		return n->nodes.count;
	}
	return n->nodes.count + (uint32_t)(n->places.count - 1);
}

uint32_t nt_block_at(struct cs_native *n, cs_addr addr, struct cs_block *block)
{
	uint32_t node = cs_node_at(&n->nodes, addr);

	if (node == CS_NO_NODE)
		return node;
	cs_node_block(&n->nodes, node, block);
	return block->state == CS_BLOCK_USED && block->allocator == CS_ALLOC_GLIBC ? node
										   : CS_NO_NODE;
}

/* --- into the model --- */

static unsigned form_of(uint32_t what)
{
	return what & NT_ARRAY_BIT ? 1 : what & NT_DERIVED_BIT ? 2 : 0;
}

/* "struct conn", "struct conn[]", "struct conn or derived". */
static bool row_of(struct cs_native *n, uint32_t nr, unsigned form, uint32_t *row)
{
	static const char *const ends[] = {"", "[]", " or derived"};
	struct nt_type *t = &n->types.items[nr];
	char name[NT_NAME_MAX + 16];

	if (!t->rows[form]) {
		uint64_t key;
		bool is_shared = t->kind != NT_RECORD && t->kind != NT_UNION;

		snprintf(name, sizeof(name), "%s%s", t->name, ends[form]);
		key = cs_map_key(name);
		/* each unit has an int of its own */
		if (is_shared && cs_map_get(&n->row_by_name, key, row)) {
			t->rows[form] = *row + 1;
			return true;
		}
		if (cs_model_type(n->model, name, t->is_cxx ? CS_KIND_CXX : CS_KIND_C, row, NULL))
			return false;
		t->rows[form] = *row + 1;
		if (is_shared && !cs_map_put(&n->row_by_name, key, *row))
			return false;
	}
	*row = t->rows[form] - 1;
	return true;
}

/* Items of an array and their bytes; of one thing 1 and its size. */
static uint64_t items_of(const struct cs_native *n, uint32_t node, uint64_t len, uint64_t *shallow)
{
	uint32_t what = n->what[node], items;
	const struct nt_type *t = &n->types.items[nt_type_nr(what)];
	uint64_t size = t->size, count = 1;

	*shallow = !size || size > len ? len : size;
	if (nt_how(what) == CS_NATIVE_FLEXIBLE || nt_how(what) == CS_NATIVE_TEXT ||
	    nt_how(what) == CS_NATIVE_HEADER || (nt_how(what) == CS_NATIVE_DERIVED && t->tail))
		*shallow = len;
	if (!(what & NT_ARRAY_BIT) || !size)
		return count;
	count = cs_map_get(&n->items, (uint64_t)node + 1, &items) && items ? items - 1 : len / size;
	*shallow = count <= len / size ? count * size : len;
	return count;
}

static bool is_told(uint32_t what)
{
	return what && nt_sure(what) > CS_NATIVE_CANDIDATE;
}

static bool tell_block(struct cs_native *n, uint32_t node, const struct cs_block *block)
{
	uint32_t what = n->what[node], row;
	uint64_t shallow;

	if (!what)
		return true;
	n->counts[nt_sure(what)]++;
	if (!is_told(what))
		return true;
	if (!row_of(n, nt_type_nr(what), form_of(what), &row))
		return false;
	items_of(n, node, block->len, &shallow);
	cs_block_set(&n->model->blocks, block, CS_BLOCK_TYPED);
	n->model->types.items[row].count++;
	n->model->types.items[row].shallow += shallow;
	n->model->types.items[row].bytes += block->len;
	return true;
}

/* Of malloc's spans; others, most of a Python worker, are not even looked at. */
static cs_status tell_model(struct cs_native *n, struct cs_error *err)
{
	struct cs_pulse *pulse = n->model->pulse;
	size_t spans = n->model->blocks.spans.count;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node;

	for (size_t i = 0; i <= spans; i++) {
		uint32_t from = i < spans ? n->nodes.spans[i].first : n->nodes.first_big;
		uint32_t end = i + 1 < spans ? n->nodes.spans[i + 1].first
			       : i < spans   ? n->nodes.first_big
					     : n->nodes.count;

		if (from == end || (i < spans && !n->nodes.spans[i].is_glibc))
			continue;
		cs_node_walk_from(&walk, &n->nodes, from);
		while (walk.node < end && cs_node_walk_next(&walk, &node, &block)) {
			if (cs_pulse_stops(pulse))
				return cs_pulse_fail(err);
			if (!tell_block(n, node, &block))
				return no_memory(err);
		}
	}
	return cs_pulse_result(pulse, CS_OK, err);
}

static void describe(struct cs_native *n)
{
	cs_model_finding(n->model, "types of malloc blocks", "vtables and typed pointers", NULL,
			 "%" PRIu64 " exact, %" PRIu64 " likely, %" PRIu64
			 " candidates only; %" PRIu64 " times two pointers contradicted each other",
			 n->counts[CS_NATIVE_EXACT], n->counts[CS_NATIVE_LIKELY],
			 n->counts[CS_NATIVE_CANDIDATE], n->conflicts);
}

/* From variables first: what locals say is less sure. */
static cs_status follow_pointers(struct cs_native *n, struct cs_error *err)
{
	cs_status st = nt_roots(n, err);

	if (!st)
		st = nt_spread(n, err);
	if (!st)
		st = nt_locals(n, err);
	if (!st)
		st = nt_spread(n, err);
	return st ? st : nt_conclude(n, err);
}

static cs_status search(struct cs_native *n, bool has_dwarf, struct cs_error *err)
{
	struct nt_type none = {.name = ""};
	struct nt_type text = {.name = "char", .kind = NT_CHAR, .size = 1, .is_complete = true};
	cs_status st = cs_nodes_init(&n->nodes, &n->model->blocks, err);

	if (st)
		return st;
	n->what = calloc((size_t)n->nodes.count + 1, sizeof(*n->what));
	n->via = calloc((size_t)n->nodes.count + 1, sizeof(*n->via));
	if (!n->what || !n->via)
		return no_memory(err);
	nt_type_add(n, &none);
	nt_type_add(n, &text);
	nt_place(n, 0, ""); /* the first place says nothing */
	if (!n->failed && has_dwarf)
		st = nt_dwarf_index(n, err);
	if (!st && !n->failed)
		st = nt_vtables(n, err);
	if (!st && !n->failed && n->dwarf)
		st = follow_pointers(n, err);
	if (!st && !n->failed && nt_cxx_there(n))
		st = nt_shapes(n, err);
	if (!st && n->failed)
		st = no_memory(err);
	if (!st)
		st = tell_model(n, err);
	if (!st)
		describe(n);
	return st;
}

cs_status cs_native_types(struct cs_image *image, struct cs_model *model,
			  const struct cs_native_options *options, struct cs_native **out,
			  struct cs_error *err)
{
	__attribute__((cleanup(cs_native_destroyp))) struct cs_native *n = calloc(1, sizeof(*n));
	bool has_dwarf;
	cs_status st;

	if (!n)
		return no_memory(err);
	n->image = image;
	n->model = model;
	if (options->hints) {
		st = nt_hints_read(options->hints, &n->hints, err);
		if (st)
			return st;
	}
	has_dwarf = nt_dwarf_there(n);
	if (!has_dwarf && !nt_cxx_there(n))
		return CS_OK;
	st = search(n, has_dwarf, err);
	st = cs_pulse_result(model->pulse, st, err);
	if (!st)
		*out = cs_steal(n);
	return st;
}

void cs_native_destroy(struct cs_native *n)
{
	if (!n)
		return;
	for (size_t i = 0; n->functions && i < n->image->modules.count; i++)
		cs_elf_functions_destroy(n->functions[i]);
	free(n->functions);
	nt_vtables_free(n);
	nt_kin_free(n);
	nt_dwarf_free(n);
	nt_hints_free(n->hints);
	cs_map_deinit(&n->row_by_name);
	cs_nodes_deinit(&n->nodes);
	free(n->what);
	free(n->via);
	cs_map_deinit(&n->items);
	cs_map_deinit(&n->starts);
	cs_vec_free(&n->types);
	cs_vec_free(&n->slots);
	cs_map_deinit(&n->type_by_name);
	cs_vec_free(&n->places);
	cs_vec_free(&n->queue);
	cs_map_deinit(&n->vtables);
	cs_map_deinit(&n->type_infos);
	free(n);
}

/* --- questions --- */

bool cs_native_is_exact(const struct cs_native *n, uint32_t node)
{
	uint32_t what = n && node < n->nodes.count ? n->what[node] : 0;

	return what && nt_sure(what) == CS_NATIVE_EXACT && !(what & NT_DERIVED_BIT);
}

uint32_t cs_native_row(const struct cs_native *n, uint32_t node)
{
	uint32_t what = n && node < n->nodes.count ? n->what[node] : 0, row;

	if (!is_told(what))
		return CS_NATIVE_NO_ROW;
	row = n->types.items[nt_type_nr(what)].rows[form_of(what)];
	return row ? row - 1 : CS_NATIVE_NO_ROW;
}

static void find_via(struct cs_native *n, uint32_t via, struct cs_native_fact *out)
{
	uint32_t row = cs_native_row(n, via);
	struct cs_block block;

	out->via_name = "";
	if (via >= n->nodes.count) {
		out->via = n->places.items[via - n->nodes.count].addr;
		out->via_name = n->places.items[via - n->nodes.count].text;
		return;
	}
	cs_node_block(&n->nodes, via, &block);
	out->via = block.addr;
	if (row != CS_NATIVE_NO_ROW)
		out->via_name = n->model->types.items[row].name;
}

/* How many of those that begin with a type, and itself, the block may be. */
static uint32_t candidates(struct cs_native *n, uint32_t type, const struct cs_block *block)
{
	uint32_t fitting = nt_fits_type(n, type, block);
	const uint32_t *derived;
	size_t count;

	for (size_t i = 0; derived = nt_derived(n, type, &count), i < count; i++)
		fitting += nt_fits_type(n, derived[i], block) &&
			   nt_judge(n, derived[i], block->addr) >= 0;
	return fitting;
}

bool cs_native_find(struct cs_native *n, const struct cs_block *block, struct cs_native_fact *out)
{
	uint32_t node = n ? cs_node_at(&n->nodes, block->addr) : CS_NO_NODE, what;
	const struct nt_type *t;
	uint64_t shallow;

	if (node == CS_NO_NODE || !n->what[node])
		return false;
	what = n->what[node];
	t = &n->types.items[nt_type_nr(what)];
	*out = (struct cs_native_fact){
		.type = t->name,
		.kind = t->is_cxx ? CS_KIND_CXX : CS_KIND_C,
		.how = nt_how(what),
		.sure = nt_sure(what),
		.is_array = what & NT_ARRAY_BIT,
		.or_derived = what & NT_DERIVED_BIT,
		.items = items_of(n, node, block->len, &shallow),
		.row = cs_native_row(n, node),
	};
	if (out->row != CS_NATIVE_NO_ROW)
		out->type = n->model->types.items[out->row].name;
	if (n->dwarf && (out->or_derived || out->how == CS_NATIVE_BASE))
		out->candidates = candidates(n, nt_type_nr(what), block);
	find_via(n, n->via[node], out);
	return true;
}
