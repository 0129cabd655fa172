/* mem_swap.h - how much of a process may come back from swap without killing it.
 *
 * Reading a swapped page of another process brings it back in and charges that
 * process' cgroup; with no room there the reader's own reads get it killed.
 */
#ifndef CS_MEM_SWAP_H
#define CS_MEM_SWAP_H
#include <stdint.h>

/* Bytes that can be read back. The least of: what the machine has available
 * (memory and free swap), and for every cgroup above the process (v2 and v1)
 * its limit less its use, plus what it may push out to swap. UINT64_MAX when
 * nothing is known to limit it. root is put before /proc and /sys; "" outside
 * of tests. */
uint64_t cs_swap_headroom(const char *root, int pid);
#endif
