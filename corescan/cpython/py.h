/* py.h - one CPython found in a target: what every module of this room shares.
 *
 * Invariants
 *  - `layout` has explained the target (py_proof) before anything below uses it.
 *  - Types are kept once, by address; neither a type's index nor its place changes.
 */
#ifndef CS_PY_H
#define CS_PY_H
#include "cpython/py_layout.h"
#include "image/image.h"
#include "model/model.h"

enum { PY_INTERPS_MAX = 64, PY_NEGATIVES = 1 << 14, PY_TYPE_HITS = 256,
       PY_TYPES_MAX = 1 << 20 };

/* tp_flags, same bits in every version that has them (CPython Include/object.h) */
#define PY_FLAG_INLINE_VALUES (1ull << 2)  /* 3.13+ */
#define PY_FLAG_MANAGED_WEAKREF (1ull << 3) /* 3.12+ */
#define PY_FLAG_MANAGED_DICT (1ull << 4)   /* 3.11+ */
#define PY_FLAG_HEAPTYPE (1ull << 9)
#define PY_FLAG_READY (1ull << 12)
#define PY_FLAG_HAVE_GC (1ull << 14)
#define PY_FLAG_LONG (1ull << 24)
#define PY_FLAG_LIST (1ull << 25)
#define PY_FLAG_TUPLE (1ull << 26)
#define PY_FLAG_BYTES (1ull << 27)
#define PY_FLAG_STR (1ull << 28)
#define PY_FLAG_DICT (1ull << 29)
#define PY_FLAG_TYPE (1ull << 31)

struct py_family; /* py_family.h: how objects of a type are measured and what they own */

struct py_type {
	cs_addr addr;
	uint64_t flags;
	int64_t basicsize, itemsize;
	const struct py_family *family;
	uint32_t model_nr; /* row in model->types */
	uint16_t pre;	   /* bytes in front of the object in its block */
	bool is_fixed;	   /* every instance needs exactly `need` bytes from its start */
	bool is_leaf;	   /* fixed, and owns no other block */
	bool is_atom;	   /* its objects refer to nothing; py_visit() found out */
	uint32_t least; /* bytes every instance has: basicsize, but for compact strings */
	uint32_t need;
};

struct py_pool {
	cs_addr addr;
	uint16_t size;	/* of a block */
	uint16_t count; /* carved blocks */
	uint16_t unexplained; /* used blocks the census could not tell */
};

struct py {
	struct cs_image *image;
	struct cs_mem *mem;
	struct cs_model *model;
	struct cs_module *module; /* holds _PyRuntime */
	cs_addr runtime;
	cs_addr interps[PY_INTERPS_MAX];
	size_t interp_count;
	cs_addr type_type;
	cs_addr code_type;	/* of code objects; 0: none was met yet */
	const char *proven_by; /* what convinced the proof, for --doctor; a literal */
	struct py_layout layout;
	bool no_refcnt_zero; /* 3.14+: word 0 of a free-listed object is a link */
	unsigned skew;	     /* 16 when the debug allocator's header is in front of blocks */
	unsigned pool_size;
	cs_addr arenas_array; /* the first array of arena records, 0 when none */
	CS_VEC(struct py_pool) pools;
	CS_VEC(struct py_type) types;
	struct cs_map type_by_addr;
	struct cs_map row_by_name; /* hash of the name -> row in model->types */
	struct {
		cs_addr addr;
		uint32_t nr;
	} type_hits[PY_TYPE_HITS]; /* types met last, by address */
	cs_addr negatives[PY_NEGATIVES]; /* addresses that are no types, by hash */
	uint64_t table_steps; /* how many hash table entries may still be visited */
	uint64_t steps_left;  /* see py_step() */
	uint64_t tracked;     /* live objects the collector knows, counted by the census */
	uint64_t seen, to_see; /* bytes of heap the census is done with, and all; for the pulse */
	CS_VEC(cs_addr) tasks; /* asyncio's, met by the census */
	CS_VEC(cs_addr) codes; /* code objects, met by the census */
	cs_addr hunted;	      /* --object: the block whose owner is looked for, else 0 */
	cs_addr hunter;	      /* the object that claims it */
	/* Not NULL: what py_claim() is told goes here, and nothing is claimed. True: a list
	 * of blocks may be followed further. */
	bool (*claimed)(void *ctx, cs_addr addr);
	void *claimed_ctx;
	struct py_plans *plans; /* py_visit.h's; NULL before its first question */
	struct {
		bool is;	    /* adds no type, */
		bool met_new_type;  /* but notes that it would have */
		uint64_t words, steps, table_steps; /* its budgets at the beginning */
	} reader; /* py_reader.h's */
};

/* Find the runtime, choose and prove the layout. CS_NOTFOUND: no CPython here.
 * CS_UNSUPPORTED: there is one and we cannot read it; the model says why. */
cs_status py_find(struct cs_image *image, struct cs_model *model, struct py **out,
		  struct cs_error *err);
void py_destroy(struct py *py);
void py_plans_destroy(struct py_plans *plans); /* py_visit.c */

/* Shall the work end? Once a round in every loop over the target. */
static inline bool py_stops(struct py *py)
{
	return cs_pulse_stops(py->model->pulse);
}

/* Walks that a forged target can make again and again over the same memory (an
 * array shown a thousand times, a list that every object begins) share one
 * bound, a few looks at each word there is. False: it is used up, or the work
 * shall end. */
static inline bool py_step(struct py *py)
{
	return !py_stops(py) && py->steps_left && py->steps_left--;
}

/* Another question: it may walk as far as the first. */
void py_steps_begin(struct py *py);

/* Is all of that memory there, in one piece? Nothing is read for the answer. */
static inline bool py_has_bytes(struct py *py, cs_addr addr, uint64_t len)
{
	const struct cs_mem_seg *seg = cs_mem_find(py->mem, addr);

	return seg && len <= seg->len - (addr - seg->start);
}

/* A word of the target; 0 when absent (for places where 0 means nothing too). */
static inline uint64_t py_word(struct py *py, cs_addr addr)
{
	uint64_t v;

	return cs_mem_u64(py->mem, addr, &v) ? v : 0;
}
#endif
