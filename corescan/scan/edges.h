/* edges.h - the references of one block: what it refers to, and who refers to it.
 *
 * What an object refers to is read from the object alone. Who refers to it takes the
 * reference graph, and where that was taken back a guess is told no more: a word in a
 * block nobody knows that points at it may be among what the block refers to and not
 * among its referrers.
 */
#ifndef CS_SCAN_EDGES_H
#define CS_SCAN_EDGES_H
#include "scan/scan_state.h"

/* What is asked about one address, and which of the rows. */
struct cs_rows_wish {
	cs_addr addr;	     /* in a block, or of an object in a module's data */
	uint64_t skip, most; /* rows left out before the first; rows at most, 0: all */
	bool no_values;	     /* no text of the target's objects */
};
enum { CS_EDGES_MAX = 1 << 20 }; /* references at most, whatever is asked for */

/* Fill out->edges; rows_before and rows_behind count the others. A reference a row, so
 * that a list that holds an object twice is there twice. CS_NOTFOUND: at addr is nothing
 * in use. CS_NOMEM, CS_STOPPED. */
cs_status cs_answer_referents(struct cs_scan *scan, const struct cs_rows_wish *wish,
			      struct cs_answer *out, struct cs_error *err);

/* The same of who refers to it: roots, then objects and blocks, then weak references. And
 * why there is no graph. O(edges of the graph), or of an object in a module's data, which
 * the graph does not know, O(all objects). */
cs_status cs_answer_referrers(struct cs_scan *scan, const struct cs_rows_wish *wish,
			      struct cs_answer *out, struct cs_error *err);
#endif
