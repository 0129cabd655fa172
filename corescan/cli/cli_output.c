#include "cli/cli_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The one global of the program: a signal handler has no other way to know. */
static const char *volatile unfinished;

void cs_output_unlink_unfinished(void)
{
	if (unfinished)
		unlink(unfinished);
}

static cs_status make_temp(struct cs_output *out, struct cs_error *err)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (asprintf(&out->temp, "%s.XXXXXX", out->path) < 0) {
		out->temp = NULL;
		return cs_fail(err, CS_NOMEM, 0, "no memory for a file name");
	}
	fd = mkostemp(out->temp, 0);
	if (fd < 0) {
		cs_status st = cs_fail_os(err, "cannot write %s", out->path);

		free(out->temp);
		out->temp = NULL;
		return st;
	}
	unfinished = out->temp;
	if (fchmod(fd, 0666 & ~mask) || !(out->file = fdopen(fd, "w"))) {
		close(fd);
		return cs_fail_os(err, "cannot write %s", out->path);
	}
	return CS_OK;
}

cs_status cs_output_open(const char *name, struct cs_output *out, struct cs_error *err)
{
	struct stat st;

	*out = (struct cs_output){ .is_stdout = !name };
	if (!name) {
		out->file = stdout;
		return CS_OK;
	}
	if (!stat(name, &st) && !S_ISREG(st.st_mode)) {
		out->file = fopen(name, "we");
		return out->file ? CS_OK : cs_fail_os(err, "cannot write %s", name);
	}
	/* a link stays a link: replace what it points to */
	out->path = realpath(name, NULL);
	if (!out->path)
		out->path = strdup(name);
	if (!out->path)
		return cs_fail(err, CS_NOMEM, 0, "no memory for a file name");

	cs_status made = make_temp(out, err);

	if (made)
		cs_output_close(out);
	return made;
}

cs_status cs_output_commit(struct cs_output *out, struct cs_error *err)
{
	const char *name = out->path ? out->path : "the report";
	bool failed = fflush(out->file) || ferror(out->file);
	int why = failed ? errno : 0;

	/* only closing tells whether NFS and quotas took it */
	if (fclose(out->file) && !failed) {
		failed = true;
		why = errno;
	}
	out->file = NULL;
	if (failed) {
		errno = why;
		return cs_fail_os(err, "cannot write %s", name);
	}
	if (out->temp && rename(out->temp, out->path))
		return cs_fail_os(err, "cannot replace %s", name);
	unfinished = NULL;
	free(out->temp);
	out->temp = NULL;
	return CS_OK;
}

void cs_output_close(struct cs_output *out)
{
	if (out->file && !out->is_stdout)
		fclose(out->file);
	if (out->temp) {
		unlink(out->temp);
		unfinished = NULL;
	}
	free(out->temp);
	free(out->path);
	*out = (struct cs_output){ 0 };
}
