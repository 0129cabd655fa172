/* py_fields.h - every field of CPython we read, once.
 *
 * The enum, the DWARF binding and the generated rows all come from this list.
 * F(NAME, struct tags, member path): tags are alternatives between '|' (a
 * struct was renamed), paths too; an empty path asks for the struct's size.
 */
#ifndef CS_PY_FIELDS_H
#define CS_PY_FIELDS_H

#define PY_FIELDS(F)                                                                               \
	/* runtime and interpreter */                                                              \
	F(RT_INTERPRETERS_HEAD, "pyruntimestate", "interpreters.head")                             \
	F(RT_GC, "pyruntimestate", "gc")                                                           \
	F(RT_STATIC_STRINGS, "pyruntimestate", "cached_objects.interned_strings")                  \
	F(RT_TRACEMALLOC, "pyruntimestate", "tracemalloc")                                         \
	F(RT_EXTENSIONS, "pyruntimestate", "imports.extensions.hashtable")                         \
	F(RT_GIL_LOCKED, "pyruntimestate", "ceval.gil.locked")                                     \
	F(RT_TSTATE_CURRENT, "pyruntimestate", "gilstate.tstate_current")                          \
	F(IS_SIZE, "_is", "")                                                                      \
	F(IS_NEXT, "_is", "next")                                                                  \
	F(IS_THREADS_HEAD, "_is", "tstate_head|threads.head")                                      \
	F(IS_SYSDICT, "_is", "sysdict")                                                            \
	F(IS_BUILTINS, "_is", "builtins")                                                          \
	F(IS_MODULES, "_is", "modules|imports.modules")                                            \
	F(IS_GC, "_is", "gc")                                                                      \
	F(IS_OBMALLOC, "_is", "obmalloc")                                                          \
	F(IS_FLOAT_STATE, "_is", "float_state")                                                    \
	F(IS_TUPLE_STATE, "_is", "tuple")                                                          \
	F(IS_LIST_STATE, "_is", "list")                                                            \
	F(IS_DICT_STATE, "_is", "dict_state")                                                      \
	F(IS_CONTEXT_STATE, "_is", "context")                                                      \
	F(IS_ASYNC_GEN_STATE, "_is", "async_gen")                                                  \
	F(IS_FREELISTS, "_is", "object_state.freelists")                                           \
	F(IS_INTERNED, "_is", "cached_objects.interned_strings")                                   \
	F(IS_STATIC_TYPES, "_is", "types.builtins.initialized|types.builtins")                     \
	F(IS_EXTENSION_TYPES, "_is", "types.for_extensions.initialized")                           \
	F(IS_DICT, "_is", "dict")                                                                  \
	F(IS_IMPORTLIB, "_is", "importlib|imports.importlib")                                      \
	F(IS_IMPORT_FUNC, "_is", "import_func|imports.import_func")                                \
	F(IS_MODULES_BY_INDEX, "_is", "modules_by_index|imports.modules_by_index")                 \
	F(IS_CODEC_SEARCH_PATH, "_is", "codec_search_path|codecs.search_path")                     \
	F(IS_CODEC_SEARCH_CACHE, "_is", "codec_search_cache|codecs.search_cache")                  \
	F(IS_CODEC_ERRORS, "_is", "codec_error_registry|codecs.error_registry")                    \
	F(IS_BEFORE_FORK, "_is", "before_forkers")                                                 \
	F(IS_AFTER_FORK_PARENT, "_is", "after_forkers_parent")                                     \
	F(IS_AFTER_FORK_CHILD, "_is", "after_forkers_child")                                       \
	F(IS_AUDIT_HOOKS, "_is", "audit_hooks")                                                    \
	F(IS_ATEXIT, "_is", "atexit|pyexitmodule")                                                 \
	F(IS_PENDING, "_is", "ceval.pending")                                                      \
	F(IS_TYPE_CACHE, "_is", "type_cache|types.type_cache")                                     \
	F(GC_SIZE, "_gc_runtime_state", "")                                                        \
	F(GC_GENERATIONS, "_gc_runtime_state", "generations|young")                                \
	F(GC_GENERATION_SIZE, "gc_generation", "")                                                 \
	F(GC_PERMANENT, "_gc_runtime_state", "permanent_generation")                               \
	F(GC_COLLECTING, "_gc_runtime_state", "collecting")                                        \
	F(GC_HEAD_SIZE, "PyGC_Head", "")                                                           \
	F(TS_SIZE, "_ts", "")                                                                      \
	F(TS_NEXT, "_ts", "next")                                                                  \
	F(TS_INTERP, "_ts", "interp")                                                              \
	F(TS_FRAME, "_ts", "frame")                                                                \
	F(TS_CFRAME, "_ts", "cframe")                                                              \
	F(TS_CURRENT_FRAME, "_ts", "current_frame")                                                \
	F(TS_THREAD_ID, "_ts", "thread_id")                                                        \
	F(TS_NATIVE_ID, "_ts", "native_thread_id")                                                 \
	F(TS_DATASTACK_CHUNK, "_ts", "datastack_chunk")                                            \
	F(TS_DICT, "_ts", "dict")                                                                  \
	F(TS_CONTEXT, "_ts", "context")                                                            \
	F(TS_EXCEPTION, "_ts", "current_exception|curexc_value")                                   \
	F(TS_EXC_TRACEBACK, "_ts", "curexc_traceback")                                             \
	F(TS_HANDLED, "_ts", "exc_state.exc_value")                                                \
	F(TS_ASYNC_EXC, "_ts", "async_exc")                                                        \
	F(TS_TRACE, "_ts", "c_traceobj")                                                           \
	F(TS_PROFILE, "_ts", "c_profileobj")                                                       \
	F(STACK_CHUNK_PREVIOUS, "_stack_chunk", "previous")                                        \
	F(STACK_CHUNK_SIZE, "_stack_chunk", "size")                                                \
	F(IS_CEVAL_GIL, "_is", "ceval.gil")                                                        \
	F(GIL_LOCKED, "_gil_runtime_state", "locked")                                              \
	F(GIL_LAST_HOLDER, "_gil_runtime_state", "last_holder")                                    \
	F(TS_STATUS, "_ts", "_status")                                                             \
	/* obmalloc */                                                                             \
	F(OBMALLOC_SIZE, "_obmalloc_state", "")                                                    \
	F(OBMALLOC_ARENAS, "_obmalloc_state", "mgmt.arenas")                                       \
	F(OBMALLOC_MAXARENAS, "_obmalloc_state", "mgmt.maxarenas")                                 \
	F(OBMALLOC_MAP_ROOT, "_obmalloc_state", "usage.arena_map_root")                            \
	F(MAP_TOP_SIZE, "arena_map_top", "")                                                       \
	F(MAP_MID_SIZE, "arena_map_mid", "")                                                       \
	F(MAP_BOT_SIZE, "arena_map_bot", "")                                                       \
	F(ARENA_SIZE, "arena_object", "")                                                          \
	F(ARENA_ADDRESS, "arena_object", "address")                                                \
	F(ARENA_POOL_ADDRESS, "arena_object", "pool_address")                                      \
	F(ARENA_NFREEPOOLS, "arena_object", "nfreepools")                                          \
	F(ARENA_NTOTALPOOLS, "arena_object", "ntotalpools")                                        \
	F(POOL_HEADER_SIZE, "pool_header", "")                                                     \
	F(POOL_COUNT, "pool_header", "ref")                                                        \
	F(POOL_FREEBLOCK, "pool_header", "freeblock")                                              \
	F(POOL_ARENAINDEX, "pool_header", "arenaindex")                                            \
	F(POOL_SZIDX, "pool_header", "szidx")                                                      \
	F(POOL_NEXTOFFSET, "pool_header", "nextoffset")                                            \
	F(POOL_MAXNEXTOFFSET, "pool_header", "maxnextoffset")                                      \
	/* objects and types */                                                                    \
	F(OB_TYPE, "_object", "ob_type")                                                           \
	F(OB_SIZE, "PyVarObject", "ob_size")                                                       \
	F(TP_SIZE, "_typeobject", "")                                                              \
	F(TP_NAME, "_typeobject", "tp_name")                                                       \
	F(TP_BASICSIZE, "_typeobject", "tp_basicsize")                                             \
	F(TP_ITEMSIZE, "_typeobject", "tp_itemsize")                                               \
	F(TP_FLAGS, "_typeobject", "tp_flags")                                                     \
	F(TP_TRAVERSE, "_typeobject", "tp_traverse")                                               \
	F(TP_DOC, "_typeobject", "tp_doc")                                                         \
	F(TP_BASE, "_typeobject", "tp_base")                                                       \
	F(TP_DICT, "_typeobject", "tp_dict")                                                       \
	F(TP_DICTOFFSET, "_typeobject", "tp_dictoffset")                                           \
	F(TP_BASES, "_typeobject", "tp_bases")                                                     \
	F(TP_MRO, "_typeobject", "tp_mro")                                                         \
	F(TP_CACHE, "_typeobject", "tp_cache")                                                     \
	F(TP_SUBCLASSES, "_typeobject", "tp_subclasses")                                           \
	F(HT_SIZE, "_heaptypeobject", "")                                                          \
	F(HT_NAME, "_heaptypeobject", "ht_name")                                                   \
	F(HT_SLOTS, "_heaptypeobject", "ht_slots")                                                 \
	F(HT_QUALNAME, "_heaptypeobject", "ht_qualname")                                           \
	F(HT_CACHED_KEYS, "_heaptypeobject", "ht_cached_keys")                                     \
	F(HT_MODULE, "_heaptypeobject", "ht_module")                                               \
	F(HT_TPNAME, "_heaptypeobject", "_ht_tpname")                                              \
	F(STATIC_TYPE_SIZE, "static_builtin_state|managed_static_type_state", "")                  \
	F(STATIC_TYPE_TYPE, "static_builtin_state|managed_static_type_state", "type")              \
	F(STATIC_TYPE_DICT, "static_builtin_state|managed_static_type_state", "tp_dict")           \
	F(LONG_DIGIT, "_longobject", "ob_digit|long_value.ob_digit")                               \
	F(LONG_TAG, "_longobject", "long_value.lv_tag")                                            \
	F(FLOAT_FVAL, "PyFloatObject", "ob_fval")                                                  \
	F(ASCII_SIZE, "PyASCIIObject", "")                                                         \
	F(STR_LENGTH, "PyASCIIObject", "length")                                                   \
	F(STR_STATE, "PyASCIIObject", "state")                                                     \
	F(STR_WSTR, "PyASCIIObject", "wstr")                                                       \
	F(COMPACT_SIZE, "PyCompactUnicodeObject", "")                                              \
	F(STR_UTF8_LENGTH, "PyCompactUnicodeObject", "utf8_length")                                \
	F(STR_UTF8, "PyCompactUnicodeObject", "utf8")                                              \
	F(STR_WSTR_LENGTH, "PyCompactUnicodeObject", "wstr_length")                                \
	F(STR_SIZE, "PyUnicodeObject", "")                                                         \
	F(STR_DATA, "PyUnicodeObject", "data")                                                     \
	F(BYTES_SVAL, "PyBytesObject", "ob_sval")                                                  \
	F(BYTEARRAY_ALLOC, "PyByteArrayObject", "ob_alloc")                                        \
	F(BYTEARRAY_BYTES, "PyByteArrayObject", "ob_bytes")                                        \
	F(TUPLE_ITEM, "PyTupleObject", "ob_item")                                                  \
	F(LIST_ITEM, "PyListObject", "ob_item")                                                    \
	F(LIST_ALLOCATED, "PyListObject", "allocated")                                             \
	F(DICT_USED, "PyDictObject", "ma_used")                                                    \
	F(DICT_KEYS, "PyDictObject", "ma_keys")                                                    \
	F(DICT_VALUES, "PyDictObject", "ma_values")                                                \
	F(KEYS_REFCNT, "_dictkeysobject", "dk_refcnt")                                             \
	F(KEYS_SLOTS, "_dictkeysobject", "dk_size")                                                \
	F(KEYS_LOOKUP, "_dictkeysobject", "dk_lookup")                                             \
	F(KEYS_LOG2_SIZE, "_dictkeysobject", "dk_log2_size")                                       \
	F(KEYS_LOG2_INDEX_BYTES, "_dictkeysobject", "dk_log2_index_bytes")                         \
	F(KEYS_KIND, "_dictkeysobject", "dk_kind")                                                 \
	F(KEYS_USABLE, "_dictkeysobject", "dk_usable")                                             \
	F(KEYS_NENTRIES, "_dictkeysobject", "dk_nentries")                                         \
	F(KEYS_INDICES, "_dictkeysobject", "dk_indices")                                           \
	F(VALUES_SIZE, "_dictvalues", "")                                                          \
	F(VALUES_CAPACITY, "_dictvalues", "capacity")                                              \
	F(VALUES_VALID, "_dictvalues", "valid")                                                    \
	F(VALUES_VALUES, "_dictvalues", "values")                                                  \
	F(SET_SIZE, "PySetObject", "")                                                             \
	F(SET_USED, "PySetObject", "used")                                                         \
	F(SET_MASK, "PySetObject", "mask")                                                         \
	F(SET_TABLE, "PySetObject", "table")                                                       \
	F(SET_SMALLTABLE, "PySetObject", "smalltable")                                             \
	F(CODE_SIZE, "PyCodeObject", "")                                                           \
	F(CODE_EXTRA, "PyCodeObject", "co_extra")                                                  \
	F(CODE_NLOCALS, "PyCodeObject", "co_nlocals")                                              \
	F(CODE_NLOCALSPLUS, "PyCodeObject", "co_nlocalsplus")                                      \
	F(CODE_STACKSIZE, "PyCodeObject", "co_stacksize")                                          \
	F(CODE_VARNAMES, "PyCodeObject", "co_varnames")                                            \
	F(CODE_LOCALSPLUSNAMES, "PyCodeObject", "co_localsplusnames")                              \
	F(CODE_LOCALSPLUSKINDS, "PyCodeObject", "co_localspluskinds")                              \
	F(CODE_CELLVARS, "PyCodeObject", "co_cellvars")                                            \
	F(CODE_FREEVARS, "PyCodeObject", "co_freevars")                                            \
	F(CODE_CELL2ARG, "PyCodeObject", "co_cell2arg")                                            \
	F(CODE_ZOMBIEFRAME, "PyCodeObject", "co_zombieframe")                                      \
	F(CODE_OPCACHE_MAP, "PyCodeObject", "co_opcache_map")                                      \
	F(CODE_OPCACHE, "PyCodeObject", "co_opcache")                                              \
	F(CODE_LINEARRAY, "PyCodeObject", "_co_linearray")                                         \
	F(CODE_CACHED, "PyCodeObject", "_co_cached")                                               \
	F(CODE_MONITORING, "PyCodeObject", "_co_monitoring")                                       \
	F(CODE_EXECUTORS, "PyCodeObject", "co_executors")                                          \
	F(CODE_NAME, "PyCodeObject", "co_name")                                                    \
	F(CODE_QUALNAME, "PyCodeObject", "co_qualname")                                            \
	F(CODE_FILENAME, "PyCodeObject", "co_filename")                                            \
	F(CODE_FIRSTLINENO, "PyCodeObject", "co_firstlineno")                                      \
	F(CODE_ADAPTIVE, "PyCodeObject", "co_code_adaptive")                                       \
	F(FRAME_SIZE, "_frame", "")                                                                \
	F(FRAME_CODE, "_frame", "f_code")                                                          \
	F(FRAME_BACK, "_frame", "f_back")                                                          \
	F(FRAME_VALUESTACK, "_frame", "f_valuestack")                                              \
	F(FRAME_STACKTOP, "_frame", "f_stacktop")                                                  \
	F(FRAME_STACKDEPTH, "_frame", "f_stackdepth")                                              \
	F(FRAME_LOCALSPLUS, "_frame", "f_localsplus")                                              \
	F(FRAME_FRAME, "_frame", "f_frame")                                                        \
	F(FRAME_DATA, "_frame", "_f_frame_data")                                                   \
	F(CFRAME_CURRENT_FRAME, "_PyCFrame|_cframe|CFrame", "current_frame")                       \
	F(IFRAME_CODE, "_PyInterpreterFrame", "f_code|f_executable")                               \
	F(IFRAME_PREVIOUS, "_PyInterpreterFrame", "previous")                                      \
	F(IFRAME_FUNC, "_PyInterpreterFrame", "f_func|f_funcobj")                                  \
	F(IFRAME_LOCALS, "_PyInterpreterFrame", "f_locals")                                        \
	F(IFRAME_FRAME_OBJ, "_PyInterpreterFrame", "frame_obj")                                    \
	F(IFRAME_STACKTOP, "_PyInterpreterFrame", "stacktop")                                      \
	F(IFRAME_STACKPOINTER, "_PyInterpreterFrame", "stackpointer")                              \
	F(IFRAME_OWNER, "_PyInterpreterFrame", "owner")                                            \
	F(IFRAME_LOCALSPLUS, "_PyInterpreterFrame", "localsplus")                                  \
	F(GEN_CODE, "PyGenObject", "gi_code")                                                      \
	F(GEN_NAME, "PyGenObject", "gi_name")                                                      \
	F(GEN_QUALNAME, "PyGenObject", "gi_qualname")                                              \
	F(GEN_FRAME_STATE, "PyGenObject", "gi_frame_state")                                        \
	F(GEN_IFRAME, "PyGenObject", "gi_iframe")                                                  \
	F(FUNC_CODE, "PyFunctionObject", "func_code")                                              \
	F(FUNC_QUALNAME, "PyFunctionObject", "func_qualname")                                      \
	F(MODULE_DICT, "PyModuleObject", "md_dict")                                                \
	F(MODULE_DEF, "PyModuleObject", "md_def")                                                  \
	F(MODULE_DEF_SIZE, "PyModuleDef", "m_size")                                                \
	F(MODULE_STATE, "PyModuleObject", "md_state")                                              \
	F(MODULE_NAME, "PyModuleObject", "md_name")                                                \
	/* threads, frames, tasks */                                                               \
	F(CODE_CODE, "PyCodeObject", "co_code")                                                    \
	F(CODE_LNOTAB, "PyCodeObject", "co_lnotab")                                                \
	F(CODE_LINETABLE, "PyCodeObject", "co_linetable")                                          \
	F(CODE_FIRSTTRACEABLE, "PyCodeObject", "_co_firsttraceable")                               \
	F(FRAME_LASTI, "_frame", "f_lasti")                                                        \
	F(CFRAME_PREVIOUS, "_PyCFrame|_cframe|CFrame", "previous")                                 \
	F(IFRAME_PREV_INSTR, "_PyInterpreterFrame", "prev_instr")                                  \
	F(IFRAME_INSTR_PTR, "_PyInterpreterFrame", "instr_ptr")                                    \
	F(IFRAME_IS_ENTRY, "_PyInterpreterFrame", "is_entry")                                      \
	F(GEN_FRAME, "PyGenObject", "gi_frame")                                                    \
	F(ASEND_GEN, "PyAsyncGenASend", "ags_gen")                                                 \
	F(WRAPPED_COROUTINE, "PyCoroWrapper", "cw_coroutine")                                      \
	F(TASK_LOOP, "TaskObj", "task_loop")                                                       \
	F(TASK_STATE, "TaskObj", "task_state")                                                     \
	F(TASK_FUT_WAITER, "TaskObj", "task_fut_waiter")                                           \
	F(TASK_CORO, "TaskObj", "task_coro")                                                       \
	F(TASK_NAME, "TaskObj", "task_name")                                                       \
	/* tracemalloc: its tables, what is in them, where they hang */                            \
	F(STR_HASH, "PyASCIIObject", "hash")                                                       \
	F(TABLE_COUNT, "_Py_hashtable_t", "nentries|entries")                                      \
	F(TABLE_NBUCKETS, "_Py_hashtable_t", "nbuckets|num_buckets")                               \
	F(TABLE_BUCKETS, "_Py_hashtable_t", "buckets")                                             \
	F(TABLE_HASH_FUNC, "_Py_hashtable_t", "hash_func")                                         \
	F(TABLE_COMPARE_FUNC, "_Py_hashtable_t", "compare_func")                                   \
	F(TABLE_KEY_SIZE, "_Py_hashtable_t", "key_size")                                           \
	F(TABLE_DATA_SIZE, "_Py_hashtable_t", "data_size")                                         \
	F(ENTRY_SIZE, "_Py_hashtable_entry_t", "")                                                 \
	F(ENTRY_NEXT, "_Py_hashtable_entry_t", "_Py_slist_item.next")                              \
	F(ENTRY_HASH, "_Py_hashtable_entry_t", "key_hash")                                         \
	F(ENTRY_KEY, "_Py_hashtable_entry_t", "key")                                               \
	F(ENTRY_VALUE, "_Py_hashtable_entry_t", "value")                                           \
	F(TRACE_SIZE, "tracemalloc_trace|trace_t", "size")                                         \
	F(TRACE_TRACEBACK, "tracemalloc_trace|trace_t", "traceback")                               \
	F(TRACEBACK_HASH, "tracemalloc_traceback|traceback_t", "hash")                             \
	F(TRACEBACK_NFRAME, "tracemalloc_traceback|traceback_t", "nframe")                         \
	F(TRACEBACK_TOTAL, "tracemalloc_traceback|traceback_t", "total_nframe")                    \
	F(TRACEBACK_FRAMES, "tracemalloc_traceback|traceback_t", "frames")                         \
	F(TRACED_FRAME_SIZE, "tracemalloc_frame|frame_t", "")                                      \
	F(TRACED_FRAME_FILENAME, "tracemalloc_frame|frame_t", "filename")                          \
	F(TRACED_FRAME_LINENO, "tracemalloc_frame|frame_t", "lineno")                              \
	F(TRACING_CONFIG, "_tracemalloc_runtime_state", "config")                                  \
	F(TRACING_MEMORY, "_tracemalloc_runtime_state", "traced_memory")                           \
	F(TRACING_TRACES, "_tracemalloc_runtime_state", "traces")                                  \
	F(TRACING_DOMAINS, "_tracemalloc_runtime_state", "domains")                                \
	F(CONFIG_TRACING, "_PyTraceMalloc_Config", "tracing")                                      \
	F(CONFIG_MAX_NFRAME, "_PyTraceMalloc_Config", "max_nframe")

enum py_field {
#define PY_FIELD_ENUM(name, tags, path) PY_##name,
	PY_FIELDS(PY_FIELD_ENUM)
#undef PY_FIELD_ENUM
		PY_FIELD_COUNT
};

enum { PY_NO_FIELD = -1 }; /* its own value, because 0 is a good offset */

struct py_field_name {
	const char *name, *tags, *path;
};
extern const struct py_field_name py_field_names[PY_FIELD_COUNT];
#endif
