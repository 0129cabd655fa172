/* ways.h - how one gets to a block in use, as people write it: "app.cache.SESSIONS".
 *
 * The way goes down the dominator tree as far as each step is one reference;
 * where several ways lead to a block, the shortest from the best known root is
 * told. Classes and functions go by their own names, whoever holds them.
 */
#ifndef CS_WAYS_H
#define CS_WAYS_H
#include "scan/names.h"

struct cs_graph_reverse;

struct cs_ways { /* {.hg = hg} to begin with; cs_ways_deinit() ends */
	struct cs_heap_graph *hg;	  /* borrowed */
	struct cs_graph_reverse *reverse; /* made when it is first needed */
};

struct cs_way {
	char name[CS_NAME_MAX];
	char place[CS_PLACE_MAX]; /* where that name means something; "": everywhere */
	const struct cs_root *root; /* borrowed; NULL: it goes by a name of its own, or none is known */
	bool is_guess;		    /* a word that only may be a pointer is part of it */
	bool is_known;		    /* name says something */
};

/* CS_NOMEM, CS_STOPPED. A node that nothing reaches has no way: is_known is false. */
cs_status cs_way_to(struct cs_ways *ways, uint32_t node, struct cs_way *out, struct cs_error *err);
void cs_ways_deinit(struct cs_ways *ways);
#endif
