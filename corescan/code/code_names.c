/* glibc 2.36 manual "Memory Allocation", Itanium C++ ABI 5.1 (operator new), CPython 3.14
 * Doc/c-api/memory.rst, GLib 2.74 gmem.h. */
#include "code/code_names.h"

#include <string.h>

#define MALLOC(name, size)                                                                         \
	{                                                                                          \
		name, size, CODE_NO_ARG, false, 1, 0                                               \
	}
#define CALLOC(name, size, count)                                                                  \
	{                                                                                          \
		name, size, count, false, 1, 0                                                     \
	}
#define TEXT(name)                                                                                 \
	{                                                                                          \
		name, CODE_NO_ARG, CODE_NO_ARG, false, 1, 0                                        \
	}
#define PYTHON(name, size, count)                                                                  \
	{                                                                                          \
		name, size, count, true, 1, 0                                                      \
	}

/* Sorted by name. */
static const struct code_spec specs[] = {
	PYTHON("PyMem_Calloc", 1, 0),
	PYTHON("PyMem_Malloc", 0, CODE_NO_ARG),
	CALLOC("PyMem_RawCalloc", 1, 0),
	MALLOC("PyMem_RawMalloc", 0),
	MALLOC("PyMem_RawRealloc", 1),
	PYTHON("PyMem_Realloc", 1, CODE_NO_ARG),
	PYTHON("PyObject_Calloc", 1, 0),
	PYTHON("PyObject_Malloc", 0, CODE_NO_ARG),
	PYTHON("PyObject_Realloc", 1, CODE_NO_ARG),
	MALLOC("_Znam", 0),
	MALLOC("_ZnamRKSt9nothrow_t", 0),
	MALLOC("_ZnamSt11align_val_t", 0),
	MALLOC("_ZnamSt11align_val_tRKSt9nothrow_t", 0),
	MALLOC("_Znwm", 0),
	MALLOC("_ZnwmRKSt9nothrow_t", 0),
	MALLOC("_ZnwmSt11align_val_t", 0),
	MALLOC("_ZnwmSt11align_val_tRKSt9nothrow_t", 0),
	TEXT("__asprintf"),
	TEXT("__asprintf_chk"),
	TEXT("__getdelim"),
	CALLOC("__libc_calloc", 1, 0),
	MALLOC("__libc_malloc", 0),
	MALLOC("__libc_memalign", 1),
	MALLOC("__libc_pvalloc", 0),
	MALLOC("__libc_realloc", 1),
	CALLOC("__libc_reallocarray", 2, 1),
	MALLOC("__libc_valloc", 0),
	MALLOC("__posix_memalign", 2),
	TEXT("__strdup"),
	TEXT("__strndup"),
	TEXT("__vasprintf_chk"),
	MALLOC("aligned_alloc", 1),
	TEXT("asprintf"),
	CALLOC("calloc", 1, 0),
	MALLOC("g_malloc", 0),
	MALLOC("g_malloc0", 0),
	CALLOC("g_malloc0_n", 1, 0),
	CALLOC("g_malloc_n", 1, 0),
	MALLOC("g_memdup", 1),
	MALLOC("g_memdup2", 1),
	MALLOC("g_realloc", 1),
	CALLOC("g_realloc_n", 2, 1),
	MALLOC("g_slice_alloc", 0),
	MALLOC("g_slice_alloc0", 0),
	TEXT("g_strdup"),
	TEXT("g_strdup_printf"),
	TEXT("g_strndup"),
	MALLOC("g_try_malloc", 0),
	MALLOC("g_try_malloc0", 0),
	MALLOC("g_try_realloc", 1),
	TEXT("getdelim"),
	TEXT("getline"),
	MALLOC("malloc", 0),
	MALLOC("memalign", 1),
	MALLOC("posix_memalign", 2),
	MALLOC("pvalloc", 0),
	MALLOC("realloc", 1),
	CALLOC("reallocarray", 2, 1),
	TEXT("strdup"),
	TEXT("strndup"),
	MALLOC("valloc", 0),
	TEXT("vasprintf"),
	TEXT("wcsdup"),
};

/* As strcmp() of the name, which ends after len bytes. */
static int compare(const char *name, size_t len, const char *with)
{
	int order = strncmp(name, with, len);

	return order ? order : with[len] ? -1 : 0;
}

const struct code_spec *code_name_find(const char *name, size_t len)
{
	size_t lo = 0, hi = sizeof(specs) / sizeof(specs[0]);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = compare(name, len, specs[mid].name);

		if (!order)
			return &specs[mid];
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
