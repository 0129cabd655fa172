/* code_names.h - the functions known to allocate, and which argument is the size. */
#ifndef CS_CODE_NAMES_H
#define CS_CODE_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODE_ARGS = 6, CODE_NO_ARG = -1 };

/* Bytes asked for: args[size] * args[count] * times + add. */
struct code_spec {
	const char *name;   /* NULL: a wrapper without one */
	int8_t size, count; /* number of an argument; size CODE_NO_ARG: nobody can tell */
	bool is_python;	    /* pymalloc serves small ones */
	uint64_t times, add;
};

/* By name (len bytes); NULL: not known to allocate. */
const struct code_spec *code_name_find(const char *name, size_t len);
#endif
