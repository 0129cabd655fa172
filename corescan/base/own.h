/* own.h - scope frees, success steals. */
#ifndef CS_OWN_H
#define CS_OWN_H
#include <stdlib.h>
#include <unistd.h>

static inline void cs_freep(void *p)
{
	free(*(void **)p);
}

static inline void cs_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define cs_autofree __attribute__((cleanup(cs_freep)))
#define cs_autoclose __attribute__((cleanup(cs_closep)))
#define cs_steal(p)                        \
	({                                 \
		__typeof__(p) stolen_ = p; \
		(p) = NULL;                \
		stolen_;                   \
	})
#endif
