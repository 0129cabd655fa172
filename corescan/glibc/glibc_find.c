/* Order of trust: the libc's own file (its relocation of main_arena.next), its
 * symbols, then the shape of the bins in memory. Each hit must close its ring of
 * arenas in the target before it is believed. */
#include "glibc/glibc_find.h"
#include "base/own.h"

enum { LIBCS_MOST = 64, WRITABLE_MOST = 8 };

static bool known(const struct cs_glibc *g, cs_addr base)
{
	for (size_t i = 0; i < g->libcs.count; i++)
		if (g->libcs.items[i].main_arena == base)
			return true;
	return false;
}

static void add_hits(struct cs_glibc *g, uint32_t module, const struct glibc_hit *hits, size_t n)
{
	for (size_t i = 0; i < n && g->libcs.count < LIBCS_MOST; i++) {
		struct glibc_libc libc = {
			.module = module,
			.main_arena = hits[i].main_arena,
			.layout = hits[i].layout,
			.found_by = hits[i].found_by,
		};
		uint64_t len = hits[i].layout->size;

		/* initial values out of a file say nothing about the process */
		if (known(g, libc.main_arena) ||
		    cs_mem_present(g->mem, libc.main_arena, len) != len)
			continue;
		if (!cs_vec_push(&g->libcs, libc))
			g->no_memory = true;
	}
}

static bool is_libc_name(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	return !strncmp(base, "libc.so", 7) || !strncmp(base, "libc-2.", 7) ||
	       !strncmp(base, "libc_malloc_debug", 17);
}

static void by_symbol(struct cs_glibc *g, uint32_t nr)
{
	struct cs_module *module = &g->image->modules.items[nr];
	struct glibc_hit hit = { .found_by = "symbol" };
	uint64_t size = 0;

	if (cs_module_symbol(module, g->image, "main_arena", &hit.main_arena, &size))
		return;
	for (unsigned i = 0; i < GLIBC_STATE_LAYOUTS; i++)
		if (glibc_state_layouts[i].size == size) {
			hit.layout = &glibc_state_layouts[i];
			if (glibc_is_state(g->mem, hit.main_arena, hit.layout, false))
				add_hits(g, nr, &hit, 1);
		}
}

static void by_memory(struct cs_glibc *g, uint32_t nr)
{
	struct glibc_hit hits[GLIBC_HITS];
	struct cs_range ranges[WRITABLE_MOST];
	size_t n = cs_module_writable(&g->image->modules.items[nr], g->image, ranges, WRITABLE_MOST);

	for (size_t i = 0; i < n; i++)
		add_hits(g, nr, hits, glibc_hits_in_memory(g, ranges[i], hits, GLIBC_HITS));
}

/* No module holds one (or no module is known): look everywhere it can be. */
static void by_whole_image(struct cs_glibc *g)
{
	struct glibc_hit hits[GLIBC_HITS];

	for (size_t i = 0; i < g->image->mappings.count; i++) {
		const struct cs_mapping *m = &g->image->mappings.items[i];

		if (m->kind == CS_MAPPING_KERNEL || m->kind == CS_MAPPING_SHARED ||
		    (m->prot && !(m->prot & CS_PROT_W)))
			continue;
		add_hits(g, m->module, hits, glibc_hits_in_memory(g, m->range, hits, GLIBC_HITS));
	}
}

static void search(struct cs_glibc *g)
{
	struct glibc_hit hits[GLIBC_HITS];
	uint32_t modules = (uint32_t)g->image->modules.count;

	for (uint32_t i = 0; i < modules && !cs_pulse_look(g->model->pulse); i++) {
		const struct cs_module *m = &g->image->modules.items[i];
		size_t before = g->libcs.count;

		add_hits(g, i, hits, glibc_hits_in_file(g, m, hits, GLIBC_HITS));
		if (g->libcs.count == before && is_libc_name(m->path))
			by_symbol(g, i);
		if (g->libcs.count == before && (!m->elf || is_libc_name(m->path)))
			by_memory(g, i);
	}
	for (uint32_t i = 0; !g->libcs.count && i < modules; i++)
		by_memory(g, i);
	if (!g->libcs.count)
		by_whole_image(g);
}

static uint64_t system_mem(struct cs_glibc *g, const struct glibc_libc *libc)
{
	uint64_t v = 0;

	return cs_mem_u64(g->mem, libc->main_arena + libc->layout->system_mem, &v) ? v : 0;
}

/* The libc whose heap is the brk heap comes first, else the biggest. */
static void main_first(struct cs_glibc *g)
{
	size_t best = 0;
	bool best_brk = false;

	for (size_t i = 0; i < g->libcs.count; i++) {
		const struct glibc_libc *l = &g->libcs.items[i];
		uint32_t flags = GLIBC_NONCONTIGUOUS;
		bool brk = system_mem(g, l) && cs_mem_u32(g->mem, l->main_arena + 4, &flags) &&
			   !(flags & GLIBC_NONCONTIGUOUS);

		if (brk > best_brk || (brk == best_brk &&
				       system_mem(g, l) > system_mem(g, &g->libcs.items[best]))) {
			best = i;
			best_brk = brk;
		}
	}

	struct glibc_libc first = g->libcs.items[best];

	memmove(g->libcs.items + 1, g->libcs.items, best * sizeof(first));
	g->libcs.items[0] = first;
}

static void tell(struct cs_glibc *g, const struct glibc_libc *libc)
{
	const char *path = libc->module == CS_NO_MODULE ? "" :
							  g->image->modules.items[libc->module].path;

	cs_model_finding(g->model, "libc", libc->found_by, "its ring of arenas closes",
			 "glibc %s, malloc_state %s, main_arena at " CS_ADDR "%s%s",
			 libc->version ? libc->version : "of unknown version", libc->layout->name,
			 libc->main_arena, *path ? " in " : "", path);
	if (libc->mp)
		cs_model_finding(g->model, "malloc parameters", "its values",
				 "sbrk_base, counts and limits agree with the arena",
				 "malloc_par %s, mp_ at " CS_ADDR, libc->par->name, libc->mp);
	else
		cs_model_finding(g->model, "malloc parameters", "its values", NULL,
				 "mp_ was not found: the count of mmapped blocks cannot be checked");
}

static cs_status load(struct cs_glibc *g, struct cs_error *err)
{
	cs_status st = CS_OK;

	for (uint32_t i = 0; !st && i < g->libcs.count; i++) {
		struct glibc_libc *l = &g->libcs.items[i];

		if (l->module != CS_NO_MODULE)
			l->version = glibc_version_text(g, &g->image->modules.items[l->module]);
		if (l->version && !strncmp(l->version, "2.", 2))
			l->minor = (unsigned)strtoul(l->version + 2, NULL, 10);
		cs_ignore(glibc_find_mp(g, l), "libc->mp says it");
		tell(g, l);
		st = glibc_load_arenas(g, i, err);
	}
	return st;
}

static cs_status fill_target(struct cs_glibc *g)
{
	uint64_t used = 0;

	for (size_t i = 0; i < g->libcs.count; i++)
		for (uint32_t k = 0; k < g->libcs.items[i].arena_count; k++)
			used += g->arenas.items[g->libcs.items[i].first_arena + k].system_mem;
	g->model->target.libc.other = glibc_other_malloc(g, used != 0);
	if (!g->libcs.count)
		return CS_NOTFOUND;
	g->model->target.libc.found = true;
	g->model->target.libc.version = g->libcs.items[0].version;
	g->model->target.libc.found_by = g->libcs.items[0].found_by;
	g->model->target.libc.arenas = g->arenas.count;
	return CS_OK;
}

cs_status cs_glibc_find(struct cs_image *image, struct cs_model *model, struct cs_glibc **out,
			struct cs_error *err)
{
	__attribute__((cleanup(cs_glibc_destroyp))) struct cs_glibc *g = calloc(1, sizeof(*g));

	if (!g)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the state of malloc");
	g->image = image;
	g->mem = image->mem;
	g->model = model;
	search(g);
	if (g->libcs.count)
		main_first(g);

	cs_status st = load(g, err);

	if (!st && g->no_memory)
		st = cs_fail(err, CS_NOMEM, 0, "no memory for the state of malloc");
	if (!st)
		st = fill_target(g);
	st = cs_pulse_result(model->pulse, st, err);
	if (!st)
		*out = cs_steal(g);
	return st;
}

void cs_glibc_destroy(struct cs_glibc *g)
{
	if (!g)
		return;
	cs_vec_free(&g->libcs);
	cs_vec_free(&g->arenas);
	cs_vec_free(&g->pieces);
	cs_vec_free(&g->tcaches);
	cs_vec_free(&g->mapped_cached);
	free(g);
}
