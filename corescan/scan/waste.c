#include "scan/waste.h"

#include "cpython/py_census.h"
#include "cpython/py_waste.h"
#include "scan/heap_graph.h"

#include <stdlib.h>
#include <string.h>

/* A str is a number: the upper bits of its text's fingerprint, and the size of its block in
 * units of 16 bytes below. Equal texts have equal blocks, so that sorting brings them
 * together with what they cost. */
enum { UNIT = 16, SIZE_BITS = 16, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, EVERY = 1 << 16,
       HIGH = 31 /* bits from here on bring equal ones together, but for a few */ };

static uint64_t pack(uint64_t fingerprint, uint64_t len)
{
	const uint64_t mask = (1u << SIZE_BITS) - 1;
	uint64_t units = len / UNIT;

	return (fingerprint & ~mask) | (units < mask ? units : mask);
}

static uint64_t bytes_of(uint64_t packed)
{
	return (packed & ((1u << SIZE_BITS) - 1)) * UNIT;
}

static void sort_digit(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
	size_t at[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i] >> shift & (DIGITS - 1)]++;
	for (size_t i = 0; i < DIGITS; i++) {
		size_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of millions hardly any two that differ have their upper bits in common: three passes
 * over memory sort by those, and what is left is next to each other. */
static cs_status sort(struct cs_waste *w, struct cs_pulse *pulse, struct cs_error *err)
{
	size_t n = w->strs.count;
	uint64_t *from = w->strs.items, *to = malloc(n * sizeof(*to) + 1), *swap;

	if (!to)
		return cs_fail(err, CS_NOMEM, 0, "no memory to compare strings");
	for (unsigned shift = HIGH; shift < 64 && !cs_pulse_stops(pulse); shift += DIGIT_BITS) {
		sort_digit(from, to, n, shift);
		swap = from;
		from = to;
		to = swap;
	}
	free(to);
	w->strs.items = from;
	for (size_t i = 0, end; i < n && !cs_pulse_stops(pulse); i = end) {
		bool differ = false;

		for (end = i + 1; end < n && from[end] >> HIGH == from[i] >> HIGH; end++)
			differ |= from[end] != from[i];
		if (differ)
			qsort(from + i, end - i, sizeof(*from), by_number);
	}
	return CS_OK;
}

/* Runs of equal texts; the text that wastes most. */
static uint64_t count_copies(const struct cs_waste *s, struct cs_copies *out)
{
	uint64_t worst = 0, worst_bytes = 0;

	for (size_t i = 0, end; i < s->strs.count; i = end) {
		uint64_t bytes;

		for (end = i + 1; end < s->strs.count && s->strs.items[end] == s->strs.items[i];)
			end++;
		bytes = (end - i - 1) * bytes_of(s->strs.items[i]);
		out->count += end - i - 1;
		out->bytes += bytes;
		if (bytes <= worst_bytes)
			continue;
		worst_bytes = bytes;
		worst = s->strs.items[i];
		out->most = end - i;
	}
	return worst;
}

enum { LOOK_NOT, LOOK_STR, LOOK_ROOM };

cs_status cs_waste_create(const struct py *py, struct cs_waste **out, struct cs_error *err)
{
	struct cs_waste *w = calloc(1, sizeof(*w));

	if (w)
		w->look = calloc(py->model->types.count + 1, 1);
	if (!w || !w->look) {
		free(w);
		return cs_fail(err, CS_NOMEM, 0, "no memory to look for waste");
	}
	w->types = py->model->types.count;
	w->room.example = CS_NO_NODE;
	for (size_t i = 0; i < py->types.count; i++) {
		const struct py_type *t = &py->types.items[i];
		const char *family = t->family->name;

		if (t->flags & PY_FLAG_STR)
			w->look[t->model_nr] = LOOK_STR;
		else if (!strcmp(family, "list") || !strcmp(family, "dict") ||
			 !strcmp(family, "set") || !strcmp(family, "bytearray"))
			w->look[t->model_nr] = LOOK_ROOM;
	}
	*out = w;
	return CS_OK;
}

void cs_waste_append(struct cs_waste *w, const struct cs_waste *other)
{
	w->is_out_of_memory |= other->is_out_of_memory;
	for (size_t i = 0; i < other->strs.count && !w->is_out_of_memory; i++)
		w->is_out_of_memory = !cs_vec_push(&w->strs, other->strs.items[i]);
	w->room.count += other->room.count;
	w->room.bytes += other->room.bytes;
	if (other->room.most > w->room.most) {
		w->room.most = other->room.most;
		w->room.example = other->room.example;
	}
}

void cs_waste_destroy(struct cs_waste *waste)
{
	if (!waste)
		return;
	cs_vec_free(&waste->strs);
	free(waste->look);
	free(waste);
}

static void look_at_room(struct cs_waste *w, struct py *py, const struct py_obj *o, uint32_t node)
{
	uint64_t bytes = py_spare_room(py, o);

	if (!bytes)
		return;
	w->room.count++;
	w->room.bytes += bytes;
	if (bytes <= w->room.most)
		return;
	w->room.most = bytes;
	w->room.example = node;
}

void cs_waste_look_slow(struct cs_waste *w, struct py *py, const struct py_obj *o, uint32_t node,
			uint64_t len)
{
	uint64_t fingerprint;

	if (w->look[o->type->model_nr] == LOOK_ROOM)
		look_at_room(w, py, o, node);
	else if (py_str_fingerprint(py, o, &fingerprint) &&
		 !cs_vec_push(&w->strs, pack(fingerprint, len)))
		w->is_out_of_memory = true;
}

/* Every object; or, with `wanted`, the node of a str that is it. */
static uint32_t walk(struct cs_heap_graph *hg, struct cs_waste *w, uint64_t wanted)
{
	struct py *py = hg->scan->py;
	struct cs_node_walk walk;
	struct cs_block block;
	uint64_t fingerprint;
	uint32_t node;

	cs_node_walk_init(&walk, &hg->nodes);
	while (cs_node_walk_next(&walk, &node, &block)) {
		uint32_t type = hg->types[node];
		struct py_obj o;

		if (node % EVERY == 0 && cs_pulse_stops(&hg->scan->pulse))
			break;
		if (type >= w->types || !w->look[type] || (wanted && w->look[type] != LOOK_STR) ||
		    !py_object_at_block(py, &block, &o))
			continue;
		if (!wanted)
			cs_waste_look_slow(w, py, &o, node, block.len);
		else if (py_str_fingerprint(py, &o, &fingerprint) &&
			 pack(fingerprint, block.len) == wanted)
			return node;
	}
	return CS_NO_NODE;
}

cs_status cs_waste_answer(struct cs_heap_graph *hg, struct cs_copies *copies,
			  struct cs_spare_room *room, struct cs_error *err)
{
	struct cs_scan *scan = hg->scan;
	struct cs_waste *w = hg->waste;
	cs_status st = CS_OK;
	uint64_t worst;

	*copies = (struct cs_copies){ .example = CS_NO_NODE };
	*room = (struct cs_spare_room){ .example = CS_NO_NODE };
	if (!scan->py)
		return CS_OK;
	hg->waste = NULL;
	if (!w) {
		st = cs_waste_create(scan->py, &w, err);
		if (st)
			return st;
		walk(hg, w, 0);
	}
	if (w->is_out_of_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory to compare strings");
	if (!st)
		st = sort(w, &scan->pulse, err);
	worst = st ? 0 : count_copies(w, copies);
	*room = w->room;
	if (worst)
		copies->example = walk(hg, w, worst);
	cs_waste_destroy(w);
	return st ? st : cs_scan_stopped(scan, err);
}
