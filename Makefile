# upjob: build, test, install. `make demo` and `make test` do their own set-up on Debian 12.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
CXX     ?= g++
LUAC    ?= luac5.4
OPT     ?= -O2 -g
# SANITIZER=address,undefined builds into a directory of its own and every target uses that build.
SANITIZER ?=
WERROR  ?=

VERSION := 0.1.0
comma   := ,
BUILD   := build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wconversion $(if $(WERROR),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DUPJOB_VERSION='"$(VERSION)"' -Iruntime -I. -isystem /usr/include/lua5.4
CFLAGS   += -std=gnu11 $(OPT) $(WARNINGS) -fPIC -fno-semantic-interposition -fstack-protector-strong -MMD -MP \
            $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer)
CXXFLAGS += -std=gnu++17 $(filter-out -std=% -Wstrict-prototypes,$(CFLAGS))
LDFLAGS  += -Wl,-z,relro,-z,now $(if $(SANITIZER),-fsanitize=$(SANITIZER))

# The program, and the modules that it loads when they are first used (bindings/modules.h), with what each brings along.
PROGRAM_LIBS := -llua5.4 -luv -lcjson -lcsv -lm -ldl
CLIENT_LIBS  := -lcurl -lssl -lcrypto
LOCAL_LIBS   := -lmicrohttpd -lsqlite3 -lcrypto
JOURNAL_LIBS := -lsqlite3
METRICS_LIBS := -lmicrohttpd
PROMPT_LIBS  := -ledit
PHONE_LIBS   := -lphonenumber -licuuc
CHARSET_LIBS := -licui18n -licuuc
COMPRESSION_LIBS := -lz -lzstd
# That of phone numbers is made where libphonenumber is; without it the rest is, and says what to install when it is asked for.
PHONE_HEADER := $(wildcard /usr/include/phonenumbers/phonenumberutil.h /usr/local/include/phonenumbers/phonenumberutil.h)
MODULES      := client local journal metrics prompt charset compression $(if $(PHONE_HEADER),$(if $(shell command -v $(CXX)),phone))

# What tests link: in them, modules are found in the program itself (core/module.h).
CORE_LIBS := -luv -lcjson -lcsv $(CLIENT_LIBS) $(JOURNAL_LIBS) $(METRICS_LIBS) $(CHARSET_LIBS) $(COMPRESSION_LIBS) -lm -lpthread

CORE    := $(wildcard runtime/core/*.c)
SQL     := runtime/core/sql.c runtime/core/sql_version.c
HTTPD   := $(foreach unit,httpd connections listening,runtime/core/$(unit).c)
LOCAL   := $(wildcard runtime/local/*.c)
JOURNAL := $(wildcard runtime/core/journal*.c) runtime/core/state_directory.c bindings/journal.c
METRICS := runtime/core/metrics.c runtime/core/usage.c bindings/metrics.c
CLIENT  := $(foreach unit,http smtp mail webhook upload s3 api sigv4 operations shapes pattern credentials endpoint ini retry redact \
               digest check \
               rejects outgoing split newfile mapping characters survey keysort keyset keyhash changes rowset,\
               $(filter runtime/core/$(unit).c runtime/core/$(unit)_%.c,$(CORE))) \
           bindings/http.c bindings/credentials.c bindings/profiles.c bindings/operations.c bindings/upload.c bindings/s3.c \
           bindings/check.c bindings/check_plan.c bindings/check_results.c bindings/changes.c bindings/mapping.c bindings/mapping_calls.c \
           bindings/survey.c bindings/notify.c
PROMPT  := runtime/host/prompt.c
PHONE   := $(wildcard runtime/core/phone_*.cc)
CHARSET := $(wildcard runtime/core/charset*.c)
COMPRESSION := runtime/core/codec_gzip.c runtime/core/codec_zstd.c
PROGRAM := $(filter-out $(SQL) $(HTTPD) $(JOURNAL) $(METRICS) $(CLIENT) $(PROMPT) $(CHARSET) $(COMPRESSION),\
               $(CORE) $(wildcard runtime/host/*.c bindings/*.c))
C_TESTS  := $(wildcard tests/c/test_*.c)
LUA      := $(wildcard scripts/upjob/*.lua scripts/cmd/*.lua)
EXAMPLES := $(wildcard scripts/examples/*.lua)
AUTOMATIONS := $(wildcard scripts/examples/automations/*.lua)
ARGPARSE := /usr/share/lua/5.4/argparse.lua
SAMPLES  := tests/data/chinook-customers.csv tests/data/legislators-district-offices.csv

object = $(patsubst %,$(BUILD)/o/%.o,$(basename $(1)))
luac   = $(patsubst %.lua,$(BUILD)/luac/%.luac,$(1))

# What a build needs, and what the tests need beside it.
BUILD_PACKAGES := gcc g++ libc6-dev make lua5.4 liblua5.4-dev libuv1-dev libcurl4-openssl-dev libcjson-dev \
                  libssl-dev libcsv-dev libsqlite3-dev libmicrohttpd-dev libedit-dev libxxhash-dev libicu-dev zlib1g-dev \
                  libzstd-dev libphonenumber-dev lua-argparse ca-certificates tzdata
TEST_PACKAGES  := libcmocka-dev lua-busted bats lua-check curl openssl python3 tmux procps nghttp2-server faketime \
                  python3-prometheus-client systemd

.PHONY: all deps deps-build demo test torture install uninstall clean lint format bench conformance fuzz
all: $(BUILD)/upjob $(MODULES:%=$(BUILD)/%.so)

# -- set-up ----------------------------------------------------------------------------------------
# Installs what is missing, through sudo when not root; says nothing and does nothing when nothing is.
define install_missing
	@missing=; for package in $(1); do \
	    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "Installing from Debian's packages:$$missing"; \
	    root=; [ "$$(id -u)" = 0 ] || root=sudo; \
	    $$root apt-get update -qq && \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi
endef

deps:
	$(call install_missing,$(BUILD_PACKAGES) $(TEST_PACKAGES))
deps-build:
	$(call install_missing,$(BUILD_PACKAGES))

demo: deps-build
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@$(BUILD)/upjob demo

test: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all c-tests
	@BUILD=$(BUILD) tests/run

# -- the program -------------------------------------------------------------------------------------
$(BUILD)/upjob: $(call object,$(PROGRAM)) $(BUILD)/embedded.o
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(PROGRAM_LIBS)

define module
$(BUILD)/$(1).so: $(call object,$(2))
	$$(CC) $$(LDFLAGS) -Wl,-Bsymbolic-functions -shared -o $$@ $$^ $(3)
endef
$(eval $(call module,client,$(CLIENT),$(CLIENT_LIBS)))
$(eval $(call module,local,$(LOCAL) $(SQL) $(HTTPD),$(LOCAL_LIBS)))
$(eval $(call module,metrics,$(METRICS) $(HTTPD),$(METRICS_LIBS)))
$(eval $(call module,journal,$(JOURNAL) $(SQL),$(JOURNAL_LIBS)))
$(eval $(call module,prompt,$(PROMPT),$(PROMPT_LIBS)))
$(BUILD)/phone.so: $(call object,$(PHONE))
	$(CXX) $(LDFLAGS) -shared -o $@ $^ $(PHONE_LIBS)
$(eval $(call module,charset,$(CHARSET),$(CHARSET_LIBS)))
$(eval $(call module,compression,$(COMPRESSION),$(COMPRESSION_LIBS)))

$(BUILD)/o/%.o: %.c Makefile | need-headers
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/o/%.o: %.cc Makefile
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

.PHONY: need-headers
need-headers:
	@(for header in lua5.4/lua.h uv.h unicode/ucnv.h zlib.h zstd.h; do [ -e /usr/include/$$header ] || exit 1; done) || \
	    { echo "The libraries that upjob is built with are not installed: run 'make deps' first." >&2; exit 1; }

# Lua files, examples and the demo's samples go into the binary as they are named in the checkout.
$(BUILD)/luac/%.luac: %.lua
	@mkdir -p $(@D)
	$(LUAC) -o $@ $<
$(BUILD)/luac/argparse.luac: $(ARGPARSE)
	@mkdir -p $(@D)
	$(LUAC) -o $@ $<

EMBED := $(foreach f,$(LUA),$(f)=$(call luac,$(f))) argparse.lua=$(BUILD)/luac/argparse.luac \
         $(foreach f,$(SAMPLES),$(f)=$(f))
$(BUILD)/embedded.S: runtime/host/embed.sh $(call luac,$(LUA)) $(BUILD)/luac/argparse.luac $(SAMPLES) Makefile
	@mkdir -p $(@D)
	sh runtime/host/embed.sh $(EMBED) >$@
$(BUILD)/embedded.o: $(BUILD)/embedded.S
	$(CC) -c -o $@ $<

# -- tests -------------------------------------------------------------------------------------------
.PHONY: c-tests
c-tests: $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(C_TESTS))
$(BUILD)/tests/%: $(BUILD)/o/tests/c/%.o $(call object,$(CORE) $(LOCAL))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ -lcmocka $(LOCAL_LIBS) $(CORE_LIBS)
$(BUILD)/tests/test_phone $(BUILD)/tests/test_phone_batch $(BUILD)/tests/test_mapping_phone \
    $(BUILD)/tests/test_check_mending: | $(filter %/phone.so,$(MODULES:%=$(BUILD)/%.so))
# What scripts do when memory is out, and what a process does at its limits: with the program's own parts.
$(BUILD)/tests/test_script_memory $(BUILD)/tests/test_limits: $(BUILD)/tests/%: $(BUILD)/o/tests/c/%.o \
                                   $(call object,$(filter-out runtime/host/main.c,$(PROGRAM))) $(BUILD)/embedded.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ -lcmocka $(PROGRAM_LIBS)

# The CSV reader with sizes that a test chooses (tests/reference/csv_sizes.h), and what it is held against.
CSV       := $(filter runtime/core/csv%.c runtime/core/lines.c,$(CORE))
REFERENCE := $(wildcard tests/reference/*.c)
CSV_NEEDS := $(foreach unit,buf err secret,runtime/core/$(unit).c)
SIZED_CSV  = $(CSV:runtime/core/%.c=$(BUILD)/o/sized/%.o) $(call object,$(REFERENCE))
SIZED      = $(SIZED_CSV) $(call object,$(filter-out $(CSV),$(CORE)))
$(BUILD)/o/sized/%.o: runtime/core/%.c Makefile | need-headers
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DREAD_SIZE=csv_sizes.read -DCSV_SCAN_MOST=csv_sizes.scan -include tests/reference/csv_sizes.h \
	    $(CFLAGS) -c -o $@ $<
$(BUILD)/tests/test_csv_paths: $(BUILD)/o/tests/c/test_csv_paths.o $(SIZED)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ -lcmocka $(CORE_LIBS)

# Thousands of kills, of the embedded service, of imports and of the daemon, which take some fifty minutes.
KILLS   ?= 5000
DAEMON_KILLS ?= 500
RESUMES ?= 10000
torture: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@UPJOB=$(BUILD)/upjob python3 tests/service/kill.py $(KILLS)
	@UPJOB=$(BUILD)/upjob python3 tests/service/resume.py $(RESUMES)
	@KILLS=$(DAEMON_KILLS) UPJOB=$(BUILD)/upjob python3 tests/service/test_daemon_kill.py

# Thirty years of schedules in every zone of the oracle, beside Python's zoneinfo; SEED= chooses the random ones. Some minutes.
.PHONY: sweep
sweep: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@UPJOB=$(BUILD)/upjob python3 tests/schedule/oracle.py --sweep $(SEED)

lint: deps
	@tests/lint

# BENCH="csv start" times these parts only: tests/bench/run says which there are.
BENCH   ?=
BENCHES := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/*.c))
bench: deps deps-bench deps-conformance
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(BENCHES:%=$(BUILD)/bench/%)
	@tests/bench/run $(BENCH)
# Peers of upjob, and programs that time units of its core.
BENCH_CORE := $(filter csv_write keysort mapping phone,$(BENCHES))
$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(BENCH_LIBS)
$(BUILD)/bench/calls_server: BENCH_LIBS := -lmicrohttpd
$(BUILD)/bench/calls_curl:   BENCH_LIBS := -lcurl
$(BUILD)/bench/csv_libcsv:   BENCH_LIBS := -lcsv
$(BENCH_CORE:%=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/o/tests/bench/%.o $(call object,$(CORE)) | $(MODULES:%=$(BUILD)/%.so)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(CORE_LIBS)
.PHONY: deps-bench
deps-bench:
	$(call install_missing,sqlite3 python3-boto3 python3-phonenumbers)

# Compares upjob with the AWS SDKs and the AWS CLI, which it installs: the SDK for JavaScript below the build, the others from
# Debian's packages.
conformance: deps deps-conformance
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(BUILD)/conformance/model
	@BUILD=$(BUILD) tests/conformance/run
PEERS          = build/conformance
PEER_PACKAGES  = python3-botocore awscli $(if $(shell command -v npm),,nodejs npm)
.PHONY: deps-conformance
deps-conformance:
	$(call install_missing,$(PEER_PACKAGES))
	@$(MAKE) --no-print-directory -s $(PEERS)/node_modules/.package-lock.json
$(PEERS)/node_modules/.package-lock.json: tests/conformance/package.json tests/conformance/package-lock.json
	@mkdir -p $(PEERS)
	@cp $^ $(PEERS)/
	@echo "Installing the AWS SDK for JavaScript below $(PEERS)"
	@npm ci --loglevel=error --no-audit --no-fund --no-progress --prefix $(PEERS) >/dev/null && touch $@ || \
	    { echo "The AWS SDK for JavaScript cannot be installed: is the npm registry reached?" >&2; exit 1; }

$(BUILD)/conformance/model: $(call object,tests/conformance/model.c $(CORE))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(CORE_LIBS)

# Feeds generated input to what takes bytes from outside, with clang's libFuzzer: tests/fuzz/NAME.c is a target. For a time each,
# or with FUZZ_RUNS as many inputs. FUZZ_FLAGS are libFuzzer's.
FUZZ_SECONDS ?= 60
FUZZ_RUNS    ?=
FUZZ_FLAGS   ?=
SEED         ?= 1
FUZZERS      := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_BUILD   := build/fuzz
fuzz: deps deps-fuzz
	@$(MAKE) --no-print-directory -s -j$$(nproc) CC=clang BUILD=$(FUZZ_BUILD) SANITIZER=fuzzer-no-link,address,undefined \
	    $(FUZZERS:%=$(FUZZ_BUILD)/%)
	@FUZZ_RUNS=$(FUZZ_RUNS) FUZZ_FLAGS="$(FUZZ_FLAGS)" tests/fuzz/run $(FUZZ_BUILD) $(FUZZ_SECONDS) $(SEED) $(FUZZERS)
# What is compared in reading CSV guides to no new inputs, nor does the reference: to watch that takes half of the time.
$(FUZZ_BUILD)/o/sized/%.o: CFLAGS += -fno-sanitize-coverage=trace-cmp
$(FUZZ_BUILD)/o/tests/reference/%.o: CFLAGS += -fno-sanitize-coverage=trace-cmp,inline-8bit-counters,pc-table
# The CSV reader's window is small here unless a target says otherwise, so that it slides and grows with inputs as short as these.
$(FUZZERS:%=$(FUZZ_BUILD)/%): $(FUZZ_BUILD)/%: $(FUZZ_BUILD)/o/tests/fuzz/%.o $(SIZED) $(call object,$(LOCAL))
	$(CC) $(LDFLAGS) -rdynamic -fsanitize=fuzzer -o $@ $^ $(LOCAL_LIBS) $(CORE_LIBS)
.PHONY: deps-fuzz
deps-fuzz:
	$(call install_missing,clang)

# The CSV reader on 64-bit ARM, where its scan has a path of its own: compiled for it, and run by qemu. The libraries for that
# processor are unpacked below the build; only the compiler and qemu are installed.
ARM_BUILD    := build/arm64
ARM_ROOT      = $(CURDIR)/$(ARM_BUILD)/root
ARM_LIBRARIES = $(ARM_ROOT)/usr/lib/aarch64-linux-gnu
ARM_TESTS    := $(patsubst tests/c/%.c,$(ARM_BUILD)/csv/%,$(filter tests/c/test_csv%,$(C_TESTS)))
ARM_APT       = -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
                -o Dir::State::status=/dev/null -o Dir::State=$(CURDIR)/$(ARM_BUILD)/apt -o Dir::Cache=$(CURDIR)/$(ARM_BUILD)/apt
.PHONY: neon deps-neon
neon: deps deps-neon $(ARM_BUILD)/unpacked
	@CPPFLAGS='-isystem $(ARM_ROOT)/usr/include' LDFLAGS='-L$(ARM_LIBRARIES)' $(MAKE) --no-print-directory -s -j$$(nproc) \
	    CC=aarch64-linux-gnu-gcc BUILD=$(ARM_BUILD) $(ARM_TESTS)
	@tests/neon $(ARM_LIBRARIES) $(ARM_TESTS)
deps-neon:
	$(call install_missing,gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
$(ARM_BUILD)/unpacked:
	@echo "Fetching Debian's packages of libcsv and cmocka for arm64, below $(ARM_BUILD)"
	@rm -rf $(ARM_BUILD)/apt $(ARM_BUILD)/root && mkdir -p $(ARM_BUILD)/apt/lists/partial $(ARM_BUILD)/apt/archives/partial
	@cd $(ARM_BUILD)/apt && apt-get $(ARM_APT) update && apt-get $(ARM_APT) download libcsv-dev libcsv3 libcmocka-dev libcmocka0
	@for package in $(ARM_BUILD)/apt/*.deb; do dpkg-deb -x $$package $(ARM_ROOT) || exit 1; done
	@rm -rf $(ARM_BUILD)/apt && touch $@
$(BUILD)/csv/%: $(BUILD)/o/tests/c/%.o $(call object,$(CSV) $(CSV_NEEDS))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcsv -lcmocka
$(BUILD)/csv/test_csv_paths: $(BUILD)/o/tests/c/test_csv_paths.o $(SIZED_CSV) $(call object,$(CSV_NEEDS))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcsv -lcmocka

format:
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cc')

# -- install -----------------------------------------------------------------------------------------
# Where systemd looks for units, below /usr and /usr/local; with another prefix: systemctl link.
UNIT_DIRECTORY = $(PREFIX)/lib/systemd/system
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/upjob $(DESTDIR)$(PREFIX)/share/upjob/examples/automations \
	    $(DESTDIR)$(PREFIX)/share/doc/upjob $(DESTDIR)$(UNIT_DIRECTORY)
	install -m 755 $(BUILD)/upjob $(DESTDIR)$(PREFIX)/bin/upjob
	install -m 644 $(MODULES:%=$(BUILD)/%.so) $(DESTDIR)$(PREFIX)/lib/upjob/
	install -m 644 $(EXAMPLES) $(DESTDIR)$(PREFIX)/share/upjob/examples/
	install -m 644 $(AUTOMATIONS) $(DESTDIR)$(PREFIX)/share/upjob/examples/automations/
	install -m 644 README.md LICENSE CHANGELOG.md $(DESTDIR)$(PREFIX)/share/doc/upjob/
	sed 's|@PREFIX@|$(PREFIX)|g' scripts/systemd/upjob.service.in >$(BUILD)/upjob.service
	install -m 644 $(BUILD)/upjob.service $(DESTDIR)$(UNIT_DIRECTORY)/upjob.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/upjob $(DESTDIR)$(UNIT_DIRECTORY)/upjob.service
	rm -rf $(DESTDIR)$(PREFIX)/lib/upjob $(DESTDIR)$(PREFIX)/share/upjob $(DESTDIR)$(PREFIX)/share/doc/upjob
	@# The directories that install made, where they are empty now; the system's own prefixes have theirs without us.
	@prefix="$(DESTDIR)$(PREFIX)"; rmdir "$$prefix/share/doc" 2>/dev/null; \
	case "$$prefix" in /usr|/usr/local) ;; *) \
	    for directory in share lib/systemd/system lib/systemd lib bin ""; do rmdir "$$prefix/$$directory" 2>/dev/null; done ;; \
	esac; true

clean:
	rm -rf build

-include $(wildcard $(BUILD)/o/*/*.d $(BUILD)/o/*/*/*.d)
