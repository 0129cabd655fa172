/* Formats: Linux Documentation/filesystems/proc.rst. In maps only the newline
 * of a file name is escaped, as \012. */
#include "mem/mem_live_proc.h"
#include "base/own.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { READ_STEP = 64 << 10 };

char *cs_proc_read(int dir_fd, const char *name, size_t max, size_t *len)
{
	cs_autoclose int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	cs_autofree char *text = NULL;
	size_t n = 0, cap = 0;

	if (fd < 0)
		return NULL;
	while (n < max) {
		if (cap - n < READ_STEP) {
			char *more = realloc(text, cap * 2 + 2 * READ_STEP);

			if (!more)
				return NULL;
			text = more;
			cap = cap * 2 + 2 * READ_STEP;
		}

		size_t room = cap - n - 1 < max - n ? cap - n - 1 : max - n;
		ssize_t got = read(fd, text + n, room);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return NULL;
		if (!got)
			break;
		n += (size_t)got;
	}
	if (!text && !(text = malloc(1)))
		return NULL;
	text[n] = '\0';
	*len = n;
	return cs_steal(text);
}

/* The text behind "name:", or NULL. */
static const char *field(const char *status, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = status; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, len) && at[len] == ':')
			return at + len + 1;
	}
	return NULL;
}

static long number(const char *status, const char *name)
{
	const char *at = field(status, name);

	return at ? strtol(at, NULL, 10) : 0;
}

cs_status cs_proc_status(int proc_fd, int pid, struct cs_proc_status *out, struct cs_error *err)
{
	size_t len;
	cs_autofree char *text = cs_proc_read(proc_fd, "status", 1 << 20, &len);
	const char *state;

	if (!text && (errno == ESRCH || errno == ENOENT))
		return cs_fail(err, CS_OS, 0, "no process with pid %d", pid);
	if (!text)
		return cs_fail_os(err, "process %d: its status cannot be read", pid);
	state = field(text, "State");
	*out = (struct cs_proc_status){
		.state = state ? state[strspn(state, " \t")] : '?',
		.tgid = (int)number(text, "Tgid"),
		.tracer = (int)number(text, "TracerPid"),
		.has_memory = field(text, "VmSize") != NULL,
	};
	return CS_OK;
}

/* The state in task/TID/stat, after the name in parentheses; 0: it has ended. */
static char thread_state(int proc_fd, const char *tid)
{
	char path[300];
	size_t len;

	snprintf(path, sizeof(path), "task/%s/stat", tid);

	cs_autofree char *text = cs_proc_read(proc_fd, path, 4096, &len);
	const char *at = text ? strrchr(text, ')') : NULL;

	return at && at[1] == ' ' ? at[2] : 0;
}

int cs_proc_running(int proc_fd)
{
	int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), running = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		cs_closep(&fd);
		return 0;
	}
	while (!running && (entry = readdir(dir))) {
		char state = isdigit((unsigned char)*entry->d_name) ?
				     thread_state(proc_fd, entry->d_name) : 0;

		if (state && !strchr("tTZX", state))
			running = (int)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return running;
}

/* "\012" to a newline, in place. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		bool escaped = !strncmp(from, "\\012", 4);

		*to = escaped ? '\n' : *from;
		from += escaped ? 4 : 1;
	}
	*to = '\0';
}

/* start-end perms offset major:minor inode   path */
static bool parse_line(char *line, struct cs_live_vma *out)
{
	uint64_t start, end;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 "%n", &start, &end,
		   perms, &out->file_off, &out->inode, &at) != 5 ||
	    end <= start || strlen(perms) < 4)
		return false;
	out->range = (struct cs_range){ start, end - start };
	out->prot = (perms[0] == 'r' ? 4u : 0) | (perms[1] == 'w' ? 2u : 0) | (perms[2] == 'x');
	out->is_shared = perms[3] == 's';

	char *path = line + at + strspn(line + at, " ");

	unescape(path);
	out->path = path;
	return true;
}

cs_status cs_proc_parse_maps(struct cs_live *live, char *text, struct cs_error *err)
{
	char *save = NULL;
	cs_addr done = 0;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct cs_live_vma vma;

		/* a map that changed while it was read may tell a place twice */
		if (!parse_line(line, &vma) || vma.range.start < done)
			continue;
		done = cs_range_end(vma.range);
		if (!cs_vec_push(&live->vmas, vma))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the mappings");
	}
	return CS_OK;
}

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool cs_proc_is_device(const struct cs_live_vma *vma)
{
	if (starts_with(vma->path, "anon_inode:"))
		return true;
	return starts_with(vma->path, "/dev/") && !starts_with(vma->path, "/dev/shm/") &&
	       !starts_with(vma->path, "/dev/zero") && !starts_with(vma->path, "/dev/hugepages");
}

bool cs_proc_is_kernel(const struct cs_live_vma *vma)
{
	return starts_with(vma->path, "[vvar") || starts_with(vma->path, "[vdso") ||
	       starts_with(vma->path, "[vsyscall") || starts_with(vma->path, "[uprobes");
}
