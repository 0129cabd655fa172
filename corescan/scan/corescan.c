/* corescan.c - the public functions of libcorescan that make a handle and fill it. */
#include "scan/corescan_state.h"

#include "base/guard.h"
#include "base/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PROGRESS_NS = 500000000, HOOKS_MAX = 4096 };

static const char *const scan_options[] = { "exe", "sysroot", "debug-dir", "debuginfod", "hints", "pid",
					  "allow-swap-in", "graph", "sites" };

unsigned corescan_abi(void)
{
	return CORESCAN_ABI;
}

const char *corescan_version(void)
{
	return CS_VERSION;
}

struct corescan *corescan_new(void)
{
	return calloc(1, sizeof(struct corescan));
}

void corescan_close(struct corescan *cs)
{
	if (!cs)
		return;
	cs_scan_close(cs->scan);
	for (size_t i = 0; i < cs->setting_count; i++) {
		free(cs->settings[i].name);
		free(cs->settings[i].value);
	}
	for (size_t i = 0; i < cs->file_count; i++)
		free((char *)(uintptr_t)cs->files[i].path);
	free(cs->files);
	free(cs->target);
	free(cs);
}

int cs_result_of(cs_status st)
{
	if (st == CS_STOPPED)
		return CORESCAN_STOPPED;
	return st == CS_OK ? CORESCAN_OK : st == CS_USAGE ? CORESCAN_USAGE : CORESCAN_FAILED;
}

bool cs_is_scan_option(const char *name)
{
	for (size_t i = 0; i < sizeof(scan_options) / sizeof(scan_options[0]); i++)
		if (!strcmp(name, scan_options[i]))
			return true;
	return false;
}

static struct cs_setting *find_setting(struct corescan *cs, const char *name)
{
	for (size_t i = 0; i < cs->setting_count; i++)
		if (!strcmp(cs->settings[i].name, name))
			return &cs->settings[i];
	return NULL;
}

/* Would the option be understood? */
static cs_status check_option(struct corescan *cs, const char *name, const char *value)
{
	struct cs_report_options report = { 0 };
	cs_status st;

	if (cs_is_scan_option(name))
		return !cs->scan ? CS_OK :
				   cs_fail(&cs->err, CS_USAGE, 0, "%s: the target is open already", name);
	st = cs_report_set_look(&report, name, value, &cs->err);
	if (st != CS_NOTFOUND)
		return st;
	st = cs_report_set(&report, name, value ? value : "0", &cs->err);
	if (st == CS_NOTFOUND || !strcmp(name, "format") || !strcmp(name, "json"))
		return cs_fail(&cs->err, CS_USAGE, 0, "there is no option '%.40s'", name);
	return st;
}

int corescan_set(struct corescan *cs, const char *option, const char *value)
{
	cs_status st = check_option(cs, option, value);
	struct cs_setting *setting;
	char *copy = value ? strdup(value) : NULL;

	if (st == CS_OK && value && !copy)
		st = cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option");
	if (st) {
		free(copy);
		return cs_result_of(st);
	}
	setting = find_setting(cs, option);
	if (!setting) {
		char *name = strdup(option);

		if (!name) { /* there are fewer options than OPTIONS_MAX */
			free(copy);
			return cs_result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for an option"));
		}
		setting = &cs->settings[cs->setting_count++];
		setting->name = name;
	}
	free(setting->value);
	setting->value = copy;
	return CORESCAN_OK;
}

const char *cs_handle_value(struct corescan *cs, const char *name)
{
	const struct cs_setting *setting = find_setting(cs, name);

	return setting ? setting->value : NULL;
}

int corescan_hook(struct corescan *cs, const struct corescan_hooks *hooks)
{
	struct corescan_hooks ours = { 0 };

	if (hooks->size < offsetof(struct corescan_hooks, user) || hooks->size > HOOKS_MAX)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "hooks of %zu bytes", hooks->size));
	memcpy(&ours, hooks, hooks->size < sizeof(ours) ? hooks->size : sizeof(ours));
	cs->hooks = ours;
	return CORESCAN_OK;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int corescan_file(struct corescan *cs, const char *build_id, const char *path)
{
	struct cs_image_file file = { .path = NULL }, *more;
	size_t len = strlen(build_id);

	if (cs->scan)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "the target is open already"));
	for (; file.build_id_len < len / 2 && file.build_id_len < sizeof(file.build_id);
	     file.build_id_len++) {
		int high = hex_digit(build_id[2 * file.build_id_len]);
		int low = hex_digit(build_id[2 * file.build_id_len + 1]);

		if (high < 0 || low < 0)
			break;
		file.build_id[file.build_id_len] = (unsigned char)(high << 4 | low);
	}
	if (!len || 2 * file.build_id_len != len)
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0, "'%.80s' is not a build id", build_id));
	more = realloc(cs->files, (cs->file_count + 1) * sizeof(*more));
	if (more)
		cs->files = more;
	file.path = more ? strdup(path) : NULL;
	if (!file.path)
		return cs_result_of(cs_fail(&cs->err, CS_NOMEM, 0, "no memory for a name"));
	cs->files[cs->file_count++] = file;
	return CORESCAN_OK;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool on_beat(void *ctx, const char *step, unsigned permille)
{
	struct corescan *cs = ctx;
	uint64_t now = now_ns();

	if (cs->hooks.poll && cs->hooks.poll())
		return false;
	if (cs->hooks.progress && now - cs->progress_ns >= PROGRESS_NS) {
		cs->hooks.progress(cs->hooks.user, step, permille);
		cs->progress_ns = now;
	}
	return true;
}

static cs_status on_read(void *ctx, cs_addr addr, void *buf, size_t len)
{
	struct corescan *cs = ctx;
	struct corescan_read request = { addr, buf, len, -1 };

	cs->hooks.read(cs->hooks.user, &request);
	if (request.got == -EINTR)
		return CS_STOPPED;
	return request.got >= 0 && (uint64_t)request.got == len ? CS_OK : CS_FAULT;
}

static ssize_t on_page_map(void *ctx, void *buf, size_t len, uint64_t off)
{
	struct corescan *cs = ctx;
	struct corescan_read request = { off, buf, len, -1 };

	cs->hooks.page_map(cs->hooks.user, &request);
	errno = EIO; /* whatever the hook left */
	return request.got > (int64_t)len ? -1 : (ssize_t)request.got;
}

static struct cs_scan_options scan_options_of(struct corescan *cs)
{
	struct cs_scan_options options = {
		.exe = cs_handle_value(cs, "exe"),
		.sysroot = cs_handle_value(cs, "sysroot"),
		.debug_dir = cs_handle_value(cs, "debug-dir"),
		.debuginfod = cs_handle_value(cs, "debuginfod"),
		.hints = cs_handle_value(cs, "hints"),
		.files = cs->files,
		.file_count = cs->file_count,
		.is_pid = cs_handle_value(cs, "pid"),
		.allow_swap_in = cs_handle_value(cs, "allow-swap-in"),
		.no_values = cs_handle_value(cs, "no-values"),
		.graph = cs_handle_value(cs, "graph"),
		.sites = cs_handle_value(cs, "sites"),
		.live_threads = true,
		.locals = cs_handle_value(cs, "verbose"),
		.progress = on_beat,
		.progress_ctx = cs,
		.read = cs->hooks.read ? on_read : NULL,
		.read_page_map = cs->hooks.page_map ? on_page_map : NULL,
		.read_ctx = cs,
	};

	return options;
}

void cs_handle_enter(struct corescan *cs)
{
	cs->guarded = cs_guard_enter();
	if (cs->scan)
		cs_scan_listen(cs->scan, on_beat, cs);
}

cs_status cs_handle_leave(struct corescan *cs, cs_status st)
{
	uint64_t pages = cs_guard_leave(cs->guarded);

	if (cs->scan && cs_scan_stopped(cs->scan, NULL))
		st = cs_scan_stopped(cs->scan, &cs->err); /* whatever it looked like */
	if (cs->scan)
		cs_scan_listen(cs->scan, NULL, NULL);
	if (!pages || st)
		return st;
	return cs_fail(&cs->err, CS_OS, 0,
		       "%.120s, or a file it maps, was cut while it was read: %" PRIu64
		       " pages of it were lost", cs->target, pages);
}

/* Before a target is opened under this name. */
static cs_status begin(struct corescan *cs, const char *target)
{
	if (cs->scan)
		return cs_fail(&cs->err, CS_USAGE, 0, "the handle holds a target already");
	free(cs->target);
	cs->target = strdup(target);
	cs->progress_ns = now_ns();
	return cs->target ? CS_OK : cs_fail(&cs->err, CS_NOMEM, 0, "no memory for a name");
}

static int opened(struct corescan *cs, cs_status st)
{
	st = cs_handle_leave(cs, st);
	if (st) {
		cs_scan_close(cs->scan);
		cs->scan = NULL;
		return cs_result_of(st);
	}
	return cs_report_is_partial(cs_scan_model(cs->scan)) ? CORESCAN_PART : CORESCAN_OK;
}

int corescan_open(struct corescan *cs, const char *target)
{
	struct cs_scan_options options = scan_options_of(cs);
	cs_status st = begin(cs, target);

	if (st)
		return cs_result_of(st);
	cs_handle_enter(cs);
	st = cs_scan_open(target, &options, &cs->scan, &cs->err);
	return opened(cs, st);
}

static cs_status threads_of(const struct corescan_process *process, struct cs_live_thread **out,
			    struct cs_error *err)
{
	struct cs_live_thread *threads = calloc(process->thread_count + 1, sizeof(*threads));

	if (!threads)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the threads");
	for (size_t i = 0; i < process->thread_count; i++)
		threads[i] = (struct cs_live_thread){ .tid = (int)process->threads[i].tid,
						      .sp = process->threads[i].sp,
						      .pc = process->threads[i].pc,
						      .fs_base = process->threads[i].fs_base };
	*out = threads;
	return CS_OK;
}

int corescan_open_process(struct corescan *cs, const struct corescan_process *process)
{
	struct cs_scan_options options = scan_options_of(cs);
	cs_autofree struct cs_live_thread *threads = NULL;
	char pid[24];
	cs_status st;

	if (process->size < sizeof(*process) || process->pid < 0 || process->pid > INT32_MAX ||
	    (!process->is_traced_here && !process->maps))
		return cs_result_of(cs_fail(&cs->err, CS_USAGE, 0,
					    "the process is not described well enough to be read"));
	snprintf(pid, sizeof(pid), "%d", (int)process->pid);
	st = begin(cs, process->name ? process->name : pid);
	if (!st)
		st = threads_of(process, &threads, &cs->err);
	if (st)
		return cs_result_of(st);

	options.live_threads = false; /* it stays as it is */

	struct cs_scan_process from = {
		.name = process->name,
		.pid = (int)process->pid,
		.is_traced_here = process->is_traced_here,
		.is_core = process->is_core,
		.threads = threads,
		.thread_count = process->thread_count,
		.maps = process->maps,
		.command = process->command,
		.exe = process->exe,
		.auxv = process->auxv,
		.auxv_words = process->auxv_words,
	};

	cs_handle_enter(cs);
	st = cs_scan_process(&from, &options, &cs->scan, &cs->err);
	return opened(cs, st);
}

const char *corescan_error(const struct corescan *cs)
{
	return cs->err.text;
}
