#include "fake_py.h"

#include "cs_test.h"

#include <stdlib.h>

enum { FAKE_TYPES_MAX = 4096 };

void fake_py_begin(struct fake_py *f, unsigned minor)
{
	const struct py_row *row = py_row_next(NULL, PY_HEX(3, minor));
	struct cs_mem_seg seg = { .start = FAKE_BASE, .len = FAKE_LEN, .is_target = true };

	assert_non_null(row);
	*f = (struct fake_py){ .next_type = FAKE_TYPES };
	f->bytes = calloc(1, FAKE_LEN);
	f->py = calloc(1, sizeof(*f->py));
	assert_true(f->bytes && f->py);
	seg.data = f->bytes;
	assert_int_equal(cs_mem_add(&f->mem, seg, NULL), CS_OK);
	cs_mem_seal(&f->mem, NULL);
	f->mem.present = f->mem.mapped = FAKE_LEN;
	f->image.mem = &f->mem;
	f->py->image = &f->image;
	f->py->mem = &f->mem;
	f->py->model = &f->model;
	f->py->module = &f->module;
	py_layout_of_row(&f->py->layout, row);
	f->py->no_refcnt_zero = minor >= 14;
	f->py->steps_left = 1 << 30;
	/* room for the types of a fake: what is reserved for real ones costs the sanitizer 10 ms */
	f->py->types.cap = FAKE_TYPES_MAX;
	f->py->types.items = malloc(FAKE_TYPES_MAX * sizeof(*f->py->types.items));
	assert_non_null(f->py->types.items);
	f->py->type_type = FAKE_TYPE;
	f->next_type = FAKE_TYPE;
	assert_int_equal(fake_py_type(f, "type", PY_FLAG_TYPE | PY_FLAG_HAVE_GC, 880, 40, 0), FAKE_TYPE);
	f->next_type = FAKE_TYPES;
}

void fake_py_end(struct fake_py *f)
{
	py_destroy(f->py);
	cs_model_deinit(&f->model);
	cs_mem_deinit(&f->mem);
	free(f->bytes);
}

unsigned char *fake_at(struct fake_py *f, cs_addr addr)
{
	assert_in_range(addr, FAKE_BASE, FAKE_BASE + FAKE_LEN - 8);
	return f->bytes + (addr - FAKE_BASE);
}

void fake_put(struct fake_py *f, cs_addr addr, uint64_t value)
{
	memcpy(fake_at(f, addr), &value, sizeof(value));
}

void fake_put32(struct fake_py *f, cs_addr addr, uint32_t value)
{
	memcpy(fake_at(f, addr), &value, sizeof(value));
}

uint64_t fake_get(struct fake_py *f, cs_addr addr)
{
	return cs_le64(fake_at(f, addr));
}

void fake_cut(struct fake_py *f, cs_addr addr)
{
	f->mem.segs.items[0].len = addr - FAKE_BASE;
	f->mem.present = addr - FAKE_BASE;
}

cs_addr fake_py_type(struct fake_py *f, const char *name, uint64_t flags, uint64_t basicsize,
		     uint64_t itemsize, cs_addr base)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr at = f->next_type, text = at + FAKE_TYPE_ROOM - 64, mro = text - 64;

	f->next_type += FAKE_TYPE_ROOM;
	assert_true(strlen(name) < 64);
	memcpy(fake_at(f, text), name, strlen(name) + 1);
	fake_put(f, at, 1);
	fake_put(f, at + py_off(l, PY_OB_TYPE), FAKE_TYPE);
	fake_put(f, at + py_off(l, PY_TP_NAME), text);
	fake_put(f, at + py_off(l, PY_TP_BASICSIZE), basicsize);
	fake_put(f, at + py_off(l, PY_TP_ITEMSIZE), itemsize);
	fake_put(f, at + py_off(l, PY_TP_FLAGS), flags | PY_FLAG_READY);
	fake_put(f, at + py_off(l, PY_TP_BASE), base);
	fake_put(f, at + py_off(l, PY_TP_MRO), mro);
	fake_put(f, mro + py_off(l, PY_OB_SIZE), 1);
	fake_put(f, mro + py_off(l, PY_TUPLE_ITEM), at);
	return at;
}

void fake_str(struct fake_py *f, cs_addr addr, const char *text)
{
	const struct py_layout *l = &f->py->layout;

	fake_put(f, addr, 1);
	fake_put(f, addr + py_off(l, PY_STR_LENGTH), strlen(text));
	*fake_at(f, addr + py_off(l, PY_STR_STATE)) = 1 << 2 | 1 << 5 | 1 << 6;
	memcpy(fake_at(f, addr + py_off(l, PY_ASCII_SIZE)), text, strlen(text) + 1);
}

uint32_t fake_heap(struct fake_py *f, cs_addr addr, uint64_t len)
{
	uint32_t nr;

	assert_int_equal(cs_blocks_add_span(&f->model.blocks, (struct cs_range){ addr, len },
					    CS_ALLOC_GLIBC, CS_BLOCK_USED, &nr, NULL),
			 CS_OK);
	return nr;
}

void fake_chunk(struct fake_py *f, cs_addr addr)
{
	struct cs_span *span = cs_blocks_span(&f->model.blocks, addr - 16);

	assert_non_null(span);
	cs_span_mark(span, addr - 16, CS_BLOCK_USED);
}

enum cs_block_state fake_state(struct fake_py *f, cs_addr addr)
{
	struct cs_block block;

	assert_true(cs_blocks_at(&f->model.blocks, addr, &block));
	return block.state;
}
