/* model.h - what we found: target, regions, blocks, types, arenas, anomalies.
 *
 * Filled by the walkers, read by the reports. Knows nothing of memory,
 * processes or ELF. Strings live in `strings` and die with the model.
 *
 * Invariants (cs_model_check() verifies them after settling)
 *  - The ledger's categories sum to target.present, to the byte.
 *  - The types' bytes sum to the ledger's objects + owned + typed.
 *  - Types and arenas refer to each other by index, never by pointer.
 */
#ifndef CS_MODEL_H
#define CS_MODEL_H
#include "base/arena.h"
#include "base/map.h"
#include "base/pulse.h"
#include "model/blocks.h"
#include "model/sites.h"
#include "model/target.h"
#include "model/threads.h"

enum cs_category {
	CS_PY_OBJECTS, CS_PY_OWNED, CS_PY_RUNTIME, CS_PY_UNIDENTIFIED, CS_PY_FREELISTS,
	CS_PY_FREE, CS_PY_FREE_POOLS, CS_PY_OVERHEAD,
	CS_MALLOC_TYPED, CS_MALLOC_UNTYPED, CS_MALLOC_TCACHE, CS_MALLOC_FASTBINS,
	CS_MALLOC_BINS, CS_MALLOC_TOP, CS_MALLOC_OVERHEAD,
	CS_STACKS, CS_MODULES, CS_FILES, CS_SHARED, CS_ANONYMOUS, CS_KERNEL, CS_UNEXPLAINED,
	CS_CATEGORIES
};
extern const char *const cs_category_names[CS_CATEGORIES]; /* "python.objects", ... */

struct cs_ledger_row {
	uint64_t bytes, blocks;
};

/* A piece of the address space with one meaning. Regions may be added in any
 * order; where they overlap the one added first wins, so the most certain
 * come first (heaps before the mapping they lie in). */
struct cs_region {
	struct cs_range range;
	enum cs_category category; /* CS_UNEXPLAINED for heap pieces: blocks say more */
};

enum cs_type_kind { CS_KIND_PYTHON, CS_KIND_CXX, CS_KIND_C, CS_KIND_RAW };

struct cs_type {
	const char *name;
	enum cs_type_kind kind;
	uint64_t count, shallow, bytes;
	uint64_t retained; /* with the reference graph: see cs_model.has_retained */
};

struct cs_arena_row {
	const char *name;	/* "main", "0x7f..." */
	enum cs_allocator allocator;
	cs_addr addr;
	uint64_t system, used, free, top, overhead;
	uint64_t heaps, threads;
};

struct cs_anomaly {
	const char *kind;	/* "malloc.chunk", "python.pool", "core.truncated": stable words */
	cs_addr addr;
	const char *text;
};
enum { CS_ANOMALIES_KEPT = 1000 };

struct cs_finding { /* a row of --doctor */
	const char *what, *value, *found_by, *proof;
};

struct cs_size_row { /* a row of --by-size, used blocks */
	uint64_t size;
	enum cs_allocator allocator;
	uint64_t count, bytes;
};

/* What mallinfo2() and malloc_info() would have said; bytes and counts over
 * all arenas of all libcs (and the totals of libc number 0 in tests). */
struct cs_mallinfo {
	uint64_t arena, ordblks, smblks, hblks, hblkhd, fsmblks, uordblks, fordblks, keepcost;
	uint64_t tcache_count, tcache_bytes;
	/* malloc_info()'s totals that mallinfo2() does not have; sizes as it adds them */
	uint64_t system_max, aspace, aspace_mprotect, fast_size, rest_count, rest_size;
};

struct cs_model {
	struct cs_pulse *pulse; /* the scan's, borrowed; NULL: nobody listens */
	struct cs_target_info target;
	struct cs_blocks blocks;
	CS_VEC(struct cs_region) regions;
	CS_VEC(struct cs_type) types;
	CS_VEC(struct cs_arena_row) arenas;
	CS_VEC(struct cs_anomaly) anomalies; /* the first CS_ANOMALIES_KEPT */
	uint64_t anomaly_count;		     /* all of them */
	CS_VEC(struct cs_finding) findings;
	CS_VEC(struct cs_size_row) sizes;    /* made by settling */
	struct cs_threads threads;
	struct cs_sites sites;
	bool has_retained;	  /* somebody made the graph and asked: */
	uint64_t raw_retained[2]; /* of blocks without a type, by enum cs_allocator */
	struct cs_ledger_row ledger[CS_CATEGORIES];
	struct cs_mallinfo mallinfo;
	struct cs_arena strings;
};

void cs_model_deinit(struct cs_model *model);

/* Count an anomaly; its text is kept while there are few. Cannot fail: without
 * memory it is only counted. kind must be a literal. */
void cs_model_anomaly(struct cs_model *model, const char *kind, cs_addr addr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Add a row of --doctor; value and proof are copied, proof may be NULL. */
void cs_model_finding(struct cs_model *model, const char *what, const char *found_by,
		      const char *proof, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* A range that runs past the end of the address space is cut there. */
cs_status cs_model_region(struct cs_model *model, struct cs_range range, enum cs_category category,
			  struct cs_error *err);

/* A new type row; *nr is its index. The name is copied. */
cs_status cs_model_type(struct cs_model *model, const char *name, enum cs_type_kind kind,
			uint32_t *nr, struct cs_error *err);

/* Bytes of the target's own in a range; the scan passes its memory's answer. */
typedef uint64_t (*cs_present_fn)(void *ctx, cs_addr addr, uint64_t len);

/* Turn regions and blocks into the ledger and the size table. Everything
 * present that no region covers becomes `anonymous`. Call once, at the end.
 * CS_NOMEM, CS_STOPPED: the ledger is unfinished. */
cs_status cs_model_settle(struct cs_model *model, cs_present_fn present, void *ctx,
			  struct cs_error *err);

/* Do the invariants hold? CS_CORRUPT says which does not (a bug of ours). */
cs_status cs_model_check(const struct cs_model *model, struct cs_error *err);

/* Is memory of the target nowhere to be read, so that what it held is not known? A kernel
 * leaves out a few pages that nobody touched: less than a hundredth is none. */
static inline bool cs_model_lacks_memory(const struct cs_model *model)
{
	const struct cs_target_info *t = &model->target;

	return t->lost || t->truncated || t->swapped || t->missing > t->present / 100;
}
#endif
