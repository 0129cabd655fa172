/* py_tables.h - the interpreter's own hash tables: tracemalloc's, interned and
 * extension tables. Their blocks become the runtime's. */
#ifndef CS_PY_TABLES_H
#define CS_PY_TABLES_H
#include "cpython/py.h"

/* The tables that symbols or the layout lead to. Steps over all tables are
 * bounded by what memory can hold. */
void py_tables_own(struct py *py);

/* Is this unexplained block a table (3.9 to 3.11, where nothing leads to
 * tracemalloc's in a stripped binary)? Then own it and what hangs on it. */
void py_table_own_block(struct py *py, const struct cs_block *block);
#endif
