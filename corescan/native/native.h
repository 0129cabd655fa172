/* native.h - the types of malloc blocks that nobody else explained.
 *
 * Every block may have one fact: a type, how it is known, how sure that is, and what said
 * so. Facts come from vtables and from typed pointers that are followed from globals,
 * thread-local variables and locals on the stacks. A better fact replaces a worse one,
 * never the other way round.
 *
 * Invariants
 *  - Only blocks of malloc in state CS_BLOCK_USED are looked at. What is known exactly or
 *    likely becomes CS_BLOCK_TYPED and a row of the model's types; a mere candidate stays
 *    USED, and only its fact says more.
 *  - What is in use does not change, so that numbers (model/nodes.h) stay good.
 *  - Nothing is made, and nothing costs, where no module is C++ or has debug data.
 *
 * Memory: 9 bytes a block in use and the numbers of the blocks, only where there are types.
 */
#ifndef CS_NATIVE_H
#define CS_NATIVE_H
#include "image/image.h"
#include "model/model.h"

struct cs_native;

enum cs_native_how { /* ascending: what says more */
	CS_NATIVE_NONE,
	CS_NATIVE_PREFIX,    /* begins like it; more follows */
	CS_NATIVE_BASE,	     /* it, or one of those that begin with it */
	CS_NATIVE_OPAQUE,    /* a pointer to a type nobody defines here */
	CS_NATIVE_TEXT,	     /* char *: text or bytes */
	CS_NATIVE_SHAPE,     /* a container of the standard library, by how its parts lie */
	CS_NATIVE_HEADER,    /* a pointer to characters leads behind it */
	CS_NATIVE_SLOT,	     /* what others of the same container lead to */
	CS_NATIVE_ARRAY,     /* a pointer's type several times */
	CS_NATIVE_INTRUSIVE, /* a link inside it, as in the one before */
	CS_NATIVE_DERIVED,   /* begins with a pointer's type, and a tag or its size tells the rest */
	CS_NATIVE_FLEXIBLE,  /* its last member has no end of its own */
	CS_NATIVE_POINTER,   /* a pointer's type, and the size is right */
	CS_NATIVE_CONTAINER, /* a container's node or items */
	CS_NATIVE_VTABLE,    /* its first word is the class's vtable */
	CS_NATIVE_HOWS
};

enum cs_native_sure { CS_NATIVE_CANDIDATE, CS_NATIVE_LIKELY, CS_NATIVE_EXACT };

struct cs_native_options {
	const char *hints; /* file with "field X.data is struct Y" lines; NULL */
};

struct cs_native_fact {
	const char *type; /* as in --by-type; borrowed */
	enum cs_type_kind kind;
	enum cs_native_how how;
	enum cs_native_sure sure;
	bool is_array, or_derived; /* or_derived: or one of those that begin with it */
	uint64_t items; /* of an array */
	uint32_t candidates; /* types that fit, where others begin with it; 0: it is this one */
	uint32_t row;	/* in model->types; CS_NATIVE_NO_ROW: a candidate */
	cs_addr via;	/* block that says so, 0: none */
	const char *via_name; /* its type, or what it is: "global pool"; "" */
};
#define CS_NATIVE_NO_ROW UINT32_MAX

extern const char *const cs_native_how_words[CS_NATIVE_HOWS];
extern const char *const cs_native_sure_words[3];

/* Find types and put them into the model: after all walkers, before settling. Reads
 * memory. *out stays NULL where there is nothing to find. CS_NOMEM, CS_STOPPED; CS_USAGE,
 * CS_OS: the hints. Trouble with debug data is an anomaly (native.dwarf), no failure. */
cs_status cs_native_types(struct cs_image *image, struct cs_model *model,
			  const struct cs_native_options *options, struct cs_native **out,
			  struct cs_error *err);
void cs_native_destroy(struct cs_native *n);

/* What is known about a block; false: nothing. n may be NULL. O(log blocks). */
bool cs_native_find(struct cs_native *n, const struct cs_block *block, struct cs_native_fact *out);

enum { CS_NATIVE_MEMBER_MAX = 256, CS_NATIVE_VALUE_MAX = 320 };

struct cs_native_members_wish {
	uint64_t most; /* to be told */
	bool no_text;  /* characters of the target are not to be shown */
};
/* name: "pos.x", as one writes it in C; "": the block is no record, but one value. */
typedef void cs_native_member_fn(void *ctx, const char *name, const char *value);

/* Tell the members of a block whose type is likely or exact and which debug data describe, with
 * what they hold in short; of an array those of the first item. Returns how many more
 * there are. n may be NULL. O(members). */
uint64_t cs_native_members(struct cs_native *n, const struct cs_block *block,
			   const struct cs_native_members_wish *wish, cs_native_member_fn *fn,
			   void *ctx);

/* What the member "a.b" holds; a pointer is followed by a '.' too. False: there is none.
 * O(members of the records on the way). */
bool cs_native_member(struct cs_native *n, const struct cs_block *block, const char *path,
		      bool no_text, char text[CS_NATIVE_VALUE_MAX], bool *is_integer);

/* Which member is `off` bytes behind the block's start: ".next", "[3].pos.x". False: not
 * known. n may be NULL. O(members). */
bool cs_native_member_name(struct cs_native *n, const struct cs_block *block, uint64_t off,
			   char name[CS_NATIVE_MEMBER_MAX]);

/* The variable that lies at addr, as debug data name it: "pool", "pool.slots[3]"; false:
 * none does. n may be NULL. O(variables). */
bool cs_native_variable(struct cs_native *n, cs_addr addr, char name[CS_NATIVE_MEMBER_MAX]);
bool cs_native_has_variables(const struct cs_native *n);

/* Row in model->types of a block of state CS_BLOCK_TYPED by its number; O(1). */
uint32_t cs_native_row(const struct cs_native *n, uint32_t node);

/* Is that type known exactly, and no other begins with it? O(1). */
bool cs_native_is_exact(const struct cs_native *n, uint32_t node);
#endif
