# make            build/corescan and build/libcorescan.so.0, optimised
# make check      everything again under ASan + UBSan with warnings as errors, and all tests
# make bench      speed and memory as ratios to `cat CORE`
# make install    PREFIX=/usr/local DESTDIR=
VERSION  := 0.1.0
CC       ?= gcc
PREFIX   ?= /usr/local
B        ?= build
OPT      ?= -O2
SAN      ?=
WERROR   ?=

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wswitch-enum \
	    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
CPPFLAGS += -D_GNU_SOURCE -DCS_VERSION='"$(VERSION)"' -Iinclude -Icorescan
CFLAGS   += -std=gnu11 -g $(OPT) $(SAN) $(WARN) $(WERROR) -fPIC -fvisibility=hidden -MMD -MP
LDLIBS   += -ldw -lelf

LIB_SRC  := $(wildcard corescan/base/*.c corescan/model/*.c corescan/mem/*.c corescan/image/*.c \
	    corescan/glibc/*.c corescan/cpython/*.c corescan/report/*.c corescan/scan/*.c)
CLI_SRC  := $(wildcard corescan/cli/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(B)/%.o)
DEPS     := $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d)

all: $(B)/corescan $(B)/libcorescan.so.0

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# The program holds the library's objects itself: one file to copy to where the core is.
$(B)/corescan: $(CLI_OBJ) $(LIB_OBJ)
	$(CC) $(SAN) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/libcorescan.so.0: $(LIB_OBJ)
	$(CC) $(SAN) $(LDFLAGS) -shared -Wl,-soname,libcorescan.so.0 $^ $(LDLIBS) -o $@

-include $(DEPS)
clean:
	rm -rf $(B)
.PHONY: all clean
