/* mp_, the parameters of malloc. glibc malloc/malloc.c:
 *  - in the file it begins with trim_threshold, top_pad, mmap_threshold of 128 KiB
 *    each and arena_test 8 (64-bit), unless built with other defaults;
 *  - sbrk_base + system_mem is the end of top in a contiguous main arena, also
 *    after foreign sbrk. */
#include "glibc/glibc_find.h"
#include "image/elf_file.h"

enum {
	ARENA_TEST = 24,
	ARENA_TEST_MOST = 1 << 16, /* less than any threshold, which are bytes */
	HUGE_LEAST = 1 << 16,
	PAR_MOST = 144,
	DEFAULT_THRESHOLD = 0x20000,
	DEFAULT_ARENA_TEST = 8,
	NEAR = 0x2000, /* mp_ lies this near to main_arena in all builds seen */
	TCACHE_COUNT_MOST = 65535
};

struct par_test {
	struct cs_glibc *g;
	struct glibc_libc *libc;
	uint64_t system_mem;
	cs_addr sbrk_base; /* what it must be, 0: unknown */
};

static bool field_ok(const struct par_test *t, const struct glibc_par_layout *l,
		     const unsigned char *p)
{
	uint64_t arena_test = cs_le64(p + ARENA_TEST), base = cs_le64(p + l->sbrk_base);
	uint64_t mem = cs_le64(p + l->mmapped_mem), most = cs_le64(p + l->max_mmapped_mem);
	uint32_t n = cs_le32(p + l->n_mmaps), max = cs_le32(p + l->max_n_mmaps);
	uint64_t word;

	if (!arena_test || arena_test >= ARENA_TEST_MOST || n > max || max >> 31 || mem > most ||
	    mem % 16 || cs_le32(p + l->no_dyn_threshold) > 1 || !n != !mem)
		return false;
	if (l->hp_pagesize != GLIBC_NO_FIELD) {
		uint64_t huge = cs_le64(p + l->hp_pagesize);

		if (huge & (huge - 1) || (huge && huge < HUGE_LEAST))
			return false;
	}
	if (l->tcache_bins != GLIBC_NO_FIELD) {
		uint64_t bins = cs_le64(p + l->tcache_bins);

		if (!bins || bins > GLIBC_TCACHE_MOST ||
		    cs_le64(p + l->tcache_count) > TCACHE_COUNT_MOST)
			return false;
	}
	if (!t->system_mem)
		return !base;
	if (t->sbrk_base)
		return base == t->sbrk_base;
	return base && cs_mem_u64(t->g->mem, cs_align_up(base, 16) + 8, &word) && word & GLIBC_P;
}

/* The first layout that fits the bytes at addr. */
static bool try_par(const struct par_test *t, cs_addr addr)
{
	for (unsigned i = 0; i < GLIBC_PAR_LAYOUTS; i++) {
		const struct glibc_par_layout *l = &glibc_par_layouts[i];
		unsigned char buf[PAR_MOST];
		const unsigned char *p;

		if (!glibc_par_fits(t->libc->layout, l))
			continue;
		p = cs_mem_borrow(t->g->mem, addr, l->size, buf);
		if (!p || !field_ok(t, l, p))
			continue;
		t->libc->mp = addr;
		t->libc->par = l;
		t->libc->sbrk_base = cs_le64(p + l->sbrk_base);
		t->libc->n_mmaps = cs_le32(p + l->n_mmaps);
		t->libc->mmapped_mem = cs_le64(p + l->mmapped_mem);
		if (l->hp_pagesize != GLIBC_NO_FIELD)
			t->libc->hp_pagesize = cs_le64(p + l->hp_pagesize);
		if (l->tcache_count != GLIBC_NO_FIELD)
			t->libc->tcache_count = cs_le64(p + l->tcache_count);
		return true;
	}
	return false;
}

/* The pattern of its initial values in the file. */
static cs_addr in_file(struct cs_glibc *g, const struct cs_module *module)
{
	const struct cs_elf_load *loads;
	size_t n = module->elf ? cs_elf_loads(module->elf, &loads) : 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned char *p = cs_elf_view(module->elf, loads[i].vaddr, loads[i].filesz);

		if (!p || !(loads[i].flags & CS_PROT_W))
			continue;
		for (uint64_t off = -loads[i].vaddr % 8;
		     off + 32 <= loads[i].filesz && !glibc_stops(g); off += 8)
			if (cs_le64(p + off) == DEFAULT_THRESHOLD &&
			    cs_le64(p + off + 8) == DEFAULT_THRESHOLD &&
			    cs_le64(p + off + 16) == DEFAULT_THRESHOLD &&
			    cs_le64(p + off + ARENA_TEST) == DEFAULT_ARENA_TEST)
				return module->bias + loads[i].vaddr + off;
	}
	return 0;
}

static bool in_range(const struct par_test *t, cs_addr start, cs_addr end)
{
	for (cs_addr at = cs_align_up(start, 8); at < end && !glibc_stops(t->g); at += 8) {
		uint64_t arena_test;

		if (cs_mem_u64(t->g->mem, at + ARENA_TEST, &arena_test) && arena_test &&
		    arena_test < ARENA_TEST_MOST && try_par(t, at))
			return true;
	}
	return false;
}

static cs_addr expected_base(struct cs_glibc *g, const struct glibc_libc *libc, uint64_t system_mem)
{
	const struct glibc_state_layout *l = libc->layout;
	uint64_t top, size;
	uint32_t flags;

	if (!system_mem || !cs_mem_u32(g->mem, libc->main_arena + 4, &flags) ||
	    flags & GLIBC_NONCONTIGUOUS || !cs_mem_u64(g->mem, libc->main_arena + l->top, &top) ||
	    !cs_mem_u64(g->mem, top + 8, &size))
		return 0;
	return top + (size & ~(uint64_t)GLIBC_FLAGS) - system_mem;
}

static bool search(const struct par_test *t, struct cs_module *module, cs_addr known)
{
	cs_addr arena = t->libc->main_arena;

	if (known && try_par(t, known))
		return true;
	if (in_range(t, arena > NEAR ? arena - NEAR : 0, arena + NEAR))
		return true;
	for (size_t i = 0; module && i < module->writable_count; i++)
		if (in_range(t, module->writable[i].start, cs_range_end(module->writable[i])))
			return true;
	return false;
}

cs_status glibc_find_mp(struct cs_glibc *g, struct glibc_libc *libc)
{
	struct cs_module *module =
		libc->module == CS_NO_MODULE ? NULL : &g->image->modules.items[libc->module];
	cs_addr known = module ? in_file(g, module) : 0;
	struct par_test t = { .g = g, .libc = libc };

	if (!cs_mem_u64(g->mem, libc->main_arena + libc->layout->system_mem, &t.system_mem))
		return CS_NOTFOUND;
	t.sbrk_base = expected_base(g, libc, t.system_mem);
	if (search(&t, module, known))
		return CS_OK;
	if (!t.sbrk_base)
		return CS_NOTFOUND;
	t.sbrk_base = 0; /* the top chunk or system_mem may be corrupt */
	return search(&t, module, known) ? CS_OK : CS_NOTFOUND;
}
