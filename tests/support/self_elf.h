/* self_elf.h - this very program as an ELF file, and where the loader put it. */
#ifndef SELF_ELF_H
#define SELF_ELF_H
#include "image/elf_file.h"

extern struct cs_elf *self_elf;
extern uint64_t self_bias; /* address in memory - address in the file */

/* A group's first and last word: cmocka_run_group_tests(tests, self_open, self_close). */
int self_open(void **state);
int self_close(void **state);
#endif
