/* CPython Modules/_tracemalloc.c (3.13+: Python/tracemalloc.c), 3.8 to 3.14: {hash, nframe,
 * total_nframe (3.9+), frames}, the most recent frame first, 12 bytes each: file name (a
 * str), line. traceback_hash() is as tuples were hashed. */
#include "cpython/py_traceback.h"
#include "cpython/py_dict.h"
#include "cpython/py_function.h"
#include "cpython/py_types.h"

enum {
	WORD = 8,
	NAME_MAX_LEN = 1 << 16, /* characters of a file name: PATH_MAX is 4096 */
	FRAMES_MAX = 65535, /* MAX_NFRAME is UINT16_MAX */
};
#define HASH_SEED 0x345678ull
#define HASH_MULTIPLIER 1000003ull
#define HASH_STEP 82520ull
#define HASH_LAST 97531ull
#define NO_NAME UINT32_MAX

void py_tracebacks_init(struct py_tracebacks *r, struct py *py)
{
	*r = (struct py_tracebacks){ .py = py, .out = &py->model->sites,
				     .frames_left = py->mem->present / 8 };
}

void py_tracebacks_deinit(struct py_tracebacks *r)
{
	cs_map_deinit(&r->name_nr);
	cs_map_deinit(&r->file_nr);
	cs_map_deinit(&r->frame_nr);
	cs_map_deinit(&r->traceback_nr);
	cs_vec_free(&r->names);
}

void py_traced_bad(struct py_tracebacks *r, cs_addr addr, const char *why)
{
	if (!r->bad++) {
		r->first_bad = addr;
		r->first_why = why;
	}
}

bool py_tracebacks_has_fields(const struct py_layout *l)
{
	static const enum py_field needed[] = {
		PY_STR_HASH, PY_TRACEBACK_HASH, PY_TRACEBACK_NFRAME, PY_TRACEBACK_FRAMES,
		PY_TRACED_FRAME_SIZE, PY_TRACED_FRAME_FILENAME, PY_TRACED_FRAME_LINENO,
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!py_has(l, needed[i]))
			return false;
	/* what is before the frames is read as a whole */
	return py_off(l, PY_TRACEBACK_HASH) + WORD <= py_off(l, PY_TRACEBACK_FRAMES) &&
	       py_off(l, PY_TRACEBACK_NFRAME) + 4 <= py_off(l, PY_TRACEBACK_FRAMES) &&
	       (!py_has(l, PY_TRACEBACK_TOTAL) ||
		py_off(l, PY_TRACEBACK_TOTAL) + 2 <= py_off(l, PY_TRACEBACK_FRAMES));
}

/* The file of that name; *key is where it would go (NULL: nobody asks). */
static bool find_file(const struct py_tracebacks *r, const char *text, size_t len, uint32_t *out,
		      uint64_t *key)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	/* different ones with the same hash go on looking at the next */
	for (hash += hash == 0; cs_map_get(&r->file_nr, hash, out);
	     hash = hash + 1 ? hash + 1 : 1) {
		const struct cs_site_file *f = &r->out->files.items[*out];

		if (f->len == len && !memcmp(f->name, text, len))
			return true;
	}
	if (key)
		*key = hash;
	return false;
}

/* Files of one name are one, whichever str has it. */
static bool file_of_text(struct py_tracebacks *r, const char *text, size_t len, uint32_t *out)
{
	const struct cs_site_file new = { text, len };
	uint64_t key;

	if (find_file(r, text, len, out, &key))
		return true;
	*out = (uint32_t)r->out->files.count;
	return cs_vec_push(&r->out->files, new) && cs_map_put(&r->file_nr, key, *out);
}

/* NULL: no str is at addr, or there is no memory for it. */
static const struct py_traced_name *name_at(struct py_tracebacks *r, cs_addr addr)
{
	const struct py_layout *l = &r->py->layout;
	struct py_traced_name name = { .file = 0 };
	const char *text;
	uint32_t nr;
	size_t len;

	if (addr && cs_map_get(&r->name_nr, addr, &nr))
		return &r->names.items[nr];
	nr = PY_NO_TYPE;
	if (addr % WORD == 0)
		nr = py_type_at(r->py, py_word(r->py, addr + py_off(l, PY_OB_TYPE)));
	if (!addr || nr == PY_NO_TYPE || !(r->py->types.items[nr].flags & PY_FLAG_STR) ||
	    !cs_mem_u64(r->py->mem, addr + py_off(l, PY_STR_HASH), &name.hash))
		return NULL;
	text = py_str_whole(r->py, addr, NAME_MAX_LEN, &len);
	if (!text)
		return NULL;
	nr = (uint32_t)r->names.count;
	r->no_memory |= !file_of_text(r, text, len, &name.file) || !cs_vec_push(&r->names, name) ||
			!cs_map_put(&r->name_nr, addr, nr);
	return r->no_memory ? NULL : &r->names.items[nr];
}

static uint64_t frame_key(uint32_t file, uint32_t line)
{
	return ((uint64_t)file + 1) << 32 | line;
}

static bool push_frame(struct py_tracebacks *r, uint32_t file, uint32_t line)
{
	struct cs_site_frame new = { .file = file, .line = line };
	uint64_t key = frame_key(file, line);
	uint32_t nr;

	if (!cs_map_get(&r->frame_nr, key, &nr)) {
		nr = (uint32_t)r->out->frames.count;
		r->no_memory |= !cs_vec_push(&r->out->frames, new) ||
				!cs_map_put(&r->frame_nr, key, nr);
	}
	r->no_memory = r->no_memory || !cs_vec_push(&r->out->stack, nr);
	return !r->no_memory;
}

/* The frames at p onto the stack. Returns why that cannot be the traceback it says. */
static const char *push_frames(struct py_tracebacks *r, const unsigned char *p,
			       const struct cs_traceback *t, uint64_t hash)
{
	const struct py_layout *l = &r->py->layout;
	uint64_t x = HASH_SEED, mult = HASH_MULTIPLIER;

	for (uint64_t left = t->count; left--; p += l->off[PY_TRACED_FRAME_SIZE]) {
		uint32_t line = cs_le32(p + l->off[PY_TRACED_FRAME_LINENO]);
		const struct py_traced_name *name =
			name_at(r, cs_le64(p + l->off[PY_TRACED_FRAME_FILENAME]));

		if (!name || !push_frame(r, name->file, line) || py_stops(r->py))
			return "a traceback's file name is no str";
		x = (x ^ name->hash ^ line) * mult;
		mult += HASH_STEP + left + left;
	}
	if (py_has(l, PY_TRACEBACK_TOTAL))
		x ^= t->total;
	return x + HASH_LAST == hash ? NULL : "a traceback's hash is another";
}

static const char *read_traceback(struct py_tracebacks *r, cs_addr addr, struct cs_traceback *t)
{
	const struct py_layout *l = &r->py->layout;
	uint64_t head = py_off(l, PY_TRACEBACK_FRAMES), len;
	uint64_t most = r->out->frame_limit ? r->out->frame_limit : FRAMES_MAX;
	const unsigned char *p = addr % WORD ? NULL : cs_mem_view(r->py->mem, addr, head);
	uint32_t count;

	if (!p)
		return "a traceback is not there";
	/* an int up to 3.8; with a total beside it both are shorts */
	count = py_has(l, PY_TRACEBACK_TOTAL) ? cs_le16(p + l->off[PY_TRACEBACK_NFRAME]) :
						cs_le32(p + l->off[PY_TRACEBACK_NFRAME]);
	if (!count || count > most || count > r->frames_left)
		return "a traceback has an impossible number of frames";
	r->frames_left -= count;
	len = count * py_off(l, PY_TRACED_FRAME_SIZE);
	t->count = (uint16_t)count;
	t->total = py_has(l, PY_TRACEBACK_TOTAL) ? cs_le16(p + l->off[PY_TRACEBACK_TOTAL]) :
						   t->count;
	p = cs_mem_view(r->py->mem, addr, head + len);
	return p ? push_frames(r, p + head, t, cs_le64(p + l->off[PY_TRACEBACK_HASH])) :
		   "a traceback is not there";
}

/* Bad ones are remembered too. */
uint32_t py_traceback_at(struct py_tracebacks *r, cs_addr addr)
{
	struct cs_traceback t = { .first = r->out->stack.count };
	uint32_t nr = PY_NO_TRACEBACK;
	const char *why;

	if (addr && cs_map_get(&r->traceback_nr, addr, &nr))
		return nr;
	why = read_traceback(r, addr, &t);
	if (why) {
		py_traced_bad(r, addr, why);
		r->out->stack.count = (size_t)t.first;
	} else {
		nr = (uint32_t)r->out->tracebacks.count;
		r->no_memory |= !cs_vec_push(&r->out->tracebacks, t);
	}
	r->no_memory |= addr && !cs_map_put(&r->traceback_nr, addr, nr);
	return r->no_memory ? PY_NO_TRACEBACK : nr;
}

/* Of names that are no file of a trace nothing is kept but that. */
static bool wanted_file(void *ctx, cs_addr addr, uint32_t *file)
{
	struct py_tracebacks *r = ctx;
	const char *text;
	uint32_t nr;
	size_t len;

	if (addr && cs_map_get(&r->name_nr, addr, &nr)) {
		*file = nr == NO_NAME ? 0 : r->names.items[nr].file;
		return nr != NO_NAME;
	}
	text = addr && addr % WORD == 0 ? py_str_whole(r->py, addr, NAME_MAX_LEN, &len) : NULL;
	if (text && find_file(r, text, len, file, NULL))
		return true;
	r->no_memory |= addr && !cs_map_put(&r->name_nr, addr, NO_NAME);
	return false;
}

static bool wanted_frame(void *ctx, uint32_t file, uint32_t line, uint32_t *frame)
{
	return cs_map_get(&((struct py_tracebacks *)ctx)->frame_nr, frame_key(file, line), frame);
}

void py_tracebacks_name(struct py_tracebacks *r)
{
	const struct py_wanted_lines wanted = { wanted_file, wanted_frame, r };

	py_steps_begin(r->py);
	r->no_memory |= !py_functions_of_lines(r->py, &wanted, r->out);
}
