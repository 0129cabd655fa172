#include "base/guard.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

enum { PAGE_LEN = 4096 };

/* An entry is live while len is not 0; start is written before len. */
static struct {
	_Atomic uintptr_t start;
	_Atomic size_t len;
} watched[CS_GUARD_MAX];

static _Atomic size_t watched_top; /* entries ever used */
static _Atomic uint64_t lost;

static struct sigaction before; /* all zero: the default */
static _Atomic unsigned entered;

static bool is_watched(uintptr_t at)
{
	size_t top = watched_top;

	for (size_t i = 0; i < top; i++) {
		size_t len = watched[i].len;

		if (len && at >= watched[i].start && at - watched[i].start < len)
			return true;
	}
	return false;
}

static void on_sigbus(int nr, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	void *page = (void *)(at - at % PAGE_LEN);

	(void)context;
	if (info->si_code > 0 && is_watched(at) &&
	    mmap(page, PAGE_LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
		lost++;
		return;
	}
	/* not ours: the faulting instruction runs again, under whoever was here before */
	sigaction(nr, &before, NULL);
	if (info->si_code <= 0)
		raise(nr);
}

static void take(struct sigaction *old)
{
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigemptyset(&act.sa_mask);
	sigaction(SIGBUS, &act, old);
}

void cs_guard_install(void)
{
	take(NULL);
}

uint64_t cs_guard_enter(void)
{
	if (!entered++)
		take(&before);
	return lost;
}

uint64_t cs_guard_leave(uint64_t lost_before)
{
	if (!--entered)
		sigaction(SIGBUS, &before, NULL);
	return lost - lost_before;
}

void cs_guard_watch(const void *data, size_t len)
{
	for (size_t i = 0; i < CS_GUARD_MAX; i++) {
		uintptr_t none = 0;

		if (!atomic_compare_exchange_strong(&watched[i].start, &none, (uintptr_t)data))
			continue;
		watched[i].len = len;

		size_t top = watched_top;

		while (top < i + 1 && !atomic_compare_exchange_weak(&watched_top, &top, i + 1))
			;
		return;
	}
}

void cs_guard_forget(const void *data)
{
	for (size_t i = 0; data && i < watched_top; i++) {
		if (watched[i].start != (uintptr_t)data)
			continue;
		watched[i].len = 0;
		watched[i].start = 0;
		return;
	}
}

uint64_t cs_guard_lost(void)
{
	return lost;
}
