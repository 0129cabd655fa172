/* The chain of proof. Each step uses fields the later ones do not, so that a
 * wrong row cannot come through by luck: states, then objects and types, then
 * dict keys tables, strings and numbers. */
#include "cpython/py_proof.h"
#include "cpython/py_dict.h"

static bool u64_at(struct py *py, cs_addr addr, uint64_t *out)
{
	return cs_mem_u64(py->mem, addr, out);
}

static cs_status prove_states(struct py *py, cs_addr interp, struct cs_error *why)
{
	const struct py_layout *l = &py->layout;
	uint64_t thread, back;

	if (!interp || interp % 8)
		return cs_fail(why, CS_CORRUPT, py->runtime, "no interpreter hangs on _PyRuntime");
	if (!u64_at(py, interp + py_off(l, PY_IS_THREADS_HEAD), &thread) || !thread)
		return cs_fail(why, CS_CORRUPT, interp, "the interpreter has no thread state");
	if (!u64_at(py, thread + py_off(l, PY_TS_INTERP), &back) || back != interp)
		return cs_fail(why, CS_CORRUPT, thread, "the thread state does not lead back");
	return CS_OK;
}

static uint64_t flags_of(struct py *py, cs_addr type)
{
	return py_word(py, type + py_off(&py->layout, PY_TP_FLAGS));
}

static bool name_is(struct py *py, cs_addr type, const char *name)
{
	size_t len;
	const char *have = cs_mem_text(py->mem, py_word(py, type + py_off(&py->layout, PY_TP_NAME)),
				       64, &len);

	/* .rodata may be nowhere: then the flags must do */
	return !have || !strcmp(have, name);
}

static cs_status prove_types(struct py *py, cs_addr dict, struct cs_error *why)
{
	const struct py_layout *l = &py->layout;
	uint64_t dict_type, type, again;

	if (!dict || !u64_at(py, dict + py_off(l, PY_OB_TYPE), &dict_type) ||
	    !u64_at(py, dict_type + py_off(l, PY_OB_TYPE), &type) ||
	    !u64_at(py, type + py_off(l, PY_OB_TYPE), &again))
		return cs_fail(why, CS_FAULT, dict, "sys.__dict__ is not in the core");
	if (type != again || !name_is(py, type, "type") || !(flags_of(py, type) & PY_FLAG_TYPE))
		return cs_fail(why, CS_CORRUPT, type, "type(type) is not type");
	if (!name_is(py, dict_type, "dict") || !(flags_of(py, dict_type) & PY_FLAG_DICT))
		return cs_fail(why, CS_CORRUPT, dict_type, "sys.__dict__ is not a dict");
	py->type_type = type;
	return CS_OK;
}

static cs_status prove_version(struct py *py, cs_addr sysdict, struct cs_error *why)
{
	struct py_layout *l = &py->layout;
	cs_addr number = py_dict_get(py, sysdict, "hexversion");
	uint32_t value;

	if (!number && !cs_mem_view(py->mem, py_word(py, sysdict + py_off(l, PY_DICT_KEYS)), 1))
		return cs_fail(why, CS_FAULT, sysdict, "sys.__dict__ is not in the core");
	if (!number || !cs_mem_u32(py->mem, number + py_off(l, PY_LONG_DIGIT), &value))
		return cs_fail(why, CS_CORRUPT, sysdict, "sys.hexversion cannot be read");

	/* 30-bit digits: 0x030b02f0 fits into one */
	if (value >> 16 != l->version >> 16)
		return cs_fail(why, CS_CORRUPT, number, "sys.hexversion is 0x%x, the layout is for %u.%u",
			       value, l->version >> 24, l->version >> 16 & 255);
	l->version = value;
	if (py_dict_get(py, sysdict, "gettotalrefcount"))
		return cs_fail(why, CS_UNSUPPORTED, 0, "a debug build");
	return CS_OK;
}

static bool is_listed(const struct py *py, cs_addr interp)
{
	for (size_t i = 0; i < py->interp_count; i++)
		if (py->interps[i] == interp)
			return true;
	return false;
}

/* Every interpreter of the list: its sys.__dict__ is of the proven dict type. A
 * subinterpreter may have no thread state at the moment. */
static void list_interps(struct py *py, cs_addr head, cs_addr dict_type)
{
	const struct py_layout *l = &py->layout;

	for (py->interp_count = 0; head && head % 8 == 0 && py->interp_count < PY_INTERPS_MAX;) {
		cs_addr dict = py_word(py, head + py_off(l, PY_IS_SYSDICT));

		if (!dict || py_word(py, dict + py_off(l, PY_OB_TYPE)) != dict_type || is_listed(py, head))
			break;
		py->interps[py->interp_count++] = head;
		head = py_word(py, head + py_off(l, PY_IS_NEXT));
	}
}

/* The debug allocator (PYTHONMALLOC=debug, -X dev) puts 16 bytes in front of
 * every block: 8 of size, big-endian, a domain letter, 7 of 0xfd
 * (CPython Objects/obmalloc.c, 3.8+). sys.__dict__ is a GC object at block + 16. */
static unsigned find_skew(struct py *py, cs_addr dict)
{
	const unsigned char *p = cs_mem_view(py->mem, dict - 32, 16);
	static const unsigned char fence[7] = { 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd };

	return p && p[8] == 'o' && !memcmp(p + 9, fence, sizeof(fence)) ? 16 : 0;
}

static cs_status prove_interp(struct py *py, cs_addr interp, struct cs_error *why)
{
	cs_status st = prove_states(py, interp, why);
	cs_addr sysdict;

	if (!st)
		st = py_layout_check(&py->layout, why);
	if (st)
		return st;
	sysdict = py_word(py, interp + py_off(&py->layout, PY_IS_SYSDICT));
	st = prove_types(py, sysdict, why);
	if (!st)
		st = prove_version(py, sysdict, why);
	if (!st)
		py->skew = find_skew(py, sysdict);
	return st;
}

static bool is_static_type(struct py *py, cs_addr addr, const char *name, uint64_t flag)
{
	const struct py_layout *l = &py->layout;

	return py_word(py, addr + py_off(l, PY_OB_TYPE)) == py->type_type &&
	       flags_of(py, addr) & flag && name_is(py, addr, name);
}

/* What a truncated core may have kept: the interpreter's static types. Weaker:
 * the version stays what the binary says, the micro release unknown perhaps. */
static cs_status prove_static_types(struct py *py)
{
	const struct py_layout *l = &py->layout;
	cs_addr dict = 0;

	if (cs_module_symbol(py->module, py->image, "PyType_Type", &py->type_type, NULL) ||
	    cs_module_symbol(py->module, py->image, "PyDict_Type", &dict, NULL))
		return CS_FAULT;
	if (!is_static_type(py, py->type_type, "type", PY_FLAG_TYPE) ||
	    py_word(py, py->type_type + py_off(l, PY_TP_BASICSIZE)) != py_off(l, PY_HT_SIZE) ||
	    !is_static_type(py, dict, "dict", PY_FLAG_DICT))
		return CS_FAULT;
	py->proven_by = "type(type) is type; sys.__dict__ is not in the core";
	return CS_OK;
}

cs_status py_proof(struct py *py, struct cs_error *why)
{
	const struct py_layout *l = &py->layout;
	cs_addr head = py_word(py, py->runtime + py_off(l, PY_RT_INTERPRETERS_HEAD)), at = head;
	cs_status st = prove_interp(py, at, why);

	/* The newest comes first, the main one last: one that proves itself will do. */
	for (int i = 0; (st == CS_CORRUPT || st == CS_FAULT) && at && i < PY_INTERPS_MAX; i++) {
		at = py_word(py, at + py_off(l, PY_IS_NEXT));
		if (!at)
			break;
		st = prove_interp(py, at, why);
	}
	if (st == CS_FAULT && head && !prove_static_types(py)) {
		py->interps[0] = head;
		py->interp_count = 1;
		return CS_OK;
	}
	if (!st) {
		cs_addr sysdict = py_word(py, at + py_off(l, PY_IS_SYSDICT));

		py->proven_by = "its interpreter's sys.hexversion reads as this version";

		list_interps(py, head, py_word(py, sysdict + py_off(l, PY_OB_TYPE)));
	}
	return st;
}
