# The commands a user needs. Each can be run again at any time and does only what is left to do.
# What they stand on: scripts/bootstrap (packages), scripts/build (CMake and Ninja), scripts/first-run.

.DEFAULT_GOAL := help
.PHONY: help run stop build test test-asan bench lint fuzz install clean
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

programs := atelier atelier-engine lms atelier-fixture
SECONDS ?= 60
PREFIX ?=

help:
	@echo 'make run               set up, build, start the server and ask it a first question'
	@echo 'make stop              end the server'
	@echo 'make test              set up, build and run all tests'
	@echo 'make build             build the programs into build/release/bin'
	@echo 'make test-asan         the tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make bench             measure against llama.cpp'"'"'s server on the same model'
	@echo 'make lint              check format and code with clang-format and clang-tidy'
	@echo 'make fuzz SECONDS=60   run each fuzz target that long'
	@echo 'make install PREFIX=…  install into a folder that can be moved'
	@echo 'make clean             remove what was built (the inference library in build/runtime stays)'

run: build
	@scripts/first-run

stop:
	@if [ -x build/release/bin/lms ]; then build/release/bin/lms server stop; \
	else echo 'stop: nothing is built here, so no server of ours runs'; fi

build:
	@scripts/bootstrap --run
	@scripts/build release $(programs)
	@scripts/bundled-models build/release

test:
	@scripts/bootstrap --test
	@scripts/build release --tests
	@scripts/bundled-models build/release
	@ctest --test-dir build/release --output-on-failure -j2

test-asan:
	@scripts/bootstrap --test
	@scripts/build asan --tests
	@ctest --test-dir build/asan --output-on-failure -j2

bench:
	@scripts/bootstrap --peers
	@scripts/build release $(programs)
	@scripts/bench

lint:
	@scripts/bootstrap --test --lint
	@scripts/lint

fuzz:
	@scripts/bootstrap --lint
	@scripts/fuzz $(SECONDS)

install: build
	@if [ -z '$(PREFIX)' ]; then echo 'install: say where: make install PREFIX=/some/folder' >&2; exit 2; fi
	@cmake --install build/release --prefix '$(abspath $(PREFIX))' > build/install.log || \
	  { cat build/install.log >&2; exit 1; }
	@echo "install: done; start it with $(PREFIX)/bin/lms server start"

clean:
	@rm -rf build/release build/debug build/asan build/fuzz build/*.log
