/* py_proof.h - does this layout explain this target? Used before anything else is. */
#ifndef CS_PY_PROOF_H
#define CS_PY_PROOF_H
#include "cpython/py.h"

/* Follow runtime -> interpreter -> thread -> sys.__dict__ -> dict -> type and
 * read sys.hexversion. CS_OK: py->interps, type_type, skew and the layout's
 * full version are set. CS_CORRUPT: *why says which step contradicts. */
cs_status py_proof(struct py *py, struct cs_error *why);
#endif
