#include "report/report_escape.h"

#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *written(void (*write)(FILE *, const char *), const char *s)
{
	size_t len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	write(out, s);
	fclose(out);
	return text;
}

static void check(void (*write)(FILE *, const char *), const char *s, const char *want)
{
	char *text = written(write, s);

	assert_string_equal(text, want);
	free(text);
}

TEST(a_terminal_never_gets_a_control_character)
{
	struct cs_glyph g;

	for (unsigned byte = 1; byte < 256; byte++) {
		char s[2] = { (char)byte, 0 };

		cs_glyph_read(s, true, &g);
		for (const char *p = g.text; *p; p++)
			assert_in_range((unsigned char)*p, 0x20, 0x7e);
		assert_int_equal(g.width, strlen(g.text));
	}
}

TEST(marks_that_hide_or_reverse_text_are_spelled_out)
{
	static const char *const marks[][2] = {
		{ "\u202e", "\\u202e" },     { "\u200b", "\\u200b" },	{ "\xc2\x85", "\\u0085" },
		{ "\u2066", "\\u2066" },     { "\ufeff", "\\ufeff" },	{ "\U000e0041", "\\U000e0041" },
		{ "\u2028", "\\u2028" },
	};
	struct cs_glyph g;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		cs_glyph_read(marks[i][0], true, &g);
		assert_string_equal(g.text, marks[i][1]);
		assert_int_equal(g.used, strlen(marks[i][0]));
	}
}

TEST(what_is_not_utf8_is_spelled_byte_by_byte)
{
	/* a lone tail, an overlong slash, a surrogate, beyond Unicode, cut short */
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xe2\x82", "\xff" };
	struct cs_glyph g;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cs_glyph_read(bad[i], true, &g);
		assert_false(g.is_valid);
		assert_int_equal(g.used, 1);
		assert_int_equal(g.text[0], '\\');
		assert_int_equal(g.text[1], 'x');
	}
}

TEST(names_beyond_ascii_show_only_where_they_can)
{
	struct cs_glyph g;

	cs_glyph_read("\u00e9", true, &g);
	assert_string_equal(g.text, "\u00e9");
	assert_int_equal(g.width, 1);
	cs_glyph_read("\u00e9", false, &g);
	assert_string_equal(g.text, "\\u00e9");
	assert_int_equal(cs_text_width("\u4f60\u597d", true), 4);
	assert_int_equal(cs_text_width("e\u0301", true), 1);
}

TEST(json_strings_are_escaped)
{
	check(cs_write_json_text, NULL, "null");
	check(cs_write_json_text, "", "\"\"");
	check(cs_write_json_text, "a\"b\\c", "\"a\\\"b\\\\c\"");
	check(cs_write_json_text, "\n\t\x1b", "\"\\u000a\\u0009\\u001b\"");
	check(cs_write_json_text, "\u00e9\u4f60", "\"\u00e9\u4f60\"");
	check(cs_write_json_text, "\xff", "\"\\\\xff\"");
	check(cs_write_json_text, "\u202e", "\"\\u202e\"");
	check(cs_write_json_text, "\U000e0041", "\"\\udb40\\udc41\"");
}

TEST(csv_fields_are_quoted_when_they_must_be)
{
	check(cs_write_csv_text, NULL, "");
	check(cs_write_csv_text, "dict", "dict");
	check(cs_write_csv_text, "map<int, int>", "\"map<int, int>\"");
	check(cs_write_csv_text, "say \"hi\"", "\"say \"\"hi\"\"\"");
	check(cs_write_csv_text, "two\nlines", "\"two\nlines\"");
	check(cs_write_csv_text, " blank", "\" blank\"");
	check(cs_write_csv_text, "\x1b[31m\xff", "\\x1b[31m\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_never_gets_a_control_character),
		cmocka_unit_test(marks_that_hide_or_reverse_text_are_spelled_out),
		cmocka_unit_test(what_is_not_utf8_is_spelled_byte_by_byte),
		cmocka_unit_test(names_beyond_ascii_show_only_where_they_can),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(csv_fields_are_quoted_when_they_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
