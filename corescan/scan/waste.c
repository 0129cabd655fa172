#include "scan/waste.h"

#include "cpython/py_census.h"
#include "cpython/py_waste.h"

#include <stdlib.h>
#include <string.h>

/* A str is a number: the upper bits of its text's fingerprint, and the size of its block in
 * units of 16 bytes below. Equal texts have equal blocks, so that sorting brings them
 * together with what they cost. */
enum { UNIT = 16, SIZE_BITS = 16, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, EVERY = 1 << 16 };

struct strs {
	CS_VEC(uint64_t) items;
};

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

/* Digit by digit: six passes over memory, however many there are. */
static cs_status sort(struct strs *s, struct cs_pulse *pulse, struct cs_error *err)
{
	uint64_t *from = s->items.items;
	uint64_t *to = malloc(s->items.count * sizeof(*to) + 1), *swap;

	if (!to)
		return cs_fail(err, CS_NOMEM, 0, "no memory to compare strings");
	for (unsigned shift = 0; shift < 64 && !cs_pulse_stops(pulse); shift += DIGIT_BITS) {
		sort_digit(from, to, s->items.count, shift);
		swap = from;
		from = to;
		to = swap;
	}
	free(to);
	s->items.items = from;
	return CS_OK;
}

/* Runs of equal texts; the text that wastes most. */
static uint64_t count_copies(const struct strs *s, struct cs_copies *out)
{
	uint64_t worst = 0, worst_bytes = 0;

	for (size_t i = 0, end; i < s->items.count; i = end) {
		uint64_t bytes;

		for (end = i + 1; end < s->items.count && s->items.items[end] == s->items.items[i];)
			end++;
		bytes = (end - i - 1) * bytes_of(s->items.items[i]);
		out->count += end - i - 1;
		out->bytes += bytes;
		if (bytes <= worst_bytes)
			continue;
		worst_bytes = bytes;
		worst = s->items.items[i];
		out->most = end - i;
	}
	return worst;
}

/* Is a type's row one whose objects are looked at? */
enum { LOOK_NOT, LOOK_STR, LOOK_ROOM };

static unsigned char *looks(const struct py *py, const struct cs_model *m)
{
	unsigned char *look = calloc(m->types.count + 1, 1);

	for (size_t i = 0; look && i < py->types.count; i++) {
		const struct py_type *t = &py->types.items[i];
		const char *family = t->family->name;

		if (t->flags & PY_FLAG_STR)
			look[t->model_nr] = LOOK_STR;
		else if (family && (!strcmp(family, "list") || !strcmp(family, "dict") ||
				    !strcmp(family, "set") || !strcmp(family, "bytearray")))
			look[t->model_nr] = LOOK_ROOM;
	}
	return look;
}

static void count_room(struct py *py, const struct py_obj *o, uint32_t node, struct cs_spare_room *out)
{
	uint64_t bytes = py_spare_room(py, o);

	if (!bytes)
		return;
	out->count++;
	out->bytes += bytes;
	if (bytes <= out->most)
		return;
	out->most = bytes;
	out->example = node;
}

/* One walk. With `wanted` 0 all strs go into s; else it ends at the first that is wanted. */
static bool walk(struct cs_heap_graph *hg, const unsigned char *look, struct strs *s,
		 uint64_t wanted, struct cs_spare_room *room, uint32_t *found)
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
			return true;
		if (type >= hg->scan->model.types.count || !look[type] ||
		    !py_object_at_block(py, &block, &o))
			continue;
		if (look[type] == LOOK_ROOM) {
			if (!wanted)
				count_room(py, &o, node, room);
		} else if (py_str_fingerprint(py, &o, &fingerprint)) {
			uint64_t packed = pack(fingerprint, block.len);

			if (wanted && packed == wanted) {
				*found = node;
				return true;
			}
			if (!wanted && !cs_vec_push(&s->items, packed))
				return false;
		}
	}
	return true;
}

cs_status cs_waste(struct cs_heap_graph *hg, struct cs_copies *copies, struct cs_spare_room *room,
		   struct cs_error *err)
{
	struct cs_scan *scan = hg->scan;
	struct strs s = { 0 };
	unsigned char *look;
	cs_status st = CS_OK;
	uint64_t worst;

	*copies = (struct cs_copies){ .example = CS_NO_NODE };
	*room = (struct cs_spare_room){ .example = CS_NO_NODE };
	if (!scan->py)
		return CS_OK;
	look = looks(scan->py, &scan->model);
	if (!look || !walk(hg, look, &s, 0, room, NULL))
		st = cs_fail(err, CS_NOMEM, 0, "no memory to compare strings");
	if (!st)
		st = sort(&s, &scan->pulse, err);
	worst = st ? 0 : count_copies(&s, copies);
	if (worst && !walk(hg, look, &s, worst, room, &copies->example))
		st = cs_fail(err, CS_NOMEM, 0, "no memory to compare strings");
	cs_vec_free(&s.items);
	free(look);
	return st ? st : cs_scan_stopped(scan, err);
}
