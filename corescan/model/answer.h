/* answer.h - what a view shows that is not in the model: its rows, looked up for one question.
 *
 * Made by the scan, which may read memory; written by the report, which may not.
 */
#ifndef CS_ANSWER_H
#define CS_ANSWER_H
#include "base/arena.h"
#include "base/vec.h"
#include "model/blocks.h"

#include <stdint.h>

struct cs_answer_row {
	const char *field; /* "address", "type", "block", "state", "value", "owner", ... */
	const char *text;  /* NULL when it is a number */
	uint64_t number;
	bool is_address;
};

struct cs_chunk_row {
	cs_addr addr;	  /* what malloc returned; of what it gave nobody the start */
	uint64_t size;	  /* with the header */
	const char *type; /* NULL: not known; borrowed from the model */
	enum cs_block_state state;
};

struct cs_holder_row { /* --dominators: a node of the tree, or equal siblings in one */
	cs_addr addr;	  /* of the biggest */
	const char *type; /* borrowed from the model */
	const char *name; /* how one gets there */
	uint64_t shallow, retained, count; /* bytes, of all of them */
};

struct cs_step_row { /* --why: a step from a root towards what was asked for */
	const char *from, *edge, *type;
	cs_addr to;
};

struct cs_leak_row { /* --leaks: a group of what nobody reaches */
	const char *kind, *type; /* "leaked", "leaked-indirect", "garbage" */
	uint64_t count, bytes;
	cs_addr example;
	/* How many of them a pointer still leads to in memory that is over. */
	uint64_t on_dead_stack, in_free;
};

/* --suspects: what a lot of memory hangs on, or is wasted by; the report finds the words. */
enum cs_suspect_kind {
	CS_SUSPECT_HOLDER, /* one block keeps many others alive */
	CS_SUSPECT_OBJECT, /* one that is big in itself */
	CS_SUSPECT_GROUP,  /* many of one type, each held from several places */
	CS_SUSPECT_GARBAGE, CS_SUSPECT_LEAKED, /* what nobody reaches */
	CS_SUSPECT_FREE,   /* kept by an allocator for later */
	CS_SUSPECT_COPIES, /* strings with the same text */
	CS_SUSPECT_ROOM	   /* containers much bigger than what is in them */
};

struct cs_suspect_row {
	enum cs_suspect_kind kind;
	const char *name; /* how one gets there; NULL: not known */
	const char *also; /* of a group: another way to it; NULL */
	const char *type; /* borrowed from the model; NULL */
	uint64_t bytes;	  /* that would be free without it */
	uint64_t count;	  /* what a container holds; of a group, copies, ...: how many */
	const char *count_of; /* "entries", "items"; NULL: count says nothing */
	const char *parts;    /* the type most of it is; NULL: no such type */
	bool is_mixed;	      /* parts is less than half of it */
	uint64_t parts_count;
	cs_addr addr;	 /* of an example where it is many */
	bool is_guess;	 /* a word that only may be a pointer is part of the way */
	bool is_local;	 /* it goes when a function returns, in thread... */
	int64_t tid;	 /* 0: not known */
	bool is_cache;	 /* of functools.lru_cache(maxsize=None) */
	bool is_chain;	 /* the first of a linked list, the root of a tree */
};

struct cs_edge_row { /* --referents, --referrers: a reference */
	cs_addr addr;	  /* the other end: an object, a block, where a root's word lies; 0: nowhere */
	const char *type; /* of it, or which root it is; NULL: not known */
	const char *edge, *hold; /* "['key']"; "strong", "hidden", "weak", "guess", "owned" */
	const char *value;	 /* what the other end is in short; NULL: not known or not wanted */
	uint64_t bytes;		 /* of its block; CS_NO_BYTES: it is none */
	bool is_root;
};
#define CS_NO_BYTES UINT64_MAX

struct cs_instance_row { /* --instances */
	cs_addr addr;
	uint64_t bytes;	   /* of the block and what only it owns */
	uint64_t retained; /* 0: no root reaches it, so nobody knows */
};

struct cs_attr_value { /* an attribute of an instance */
	const char *text; /* NULL: it has none */
	bool is_integer;
};

struct cs_maker_place { /* a call that may have made blocks */
	const char *site, *function; /* "conn.c:12", "redis+0x1234"; function NULL: not known */
	uint64_t size;		     /* it asks for; 0: one of several */
};

struct cs_maker_row { /* --by-site: blocks that the same calls may have made */
	size_t first, kept; /* in maker_places, the first few of them; kept 0: too many */
	uint64_t site_count; /* places that fit */
	uint64_t count, requested, bytes; /* requested 0: not known */
	bool is_likely;
};

struct cs_answer {
	CS_VEC(struct cs_answer_row) rows;
	/* Of a page: how many rows there are before it (of --chunks from the one asked for
	 * on) and behind it, and their bytes where those are summed. */
	uint64_t rows_before, rows_behind, bytes_before, bytes_behind;
	CS_VEC(struct cs_chunk_row) chunks; /* --chunks: blocks one behind the other */
	CS_VEC(struct cs_edge_row) edges;
	CS_VEC(struct cs_instance_row) instances;
	uint64_t unreached; /* instances no root reaches, shown or not */
	/* attr_count values for each of the instances; names as asked */
	CS_VEC(struct cs_attr_value) values;
	const char *const *attr_names;
	size_t attr_count;
	CS_VEC(struct cs_holder_row) holders;
	CS_VEC(struct cs_step_row) steps;
	CS_VEC(struct cs_leak_row) leaks;
	CS_VEC(struct cs_suspect_row) suspects; /* biggest first */
	CS_VEC(struct cs_maker_row) makers;
	CS_VEC(struct cs_maker_place) maker_places;
	uint64_t maker_dynamic, maker_unread; /* calls of any size; modules without their file */
	bool has_makers; /* somebody looked */
	struct cs_arena strings;
};
#endif
