/* Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst: a
 * limit holds for everything below, so each ancestor counts. v2 writes "max"
 * for no limit, v1 a number near 2^63. In v1 memsw is memory and swap together. */
#include "mem/mem_swap.h"
#include "base/own.h"
#include "mem/mem_live_proc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

enum { TEXT_MAX = 1 << 20, DEPTH_MAX = 64 };
#define NO_LIMIT (UINT64_MAX / 4) /* sums of two stay comparable */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A number in a file; `none` when there is no file, NO_LIMIT for "max". */
static uint64_t read_number(const char *dir, const char *name, uint64_t none)
{
	char path[PATH_MAX];
	size_t len;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return none;

	cs_autofree char *text = cs_proc_read(AT_FDCWD, path, 64, &len);

	if (!text)
		return none;
	return *text == 'm' ? NO_LIMIT : less(strtoull(text, NULL, 10), NO_LIMIT);
}

static uint64_t room(const char *dir, const char *limit, const char *used)
{
	uint64_t max = read_number(dir, limit, NO_LIMIT), now = read_number(dir, used, 0);

	return max == NO_LIMIT ? NO_LIMIT : max > now ? max - now : 0;
}

/* The least room of a cgroup and all above it, up to the mount point. */
static uint64_t room_above(const char *mount, const char *group, bool is_v2, uint64_t swap_free)
{
	char dir[PATH_MAX];
	size_t top = strlen(mount);
	int n = snprintf(dir, sizeof(dir), "%s%s", mount, group);
	uint64_t memory = NO_LIMIT, swap = swap_free;

	if (n < 0 || (size_t)n >= sizeof(dir))
		return NO_LIMIT;
	for (int i = 0; i < DEPTH_MAX; i++) {
		if (is_v2) {
			memory = less(memory, room(dir, "memory.max", "memory.current"));
			swap = less(swap, room(dir, "memory.swap.max", "memory.swap.current"));
		} else {
			memory = less(memory, room(dir, "memory.limit_in_bytes",
						   "memory.usage_in_bytes"));
			swap = less(swap, room(dir, "memory.memsw.limit_in_bytes",
					       "memory.memsw.usage_in_bytes"));
		}

		char *slash = strrchr(dir + top, '/');

		if (!slash)
			break;
		*slash = '\0';
	}
	return memory + swap;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* Where the hierarchy is mounted, and which of its groups is seen there as "/".
 * mountinfo: id parent dev ROOT MOUNT options... - FSTYPE source SUPEROPTIONS */
static bool find_mount(char *mountinfo, bool is_v2, char *mount, char *seen_root)
{
	char *save = NULL;

	for (char *l = strtok_r(mountinfo, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		const char *dash = strstr(l, " - ");
		char type[32], options[512];

		if (!dash || sscanf(dash, " - %31s %*s %511s", type, options) != 2 ||
		    strcmp(type, is_v2 ? "cgroup2" : "cgroup") ||
		    (!is_v2 && !has_word(options, "memory")))
			continue;
		if (sscanf(l, "%*s %*s %*s %4095s %4095s", seen_root, mount) == 2)
			return true;
	}
	return false;
}

/* The line of /proc/PID/cgroup: "0::PATH" (v2) or "N:...memory...:PATH". */
static const char *find_group(char *line, bool is_v2)
{
	char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

	if (!path)
		return NULL;
	*path = '\0';

	bool is_it = is_v2 ? !strncmp(line, "0:", 2) && !list[1] : has_word(list + 1, "memory");

	*path = ':';
	return is_it ? path + 1 : NULL;
}

static uint64_t cgroup_room(const char *root, int pid, bool is_v2, uint64_t swap_free)
{
	char path[PATH_MAX], mount[PATH_MAX], seen[PATH_MAX], full[PATH_MAX], *save = NULL;
	const char *group = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);

	cs_autofree char *mountinfo = cs_proc_read(AT_FDCWD, path, TEXT_MAX, &len);

	snprintf(path, sizeof(path), "%s/proc/%d/cgroup", root, pid);

	cs_autofree char *groups = cs_proc_read(AT_FDCWD, path, TEXT_MAX, &len);

	if (!mountinfo || !groups || !find_mount(mountinfo, is_v2, mount, seen))
		return NO_LIMIT;
	for (char *l = strtok_r(groups, "\n", &save); l && !group; l = strtok_r(NULL, "\n", &save))
		group = find_group(l, is_v2);
	if (!group)
		return NO_LIMIT;
	/* in a container only its own part of the tree is mounted */
	len = strlen(seen);
	if (len > 1 && !strncmp(group, seen, len))
		group += len;
	if (snprintf(full, sizeof(full), "%s%s", root, mount) >= (int)sizeof(full))
		return NO_LIMIT;
	return room_above(full, strcmp(group, "/") ? group : "", is_v2, swap_free);
}

static uint64_t meminfo_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

uint64_t cs_swap_headroom(const char *root, int pid)
{
	char path[PATH_MAX];
	size_t len;
	int n = snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	cs_autofree char *text = n > 0 && (size_t)n < sizeof(path) ?
					 cs_proc_read(AT_FDCWD, path, TEXT_MAX, &len) :
					 NULL;
	uint64_t swap_free = text ? meminfo_bytes(text, "SwapFree:") : 0;
	uint64_t least = text ? meminfo_bytes(text, "MemAvailable:") + swap_free : NO_LIMIT;

	least = less(least, cgroup_room(root, pid, true, swap_free));
	least = less(least, cgroup_room(root, pid, false, swap_free));
	return least >= NO_LIMIT ? UINT64_MAX : least;
}
