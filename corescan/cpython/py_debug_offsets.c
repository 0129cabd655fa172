/* _Py_DebugOffsets, the first member of _PyRuntime from 3.13 on: u64 offsets
 * without a length field, inserted in the middle between minor versions, so
 * parsed by exact minor (CPython Include/internal/pycore_debug_offsets.h,
 * 3.13.0 and 3.14.4; pre-releases differ and fail their proof). */
#include "cpython/py_debug_offsets.h"

enum { V313, V314, VERSIONS };

static const struct {
	enum py_field field;
	uint16_t at[VERSIONS]; /* position of the u64 in the table */
} entries[] = {
	{ PY_RT_INTERPRETERS_HEAD, { 40, 40 } }, { PY_IS_SIZE, { 48, 48 } },
	{ PY_IS_NEXT, { 64, 64 } },		 { PY_IS_THREADS_HEAD, { 72, 72 } },
	{ PY_IS_GC, { 80, 88 } },		 { PY_IS_MODULES, { 88, 96 } },
	{ PY_IS_SYSDICT, { 96, 104 } },		 { PY_IS_BUILTINS, { 104, 112 } },
	{ PY_TS_SIZE, { 152, 176 } },		 { PY_TS_NEXT, { 168, 192 } },
	{ PY_TS_INTERP, { 176, 200 } },		 { PY_TS_CURRENT_FRAME, { 184, 208 } },
	{ PY_TS_THREAD_ID, { 192, 216 } },	 { PY_TS_NATIVE_ID, { 200, 224 } },
	{ PY_TS_DATASTACK_CHUNK, { 208, 232 } }, { PY_IFRAME_PREVIOUS, { 232, 256 } },
	{ PY_IFRAME_CODE, { 240, 264 } },	 { PY_IFRAME_LOCALSPLUS, { 256, 280 } },
	{ PY_IFRAME_OWNER, { 264, 288 } },	 { PY_CODE_SIZE, { 272, 312 } },
	{ PY_CODE_FILENAME, { 280, 320 } },	 { PY_CODE_NAME, { 288, 328 } },
	{ PY_CODE_QUALNAME, { 296, 336 } },	 { PY_CODE_FIRSTLINENO, { 312, 352 } },
	{ PY_CODE_ADAPTIVE, { 344, 384 } },	 { PY_OB_TYPE, { 360, 408 } },
	{ PY_TP_SIZE, { 368, 416 } },		 { PY_TP_NAME, { 376, 424 } },
	{ PY_TP_FLAGS, { 392, 440 } },		 { PY_TUPLE_ITEM, { 408, 456 } },
	{ PY_LIST_ITEM, { 432, 480 } },		 { PY_DICT_KEYS, { 456, 536 } },
	{ PY_DICT_VALUES, { 464, 544 } },	 { PY_FLOAT_FVAL, { 480, 560 } },
	{ PY_LONG_TAG, { 496, 576 } },		 { PY_LONG_DIGIT, { 504, 584 } },
	{ PY_BYTES_SVAL, { 528, 608 } },	 { PY_STR_STATE, { 544, 624 } },
	{ PY_STR_LENGTH, { 552, 632 } },	 { PY_ASCII_SIZE, { 560, 640 } },
	{ PY_GC_SIZE, { 568, 648 } },		 { PY_GC_COLLECTING, { 576, 656 } },
	{ PY_IFRAME_INSTR_PTR, { 248, 272 } },	 { PY_CODE_LINETABLE, { 304, 344 } },
	{ PY_SET_USED, { 0, 504 } },		 { PY_SET_TABLE, { 0, 512 } },
	{ PY_SET_MASK, { 0, 520 } },		 { PY_GEN_NAME, { 0, 672 } },
	{ PY_GEN_IFRAME, { 0, 680 } },		 { PY_GEN_FRAME_STATE, { 0, 688 } },
};

enum { TABLE_LEN_313 = 584, TABLE_LEN_314 = 760, OFFSET_MAX = 1 << 24 };

void py_debug_offsets_apply(struct py *py)
{
	struct py_layout *l = &py->layout;
	unsigned minor = py_minor(l);
	int v = minor == 13 ? V313 : V314;
	const unsigned char *p;

	if (minor != 13 && minor != 14)
		return;
	p = cs_mem_view(py->mem, py->runtime, v == V313 ? TABLE_LEN_313 : TABLE_LEN_314);
	if (!p || memcmp(p, "xdebugpy", 8) || (cs_le64(p + 8) >> 16 & 255) != minor)
		return;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		enum py_field f = entries[i].field;
		uint64_t value = entries[i].at[v] ? cs_le64(p + entries[i].at[v]) : OFFSET_MAX;

		if (value >= OFFSET_MAX)
			continue;
		if (l->off[f] != (int32_t)value) {
			if (!l->disagreements++)
				l->disagreed_field = (int)f;
			l->off[f] = (int32_t)value;
		}
		if (l->source[f] != PY_FROM_DWARF)
			l->source[f] = PY_FROM_TARGET;
	}
}
