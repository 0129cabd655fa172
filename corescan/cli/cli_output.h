/* cli_output.h - where the report goes: stdout, or a file that appears whole.
 *
 * A file is written beside its final name and renamed when everything is in
 * it, so that nobody ever reads half a report. What is not a regular file (a
 * pipe, /dev/null) is written directly.
 */
#ifndef CS_CLI_OUTPUT_H
#define CS_CLI_OUTPUT_H
#include "base/error.h"

#include <stdio.h>

struct cs_output {
	FILE *file;
	char *path; /* final name; NULL: file is not ours to rename */
	char *temp;
	bool is_stdout;
};

/* name NULL is stdout. CS_OS when the file cannot be made. */
cs_status cs_output_open(const char *name, struct cs_output *out, struct cs_error *err);

/* Flush and put in place. CS_OS: not everything could be written (disk full,
 * closed pipe); the file under the final name is as it was. */
cs_status cs_output_commit(struct cs_output *out, struct cs_error *err);

/* Close and forget what was not committed; all-zero and committed ones too. */
void cs_output_close(struct cs_output *out);

/* For a signal handler: remove the unfinished file, if there is one. */
void cs_output_unlink_unfinished(void);
#endif
