/* report_bins.c - malloc's blocks: the free ones by where they wait, and all of them
 * one by one.
 *
 * The model's tiles say of each free chunk which kind of list holds it. They do not
 * say which bin: unsorted, small and large are all `bin`. */
#include "base/map.h"
#include "report/report_views.h"

enum { GRANULE = 16, MAPPED = (1 << 20) - 1 };

const char *cs_chunk_state_name(enum cs_block_state state)
{
	static const char *const names[CS_BLOCK_STATES] = {
		[CS_BLOCK_INSIDE] = "lost",	[CS_BLOCK_FREE] = "bin",
		[CS_BLOCK_USED] = "used",	[CS_BLOCK_OBJECT] = "object",
		[CS_BLOCK_OWNED] = "owned",	[CS_BLOCK_RUNTIME] = "runtime",
		[CS_BLOCK_CACHED] = "freelist", [CS_BLOCK_TYPED] = "typed",
		[CS_BLOCK_OVERHEAD] = "overhead", [CS_BLOCK_UNCARVED] = "top",
		[CS_BLOCK_TCACHE] = "tcache",	[CS_BLOCK_FASTBIN] = "fastbin",
		[CS_BLOCK_LOST] = "lost",
	};

	return names[state];
}

const struct cs_column cs_bin_columns[] = {
	{ "arena", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "bin", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "size", NULL, CS_CELL_SIZE, 0 },
	{ "count", NULL, CS_CELL_COUNT, CS_COL_SUM },
	{ "bytes", NULL, CS_CELL_BYTES, CS_COL_SUM | CS_COL_WEIGHT },
	{ 0 },
};

struct bin {
	const char *arena; /* NULL: not known */
	enum cs_block_state state;
	uint64_t size, count, bytes;
};

struct bins {
	CS_VEC(struct bin) rows;
	struct cs_map by_key; /* 12 bytes a row and slot */
};

/* Rows are few: malloc rounds sizes, and frees of a size meet in one row. */
static bool count_free(struct bins *b, uint64_t arena, const struct bin *free)
{
	/* sizes of heaps stay below 2^44 bytes */
	uint64_t key = (arena << 4 | free->state) << 40 | free->size / GRANULE;
	uint32_t nr;

	if (!cs_map_get(&b->by_key, key, &nr)) {
		nr = (uint32_t)b->rows.count;
		if (!cs_vec_push(&b->rows, *free) || !cs_map_put(&b->by_key, key, nr))
			return false;
		b->rows.items[nr].count = b->rows.items[nr].bytes = 0;
	}
	b->rows.items[nr].count++;
	b->rows.items[nr].bytes += free->bytes;
	return true;
}

static bool is_free(unsigned state)
{
	return state == CS_BLOCK_FREE || state == CS_BLOCK_TCACHE || state == CS_BLOCK_FASTBIN;
}

static bool count_span(struct bins *b, const struct cs_model *m, const struct cs_span *span)
{
	const uint64_t end = span->len / GRANULE;
	struct bin free = { .arena = span->arena && span->arena <= m->arenas.count ?
					     m->arenas.items[span->arena - 1].name : NULL };

	for (uint64_t at = 0, next; at < end; at = next) {
		unsigned state = cs_tile_get(span->tiles, at);

		next = cs_span_next(span, at);
		if (!is_free(state))
			continue;
		free.state = state;
		free.size = free.bytes = (next - at) * GRANULE;
		if (!count_free(b, span->arena, &free))
			return false;
	}
	return true;
}

static bool count_all(struct bins *b, const struct cs_model *m)
{
	bool ok = true;

	for (size_t i = 0; ok && i < m->blocks.spans.count; i++)
		if (m->blocks.spans.items[i].allocator == CS_ALLOC_GLIBC)
			ok = count_span(b, m, &m->blocks.spans.items[i]);
	for (size_t i = 0; ok && i < m->blocks.big.count; i++) {
		const struct cs_big_block *big = &m->blocks.big.items[i];
		const struct bin free = { "mmapped", big->state, big->chunk.len, 0, big->chunk.len };

		if (big->allocator == CS_ALLOC_GLIBC && is_free(big->state))
			ok = count_free(b, MAPPED, &free);
	}
	return ok;
}

cs_status cs_build_bins(const struct cs_view_source *source, struct cs_table *table,
			struct cs_error *err)
{
	struct bins b = { 0 };
	bool ok = count_all(&b, source->model);

	for (size_t i = 0; ok && i < b.rows.count; i++) {
		const struct bin *row = &b.rows.items[i];
		struct cs_cell cells[] = { cs_cell_text(row->arena),
					   cs_cell_text(cs_chunk_state_name(row->state)),
					   cs_cell_number(CS_CELL_SIZE, row->size),
					   cs_cell_number(CS_CELL_COUNT, row->count),
					   cs_cell_number(CS_CELL_BYTES, row->bytes) };

		ok = cs_table_add(table, cells);
	}
	cs_vec_free(&b.rows);
	cs_map_deinit(&b.by_key);
	return ok ? CS_OK : cs_build_fail(err);
}

const struct cs_column cs_chunk_columns[] = {
	{ "address", NULL, CS_CELL_ADDRESS, CS_COL_WHOLE },
	{ "size", NULL, CS_CELL_SIZE, 0 },
	{ "state", NULL, CS_CELL_TEXT, CS_COL_WHOLE },
	{ "type", NULL, CS_CELL_TEXT, 0 },
	{ 0 },
};

cs_status cs_build_chunks(const struct cs_view_source *source, struct cs_table *table,
			  struct cs_error *err)
{
	for (size_t i = 0; source->answer && i < source->answer->chunks.count; i++) {
		const struct cs_chunk_row *row = &source->answer->chunks.items[i];
		struct cs_cell cells[] = { cs_cell_number(CS_CELL_ADDRESS, row->addr),
					   cs_cell_number(CS_CELL_SIZE, row->size),
					   cs_cell_text(cs_chunk_state_name(row->state)),
					   cs_cell_text(row->type) };

		if (!cs_table_add(table, cells))
			return cs_build_fail(err);
	}
	return CS_OK;
}
