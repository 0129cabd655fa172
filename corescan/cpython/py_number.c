/* CPython Objects/longobject.c (digits of 30 bits; 3.12+: lv_tag with two bits of sign) and
 * Python/pystrtod.c (format_float_short, code 'r'), 3.8 to 3.14. */
#include "cpython/py_number.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

enum {
	DIGIT_BITS = 30,
	DIGITS_MAX = 16,   /* 480 bits */
	DECIMALS_MAX = 152, /* of so many bits, a sign and the end */
	PRECISION_MAX = 17,
	/* repr() writes an exponent when the decimal point lies farther out */
	POINT_MIN = -4, POINT_MAX = 16,
};
#define TEN_TO_9 1000000000u

static uint64_t digit_count(struct py *py, const struct py_obj *o, bool *negative)
{
	const struct py_layout *l = &py->layout;

	if (py_has(l, PY_LONG_TAG)) {
		uint64_t tag = cs_le64(o->p + l->off[PY_LONG_TAG]);

		*negative = (tag & 3) == 2;
		return tag >> 3;
	}

	int64_t size = (int64_t)cs_le64(o->p + l->off[PY_OB_SIZE]);

	*negative = size < 0;
	return *negative ? 0 - (uint64_t)size : (uint64_t)size;
}

uint64_t py_int_bits(struct py *py, const struct py_obj *o, bool *negative)
{
	uint64_t bits;

	return cs_mul(digit_count(py, o, negative), DIGIT_BITS, &bits) ? bits : UINT64_MAX;
}

/* Divide by 10^9 in place; the remainder. */
static uint32_t divide(uint32_t *digits, uint64_t n)
{
	uint64_t rest = 0;

	for (uint64_t i = n; i-- > 0;) {
		rest = rest << DIGIT_BITS | digits[i];
		digits[i] = (uint32_t)(rest / TEN_TO_9);
		rest %= TEN_TO_9;
	}
	return (uint32_t)rest;
}

bool py_int_text(struct py *py, const struct py_obj *o, char *out, size_t cap)
{
	char text[DECIMALS_MAX], *at = text + sizeof(text) - 1;
	uint32_t digits[DIGITS_MAX];
	bool negative;
	uint64_t n = digit_count(py, o, &negative);

	if (n > DIGITS_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (!cs_mem_u32(py->mem, o->addr + py_off(&py->layout, PY_LONG_DIGIT) + i * 4,
				&digits[i]))
			return false;
		digits[i] &= (1u << DIGIT_BITS) - 1;
	}
	*at = 0;
	do {
		uint32_t part = divide(digits, n);

		while (n && !digits[n - 1])
			n--;
		for (int i = 0; i < 9 && (n || part); i++, part /= 10)
			*--at = (char)('0' + part % 10);
	} while (n);
	if (!*at)
		*--at = '0';
	if (negative)
		*--at = '-';
	if (strlen(at) >= cap)
		return false;
	memcpy(out, at, strlen(at) + 1);
	return true;
}

/* The digits of "1.25e-07", without zeros at the end; the exponent. */
static int take_digits(const char *text, char digits[PRECISION_MAX + 1])
{
	int n = 0;

	/* whatever the locale's decimal point is */
	for (; *text != 'e'; text++)
		if (isdigit((unsigned char)*text) && n < PRECISION_MAX)
			digits[n++] = *text;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = 0;
	return atoi(text + 1);
}

/* Below a power of two doubles lie closer than above: a number of 16 digits above it may
 * read back as it where the nearest, below, does not. */
static bool next_above(char *text, double value)
{
	char *last = strchr(text, 'e') - 1;

	if (frexp(value, &(int){ 0 }) != 0.5 || !isdigit((unsigned char)*last) || *last == '9')
		return false;
	++*last;
	return strtod(text, NULL) == value;
}

/* Shortest digits, and the decimal point's place behind the first of them. What reads back
 * with 15 digits has the same 15 however few it needs; but for denormal ones. */
static int shortest(double value, char digits[PRECISION_MAX + 1])
{
	char text[40];

	for (int n = value < DBL_MIN ? 1 : DBL_DIG; n <= PRECISION_MAX; n++) {
		snprintf(text, sizeof(text), "%.*e", n - 1, value);
		if (strtod(text, NULL) == value ||
		    (n == PRECISION_MAX - 1 && next_above(text, value)))
			break;
	}
	return take_digits(text, digits);
}

void py_float_text(double value, char *out, size_t cap)
{
	char digits[PRECISION_MAX + 1];
	const char *sign = signbit(value) ? "-" : "";
	int point, n;

	if (isnan(value) || isinf(value)) {
		snprintf(out, cap, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
		return;
	}
	point = shortest(fabs(value), digits);
	n = (int)strlen(digits);
	if (point < POINT_MIN || point >= POINT_MAX)
		snprintf(out, cap, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1,
			 point < 0 ? '-' : '+', abs(point));
	else if (point < 0)
		snprintf(out, cap, "%s0.%.*s%s", sign, -point - 1, "000", digits);
	else if (n <= point + 1)
		snprintf(out, cap, "%s%s%.*s.0", sign, digits, point + 1 - n, "0000000000000000");
	else
		snprintf(out, cap, "%s%.*s.%s", sign, point + 1, digits, digits + point + 1);
}
