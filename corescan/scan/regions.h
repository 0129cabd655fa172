/* regions.h - what is no heap: stacks, modules, files, shared memory, the kernel's. */
#ifndef CS_REGIONS_H
#define CS_REGIONS_H
#include "image/image.h"
#include "model/model.h"

/* Add a region for every mapping and thread stack. Called after the walkers:
 * heaps were added first and win. */
cs_status cs_regions_of_image(struct cs_image *image, struct cs_model *model, struct cs_error *err);
#endif
