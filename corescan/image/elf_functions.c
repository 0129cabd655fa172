#include "image/elf_functions.h"
#include "base/sorted.h"
#include "base/vec.h"

#include <elf.h>

enum { BACK_MAX = 32 /* symbols inside a function, of places in it */ };

struct function {
	uint64_t start, size; /* size 0: to the next one */
	const char *name;
};

struct cs_elf_functions {
	const struct cs_elf *elf;
	CS_VEC(struct function) items;
};

/* Up to the version of a symbol: "memcpy@@GLIBC_2.14". */
static size_t plain_len(const char *name)
{
	return strcspn(name, "@");
}

static bool is_function(const unsigned char *sym)
{
	unsigned type = ELF64_ST_TYPE(sym[offsetof(Elf64_Sym, st_info)]);
	unsigned section = cs_le16(sym + offsetof(Elf64_Sym, st_shndx));

	/* assembly has labels without a type, with a size when they are functions */
	return section != SHN_UNDEF && section < SHN_LORESERVE &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC ||
		(type == STT_NOTYPE && cs_le64(sym + offsetof(Elf64_Sym, st_size))));
}

static bool add_table(struct cs_elf_functions *f, struct cs_elf_table t)
{
	for (size_t i = 0; t.names && i < t.count; i++) {
		const unsigned char *sym = t.syms + i * sizeof(Elf64_Sym);
		uint32_t at = cs_le32(sym);
		struct function one = {
			.start = cs_le64(sym + offsetof(Elf64_Sym, st_value)),
			.size = cs_le64(sym + offsetof(Elf64_Sym, st_size)),
			.name = (const char *)t.names + at,
		};

		if (!is_function(sym) || at >= t.names_len || !*one.name ||
		    strnlen(one.name, t.names_len - at) >= t.names_len - at)
			continue;
		if (!cs_vec_push(&f->items, one))
			return false;
	}
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* the better name comes last: that with a size, fewer underscores, shorter */
	if (!x->size != !y->size)
		return x->size ? 1 : -1;

	size_t dashes = strspn(x->name, "_"), other = strspn(y->name, "_");
	size_t len = plain_len(x->name), other_len = plain_len(y->name);

	if (dashes != other)
		return dashes < other ? 1 : -1;
	if (len != other_len)
		return len < other_len ? 1 : -1;
	return strncmp(y->name, x->name, len);
}

struct cs_elf_functions *cs_elf_functions_create(const struct cs_elf *elf,
						 const struct cs_elf *debug)
{
	struct cs_elf_functions *f = calloc(1, sizeof(*f));

	if (f)
		f->elf = elf;
	if (!f || !add_table(f, cs_elf_table(elf, true)) ||
	    !add_table(f, cs_elf_table(elf, false)) ||
	    (debug && debug != elf && !add_table(f, cs_elf_table(debug, false)))) {
		cs_elf_functions_destroy(f);
		return NULL;
	}
	if (f->items.count)
		qsort(f->items.items, f->items.count, sizeof(struct function), by_start);
	return f;
}

void cs_elf_functions_destroy(struct cs_elf_functions *f)
{
	if (f)
		cs_vec_free(&f->items);
	free(f);
}

/* The first function that starts behind vaddr. */
static size_t find_behind(const struct cs_elf_functions *f, uint64_t vaddr)
{
	size_t lo = CS_UPTO(f->items.items, f->items.count, start, vaddr);

	return lo;
}

static bool is_executable(const struct cs_elf *elf, uint64_t vaddr)
{
	const struct cs_elf_load *loads;
	size_t n = cs_elf_loads(elf, &loads);

	for (size_t i = 0; i < n; i++)
		if (loads[i].flags & PF_X &&
		    cs_range_has((struct cs_range){ loads[i].vaddr, loads[i].memsz }, vaddr, 1))
			return true;
	return false;
}

cs_status cs_elf_functions_find(const struct cs_elf_functions *f, uint64_t vaddr, const char **name,
				size_t *len, uint64_t *start)
{
	size_t behind = find_behind(f, vaddr);
	bool is_nearest = true;

	if (!is_executable(f->elf, vaddr))
		return CS_NOTFOUND;
	for (size_t i = behind; i-- > 0 && behind - i <= BACK_MAX;) {
		const struct function *one = &f->items.items[i];

		if (one->size ? vaddr - one->start < one->size : is_nearest) {
			*name = one->name;
			*len = plain_len(one->name);
			*start = one->start;
			return CS_OK;
		}
		is_nearest = is_nearest && i && f->items.items[i - 1].start == one->start;
	}
	return CS_NOTFOUND;
}
