/* Sources: glibc malloc/malloc.c and malloc/arena.c at the tags named in the
 * rows, struct malloc_state, struct malloc_par, struct tcache_perthread_struct. */
#include "glibc/glibc_layout.h"

#define NONE GLIBC_NO_FIELD

const struct glibc_state_layout glibc_state_layouts[GLIBC_STATE_LAYOUTS] = {
	/*		 fast  top next  attached system max   size */
	{ "2.43",	 NONE, 8,  2072, 2088,	  2096,  2104, 2112 },
	{ "2.27-2.42",	 16,   96, 2160, 2176,	  2184,  2192, 2200 },
	{ "2.23-2.26",	 8,    88, 2152, 2168,	  2176,  2184, 2192 },
	{ "2.17-2.22",	 8,    88, 2152, NONE,	  2168,  2176, 2184 },
};

const struct glibc_par_layout glibc_par_layouts[GLIBC_PAR_LAYOUTS] = {
	/*		 hp    n   max_n no_dyn mem max sbrk bins  count size */
	{ "2.43",	 56,   68, 76, 80, 88, 96, 104, 112,  128,	144 },
	{ "2.35-2.42",	 48,   60, 68, 72, 80, 88, 96,  104,  120,	136 },
	{ "2.26-2.34",	 NONE, 40, 48, 52, 56, 64, 72,  80,	  96,	112 },
	{ "2.24-2.25",	 NONE, 40, 48, 52, 56, 64, 72,  NONE, NONE, 80 },
	{ "2.17-2.23",	 NONE, 40, 48, 52, 56, 64, 80,  NONE, NONE, 88 },
};

const struct glibc_tcache_layout glibc_tcache_layouts[GLIBC_TCACHE_LAYOUTS] = {
	{ "2.42-", 76, 2, 152, 0x300, 32, true }, /* 2.43 asks for 16 more on one of two ways */
	{ "2.30-2.41", 64, 2, 128, 0x290, 16, false },
	{ "2.26-2.29", 64, 1, 64, 0x250, 16, false },
};

enum { ROW_STATE_243 = 0, ROW_STATE_227 = 1, ROW_STATE_223 = 2, ROW_STATE_217 = 3 };

bool glibc_par_fits(const struct glibc_state_layout *state, const struct glibc_par_layout *par)
{
	/* first and last row of glibc_par_layouts for each malloc_state */
	static const uint8_t rows[GLIBC_STATE_LAYOUTS][2] = {
		[ROW_STATE_243] = { 0, 0 },
		[ROW_STATE_227] = { 1, 2 },
		[ROW_STATE_223] = { 2, 4 },
		[ROW_STATE_217] = { 4, 4 },
	};
	long s = state - glibc_state_layouts, p = par - glibc_par_layouts;

	return p >= rows[s][0] && p <= rows[s][1];
}

const struct glibc_tcache_layout *glibc_tcache_of(const struct glibc_state_layout *state,
						  uint64_t chunk_size)
{
	static const bool fits[GLIBC_STATE_LAYOUTS][GLIBC_TCACHE_LAYOUTS] = {
		[ROW_STATE_243] = { true, false, false },
		[ROW_STATE_227] = { true, true, true },
		[ROW_STATE_223] = { false, false, true },
		[ROW_STATE_217] = { false, false, false },
	};
	long s = state - glibc_state_layouts;

	for (unsigned i = 0; i < GLIBC_TCACHE_LAYOUTS; i++) {
		const struct glibc_tcache_layout *t = &glibc_tcache_layouts[i];

		if (fits[s][i] && chunk_size >= t->chunk && chunk_size <= t->chunk + (uint64_t)t->more)
			return t;
	}
	return NULL;
}
