/* py_families.h - the functions the family table is made of, one file a kin. */
#ifndef CS_PY_FAMILIES_H
#define CS_PY_FAMILIES_H
#include "cpython/py_family.h"

/* py_text.c: numbers, text, bytes */
uint64_t py_int_need(struct py *py, const struct py_obj *o);
uint64_t py_int_sizeof(struct py *py, const struct py_obj *o);
bool py_int_leaf(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size);
bool py_str_leaf(struct py *py, const struct py_obj *o, uint64_t *need, uint64_t *size);
uint64_t py_str_need(struct py *py, const struct py_obj *o);
uint64_t py_str_sizeof(struct py *py, const struct py_obj *o);
void py_str_claim(struct py *py, const struct py_obj *o);
uint64_t py_bytearray_sizeof(struct py *py, const struct py_obj *o);
void py_bytearray_claim(struct py *py, const struct py_obj *o);

/* py_containers.c */
uint64_t py_list_sizeof(struct py *py, const struct py_obj *o);
void py_list_claim(struct py *py, const struct py_obj *o);
uint64_t py_dict_sizeof(struct py *py, const struct py_obj *o);
void py_dict_claim(struct py *py, const struct py_obj *o);
uint64_t py_odict_sizeof(struct py *py, const struct py_obj *o);
void py_odict_claim(struct py *py, const struct py_obj *o);
uint64_t py_set_sizeof(struct py *py, const struct py_obj *o);
void py_set_claim(struct py *py, const struct py_obj *o);
uint64_t py_deque_sizeof(struct py *py, const struct py_obj *o);
void py_deque_claim(struct py *py, const struct py_obj *o);
uint64_t py_array_sizeof(struct py *py, const struct py_obj *o);
void py_array_claim(struct py *py, const struct py_obj *o);
void py_instance_claim(struct py *py, const struct py_obj *o); /* 3.11, 3.12 values */

/* py_code.c: code, frames, generators, types, modules */
void py_code_claim(struct py *py, const struct py_obj *o);
uint64_t py_frame_need(struct py *py, const struct py_obj *o);
uint64_t py_frame_sizeof(struct py *py, const struct py_obj *o);
uint64_t py_gen_need(struct py *py, const struct py_obj *o);
uint64_t py_gen_sizeof(struct py *py, const struct py_obj *o);
uint64_t py_heaptype_sizeof(struct py *py, const struct py_obj *o);
void py_heaptype_claim(struct py *py, const struct py_obj *o);
void py_module_claim(struct py *py, const struct py_obj *o);

/* py_ctypes.c */
uint64_t py_stgdict_sizeof(struct py *py, const struct py_obj *o);
void py_stgdict_claim(struct py *py, const struct py_obj *o);
uint64_t py_ctype_sizeof(struct py *py, const struct py_obj *o);
void py_ctype_claim(struct py *py, const struct py_obj *o);

/* py_extension.c: io, locks, struct, datetime, numpy, ElementTree */
uint64_t py_time_need(struct py *py, const struct py_obj *o);
uint64_t py_buffered_sizeof(struct py *py, const struct py_obj *o);
void py_buffered_claim(struct py *py, const struct py_obj *o);
uint64_t py_bytesio_sizeof(struct py *py, const struct py_obj *o);
void py_first_pointer_claim(struct py *py, const struct py_obj *o);
uint64_t py_struct_sizeof(struct py *py, const struct py_obj *o);
void py_struct_claim(struct py *py, const struct py_obj *o);
uint64_t py_ndarray_sizeof(struct py *py, const struct py_obj *o);
void py_ndarray_claim(struct py *py, const struct py_obj *o);
uint64_t py_element_sizeof(struct py *py, const struct py_obj *o);
void py_element_claim(struct py *py, const struct py_obj *o);

/* py_task.c: owns nothing, is noted */
void py_task_claim(struct py *py, const struct py_obj *o);
#endif
