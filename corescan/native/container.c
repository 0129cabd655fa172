/* Containers of libstdc++ (gcc 5 and later) and libc++: their links lead to the beginning
 * of a node, whose whole type is not in the pointer's type but follows from the container's
 * template arguments. bits/stl_tree.h, stl_list.h, hashtable_policy.h, forward_list.h;
 * libc++'s __tree, list, __hash_table, forward_list. */
#include "native/dwarf.h"

#include <stdio.h>

struct container {
	const char *name;	    /* a class template with its < */
	int value;		    /* the argument that a node holds; -1: it is the node itself */
	const char *before, *after; /* the node's name around that */
};

static const struct container containers[] = {
	{"std::_Rb_tree<", 1, "std::_Rb_tree_node<", ">"},
	{"std::_Rb_tree_node<", -1, NULL, NULL},
	{"std::__cxx11::_List_base<", 0, "std::_List_node<", ">"},
	{"std::_List_base<", 0, "std::_List_node<", ">"},
	{"std::_List_node<", -1, NULL, NULL},
	{"std::_Fwd_list_base<", 0, "std::_Fwd_list_node<", ">"},
	{"std::_Fwd_list_node<", -1, NULL, NULL},
	{"std::_Hashtable<", 1, "std::__detail::_Hash_node<", NULL}, /* , true> or , false> */
	{"std::__detail::_Hash_node<", -1, NULL, NULL},
	{"std::__1::__tree<", 0, "std::__1::__tree_node<", ", void*>"},
	{"std::__1::__tree_node<", -1, NULL, NULL},
	{"std::__1::__list_imp<", 0, "std::__1::__list_node<", ", void*>"},
	{"std::__1::list<", 0, "std::__1::__list_node<", ", void*>"},
	{"std::__1::__list_node<", -1, NULL, NULL},
	{"std::__1::__hash_table<", 0, "std::__1::__hash_node<", ", void*>"},
	{"std::__1::__hash_node<", -1, NULL, NULL},
	{"std::__1::__forward_list_base<", 0, "std::__1::__forward_list_node<", ", void*>"},
	{"std::__1::__forward_list_node<", -1, NULL, NULL},
};

static bool begins(const char *name, const char *start)
{
	return !strncmp(name, start, strlen(start));
}

static bool ends(const char *name, const char *end)
{
	size_t len = strlen(name), part = strlen(end);

	return len >= part && !strcmp(name + len - part, end);
}

/* Argument nr of "name<a, b<c, d>, e>"; args points behind the first <. A bracket inside
 * parentheses ("(Enum)1", "{lambda(int)}") is none. */
static bool argument(const char *args, int nr, const char **out, size_t *len)
{
	int depth = 0, at = 0;
	const char *start = args;

	for (const char *p = args; *p; p++) {
		if (*p == '<' || *p == '(' || *p == '{')
			depth++;
		else if ((*p == '>' || *p == ')' || *p == '}') && depth)
			depth--;
		else if (!depth && (*p == ',' || *p == '>')) {
			if (at++ == nr) {
				*out = start;
				*len = (size_t)(p - start);
				return true;
			}
			if (*p == '>')
				return false;
			start = p + 1;
		}
	}
	return false;
}

static bool is_cached(const char *args)
{
	const char *traits;
	size_t len;

	/* _Hashtable_traits<cache the hash?, ...> */
	return argument(args, 9, &traits, &len) && (traits = memchr(traits, '<', len)) &&
	       begins(traits + 1, "true");
}

uint32_t nt_container_node(struct cs_native *n, const char *name)
{
	const struct container *c = NULL;
	char node[NT_NAME_MAX];
	const char *args, *value, *after;
	size_t len;

	if (!begins(name, "std::_"))
		return 0;
	/* a nested class of a container is none itself */
	if (!ends(name, ">"))
		return 0;
	for (size_t i = 0; i < sizeof(containers) / sizeof(*containers) && !c; i++)
		if (begins(name, containers[i].name))
			c = &containers[i];
	if (!c)
		return 0;
	if (c->value < 0)
		return nt_type_named(n, name);
	args = name + strlen(c->name);
	if (!argument(args, c->value, &value, &len) || len > sizeof(node) / 2)
		return 0;
	after = c->after ? c->after : is_cached(args) ? ", true>" : ", false>";
	snprintf(node, sizeof(node), "%s%.*s%s", c->before, (int)len, value, after);
	return nt_type_named(n, node);
}

bool nt_is_node_base(const char *name)
{
	static const char *const names[] = {
		"std::_Rb_tree_node_base",	    "std::__detail::_List_node_base",
		"std::__detail::_List_node_header", "std::_Fwd_list_node_base",
		"std::__detail::_Hash_node_base",   "std::__1::__tree_node_base<",
		"std::__1::__tree_end_node<",	    "std::__1::__list_node_base<",
		"std::__1::__hash_node_base<",	    "std::__1::__forward_begin_node<",
	};

	if (!begins(name, "std::_"))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (begins(name, names[i]) &&
		    (ends(names[i], "<") || strlen(name) == strlen(names[i])))
			return true;
	return false;
}

bool nt_is_storage(const char *name)
{
	return begins(name, "__gnu_cxx::__aligned_membuf<") ||
	       begins(name, "__gnu_cxx::__aligned_buffer<");
}

bool nt_is_vector(const char *name)
{
	return (begins(name, "std::_Vector_base<") &&
		(ends(name, "::_Vector_impl_data") || ends(name, "::_Vector_impl"))) ||
	       begins(name, "std::__1::vector<") || begins(name, "std::__1::__vector_base<");
}

/* clang leaves its definition to whoever instantiates it: the library, without debug data.
 * bits/basic_string.h: pointer, length, 16 bytes of room. */
bool nt_is_string(const char *name)
{
	return begins(name, "std::__cxx11::basic_string<char,") && ends(name, ">");
}

bool nt_is_text(const char *name)
{
	return ends(name, "::_Alloc_hider");
}
