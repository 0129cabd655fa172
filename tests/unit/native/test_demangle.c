#include "native/demangle.h"

#include "cs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *mangled, *name; /* NULL: is refused */
} rows[] = {
	{ "3Foo", "Foo" },
	{ "N2ns3FooE", "ns::Foo" },
	{ "N2ns3BoxINS_5PointELi5EEE", "ns::Box<ns::Point, 5>" },
	{ "St6vectorIiSaIiEE", "std::vector<int, std::allocator<int> >" },
	{ "St4pairIKiPKcE", "std::pair<const int, const char*>" },
	{ "N12_GLOBAL__N_16HiddenE", "(anonymous namespace)::Hidden" },
	{ "Z4mainE5Local", "main::Local" },
	{ "Z3fooiE3Bar", "foo(int)::Bar" },
	{ "St8functionIFivEE", "std::function<int ()>" },
	{ "1AILb1ELin3EE", "A<true, -3>" },
	{ "1AIJidEE", "A<int, double>" },
	{ "1AIA3_iRKS_E", "A<int [3], const A&>" },
	{ "St23_Sp_counted_ptr_inplaceI3FooSaIvELN9__gnu_cxx12_Lock_policyE2EE",
	  "std::_Sp_counted_ptr_inplace<Foo, std::allocator<void>, (__gnu_cxx::_Lock_policy)2>" },
	{ "", NULL },
	{ "3Fo", NULL },
	{ "99999999999999999999Foo", NULL },
	{ "N3FooE3Bar", NULL },
	{ "S_", NULL },
	{ "S99999_", NULL },
	{ "1AIE1B", NULL },
	{ "N", NULL },
	{ "1AILi5", NULL },
};

TEST(names_read_as_they_were_written)
{
	char out[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool ok = cs_demangle_type(rows[i].mangled, strlen(rows[i].mangled), out, sizeof(out));

		assert_int_equal(ok, rows[i].name != NULL);
		if (ok)
			assert_string_equal(out, rows[i].name);
	}
}

TEST(every_cut_of_a_name_is_refused_or_read_within_bounds)
{
	char out[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t len = 0; len <= strlen(rows[i].mangled); len++) {
			char *cut = malloc(len + 1); /* so that reading behind it is seen */

			memcpy(cut, rows[i].mangled, len);
			cut = realloc(cut, len ? len : 1);
			for (size_t cap = 1; cap < sizeof(out); cap++)
				(void)cs_demangle_type(cut, len, out, cap);
			free(cut);
		}
}

TEST(deep_and_growing_names_end)
{
	enum { LEN = 20000 };
	char *name = malloc(LEN + 1), out[4096];

	memset(name, 'P', LEN);
	assert_false(cs_demangle_type(name, LEN, out, sizeof(out)));
	for (size_t i = 0; i + 3 <= LEN; i += 3)
		memcpy(name + i, "1AI", 3);
	assert_false(cs_demangle_type(name, LEN, out, sizeof(out)));
	/* each argument is twice the one before */
	strcpy(name, "1AI");
	strcat(name, "1BIiiE");
	for (int i = 0; i < 30; i++) {
		char part[32];

		snprintf(part, sizeof(part), "1BIS%d_S%d_E", i, i);
		strcat(name, part);
	}
	strcat(name, "E");
	assert_false(cs_demangle_type(name, strlen(name), out, sizeof(out)));
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_read_as_they_were_written),
		cmocka_unit_test(every_cut_of_a_name_is_refused_or_read_within_bounds),
		cmocka_unit_test(deep_and_growing_names_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
