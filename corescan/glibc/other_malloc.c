/* Who serves malloc when it is not glibc. Names of objects and of exported
 * symbols: jemalloc 5, gperftools tcmalloc, mimalloc 2 and 3, TBB, musl, the
 * sanitizers of gcc and clang, valgrind. */
#include "glibc/glibc_find.h"
#include "image/elf_file.h"

enum { LARGE_ANON = 1 << 20 };

struct sign {
	const char *name;   /* as we call it */
	const char *object; /* beginning of a file name, or NULL */
	const char *symbol; /* a symbol only it defines, or NULL */
	bool serves;	    /* malloc is its own whenever it is there */
};

static const struct sign signs[] = {
	{ "jemalloc", "libjemalloc", "mallctlbymib", false },
	{ "jemalloc", NULL, "_rjem_mallctl", false },
	{ "jemalloc", NULL, "je_mallctl", false },
	{ "tcmalloc", "libtcmalloc", "tc_malloc", false },
	{ "tcmalloc", NULL, "MallocExtension_Internal_GetNumericProperty", false },
	{ "mimalloc", "libmimalloc", "mi_malloc", false },
	{ "tbbmalloc", "libtbbmalloc_proxy", NULL, false },
	{ "musl", "ld-musl-", NULL, true },
	{ "AddressSanitizer", "libasan", "__asan_init", true },
	{ "ThreadSanitizer", "libtsan", "__tsan_init", true },
	{ "LeakSanitizer", "liblsan", "__lsan_init", true },
	{ "valgrind", "vgpreload_", NULL, true },
};

static bool matches(const struct cs_module *m, const struct sign *s)
{
	const char *base = strrchr(m->path, '/');
	uint64_t value;

	base = base ? base + 1 : m->path;
	if (s->object && !strncmp(base, s->object, strlen(s->object)))
		return true;
	return s->symbol && m->is_exe && m->elf && cs_elf_symbol(m->elf, s->symbol, &value, NULL) == CS_OK;
}

static uint64_t anonymous_bytes(const struct cs_image *image)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < image->mappings.count; i++) {
		const struct cs_mapping *m = &image->mappings.items[i];

		if (m->kind == CS_MAPPING_ANON && (!m->prot || m->prot & CS_PROT_W))
			sum += cs_mem_present(image->mem, m->range.start, m->range.len);
	}
	return sum;
}

const char *glibc_other_malloc(struct cs_glibc *g, bool is_used)
{
	for (size_t i = 0; i < g->image->modules.count; i++)
		for (size_t k = 0; k < sizeof(signs) / sizeof(*signs); k++) {
			const struct cs_module *m = &g->image->modules.items[i];

			if ((is_used && !signs[k].serves) || !matches(m, &signs[k]))
				continue;
			cs_model_finding(g->model, "allocator", "its object or symbols", NULL,
					 "%s (%s) serves malloc; its heap is not walked", signs[k].name,
					 m->path);
			return signs[k].name;
		}
	if (!is_used && g->libcs.count && anonymous_bytes(g->image) > LARGE_ANON) {
		cs_model_finding(g->model, "allocator", "glibc's arenas are unused", NULL,
				 "another, unknown allocator serves malloc");
		return "unknown";
	}
	return NULL;
}
