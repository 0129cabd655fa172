/* sites.c - who allocated what: read when a view first needs it. */
#include "cpython/py_tracemalloc.h"
#include "scan/answers.h"
#include "scan/scan_state.h"

cs_status cs_scan_sites(struct cs_scan *scan, struct cs_error *err)
{
	cs_status st;

	if (scan->knows_sites || !scan->py)
		return CS_OK;
	if (scan->model.target.stopped_ns)
		return cs_fail(err, CS_UNSUPPORTED, 0,
			       "the process runs again: what tracemalloc recorded must be asked "
			       "for before it is read (option sites)");
	st = py_tracemalloc_load(scan->py, err);
	scan->knows_sites = st == CS_OK;
	return st;
}

static void add_row(struct cs_answer *out, struct cs_answer_row row)
{
	cs_ignore(cs_vec_push(&out->rows, row) ? CS_OK : CS_NOMEM, "a row less");
}

static void add_frame(const struct cs_sites *s, uint32_t nr, const char *field,
		      struct cs_answer *out)
{
	const struct cs_site_frame *f = &s->frames.items[nr];
	const char *file = s->files.items[f->file].name;
	const char *text = f->function ? cs_arena_printf(&out->strings, "%s (%s:%u)", f->function,
							 file, f->line) :
					 cs_arena_printf(&out->strings, "%s:%u", file, f->line);

	if (text)
		add_row(out, (struct cs_answer_row){ .field = field, .text = text });
}

static void add_trace(const struct cs_sites *s, const struct cs_trace *trace, struct cs_answer *out)
{
	const struct cs_traceback *t = &s->tracebacks.items[trace->traceback];

	if (trace->domain)
		add_row(out, (struct cs_answer_row){ .field = "domain", .number = trace->domain });
	add_row(out, (struct cs_answer_row){ .field = "requested", .number = trace->size });
	for (uint32_t i = 0; i < t->count; i++)
		add_frame(s, s->stack.items[t->first + i], i ? "called_from" : "allocated_at", out);
}

/* The trace has the block's address, or the one behind a debug allocator's header; the
 * object's is behind the collector's. */
void cs_scan_site_of(struct cs_scan *scan, cs_addr addr, struct cs_answer *out)
{
	const struct cs_sites *s = &scan->model.sites;
	struct cs_block block;
	size_t found = 0;

	if (s->state != CS_SITES_ON || !cs_blocks_holding(&scan->model.blocks, addr, &block) ||
	    block.state < CS_BLOCK_USED || block.state > CS_BLOCK_TYPED)
		return;
	for (size_t i = 0; i < s->traces.count && !cs_pulse_spent(&scan->pulse, 1); i++) {
		const struct cs_trace *trace = &s->traces.items[i];

		if (trace->addr < block.addr || trace->addr - block.addr >= block.len)
			continue;
		add_trace(s, trace, out);
		found++;
	}
	if (!found)
		add_row(out, (struct cs_answer_row){ .field = "allocated_at",
						     .text = "not recorded by tracemalloc" });
}
