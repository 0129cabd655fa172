# make            build/corescan and build/libcorescan.so.0, optimised
# make check      everything again under ASan + UBSan with warnings as errors, and all tests
#                 make check SAN=     the same without sanitizers
#                 make check TESTS=tests/unit/report/%    only these (a pattern)
# make fuzz       spoiled cores until you stop it (clang); make fuzz-dwarf: spoiled debug data
# make bench      speed and memory as ratios to `cat CORE`
#                 make bench-graph    of the graph's algorithms alone
#                 make bench-dwarf FILE=...   of the index of a file's debug data
# make install    PREFIX=/usr/local DESTDIR=
#                 GDBDIR=/usr/share/gdb/python/gdb/command (below PREFIX when that is another):
#                 what GDB reads at its start; the commands themselves go to PREFIX/share/corescan/gdb
# make clean
VERSION  := 0.1.0
ifeq ($(origin CC),default)
CC       := gcc
endif
PREFIX   ?= /usr/local
GDBDIR   ?= $(if $(filter /usr /usr/local,$(PREFIX)),/usr,$(PREFIX))/share/gdb/python/gdb/command
B        ?= build
OPT      ?= -O2
SAN      ?=
JOBS     ?= $(shell nproc)
WERROR   ?=
CLANG    ?= $(firstword $(shell command -v clang clang-14 2>/dev/null))

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wswitch-enum \
	    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
CPPFLAGS += -D_GNU_SOURCE -DCS_VERSION='"$(VERSION)"' -Iinclude -Icorescan
LANGUAGE := -std=gnu11 -g $(WARN) $(WERROR) -fPIC -fvisibility=hidden
CFLAGS   += $(LANGUAGE) $(OPT) $(SAN) -MMD -MP
CAPSTONE := $(shell pkg-config --libs capstone 2>/dev/null)
ifeq ($(CAPSTONE)$(filter clean,$(MAKECMDGOALS)),)
$(error capstone is missing: apt-get install libcapstone-dev pkg-config)
endif
CPPFLAGS += $(shell pkg-config --cflags-only-I capstone 2>/dev/null)
LDLIBS   += -ldw -lelf -lpthread -ldl $(CAPSTONE)

LIB_SRC  := $(wildcard corescan/base/*.c corescan/model/*.c corescan/mem/*.c corescan/image/*.c \
	    corescan/glibc/*.c corescan/cpython/*.c corescan/native/*.c corescan/code/*.c \
	    corescan/graph/*.c corescan/report/*.c corescan/scan/*.c)
CLI_SRC  := $(wildcard corescan/cli/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/obj/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(B)/obj/%.o)
DEPS      = $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(SUPPORT_OBJ:.o=.d) $(TEST_PROGRAM:=.d) $(TOOL:=.d)

all: $(B)/corescan $(B)/libcorescan.so.0

# `make V=1` shows the commands.
ifeq ($(V),)
Q        := @
SAY       = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo "  $(1) $(2)")
else
SAY       = @:
endif

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# The program holds the library's objects itself: one file to copy to where the core is.
$(B)/corescan: $(CLI_OBJ) $(LIB_OBJ)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(SAN) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/libcorescan.so.0: $(LIB_OBJ)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(SAN) $(LDFLAGS) -shared -Wl,-soname,libcorescan.so.0 $^ $(LDLIBS) -o $@

# ---- tests: a program of its own from each tests/**/test_*.c, and from each tool_*.c that
# tests call; linked with archives, so that each holds only what it needs.
SUPPORT_OBJ  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/support/*.c))
TEST_SRC     := $(wildcard tests/unit/*/test_*.c tests/forge/test_*.c tests/real/test_*.c \
		tests/fuzz/test_*.c)
TOOL_SRC     := $(wildcard tests/real/tool_*.c)
TEST_PROGRAM := $(TEST_SRC:%.c=$(B)/%)
TOOL         := $(TOOL_SRC:%.c=$(B)/%)
VICTIM       := $(patsubst %.c,$(B)/%,$(wildcard tests/real/victim_*.c))
TEST_SCRIPT  := $(wildcard tests/cli/*.sh tests/real/test_*.py)
TESTS        ?= %
TEST_CPPFLAGS := -Itests/support -I$(B)

$(SUPPORT_OBJ) $(TEST_PROGRAM) $(TOOL): CPPFLAGS += $(TEST_CPPFLAGS)

$(B)/libcorescan.a: $(LIB_OBJ)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(B)/tests/support.a: $(SUPPORT_OBJ)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(TEST_PROGRAM) $(TOOL): $(B)/%: %.c $(B)/tests/support.a $(B)/libcorescan.a
	@mkdir -p $(@D)
	$(call SAY,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(B)/tests/support.a $(B)/libcorescan.a -lcmocka $(LDLIBS) -lpthread -o $@

# Write tables from the DWARF of interpreters; scripts/gen-py-layout and gen-py-shapes call
# them. Not with the room the tables are for: it does not compile while they are old.
GEN_OBJ      := $(filter $(foreach r,base mem image,$(B)/obj/corescan/$(r)/%),$(LIB_OBJ))
$(B)/gen-py-%: scripts/gen_py_%.c corescan/cpython/py_fields.h corescan/cpython/py_shape_list.inc $(GEN_OBJ)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(GEN_OBJ) $(LDLIBS) -o $@

# This one hands out no memory and stops the clock when it likes.
$(B)/tests/unit/graph/test_graph_trouble: LDLIBS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
	-Wl,--wrap=mmap,--wrap=mremap,--wrap=clock_gettime

# What is looked at is never sanitized: its heap would not be glibc's.
$(VICTIM): $(B)/%: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 -g -O1 -Wall $< -lpthread -ldl -o $@

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
ifeq ($(origin SAN),file)
CHECK_SAN  := $(SANITIZERS)
CHECK_B    := build-check
CHECK_OPT  := -O1
else
CHECK_SAN  := $(SAN)
CHECK_B    := build-check-plain
CHECK_OPT  := $(OPT)
endif

# GDB cannot load a sanitized library: test_gdb.py takes the plain one.
check:
	@$(if $(and $(CHECK_SAN),$(filter $(TESTS),tests/real/test_gdb.py)),$(MAKE) --no-print-directory \
		-s -j$(JOBS) B=$(CHECK_B)/plain SAN= $(CHECK_B)/plain/libcorescan.so.0)
	@$(MAKE) --no-print-directory -s -j$(JOBS) B=$(CHECK_B) OPT='$(CHECK_OPT)' SAN='$(CHECK_SAN)' WERROR=-Werror check-run

# The long ones first: the short ones fill what is left of the two cores.
check-run: all $(TEST_PROGRAM) $(VICTIM) $(TOOL)
	@CORESCAN=$(abspath $(B)/corescan) BUILD=$(abspath $(B)) scripts/run-tests \
		scripts/check-floors.sh $(if $(CLANG),clang-warnings) \
		$(filter $(TESTS),$(TEST_SCRIPT)) $(filter $(B)/$(TESTS),$(TEST_PROGRAM))

# The other compiler's warnings, compiled and thrown away; run-tests calls this.
clang-warnings:
	@$(CLANG) $(CPPFLAGS) $(TEST_CPPFLAGS) $(LANGUAGE) -Werror -fsyntax-only \
		$(LIB_SRC) $(CLI_SRC) $(TEST_SRC) $(TOOL_SRC) $(wildcard tests/support/*.c)

# Until it is stopped. Small cores in build-fuzz/corpus are where it starts from; what it
# finds is replayed by build-fuzz/fuzz_core FILE.
FUZZ_SRC := tests/fuzz/test_core.c tests/support/forge_core.c
fuzz:
	@mkdir -p build-fuzz/corpus
	$(CLANG) $(CPPFLAGS) $(TEST_CPPFLAGS) -DFUZZER $(LANGUAGE) -O1 \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(LIB_SRC) $(FUZZ_SRC) \
		-lcmocka $(LDLIBS) -o build-fuzz/fuzz_core
	build-fuzz/fuzz_core -timeout=20 -max_len=16000000 build-fuzz/corpus

# The same for debug data; the programs it starts from are built when there are none.
fuzz-dwarf:
	@mkdir -p build-fuzz/dwarf
	$(CLANG) $(CPPFLAGS) $(TEST_CPPFLAGS) -DFUZZER $(LANGUAGE) -O1 \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(LIB_SRC) \
		tests/fuzz/test_dwarf.c -lcmocka $(LDLIBS) -o build-fuzz/fuzz_dwarf
	@for f in -gdwarf-5 '-gdwarf-4 -fdebug-types-section' '-g -gz'; do \
		printf 'struct order { order *next; char name[9]; } *all; int main() { return !all; }\n' | \
		$(CC) -x c++ - -O1 $$f -Wl,--build-id -nostartfiles -w \
			-o "build-fuzz/dwarf/$$(echo $$f | tr -d ' ')"; done
	build-fuzz/fuzz_dwarf -timeout=20 -rss_limit_mb=1500 -max_len=100000 build-fuzz/dwarf

bench: all
	tests/bench/run $(B)/corescan

# tests/bench/graph.c alone, without a core
bench-graph: $(B)/tests/bench/graph
	$<
# FILE: an ELF file with debug data, the bigger the better
bench-dwarf: $(B)/tests/bench/dwarf
	$< $(FILE)
$(B)/tests/bench/graph $(B)/tests/bench/dwarf: $(B)/%: %.c $(B)/libcorescan.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(B)/libcorescan.a $(LDLIBS) -o $@

install: all install-gdb
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib \
		$(DESTDIR)$(PREFIX)/include/corescan $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/corescan $(DESTDIR)$(PREFIX)/bin/corescan
	install -m 644 $(B)/libcorescan.so.0 $(DESTDIR)$(PREFIX)/lib/libcorescan.so.0
	ln -sf libcorescan.so.0 $(DESTDIR)$(PREFIX)/lib/libcorescan.so
	install -m 644 include/corescan/corescan.h $(DESTDIR)$(PREFIX)/include/corescan/corescan.h
	install -m 644 docs/corescan.1 $(DESTDIR)$(PREFIX)/share/man/man1/corescan.1

install-gdb:
	install -d $(DESTDIR)$(PREFIX)/share/corescan/gdb $(DESTDIR)$(GDBDIR)
	install -m 644 $(wildcard gdbplugin/*.py) $(DESTDIR)$(PREFIX)/share/corescan/gdb
	sed 's|^FOLDER = .*|FOLDER = "$(PREFIX)/share/corescan/gdb"|' gdbplugin/corescan-gdb.py \
		> $(DESTDIR)$(GDBDIR)/corescan.py

clean:
	rm -rf build build-check build-check-plain build-fuzz

-include $(DEPS)
.PHONY: all check check-run clang-warnings fuzz fuzz-dwarf bench bench-graph bench-dwarf install install-gdb clean
