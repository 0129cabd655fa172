/* Thousands of spoiled cores, the same ones every time: none may crash, hang
 * or break an invariant. Mutants are made from a forged core that maps this
 * very program, and fall mostly on headers and notes. CS_MUTANTS=N for more. */
#include "forge_core.h"
#include "image/elf_file.h"
#include "cs_test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE 0x7f0000000000ull

enum { PAGE = 4096, MUTANTS = 20000, ELF_MUTANTS = 1500, LOOK_MAX = 1 << 20 };

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned char *make_core(size_t *len)
{
	struct forge f = { .loads = { NULL, 0, 0 } };
	char self[PATH_MAX] = "";
	struct cs_elf *elf;
	struct forge_file files[18];
	const struct cs_elf_load *l;
	size_t elf_len, n, count = 0;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_int_equal(cs_elf_open(self, &elf, NULL), CS_OK);
	n = cs_elf_loads(elf, &l);
	for (size_t i = 0; i < n && i < 16; i++) {
		uint64_t start = BASE + cs_align_down(l[i].vaddr, PAGE);
		uint64_t end = BASE + cs_align_up(l[i].vaddr + l[i].filesz, PAGE);

		files[count++] = (struct forge_file){ start, end, l[i].off / PAGE, self };
		if (!i)
			forge_load_bytes(&f, start, l[i].flags & 7, cs_elf_bytes(elf, &elf_len), PAGE,
					 end - start);
		else
			forge_load(&f, start, l[i].flags & 7, l[i].flags & PF_W ? PAGE : 0, end - start);
	}
	files[count++] = (struct forge_file){ FORGE_HEAP - PAGE, FORGE_HEAP, 0, "/dev/shm/x" };
	forge_files(&f, files, count);
	forge_ordinary(&f);

	unsigned char *file = forge_build(&f, len);

	cs_elf_close(elf);
	forge_deinit(&f);
	return file;
}

/* Where to spoil: the headers and notes three times out of four. */
static size_t pick_place(const unsigned char *file, size_t len)
{
	const Elf64_Phdr *notes = (const Elf64_Phdr *)(file + sizeof(Elf64_Ehdr));
	size_t head = notes->p_offset + notes->p_filesz + PAGE; /* and the ELF header page */

	return next_random() % (next_random() % 4 ? head : len);
}

static size_t mutate(unsigned char *m, const unsigned char *file, size_t len)
{
	static const uint64_t nasty[] = { 0, 1, 7, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 1ull << 32,
					  INT64_MAX, UINT64_MAX, UINT64_MAX - 4095, 4096 };
	size_t changes = 1 + next_random() % 4;

	memcpy(m, file, len);
	for (size_t i = 0; i < changes; i++) {
		size_t at = pick_place(file, len);
		uint64_t kind = next_random() % 4;
		uint64_t v = nasty[next_random() % (sizeof(nasty) / sizeof(*nasty))];
		size_t width = 1u << next_random() % 4;

		if (kind == 0) {
			m[at] ^= (unsigned char)(1 << next_random() % 8);
		} else if (kind == 1) {
			m[at] = (unsigned char)next_random();
		} else { /* a number of natural width, in its place */
			at -= at % width;
			memcpy(m + at, &v, width < len - at ? width : len - at);
		}
	}
	return next_random() % 8 ? len : 1 + next_random() % len;
}

static void check_memory(struct cs_mem *mem)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < mem->segs.count; i++) {
		const struct cs_mem_seg *s = &mem->segs.items[i];
		const unsigned char *p = cs_mem_view(mem, s->start, s->len);
		unsigned char x = 0;

		assert_non_null(p);
		for (uint64_t k = 0; k < s->len && k < LOOK_MAX; k += 512)
			x ^= p[k];
		x ^= p[s->len - 1];
		sum += s->is_target ? s->len : x & 0u;
		assert_true(s->len && s->start + s->len > s->start);
		assert_true(!i || s[-1].start + s[-1].len <= s->start);
	}
	assert_int_equal(sum, mem->present);
	assert_int_equal(sum, cs_mem_present(mem, 0, UINT64_MAX));
	assert_true(mem->present <= mem->mapped);
}

static void check_image(struct cs_image *image)
{
	struct cs_range w[CS_MODULE_WRITABLE], text;
	cs_addr addr;

	for (size_t i = 1; i < image->mappings.count; i++)
		assert_true(cs_range_end(image->mappings.items[i - 1].range) <=
			    image->mappings.items[i].range.start);
	for (size_t i = 0; i < image->modules.count; i++) {
		struct cs_module *m = &image->modules.items[i];
		size_t n = cs_module_writable(m, image, w, CS_MODULE_WRITABLE);

		for (size_t k = 0; k < n; k++)
			assert_true(cs_range_has(m->range, w[k].start, w[k].len));
		assert_non_null(m->path);
		assert_int_equal(m->elf != NULL, m->file <= CS_FILE_UNVERIFIED);
		if (cs_module_symbol(m, image, "main", &addr, NULL) == CS_OK)
			cs_mem_view(image->mem, addr, 16);
		cs_ignore(cs_module_section(m, ".text", &text), "any answer is good");
	}
}

TEST(no_mutant_breaks_anything)
{
	size_t len, opened = 0, with_module = 0;
	unsigned char *file = make_core(&len), *m = malloc(len);
	const char *more = getenv("CS_MUTANTS");
	long n = more ? atol(more) : MUTANTS;

	assert_non_null(m);
	for (long i = 0; i < n; i++) {
		struct cs_core *core;
		struct cs_image *image;
		struct cs_error err = { .text = "" };
		size_t cut = mutate(m, file, len);
		cs_status st = forge_open(m, cut, &core, &err);

		if (st) {
			assert_true(*err.text);
			continue;
		}
		opened++;
		assert_int_equal(cs_image_of_core(core, NULL, &image, &err), CS_OK);
		with_module += image->modules.count > 0;
		check_memory(image->mem);
		check_image(image);
		cs_image_destroy(image);
		cs_core_close(core);
	}
	/* a mutation loop that spoils everything tests nothing */
	assert_true(opened * 2 > (size_t)n);
	assert_true(with_module * 4 > (size_t)n);
	free(m);
	free(file);
}

static bool count_one(uint64_t offset, uint64_t addend, void *ctx)
{
	(void)offset, (void)addend;
	return ++*(size_t *)ctx < 1000000;
}

static void use_elf(struct cs_elf *elf)
{
	const struct cs_elf_load *l;
	size_t len, n = cs_elf_loads(elf, &l), relatives = 0;
	uint64_t a, b;

	cs_elf_build_id(elf, &len);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *p = cs_elf_view(elf, l[i].vaddr, l[i].filesz);

		assert_true(!p || !l[i].filesz || p[0] + p[l[i].filesz - 1] >= 0);
	}
	cs_ignore(cs_elf_symbol(elf, "main", &a, &b), "any answer is good");
	cs_ignore(cs_elf_symbol(elf, "no such symbol", &a, NULL), "any answer is good");
	cs_ignore(cs_elf_tls_symbol(elf, "none", &a, &b), "any answer is good");
	cs_ignore(cs_elf_section(elf, ".data", &a, &b), "any answer is good");
	cs_ignore(cs_elf_tls(elf, &a, &b), "any answer is good");
	cs_ignore(cs_elf_relatives(elf, count_one, &relatives), "any answer is good");
	cs_elf_dwarf(elf);
}

/* The file behind a mapping is as hostile as the core. */
TEST(no_spoiled_elf_file_breaks_anything)
{
	struct cs_elf *whole;
	size_t len, opened = 0;

	assert_int_equal(cs_elf_open("/proc/self/exe", &whole, NULL), CS_OK);

	const unsigned char *bytes = cs_elf_bytes(whole, &len);
	unsigned char *m = malloc(len);
	uint64_t sections = cs_le64(bytes + offsetof(Elf64_Ehdr, e_shoff));

	assert_non_null(m);
	for (int i = 0; i < ELF_MUTANTS; i++) {
		struct cs_elf *elf;
		struct cs_error err = { .text = "" };
		const char *path;
		size_t at = next_random() % 2 ? next_random() % 8192 :
						sections + next_random() % (len - sections);
		uint64_t v = next_random() % 3 ? next_random() >> next_random() % 64 : UINT64_MAX;

		memcpy(m, bytes, len);
		memcpy(m + at, &v, len - at < 8 ? len - at : 8);
		path = forge_write(m, next_random() % 8 ? len : 1 + next_random() % len);
		if (cs_elf_open(path, &elf, &err) == CS_OK) {
			opened++;
			use_elf(elf);
			cs_elf_close(elf);
		} else {
			assert_true(*err.text);
		}
		unlink(path);
	}
	assert_true(opened > ELF_MUTANTS / 4);
	cs_elf_close(whole);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mutant_breaks_anything),
		cmocka_unit_test(no_spoiled_elf_file_breaks_anything),
	};

	alarm(300); /* a hang is a failure too */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
