/* makers.h - which calls in the program's code may have made a block of malloc.
 *
 * Nothing was recorded: what speaks for a call is that it asks for a constant size (or builds
 * a type) which is the block's. Calls whose size is only known when they run fit every block,
 * and are nobody's candidates; they are why a single candidate is not believed at once.
 *
 * Invariants
 *  - No block counts in two rows, and what tracemalloc recorded in none.
 *  - "likely" is said when one place fits, and the blocks of that size are so many more than
 *    those of sizes near it that others can have made one in twenty of them at most; or when
 *    the type the place builds is the block's.
 *
 * Memory: 48 bytes a call of constant size; while rows are made 2.4 % of the heap.
 */
#ifndef CS_MAKERS_H
#define CS_MAKERS_H
#include "model/answer.h"
#include "model/sites.h"
#include "scan/scan_state.h"

struct cs_makers;

/* Read the code of all modules; at once when that was done. CS_NOMEM, CS_STOPPED. Reads no
 * memory of the target. */
cs_status cs_scan_makers(struct cs_scan *scan, struct cs_error *err);
void cs_makers_destroy(struct cs_makers *makers);

/* Fill out->makers, of all blocks of malloc in use that tracemalloc did not record. */
cs_status cs_answer_makers(struct cs_scan *scan, enum cs_site_key key, struct cs_answer *out,
			   struct cs_error *err);

/* Rows for --object: the candidates for the block at addr. CS_NOMEM, CS_STOPPED. */
cs_status cs_makers_of(struct cs_scan *scan, cs_addr addr, struct cs_answer *out,
		       struct cs_error *err);
#endif
