/* dwarf_walk.h - every entry of a unit of debug data once, in the order of the bytes.
 *
 * libdw finds an entry's sibling by going through all that is inside, level by level: in a
 * forged file that costs the nesting squared, and asks nobody meanwhile. This goes straight
 * on, an entry being as long as its abbreviation says. What it says is libdw's to read: an
 * entry is a Dwarf_Die here too.
 *
 * Invariants
 *  - Each step moves forward: a walk takes at most as many as the unit has bytes.
 *  - Nothing is recursive; no nesting is too deep.
 *  - The tables kept of abbreviations are bounded by the bytes they were read from.
 */
#ifndef CS_DWARF_WALK_H
#define CS_DWARF_WALK_H
#include "base/num.h"
#include "base/pulse.h"

/* What is kept between units. */
struct cs_dwarf_walker;

/* pulse: borrowed, may be NULL. NULL: no memory. */
struct cs_dwarf_walker *cs_dwarf_walker_create(struct cs_pulse *pulse);
void cs_dwarf_walker_destroy(struct cs_dwarf_walker *walker);

struct cs_dwarf_entry {
	void *die[4]; /* a Dwarf_Die */
	unsigned tag;
	bool has_children;
	size_t depth;	   /* 0: the unit's own entry */
	uint64_t sibling; /* offset in the unit; 0: it does not say */
};

struct cs_dwarf_walk { /* dwarf_walk.c's own */
	struct cs_dwarf_walker *walker;
	const unsigned char *start, *at, *end; /* start: of the unit's header */
	void *cu;
	size_t table, depth, hidden; /* hidden: entries deeper than this are not shown */
};

/* Begin with a unit, given as its own entry (a Dwarf_Die, also of a .dwo file). CS_CORRUPT:
 * its header or abbreviations cannot be right. CS_NOMEM. */
cs_status cs_dwarf_walk_init(struct cs_dwarf_walk *w, struct cs_dwarf_walker *walker,
			     const void *unit);

/* CS_OK: *out is the next entry. CS_NOTFOUND: the unit is at its end. CS_CORRUPT: nothing can
 * be what comes next. CS_STOPPED, which is asked for at each entry that is not shown. */
cs_status cs_dwarf_walk_next(struct cs_dwarf_walk *w, struct cs_dwarf_entry *out);

/* Do not show what is inside the entry that was given last. */
void cs_dwarf_walk_skip(struct cs_dwarf_walk *w, const struct cs_dwarf_entry *last);

/* Is an address of the file in an entry's code? die: a Dwarf_Die. A list of ranges may be any
 * number of entries': each one looked at is taken off *budget, and without it nothing holds
 * anything. */
enum { CS_DWARF_RANGES = 1 << 22 }; /* a budget: a tenth of a second */
bool cs_dwarf_holds(const void *die, uint64_t vaddr, uint64_t *budget);

/* May the nr-th unit (from 0) begin so far into its section? libdw keeps a kilobyte of each, and
 * the smallest takes eleven bytes: files of nothing but such are not read to their end. */
static inline bool cs_dwarf_unit_fits(size_t nr, uint64_t off)
{
	enum { ANY = 4096, MEAN_LEN = 128 };

	return nr < ANY || off / MEAN_LEN >= nr;
}
#endif
