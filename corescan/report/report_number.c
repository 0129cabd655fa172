#include "report/report_number.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void cs_number_count(char buf[CS_NUMBER_LEN], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *to = buf;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
}

void cs_number_bytes(char buf[CS_NUMBER_LEN], uint64_t n, bool is_tight)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned unit = 0, decimals = 0;
	uint64_t scale = 1, shown = n;

	/* Up a unit as soon as rounding would print 1024 of the smaller one. */
	while (shown >= 1024 * scale && unit < 6) {
		unit++;
		decimals = unit < 3 ? 1 : 2;
		scale = decimals == 1 ? 10 : 100;

		unsigned shift = unit * 10;
		unsigned __int128 half = (unsigned __int128)1 << (shift - 1);

		shown = (uint64_t)(((unsigned __int128)n * scale + half) >> shift);
	}

	int len = snprintf(buf, CS_NUMBER_LEN, "%" PRIu64, shown / scale);

	if (decimals)
		len += snprintf(buf + len, (size_t)(CS_NUMBER_LEN - len), ".%0*" PRIu64,
				(int)decimals, shown % scale);
	snprintf(buf + len, (size_t)(CS_NUMBER_LEN - len), is_tight ? "%.1s" : " %s", units[unit]);
}

uint64_t cs_number_percent(uint64_t part, uint64_t whole)
{
	if (!whole)
		return 0;
	return (uint64_t)(((unsigned __int128)part * 100000 + whole / 2) / whole);
}

bool cs_number_parse(const char *text, uint64_t *out)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || !cs_mul(n, 10, &n) ||
		    !cs_add(n, (uint64_t)(*text - '0'), &n))
			return false;
	}
	*out = n;
	return true;
}

bool cs_number_parse_address(const char *text, cs_addr *out)
{
	uint64_t n = 0;

	if (text[0] != '0' || (text[1] | 0x20) != 'x')
		return cs_number_parse(text, out);
	text += 2;
	if (!*text || strlen(text) > 16)
		return false;
	for (; *text; text++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = strchr(digits, *text >= 'A' && *text <= 'F' ? *text | 0x20 : *text);

		if (!digit)
			return false;
		n = n << 4 | (uint64_t)(digit - digits);
	}
	*out = n;
	return true;
}

/* How far a unit shifts, or -1: k, K, KB, KiB, ... and B or nothing. */
static int unit_shift(const char *unit)
{
	static const char letters[] = "kmgtp";

	if (!*unit || !strcasecmp(unit, "b"))
		return 0;
	for (int i = 0; letters[i]; i++)
		if ((unit[0] | 0x20) == letters[i] &&
		    (!unit[1] || !strcasecmp(unit + 1, "b") || !strcasecmp(unit + 1, "ib")))
			return (i + 1) * 10;
	return -1;
}

cs_status cs_number_parse_size(const char *text, uint64_t *out, struct cs_error *err)
{
	static const char advice[] = "a size is a number with an optional unit, like 4096, 512k or 2G";
	size_t whole = strspn(text, "0123456789");
	size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	int shift = unit_shift(text + whole + (text[whole] == '.' ? fraction + 1 : 0));
	char digits[24] = "";
	uint64_t n, part = 0, scale = 1;

	if (!whole || whole >= sizeof(digits) || fraction > 3 || shift < 0 ||
	    (text[whole] == '.' && (!fraction || !shift)))
		return cs_fail(err, CS_USAGE, 0, "'%.40s' is not a size: %s", text, advice);
	memcpy(digits, text, whole);
	if (!cs_number_parse(digits, &n) || !cs_mul(n, (uint64_t)1 << shift, &n))
		return cs_fail(err, CS_USAGE, 0, "'%.40s' is more than can be addressed", text);
	for (size_t i = 0; i < fraction; i++) {
		part = part * 10 + (uint64_t)(text[whole + 1 + i] - '0');
		scale *= 10;
	}
	/* part < 1000 and shift <= 50: no overflow in the product */
	if (!cs_add(n, (part << shift) / scale, &n))
		return cs_fail(err, CS_USAGE, 0, "'%.40s' is more than can be addressed", text);
	*out = n;
	return CS_OK;
}
