/* py_hashtable.h - one of the interpreter's own hash tables, _Py_hashtable_t, read entry by
 * entry.
 *
 * 3.9+: an entry is {next, hash, key, value}, all words. 3.8: {next, hash}, then key_size
 * bytes of key and data_size bytes of data. Which it is the layout's fields say.
 *
 * Invariants
 *  - Every entry handed out has a hash that belongs into its bucket; it is handed out once,
 *    unless its chain is longer than any but the worst is (PY_CHAIN_KNOWN).
 *  - No more entries are handed out than the table says it has, and that is not more than
 *    memory has room for.
 */
#ifndef CS_PY_HASHTABLE_H
#define CS_PY_HASHTABLE_H
#include "base/loop.h"
#include "cpython/py.h"

struct py_table {
	cs_addr addr, buckets;
	uint64_t count, nbuckets;
	cs_addr hash_func, compare_func;
	uint64_t key_size, data_size; /* 8 each where the layout has no such fields */
	uint64_t key_off, data_off, entry_len; /* of an entry's bytes */
};

/* Read and validate its head: counts, functions that are code. False: no such table. */
bool py_table_load(struct py *py, cs_addr addr, struct py_table *out);

struct py_entry {
	cs_addr addr;
	const unsigned char *p; /* entry_len bytes */
	uint64_t hash;
};

enum { PY_CHAIN_KNOWN = 64 };

struct py_table_walk {
	const struct py_table *table;
	struct py *py;
	uint64_t bucket; /* the next to be looked at */
	const unsigned char *heads; /* of a window of buckets; NULL: not there */
	cs_addr next;	 /* in the chain; 0: none */
	cs_addr chain[PY_CHAIN_KNOWN]; /* its first entries */
	size_t chain_count;
	struct cs_loop loop; /* of the rest */
	uint64_t handed_out;
	/* What could not be followed: chains, and windows of buckets that are nowhere. */
	uint64_t bad;
	cs_addr first_bad;
	const char *first_why;
};

/* Borrows both. */
void py_table_walk_init(struct py_table_walk *w, struct py *py, const struct py_table *table);

/* The next entry; false at the end, or when the work shall stop. A chain that contradicts
 * itself ends there, and the walk goes on with the next. */
bool py_table_walk_next(struct py_table_walk *w, struct py_entry *out);
#endif
