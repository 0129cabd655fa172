#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>

const char *const cs_category_names[CS_CATEGORIES] = {
	[CS_PY_OBJECTS] = "python.objects",	  [CS_PY_OWNED] = "python.owned",
	[CS_PY_RUNTIME] = "python.runtime",	  [CS_PY_UNIDENTIFIED] = "python.unidentified",
	[CS_PY_FREELISTS] = "python.freelists",	  [CS_PY_FREE] = "python.free",
	[CS_PY_FREE_POOLS] = "python.free_pools", [CS_PY_OVERHEAD] = "python.overhead",
	[CS_MALLOC_TYPED] = "malloc.typed",	  [CS_MALLOC_UNTYPED] = "malloc.untyped",
	[CS_MALLOC_TCACHE] = "malloc.tcache",	  [CS_MALLOC_FASTBINS] = "malloc.fastbins",
	[CS_MALLOC_BINS] = "malloc.bins",	  [CS_MALLOC_TOP] = "malloc.top",
	[CS_MALLOC_OVERHEAD] = "malloc.overhead", [CS_STACKS] = "stacks",
	[CS_MODULES] = "modules",		  [CS_FILES] = "files",
	[CS_SHARED] = "shared",			  [CS_ANONYMOUS] = "anonymous",
	[CS_KERNEL] = "kernel",			  [CS_UNEXPLAINED] = "unexplained",
};

void cs_model_deinit(struct cs_model *model)
{
	cs_blocks_deinit(&model->blocks);
	cs_vec_free(&model->regions);
	cs_vec_free(&model->types);
	cs_vec_free(&model->arenas);
	cs_vec_free(&model->anomalies);
	cs_vec_free(&model->findings);
	cs_vec_free(&model->sizes);
	cs_vec_free(&model->threads.rows);
	cs_vec_free(&model->threads.tasks);
	cs_sites_deinit(&model->sites);
	cs_arena_deinit(&model->strings);
}

void cs_model_anomaly(struct cs_model *model, const char *kind, cs_addr addr, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	model->anomaly_count++;
	if (model->anomalies.count >= CS_ANOMALIES_KEPT)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	struct cs_anomaly a = { kind, addr, cs_arena_copy(&model->strings, text) };

	if (a.text && !cs_vec_push(&model->anomalies, a))
		return; /* counted all the same */
}

void cs_model_finding(struct cs_model *model, const char *what, const char *found_by,
		      const char *proof, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	struct cs_finding f = {
		.what = cs_arena_copy(&model->strings, what),
		.value = cs_arena_copy(&model->strings, text),
		.found_by = cs_arena_copy(&model->strings, found_by),
		.proof = proof ? cs_arena_copy(&model->strings, proof) : "",
	};

	if (f.what && f.value && f.found_by && f.proof && !cs_vec_push(&model->findings, f))
		return; /* a row of --doctor less, nothing else depends on it */
}

cs_status cs_model_region(struct cs_model *model, struct cs_range range, enum cs_category category,
			  struct cs_error *err)
{
	if (!range.len)
		return CS_OK;
	if (range.len > UINT64_MAX - range.start)
		range.len = UINT64_MAX - range.start;
	if (!cs_vec_push(&model->regions, (struct cs_region){ range, category }))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the regions");
	return CS_OK;
}

cs_status cs_model_type(struct cs_model *model, const char *name, enum cs_type_kind kind,
			uint32_t *nr, struct cs_error *err)
{
	struct cs_type t = { .name = cs_arena_copy(&model->strings, name), .kind = kind };

	if (!t.name || model->types.count >= UINT32_MAX || !cs_vec_push(&model->types, t))
		return cs_fail(err, CS_NOMEM, 0, "no memory for the types");
	*nr = (uint32_t)(model->types.count - 1);
	return CS_OK;
}

cs_status cs_model_check(const struct cs_model *model, struct cs_error *err)
{
	uint64_t sum = 0, typed = 0, objects = 0;

	for (int i = 0; i < CS_CATEGORIES; i++)
		sum += model->ledger[i].bytes;
	if (sum != model->target.present)
		return cs_fail(err, CS_CORRUPT, 0,
			       "the ledger holds %" PRIu64 " bytes of %" PRIu64 " present", sum,
			       model->target.present);
	for (size_t i = 0; i < model->types.count; i++)
		typed += model->types.items[i].bytes;
	objects = model->ledger[CS_PY_OBJECTS].bytes + model->ledger[CS_PY_OWNED].bytes +
		  model->ledger[CS_MALLOC_TYPED].bytes;
	/* Types count what the allocator gave; the ledger what is present of it. */
	if (typed < objects)
		return cs_fail(err, CS_CORRUPT, 0,
			       "types explain %" PRIu64 " bytes, the ledger %" PRIu64, typed, objects);
	return CS_OK;
}
