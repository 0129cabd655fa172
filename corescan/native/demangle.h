/* demangle.h - the name of a class out of its mangled type name.
 *
 * What type_info and _ZTV symbols hold: class names, nested, with template arguments,
 * in functions; not whole functions, and no expressions. Why our own: the demanglers
 * there are live in libstdc++ and libiberty, of which corescan needs neither, and names of
 * a hostile process are parsed here.
 *
 * Writes as compilers write DW_AT_name ("const int", not "int const"), so that a class is
 * found in DWARF by what its vtable says.
 */
#ifndef CS_DEMANGLE_H
#define CS_DEMANGLE_H
#include <stdbool.h>
#include <stddef.h>

/* "N2ns3FooIiEE" -> "ns::Foo<int>" in out (cap bytes, NUL-terminated). False: no type name
 * that is understood, or one too long; out is of no use then. Looks at len bytes at most;
 * its cost is bounded by cap, whatever the name is. */
bool cs_demangle_type(const char *name, size_t len, char *out, size_t cap);
#endif
