/* What the file of a libc (or of a static program) says about its malloc.
 *
 * malloc/malloc.c: main_arena is initialised with .next = &main_arena and, from
 * 2.23, .attached_threads = 1. So there is one relative relocation whose addend
 * is its own place less the offset of next; a program linked at fixed addresses
 * holds that word itself. The offset tells the generation. */
#include "glibc/glibc_find.h"
#include "image/elf_file.h"

enum { ATTACHED_FROM_NEXT = 16, VERSION_ROOM = 256, WINDOW = 1 << 18, WORDS_LOOK = 512 };

struct file_search {
	const struct cs_module *module;
	struct glibc_hit *hits;
	size_t count, max;
};

static bool has_hit(const struct file_search *s, cs_addr base)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->hits[i].main_arena == base)
			return true;
	return false;
}

/* Is the word at vaddr main_arena.next, pointing at `base`? Both of the file. */
static void consider(struct file_search *s, uint64_t vaddr, uint64_t base)
{
	for (unsigned i = 0; i < GLIBC_STATE_LAYOUTS; i++) {
		const struct glibc_state_layout *l = &glibc_state_layouts[i];
		const unsigned char *p;

		if (vaddr - base != l->next || s->count == s->max)
			continue;
		p = cs_elf_view(s->module->elf, vaddr + ATTACHED_FROM_NEXT, 8);
		if (!p || cs_le64(p) != (l->attached == GLIBC_NO_FIELD ? 0 : 1))
			continue;
		if (!has_hit(s, base + s->module->bias))
			s->hits[s->count++] = (struct glibc_hit){ base + s->module->bias, l,
								  "relocation" };
		return;
	}
}

static bool see_relocation(uint64_t offset, uint64_t addend, void *ctx)
{
	struct file_search *s = ctx;

	consider(s, offset, addend);
	return s->count < s->max;
}

static void search_words(struct cs_glibc *g, struct file_search *s)
{
	const struct cs_elf_load *loads;
	size_t n = cs_elf_loads(s->module->elf, &loads);

	for (size_t i = 0; i < n; i++) {
		const unsigned char *p = cs_elf_view(s->module->elf, loads[i].vaddr, loads[i].filesz);
		uint64_t skew = -loads[i].vaddr % 8;

		if (!p || !(loads[i].flags & CS_PROT_W))
			continue;
		for (uint64_t off = skew; off + 8 <= loads[i].filesz; off += 8) {
			if (off % WORDS_LOOK == skew && glibc_stops(g))
				return;
			if (loads[i].vaddr + off - cs_le64(p + off) < 4096)
				consider(s, loads[i].vaddr + off, cs_le64(p + off));
		}
	}
}

size_t glibc_hits_in_file(struct cs_glibc *g, const struct cs_module *module,
			  struct glibc_hit *hits, size_t max)
{
	struct file_search s = { .module = module, .hits = hits, .max = max };
	size_t kept = 0;

	if (!module->elf)
		return 0;
	cs_ignore(cs_elf_relatives(module->elf, see_relocation, &s), "no tables, no hits");
	if (!s.count && cs_elf_is_fixed(module->elf))
		search_words(g, &s);
	for (size_t i = 0; i < s.count; i++)
		if (glibc_is_state(g->mem, hits[i].main_arena, hits[i].layout, false))
			hits[kept++] = hits[i];
	return kept;
}

/* "GNU C Library (... ) stable release version 2.36." It begins in the window. */
static const char *version_in(struct cs_glibc *g, const char *p, size_t len)
{
	static const char mark[] = "GNU C Library (", word[] = "release version ";
	const char *end = p + len, *window = len < WINDOW ? end : p + WINDOW;

	while (p < window && (p = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1))) {
		size_t room = (size_t)(end - p) < VERSION_ROOM ? (size_t)(end - p) : VERSION_ROOM;
		const char *v = memmem(p, room, word, sizeof(word) - 1);
		size_t n = 0;

		p += sizeof(mark) - 1;
		if (!v)
			continue;
		v += sizeof(word) - 1;
		while (v + n < end && n < 8 && ((v[n] >= '0' && v[n] <= '9') || v[n] == '.'))
			n++;
		while (n && v[n - 1] == '.')
			n--;
		if (n >= 3)
			return cs_arena_text(&g->model->strings, v, n);
	}
	return NULL;
}

const char *glibc_version_text(struct cs_glibc *g, const struct cs_module *module)
{
	struct cs_mem_seg *seg = cs_mem_find_next(g->mem, module->range.start);

	for (; seg && seg < g->mem->segs.items + g->mem->segs.count; seg++) {
		cs_addr from = seg->start > module->range.start ? seg->start : module->range.start;

		if (!cs_range_has(module->range, from, 1))
			break;

		uint64_t room = seg->len - (from - seg->start);
		uint64_t want = module->range.len - (from - module->range.start);
		uint64_t len = room < want ? room : want;

		for (uint64_t off = 0; off < len; off += WINDOW) {
			uint64_t part = WINDOW + 2 * VERSION_ROOM;
			const char *p, *version;

			part = part < len - off ? part : len - off;
			p = (const char *)cs_mem_view(g->mem, from + off, part);
			version = p ? version_in(g, p, (size_t)part) : NULL;
			if (version || cs_pulse_look(g->model->pulse))
				return version;
		}
	}
	return NULL;
}
