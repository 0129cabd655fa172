/* CPython Python/hashtable.c (3.8: Modules/hashtable.c), 3.8 to 3.14: separate chaining,
 * a power of two of buckets, 16 at least, at most half as many entries as buckets. */
#include "cpython/py_hashtable.h"

enum { BUCKETS_MIN = 16, WORD = 8, WINDOW = 512 /* buckets, a page */ };

static bool is_code(struct py *py, cs_addr addr)
{
	const struct cs_mapping *m = cs_image_mapping(py->image, addr);

	return m && m->prot & CS_PROT_X;
}

/* An absent field would be read in front of its struct. */
static bool has_fields(const struct py_layout *l)
{
	return py_has(l, PY_TABLE_COUNT) && py_has(l, PY_TABLE_NBUCKETS) &&
	       py_has(l, PY_TABLE_BUCKETS) && py_has(l, PY_TABLE_HASH_FUNC) &&
	       py_has(l, PY_TABLE_COMPARE_FUNC) && py_has(l, PY_ENTRY_SIZE) &&
	       py_has(l, PY_ENTRY_NEXT) && py_has(l, PY_ENTRY_HASH) &&
	       py_has(l, PY_ENTRY_KEY) == py_has(l, PY_ENTRY_VALUE);
}

static uint64_t word_of(struct py *py, cs_addr addr, enum py_field field)
{
	return py_has(&py->layout, field) ? py_word(py, addr + py_off(&py->layout, field)) : WORD;
}

bool py_table_load(struct py *py, cs_addr addr, struct py_table *out)
{
	const struct py_layout *l = &py->layout;
	struct py_table t = { .addr = addr };

	if (!addr || addr % WORD || !has_fields(l))
		return false;
	t.nbuckets = word_of(py, addr, PY_TABLE_NBUCKETS);
	if (t.nbuckets < BUCKETS_MIN || t.nbuckets & (t.nbuckets - 1))
		return false;
	t.buckets = word_of(py, addr, PY_TABLE_BUCKETS);
	t.count = word_of(py, addr, PY_TABLE_COUNT);
	t.hash_func = word_of(py, addr, PY_TABLE_HASH_FUNC);
	t.compare_func = word_of(py, addr, PY_TABLE_COMPARE_FUNC);
	t.key_size = word_of(py, addr, PY_TABLE_KEY_SIZE);
	t.data_size = word_of(py, addr, PY_TABLE_DATA_SIZE);
	if (t.count > t.nbuckets || t.nbuckets > py->mem->present / WORD || !t.buckets ||
	    t.buckets % WORD || t.key_size % 4 || t.key_size < WORD || t.key_size > 2 * WORD ||
	    t.data_size % WORD || t.data_size > 2 * WORD || !is_code(py, t.hash_func) ||
	    !is_code(py, t.compare_func))
		return false;
	if (py_has(l, PY_ENTRY_KEY)) {
		t.key_off = py_off(l, PY_ENTRY_KEY);
		t.data_off = py_off(l, PY_ENTRY_VALUE);
		t.entry_len = py_off(l, PY_ENTRY_SIZE);
	} else {
		t.key_off = py_off(l, PY_ENTRY_SIZE);
		t.data_off = t.key_off + t.key_size;
		t.entry_len = t.data_off + t.data_size;
	}
	if (t.count > py->mem->present / t.entry_len)
		return false;
	*out = t;
	return true;
}

void py_table_walk_init(struct py_table_walk *w, struct py *py, const struct py_table *table)
{
	*w = (struct py_table_walk){ .table = table, .py = py };
}

static void trouble(struct py_table_walk *w, cs_addr addr, const char *why)
{
	if (!w->bad++) {
		w->first_bad = addr;
		w->first_why = why;
	}
	w->next = 0;
}

/* On to the next chain; false: there is none. */
static bool next_chain(struct py_table_walk *w)
{
	const struct py_table *t = w->table;

	while (w->bucket < t->nbuckets && !w->next) {
		uint64_t at = w->bucket % WINDOW;
		uint64_t room = t->nbuckets - w->bucket;

		if (!at) {
			cs_addr from = t->buckets + w->bucket * WORD;

			if (py_stops(w->py))
				return false;
			w->heads = cs_mem_view(w->py->mem, from,
					       (room < WINDOW ? room : WINDOW) * WORD);
			if (!w->heads) {
				trouble(w, from, "its buckets are not there");
				w->bucket += room < WINDOW ? room : WINDOW;
				continue;
			}
		}
		w->next = cs_le64(w->heads + at * WORD);
		w->bucket++;
		w->chain_count = 0;
		w->loop = (struct cs_loop){ .mark = 0 };
	}
	return w->next != 0;
}

/* Is the entry in its chain already? Half as many entries as buckets: chains have one or two. */
static bool was_met(struct py_table_walk *w, cs_addr at)
{
	for (size_t i = 0; i < w->chain_count; i++)
		if (w->chain[i] == at)
			return true;
	if (w->chain_count == PY_CHAIN_KNOWN)
		return cs_loop_closes(&w->loop, at);
	w->chain[w->chain_count++] = at;
	return false;
}

bool py_table_walk_next(struct py_table_walk *w, struct py_entry *out)
{
	const struct py_table *t = w->table;
	const struct py_layout *l = &w->py->layout;

	while (next_chain(w)) {
		cs_addr at = w->next;
		const unsigned char *p = at % WORD ? NULL :
						     cs_mem_view(w->py->mem, at, t->entry_len);

		if (py_stops(w->py))
			return false;
		if (!p) {
			trouble(w, at, "an entry is not there");
			continue;
		}
		out->addr = at;
		out->p = p;
		out->hash = cs_le64(p + l->off[PY_ENTRY_HASH]);
		if ((out->hash & (t->nbuckets - 1)) != w->bucket - 1) {
			trouble(w, at, "an entry's hash is that of another bucket");
		} else if (was_met(w, at)) {
			trouble(w, at, "a chain leads back into itself");
		} else if (w->handed_out == t->count) {
			trouble(w, at, "there are more entries than it says");
			w->bucket = t->nbuckets;
		} else {
			w->next = cs_le64(p + l->off[PY_ENTRY_NEXT]);
			w->handed_out++;
			return true;
		}
	}
	return false;
}
