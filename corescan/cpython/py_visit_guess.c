/* References in memory whose layout nobody knows: objects of extension types, modules' states.
 *
 * Words that lead to objects are taken for references. Blocks that hang on them and are nobody
 * else's are looked at too: many modules keep what they hold in a table or list (decimal's
 * signals, zoneinfo's cache, atexit's functions up to 3.9, defaults of Cython's functions). */
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum { STRETCH_LEN_MAX = 1 << 16, STRETCHES_MAX = 64 };

struct stretches {
	struct {
		cs_addr addr;
		uint64_t len;
	} items[STRETCHES_MAX];
	size_t count;
};

/* Note a block that is no object and nobody's. */
static void add_stretch(struct stretches *s, cs_addr addr, const struct cs_block *block)
{
	if (s->count == STRETCHES_MAX || block->len > STRETCH_LEN_MAX || block->state != CS_BLOCK_USED)
		return;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].addr == addr)
			return;
	s->items[s->count].addr = addr;
	s->items[s->count++].len = block->len - (addr - block->addr);
}

static void look_at_word(struct py_visitor *v, struct stretches *s, cs_addr to, uint64_t off)
{
	struct cs_block block;

	if (to < PY_SMALLEST_ADDRESS || to % 8)
		return;
	/* whether a block begins with an object the census knows better */
	if (py_block_at(v->py, to, &block) && block.state != CS_BLOCK_OBJECT)
		add_stretch(s, to, &block);
	else if (py_seems_object(v->py, to))
		py_emit(v, &(struct py_edge){ .to = to, .kind = PY_EDGE_WORD, .hold = PY_GUESS,
					      .index = (int64_t)off });
}

void py_emit_guesses(struct py_visitor *v, cs_addr addr, uint64_t len)
{
	struct stretches s = { .count = 0 };

	s.items[s.count].addr = addr;
	s.items[s.count++].len = len;
	for (size_t i = 0; i < s.count; i++) {
		const unsigned char *p = py_words(v, s.items[i].addr, s.items[i].len / 8);

		for (uint64_t k = 0; p && k + 8 <= s.items[i].len; k += 8) {
			if (py_told_to_stop(v, k / 8))
				return;
			look_at_word(v, &s, cs_le64(p + k), k);
		}
	}
}
