/* corescan_state.h - what a handle of the public header holds; for this room only. */
#ifndef CS_CORESCAN_STATE_H
#define CS_CORESCAN_STATE_H
#include "corescan/corescan.h"
#include "image/image.h"
#include "report/report.h"
#include "scan/scan.h"

enum { OPTIONS_MAX = 48 };

struct cs_setting {
	char *name, *value;
};

struct corescan {
	struct cs_scan *scan;
	struct cs_setting settings[OPTIONS_MAX]; /* in the order they were first set */
	size_t setting_count;
	struct cs_error err;
	char *target;
	uint64_t guarded; /* from cs_handle_enter() to cs_handle_leave() */
	struct corescan_hooks hooks;
	uint64_t progress_ns; /* when progress() was called last */
	struct cs_image_file *files;
	size_t file_count;
	char missing[240];     /* corescan_missing()'s words */
	uint64_t last_address; /* of the last rendering */
};

/* CORESCAN_OK, _USAGE, _STOPPED or _FAILED. */
int cs_result_of(cs_status st);

/* The value an option was set to, or NULL. */
const char *cs_handle_value(struct corescan *cs, const char *name);

/* Around whatever reads mapped files: one that is cut meanwhile costs an answer,
 * not the program. leave() fails when that happened, else returns st. */
void cs_handle_enter(struct corescan *cs);
cs_status cs_handle_leave(struct corescan *cs, cs_status st);

/* Set before opening; no option of the report. */
bool cs_is_scan_option(const char *name);
#endif
