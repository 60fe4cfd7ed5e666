# The front door only: CMake builds. Each target does its own set-up; run again, it starts at once.
.PHONY: build demo test test-engines bench soak soak-data format lint setup
setup:
	@scripts/setup
build: setup
	@[ -f build/build.ninja ] || cmake --preset release >/dev/null
	@cmake --build build
test: build
	@scripts/test
test-engines: build
	@scripts/test_engines
demo: build
	@scripts/demo
bench: build
	@scripts/bench
soak: build
	@scripts/soak
soak-data: build
	@scripts/soak_data
format:
	@git ls-files '*.h' '*.cpp' | xargs clang-format -i
lint: setup
	@scripts/lint
