#include "scan/instances.h"

#include "base/map.h"
#include "cpython/py_attr.h"
#include "cpython/py_census.h"
#include "native/native.h"
#include "scan/names.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct finder {
	struct cs_heap_graph *hg;
	const struct cs_instances_wish *wish;
	struct cs_answer *out;
	bool *wanted;	   /* by row in model->types */
	struct cs_map class_keys;
	bool knows_class_keys;
	uint64_t *counted; /* owned blocks that somebody's bytes include; a bit a node */
	uint64_t room;	   /* rows to keep: the best so far, a heap with the worst on top */
	uint64_t count, bytes;
	bool is_out_of_memory;
};

static uint64_t key_of(const struct finder *f, const struct cs_instance_row *r)
{
	switch (f->wish->key) {
	case CS_BY_RETAINED:
		return r->retained;
	case CS_BY_BYTES:
		return r->bytes;
	case CS_BY_ADDRESS:
		break;
	}
	return r->addr;
}

/* Does a come before b on the page? As report_table sorts: equal ones by address, then
 * nothing is equal any more. */
static bool is_before(const struct finder *f, const struct cs_instance_row *a,
		      const struct cs_instance_row *b)
{
	uint64_t x = key_of(f, a), y = key_of(f, b);

	return x != y ? x > y : a->addr > b->addr;
}

static int by_place(const void *a, const void *b, void *f)
{
	return is_before(f, a, b) ? -1 : is_before(f, b, a);
}

static void swap(struct cs_instance_row *a, struct cs_instance_row *b)
{
	struct cs_instance_row was = *a;

	*a = *b;
	*b = was;
}

static void sift_up(const struct finder *f, size_t at)
{
	struct cs_instance_row *h = f->out->instances.items;

	for (; at && is_before(f, &h[(at - 1) / 2], &h[at]); at = (at - 1) / 2)
		swap(&h[at], &h[(at - 1) / 2]);
}

static void sift_down(const struct finder *f, size_t at)
{
	struct cs_instance_row *h = f->out->instances.items;
	size_t n = f->out->instances.count;

	for (;;) {
		size_t worst = at, left = 2 * at + 1;

		if (left < n && is_before(f, &h[worst], &h[left]))
			worst = left;
		if (left + 1 < n && is_before(f, &h[worst], &h[left + 1]))
			worst = left + 1;
		if (worst == at)
			return;
		swap(&h[at], &h[worst]);
		at = worst;
	}
}

static void keep_best(struct finder *f, struct cs_instance_row row)
{
	struct cs_instance_row *h = f->out->instances.items;

	if (f->out->instances.count < f->room) {
		if (cs_vec_push(&f->out->instances, row))
			sift_up(f, f->out->instances.count - 1);
		else
			f->is_out_of_memory = true;
	} else if (f->room && is_before(f, &row, &h[0])) {
		h[0] = row;
		sift_down(f, 0);
	}
}

/* The block and those only this object owns, each counted once whoever says it is his. */
static uint64_t bytes_of(struct finder *f, uint32_t node, uint64_t len)
{
	struct cs_heap_graph *hg = f->hg;
	uint32_t edges;
	const uint32_t *codes = cs_graph_edges(hg->graph, node, &edges);

	for (uint32_t i = 0; i < edges; i++) {
		uint32_t to = cs_graph_target(hg->graph, codes[i]);
		struct cs_block block;

		if (cs_pulse_stops(&hg->scan->pulse))
			break;
		if (!cs_heap_graph_is_owned(hg, to) || cs_bit(f->counted, to))
			continue;
		cs_node_block(&hg->nodes, to, &block);
		if (block.state != CS_BLOCK_OWNED)
			continue;
		cs_bit_set(f->counted, to);
		len += block.len;
	}
	return len;
}

/* The shared keys of all classes, looked up once. */
static bool is_class_keys(struct finder *f, cs_addr keys)
{
	struct py *py = f->hg->scan->py;
	uint32_t ignored;

	for (size_t i = 0; !f->knows_class_keys && i < py->types.count; i++) {
		const struct py_type *t = &py->types.items[i];
		cs_addr at = t->flags & PY_FLAG_HEAPTYPE ?
				     py_word(py, t->addr + py_off(&py->layout, PY_HT_CACHED_KEYS)) : 0;

		if (at && !cs_map_put(&f->class_keys, at, 0))
			f->is_out_of_memory = true;
	}
	f->knows_class_keys = true;
	return cs_map_get(&f->class_keys, keys, &ignored);
}

/* Keys that instances share and their class has let go of: they have no referrer in the
 * graph, and count for the first dict that has them, as --by-type does. */
static uint64_t left_keys(struct finder *f, const struct cs_block *dict)
{
	struct py *py = f->hg->scan->py;
	struct cs_block block;
	struct py_attrs at;
	struct py_obj o;
	uint32_t node;

	if (!py || !py_object_at_block(py, dict, &o) || !(o.type->flags & PY_FLAG_DICT))
		return 0;
	py_dict_place(py, o.addr, &at);
	if (!at.values || !py_block_at(py, at.keys, &block) || block.state != CS_BLOCK_OWNED)
		return 0;
	node = cs_node_at(&f->hg->nodes, block.addr);
	if (node == CS_NO_NODE || cs_bit(f->counted, node) ||
	    is_class_keys(f, at.keys))
		return 0;
	cs_bit_set(f->counted, node);
	return block.len;
}

static void add(struct finder *f, uint32_t node, const struct cs_block *block)
{
	struct cs_instance_row row = { .addr = block->addr, .bytes = bytes_of(f, node, block->len),
				       .retained = cs_dom_retained(f->hg->dom, node) };

	row.bytes += left_keys(f, block);
	if ((row.retained ? row.retained : row.bytes) < f->wish->min)
		return;
	f->count++;
	f->bytes += row.bytes;
	f->out->unreached += !row.retained;
	keep_best(f, row);
}

static void find_all(struct finder *f)
{
	struct cs_heap_graph *hg = f->hg;
	struct cs_node_walk walk;
	struct cs_block block;
	uint32_t node, type;

	cs_node_walk_init(&walk, &hg->nodes);
	while (cs_node_walk_next(&walk, &node, &block) && !f->is_out_of_memory) {
		cs_pulse_at(&hg->scan->pulse, node, hg->nodes.count);
		if (cs_pulse_stops(&hg->scan->pulse))
			return;
		if (block.state != CS_BLOCK_OBJECT && block.state != CS_BLOCK_TYPED)
			continue;
		type = cs_heap_graph_type(hg, node);
		if (type != CS_NO_TYPE && f->wanted[type])
			add(f, node, &block);
	}
}

/* The rows of the page in order; the others leave their count and sum. */
static void cut_page(struct finder *f)
{
	struct cs_answer *out = f->out;
	struct cs_instance_row *h = out->instances.items;
	size_t all = out->instances.count;
	size_t skip = f->wish->skip < all ? (size_t)f->wish->skip : all;
	uint64_t shown = 0;

	if (all)
		qsort_r(h, all, sizeof(*h), by_place, f);
	for (size_t i = 0; i < skip; i++)
		out->bytes_before += h[i].bytes;
	for (size_t i = skip; i < all; i++)
		shown += h[i].bytes;
	if (skip < all)
		memmove(h, h + skip, (all - skip) * sizeof(*h));
	out->instances.count = all - skip;
	out->rows_before = skip;
	out->rows_behind = f->count - all;
	out->bytes_behind = f->bytes - shown - out->bytes_before;
}

/* --- attributes --- */

static size_t count_names(const char *attrs)
{
	size_t n = attrs && *attrs;

	for (; attrs && *attrs; attrs++)
		n += *attrs == ',';
	return n;
}

static cs_status no_memory(struct cs_error *err)
{
	return cs_fail(err, CS_NOMEM, 0, "no memory for the instances");
}

/* The paths asked for, and their names for the columns. */
static cs_status read_names(struct finder *f, struct py_attr_path *paths, size_t count,
			    struct cs_error *err)
{
	const char **names = cs_arena_alloc(&f->out->strings, count * sizeof(*names));
	const char *at = f->wish->attrs;

	for (size_t i = 0; names && i < count; i++) {
		size_t len = strcspn(at, ",");

		if (!py_attr_path_set(&paths[i], at, len))
			return cs_fail(err, CS_USAGE, 0, "'%.*s' is no attribute",
				       (int)(len < 60 ? len : 60), at);
		names[i] = cs_arena_text(&f->out->strings, at, len);
		if (!names[i])
			return no_memory(err);
		at += len + 1;
	}
	f->out->attr_names = names;
	f->out->attr_count = names ? count : 0;
	return names ? CS_OK : no_memory(err);
}

static bool add_member(struct finder *f, const struct cs_block *block, const char *name)
{
	struct cs_attr_value value = { .text = NULL };
	char text[CS_NATIVE_VALUE_MAX];
	bool has = cs_native_member(f->hg->scan->native, block, name, f->wish->no_values, text,
				    &value.is_integer);

	if (has)
		value.text = cs_arena_copy(&f->out->strings, text);
	return (value.text || !has) && cs_vec_push(&f->out->values, value);
}

static bool add_value(struct finder *f, cs_addr addr, const char *name, struct py_attr_path *path)
{
	struct cs_attr_value value = { .text = NULL };
	uint32_t node = cs_node_at(&f->hg->nodes, addr);
	struct cs_block block;
	struct py_attr attr;
	char text[PY_ATTR_TEXT];

	if (node != CS_NO_NODE) {
		cs_node_block(&f->hg->nodes, node, &block);
		if (block.state == CS_BLOCK_TYPED)
			return add_member(f, &block, name);
	}
	py_attr_get(f->hg->scan->py, addr, path, &attr);
	value.is_integer = py_attr_text(f->hg->scan->py, &attr, f->wish->no_values, text,
					sizeof(text));
	if (attr.state != PY_ATTR_MISSING)
		value.text = cs_arena_copy(&f->out->strings, text);
	return (value.text || attr.state == PY_ATTR_MISSING) && cs_vec_push(&f->out->values, value);
}

static cs_status read_values(struct finder *f, struct cs_error *err)
{
	size_t count = count_names(f->wish->attrs);
	struct py_attr_path *paths = count ? calloc(count, sizeof(*paths)) : NULL;
	cs_status st;

	if (!count)
		return CS_OK;
	st = paths ? read_names(f, paths, count, err) : no_memory(err);
	for (size_t i = 0; !st && i < f->out->instances.count; i++) {
		if (cs_pulse_stops(&f->hg->scan->pulse))
			break;
		for (size_t k = 0; !st && k < count; k++)
			if (!add_value(f, f->out->instances.items[i].addr,
				       f->out->attr_names[k], &paths[k]))
				st = no_memory(err);
	}
	free(paths);
	return st;
}

/* A block's address becomes its object's: debug headers and the collector's are in front. */
static void name_objects(struct finder *f)
{
	for (size_t i = 0; i < f->out->instances.count; i++) {
		struct cs_instance_row *r = &f->out->instances.items[i];
		uint32_t node = cs_node_at(&f->hg->nodes, r->addr);

		if (cs_pulse_stops(&f->hg->scan->pulse))
			return;
		if (node != CS_NO_NODE)
			r->addr = cs_node_addr(f->hg, node);
	}
}

/* --- */

/* Which types are meant. False: there is no such type. */
static bool choose_types(struct finder *f)
{
	const struct cs_model *m = &f->hg->scan->model;
	bool is_pattern = strpbrk(f->wish->type, "*?"), any = false;

	for (size_t i = 0; i < m->types.count; i++) {
		const char *name = m->types.items[i].name;

		f->wanted[i] = m->types.items[i].kind != CS_KIND_RAW &&
			       (is_pattern ? !fnmatch(f->wish->type, name, FNM_NOESCAPE) :
					     !strcmp(f->wish->type, name));
		any = any || f->wanted[i];
	}
	return any;
}

static uint64_t rows_of(const struct cs_instances_wish *wish)
{
	uint64_t most = wish->most && wish->most < CS_INSTANCES_MAX ? wish->most : CS_INSTANCES_MAX;

	return wish->skip < CS_INSTANCES_MAX ? wish->skip + most : CS_INSTANCES_MAX;
}

static cs_status answer(struct finder *f, struct cs_error *err)
{
	cs_status st;

	if (!choose_types(f))
		return cs_fail(err, CS_NOTFOUND, 0, "there is no type '%.100s'", f->wish->type);
	find_all(f);
	if (f->is_out_of_memory)
		return no_memory(err);
	cut_page(f);
	name_objects(f);
	st = read_values(f, err);
	return cs_pulse_result(&f->hg->scan->pulse, st, err);
}

cs_status cs_answer_instances(struct cs_scan *scan, const struct cs_instances_wish *wish,
			      struct cs_answer *out, struct cs_error *err)
{
	struct finder f = { .wish = wish, .out = out, .room = rows_of(wish) };
	cs_status st = cs_scan_graph(scan, &f.hg, err);

	if (st)
		return st;
	if (scan->py)
		py_steps_begin(scan->py);
	f.wanted = calloc(scan->model.types.count + 1, sizeof(*f.wanted));
	f.counted = calloc((size_t)f.hg->nodes.count / 64 + 1, sizeof(*f.counted));
	st = f.wanted && f.counted ? answer(&f, err) : no_memory(err);
	free(f.wanted);
	free(f.counted);
	cs_map_deinit(&f.class_keys);
	return st;
}
