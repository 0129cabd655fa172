/* This very program is the ELF file; the loader's view of it is the oracle. */
#include "forge_core.h"
#include "self_elf.h"
#include "cs_test.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern int cs_test_marker;
extern int *cs_test_pointer;
extern __thread int cs_test_tls;
int cs_test_marker = 42;
int *cs_test_pointer = &cs_test_marker;
__thread int cs_test_tls = 7;

/* A local of that name becomes "cs_test_local.0" in the symbol table. */
static int *local_of_function(void)
{
	static int cs_test_local = 3;

	return &cs_test_local;
}

TEST(symbols_have_the_loaders_addresses)
{
	uint64_t value, size;

	assert_int_equal(cs_elf_symbol(self_elf, "cs_test_marker", &value, &size), CS_OK);
	assert_int_equal(value + self_bias, (uintptr_t)&cs_test_marker);
	assert_int_equal(size, sizeof(int));
	assert_int_equal(cs_elf_symbol(self_elf, "main", &value, NULL), CS_OK);
}

TEST(a_name_may_have_a_suffix_but_no_tail)
{
	uint64_t value;

	assert_int_equal(*local_of_function(), 3);
	assert_int_equal(cs_elf_symbol(self_elf, "cs_test_local", &value, NULL), CS_OK);
	assert_int_equal(value + self_bias, (uintptr_t)local_of_function());
	assert_int_equal(cs_elf_symbol(self_elf, "cs_test_mark", &value, NULL), CS_NOTFOUND);
	assert_int_equal(cs_elf_symbol(self_elf, "cs_test_marker2", &value, NULL), CS_NOTFOUND);
	assert_int_equal(cs_elf_symbol(self_elf, "dl_iterate_phdr", &value, NULL), CS_NOTFOUND);
}

TEST(thread_local_symbols_are_their_own_kind)
{
	uint64_t value, size, align;

	assert_int_equal(cs_test_tls, 7);
	assert_int_equal(cs_elf_symbol(self_elf, "cs_test_tls", &value, NULL), CS_NOTFOUND);
	assert_int_equal(cs_elf_tls_symbol(self_elf, "cs_test_tls", &value, &size), CS_OK);
	assert_int_equal(size, sizeof(int));
	assert_int_equal(cs_elf_tls_symbol(self_elf, "cs_test_marker", &value, NULL), CS_NOTFOUND);
	assert_int_equal(cs_elf_tls(self_elf, &size, &align), CS_OK);
	assert_true(size >= sizeof(int) && value <= size - sizeof(int) && align >= sizeof(int));
}

TEST(sections_and_bytes_lie_where_they_are_loaded)
{
	uint64_t addr, size;
	const unsigned char *p;

	assert_int_equal(cs_elf_section(self_elf, ".text", &addr, &size), CS_OK);
	p = cs_elf_view(self_elf, addr, size);
	assert_non_null(p);
	assert_memory_equal(p, (const void *)(uintptr_t)(addr + self_bias), size);
	assert_int_equal(cs_elf_section(self_elf, ".no.such", &addr, &size), CS_NOTFOUND);
	assert_null(cs_elf_view(self_elf, UINT64_MAX - 4, 8));
	assert_null(cs_elf_view(self_elf, 0, UINT64_MAX));
}

struct search {
	uint64_t at, addend;
	size_t seen;
	bool found;
};

static bool look(uint64_t offset, uint64_t addend, void *ctx)
{
	struct search *s = ctx;

	s->seen++;
	s->found |= offset == s->at && addend == s->addend;
	return true;
}

TEST(relative_relocations_are_all_told)
{
	struct search s = { .at = (uintptr_t)&cs_test_pointer - self_bias,
			    .addend = (uintptr_t)&cs_test_marker - self_bias };

	if (cs_elf_is_fixed(self_elf))
		skip(); /* nothing to relocate */
	assert_ptr_equal(cs_test_pointer, &cs_test_marker);
	assert_int_equal(cs_elf_relatives(self_elf, look, &s), CS_OK);
	assert_true(s.found);
}

static bool stop_at_once(uint64_t offset, uint64_t addend, void *ctx)
{
	(void)offset, (void)addend;
	++*(size_t *)ctx;
	return false;
}

TEST(relocations_stop_when_told_to)
{
	size_t n = 0;

	if (cs_elf_is_fixed(self_elf))
		skip();
	assert_int_equal(cs_elf_relatives(self_elf, stop_at_once, &n), CS_OK);
	assert_int_equal(n, 1);
}

TEST(debug_data_opens_on_first_use)
{
	if (!cs_elf_has_dwarf(self_elf))
		skip(); /* built without -g */
	assert_non_null(cs_elf_dwarf(self_elf));
	assert_ptr_equal(cs_elf_dwarf(self_elf), cs_elf_dwarf(self_elf));
	assert_false(cs_elf_is_debug(self_elf));
}

struct tiny { /* a whole ELF file with nothing but relocations */
	Elf64_Ehdr e;
	Elf64_Phdr load, dynamic;
	Elf64_Dyn dyn[3];
	uint64_t relr[4];
	uint64_t words[80];
};

static void make_tiny(struct tiny *t)
{
	memset(t, 0, sizeof(*t));
	memcpy(t->e.e_ident, ELFMAG, SELFMAG);
	t->e.e_ident[EI_CLASS] = ELFCLASS64;
	t->e.e_ident[EI_DATA] = ELFDATA2LSB;
	t->e.e_ident[EI_VERSION] = EV_CURRENT;
	t->e.e_type = ET_DYN;
	t->e.e_machine = EM_X86_64;
	t->e.e_version = EV_CURRENT;
	t->e.e_phoff = offsetof(struct tiny, load);
	t->e.e_ehsize = sizeof(t->e);
	t->e.e_phentsize = sizeof(t->load);
	t->e.e_phnum = 2;
	t->load = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = sizeof(*t), .p_memsz = sizeof(*t) };
	t->dynamic = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_offset = offsetof(struct tiny, dyn),
				   .p_filesz = sizeof(t->dyn) };
	t->dyn[0] = (Elf64_Dyn){ 35, { sizeof(t->relr) } };		     /* DT_RELRSZ */
	t->dyn[1] = (Elf64_Dyn){ 36, { offsetof(struct tiny, relr) } }; /* DT_RELR */
	for (uint64_t i = 0; i < 80; i++)
		t->words[i] = 0x1000 + i;
}

static cs_status open_bytes(const void *bytes, size_t len, struct cs_elf **out, struct cs_error *err)
{
	const char *path = forge_write(bytes, len);
	cs_status st = cs_elf_open(path, out, err);

	unlink(path);
	return st;
}

struct list {
	uint64_t at[16], addend[16];
	size_t n;
};

static bool keep(uint64_t offset, uint64_t addend, void *ctx)
{
	struct list *l = ctx;

	assert_true(l->n < 16);
	l->at[l->n] = offset;
	l->addend[l->n++] = addend;
	return true;
}

TEST(packed_relocations_are_unpacked)
{
	const uint64_t words = offsetof(struct tiny, words);
	struct list l = { .n = 0 };
	struct cs_elf *e;
	struct tiny t;

	make_tiny(&t);
	t.relr[0] = words;			/* word 0 */
	t.relr[1] = 1 | 1ull << 1 | 1ull << 63; /* words 1 and 63 */
	t.relr[2] = 1 | 1ull << 2;		/* word 65: after 64 */
	t.relr[3] = UINT64_MAX - 1;		/* an address that is nowhere */
	assert_int_equal(open_bytes(&t, sizeof(t), &e, NULL), CS_OK);
	assert_int_equal(cs_elf_relatives(e, keep, &l), CS_OK);
	assert_int_equal(l.n, 4);

	static const uint64_t expect[] = { 0, 1, 63, 65 };

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(l.at[i], words + 8 * expect[i]);
		assert_int_equal(l.addend[i], 0x1000 + expect[i]);
	}
	cs_elf_close(e);
}

TEST(tables_outside_of_the_file_are_no_tables)
{
	struct list l = { .n = 0 };
	struct cs_elf *e;
	struct tiny t;

	make_tiny(&t);
	t.dyn[0].d_un.d_val = sizeof(t);
	assert_int_equal(open_bytes(&t, sizeof(t), &e, NULL), CS_OK);
	assert_int_equal(cs_elf_relatives(e, keep, &l), CS_NOTFOUND);
	cs_elf_close(e);
}

TEST(what_is_no_elf_file_of_ours_is_refused)
{
	struct cs_error err = { .text = "" };
	struct cs_elf *e = NULL;
	struct tiny t;

	assert_int_equal(cs_elf_open("/nowhere/x", &e, &err), CS_OS);
	assert_non_null(strstr(err.text, strerror(ENOENT)));
	assert_int_equal(cs_elf_open("/tmp", &e, &err), CS_OS);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(cs_elf_open("/dev/null", &e, &err), CS_OS);
	assert_int_equal(open_bytes("text", 4, &e, &err), CS_CORRUPT);
	make_tiny(&t);
	t.e.e_ident[0] = 'X';
	assert_int_equal(open_bytes(&t, sizeof(t), &e, &err), CS_CORRUPT);
	make_tiny(&t);
	t.e.e_machine = EM_AARCH64;
	assert_int_equal(open_bytes(&t, sizeof(t), &e, &err), CS_UNSUPPORTED);
	make_tiny(&t);
	t.e.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(open_bytes(&t, sizeof(t), &e, &err), CS_UNSUPPORTED);
	make_tiny(&t);
	t.e.e_type = ET_REL;
	assert_int_equal(open_bytes(&t, sizeof(t), &e, &err), CS_UNSUPPORTED);
	assert_null(e);
}

TEST(a_fifo_does_not_hang)
{
	char path[] = "/tmp/fifo-XXXXXX";
	struct cs_elf *e;

	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(cs_elf_open(path, &e, NULL), CS_OS);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbols_have_the_loaders_addresses),
		cmocka_unit_test(a_name_may_have_a_suffix_but_no_tail),
		cmocka_unit_test(thread_local_symbols_are_their_own_kind),
		cmocka_unit_test(sections_and_bytes_lie_where_they_are_loaded),
		cmocka_unit_test(relative_relocations_are_all_told),
		cmocka_unit_test(relocations_stop_when_told_to),
		cmocka_unit_test(debug_data_opens_on_first_use),
		cmocka_unit_test(packed_relocations_are_unpacked),
		cmocka_unit_test(tables_outside_of_the_file_are_no_tables),
		cmocka_unit_test(what_is_no_elf_file_of_ours_is_refused),
		cmocka_unit_test(a_fifo_does_not_hang),
	};

	return cmocka_run_group_tests(tests, self_open, self_close);
}
