/* Frame chains of every generation, made by hand: right ones, loops, garbage; who
 * holds the GIL. */
#include "cpython/py_frame.h"
#include "fake_py.h"
#include "cs_test.h"

#include <stdlib.h>

#define THREAD (FAKE_BASE + 0x20000)
#define CFRAME(n) (FAKE_BASE + 0x22000 + (n) * 0x100ull)
#define FRAME(n) (FAKE_BASE + 0x24000 + (n) * 0x400ull)
#define SHIM(n) (FAKE_BASE + 0x28000 + (n) * 0x400ull)
#define CODE(n) (FAKE_BASE + 0x30000 + (n) * 0x800ull)
#define TEXTS (FAKE_BASE + 0x38000)
#define TABLE (FAKE_BASE + 0x3f000)
#define INTERP (FAKE_BASE + 0x40000)
#define RUNTIME (FAKE_BASE + 0x80000)

enum { LINE = 7, FRAMES = 4, OLDEST = 8, NEWEST = 14, OWNED_BY_INTERPRETER = 3 };

static void make_code(struct fake_py *f, cs_addr type, unsigned n)
{
	const struct py_layout *l = &f->py->layout;
	cs_addr name = TEXTS + n * 0x200, file = name + 0x100;
	char text[] = "f0";

	text[1] = (char)('0' + n);
	fake_str(f, name, text);
	fake_str(f, file, "/app/file.py");
	fake_put(f, CODE(n) + py_off(l, PY_OB_TYPE), type);
	fake_put(f, CODE(n) + py_off(l, PY_CODE_NAME), name);
	fake_put(f, CODE(n) + py_off(l, PY_CODE_FILENAME), file);
	fake_put32(f, CODE(n) + py_off(l, PY_CODE_FIRSTLINENO), LINE + n);
	fake_put(f, CODE(n) + py_off(l, py_has(l, PY_CODE_LNOTAB) ? PY_CODE_LNOTAB : PY_CODE_LINETABLE), TABLE);
}

static bool is_old(const struct fake_py *f)
{
	return py_has(&f->py->layout, PY_FRAME_LASTI);
}

static void link_frame(struct fake_py *f, cs_addr from, cs_addr to)
{
	fake_put(f, from + py_off(&f->py->layout, is_old(f) ? PY_FRAME_BACK : PY_IFRAME_PREVIOUS), to);
}

static enum py_field instruction(const struct fake_py *f)
{
	return py_has(&f->py->layout, PY_IFRAME_INSTR_PTR) ? PY_IFRAME_INSTR_PTR : PY_IFRAME_PREV_INSTR;
}

static void make_frame(struct fake_py *f, unsigned n)
{
	const struct py_layout *l = &f->py->layout;

	fake_put(f, FRAME(n) + py_off(l, is_old(f) ? PY_FRAME_CODE : PY_IFRAME_CODE), CODE(n));
	if (is_old(f))
		fake_put32(f, FRAME(n) + py_off(l, PY_FRAME_LASTI), UINT32_MAX); /* not begun */
	else
		fake_put(f, FRAME(n) + py_off(l, instruction(f)), CODE(n) + py_off(l, PY_CODE_ADAPTIVE));
}

/* f0 < f1 in one call of the interpreter, f2 < f3 in the one around it. */
static void begin(struct fake_py *f, unsigned minor)
{
	static const unsigned char line_table[] = { 0x80 | 13 << 3 | 7, 0 };
	const struct py_layout *l;
	cs_addr type;

	fake_py_begin(f, minor);
	l = &f->py->layout;
	type = fake_py_type(f, "code", 0, py_off(l, PY_CODE_SIZE), 1, 0);
	fake_put(f, TABLE + py_off(l, PY_OB_SIZE), minor < 11 ? 0 : sizeof(line_table));
	memcpy(fake_at(f, TABLE + py_off(l, PY_BYTES_SVAL)), line_table, sizeof(line_table));
	for (unsigned n = 0; n < FRAMES; n++) {
		make_code(f, type, n);
		make_frame(f, n);
		link_frame(f, FRAME(n), n + 1 < FRAMES ? FRAME(n + 1) : 0);
	}
	if (py_has(l, PY_IFRAME_IS_ENTRY)) {
		*fake_at(f, FRAME(1) + py_off(l, PY_IFRAME_IS_ENTRY)) = 1;
		*fake_at(f, FRAME(3) + py_off(l, PY_IFRAME_IS_ENTRY)) = 1;
	} else if (!is_old(f)) {
		for (unsigned n = 0; n < 2; n++) {
			*fake_at(f, SHIM(n) + py_off(l, PY_IFRAME_OWNER)) = OWNED_BY_INTERPRETER;
			link_frame(f, FRAME(2 * n + 1), SHIM(n));
			link_frame(f, SHIM(n), n ? 0 : FRAME(2));
		}
	}
	if (py_has(l, PY_CFRAME_CURRENT_FRAME)) {
		fake_put(f, THREAD + py_off(l, PY_TS_CFRAME), CFRAME(0));
		fake_put(f, CFRAME(0) + py_off(l, PY_CFRAME_CURRENT_FRAME), FRAME(0));
		fake_put(f, CFRAME(0) + py_off(l, PY_CFRAME_PREVIOUS), CFRAME(1));
	} else {
		fake_put(f, THREAD + py_off(l, is_old(f) ? PY_TS_FRAME : PY_TS_CURRENT_FRAME), FRAME(0));
	}
}

static struct cs_stack walk(struct fake_py *f, struct py_frames *w)
{
	struct cs_stack stack = { .frames = NULL };

	py_frames_init(w, f->py, false);
	assert_int_equal(py_frames_of_thread(w, THREAD, &stack, NULL), CS_OK);
	return stack;
}

static void end(struct fake_py *f, struct py_frames *w)
{
	py_frames_deinit(w);
	fake_py_end(f);
}

TEST(frames_of_every_generation_are_told_with_their_lines)
{
	for (unsigned minor = OLDEST; minor <= NEWEST; minor++) {
		struct fake_py f;
		struct py_frames w;
		struct cs_stack s;

		begin(&f, minor);
		s = walk(&f, &w);
		assert_int_equal(s.count, FRAMES);
		assert_null(s.ends);
		for (unsigned n = 0; n < FRAMES; n++) {
			assert_int_equal(s.frames[n].function[1], '0' + n);
			assert_string_equal(s.frames[n].file, "/app/file.py");
			assert_int_equal(s.frames[n].line, LINE + n);
			assert_int_equal(s.frames[n].address, FRAME(n));
		}
		assert_int_equal(f.model.anomaly_count, 0);
		end(&f, &w);
	}
}

TEST(calls_of_the_interpreter_are_told_apart)
{
	for (unsigned minor = OLDEST; minor <= NEWEST; minor++) {
		struct fake_py f;
		struct py_frames w;

		begin(&f, minor);
		walk(&f, &w);
		if (is_old(&f)) {
			assert_int_equal(w.calls.count, FRAMES);
			assert_int_equal(w.calls.items[3].first, 3);
			assert_int_equal(w.calls.items[3].c_addr, 0);
		} else {
			cs_addr inner = minor == 11 ? CFRAME(0) : SHIM(0);
			cs_addr outer = minor == 11 ? CFRAME(1) : SHIM(1);

			assert_int_equal(w.calls.count, 2);
			assert_int_equal(w.calls.items[0].count, 2);
			assert_int_equal(w.calls.items[0].c_addr, inner);
			assert_int_equal(w.calls.items[1].first, 2);
			assert_int_equal(w.calls.items[1].c_addr, outer);
		}
		end(&f, &w);
	}
}

TEST(what_is_being_set_up_is_not_shown)
{
	for (unsigned minor = 11; minor <= NEWEST; minor++) {
		struct fake_py f;
		struct py_frames w;
		struct cs_stack s;

		begin(&f, minor);
		fake_put32(&f, CODE(0) + py_off(&f.py->layout, PY_CODE_FIRSTTRACEABLE), 1);
		s = walk(&f, &w);
		assert_int_equal(s.count, FRAMES - 1);
		assert_int_equal(s.frames[0].address, FRAME(1));
		py_frames_deinit(&w);
		/* a generator is told whatever it is at */
		*fake_at(&f, FRAME(0) + py_off(&f.py->layout, PY_IFRAME_OWNER)) = 1;
		s = walk(&f, &w);
		assert_int_equal(s.count, FRAMES);
		end(&f, &w);
	}
}

TEST(tags_of_3_14_are_taken_off)
{
	struct fake_py f;
	struct py_frames w;
	struct cs_stack s;

	begin(&f, 14);
	fake_put(&f, FRAME(2) + py_off(&f.py->layout, PY_IFRAME_CODE), CODE(2) | 1);
	s = walk(&f, &w);
	assert_int_equal(s.count, FRAMES);
	end(&f, &w);
}

TEST(a_chain_that_loops_ends_with_an_anomaly)
{
	for (unsigned minor = OLDEST; minor <= NEWEST; minor++)
		for (unsigned to = 0; to < FRAMES; to++) {
			struct fake_py f;
			struct py_frames w;
			struct cs_stack s;

			begin(&f, minor);
			link_frame(&f, FRAME(2), FRAME(to));
			s = walk(&f, &w);
			if (to != 3) {
				assert_int_equal(s.count, 3);
				assert_string_equal(s.ends, "the chain of frames loops");
			}
			assert_int_equal(f.model.anomaly_count, to != 3);
			end(&f, &w);
		}
}

TEST(a_chain_that_leads_to_no_frame_ends_there)
{
	static const cs_addr nowhere[] = { 8, 1, FAKE_BASE + 3, UINT64_MAX, UINT64_MAX - 7,
					   TABLE, FAKE_BASE + FAKE_LEN - 8, FAKE_TYPE };

	for (unsigned minor = OLDEST; minor <= NEWEST; minor++)
		for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
			struct fake_py f;
			struct py_frames w;
			struct cs_stack s;

			begin(&f, minor);
			link_frame(&f, FRAME(2), nowhere[i]);
			s = walk(&f, &w);
			assert_int_equal(s.count, 3);
			assert_non_null(s.ends);
			assert_int_equal(f.model.anomaly_count, 1);
			end(&f, &w);
		}
}

TEST(every_word_of_a_frame_and_its_code_may_be_spoiled)
{
	static const uint64_t values[] = { 0, 1, 8, FAKE_BASE, FRAME(0), CODE(1), UINT64_MAX, 1ull << 63 };
	const cs_addr things[][2] = { { FRAME(1), 0x80 }, { CODE(1), 0x100 }, { SHIM(0), 0x80 },
				      { CFRAME(0), 0x20 }, { THREAD, 0x60 }, { TABLE, 0x30 } };

	for (unsigned minor = OLDEST; minor <= NEWEST; minor++)
		for (size_t t = 0; t < sizeof(things) / sizeof(*things); t++)
			for (cs_addr off = 0; off < things[t][1]; off += 8)
				for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
					struct fake_py f;
					struct py_frames w;
					struct cs_stack s;

					begin(&f, minor);
					fake_put(&f, things[t][0] + off, values[v]);
					s = walk(&f, &w);
					assert_in_range(s.count, 0, 2 * FRAMES);
					end(&f, &w);
				}
}

TEST(memory_may_be_missing_from_anywhere_on)
{
	for (unsigned minor = OLDEST; minor <= NEWEST; minor++)
		for (cs_addr at = TABLE + 0x40; at > THREAD; at -= 0x88) {
			struct fake_py f;
			struct py_frames w;

			begin(&f, minor);
			fake_cut(&f, at);
			walk(&f, &w);
			end(&f, &w);
		}
}

TEST(no_more_frames_than_all_may_have)
{
	struct fake_py f;
	struct py_frames w;
	struct cs_stack s = { .frames = NULL };

	begin(&f, 13);
	py_frames_init(&w, f.py, false);
	w.frames_left = 2;
	assert_int_equal(py_frames_of_thread(&w, THREAD, &s, NULL), CS_OK);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.ends, "deeper than corescan follows");
	end(&f, &w);
}

/* ---- who holds the GIL */

static enum cs_gil gil(struct fake_py *f)
{
	struct py_threads threads = { NULL, 0, 0 };
	enum cs_gil found;

	f->py->runtime = RUNTIME;
	f->py->interps[0] = INTERP;
	f->py->interp_count = 1;
	fake_put(f, INTERP + py_off(&f->py->layout, PY_IS_THREADS_HEAD), THREAD);
	fake_put(f, THREAD + py_off(&f->py->layout, PY_TS_INTERP), INTERP);
	assert_int_equal(py_threads_load(f->py, &threads, NULL), CS_OK);
	assert_int_equal(threads.count, 1);
	found = threads.items[0].gil;
	cs_vec_free(&threads);
	return found;
}

TEST(one_lock_for_all_names_its_holder_or_nobody)
{
	static const struct {
		uint64_t current;
		uint32_t locked;
		enum cs_gil gil;
	} rows[] = {
		{ THREAD, 1, CS_GIL_HOLDS }, { THREAD + 0x1000, 1, CS_GIL_NONE },
		{ 0, 0, CS_GIL_NONE },	     { 0, UINT32_MAX, CS_GIL_NONE },
		{ 0, 1, CS_GIL_UNKNOWN }, /* taken, and not said yet by whom */
	};

	for (unsigned minor = OLDEST; minor <= 11; minor++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct fake_py f;

			fake_py_begin(&f, minor);
			fake_put(&f, RUNTIME + py_off(&f.py->layout, PY_RT_TSTATE_CURRENT), rows[i].current);
			fake_put32(&f, RUNTIME + py_off(&f.py->layout, PY_RT_GIL_LOCKED), rows[i].locked);
			assert_int_equal(gil(&f), rows[i].gil);
			fake_py_end(&f);
		}
}

TEST(a_lock_of_an_interpreter_names_its_holder_when_both_sides_say_so)
{
	static const struct {
		uint64_t holder;
		uint32_t locked;
		unsigned char status; /* of the holder */
		enum cs_gil gil;
	} rows[] = {
		{ THREAD, 1, 0x1f, CS_GIL_HOLDS },
		{ THREAD, 1, 0x0f, CS_GIL_UNKNOWN }, /* it is not running */
		{ THREAD, 0, 0x1f, CS_GIL_NONE },
		{ THREAD + 0x1000, 1, 0x1f, CS_GIL_NONE },
		{ 0, 1, 0, CS_GIL_UNKNOWN },
	};

	for (unsigned minor = 12; minor <= NEWEST; minor++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			const struct py_layout *l;
			cs_addr lock = INTERP - 0x1000;
			struct fake_py f;

			fake_py_begin(&f, minor);
			l = &f.py->layout;
			fake_put(&f, INTERP + py_off(l, PY_IS_CEVAL_GIL), lock);
			fake_put(&f, lock + py_off(l, PY_GIL_LAST_HOLDER), rows[i].holder);
			fake_put32(&f, lock + py_off(l, PY_GIL_LOCKED), rows[i].locked);
			if (rows[i].holder)
				*fake_at(&f, rows[i].holder + py_off(l, PY_TS_STATUS)) = rows[i].status;
			assert_int_equal(gil(&f), rows[i].gil);
			fake_put(&f, INTERP + py_off(l, PY_IS_CEVAL_GIL), 0);
			assert_int_equal(gil(&f), CS_GIL_UNKNOWN);
			fake_py_end(&f);
		}
}

TEST(a_list_of_threads_that_loops_ends)
{
	for (unsigned minor = OLDEST; minor <= NEWEST; minor++) {
		struct fake_py f;

		fake_py_begin(&f, minor);
		fake_put(&f, THREAD + py_off(&f.py->layout, PY_TS_NEXT), THREAD);
		gil(&f);
		assert_int_equal(f.model.anomaly_count, 1);
		fake_put(&f, THREAD + py_off(&f.py->layout, PY_TS_NEXT), 12);
		gil(&f);
		assert_int_equal(f.model.anomaly_count, 2);
		fake_py_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_generation_are_told_with_their_lines),
		cmocka_unit_test(calls_of_the_interpreter_are_told_apart),
		cmocka_unit_test(what_is_being_set_up_is_not_shown),
		cmocka_unit_test(tags_of_3_14_are_taken_off),
		cmocka_unit_test(a_chain_that_loops_ends_with_an_anomaly),
		cmocka_unit_test(a_chain_that_leads_to_no_frame_ends_there),
		cmocka_unit_test(every_word_of_a_frame_and_its_code_may_be_spoiled),
		cmocka_unit_test(memory_may_be_missing_from_anywhere_on),
		cmocka_unit_test(no_more_frames_than_all_may_have),
		cmocka_unit_test(one_lock_for_all_names_its_holder_or_nobody),
		cmocka_unit_test(a_lock_of_an_interpreter_names_its_holder_when_both_sides_say_so),
		cmocka_unit_test(a_list_of_threads_that_loops_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
