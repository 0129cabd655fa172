/* CPython Python/hashtable.c, Python/tracemalloc.c, 3.8 to 3.14. */
#include "cpython/py_tables.h"
#include "cpython/py_own.h"

enum {
	HASHTABLE_NBUCKETS = 8, HASHTABLE_BUCKETS = 16, HASHTABLE_GET_ENTRY = 24,
	HASHTABLE_COMPARE = 40, HASHTABLE_LEN = 80, HASHTABLE_SLACK = 64,
	HASHTABLE_SMALLEST = 16, HASHTABLE_LOAD_MOST = 4,
	HASHTABLE_ENTRY_MIN = 16, HASHTABLE_KEY = 16, HASHTABLE_VALUE = 24,
	/* struct _tracemalloc_runtime_state, 3.12-3.14 */
	TRACE_FILENAMES = 160, TRACE_TRACEBACKS = 176, TRACE_TRACES = 184, TRACE_DOMAINS = 192,
};

/* What of an entry is a block of the table's own, besides the entry. */
enum entry_owns { OWNS_NOTHING = 0, OWNS_KEY = 1, OWNS_VALUE = 2, OWNS_TABLE = 4 };

/* Buckets, and a list of entries on each; `own` is told of every entry. */
static void own_chains(struct py *py, cs_addr table, uint64_t nbuckets,
		       void (*own)(struct py *py, cs_addr entry, unsigned owns), unsigned owns)
{
	cs_addr buckets = py_word(py, table + HASHTABLE_BUCKETS);

	if (!table || nbuckets > py->table_steps || !cs_mem_view(py->mem, buckets, nbuckets * 8))
		return;
	py->table_steps -= nbuckets;
	py_own_block(py, table);
	py_own_block(py, buckets);
	for (uint64_t i = 0; i < nbuckets && !py_stops(py); i++) {
		cs_addr entry = py_word(py, buckets + i * 8);

		for (; entry && py->table_steps && !py_stops(py); py->table_steps--) {
			cs_addr next = py_word(py, entry);

			own(py, entry, owns);
			entry = next;
		}
	}
}

/* _Py_hashtable_t of 3.9+ (Python/hashtable.c): entry {next, hash, key, value}. */
static void own_entry(struct py *py, cs_addr entry, unsigned owns)
{
	py_own_block(py, entry);
	if (owns & OWNS_KEY)
		py_own_block(py, py_word(py, entry + HASHTABLE_KEY));
	if (owns & OWNS_VALUE)
		py_own_block(py, py_word(py, entry + HASHTABLE_VALUE));
	if (owns & OWNS_TABLE) { /* tracemalloc's domains: a table of traces each */
		cs_addr inner = py_word(py, entry + HASHTABLE_VALUE);

		own_chains(py, inner, py_word(py, inner + HASHTABLE_NBUCKETS), own_entry, OWNS_VALUE);
	}
}

static void own_hashtable(struct py *py, cs_addr table, unsigned owns)
{
	own_chains(py, table, table ? py_word(py, table + HASHTABLE_NBUCKETS) : 0, own_entry, owns);
}

/* Up to 3.8 (Modules/hashtable.c): {nbuckets, entries, buckets, key size, ...},
 * entry {next, hash, key bytes, data bytes}; a traceback is a key's pointer. */
static void own_old_entry(struct py *py, cs_addr entry, unsigned owns)
{
	py_own_block(py, entry);
	if (owns & OWNS_KEY)
		py_own_block(py, py_word(py, entry + HASHTABLE_KEY));
}

/* tracemalloc's tables: in _PyRuntime from 3.12 on, before that static. The
 * keys of traces are the blocks that are traced: those are not its own. */
static void own_tracemalloc(struct py *py)
{
	static const struct {
		const char *name;
		uint16_t offset;
		uint8_t owns;
	} tables[] = {
		{ "tracemalloc_filenames", TRACE_FILENAMES, OWNS_NOTHING },
		{ "tracemalloc_tracebacks", TRACE_TRACEBACKS, OWNS_KEY },
		{ "tracemalloc_traces", TRACE_TRACES, OWNS_VALUE },
		{ "tracemalloc_domains", TRACE_DOMAINS, OWNS_TABLE },
	};
	const struct py_layout *l = &py->layout;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		cs_addr at;

		if (py_has(l, PY_RT_TRACEMALLOC))
			at = py->runtime + py_off(l, PY_RT_TRACEMALLOC) + tables[i].offset;
		else if (cs_module_symbol(py->module, py->image, tables[i].name, &at, NULL))
			continue;
		at = py_word(py, at);
		if (py_minor(l) >= 9)
			own_hashtable(py, at, tables[i].owns);
		else
			own_chains(py, at, at ? py_word(py, at) : 0, own_old_entry, tables[i].owns);
	}
}

void py_tables_own(struct py *py)
{
	const struct py_layout *l = &py->layout;

	/* a bucket has 8 bytes, an entry 16 and more */
	py->table_steps = py->mem->present / 8;

	if (py_has(l, PY_RT_STATIC_STRINGS))
		own_hashtable(py, py_word(py, py->runtime + py_off(l, PY_RT_STATIC_STRINGS)),
			      OWNS_NOTHING);
	if (py_has(l, PY_RT_EXTENSIONS))
		own_hashtable(py, py_word(py, py->runtime + py_off(l, PY_RT_EXTENSIONS)),
			      OWNS_KEY | OWNS_VALUE);
	own_tracemalloc(py);
}

static bool is_code(struct py *py, cs_addr addr)
{
	const struct cs_mapping *m = cs_image_mapping(py->image, addr);

	return m && m->prot & CS_PROT_X;
}

/* Without values a table is a set: of tracebacks, which it owns. */
static void own_found_entry(struct py *py, cs_addr entry, unsigned owns)
{
	(void)owns;
	py_own_block(py, entry);
	if (py_word(py, entry + HASHTABLE_VALUE))
		py_own_block(py, py_word(py, entry + HASHTABLE_VALUE));
	else
		py_own_block(py, py_word(py, entry + HASHTABLE_KEY));
}

void py_table_own_block(struct py *py, const struct cs_block *block)
{
	cs_addr at = block->addr + py->skew;
	const unsigned char *p = NULL;
	uint64_t nbuckets;

	if (block->len - py->skew >= HASHTABLE_LEN && block->len < HASHTABLE_LEN + HASHTABLE_SLACK)
		p = cs_mem_view(py->mem, at, HASHTABLE_LEN);
	if (!p || py_has(&py->layout, PY_RT_TRACEMALLOC) || py_minor(&py->layout) < 9)
		return;
	nbuckets = cs_le64(p + HASHTABLE_NBUCKETS);
	if (nbuckets < HASHTABLE_SMALLEST || nbuckets & (nbuckets - 1) ||
	    cs_le64(p) > nbuckets * HASHTABLE_LOAD_MOST)
		return;
	for (int i = HASHTABLE_GET_ENTRY; i <= HASHTABLE_COMPARE; i += 8)
		if (!is_code(py, cs_le64(p + i)))
			return;
	own_chains(py, at, nbuckets, own_found_entry, OWNS_NOTHING);
}
