# SPDX-License-Identifier: Apache-2.0
# The front door. The build itself is CMake's: see CMakePresets.json.

JOBS := $(shell nproc)

.PHONY: demo build test format check clean

demo: build
	@tools/demo

build:
	@tools/setup
	@test -f build/release/build.ninja || { echo "Building; the first time takes some minutes" >&2; cmake --preset release >/dev/null; }
	@cmake --build --preset release -- -j$(JOBS) $$([ -t 2 ] || echo --quiet)

test: build
	@ctest --preset release -j$(JOBS)

# Formats every source in place.
format:
	@git ls-files '*.h' '*.hpp' '*.cpp' '*.cc' '*.c' | xargs clang-format -i

# What .ci/run checks besides the tests.
check:
	@git ls-files '*.h' '*.hpp' '*.cpp' '*.cc' '*.c' | xargs clang-format --dry-run --Werror
	@tools/check_layers

clean:
	@rm -rf build
