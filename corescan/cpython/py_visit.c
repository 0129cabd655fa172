#include "cpython/py_census.h"
#include "cpython/py_families.h"
#include "cpython/py_types.h"
#include "cpython/py_visitor.h"

enum {
	PASS_LOOKS = 3, /* at every present word outside objects, in one pass */
	PASS_MIN = 1 << 20,
	/* words in front of an object, CPython Include/internal/pycore_object.h */
	VALUES_BACK_311 = 32, DICT_BACK = 24,
};

/* --- the pass --- */

struct py_plans *py_plans_of(struct py *py)
{
	if (!py->plans) {
		py->plans = calloc(1, sizeof(*py->plans));
		if (py->plans)
			py_visit_begin(py);
	}
	return py->plans;
}

void py_visit_begin(struct py *py)
{
	struct py_plans *plans = py_plans_of(py);

	if (plans)
		plans->words_left = py->mem->present / 8 * PASS_LOOKS + PASS_MIN;
}

bool py_visit_was_cut(const struct py *py)
{
	return py->plans && !py->plans->words_left;
}

void py_plans_destroy(struct py_plans *plans)
{
	if (!plans)
		return;
	cs_vec_free(&plans->plans);
	cs_arena_deinit(&plans->arena);
	free(plans);
}

/* --- what visit functions share --- */

const unsigned char *py_words(struct py_visitor *v, cs_addr addr, uint64_t words)
{
	uint64_t len;

	if (!addr || !words || !cs_mul(words, 8, &len) || !py_spend(v, words))
		return NULL;
	return cs_mem_view(v->py->mem, addr, len);
}

void py_add_refs(struct py_visitor *v, const unsigned char *p, uint64_t count, uint64_t stride,
		 uint8_t hold)
{
	for (uint64_t i = 0; i < count; i++, p += stride) {
		if (py_told_to_stop(v, i))
			return;
		py_add_ref(v, cs_le64(p), hold);
	}
}

void py_emit_array(struct py_visitor *v, cs_addr addr, uint64_t count, uint8_t hold)
{
	const unsigned char *p = py_words(v, addr, count);

	if (p && v->refs)
		py_add_refs(v, p, count, 8, hold);
	if (v->refs)
		return;
	for (uint64_t i = 0; p && i < count; i++) {
		if (py_told_to_stop(v, i))
			return;
		py_emit_index(v, cs_le64(p + i * 8), hold, i);
	}
}

static bool take_claim(void *ctx, cs_addr addr)
{
	struct py_visitor *v = ctx;

	py_emit_block(v, addr, NULL);
	return addr && py_spend(v, 1);
}

/* The blocks an object owns, as py_family's claim function knows them. */
static void emit_claims(struct py_visitor *v, const struct py_obj *o,
			void (*claim)(struct py *py, const struct py_obj *o))
{
	struct py *py = v->py;

	py->claimed = take_claim;
	py->claimed_ctx = v;
	claim(py, o);
	py->claimed = NULL;
}

bool py_dict_has_values(struct py *py)
{
	return py->layout.version >= PY_HEX(3, 13) + 0x100;
}

const unsigned char *py_place(struct py_visitor *v, const struct py_obj *o, const char *label)
{
	for (unsigned i = 0; i < v->plan->member_count; i++)
		if (!strcmp(v->plan->members[i].label, label))
			return v->plan->members[i].off + 8u <= o->room ?
				       o->p + v->plan->members[i].off : NULL;
	return NULL;
}

/* --- an instance --- */

static void visit_members(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_plan *plan = v->plan;

	for (unsigned i = 0; i < plan->member_count; i++) {
		const struct py_member *m = &plan->members[i];
		uint8_t hold = m->hold == PY_STRONG ? v->strong : m->hold;

		if (m->hold == PY_PLACE)
			continue;
		if (v->refs) {
			py_add_refs(v, o->p + m->off, m->count, 8, hold);
			continue;
		}
		for (unsigned k = 0; k < m->count; k++)
			py_emit(v, &(struct py_edge){ .to = cs_le64(o->p + m->off + k * 8),
						      .kind = PY_EDGE_MEMBER, .hold = hold,
						      .label = m->label, .index = k });
	}
}

static void visit_slots(struct py_visitor *v, const struct py_obj *o)
{
	for (unsigned i = 0; i < v->plan->slot_count; i++) {
		const struct py_slot *s = &v->plan->slots[i];

		py_emit(v, &(struct py_edge){ .to = cs_le64(o->p + s->off), .kind = PY_EDGE_SLOT,
					      .hold = v->plan->class_strong, .name = s->name });
	}
}

/* Attribute values as an array: names are the class' shared keys in the same order. */
static void visit_values(struct py_visitor *v, const unsigned char *p, uint64_t count)
{
	const struct py_keys *k = &v->plan->keys;
	uint64_t named = k->nentries < count ? k->nentries : count;
	const unsigned char *names;

	if (v->refs) {
		py_add_refs(v, p, count, 8, v->plan->class_strong);
		return;
	}
	names = named ? cs_mem_view(v->py->mem, k->entries, named * k->entry_len) : NULL;
	for (uint64_t i = 0; i < count; i++) {
		cs_addr to = cs_le64(p + i * 8);

		if (py_told_to_stop(v, i))
			return;
		if (to)
			py_emit(v, &(struct py_edge){
				.to = to, .kind = PY_EDGE_ATTRIBUTE, .hold = v->plan->class_strong,
				.name = names && i < named ?
						cs_le64(names + (i + 1) * k->entry_len - 16) : 0,
				.index = (int64_t)i });
	}
}

static void visit_dict_word(struct py_visitor *v, cs_addr dict)
{
	py_emit_member(v, dict, v->plan->class_strong, "__dict__");
}

/* Values in a block of their own (3.11, 3.12); the byte in front says how many bytes of
 * the block lie in front. */
static void visit_values_block(struct py_visitor *v, cs_addr values)
{
	uint64_t count = v->plan->keys.nentries;
	const unsigned char *p = py_words(v, values, count), *prefix;

	if (p)
		visit_values(v, p, count);
	prefix = values ? cs_mem_view(v->py->mem, values - 1, 1) : NULL;
	if (prefix)
		py_emit_block(v, values - *prefix, "values");
}

/* Values behind the object (3.13+): _PyObject_InlineValues, at tp_basicsize. False: they are
 * not valid (any more). */
static bool visit_inline_values(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_layout *l = &v->py->layout;
	uint64_t at = (uint64_t)o->type->basicsize, head = py_off(l, PY_VALUES_VALUES), room;

	if (o->room < at + head || o->room < at + py_off(l, PY_VALUES_SIZE) ||
	    !o->p[at + py_off(l, PY_VALUES_VALID)])
		return false;
	room = (o->room - at - head) / 8;
	if (o->p[at + py_off(l, PY_VALUES_CAPACITY)] < room)
		room = o->p[at + py_off(l, PY_VALUES_CAPACITY)];
	visit_values(v, o->p + at + head, room);
	return true;
}

static void visit_managed_dict(struct py_visitor *v, const struct py_obj *o)
{
	unsigned minor = py_minor(&v->py->layout);
	uint64_t word = cs_le64(o->p - DICT_BACK);

	if (minor == 11)
		visit_values_block(v, cs_le64(o->p - VALUES_BACK_311));
	if (minor == 12 && word & 1) {
		visit_values_block(v, word + 1);
		return;
	}
	/* a dict that was asked for shares the values; from then on they are visited from it */
	if (o->type->flags & PY_FLAG_INLINE_VALUES && (!word || !py_dict_has_values(v->py)) &&
	    visit_inline_values(v, o) && word)
		py_emit_member(v, word, PY_HIDDEN, "__dict__");
	else
		visit_dict_word(v, word);
}

/* tp_dictoffset below 0: from the end of the object and its items, rounded up. */
static void visit_dict_from_end(struct py_visitor *v, const struct py_obj *o)
{
	uint64_t size = cs_align_up(py_default_sizeof(v->py, o), 8);
	uint64_t back = (uint64_t)-(int64_t)v->plan->dict_off;

	if (size >= back && size <= o->room && back >= 8)
		visit_dict_word(v, cs_le64(o->p + size - back));
}

static void visit_class_part(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_plan *plan = v->plan;

	if (plan->slot_count)
		visit_slots(v, o);
	if (plan->dict_place == PY_DICT_MANAGED)
		visit_managed_dict(v, o);
	else if (plan->dict_place == PY_DICT_AT)
		visit_dict_word(v, cs_le64(o->p + plan->dict_off));
	else if (plan->dict_place == PY_DICT_FROM_END)
		visit_dict_from_end(v, o);
	if (plan->type_hold != PY_KEEPS_TYPE)
		py_emit(v, &(struct py_edge){ .to = o->type->addr, .kind = PY_EDGE_TYPE,
					      .hold = plan->type_hold });
}

static void visit_unknown(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_plan *plan = v->plan;
	uint64_t to = plan->guess_items ? o->room : plan->guess_to;

	if (to <= o->room && plan->guess_from < to)
		py_emit_guesses(v, o->addr + plan->guess_from, to - plan->guess_from);
}

/* A str of one block and without a type to keep: most of what is asked about. */
static bool is_plain_str(struct py *py, const struct py_plan *plan, const struct py_obj *o)
{
	uint64_t need, size;

	return plan->leaf && !plan->visits[0] && o->type->flags & PY_FLAG_STR &&
	       plan->type_hold == PY_KEEPS_TYPE && plan->leaf(py, o, &need, &size);
}

static void visit(struct py_visitor *v, const struct py_obj *o)
{
	const struct py_plan *plan = v->plans ? py_plan_of(v->py, v->plans, o->type) : NULL;

	if (!plan || plan->is_atom || is_plain_str(v->py, plan, o))
		return;
	v->plan = plan;
	v->strong = plan->strong;
	/* a static type may be shorter than its metatype's heap types */
	if (o->room >= (uint64_t)o->type->basicsize) {
		visit_members(v, o);
		visit_class_part(v, o);
	}
	for (int i = 0; i < PY_VISITS_MAX && plan->visits[i]; i++)
		plan->visits[i](v, o);
	if (plan->claim)
		emit_claims(v, o, plan->claim);
	if (plan->guess_from < plan->guess_to || plan->guess_items)
		visit_unknown(v, o);
}

void py_visit(struct py *py, const struct py_obj *o, py_edge_fn *fn, void *ctx)
{
	struct py_visitor v = { .py = py, .plans = py_plans_of(py), .fn = fn, .ctx = ctx };

	visit(&v, o);
}

void py_visit_refs(struct py *py, const struct py_obj *o, struct py_refs *refs)
{
	struct py_visitor v = { .py = py, .plans = py_plans_of(py), .refs = refs };

	visit(&v, o);
}

bool py_object_at(struct py *py, cs_addr addr, struct py_obj *out)
{
	struct cs_block block;

	if (cs_blocks_holding(&py->model->blocks, addr, &block))
		return py_object_at_block(py, &block, out) && out->addr == addr;
	return py_object_static(py, addr, out);
}
