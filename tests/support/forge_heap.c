#include "forge_heap.h"

#include <stdlib.h>
#include <string.h>

enum { P = 1, PAGE = 0x1000 };

static unsigned char *bytes_at(struct forge_heap *f, cs_addr addr)
{
	if (addr - FORGE_LIBC < FORGE_LIBC_LEN)
		return f->libc + (addr - FORGE_LIBC);
	if (addr - FORGE_HEAP < FORGE_HEAP_LEN)
		return f->heap + (addr - FORGE_HEAP);
	if (addr - FORGE_ANON < FORGE_ANON_LEN)
		return f->anon + (addr - FORGE_ANON);
	abort(); /* the test is wrong */
}

void forge_put(struct forge_heap *f, cs_addr addr, uint64_t value)
{
	memcpy(bytes_at(f, addr), &value, sizeof(value));
}

uint64_t forge_get(struct forge_heap *f, cs_addr addr)
{
	return cs_le64(bytes_at(f, addr));
}

static cs_addr bin_head(const struct forge_heap *f, unsigned bin)
{
	return f->arena + f->layout->top + GLIBC_BINS_FROM_TOP + 16ull * (bin - 1) - 16;
}

void forge_heap_init(struct forge_heap *f, unsigned state, unsigned par)
{
	memset(f, 0, sizeof(*f));
	f->layout = &glibc_state_layouts[state];
	f->par = &glibc_par_layouts[par];
	f->libc = calloc(1, FORGE_LIBC_LEN);
	f->heap = calloc(1, FORGE_HEAP_LEN);
	f->anon = calloc(1, FORGE_ANON_LEN);
	f->arena = FORGE_LIBC + FORGE_ARENA_OFF;
	f->at = FORGE_HEAP;
	f->system_mem = FORGE_HEAP_LEN;
	for (unsigned i = 1; i <= GLIBC_BINS; i++) {
		forge_put(f, bin_head(f, i) + 16, bin_head(f, i));
		forge_put(f, bin_head(f, i) + 24, bin_head(f, i));
	}
	forge_put(f, f->arena + f->layout->next, f->arena);
	if (f->layout->attached != GLIBC_NO_FIELD)
		forge_put(f, f->arena + f->layout->attached, 1);
}

void forge_heap_deinit(struct forge_heap *f)
{
	cs_glibc_destroy(f->glibc);
	cs_model_deinit(&f->model);
	cs_arena_deinit(&f->image.strings);
	cs_vec_free(&f->image.mappings);
	cs_vec_free(&f->image.modules);
	cs_mem_deinit(&f->mem);
	free(f->libc);
	free(f->heap);
	free(f->anon);
}

cs_addr forge_chunk(struct forge_heap *f, uint64_t size, unsigned flags)
{
	cs_addr at = f->at;

	forge_put(f, at + 8, size | flags);
	f->at += size;
	return at;
}

void forge_link(struct forge_heap *f, cs_addr chunk, unsigned bin)
{
	cs_addr head = bin_head(f, bin), last = forge_get(f, head + 24);

	forge_put(f, chunk + 16, head);
	forge_put(f, chunk + 24, last);
	forge_put(f, last + 16, chunk);
	forge_put(f, head + 24, chunk);
}

cs_addr forge_binned(struct forge_heap *f, uint64_t size, unsigned bin)
{
	cs_addr at = forge_chunk(f, size, P);

	forge_link(f, at, bin);
	forge_put(f, at + size, size);
	return at;
}

void forge_finish(struct forge_heap *f)
{
	const struct glibc_par_layout *l = f->par;
	cs_addr mp = FORGE_LIBC + FORGE_MP_OFF;

	forge_put(f, f->at + 8, (FORGE_HEAP + FORGE_HEAP_LEN - f->at) | P);
	forge_put(f, f->arena + f->layout->top, f->at);
	forge_put(f, f->arena + f->layout->system_mem, f->system_mem);
	forge_put(f, f->arena + f->layout->max_system_mem, f->system_mem);
	for (unsigned i = 0; i < 3; i++)
		forge_put(f, mp + 8 * i, 0x20000);
	forge_put(f, mp + 24, 8);
	forge_put(f, mp + l->sbrk_base, FORGE_HEAP);
	if (l->tcache_bins != GLIBC_NO_FIELD) {
		forge_put(f, mp + l->tcache_bins, 64);
		forge_put(f, mp + l->tcache_count, 7);
	}
}

static void add_part(struct forge_heap *f, cs_addr start, uint64_t len, unsigned char *data)
{
	struct cs_mem_seg seg = { .start = start, .len = len, .data = data, .is_target = true };

	cs_ignore(cs_mem_add(&f->mem, seg, NULL), "the test sees that it is not there");
}

static void add_memory(struct forge_heap *f, cs_addr start, uint64_t len, unsigned char *data,
		       cs_addr missing)
{
	struct cs_mapping m = { .range = { start, len }, .prot = 6, .module = CS_NO_MODULE };

	f->mem.present += len;
	if (missing >= start && missing - start < len) {
		add_part(f, start, missing - start, data);
		add_part(f, missing + PAGE, start + len - missing - PAGE,
			 data + (missing - start) + PAGE);
	} else {
		add_part(f, start, len, data);
	}
	if (start == FORGE_LIBC) {
		m.kind = CS_MAPPING_FILE;
		m.path = "/lib/libc.so.6";
		m.module = 0;
	}
	if (!cs_vec_push(&f->image.mappings, m))
		abort();
}

void forge_seal(struct forge_heap *f, cs_addr missing)
{
	struct cs_module libc = {
		.path = "/lib/libc.so.6",
		.file = CS_FILE_MISSING,
		.range = { FORGE_LIBC, FORGE_LIBC_LEN },
		.writable = { { FORGE_LIBC, FORGE_LIBC_LEN } },
		.writable_count = 1,
		.debug_tried = true,
	};

	add_memory(f, FORGE_HEAP, FORGE_HEAP_LEN, f->heap, missing);
	add_memory(f, FORGE_ANON, FORGE_ANON_LEN, f->anon, missing);
	add_memory(f, FORGE_LIBC, FORGE_LIBC_LEN, f->libc, missing);
	cs_mem_seal(&f->mem, NULL);
	f->image.mem = &f->mem;
	f->image.page_size = PAGE;
	f->image.command = "";
	if (!cs_vec_push(&f->image.modules, libc))
		abort();
}

cs_status forge_scan(struct forge_heap *f)
{
	struct cs_error err = { .text = "" };
	cs_status st;

	if (!f->image.mem)
		forge_seal(f, 0);
	st = cs_glibc_find(&f->image, &f->model, &f->glibc, &err);
	if (!st)
		st = cs_glibc_walk(f->glibc, &err);
	if (!st)
		st = cs_glibc_mapped(f->glibc, &err);
	cs_blocks_seal(&f->model.blocks);
	return st;
}

enum cs_block_state forge_state(struct forge_heap *f, cs_addr chunk)
{
	struct cs_block b;

	return cs_blocks_holding(&f->model.blocks, chunk, &b) ? b.state : CS_BLOCK_STATES;
}

unsigned forge_anomalies(const struct forge_heap *f, const char *kind, const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->model.anomalies.count; i++)
		n += !strcmp(f->model.anomalies.items[i].kind, kind) &&
		     strstr(f->model.anomalies.items[i].text, text);
	return n;
}

uint64_t forge_bytes(const struct forge_heap *f, enum cs_block_state state)
{
	uint64_t sum = 0, next;

	for (size_t i = 0; i < f->model.blocks.spans.count; i++) {
		const struct cs_span *s = &f->model.blocks.spans.items[i];

		for (uint64_t g = 0; g < s->len / 16; g = next) {
			next = cs_span_next(s, g);
			if (cs_tile_get(s->tiles, g) == (unsigned)state)
				sum += (next - g) * 16;
		}
	}
	return sum;
}
