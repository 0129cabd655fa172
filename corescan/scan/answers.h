/* answers.h - what the views need that is not in the model: most of it is looked up in the
 * reference graph. */
#ifndef CS_ANSWERS_H
#define CS_ANSWERS_H
#include "scan/edges.h"
#include "scan/heap_graph.h"

/* Fill out->holders: the `most` biggest nodes of the dominator tree (0: as many as a page
 * may have), `depth` levels of it at most (0: all). CS_NOMEM, CS_STOPPED, and why there is no graph. */
cs_status cs_answer_dominators(struct cs_scan *scan, uint64_t most, uint64_t depth,
			       struct cs_answer *out, struct cs_error *err);

/* Fill out->steps: shortest ways from roots to the block at addr, or to any object of
 * the type when text is not NULL; one for each of a few roots. CS_NOTFOUND: no such block
 * in use, no such type. */
cs_status cs_answer_why(struct cs_scan *scan, cs_addr addr, const char *text, struct cs_answer *out,
			struct cs_error *err);

/* Rows for --object behind those of cs_scan_object(): what the object or block at
 * wish->addr refers to, what it retains and who refers to it, wish->most of each; where
 * there can be no graph a row says why. Nothing for memory nobody uses. CS_NOMEM, CS_STOPPED. */
cs_status cs_scan_neighbours(struct cs_scan *scan, const struct cs_rows_wish *wish,
			     struct cs_answer *out, struct cs_error *err);

/* Fill out->leaks: what nobody reaches, in groups of kind and type. */
cs_status cs_answer_leaks(struct cs_scan *scan, struct cs_answer *out, struct cs_error *err);

/* Fill out->suspects: where memory accumulates and what is wasted, biggest first. */
cs_status cs_answer_suspects(struct cs_scan *scan, struct cs_answer *out, struct cs_error *err);

/* Fill out->chunks: malloc's blocks in the order of addresses, from the one that holds
 * wish->addr on, 0: from the first; rows_before and rows_behind count the others.
 * CS_NOTFOUND: wish->addr is in no heap of malloc. O(tiles of the heaps behind it). */
cs_status cs_answer_chunks(struct cs_scan *scan, const struct cs_rows_wish *wish,
			   struct cs_answer *out, struct cs_error *err);

/* Fill what the locals of each frame retain, in the model's threads. */
cs_status cs_scan_frames_retained(struct cs_scan *scan, struct cs_error *err);

/* Fill the model's sites: what tracemalloc recorded; at once when they are there. A living
 * process that was let go of cannot be read any more: CS_UNSUPPORTED. */
cs_status cs_scan_sites(struct cs_scan *scan, struct cs_error *err);

/* Rows for --object: where the block was allocated, when its sites are known. */
void cs_scan_site_of(struct cs_scan *scan, cs_addr addr, struct cs_answer *out);

/* Fill the retained sizes of the model's types; at once when they are there. */
cs_status cs_scan_retained(struct cs_scan *scan, struct cs_error *err);
#endif
