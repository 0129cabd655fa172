/* py_layout.h - where the fields of this target's CPython are.
 *
 * Field by field, in order of trust: the target's own table
 * (_Py_DebugOffsets, 3.13+), the target's DWARF, our generated rows. Each
 * offset remembers its source; two sources that disagree are counted and told.
 *
 * A layout here is a hypothesis. py_proof.h says whether it explains the target.
 */
#ifndef CS_PY_LAYOUT_H
#define CS_PY_LAYOUT_H
#include "cpython/py_fields.h"
#include "image/elf_file.h"

#define PY_HEX(major, minor) ((uint32_t)((major) << 24 | (minor) << 16))

enum py_source { PY_FROM_NOTHING, PY_FROM_ROW, PY_FROM_DWARF, PY_FROM_TARGET, PY_CALIBRATED };

struct py_layout {
	int32_t off[PY_FIELD_COUNT];	 /* bytes; PY_NO_FIELD when absent */
	uint8_t source[PY_FIELD_COUNT];	 /* enum py_source */
	uint32_t version;		 /* PY_VERSION_HEX; minor sure, micro perhaps 0 */
	const char *row;		 /* name of the row it started from */
	int disagreements;		 /* fields on which two sources differ */
	int disagreed_field;		 /* the first of them, or -1 */
};

static inline bool py_has(const struct py_layout *l, enum py_field field)
{
	return l->off[field] != PY_NO_FIELD;
}

static inline uint64_t py_off(const struct py_layout *l, enum py_field field)
{
	return (uint64_t)l->off[field];
}

static inline uint32_t py_minor(const struct py_layout *l)
{
	return l->version >> 16 & 255;
}

/* Rows in the order they are worth trying for a minor version; NULL at the end. */
struct py_row {
	const char *name;	  /* "3.13.0", "3.13.5-debian" */
	uint32_t version;	  /* of the build it was generated from */
	int32_t off[PY_FIELD_COUNT];
};
const struct py_row *py_row_next(const struct py_row *after, uint32_t version);

/* Start from a row. */
void py_layout_of_row(struct py_layout *l, const struct py_row *row);

/* Lay the DWARF of elf over it. CS_NOTFOUND: no DWARF or not CPython's. */
cs_status py_layout_add_dwarf(struct py_layout *l, struct cs_elf *elf, struct cs_error *err);

/* Do the offsets hang together: every member inside its struct, every struct of
 * a size one can read? The target's own table may say anything. CS_CORRUPT
 * names the first field that does not. */
cs_status py_layout_check(const struct py_layout *l, struct cs_error *err);
#endif
