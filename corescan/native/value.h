/* value.h - what a place in memory holds, in short text, by its type in debug data. For the
 * .c files that know elfutils.
 *
 * Everything is bounded: items of an array that are shown, characters of a text. Nothing
 * is followed but a pointer to characters. */
#ifndef CS_NATIVE_VALUE_H
#define CS_NATIVE_VALUE_H
#include "native/dwarf_die.h"

struct nt_value {
	Dwarf_Die type;	   /* behind typedefs and qualifiers */
	cs_addr addr;	   /* of a bit-field: of its first byte */
	uint64_t room;	   /* bytes from there on that belong to it: what an open array may have */
	uint32_t bit_off, bits; /* of a bit-field; bits 0: none */
	bool is_open;	   /* an array that goes on to the end of its room, whatever is declared */
};

struct nt_text {
	char *out;
	size_t cap, len;
	bool is_integer; /* the digits can stand for themselves */
	bool no_text;	 /* characters of the target are not to be shown */
};

/* Is it a record that is told as a whole (a string, a vector) and not by its members? */
bool nt_is_whole(struct cs_native *n, Dwarf_Die *record);

/* Write what is there into text; "" when nothing can be said. */
void nt_value_text(struct cs_native *n, const struct nt_value *value, struct nt_text *text);

/* Characters at addr, `len` of them or up to a NUL, in quotes. */
void nt_put_string(struct cs_native *n, cs_addr addr, uint64_t len, struct nt_text *text);
#endif
