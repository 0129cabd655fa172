/* The order of the walk: heaps, chunks, then the lists that say which are free. */
#include "glibc/glibc_chunk.h"
#include "glibc/glibc_find.h"
#include "glibc/glibc_info.h"
#include "glibc/glibc_tcache.h"

cs_status cs_glibc_walk(struct cs_glibc *g, struct cs_error *err)
{
	cs_status st = glibc_load_heaps(g, err);

	glibc_tell_abort(g);
	if (!st)
		st = glibc_find_regions(g, err);
	if (st)
		return st;
	glibc_pieces_sort(g);
	for (size_t i = 0; i < g->pieces.count; i++)
		g->walk_total += g->pieces.items[i].range.len;
	for (size_t i = 0; i < g->pieces.count; i++)
		glibc_walk_piece(g, &g->pieces.items[i]);
	glibc_tcache_mark(g);
	glibc_bins_mark(g);
	if (g->no_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the heaps' lists");
	return cs_pulse_result(g->model->pulse, st, err);
}
