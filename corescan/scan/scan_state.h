/* scan_state.h - what a scan is made of; for this room only. */
#ifndef CS_SCAN_STATE_H
#define CS_SCAN_STATE_H
#include "image/image.h"
#include "scan/scan.h"

struct py;
struct cs_glibc;
struct cs_heap_graph;
struct cs_native;
struct cs_makers;

struct cs_scan {
	struct cs_scan_options options;
	struct cs_pulse pulse;
	struct cs_model model;
	struct cs_core *core; /* one of these two */
	struct cs_live *live;
	struct cs_image *image;
	const struct cs_scan_process *process; /* while it is being opened: whoever holds it says */
	struct cs_glibc *glibc;
	struct py *py;
	struct cs_native *native; /* types of malloc blocks; NULL: nothing to tell */
	struct cs_makers *makers; /* calls of allocators; NULL: nobody asked */
	struct cs_heap_graph *graph; /* NULL: no view needed it yet */
	struct cs_error no_graph; /* why there can be none; status CS_OK: nobody tried in vain */
	bool knows_sites; /* what tracemalloc recorded was read, if there was any */
	bool told_files, told_debuginfod; /* files.c has said all there is */
	bool is_proven; /* cs_scan_prove() has nothing left to do */
};
#endif
