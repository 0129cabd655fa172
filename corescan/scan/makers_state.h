/* makers_state.h - what makers.c and makers_blocks.c share; for them only. */
#ifndef CS_MAKERS_STATE_H
#define CS_MAKERS_STATE_H
#include "base/arena.h"
#include "base/map.h"
#include "code/code.h"
#include "scan/makers.h"

struct cs_elf_functions;

struct cs_maker {		/* a call of constant size */
	uint64_t size, type;	/* type: a key of what it builds; 0: not known */
	uint32_t site;		/* of the code's */
	uint32_t name;		/* 1 + of names; 0: not named yet */
	bool is_python, is_new; /* is_new: by C++'s operator new */
	bool is_system;		/* in the C or C++ library */
};

struct cs_maker_name {
	const char *site, *file; /* "conn.c:12" or "redis+0x1234"; "conn.c" or "redis" */
	const char *function;	 /* NULL: not known */
	bool is_system;
};

struct cs_block_class { /* blocks in use of one size and type */
	uint64_t len, type, count, bytes;
	uint64_t strangers; /* blocks up to here of sizes that no call asks for */
	bool is_exact;	/* and no other type can it be */
	bool is_cxx;	/* the type is */
	bool is_object; /* Python's: no library of C made it */
	bool is_big;	/* with a mapping of its own */
};

struct cs_maker_module {
	struct cs_module *module;
	struct cs_elf *debug; /* NULL: none */
	bool is_system;
	struct cs_elf_functions *functions; /* NULL: not asked yet */
};

struct cs_makers {
	struct cs_scan *scan;
	struct cs_code *code;
	CS_VEC(struct cs_maker_module) modules; /* the code's files */
	CS_VEC(struct cs_maker) items;		/* by size, then place */
	CS_VEC(struct cs_maker_name) names;
	struct cs_map name_at; /* key of a name's site -> 1 + number */
	uint32_t named_by_dwarf;
	uint64_t dynamic; /* calls of any size */
	size_t typed;	  /* makers of whom it is known what they build */
	size_t unread;	  /* modules whose file is not there */
	bool has_pymalloc;
	/* of all blocks, once asked for */
	CS_VEC(struct cs_block_class) classes; /* by size */
	bool has_classes;
	struct cs_arena strings;
};

enum { CS_MAKERS_NAMED = 64 }; /* of more that fit only the number is told */

/* Name of a maker, looked up once. CS_NOMEM. May take milliseconds. */
cs_status cs_maker_name(struct cs_makers *m, size_t nr, struct cs_error *err);

/* Key of a type's name, however a compiler writes it; arrays have their items'. */
uint64_t cs_maker_type_key(const char *name);
#endif
