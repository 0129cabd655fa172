/* dwarf.h - the debug data of all modules: which types, variables and units there are.
 *
 * One walk over everything (dwarf_index.c) keeps what is found of it: names and places of
 * structs and classes, variables with an address, which unit covers which code. Types are
 * read when somebody asks for one (dwarf_type.c). elfutils' headers stay in the .c files.
 *
 * Memory: 72 bytes a struct or class entry, 56 a variable, 24 a range of code.
 */
#ifndef CS_NATIVE_DWARF_H
#define CS_NATIVE_DWARF_H
#include "native/native_state.h"

enum {
	NT_CHAR_TYPE = 1, /* its number */
	NT_STRING_SIZE = 32,
	NT_DEFS_MAX = 1 << 23, NT_VARS_MAX = 1 << 22, NT_UNITS_MAX = 1 << 20, NT_DEPTH_MAX = 64,
	NT_AMBIGUOUS = UINT32_MAX
};

struct nt_def { /* a DW_TAG_structure_type, class_type or union_type with a name */
	const char *name; /* qualified */
	struct nt_die die;
	uint64_t size;	  /* 0: a declaration */
	uint32_t module;
	bool is_cxx;
};

struct nt_var { /* a variable with a fixed place */
	struct nt_die die;
	cs_addr addr; /* thread-local: offset in the module's block */
	uint32_t module;
	bool is_tls;
};

struct nt_unit {
	struct nt_die die;
	uint32_t module;
	bool is_cxx;
};

struct nt_code { /* addresses of the target that belong to a unit */
	cs_addr start, end;
	uint32_t unit;
};

/* Memory of a known type that is no block of malloc. */
struct nt_object {
	cs_addr addr;
	uint32_t type, via;
	enum cs_native_sure sure; /* at most so sure is what it leads to */
};

struct nt_dwarf {
	struct cs_native *n;
	CS_VEC(struct nt_def) defs;
	CS_VEC(struct nt_var) vars;
	CS_VEC(struct nt_unit) units;
	CS_VEC(struct nt_code) codes; /* by start */
	struct cs_map def_by_die;  /* address of a DIE -> index of defs */
	struct cs_map def_by_name; /* nt_name_key() -> definition, or NT_AMBIGUOUS */
	struct cs_map derived;	   /* key of a name without scope: something begins with it */
	struct cs_map heads;	   /* names of a struct's first two members -> its definition */
	struct cs_map type_by_die; /* address of a DIE -> type */
	struct cs_map type_by_key; /* name, size and line -> type: one struct, many units */
	CS_VEC(struct nt_object) objects; /* to be looked through */
	struct cs_map seen;	   /* objects that were */
	struct cs_map var_by_addr; /* once asked for */
	CS_VEC(struct nt_object) slack; /* pointers that may be leftovers; type: what to */
	uint64_t trouble;	   /* contradictions in the debug data, each told once a unit */
};

/* Index the modules that have debug data; n->dwarf stays NULL when none has. CS_NOMEM,
 * CS_STOPPED. O(entries in the debug data). */
cs_status nt_dwarf_index(struct cs_native *n, struct cs_error *err);
void nt_dwarf_free(struct cs_native *n);

/* Has a module, the C library apart, debug data? */
bool nt_dwarf_there(struct cs_native *n);

/* Something in a file contradicts itself: an anomaly, the first few of them. */
void nt_trouble(struct cs_native *n, const char *text);

/* The type an entry is or (of a variable or member) has; 0: none that is understood. */
uint32_t nt_type_of(struct cs_native *n, const struct nt_die *die);
uint32_t nt_type_of_variable(struct cs_native *n, const struct nt_die *die);
const char *nt_die_name(const struct nt_die *die); /* NULL: none; borrowed from the file */

/* The type with this name as DWARF defines it; 0: none does. */
uint32_t nt_type_named(struct cs_native *n, const char *name);

/* What a pointer points to, or an array's items are; read once. */
uint32_t nt_target(struct cs_native *n, uint32_t type);

/* Fill slots, tail and is_polymorphic of a record or union; done once. */
void nt_flatten(struct cs_native *n, uint32_t type);

/* Bytes of a type, arrays too; 0: not known. */
uint64_t nt_size(struct cs_native *n, uint32_t type);

/* container.c: the node type that the links inside a container (or a node) lead to; 0: none. */
uint32_t nt_container_node(struct cs_native *n, const char *name);
bool nt_is_node_base(const char *name);
bool nt_is_storage(const char *name); /* raw room for its template argument */
bool nt_is_vector(const char *name);  /* begin, end and end of storage */
bool nt_is_string(const char *name); /* std::string, whose layout is known without debug data */
bool nt_is_text(const char *name);    /* holds the pointer to a string's characters */

/* roots.c: claims from variables and from the stacks. */
cs_status nt_roots(struct cs_native *n, struct cs_error *err);
cs_status nt_locals(struct cs_native *n, struct cs_error *err);

/* spread.c: look through an object that is no block of malloc; follow a pointer of this type
 * that lies in no memory. */
void nt_look_at(struct cs_native *n, const struct nt_object *object);
void nt_follow(struct cs_native *n, cs_addr value, const struct nt_object *object);

/* Follow the pointers of all blocks that were claimed, until there is nothing new. */
cs_status nt_spread(struct cs_native *n, struct cs_error *err);

/* Is every pointer of `items` things at addr null or an address? Arrays by a sample. */
bool nt_is_plausible(struct cs_native *n, uint32_t type, cs_addr addr, uint64_t items);

/* Bytes of text from p on, at most `room`: printable or white space, UTF-8. */
uint64_t nt_text_len(const unsigned char *p, uint64_t room);

/* Follow the pointers that may be what a block before left behind. */
void nt_follow_slack(struct cs_native *n);

/* family.c: what pointers alone do not tell: which of those that begin with a type blocks
 * are, and what void pointers lead to; spreads what it found. */
cs_status nt_conclude(struct cs_native *n, struct cs_error *err);

/* Does memory at addr look like this type? -1: no; else how many of its pointers lead to just
 * what they should. */
int nt_judge(struct cs_native *n, uint32_t type, cs_addr addr);

/* The same, where what a pointer leads to counts too when it looks like it itself. */
int nt_judge_deep(struct cs_native *n, uint32_t type, cs_addr addr);

/* slots.c: one look at all void and character pointers; true: something was found. */
bool nt_guess_slots(struct cs_native *n);

/* Text at an address inside a block? Sure: its length is told in front, or it fills the block. */
enum nt_texts { NT_NO_TEXT, NT_SHORT_TEXT, NT_SURE_TEXT };
enum nt_texts nt_text_at(struct cs_native *n, const struct cs_block *block, cs_addr addr);
bool nt_claim_text(struct cs_native *n, uint32_t node, const struct cs_block *block, cs_addr addr,
		   uint32_t via);

/* hints.c */
cs_status nt_hints_read(const char *path, struct nt_hints **out, struct cs_error *err);
uint32_t nt_hint(struct cs_native *n, const char *type, const char *member);
void nt_hints_free(struct nt_hints *hints);
#endif
