/* debuginfod.h - files by build id, from the servers that the environment's DEBUGINFOD_URLS
 * names; elfutils' client keeps what it got (DEBUGINFOD_CACHE_PATH) and knows how long to
 * wait (DEBUGINFOD_TIMEOUT, _MAXTIME, _MAXSIZE).
 *
 * The only place that may use the network, and only when the user said so. Knows nothing of
 * modules; what comes is a path, and no more to be believed than any other.
 */
#ifndef CS_DEBUGINFOD_H
#define CS_DEBUGINFOD_H
#include "base/num.h"
#include "base/pulse.h"

struct cs_debuginfod;

/* Never fails but for want of memory: see cs_debuginfod_trouble(). pulse is borrowed, may
 * be NULL. */
struct cs_debuginfod *cs_debuginfod_create(struct cs_pulse *pulse);
void cs_debuginfod_destroy(struct cs_debuginfod *d);

enum cs_debuginfod_kind { CS_DEBUGINFOD_EXECUTABLE, CS_DEBUGINFOD_DEBUG };

/* Where the file of a build id is now; to be freed. NULL: nobody has it, or it could not be
 * asked for, or the pulse said stop. Takes as long as the servers do; d may be NULL. */
char *cs_debuginfod_find(struct cs_debuginfod *d, enum cs_debuginfod_kind kind,
			 const unsigned char *build_id, size_t len);

/* What went wrong last, in words; NULL: nothing. A server that has not got a file is right. */
const char *cs_debuginfod_trouble(const struct cs_debuginfod *d);
#endif
