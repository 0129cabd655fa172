/* elfutils 0.188 debuginfod/debuginfod.h.in: the client is a library of its own, with curl
 * behind it. It is opened when somebody asks: most people never do, and a machine without it
 * runs corescan all the same.
 *
 * A query waits for servers in rounds of a second (debuginfod-client.c, curl_multi_wait): it
 * is made aside, and is told to end through its progress function. */
#include "image/debuginfod.h"
#include "base/aside.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ID_MAX = 64, FAILURES_MAX = 2 /* each may have waited for a minute or two */ };

typedef int find_fn(void *client, const unsigned char *id, int len, char **path);

struct client {
	void *handle; /* a debuginfod_client * */
	find_fn *find[2];
	void (*end)(void *client);
};

struct cs_debuginfod {
	struct cs_pulse *pulse;
	struct client client;
	unsigned failures;
	char trouble[160]; /* "": none */
};

struct query {
	struct client client;
	enum cs_debuginfod_kind kind;
	unsigned char id[ID_MAX];
	int id_len, result;
	char *path;
	_Atomic bool is_left;
};

/* ISO C has no way from an object's pointer to a function's. */
static bool bind(void *library, const char *name, void *fn)
{
	void *symbol = dlsym(library, name);

	memcpy(fn, &symbol, sizeof(symbol));
	return symbol;
}

/* The query this thread makes: the client tells its progress in the same thread, and what it
 * keeps for its user could only be had through the library again. */
static _Thread_local struct query *asking;

static int on_progress(void *handle, long a, long b)
{
	(void)handle, (void)a, (void)b;
	return asking && asking->is_left;
}

static void open_client(struct cs_debuginfod *d)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	void *library, *(*begin)(void) = NULL;
	void (*set_progress)(void *client, int (*fn)(void *, long, long)) = NULL;
	struct client *c = &d->client;

	if (!urls || !urls[strspn(urls, " ")]) {
		snprintf(d->trouble, sizeof(d->trouble), "DEBUGINFOD_URLS names no server");
		return;
	}
	library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL); /* it stays */
	if (!library) {
		snprintf(d->trouble, sizeof(d->trouble), "libdebuginfod.so.1 is not installed");
		return;
	}
	if (bind(library, "debuginfod_begin", &begin) &&
	    bind(library, "debuginfod_find_executable", &c->find[CS_DEBUGINFOD_EXECUTABLE]) &&
	    bind(library, "debuginfod_find_debuginfo", &c->find[CS_DEBUGINFOD_DEBUG]) &&
	    bind(library, "debuginfod_set_progressfn", &set_progress) &&
	    bind(library, "debuginfod_end", &c->end))
		c->handle = begin();
	if (c->handle)
		set_progress(c->handle, on_progress);
	else
		snprintf(d->trouble, sizeof(d->trouble), "libdebuginfod.so.1 cannot be used");
}

struct cs_debuginfod *cs_debuginfod_create(struct cs_pulse *pulse)
{
	struct cs_debuginfod *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->pulse = pulse;
	open_client(d);
	return d;
}

void cs_debuginfod_destroy(struct cs_debuginfod *d)
{
	if (!d)
		return;
	if (d->client.handle)
		d->client.end(d->client.handle);
	free(d);
}

const char *cs_debuginfod_trouble(const struct cs_debuginfod *d)
{
	return *d->trouble ? d->trouble : NULL;
}

static void ask(void *ctx)
{
	struct query *q = ctx;

	asking = q;
	q->result = q->client.find[q->kind](q->client.handle, q->id, q->id_len, &q->path);
	asking = NULL;
	if (q->result >= 0)
		close(q->result);
}

static void drop(void *ctx)
{
	struct query *q = ctx;

	q->client.end(q->client.handle);
	free(q->path);
	free(q);
}

static void leave(void *ctx)
{
	((struct query *)ctx)->is_left = true;
}

static void count_failure(struct cs_debuginfod *d, int result)
{
	if (result >= 0 || result == -ENOENT)
		return;
	d->failures++;
	snprintf(d->trouble, sizeof(d->trouble), "no answer from the servers in DEBUGINFOD_URLS: %s",
		 strerror(-result));
}

char *cs_debuginfod_find(struct cs_debuginfod *d, enum cs_debuginfod_kind kind,
			 const unsigned char *build_id, size_t len)
{
	const char *step = d && d->pulse ? d->pulse->step : NULL;
	struct query *q;
	char *path;

	/* a server that does not answer is not waited for again and again */
	if (!d || !d->client.handle || d->failures >= FAILURES_MAX || !len || len > ID_MAX || cs_pulse_look(d->pulse))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->client = d->client;
	q->kind = kind;
	q->id_len = (int)len;
	memcpy(q->id, build_id, len);
	if (d->pulse)
		d->pulse->step = "asking debuginfod";
	d->client.handle = NULL; /* the query's for now */
	if (!cs_aside(&(struct cs_aside){ ask, drop, q, leave }, d->pulse)) {
		snprintf(d->trouble, sizeof(d->trouble), "interrupted");
		return NULL;
	}
	d->client.handle = q->client.handle;
	if (d->pulse)
		d->pulse->step = step;
	count_failure(d, q->result);
	path = q->path;
	free(q);
	return path;
}
