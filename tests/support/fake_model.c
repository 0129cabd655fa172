#include "fake_model.h"

#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_model_empty(struct cs_model *m)
{
	*m = (struct cs_model){ .target = { .kind = "core", .path = "core.1", .command = "" } };
}

void fake_type(struct cs_model *m, const char *name, enum cs_type_kind kind, uint64_t count,
	       uint64_t bytes)
{
	uint32_t nr;

	assert_int_equal(cs_model_type(m, name, kind, &nr, NULL), CS_OK);
	m->types.items[nr].count = count;
	m->types.items[nr].shallow = bytes / 2;
	m->types.items[nr].bytes = bytes;
}

void fake_ledger(struct cs_model *m, enum cs_category category, uint64_t bytes, uint64_t blocks)
{
	m->ledger[category].bytes += bytes;
	m->ledger[category].blocks += blocks;
	m->target.present += bytes;
}

/* Chunks one behind the other, the last to the end of the span. */
static void fake_span(struct cs_model *m, cs_addr start, uint32_t arena,
		      const enum cs_block_state *states, const unsigned *sizes, size_t count)
{
	struct cs_range range = { start, 4096 };
	uint32_t nr;

	assert_int_equal(cs_blocks_add_span(&m->blocks, range, CS_ALLOC_GLIBC, CS_BLOCK_USED, &nr, NULL),
			 CS_OK);
	m->blocks.spans.items[nr].arena = arena;
	for (size_t i = 0; i < count; start += sizes[i++])
		cs_span_mark(&m->blocks.spans.items[nr], start, states[i]);
}

/* Two heaps and a mapped block in a tcache. */
static void fake_blocks(struct cs_model *m)
{
	static const enum cs_block_state states[] = { CS_BLOCK_USED,	CS_BLOCK_TCACHE,
						      CS_BLOCK_TCACHE,	CS_BLOCK_FASTBIN,
						      CS_BLOCK_FREE,	CS_BLOCK_OBJECT,
						      CS_BLOCK_TCACHE,	CS_BLOCK_UNCARVED };
	static const unsigned sizes[] = { 656, 32, 32, 48, 1040, 64, 64, 0 };
	struct cs_big_block big = { 0x7f5000, 8192, 0x7f5010, 8168, { 0x7f5000, 8176 },
				    CS_ALLOC_GLIBC, CS_BLOCK_TCACHE };

	fake_span(m, 0x10000, 1, states, sizes, 8);
	fake_span(m, 0x7f000000, 2, states + 3, sizes + 3, 3);
	assert_int_equal(cs_blocks_add_big(&m->blocks, big, NULL), CS_OK);
}

static void fake_heaps(struct cs_model *m)
{
	const struct cs_size_row sizes[] = {
		{ 48, CS_ALLOC_PYMALLOC, 1000, 48000 },
		{ 64, CS_ALLOC_GLIBC, 500, 32000 },
		{ 1048592, CS_ALLOC_GLIBC, 1, 1048592 },
	};
	const struct cs_arena_row arenas[] = {
		{ "main", CS_ALLOC_GLIBC, 0x1000, 138412032, 120000000, 18000000, 300000, 112032, 1, 2 },
		{ "0x7f1234000030", CS_ALLOC_GLIBC, 0x7f1234000030, 67108864, 50000000, 17000000,
		  100000, 8864, 3, 1 },
		{ "pymalloc", CS_ALLOC_PYMALLOC, 0, 967108864, 950000000, 17000000, 100000, 8864, 923,
		  5 },
	};

	for (size_t i = 0; i < 3; i++) {
		assert_true(cs_vec_push(&m->sizes, sizes[i]));
		assert_true(cs_vec_push(&m->arenas, arenas[i]));
	}
	cs_model_finding(m, "malloc", "relocation of malloc's callers", "the ring of arenas closes",
			 "glibc 2.36, main_arena at 0x%x", 0x7f00);
	cs_model_finding(m, "CPython", "symbol", NULL, "3.11.2 in /usr/bin/python3.11");
}

void fake_model_worker(struct cs_model *m)
{
	fake_model_empty(m);
	m->target.pid = 4711;
	m->target.signal = 6;
	m->target.threads = 5;
	m->target.command = "python3 worker.py --queue mail";
	m->target.python.found = m->target.python.supported = true;
	m->target.python.version = "3.11.2";
	m->target.python.layout = "dwarf";
	m->target.libc.found = true;
	m->target.libc.version = "2.36";
	m->target.libc.found_by = "relocation";
	m->target.libc.arenas = 7;
	fake_ledger(m, CS_PY_OBJECTS, 612000000, 5000000);
	fake_ledger(m, CS_PY_OWNED, 286000000, 300000);
	fake_ledger(m, CS_PY_UNIDENTIFIED, 4096, 64);
	fake_ledger(m, CS_MALLOC_BINS, 88000000, 1200);
	fake_ledger(m, CS_MALLOC_UNTYPED, 20000000, 900);
	fake_ledger(m, CS_MODULES, 31900000, 0);
	fake_ledger(m, CS_STACKS, 300000, 0);
	fake_ledger(m, CS_FILES, 1000000, 0);
	fake_type(m, "str", CS_KIND_PYTHON, 5210332, 400000000);
	fake_type(m, "dict", CS_KIND_PYTHON, 824101, 300000000);
	fake_type(m, "app.models.Session", CS_KIND_PYTHON, 412000, 150000000);
	fake_type(m, "list", CS_KIND_PYTHON, 301774, 48000000 - 64);
	fake_type(m, "std::map<std::string, int>", CS_KIND_CXX, 1, 64);
	fake_type(m, "never.Made", CS_KIND_PYTHON, 0, 0);
	fake_heaps(m);
	fake_blocks(m);
}

char *fake_report(const struct cs_model *m, const struct cs_report_options *options,
		  const char *const *views)
{
	struct cs_ask asks[16] = { { 0 } };
	struct cs_error err = { .text = "" };
	size_t count = 0, len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (; views[count] && *views[count]; count++) {
		asks[count].view = cs_view_find(views[count]);
		assert_non_null(asks[count].view);
	}

	cs_status st = cs_report_write(out, m, asks, count, options, &err);

	fclose(out);
	assert_string_equal(err.text, "");
	assert_int_equal(st, CS_OK);
	return text;
}

bool fake_is_json(const char *text)
{
	FILE *check = popen("python3 -m json.tool >/dev/null", "w");

	assert_non_null(check);
	fputs(text, check);
	return pclose(check) == 0;
}
