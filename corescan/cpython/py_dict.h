/* py_dict.h - dict keys tables of every generation, read only.
 *
 * 3.8-3.10: header {refcnt, dk_size, ...}, indices of 1/2/4/8 bytes by
 * dk_size, entries {hash, key, value}. 3.11+: dk_log2_size,
 * dk_log2_index_bytes, dk_kind; unicode and split tables have entries {key, value}.
 */
#ifndef CS_PY_DICT_H
#define CS_PY_DICT_H
#include "cpython/py.h"

struct py_keys {
	cs_addr addr;
	uint64_t refcnt;
	uint64_t slots;	    /* power of two */
	uint64_t usable;    /* entries the table has room for: USABLE_FRACTION */
	uint64_t nentries;  /* entries used so far, deleted ones included */
	uint64_t entry_len; /* 24 or 16 */
	cs_addr entries;
	uint64_t size;	    /* bytes of the whole table as CPython counts it */
	bool is_split;	    /* 3.11+ knows; before: the dict has values */
	int64_t room;	    /* dk_usable: entries that may still be added */
};

/* Read and validate a keys table; false when it contradicts itself. */
bool py_keys_load(struct py *py, cs_addr addr, struct py_keys *out);

/* Key and value of entry i; *value is 0 in a split table. False when absent. */
bool py_keys_entry(struct py *py, const struct py_keys *keys, uint64_t i, cs_addr *key,
		   cs_addr *value);

/* The value of a str key in a combined dict; 0 when it is not there. */
cs_addr py_dict_get(struct py *py, cs_addr dict, const char *key);

/* Copy a str object's text as UTF-8, at most cap - 1 bytes, NUL-terminated;
 * false when addr is no readable compact str. *len may be NULL. */
bool py_str_text(struct py *py, cs_addr str, char *out, size_t cap, size_t *len);

/* The same into the model's strings, cap at most PY_STR_MOST; NULL: it is none,
 * or no memory. */
enum { PY_STR_MOST = 4096 };
const char *py_str_copy(struct py *py, cs_addr str, size_t cap);

/* All of it, at most `max` characters, in the model's strings: lone surrogates are three
 * bytes as the error handler "surrogatepass" writes them, a NUL follows. NULL: no such
 * str, longer, or no memory. */
const char *py_str_whole(struct py *py, cs_addr str, uint64_t max, size_t *len);
#endif
