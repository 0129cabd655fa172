/* DWARF 4 and 5. What nests deeper than NT_DEPTH_MAX is left out. */
#include "native/dwarf_die.h"
#include "image/debug_file.h"
#include "image/dwarf_walk.h"
#include "native/dwarf_split.h"

_Static_assert(sizeof(Dwarf_Die) == sizeof(struct nt_die), "a Dwarf_Die is four words");

enum { PREFIX_MAX = NT_NAME_MAX, TOLD_MAX = 8, NAMES_FACTOR = 4, NAMES_SLACK = 16 << 20 };

struct level {
	size_t prefix; /* length of the scope's name */
	bool is_record;
	unsigned members;
	uint64_t head; /* of the first member's name */
	uint32_t def;  /* of the record, or NT_AMBIGUOUS: none */
};

struct walk {
	struct cs_native *n;
	struct nt_dwarf *d;
	const struct cs_elf *elf;
	uint32_t module;
	uint64_t bias;
	struct cs_dwarf_walker *walker;
	uint64_t names_len, names_max; /* bytes: a long scope may be before many short names */
	bool is_cxx, types_only; /* types_only: a file that several share, it has no addresses */
	struct level levels[NT_DEPTH_MAX];
	char prefix[PREFIX_MAX];
};

void nt_trouble(struct cs_native *n, const char *text)
{
	if (n->dwarf->trouble++ < TOLD_MAX)
		cs_model_anomaly(n->model, "native.dwarf", 0, "%s", text);
}

static uint64_t key_of(const Dwarf_Die *die)
{
	return (uint64_t)(uintptr_t)die->addr;
}

/* --- variables --- */

/* DW_OP_addr, or an index of addresses; thread-local: a constant and an operation. */
static bool fixed_place(Dwarf_Attribute *attr, cs_addr *addr, bool *is_tls)
{
	Dwarf_Block block;
	Dwarf_Attribute where;
	Dwarf_Op *ops;
	size_t len;

	if (dwarf_formblock(attr, &block) || !block.length)
		return false;
	*is_tls = false;
	if (block.data[0] == DW_OP_addr && block.length == 9) {
		*addr = cs_le64(block.data + 1);
		return true;
	}
	if (block.data[0] == DW_OP_const8u && block.length == 10 &&
	    (block.data[9] == DW_OP_GNU_push_tls_address ||
	     block.data[9] == DW_OP_form_tls_address)) {
		*addr = cs_le64(block.data + 1);
		*is_tls = true;
		return true;
	}
	if (block.data[0] != DW_OP_addrx && block.data[0] != DW_OP_GNU_addr_index)
		return false;
	return !dwarf_getlocation(attr, &ops, &len) && len == 1 &&
	       !dwarf_getlocation_attr(attr, ops, &where) && !dwarf_formaddr(&where, addr);
}

static bool add_variable(struct walk *w, Dwarf_Die *die)
{
	struct nt_var var = {.die = nt_pack(die), .module = w->module};
	Dwarf_Attribute attr;

	if (w->types_only || !dwarf_attr(die, DW_AT_location, &attr) ||
	    !fixed_place(&attr, &var.addr, &var.is_tls) || (!var.addr && !var.is_tls) ||
	    w->d->vars.count >= NT_VARS_MAX)
		return true;
	if (!var.is_tls)
		var.addr += w->bias;
	return cs_vec_push(&w->d->vars, var);
}

/* --- structs and classes --- */

/* A definition for a name; two of different size in the target leave the name without one. */
static bool name_definition(struct walk *w, const struct nt_def *def, uint64_t key, uint32_t nr)
{
	uint32_t other;

	if (!def->size)
		return true;
	if (cs_map_get(&w->d->def_by_name, key, &other)) {
		if (other == NT_AMBIGUOUS || w->d->defs.items[other].size == def->size)
			return true;
		nr = NT_AMBIGUOUS;
	}
	return cs_map_put(&w->d->def_by_name, key, nr);
}

/* A text of the same name that is kept already. */
static const char *keep_name(struct walk *w, size_t len, uint64_t key)
{
	uint32_t nr;

	if (cs_map_get(&w->d->def_by_name, key, &nr) && nr != NT_AMBIGUOUS &&
	    !strcmp(w->d->defs.items[nr].name, w->prefix))
		return w->d->defs.items[nr].name;
	w->names_len += len + 1;
	return cs_arena_text(&w->n->model->strings, w->prefix, len);
}

static size_t add_scope(struct walk *w, size_t at, const char *name, const char *end)
{
	size_t len = strlen(name), more = strlen(end);

	if (at + len + more >= PREFIX_MAX)
		return at;
	memcpy(w->prefix + at, name, len);
	memcpy(w->prefix + at + len, end, more + 1);
	return at + len + more;
}

/* What was declared elsewhere, inside a class or namespace, is called after that. */
static size_t declared_scope(struct walk *w, Dwarf_Die *die, size_t prefix, const char **name)
{
	Dwarf_Attribute attr;
	Dwarf_Die declared;
	uint32_t nr;

	if (!dwarf_attr(die, DW_AT_specification, &attr) || !dwarf_formref_die(&attr, &declared) ||
	    !cs_map_get(&w->d->def_by_die, key_of(&declared), &nr))
		return prefix;
	*name = w->d->defs.items[nr].name;
	return 0;
}

static bool has_room(struct walk *w)
{
	if (w->names_len <= w->names_max)
		return true;
	if (w->names_max)
		nt_trouble(w->n, "scopes in debug data have endless names");
	w->names_max = 0; /* told */
	w->names_len = 1;
	return false;
}

/* Leaves the scope of what is inside in *inner. */
static bool add_record(struct walk *w, Dwarf_Die *die, size_t prefix, struct level *inner)
{
	const char *name = dwarf_diename(die);
	struct nt_def def = {.die = nt_pack(die), .module = w->module, .is_cxx = w->is_cxx};
	int size = dwarf_bytesize(die);
	uint32_t nr = (uint32_t)w->d->defs.count;
	uint64_t key;
	size_t end;

	*inner = (struct level){.prefix = prefix, .is_record = true, .def = NT_AMBIGUOUS};
	if (!name || nr >= NT_DEFS_MAX || !has_room(w))
		return true;
	prefix = declared_scope(w, die, prefix, &name);
	end = add_scope(w, prefix, name, "");
	key = nt_name_key(w->prefix);
	def.name = keep_name(w, end, key);
	def.size = size > 0 && !dwarf_hasattr(die, DW_AT_declaration) ? (uint64_t)size : 0;
	if (!def.name || !cs_vec_push(&w->d->defs, def) ||
	    !cs_map_put(&w->d->def_by_die, key_of(die), nr) || !name_definition(w, &def, key, nr))
		return false;
	inner->prefix = add_scope(w, end, "", "::");
	inner->def = nr;
	return true;
}

/* Something begins with a record: a pointer to that may be one to something longer. */
static bool add_derived(struct walk *w, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Word off = 0;
	Dwarf_Die type;
	const char *name;

	if (dwarf_attr(die, DW_AT_data_member_location, &attr) &&
	    (dwarf_formudata(&attr, &off) || off))
		return true;
	if (!dwarf_attr(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &type))
		return true;
	name = dwarf_diename(&type);
	for (int i = 0;
	     i < 8 && (dwarf_tag(&type) == DW_TAG_typedef || dwarf_tag(&type) == DW_TAG_const_type);
	     i++) {
		if (name && !cs_map_put(&w->d->derived, nt_name_key(name), 1))
			return false;
		if (!dwarf_attr(&type, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &type))
			return true;
		name = dwarf_diename(&type);
	}
	if (dwarf_tag(&type) != DW_TAG_structure_type && dwarf_tag(&type) != DW_TAG_class_type &&
	    dwarf_tag(&type) != DW_TAG_union_type)
		return true;
	return !name || cs_map_put(&w->d->derived, nt_name_key(name), 1);
}

static bool mark_derived(struct walk *w, uint32_t def)
{
	const char *name = w->d->defs.items[def].name;
	const char *last = name;

	for (const char *p = name; *p && *p != '<'; p++)
		if (p[0] == ':' && p[1] == ':')
			last = p + 2;
	return cs_map_put(&w->d->derived, nt_name_key(last), 1);
}

/* The first two members: C's way of deriving repeats them by name. */
static bool add_member(struct walk *w, struct level *level, Dwarf_Die *die)
{
	const char *name;
	uint64_t key;
	uint32_t other;

	if (level->members++ > 1)
		return true;
	name = dwarf_diename(die);
	key = name ? cs_map_key(name) : 1;
	if (level->members == 1) {
		level->head = key;
		return add_derived(w, die);
	}
	if (level->def == NT_AMBIGUOUS || !name)
		return true;
	key = (level->head * 31 + key) | 1;
	if (!cs_map_get(&w->d->heads, key, &other))
		return cs_map_put(&w->d->heads, key, level->def);
	if (!strcmp(w->d->defs.items[other].name, w->d->defs.items[level->def].name))
		return true;
	return mark_derived(w, other) && mark_derived(w, level->def);
}

/* --- the walk --- */

/* *enter: what is inside counts too, with the scope in *inner. */
static bool look_at(struct walk *w, const struct cs_dwarf_entry *e, struct level *level,
		    struct level *inner, bool *enter)
{
	const char *name;
	Dwarf_Die entry, *die = &entry;

	memcpy(die, e->die, sizeof(entry));
	*enter = false;
	*inner = (struct level){.prefix = level->prefix, .def = NT_AMBIGUOUS};
	w->prefix[level->prefix] = 0;
	switch (e->tag) {
	case DW_TAG_variable:
		return add_variable(w, die);
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		*enter = true;
		return add_record(w, die, level->prefix, inner);
	case DW_TAG_inheritance:
		return add_derived(w, die);
	case DW_TAG_member:
		return !level->is_record || add_member(w, level, die);
	case DW_TAG_namespace:
		name = dwarf_diename(die);
		inner->prefix =
			add_scope(w, level->prefix, name ? name : "(anonymous namespace)", "::");
		*enter = true;
		return true;
	case DW_TAG_subprogram:
		*enter = !level->is_record;
		name = w->is_cxx && *enter ? dwarf_diename(die) : NULL;
		if (name)
			inner->prefix = add_scope(w, level->prefix, name, "::");
		return true;
	case DW_TAG_lexical_block:
	case DW_TAG_module:
		*enter = true;
		return true;
	default:
		return true;
	}
}

/* One entry; levels[depth - 1] is what it is inside of. */
static bool walk_entry(struct walk *w, const struct cs_dwarf_entry *e, struct cs_dwarf_walk *walk)
{
	struct level inner;
	bool enter;

	if (!e->depth)
		return true;
	if (!look_at(w, e, &w->levels[e->depth - 1], &inner, &enter))
		return false;
	if (enter && e->has_children && e->depth == NT_DEPTH_MAX)
		nt_trouble(w->n, "entries of debug data are nested too deep");
	if (enter && e->depth < NT_DEPTH_MAX)
		w->levels[e->depth] = inner;
	else
		cs_dwarf_walk_skip(walk, e);
	return true;
}

static bool walk_unit(struct walk *w, Dwarf_Die *unit)
{
	struct cs_dwarf_entry entry;
	struct cs_dwarf_walk walk;
	cs_status st;

	w->levels[0] = (struct level){.def = NT_AMBIGUOUS};
	st = cs_dwarf_walk_init(&walk, w->walker, unit);
	while (!st && !cs_pulse_stops(w->n->model->pulse)) {
		st = cs_dwarf_walk_next(&walk, &entry);
		if (!st && !walk_entry(w, &entry, &walk))
			return false;
	}
	if (st == CS_CORRUPT)
		nt_trouble(w->n, "entries of debug data do not follow each other");
	return st != CS_NOMEM;
}

static bool is_cxx(Dwarf_Die *unit)
{
	int lang = dwarf_srclang(unit);

	return lang == DW_LANG_C_plus_plus || lang == DW_LANG_C_plus_plus_03 ||
	       lang == DW_LANG_C_plus_plus_11 || lang == DW_LANG_C_plus_plus_14 || lang == 0x2b;
}

/* The code of a unit. */
static bool add_code(struct walk *w, Dwarf_Die *unit, uint32_t nr)
{
	Dwarf_Addr base, from, to;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(unit, at, &base, &from, &to)) > 0) {
		struct nt_code code = {w->bias + from, w->bias + to, nr};

		if (from < to && from && !cs_vec_push(&w->d->codes, code))
			return false;
	}
	return true;
}

static bool index_unit(struct walk *w, Dwarf_Die *die, uint8_t type)
{
	struct nt_unit unit = {.die = nt_pack(die), .module = w->module};
	uint32_t nr = (uint32_t)w->d->units.count;
	Dwarf_Die inner = *die;

	if (type == DW_UT_skeleton && nt_split_unit(w->n, w->elf, &unit.die, &unit.die))
		memcpy(&inner, &unit.die, sizeof(inner));
	else if (type == DW_UT_skeleton)
		unit.die = nt_pack(die);
	if (dwarf_tag(&inner) == DW_TAG_compile_unit || dwarf_tag(&inner) == DW_TAG_type_unit)
		w->is_cxx = is_cxx(&inner);
	unit.is_cxx = w->is_cxx;
	if (nr >= NT_UNITS_MAX || !cs_vec_push(&w->d->units, unit))
		return nr >= NT_UNITS_MAX;
	if (!w->types_only && dwarf_tag(die) != DW_TAG_partial_unit && !add_code(w, die, nr))
		return false;
	return walk_unit(w, &inner);
}

static bool index_file(struct walk *w, Dwarf *dw)
{
	Dwarf_Die die;
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	uint8_t type;
	int got = 0;

	for (unsigned i = 0; i < NT_UNITS_MAX && !cs_pulse_look(w->n->model->pulse); i++) {
		got = dwarf_get_units(dw, cu, &cu, &version, &type, &die, NULL);
		if (got)
			break;
		/* units of types only come after the others, from the start of their section */
		if (type != DW_UT_type && !cs_dwarf_unit_fits((size_t)i, dwarf_dieoffset(&die))) {
			nt_trouble(w->n, "debug data are cut into too many units");
			break;
		}
		if (!index_unit(w, &die, type))
			return false;
	}
	if (got < 0)
		nt_trouble(w->n, dwarf_errmsg(-1));
	return true;
}

/* The C library's own types explain next to nothing, and its debug data are often there
 * when nobody else's are: looking through them would be paid for by every process. */
static bool is_left_out(const struct cs_module *m)
{
	static const char *const names[] = {"libc.so",	    "libc-2.",	  "ld-linux", "ld-2.",
					    "libm.so",	    "libpthread", "libdl.so", "libgcc_s",
					    "libstdc++.so", "libm-2.",	  "libdl-2.", "librt",
					    "libutil"};
	const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static struct cs_elf *debug_of(struct cs_native *n, size_t nr)
{
	struct cs_module *m = &n->image->modules.items[nr];
	struct cs_elf *elf = NULL;
	bool owned;

	if (!m->elf || is_left_out(m) || cs_debug_file(m, n->image, &elf, &owned, NULL))
		return NULL;
	return elf;
}

bool nt_dwarf_there(struct cs_native *n)
{
	for (size_t i = 0; i < n->image->modules.count; i++)
		if (debug_of(n, i))
			return true;
	return false;
}

static int by_start(const void *a, const void *b)
{
	const struct nt_code *x = a, *y = b;

	return x->start != y->start ? (x->start > y->start) - (x->start < y->start)
				    : (x->unit > y->unit) - (x->unit < y->unit);
}

static bool index_module(struct walk *w, size_t nr)
{
	struct cs_elf *elf = debug_of(w->n, nr);
	Dwarf *dw = elf ? cs_elf_dwarf(elf) : NULL, *shared;
	size_t len;

	if (!elf)
		return true;
	if (!dw) {
		nt_trouble(w->n, "debug data cannot be read");
		return true;
	}
	nt_tell_unshared(w->n, elf);
	w->elf = elf;
	cs_elf_bytes(elf, &len);
	w->names_len = 0;
	w->names_max = NAMES_SLACK + NAMES_FACTOR * (uint64_t)len;
	w->module = (uint32_t)nr;
	w->bias = w->n->image->modules.items[nr].bias;
	w->is_cxx = w->types_only = false;
	if (!index_file(w, dw))
		return false;
	shared = cs_elf_shared(elf) ? dwarf_getalt(dw) : NULL;
	w->types_only = true;
	return !shared || index_file(w, shared);
}

cs_status nt_dwarf_index(struct cs_native *n, struct cs_error *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	bool ok = w && (n->dwarf = calloc(1, sizeof(*n->dwarf)));

	if (ok) {
		w->n = n;
		w->d = n->dwarf;
		w->d->n = n;
		w->walker = cs_dwarf_walker_create(n->model->pulse);
		ok = w->walker;
	}
	for (size_t i = 0; ok && i < n->image->modules.count; i++)
		ok = index_module(w, i);
	if (w)
		cs_dwarf_walker_destroy(w->walker);
	free(w);
	if (!ok)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the debug data");
	if (n->dwarf->codes.count)
		qsort(n->dwarf->codes.items, n->dwarf->codes.count, sizeof(struct nt_code),
		      by_start);
	return cs_pulse_result(n->model->pulse, CS_OK, err);
}

void nt_dwarf_free(struct cs_native *n)
{
	struct nt_dwarf *d = n->dwarf;

	if (!d)
		return;
	cs_vec_free(&d->defs);
	cs_vec_free(&d->vars);
	cs_vec_free(&d->units);
	cs_vec_free(&d->codes);
	cs_map_deinit(&d->def_by_die);
	cs_map_deinit(&d->def_by_name);
	cs_map_deinit(&d->derived);
	cs_map_deinit(&d->heads);
	cs_map_deinit(&d->type_by_die);
	cs_map_deinit(&d->type_by_key);
	cs_vec_free(&d->objects);
	cs_map_deinit(&d->seen);
	cs_vec_free(&d->slack);
	cs_map_deinit(&d->var_by_addr);
	free(d);
	n->dwarf = NULL;
}
