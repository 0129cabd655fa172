/* tool_blocks TARGET [SYSROOT] - what the walk over glibc's heaps finds, for the tests to
 * compare. TARGET is a core, or a pid when it is all digits.
 *
 * Reads addresses (hexadecimal, one a line) from stdin; prints a line for each:
 *   ADDRESS at STATE USABLE      a block begins exactly there
 *   ADDRESS in STATE             it lies inside something else
 *   ADDRESS none                 no heap has it
 * then one line per fact: "mallinfo NAME N", "arena NAME SYSTEM USED FREE TOP
 * OVERHEAD", "anomaly KIND TEXT", "finding WHAT BY VALUE", "sum STATE N BYTES". */
#include "glibc/glibc.h"
#include "mem/mem_core.h"
#include "mem/mem_live.h"

#include <stdio.h>
#include <string.h>

static const char *const states[CS_BLOCK_STATES] = {
	"inside", "free", "used", "object", "owned", "runtime", "cached", "typed", "overhead",
	"uncarved", "tcache", "fastbin", "lost",
};

static void answer(struct cs_model *model, cs_addr addr)
{
	struct cs_block b;

	if (cs_blocks_at(&model->blocks, addr, &b))
		printf("%" PRIx64 " at %s %" PRIu64 "\n", addr, states[b.state], b.len);
	else if (cs_blocks_holding(&model->blocks, addr, &b))
		printf("%" PRIx64 " in %s\n", addr, states[b.state]);
	else
		printf("%" PRIx64 " none\n", addr);
}

static void print_mallinfo(const struct cs_mallinfo *m)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "arena", m->arena }, { "ordblks", m->ordblks }, { "smblks", m->smblks },
		{ "hblks", m->hblks }, { "hblkhd", m->hblkhd }, { "fsmblks", m->fsmblks },
		{ "uordblks", m->uordblks }, { "fordblks", m->fordblks },
		{ "keepcost", m->keepcost }, { "tcache_count", m->tcache_count },
		{ "tcache_bytes", m->tcache_bytes }, { "system_max", m->system_max },
		{ "aspace", m->aspace }, { "aspace_mprotect", m->aspace_mprotect },
		{ "fast_size", m->fast_size }, { "rest_count", m->rest_count },
		{ "rest_size", m->rest_size },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		printf("mallinfo %s %" PRIu64 "\n", rows[i].name, rows[i].value);
}

/* Chunks of malloc by state, headers included. */
static void print_sums(const struct cs_model *model)
{
	uint64_t count[CS_BLOCK_STATES] = { 0 }, bytes[CS_BLOCK_STATES] = { 0 };

	for (size_t i = 0; i < model->blocks.spans.count; i++) {
		const struct cs_span *s = &model->blocks.spans.items[i];
		uint64_t next;

		for (uint64_t g = 0; s->allocator == CS_ALLOC_GLIBC && g < s->len / 16; g = next) {
			unsigned state = cs_tile_get(s->tiles, g);

			next = cs_span_next(s, g);
			count[state]++;
			bytes[state] += (next - g) * 16;
		}
	}
	for (unsigned i = 0; i < CS_BLOCK_STATES; i++)
		printf("sum %s %" PRIu64 " %" PRIu64 "\n", states[i], count[i], bytes[i]);
}

static void print_model(const struct cs_model *model)
{
	print_mallinfo(&model->mallinfo);
	print_sums(model);
	for (size_t i = 0; i < model->arenas.count; i++) {
		const struct cs_arena_row *a = &model->arenas.items[i];

		if (a->allocator == CS_ALLOC_GLIBC)
			printf("arena %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			       a->name, a->system, a->used, a->free, a->top, a->overhead);
	}
	for (size_t i = 0; i < model->anomalies.count; i++)
		printf("anomaly %s %s\n", model->anomalies.items[i].kind, model->anomalies.items[i].text);
	for (size_t i = 0; i < model->findings.count; i++)
		printf("finding %s|%s|%s\n", model->findings.items[i].what,
		       model->findings.items[i].found_by, model->findings.items[i].value);
	printf("other %s\n", model->target.libc.other ? model->target.libc.other : "-");
	printf("end\n");
}

static cs_status open_image(const char *target, const struct cs_image_options *options,
			    struct cs_image **image, struct cs_error *err)
{
	struct cs_core *core;
	struct cs_live *live;
	const struct cs_live_options live_options = { .allow_swap_in = true };
	cs_status st;

	if (strspn(target, "0123456789") == strlen(target)) {
		st = cs_live_open(atoi(target), &live_options, &live, err);
		return st ? st : cs_image_of_live(live, options, image, err);
	}
	st = cs_core_open(target, &core, err);
	return st ? st : cs_image_of_core(core, options, image, err);
}

/* One target and the end: nothing is closed. */
int main(int argc, char **argv)
{
	struct cs_image_options options = { .sysroot = argc > 2 ? argv[2] : NULL };
	struct cs_model *model = calloc(1, sizeof(*model));
	struct cs_image *image;
	struct cs_glibc *g = NULL;
	struct cs_error err = { .text = "" };
	char line[64];
	cs_status st;

	if (argc < 2 || !model)
		return 2;
	st = open_image(argv[1], &options, &image, &err);
	if (!st)
		st = cs_glibc_find(image, model, &g, &err);
	if (!st)
		st = cs_glibc_walk(g, &err);
	if (!st)
		st = cs_glibc_mapped(g, &err);
	if (st && st != CS_NOTFOUND) {
		fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	cs_blocks_seal(&model->blocks);
	while (fgets(line, sizeof(line), stdin))
		answer(model, strtoull(line, NULL, 16));
	print_model(model);
	return 0;
}
