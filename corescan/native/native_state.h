/* native_state.h - what the search for native types is made of; for this room only.
 *
 * Types have numbers; 0 is none. What a block is, is a word of evidence by the block's
 * number; who said so another: a block's number, or nodes.count + a place's.
 */
#ifndef CS_NATIVE_STATE_H
#define CS_NATIVE_STATE_H
#include "model/nodes.h"
#include "native/native.h"

enum nt_kind {
	NT_VOID,  /* also functions and what is not understood */
	NT_CHAR,  /* one byte: text */
	NT_PLAIN, /* numbers, enums */
	NT_POINTER,
	NT_ARRAY,
	NT_RECORD,
	NT_UNION
};

enum {
	NT_TYPES_MAX = 1 << 22, NT_SLOTS_MAX = 1 << 24, NT_PLACES_MAX = 1 << 20,
	NT_NAME_MAX = 4096
};

struct nt_die { /* a Dwarf_Die, whose header stays out of ours */
	void *words[4];
};

/* A pointer inside a type. */
struct nt_slot {
	uint32_t off;
	uint32_t target;   /* type pointed to */
	uint32_t host;	   /* innermost record it is a member of, */
	uint32_t host_off; /* and where that begins */
	uint32_t count;	   /* so many, one behind the other */
	bool in_union, is_promoted; /* promoted: a container said what it leads to */
	bool is_vector;	   /* first of begin, end, end of storage */
};

struct nt_type {
	const char *name;
	uint64_t size, elements; /* elements: of an array; 0: no end of its own */
	uint32_t target;	 /* of a pointer or array, once asked for */
	uint32_t first, slots;	 /* in nt->slots, once flat */
	uint32_t rows[3];	 /* 1 + row in model->types: one of it, an array, or derived */
	uint32_t tail, tail_off; /* flexible: its items' type; 0: none */
	uint8_t kind;
	bool is_cxx, is_complete, is_flat, has_target, has_derived;
	bool is_node_base, is_polymorphic, is_flat_string, is_code;
	struct nt_die die;	 /* all zero: none */
};

struct nt_place { /* what leads to a block and is no block */
	const char *text;
	cs_addr addr;
};

enum { NT_TYPE_BITS = 23, NT_HOW_SHIFT = 23, NT_SURE_SHIFT = 27, NT_ARRAY_BIT = 1u << 29,
	NT_DERIVED_BIT = 1u << 30 };

struct nt_dwarf; /* dwarf_index.c */
struct nt_hints; /* hints.c */

struct cs_native {
	struct cs_image *image;
	struct cs_model *model;
	struct cs_nodes nodes;
	uint32_t *what, *via; /* by node */
	struct cs_map items;  /* node + 1 -> 1 + items of an array that are in use */
	struct cs_map starts; /* node + 1 -> where an array begins, when behind a count */
	CS_VEC(struct nt_type) types;
	CS_VEC(struct nt_slot) slots;
	struct cs_map type_by_name; /* nt_name_key() -> type */
	CS_VEC(struct nt_place) places;
	CS_VEC(cs_addr) queue; /* blocks whose pointers are to be followed */
	size_t queue_head;
	struct cs_map vtables;	    /* word -> type, or NT_TYPES_MAX: it is none */
	struct cs_map type_infos;   /* vptr of a type_info -> 1 it is one, 2 it is none */
	struct nt_vtable_names *vtable_names; /* of each module, made on first use */
	struct nt_dwarf *dwarf;	    /* NULL: no module has debug data */
	struct nt_kin *kin;	    /* NULL: not asked for yet */
	struct nt_hints *hints;	    /* NULL: none */
	struct cs_elf_functions **functions; /* of each module, made on first use */
	struct cs_map row_by_name;  /* of numbers and pointers */
	uint64_t conflicts, counts[3]; /* counts: of facts, by how sure */
	bool failed;		    /* no memory */
};

static inline uint32_t nt_type_nr(uint32_t what)
{
	return what & ((1u << NT_TYPE_BITS) - 1);
}

static inline enum cs_native_how nt_how(uint32_t what)
{
	return (enum cs_native_how)(what >> NT_HOW_SHIFT & 15);
}

static inline enum cs_native_sure nt_sure(uint32_t what)
{
	return (enum cs_native_sure)(what >> NT_SURE_SHIFT & 3);
}

/* A fact to be kept: how it is known, how surely, what said so. */
struct nt_claim {
	uint32_t type, via;
	enum cs_native_how how;
	enum cs_native_sure sure;
	bool is_array, or_derived;
	uint32_t items; /* of an array, and 1; 0: as many as fit */
	uint32_t start; /* of it: where the first one lies */
};

/* Keep it when it says more than what is known. True: it was new and the block's own
 * pointers are to be followed (again). */
bool nt_record(struct cs_native *n, uint32_t node, const struct cs_block *block,
	       const struct nt_claim *claim);

/* A number for `via`; text is copied. */
uint32_t nt_place(struct cs_native *n, cs_addr addr, const char *text);

/* types.c: a new type (name is kept, not copied), 0: no more room. */
uint32_t nt_type_add(struct cs_native *n, const struct nt_type *type);

/* A key for a name that does not mind blanks and how numbers are written ("3ul"). */
uint64_t nt_name_key(const char *name);

/* The usable bytes malloc gives for a wish of `size`: what fits a type exactly. */
static inline uint64_t nt_class(uint64_t size)
{
	return size <= 24 ? 24 : cs_align_up(size + 8, 16) - 8;
}

/* Is this what malloc gives for `size`? It may leave 16 bytes unsplit, and a block with
 * a mapping of its own ends with a page. */
static inline bool nt_fits(const struct cs_block *block, uint64_t size)
{
	if (block->span == CS_BIG_BLOCK)
		return size <= block->len && block->len - size < 4096 + 16;
	return block->len == nt_class(size) || block->len == nt_class(size) + 16;
}

/* The block that holds addr, when it is one we may type; CS_NO_NODE: none. */
uint32_t nt_block_at(struct cs_native *n, cs_addr addr, struct cs_block *block);

/* vtable.c: look at the first words of all blocks. */
bool nt_vtables_there(struct cs_native *n);
cs_status nt_vtables(struct cs_native *n, struct cs_error *err);

/* shape.c: containers of libstdc++ without debug data, among what nothing else explained. Reads
 * all memory in use twice. */
cs_status nt_shapes(struct cs_native *n, struct cs_error *err);
void nt_vtables_free(struct cs_native *n);
#endif
