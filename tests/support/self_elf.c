#include "self_elf.h"
#include "cs_test.h"

#include <link.h>

struct cs_elf *self_elf;
uint64_t self_bias;

static int first_object(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	*(uint64_t *)data = info->dlpi_addr;
	return 1;
}

int self_open(void **state)
{
	(void)state;
	dl_iterate_phdr(first_object, &self_bias);
	assert_int_equal(cs_elf_open("/proc/self/exe", &self_elf, NULL), CS_OK);
	return 0;
}

int self_close(void **state)
{
	(void)state;
	cs_elf_close(self_elf);
	return 0;
}
