/* tcache_perthread_struct, glibc 2.26 and newer: counts (or, from 2.42, free
 * slots), then list heads, in an ordinary chunk of the thread's arena. Lists go
 * through the first word of the user's bytes, mangled from 2.32 on:
 * stored = (address of the word >> 12) ^ pointer. Bins 0..63 hold chunks of
 * 32 + 16 i bytes each, later ones (2.42) mixed sizes, in 2.43 mmapped ones too.
 *
 * Found by structure: counts and heads agree and every list begins with a chunk
 * of its size. Which thread owns it is told by its static TLS, the words below
 * fs_base; a fork child has caches whose threads do not exist there. */
#include "glibc/glibc_tcache.h"
#include "base/map.h"

#include <inttypes.h>

enum {
	COUNT_MOST = 65535,
	TLS_LOOK = 64 << 10,
	STRUCT_MOST = 0x320,
	CANDIDATES_MOST = 1 << 20
};

struct list {
	uint64_t count; /* as the struct says; COUNT_MOST when it does not say */
	cs_addr head;
};

/* Bin i of a tcache whose bytes are at p. */
static struct list bin_of(const struct glibc_libc *libc, const struct glibc_tcache_layout *l,
			  const unsigned char *p, unsigned i)
{
	struct list out = { .head = cs_le64(p + l->entries + 8 * i) };
	uint64_t n = l->count_size == 1 ? p[i] : cs_le16(p + 2 * i);

	if (!l->counts_left)
		out.count = n;
	else if (!libc->mp)
		out.count = out.head ? COUNT_MOST : 0;
	else
		out.count = n <= libc->tcache_count ? libc->tcache_count - n : COUNT_MOST + 1u;
	return out;
}

/* Do counts and heads agree, and is something cached at all? */
static bool agrees(const struct glibc_libc *libc, const struct glibc_tcache_layout *l,
		   const unsigned char *p)
{
	bool any = false;

	for (unsigned i = 0; i < l->bins; i++) {
		struct list b = bin_of(libc, l, p, i);

		if ((b.count > 0) != (b.head != 0) || b.count > COUNT_MOST || b.head % 16)
			return false;
		any |= b.head != 0;
	}
	return any;
}

void glibc_tcache_candidate(struct cs_glibc *g, const struct glibc_arena *arena, cs_addr chunk,
			    uint64_t size)
{
	const struct glibc_libc *libc = &g->libcs.items[arena->libc];
	const struct glibc_tcache_layout *l = glibc_tcache_of(libc->layout, size);
	struct glibc_tcache t = { .addr = chunk + GLIBC_HEADER, .layout = l, .libc = arena->libc,
				  .thread = UINT32_MAX };
	uint64_t len = l->entries + 8ull * l->bins;
	const unsigned char *p = cs_mem_view(g->mem, t.addr, len);

	if (!p || !agrees(libc, l, p) || g->tcaches.count >= CANDIDATES_MOST)
		return;
	if (!cs_vec_push(&g->tcaches, t))
		g->no_memory = true;
}

cs_addr glibc_demangle(struct cs_glibc *g, struct glibc_libc *libc, cs_addr addr, uint64_t stored)
{
	uint64_t plain = stored ^ (addr >> 12);

	if (libc->safe_linking == GLIBC_UNKNOWN) {
		if (glibc_is_243(libc->layout) || libc->heap_info == 48)
			libc->safe_linking = GLIBC_YES;
		else if (libc->layout->top == 88 || !stored)
			libc->safe_linking = GLIBC_NO;
		else if (!plain)
			libc->safe_linking = GLIBC_YES;
		else if (glibc_tile_at(g, stored - GLIBC_HEADER, NULL) != CS_BLOCK_INSIDE ||
			 glibc_tile_at(g, stored, NULL) != CS_BLOCK_INSIDE)
			libc->safe_linking = GLIBC_NO;
		else if (glibc_tile_at(g, plain - GLIBC_HEADER, NULL) != CS_BLOCK_INSIDE ||
			 glibc_tile_at(g, plain, NULL) != CS_BLOCK_INSIDE)
			libc->safe_linking = GLIBC_YES;
		else
			return plain;
	}
	return libc->safe_linking == GLIBC_YES ? plain : stored;
}

/* Is there a chunk of the bin's size at chunk? Mixed bins may hold any. */
static bool fits_bin(struct cs_glibc *g, unsigned bin, cs_addr chunk, struct glibc_piece **piece)
{
	unsigned state = glibc_tile_at(g, chunk, piece);

	if (state != CS_BLOCK_USED)
		return false;
	return bin >= GLIBC_TCACHE_SMALL ||
	       glibc_tile_len(g, *piece, chunk) == GLIBC_CHUNK_MIN + 16ull * bin;
}

static bool is_mapped_chunk(struct cs_glibc *g, const struct glibc_libc *libc, unsigned bin,
			    cs_addr chunk)
{
	uint64_t word;

	return bin >= GLIBC_TCACHE_SMALL && glibc_is_243(libc->layout) &&
	       cs_mem_u64(g->mem, chunk + 8, &word) && (word & GLIBC_FLAGS) == GLIBC_M;
}

/* Every list begins with a chunk: then it is no look-alike. */
static bool heads_fit(struct cs_glibc *g, const struct glibc_tcache *t, const unsigned char *p)
{
	const struct glibc_libc *libc = &g->libcs.items[t->libc];
	struct glibc_piece *piece;

	for (unsigned i = 0; i < t->layout->bins; i++) {
		cs_addr head = bin_of(libc, t->layout, p, i).head;

		if (glibc_stops(g))
			return false;
		if (head && !fits_bin(g, i, head - GLIBC_HEADER, &piece) &&
		    !is_mapped_chunk(g, libc, i, head - GLIBC_HEADER))
			return false;
	}
	return true;
}

static const char *member_problem(struct cs_glibc *g, unsigned bin, cs_addr user,
				  struct glibc_piece **piece)
{
	if (user % 16)
		return "malloc(): unaligned tcache chunk detected";
	if (glibc_tile_at(g, user - GLIBC_HEADER, piece) == CS_BLOCK_TCACHE)
		return "free(): double free detected in tcache 2";
	if (!fits_bin(g, bin, user - GLIBC_HEADER, piece))
		return "a tcache list leads to what is no chunk of its size";
	return NULL;
}

static void mark_list(struct cs_glibc *g, struct glibc_tcache *t, unsigned bin, struct list b)
{
	struct glibc_libc *libc = &g->libcs.items[t->libc];
	cs_addr at = b.head;
	uint64_t n = 0, stored;

	for (; at && n <= b.count && !glibc_stops(g); n++) {
		struct glibc_piece *piece = NULL;
		const char *why = NULL;
		uint64_t len = 0;

		if (is_mapped_chunk(g, libc, bin, at - GLIBC_HEADER)) {
			if (!cs_vec_push(&g->mapped_cached, at - GLIBC_HEADER))
				g->no_memory = true;
		} else {
			why = member_problem(g, bin, at, &piece);
			if (why) {
				cs_model_anomaly(g->model, "malloc.tcache", at,
						 "%s: bin %u of the tcache at " CS_ADDR " leads to " CS_ADDR,
						 why, bin, t->addr, at);
				return;
			}
			len = glibc_tile_len(g, piece, at - GLIBC_HEADER);
			glibc_tile_put(g, piece, at - GLIBC_HEADER, CS_BLOCK_TCACHE);
			g->arenas.items[piece->arena].tcache.count++;
			g->arenas.items[piece->arena].tcache.bytes += len;
		}
		t->count++;
		t->bytes += len;
		if (!cs_mem_u64(g->mem, at, &stored))
			return;
		at = glibc_demangle(g, libc, at, stored);
	}
	if (b.count != COUNT_MOST && (n + 1 < b.count || n > b.count + 1 || (at && n > b.count)))
		cs_model_anomaly(g->model, "malloc.tcache", t->addr,
				 "bin %u of the tcache at " CS_ADDR " says %" PRIu64
				 " chunks, its list has %s%" PRIu64,
				 bin, t->addr, b.count, at ? "more than " : "", n);
}

/* The static TLS of a thread, as far as it is at hand: words below fs_base. */
static void look_in_tls(struct cs_glibc *g, uint32_t thread, const struct cs_map *by_addr)
{
	cs_addr end = g->image->threads.items[thread].fs_base & ~(cs_addr)7;
	cs_addr start = end > TLS_LOOK ? end - TLS_LOOK : 0;
	const struct cs_mem_seg *seg = end ? cs_mem_find(g->mem, end - 8) : NULL;
	const unsigned char *p;
	uint32_t nr;

	if (!seg)
		return;
	start = seg->start > start ? cs_align_up(seg->start, 8) : start;
	p = start < end ? cs_mem_view(g->mem, start, end - start) : NULL;
	for (uint64_t off = 0; p && off < end - start && !glibc_stops(g); off += 8) {
		uint64_t v = cs_le64(p + off);

		if (v && cs_map_get(by_addr, v, &nr))
			g->tcaches.items[nr].thread = thread;
	}
}

/* Which thread's static TLS points at it? */
static void find_owners(struct cs_glibc *g)
{
	struct cs_map by_addr = { 0 };

	for (size_t i = 0; i < g->tcaches.count; i++)
		if (!cs_map_put(&by_addr, g->tcaches.items[i].addr, (uint32_t)i))
			g->no_memory = true;
	for (uint32_t i = 0; i < g->image->threads.count; i++)
		look_in_tls(g, i, &by_addr);
	cs_map_deinit(&by_addr);
}

static void tell(struct cs_glibc *g)
{
	uint64_t count = 0, bytes = 0, orphans = 0, lost_count = 0, lost = 0;
	bool threads_known = false;

	for (size_t i = 0; i < g->image->threads.count; i++)
		threads_known |= g->image->threads.items[i].fs_base != 0;
	for (size_t i = 0; i < g->tcaches.count; i++) {
		const struct glibc_tcache *t = &g->tcaches.items[i];

		count += t->count;
		bytes += t->bytes;
		if (t->thread == UINT32_MAX) {
			orphans++;
			lost_count += t->count;
			lost += t->bytes;
		}
	}
	if (g->tcaches.count)
		cs_model_finding(g->model, "thread caches", "structure",
				 "every list begins with a chunk of its size",
				 "%zu tcaches (%s) hold %" PRIu64 " chunks, %" PRIu64 " bytes",
				 g->tcaches.count, g->tcaches.items[0].layout->name, count, bytes);
	if (orphans && threads_known)
		cs_model_finding(g->model, "orphaned thread caches", "structure, thread-local storage",
				 "no thread points at them; after fork only the calling thread lives on",
				 "%" PRIu64 " tcaches without a thread hold %" PRIu64 " chunks, %" PRIu64
				 " bytes that cannot be used again", orphans, lost_count, lost);
}

void glibc_tcache_mark(struct cs_glibc *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->tcaches.count; i++) {
		struct glibc_tcache t = g->tcaches.items[i];
		const struct glibc_tcache_layout *l = t.layout;
		unsigned char buf[STRUCT_MOST];
		const unsigned char *p =
			cs_mem_borrow(g->mem, t.addr, l->entries + 8u * l->bins, buf);

		if (!p || glibc_tile_at(g, t.addr - GLIBC_HEADER, NULL) != CS_BLOCK_USED ||
		    !heads_fit(g, &t, p))
			continue;
		for (unsigned bin = 0; bin < l->bins; bin++)
			mark_list(g, &t, bin, bin_of(&g->libcs.items[t.libc], l, p, bin));
		g->tcaches.items[kept++] = t;
	}
	g->tcaches.count = kept;
	find_owners(g);
	tell(g);
}
