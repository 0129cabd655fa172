/* DWARF 4 and 5 of gcc 8 to 13 and clang 11 to 16: an inlined constructor is a
 * DW_TAG_inlined_subroutine, a called one has a DW_TAG_call_site (gcc). libstdc++'s
 * bits/new_allocator.h: allocate() of std::__new_allocator<T>, of __gnu_cxx::new_allocator<T>
 * before 12; libc++'s of std::allocator<T>.
 */
#include "native/made.h"
#include "base/sorted.h"
#include "image/dwarf_walk.h"
#include "native/dwarf_die.h"

enum {
	BEHIND = 160, /* bytes between operator new and the constructor */
	RANGES_MAX = 256,
	SIBLINGS_MAX = 1 << 20, /* of all classes looked at */
	PLACES_MAX = 256,
	BY_VARIABLE = 1,
	BY_CONSTRUCTOR,
	BY_ALLOCATOR
};

struct walk {
	struct cs_native *n;
	struct cs_native_call *calls;
	size_t count;
	uint64_t bias;
	struct cs_dwarf_walker *walker;
	uint64_t ranges, siblings; /* that may still be looked at */
	size_t depth;
	/* calls inside of the scope of each level */
	size_t first[NT_DEPTH_MAX], end[NT_DEPTH_MAX];
};

/* The first call at or behind addr. */
static size_t first_call(const struct walk *w, cs_addr addr)
{
	size_t lo = CS_BELOW(w->calls, w->count, addr, addr);

	return lo;
}

static void claim(struct walk *w, struct cs_native_call *call, Dwarf_Die *type, uint8_t rank)
{
	struct nt_die die = nt_pack(type);
	uint32_t nr = nt_type_of(w->n, &die);
	uint64_t size = nr ? nt_size(w->n, nr) : 0;

	/* of the same rank the innermost allocator and the outermost constructor say it */
	if (!size || call->size % size || call->rank > rank ||
	    (call->rank == rank && rank != BY_ALLOCATOR))
		return;
	if (rank == BY_CONSTRUCTOR && size != call->size)
		return;
	call->rank = rank;
	call->type = w->n->types.items[nr].name;
}

/* --- member functions --- */

/* The class whose member a function is, by its `this`. */
static bool class_of(Dwarf_Die *function, Dwarf_Die *out)
{
	Dwarf_Attribute attr;
	const char *name;

	return dwarf_attr_integrate(function, DW_AT_object_pointer, &attr) &&
	       dwarf_formref_die(&attr, out) && nt_type_entry(out, out) && nt_peel(out, &name) &&
	       dwarf_tag(out) == DW_TAG_pointer_type && nt_type_entry(out, out) &&
	       nt_peel(out, &name) && nt_is_record(dwarf_tag(out));
}

/* "Box" of Box<int>. */
static bool is_constructor(const char *name, Dwarf_Die *of)
{
	const char *class_name = dwarf_diename(of);
	size_t len = class_name ? strcspn(class_name, "<") : 0;

	return name && len && !strncmp(name, class_name, len) && (!name[len] || name[len] == '<');
}

/* T of an allocator<T>. */
static bool item_of(struct walk *w, Dwarf_Die *of, Dwarf_Die *out)
{
	const char *name = dwarf_diename(of);

	if (!name || !strstr(name, "allocator<") || dwarf_child(of, out))
		return false;
	for (int i = 0; i < PLACES_MAX && w->siblings; i++) {
		void *at = out->addr;

		w->siblings--;
		if (dwarf_tag(out) == DW_TAG_template_type_parameter)
			return nt_type_entry(out, out);
		if (dwarf_siblingof(out, out) || out->addr <= at)
			return false;
	}
	return false;
}

/* The call of operator new whose result a constructor at addr may fill. */
static struct cs_native_call *call_before(const struct walk *w, cs_addr addr)
{
	size_t nr = first_call(w, addr);

	return nr && addr - w->calls[nr - 1].addr < BEHIND && w->calls[nr - 1].is_new
		       ? &w->calls[nr - 1]
		       : NULL;
}

static void look_at_constructor(struct walk *w, Dwarf_Die *function, cs_addr addr)
{
	struct cs_native_call *call = call_before(w, addr);
	Dwarf_Die of;

	if (call && class_of(function, &of) && is_constructor(dwarf_diename(function), &of))
		claim(w, call, &of, BY_CONSTRUCTOR);
}

/* --- scopes --- */

/* The calls inside of a scope; *start: its lowest address, 0: it has no code. */
static void find_calls(struct walk *w, Dwarf_Die *scope, size_t *first, size_t *end, cs_addr *start)
{
	Dwarf_Addr base, from, to;
	ptrdiff_t at = 0;

	*first = w->count;
	*end = *start = 0;
	for (int i = 0;
	     i < RANGES_MAX && w->ranges && (at = dwarf_ranges(scope, at, &base, &from, &to)) > 0;
	     i++) {
		size_t a = first_call(w, w->bias + from), b = first_call(w, w->bias + to);

		w->ranges--;
		if (from >= to)
			continue;
		if (!*start || w->bias + from < *start)
			*start = w->bias + from;
		if (a < b) {
			*first = a < *first ? a : *first;
			*end = b > *end ? b : *end;
		}
	}
}

static void look_at_inlined(struct walk *w, Dwarf_Die *die, size_t first, size_t end, cs_addr start)
{
	const char *name = dwarf_diename(die);
	Dwarf_Die of, item;

	if (start)
		look_at_constructor(w, die, start);
	if (first >= end || !name || strcmp(name, "allocate") || !class_of(die, &of) ||
	    !item_of(w, &of, &item))
		return;
	for (size_t i = first; i < end; i++)
		if (w->calls[i].is_new)
			claim(w, &w->calls[i], &item, BY_ALLOCATOR);
}

static void look_at_call(struct walk *w, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die origin;
	Dwarf_Addr pc;

	if ((!dwarf_attr(die, DW_AT_call_return_pc, &attr) &&
	     !dwarf_attr(die, DW_AT_low_pc, &attr)) ||
	    dwarf_formaddr(&attr, &pc) || !call_before(w, w->bias + pc))
		return;
	if ((dwarf_attr(die, DW_AT_call_origin, &attr) ||
	     dwarf_attr(die, DW_AT_abstract_origin, &attr)) &&
	    dwarf_formref_die(&attr, &origin))
		look_at_constructor(w, &origin, w->bias + pc);
}

/* A pointer that lives in rax from the end of a call on. */
static void look_at_variable(struct walk *w, Dwarf_Die *die, size_t first, size_t end)
{
	Dwarf_Attribute attr;
	Dwarf_Addr base, from, to;
	Dwarf_Die type;
	Dwarf_Op *ops;
	size_t len;
	ptrdiff_t at = 0;
	const char *name;

	if (first >= end || !dwarf_attr(die, DW_AT_location, &attr) ||
	    dwarf_whatform(&attr) == DW_FORM_exprloc)
		return;
	for (int i = 0; i < PLACES_MAX &&
			(at = dwarf_getlocations(&attr, at, &base, &from, &to, &ops, &len)) > 0;
	     i++) {
		if (len != 1 || ops[0].atom != DW_OP_reg0)
			continue;
		for (size_t k = first; k < end; k++) {
			if (w->calls[k].end != w->bias + from || w->calls[k].rank)
				continue;
			if (nt_type_entry(die, &type) && nt_peel(&type, &name) &&
			    dwarf_tag(&type) == DW_TAG_pointer_type &&
			    nt_type_entry(&type, &type) && nt_peel(&type, &name) &&
			    nt_is_record(dwarf_tag(&type)))
				claim(w, &w->calls[k], &type, BY_VARIABLE);
		}
	}
}

/* True: what is inside matters too. */
static bool look_at(struct walk *w, Dwarf_Die *die, size_t *first, size_t *end)
{
	cs_addr start;

	*first = w->first[w->depth];
	*end = w->end[w->depth];
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_module:
		return true;
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		find_calls(w, die, first, end, &start);
		/* what has no range of its own has that of the scope around it */
		if (!start && dwarf_tag(die) == DW_TAG_lexical_block) {
			*first = w->first[w->depth];
			*end = w->end[w->depth];
		}
		return *first < *end || dwarf_tag(die) == DW_TAG_lexical_block;
	case DW_TAG_inlined_subroutine:
		find_calls(w, die, first, end, &start);
		look_at_inlined(w, die, *first, *end, start);
		return true;
	case DW_TAG_call_site:
	case DW_TAG_GNU_call_site:
		look_at_call(w, die);
		return false;
	case DW_TAG_variable:
		look_at_variable(w, die, *first, *end);
		return false;
	default:
		return false;
	}
}

static void walk_unit(struct walk *w, Dwarf_Die *unit)
{
	struct cs_dwarf_walk walk;
	struct cs_dwarf_entry e;

	if (cs_dwarf_walk_init(&walk, w->walker, unit))
		return;
	w->first[0] = w->end[0] = 0;
	while (!cs_dwarf_walk_next(&walk, &e) && !cs_pulse_stops(w->n->model->pulse)) {
		Dwarf_Die die;
		size_t first = 0, end = 0;

		if (!e.depth)
			continue;
		memcpy(&die, e.die, sizeof(die));
		w->depth = e.depth - 1;
		if (e.depth >= NT_DEPTH_MAX || !look_at(w, &die, &first, &end)) {
			cs_dwarf_walk_skip(&walk, &e);
			continue;
		}
		w->first[e.depth] = first;
		w->end[e.depth] = end;
	}
}

cs_status cs_native_made(struct cs_native *n, struct cs_native_call *calls, size_t count,
			 struct cs_error *err)
{
	struct walk *w;
	uint64_t *done;

	if (!n || !n->dwarf || !count)
		return CS_OK;
	w = calloc(1, sizeof(*w));
	if (w) {
		w->walker = cs_dwarf_walker_create(n->model->pulse);
		w->ranges = CS_DWARF_RANGES;
		w->siblings = SIBLINGS_MAX;
	}
	done = calloc(n->dwarf->units.count / 64 + 1, sizeof(*done));
	for (size_t i = 0; w && w->walker && done && i < n->dwarf->codes.count; i++) {
		const struct nt_code *code = &n->dwarf->codes.items[i];
		const struct nt_unit *unit = &n->dwarf->units.items[code->unit];
		Dwarf_Die die = nt_unpack(&unit->die);

		w->n = n;
		w->calls = calls;
		w->count = count;
		w->bias = n->image->modules.items[unit->module].bias;
		if (cs_bit(done, code->unit) ||
		    first_call(w, code->start) == first_call(w, code->end))
			continue;
		cs_bit_set(done, code->unit);
		walk_unit(w, &die);
		if (cs_pulse_look(n->model->pulse))
			break;
	}
	cs_status st =
		w && w->walker && done && !n->failed
			? CS_OK
			: cs_fail(err, CS_NOMEM, 0, "no memory for the types that calls build");

	if (w)
		cs_dwarf_walker_destroy(w->walker);
	free(w);
	free(done);
	return cs_pulse_result(n->model->pulse, st, err);
}
