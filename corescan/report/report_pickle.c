/* CPython Lib/tracemalloc.py: Snapshot {traces: _Traces {_traces: a list}, traceback_limit}.
 * A trace is (domain, size, frames), from 3.9 on also total_nframe; frames are (filename,
 * lineno), the most recent first. Opcodes: Lib/pickletools.py. */
#include "report/report_pickle.h"

#include <stdlib.h>
#include <string.h>

enum opcode {
	PROTO = 0x80, STOP = '.', MARK = '(', GLOBAL = 'c', NEWOBJ = 0x81, BUILD = 'b',
	EMPTY_TUPLE = ')', TUPLE = 't', TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87,
	EMPTY_DICT = '}', SETITEM = 's', SETITEMS = 'u', EMPTY_LIST = ']', APPENDS = 'e',
	BININT1 = 'K', BININT2 = 'M', BININT = 'J', LONG1 = 0x8a, BINUNICODE = 'X',
	BINPUT = 'q', LONG_BINPUT = 'r', BINGET = 'h', LONG_BINGET = 'j',
};
enum { VERSION = 2, BATCH = 1000 /* items the reader's stack holds at once, as pickle's */ };

struct writer {
	FILE *out;
	const struct cs_sites *sites;
	uint32_t next; /* free place of the reader's memo */
	/* 1 + the place in the memo, 0: not written yet */
	uint32_t *files, *frames, *tracebacks;
};

static void put(const struct writer *w, enum opcode op)
{
	putc_unlocked((int)op, w->out);
}

static void put_le(const struct writer *w, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		putc_unlocked((int)(v >> 8 * i & 255), w->out);
}

static void put_int(const struct writer *w, uint64_t v)
{
	if (v <= UINT8_MAX) {
		put(w, BININT1);
		put_le(w, v, 1);
	} else if (v <= UINT16_MAX) {
		put(w, BININT2);
		put_le(w, v, 2);
	} else if (v <= INT32_MAX) {
		put(w, BININT);
		put_le(w, v, 4);
	} else { /* two's complement: a byte more where the highest bit is set */
		int bytes = 5;

		while (bytes < 9 && v >> (8 * bytes - 1))
			bytes++;
		put(w, LONG1);
		put_le(w, (uint64_t)bytes, 1);
		put_le(w, v, bytes < 8 ? bytes : 8);
		if (bytes > 8)
			put_le(w, 0, 1);
	}
}

static void put_text(const struct writer *w, const char *text, size_t len)
{
	put(w, BINUNICODE);
	put_le(w, len, 4);
	fwrite(text, 1, len, w->out);
}

/* What was just written can be fetched again. */
static void keep(struct writer *w, uint32_t *place)
{
	put(w, w->next <= UINT8_MAX ? BINPUT : LONG_BINPUT);
	put_le(w, w->next, w->next <= UINT8_MAX ? 1 : 4);
	*place = ++w->next;
}

/* True: it was written before, and is fetched. */
static bool fetch(const struct writer *w, uint32_t place)
{
	if (!place--)
		return false;
	put(w, place <= UINT8_MAX ? BINGET : LONG_BINGET);
	put_le(w, place, place <= UINT8_MAX ? 1 : 4);
	return true;
}

static void put_file(struct writer *w, uint32_t nr)
{
	const struct cs_site_file *file = &w->sites->files.items[nr];

	if (fetch(w, w->files[nr]))
		return;
	put_text(w, file->name, file->len);
	keep(w, &w->files[nr]);
}

static void put_frame(struct writer *w, uint32_t nr)
{
	if (fetch(w, w->frames[nr]))
		return;
	put_file(w, w->sites->frames.items[nr].file);
	put_int(w, w->sites->frames.items[nr].line);
	put(w, TUPLE2);
	keep(w, &w->frames[nr]);
}

static void put_traceback(struct writer *w, uint32_t nr)
{
	static const enum opcode ends[] = { TUPLE, TUPLE1, TUPLE2, TUPLE3 };
	const struct cs_traceback *t = &w->sites->tracebacks.items[nr];

	if (fetch(w, w->tracebacks[nr]))
		return;
	if (t->count > 3)
		put(w, MARK);
	for (uint32_t i = 0; i < t->count; i++)
		put_frame(w, w->sites->stack.items[t->first + i]);
	put(w, t->count > 3 ? TUPLE : ends[t->count]);
	keep(w, &w->tracebacks[nr]);
}

static void put_trace(struct writer *w, const struct cs_trace *trace)
{
	if (w->sites->has_totals)
		put(w, MARK);
	put_int(w, trace->domain);
	put_int(w, trace->size);
	put_traceback(w, trace->traceback);
	if (w->sites->has_totals)
		put_int(w, w->sites->tracebacks.items[trace->traceback].total);
	put(w, w->sites->has_totals ? TUPLE : TUPLE3);
}

/* An instance of tracemalloc's class, made without __init__; its dict is to follow. */
static void put_instance(const struct writer *w, const char *name)
{
	put(w, GLOBAL);
	fprintf(w->out, "tracemalloc\n%s\n", name);
	put(w, EMPTY_TUPLE);
	put(w, NEWOBJ);
	put(w, EMPTY_DICT);
}

static void put_key(const struct writer *w, const char *name)
{
	put_text(w, name, strlen(name));
}

/* As tracemalloc.start() was told, which statistics and filters do not ask. */
static uint32_t frame_limit(const struct cs_sites *s)
{
	uint32_t most = 1;

	for (size_t i = 0; i < s->tracebacks.count; i++)
		if (s->tracebacks.items[i].count > most)
			most = s->tracebacks.items[i].count;
	return s->frame_limit ? s->frame_limit : most;
}

static void put_snapshot(struct writer *w, struct cs_pulse *pulse)
{
	put(w, PROTO);
	put_le(w, VERSION, 1);
	put_instance(w, "Snapshot");
	put(w, MARK);
	put_key(w, "traces");
	put_instance(w, "_Traces");
	put_key(w, "_traces");
	put(w, EMPTY_LIST);
	for (size_t i = 0; i < w->sites->traces.count; i++) {
		if (i % BATCH == 0)
			put(w, MARK);
		put_trace(w, &w->sites->traces.items[i]);
		if ((i + 1) % BATCH == 0 || i + 1 == w->sites->traces.count)
			put(w, APPENDS);
		if (cs_pulse_stops(pulse) || ferror(w->out))
			return;
	}
	put(w, SETITEM);
	put(w, BUILD);
	put_key(w, "traceback_limit");
	put_int(w, frame_limit(w->sites));
	put(w, SETITEMS);
	put(w, BUILD);
	put(w, STOP);
}

cs_status cs_pickle_write(FILE *out, const struct cs_sites *s, struct cs_pulse *pulse,
			  struct cs_error *err)
{
	struct writer w = { .out = out, .sites = s };
	cs_status st;

	if (s->state != CS_SITES_ON)
		return cs_fail(err, CS_UNSUPPORTED, 0, "%s: there is no snapshot to write",
			       s->state == CS_SITES_OFF ? "tracemalloc was not on" :
							  "no traces of tracemalloc were found");
	w.files = calloc(s->files.count + s->frames.count + s->tracebacks.count + 1,
			 sizeof(*w.files));
	if (!w.files)
		return cs_fail(err, CS_NOMEM, 0, "no memory for the snapshot");
	w.frames = w.files + s->files.count;
	w.tracebacks = w.frames + s->frames.count;
	put_snapshot(&w, pulse);
	st = cs_pulse_result(pulse, CS_OK, err);
	free(w.files);
	return st;
}
