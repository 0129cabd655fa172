#include "native/native_state.h"

#include "cs_test.h"

static const struct {
	const char *one, *other;
	bool same;
} rows[] = {
	{ "A<int>", "A<int>", true },
	{ "A<int>", "A<long>", false },
	{ "A<B<int> >", "A<B<int>>", true },
	{ "A<int const>", "A<const int>", true },
	{ "A<ns::B const, int>", "A<const ns::B, int>", true },
	{ "A<B const, C>", "A<B, C const>", false },
	{ "A<char const*>", "A<const char*>", true },
	{ "A<char const*>", "A<char* const>", false },
	{ "A<B<int> const>", "A<const B<int> >", true },
	{ "A<B<int const> >", "A<B<int> const>", false },
	{ "A<long unsigned int>", "A<unsigned long>", true },
	{ "A<long int>", "A<long>", true },
	{ "A<long>", "A<unsigned long>", false },
	{ "A<short unsigned int>", "A<unsigned short>", true },
	{ "A<unsigned int>", "A<int>", false },
	{ "A<int, long>", "A<long, int>", false },
	{ "A<B, 3>", "A<B, 3ul>", true },
	{ "A<B, 3>", "A<B, 4>", false },
	{ "longing", "ing", false },
	{ "point", "po", false },
	{ "a int_b", "a _b", false },
};

TEST(names_are_the_same_however_a_compiler_writes_them)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if ((nt_name_key(rows[i].one) == nt_name_key(rows[i].other)) != rows[i].same)
			fail_msg("%s and %s", rows[i].one, rows[i].other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_the_same_however_a_compiler_writes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
