/* A core without NT_FILE (the kernel drops the note beyond 4 MiB; some writers
 * have none) still holds the dynamic loader's own list, glibc elf/link.h:
 *   struct r_debug   r_map at 8
 *   struct link_map  l_addr at 0 (the bias), l_name at 8, l_next at 24, l_prev at 32
 * The executable's DT_DEBUG points to the first. Its own l_name is empty; the
 * kernel left the name it was started by at AT_EXECFN. */
#include "image/image_build.h"

#include <elf.h>

enum { OBJECTS_MAX = 1 << 16, NAME_MAX_LEN = 4096, PHDRS_MAX = 64, DYN_MAX = 512 };
enum { R_MAP = 8, MAP_NAME = 8, MAP_NEXT = 24, MAP_PREV = 32, MAP_LEN = 40 };

/* Value of DT_DEBUG in the dynamic section at addr, or 0. */
static cs_addr debug_pointer(struct cs_image *image, cs_addr addr)
{
	for (int i = 0; i < DYN_MAX; i++) {
		const unsigned char *dyn = cs_mem_view(image->mem, addr + (uint64_t)i * 16, 16);

		if (!dyn || cs_le64(dyn) == DT_NULL)
			return 0;
		if (cs_le64(dyn) == DT_DEBUG)
			return cs_le64(dyn + 8);
	}
	return 0;
}

/* Where the executable's dynamic section lies, or 0. */
static cs_addr find_dynamic(struct cs_image *image)
{
	uint64_t bias = 0, dynamic = 0;

	for (int i = 0; image->at_phdr && i < PHDRS_MAX; i++) {
		const unsigned char *ph = cs_mem_view(image->mem, image->at_phdr + (uint64_t)i * 56, 56);

		if (!ph)
			break;

		uint64_t vaddr = cs_le64(ph + offsetof(Elf64_Phdr, p_vaddr));

		if (cs_le32(ph) == PT_PHDR)
			bias = image->at_phdr - vaddr;
		if (cs_le32(ph) != PT_DYNAMIC)
			continue;
		dynamic = vaddr;
		break;
	}
	return dynamic ? bias + dynamic : 0;
}

static const char *copy_text(struct cs_image *image, cs_addr addr)
{
	size_t len;
	const char *text = addr ? cs_mem_text(image->mem, addr, NAME_MAX_LEN, &len) : NULL;

	return text && *text == '/' ? cs_arena_text(&image->strings, text, len) : NULL;
}

cs_status cs_image_loader_names(struct cs_image *image, struct cs_loader_names *out,
				struct cs_error *err)
{
	cs_addr dynamic = find_dynamic(image), map = 0, last = 0;
	cs_addr debug = dynamic ? debug_pointer(image, dynamic) : 0;

	if (!debug || !cs_mem_u64(image->mem, debug + R_MAP, &map))
		return CS_OK;
	for (int i = 0; map && i < OBJECTS_MAX && !cs_pulse_stops(image->options.pulse); i++) {
		const unsigned char *at = cs_mem_view(image->mem, map, MAP_LEN);
		struct cs_loader_name name;

		/* each points back to the one before, so there is no way in circles */
		if (!at || cs_le64(at + MAP_PREV) != last)
			break;
		name.bias = cs_le64(at);
		name.path = copy_text(image, cs_le64(at + MAP_NAME));
		if (!name.path && !i)
			name.path = copy_text(image, image->at_execfn);
		if (name.path && !cs_vec_push(out, name))
			return cs_fail(err, CS_NOMEM, 0, "no memory for the loader's names");
		last = map;
		map = cs_le64(at + MAP_NEXT);
	}
	return CS_OK;
}
