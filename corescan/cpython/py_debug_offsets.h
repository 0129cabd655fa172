/* py_debug_offsets.h - what the target itself says about its layout (3.13+). */
#ifndef CS_PY_DEBUG_OFFSETS_H
#define CS_PY_DEBUG_OFFSETS_H
#include "cpython/py.h"

/* Lay _Py_DebugOffsets, when py->runtime begins with it, over py->layout. */
void py_debug_offsets_apply(struct py *py);
#endif
