/* instances.h - the live instances of a type, and attributes of those on the page. */
#ifndef CS_SCAN_INSTANCES_H
#define CS_SCAN_INSTANCES_H
#include "scan/scan_state.h"

enum { CS_INSTANCES_MAX = 1 << 20 }; /* rows at most, whatever is asked for */

enum cs_instance_key { CS_BY_RETAINED, CS_BY_BYTES, CS_BY_ADDRESS }; /* biggest first */

struct cs_instances_wish {
	const char *type;  /* as --by-type prints it; a pattern when * or ? is in it */
	const char *attrs; /* "a,b.c", checked before; NULL: none */
	enum cs_instance_key key;
	uint64_t skip, most; /* rows left out before the first; rows at most, 0: all */
	uint64_t min;	     /* least retained, or bytes where that is not known */
	bool no_values;	     /* no text of the target's objects */
};

/* Fill out->instances and the attributes' values of those; what is not on the page is
 * counted and summed. O(blocks of the heap), and 24 bytes for each row up to the page's
 * end. CS_NOTFOUND: no such type. CS_NOMEM, CS_STOPPED, and why there is no graph. */
cs_status cs_answer_instances(struct cs_scan *scan, const struct cs_instances_wish *wish,
			      struct cs_answer *out, struct cs_error *err);
#endif
