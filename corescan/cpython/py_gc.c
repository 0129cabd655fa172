/* CPython Modules/gcmodule.c, Python/gc.c: three generations and a permanent
 * one, each a circular list of PyGC_Head {_gc_next, _gc_prev}. Up to 3.8 in
 * _PyRuntime.gc, then in the interpreter. _gc_next carries two flag bits
 * during collections (and for good in 3.14.0-3.14.4); _gc_prev is a reference
 * count while collecting, so only _gc_next is followed. */
#include "cpython/py_gc.h"

enum { FLAG_BITS = 3, GENERATIONS = 3, HEAD_MIN = 16 };

static cs_addr next_of(struct py *py, cs_addr head)
{
	return py_word(py, head) & ~(cs_addr)FLAG_BITS;
}

/* An empty list points at itself; of another the first entry points back. */
static bool is_head(struct py *py, cs_addr head)
{
	cs_addr next = next_of(py, head);

	return next && (next == head || (py_word(py, next + 8) & ~(cs_addr)FLAG_BITS) == head);
}

/* The state's members shift between builds (Debian's 3.13.5 aligns the heads
 * differently): where the layout's offset is no head, the first that is. */
static bool find_generations(struct py *py, cs_addr gc)
{
	struct py_layout *l = &py->layout;
	uint64_t step = py_off(l, PY_GC_GENERATION_SIZE);

	for (int32_t off = -4; off <= 64; off += 4) {
		int32_t at = off < 0 ? l->off[PY_GC_GENERATIONS] : off;
		bool all = true;

		for (uint64_t i = 0; all && i < GENERATIONS; i++)
			all = is_head(py, gc + (uint64_t)at + i * step);
		if (!all)
			continue;
		if (at != l->off[PY_GC_GENERATIONS]) {
			l->off[PY_GC_PERMANENT] += at - l->off[PY_GC_GENERATIONS];
			l->off[PY_GC_GENERATIONS] = at;
			l->source[PY_GC_GENERATIONS] = PY_CALIBRATED;
		}
		return true;
	}
	return false;
}

/* Every list together has no more entries than fit into memory. */
static uint64_t walk_list(struct py *py, cs_addr head, uint64_t *left, bool *whole)
{
	uint64_t n = 0;
	cs_addr at = next_of(py, head);

	for (; at != head && *left && !py_stops(py); --*left, n++) {
		at = next_of(py, at);
		if (!at)
			break;
	}
	if (at == head)
		return n;
	*whole = false;
	cs_model_anomaly(py->model, "python.gc", head,
			 "the collector's list at " CS_ADDR " does not lead back after %" PRIu64
			 " objects",
			 head, n);
	return n;
}

cs_status py_gc_walk(struct py *py, struct py_gc_counts *out)
{
	const struct py_layout *l = &py->layout;
	size_t states = py_has(l, PY_IS_GC) ? py->interp_count : 1;
	uint64_t left = py->mem->present / HEAD_MIN;
	bool found = false;

	*out = (struct py_gc_counts){ .is_whole = true };
	for (size_t i = 0; i < states; i++) {
		cs_addr gc = py_has(l, PY_IS_GC) ? py->interps[i] + py_off(l, PY_IS_GC) :
						   py->runtime + py_off(l, PY_RT_GC);
		uint32_t collecting = 0;

		if (!find_generations(py, gc))
			continue;
		found = true;
		if (cs_mem_u32(py->mem, gc + py_off(l, PY_GC_COLLECTING), &collecting) && collecting)
			out->is_collecting = true;
		for (unsigned g = 0; g < GENERATIONS; g++)
			out->generation[g] +=
				walk_list(py,
					  gc + py_off(l, PY_GC_GENERATIONS) +
						  g * py_off(l, PY_GC_GENERATION_SIZE),
					  &left, &out->is_whole);
		if (is_head(py, gc + py_off(l, PY_GC_PERMANENT)))
			out->permanent += walk_list(py, gc + py_off(l, PY_GC_PERMANENT), &left,
						    &out->is_whole);
	}
	return found ? CS_OK : CS_NOTFOUND;
}
