/* Threads and tasks as text, JSON and CSV. */
#include "report/report.h"

#include "cs_test.h"
#include "fake_model.h"

#include <stdlib.h>
#include <string.h>

static struct cs_local locals[] = { { "order", "<app.Order>" }, { "n", "3" } };

static struct cs_frame python[] = {
	{ .function = "handle", .file = "/srv/app/worker.py", .line = 41, .locals = locals,
	  .local_count = 2 },
	{ .function = "walk", .file = "/srv/app/tree.py", .line = 7 },
	{ .function = "walk", .file = "/srv/app/tree.py", .line = 7 },
	{ .function = "walk", .file = "/srv/app/tree.py", .line = 7 },
	{ .function = "main", .file = "/srv/app/worker.py", .line = 12 },
};

static struct cs_frame native[] = {
	{ .function = "poll", .module = "/lib/libc.so.6", .address = 0x7f01, .offset = 79 },
	{ .function = "inner", .file = "Modules/select.c", .line = 5, .module = "/bin/python3",
	  .address = 0x4101, .is_inlined = true },
	{ .function = "select_poll", .file = "Modules/select.c", .line = 9, .module = "/bin/python3",
	  .address = 0x4101, .offset = 16 },
	{ .function = "_PyEval_EvalFrameDefault", .module = "/bin/python3", .address = 0x4201,
	  .python_first = 0, .python_count = 4 },
	{ .module = "/lib/libx.so", .address = 0x5001, .offset = 0x1001 },
	{ .function = "_PyEval_EvalFrameDefault", .module = "/bin/python3", .address = 0x4202,
	  .python_first = 4, .python_count = 1 },
	{ .function = "_start", .module = "/bin/python3", .address = 0x4301 },
};

enum { PYTHON = sizeof(python) / sizeof(*python), NATIVE = sizeof(native) / sizeof(*native) };

static void add_thread(struct cs_model *m, int64_t tid, const char *name, enum cs_gil gil)
{
	struct cs_thread_row row = {
		.tid = tid, .name = name, .gil = gil, .is_merged = true,
		.python = { python, PYTHON, NULL }, .native = { native, NATIVE, NULL },
	};

	assert_true(cs_vec_push(&m->threads.rows, row));
}

static void begin(struct cs_model *m)
{
	struct cs_task_row task = { .address = 0x7f77, .tid = 4711, .name = "Task-1", .state = "pending",
				    .waits_for = "Task-2", .stack = { python, PYTHON, NULL } };

	fake_model_worker(m);
	m->threads.is_known = true;
	add_thread(m, 4711, "MainThread", CS_GIL_NONE);
	add_thread(m, 4712, "flusher", CS_GIL_HOLDS);
	add_thread(m, 4713, NULL, CS_GIL_UNKNOWN);
	m->threads.rows.items[2].python.count = 0;
	m->threads.rows.items[2].is_merged = false;
	m->threads.rows.items[2].native.count = 1;
	m->threads.rows.items[2].native.ends = "no unwind data in libz.so";
	assert_true(cs_vec_push(&m->threads.tasks, task));
}

static void expect(const struct cs_report_options *o, const char *view, const char *want)
{
	const char *views[] = { view, NULL };
	struct cs_model m;
	char *text;

	begin(&m);
	m.threads.has_locals = o->is_verbose;
	text = fake_report(&m, o, views);
	assert_string_equal(text, want);
	free(text);
	cs_model_deinit(&m);
}

TEST(stacks_stand_under_their_thread)
{
	struct cs_report_options o = { .no_header = true, .target = "core.1" };

	expect(&o, "threads",
	       "THREAD  name        gil\n"
	       "  4711  MainThread  no\n"
	       "        handle (worker.py:41) < walk (tree.py:7) (3 times) < main (worker.py:12)\n"
	       "        native: poll < select_poll < _PyEval_EvalFrameDefault < libx.so+0x1001 <\n"
	       "        _PyEval_EvalFrameDefault < _start\n"
	       "  4712  flusher     holds\n"
	       "        handle (worker.py:41) < walk (tree.py:7) (3 times) < main (worker.py:12)\n"
	       "        native: poll < select_poll < _PyEval_EvalFrameDefault < libx.so+0x1001 <\n"
	       "        _PyEval_EvalFrameDefault < _start\n"
	       "  4713\n"
	       "        native: poll\n"
	       "        native stack: no unwind data in libz.so\n"
	       "\n"
	       "TASK      state    thread  waits for\n"
	       "  Task-1  pending    4711  Task-2\n"
	       "          handle (worker.py:41) < walk (tree.py:7) (3 times) < main\n"
	       "          (worker.py:12)\n"
	       "\n"
	       "  corescan core.1 --by-type                objects of which type\n");
}

TEST(verbose_has_a_line_for_each_frame_in_calling_order)
{
	struct cs_report_options o = { .no_header = true, .is_verbose = true, .has_top = true, .top = 1 };

	expect(&o, "threads",
	       "THREAD    name        gil\n"
	       "    4711  MainThread  no\n"
	       "          native   poll [libc.so.6]\n"
	       "          inlined  inner (Modules/select.c:5)\n"
	       "          native   select_poll (Modules/select.c:9)\n"
	       "          python   handle (/srv/app/worker.py:41)\n"
	       "                   order = <app.Order>, n = 3\n"
	       "          python   walk (/srv/app/tree.py:7)\n"
	       "                   (3 times)\n"
	       "          native   libx.so+0x1001\n"
	       "          python   main (/srv/app/worker.py:12)\n"
	       "          native   _start [python3]\n"
	       "  2 more\n"
	       "\n"
	       "TASK      state    thread  waits for\n"
	       "  Task-1  pending    4711  Task-2\n"
	       "          handle (worker.py:41) < walk (tree.py:7) (3 times) < main\n"
	       "          (worker.py:12)\n"
	       "\n"
	       "  corescan TARGET --by-type                objects of which type\n");
}

TEST(the_page_tells_threads_that_do_the_same_as_one)
{
	struct cs_report_options o = { .no_header = true, .target = "core.1" };
	struct cs_model m;
	const char *at;
	char *text;

	begin(&m);
	for (int i = 0; i < 20; i++)
		add_thread(&m, 5000 + i, "pool", CS_GIL_NONE);
	text = fake_report(&m, &o, (const char *const[]){ NULL });
	at = strstr(text, "THREADS");
	assert_non_null(at);
	assert_string_equal(at, "THREADS\n"
				"   4712  flusher     handle (worker.py:41) < walk (tree.py:7)  holds the GIL\n"
				"   4711  MainThread  handle (worker.py:41) < walk (tree.py:7)  + 20 alike\n"
				"   4713              poll\n"
				"\n"
				"  corescan core.1 --summary                every category\n"
				"  corescan core.1 --by-type --top 0        the types in full\n"
				"  corescan core.1 --threads                whole stacks, Python and native\n");
	free(text);
	cs_model_deinit(&m);
}

TEST(json_has_frames_as_objects)
{
	static const char *const views[] = { "threads", NULL };
	struct cs_report_options o = { .format = CS_FORMAT_JSON, .has_top = true, .top = 1 };
	struct cs_model m;
	char *text;

	begin(&m);
	text = fake_report(&m, &o, views);
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "{\"tid\":4711,\"name\":\"MainThread\",\"gil\":\"no\",\"python\":["
				     "{\"function\":\"handle\",\"file\":\"/srv/app/worker.py\",\"line\":41},"));
	assert_non_null(strstr(text, "\"native\":[{\"kind\":\"native\",\"function\":\"poll\",\"file\":null,"
				     "\"line\":null,\"module\":\"/lib/libc.so.6\",\"offset\":79,"
				     "\"address\":\"0x7f01\"},{\"kind\":\"inlined\","));
	assert_non_null(strstr(text, "\"stack\":[{\"kind\":\"native\",\"function\":\"poll\""));
	assert_non_null(strstr(text, "{\"kind\":\"python\",\"function\":\"handle\""));
	assert_non_null(strstr(text, "\"tasks\":{\"rows\":[\n    {\"name\":\"Task-1\",\"state\":\"pending\","
				     "\"tid\":4711,\"waits_for\":\"Task-2\",\"frames\":[{"));
	assert_null(strstr(text, "locals"));
	free(text);
	m.threads.has_locals = true;
	text = fake_report(&m, &o, views);
	assert_true(fake_is_json(text));
	assert_non_null(strstr(text, "\"locals\":[{\"name\":\"order\",\"value\":\"<app.Order>\"},"));
	free(text);
	o.no_values = true;
	text = fake_report(&m, &o, views);
	assert_true(fake_is_json(text));
	assert_null(strstr(text, "app.Order"));
	free(text);
	cs_model_deinit(&m);
}

TEST(no_values_hides_locals_from_people_too)
{
	static const char *const views[] = { "threads", NULL };
	struct cs_report_options o = { .is_verbose = true, .no_values = true };
	struct cs_model m;
	char *text;

	begin(&m);
	m.threads.has_locals = true;
	text = fake_report(&m, &o, views);
	assert_null(strstr(text, "app.Order"));
	assert_non_null(strstr(text, "python   handle (/srv/app/worker.py:41)"));
	free(text);
	cs_model_deinit(&m);
}

TEST(csv_joins_frames)
{
	struct cs_report_options o = { .format = CS_FORMAT_CSV, .has_top = true, .top = 1 };

	expect(&o, "threads",
	       "tid,name,gil,python,native,stack,note\n"
	       "4711,MainThread,no,handle (worker.py:41) < walk (tree.py:7) < walk (tree.py:7) < "
	       "walk (tree.py:7) < main (worker.py:12),poll < inner < select_poll < "
	       "_PyEval_EvalFrameDefault < libx.so+0x1001 < _PyEval_EvalFrameDefault < _start,"
	       "native   poll [libc.so.6] < inlined  inner (Modules/select.c:5) < "
	       "native   select_poll (Modules/select.c:9) < python   handle (/srv/app/worker.py:41) < "
	       "python   walk (/srv/app/tree.py:7) < python   walk (/srv/app/tree.py:7) < "
	       "python   walk (/srv/app/tree.py:7) < native   libx.so+0x1001 < "
	       "python   main (/srv/app/worker.py:12) < native   _start [python3],\n");
}

/* Any name, any depth, any width: lines that fit, JSON that is JSON. */
TEST(hostile_names_stay_harmless)
{
	static const char *const views[] = { "threads", "tasks", NULL };
	char name[512];

	for (unsigned byte = 1; byte < 256; byte += 3)
		for (unsigned width = 40; width < 200; width += 53) {
			struct cs_report_options o = { .look = { .width = width, .is_utf8 = byte & 1 },
						       .is_verbose = byte & 2 };
			struct cs_frame frame = { .function = name, .file = name, .module = name };
			struct cs_model m;
			char *text;

			memset(name, (int)byte, sizeof(name) - 1);
			name[sizeof(name) - 1] = 0;
			begin(&m);
			for (size_t i = 0; i < 3; i++) {
				struct cs_thread_row *t = &m.threads.rows.items[i];

				t->name = name;
				t->python = (struct cs_stack){ &frame, 1, name };
				t->native = (struct cs_stack){ &frame, 1, name };
			}
			m.threads.tasks.items[0].name = m.threads.tasks.items[0].waits_for = name;
			text = fake_report(&m, &o, views);
			for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
				for (char *at = line; *at; at++)
					assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
			free(text);
			cs_model_deinit(&m);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_stand_under_their_thread),
		cmocka_unit_test(verbose_has_a_line_for_each_frame_in_calling_order),
		cmocka_unit_test(the_page_tells_threads_that_do_the_same_as_one),
		cmocka_unit_test(json_has_frames_as_objects),
		cmocka_unit_test(no_values_hides_locals_from_people_too),
		cmocka_unit_test(csv_joins_frames),
		cmocka_unit_test(hostile_names_stay_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
