# The front door only: CMake builds. Each target does its own set-up; run again, it starts at once.
.PHONY: build demo test bench format lint setup
setup:
	@scripts/setup
build: setup
	@[ -f build/build.ninja ] || cmake --preset release >/dev/null
	@cmake --build build
test: build
	@scripts/test
demo: build
	@scripts/demo
bench: build
	@scripts/bench
format:
	@git ls-files '*.h' '*.cpp' | xargs clang-format -i
lint: setup
	@scripts/lint
