#include "glibc/glibc_ranges.h"

static int by_start(const void *a, const void *b)
{
	const struct cs_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool can_hold_heap(const struct cs_mapping *m)
{
	if (m->prot && !(m->prot & CS_PROT_W))
		return false;
	if (m->path && strstr(m->path, "anon_hugepage"))
		return true; /* private huge pages have a name too */
	return m->kind == CS_MAPPING_ANON || m->kind == CS_MAPPING_HEAP;
}

static bool list_claims(struct cs_glibc *g, struct glibc_ranges *out)
{
	const struct cs_image *image = g->image;

	for (size_t i = 0; i < g->model->regions.count; i++)
		if (!cs_vec_push(out, g->model->regions.items[i].range))
			return false;
	for (size_t i = 0; i < image->threads.count; i++) {
		const struct cs_thread *t = &image->threads.items[i];
		const struct cs_mapping *m = cs_image_mapping(image, t->sp);
		cs_addr end;

		if (!m)
			continue;
		end = cs_range_has(m->range, t->fs_base, 1) && t->fs_base > t->sp ?
			      t->fs_base : t->sp + image->page_size;
		if (!cs_vec_push(out, (struct cs_range){ t->sp, end - t->sp }))
			return false;
	}
	/* only what a module really has: mmap likes the holes between its segments */
	for (size_t i = 0; i < image->modules.count; i++)
		for (size_t k = 0; k < image->modules.items[i].writable_count; k++)
			if (!cs_vec_push(out, image->modules.items[i].writable[k]))
				return false;
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), by_start);
	return true;
}

/* r without the claims; *at is the first claim that may reach into r. */
static bool subtract(struct glibc_ranges *out, struct cs_range r, const struct glibc_ranges *claims,
		     size_t *at)
{
	cs_addr pos = r.start, end = cs_range_end(r);

	for (size_t i = *at; i < claims->count && claims->items[i].start < end; i++) {
		cs_addr from = claims->items[i].start, stop = cs_range_end(claims->items[i]);

		if (stop <= pos) {
			if (i == *at)
				++*at;
			continue;
		}
		if (from > pos && !cs_vec_push(out, (struct cs_range){ pos, from - pos }))
			return false;
		pos = stop;
	}
	return pos >= end || cs_vec_push(out, (struct cs_range){ pos, end - pos });
}

cs_status glibc_ranges_list(struct cs_glibc *g, struct glibc_ranges *out, struct cs_error *err)
{
	const struct cs_mapping *items = g->image->mappings.items;
	size_t count = g->image->mappings.count, at = 0;
	struct glibc_ranges claims = { 0 };
	bool ok = list_claims(g, &claims);

	for (size_t i = 0; ok && i < count; i++) {
		struct cs_range run = items[i].range;

		if (!can_hold_heap(&items[i]))
			continue;
		while (i + 1 < count && can_hold_heap(&items[i + 1]) &&
		       items[i + 1].range.start == cs_range_end(run))
			run.len += items[++i].range.len;
		ok = subtract(out, run, &claims, &at);
	}
	cs_vec_free(&claims);
	return ok ? CS_OK : cs_fail(err, CS_NOMEM, 0, "no memory for the unclaimed ranges");
}
