/* sites.c - traces grouped as tracemalloc groups them: CPython Lib/tracemalloc.py,
 * Snapshot._group_by, 3.8 to 3.14. */
#include "model/sites.h"

#include "base/map.h"
#include "model/model.h"

#include <string.h>

enum { SIZE_WORD = 8 };

void cs_sites_deinit(struct cs_sites *sites)
{
	cs_vec_free(&sites->files);
	cs_vec_free(&sites->frames);
	cs_vec_free(&sites->stack);
	cs_vec_free(&sites->tracebacks);
	cs_vec_free(&sites->traces);
}

/* What the target says was asked for may be anything. */
static void add_most(uint64_t *sum, uint64_t n)
{
	if (!cs_add(*sum, n, sum))
		*sum = UINT64_MAX;
}

static void add(struct cs_site_group *group, const struct cs_traceback *t)
{
	add_most(&group->count, t->traces);
	add_most(&group->size, t->size);
	add_most(&group->bytes, t->bytes);
}

/* A sum for each frame or file; what nobody allocated at goes again. */
static bool group_frames(const struct cs_sites *s, bool by_file, bool is_cumulative,
			 struct cs_pulse *pulse, struct cs_site_groups *out)
{
	size_t count = by_file ? s->files.count : s->frames.count, kept = 0;

	out->rows.items = calloc(count + 1, sizeof(*out->rows.items));
	if (!out->rows.items)
		return false;
	out->rows.cap = count + 1;
	for (size_t i = 0; i < s->tracebacks.count; i++) {
		const struct cs_traceback *t = &s->tracebacks.items[i];
		uint32_t frames = is_cumulative ? t->count : 1;

		if (cs_pulse_spent(pulse, 1 + frames / 8))
			return true;
		for (uint32_t k = 0; k < frames; k++) {
			uint32_t nr = s->stack.items[t->first + k];

			add(&out->rows.items[by_file ? s->frames.items[nr].file : nr], t);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (!out->rows.items[i].count)
			continue;
		out->rows.items[kept] = out->rows.items[i];
		out->rows.items[kept++].nr = (uint32_t)i;
	}
	out->rows.count = kept;
	return true;
}

static uint64_t hash_of(const struct cs_sites *s, const struct cs_traceback *t)
{
	uint64_t hash = t->count;

	for (uint32_t i = 0; i < t->count; i++)
		hash = (hash ^ s->stack.items[t->first + i]) * 0x100000001b3ull ^ hash >> 29;
	return hash ? hash : 1;
}

static bool is_same(const struct cs_sites *s, const struct cs_traceback *a,
		    const struct cs_traceback *b)
{
	return a->count == b->count && !memcmp(s->stack.items + a->first, s->stack.items + b->first,
					       a->count * sizeof(*s->stack.items));
}

/* Those that differ only in how many frames there were are one. Different ones with the
 * same hash go on looking at the next. */
static bool find_group(const struct cs_sites *s, struct cs_map *seen, uint32_t nr,
		       struct cs_site_groups *out, uint32_t *row)
{
	const struct cs_traceback *t = &s->tracebacks.items[nr];
	struct cs_site_group new = { .nr = nr };
	uint64_t hash = hash_of(s, t);

	for (; cs_map_get(seen, hash, row); hash = hash + 1 ? hash + 1 : 1)
		if (is_same(s, t, &s->tracebacks.items[out->rows.items[*row].nr]))
			return true;
	*row = (uint32_t)out->rows.count;
	return cs_vec_push(&out->rows, new) && cs_map_put(seen, hash, *row);
}

static bool group_tracebacks(const struct cs_sites *s, struct cs_pulse *pulse,
			     struct cs_site_groups *out)
{
	struct cs_map seen = { 0 };
	bool ok = true;
	uint32_t row;

	for (size_t i = 0; ok && i < s->tracebacks.count; i++) {
		if (!s->tracebacks.items[i].traces)
			continue;
		if (cs_pulse_spent(pulse, 1 + s->tracebacks.items[i].count / 8))
			break;
		ok = find_group(s, &seen, (uint32_t)i, out, &row);
		if (ok)
			add(&out->rows.items[row], &s->tracebacks.items[i]);
	}
	cs_map_deinit(&seen);
	return ok;
}

cs_status cs_sites_group(const struct cs_sites *sites, enum cs_site_key key, bool is_cumulative,
			 struct cs_pulse *pulse, struct cs_site_groups *out, struct cs_error *err)
{
	bool ok;
	cs_status st;

	*out = (struct cs_site_groups){ .rows.items = NULL };
	if (key == CS_SITE_TRACEBACK)
		ok = group_tracebacks(sites, pulse, out);
	else
		ok = group_frames(sites, key == CS_SITE_FILE, is_cumulative, pulse, out);
	st = ok ? CS_OK : cs_fail(err, CS_NOMEM, 0, "no memory to group traces");
	st = cs_pulse_result(pulse, st, err);
	if (st)
		cs_vec_free(&out->rows);
	return st;
}

void cs_sites_used(const struct cs_model *model, uint64_t *blocks, uint64_t *bytes)
{
	uint64_t chunks = 0;

	*blocks = *bytes = 0;
	for (size_t i = 0; i < model->sizes.count; i++) {
		*blocks += model->sizes.items[i].count;
		*bytes += model->sizes.items[i].bytes;
		if (model->sizes.items[i].allocator == CS_ALLOC_GLIBC)
			chunks += model->sizes.items[i].count;
	}
	/* sizes have malloc's headers: a word in a heap, the rest in front of a big block */
	for (size_t i = 0; i < model->blocks.big.count; i++) {
		const struct cs_big_block *big = &model->blocks.big.items[i];

		if (big->allocator != CS_ALLOC_GLIBC || big->state < CS_BLOCK_USED ||
		    big->state > CS_BLOCK_TYPED)
			continue;
		chunks--;
		*bytes -= big->chunk.len > big->usable ? big->chunk.len - big->usable : 0;
	}
	*bytes -= chunks * SIZE_WORD;
}
