# Every habit of the project. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# `make run PROFILE=dev` builds faster and runs slower.
PROFILE ?= release
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TOURBUS := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/tourbus
DATA_DIR := $(or $(TOURBUS_DATA_DIR),.data)
# What follows `--` of the test runner: `make test TESTS='-E test(moves)'`.
TESTS ?=
# Which benchmarks: songs, small, huge, pages, media, front-door, plays, lofi, control, tabs; all when empty.
BENCH ?=

# Which fuzz target, for how many seconds.
FUZZ ?= inspect
FUZZ_S ?= 600

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: cargo ## Install what is missing, build, start the demo cluster in the foreground
	@compose/install.sh
	@cargo build --profile $(PROFILE) -p tourbus
	@exec $(TOURBUS) up

.PHONY: test
test: cargo nextest ## All tests, on a private stack of real parts
	@compose/install.sh --tests
	@cargo build --workspace --bins --tests
	@$(TARGET_DIR)/debug/stack cargo nextest run --workspace $(TESTS)
	@cargo test -q --workspace --doc

.PHONY: bench
bench: cargo ## Benchmarks against rclone, nginx, ffmpeg and lame: make bench BENCH='songs huge'
	@compose/install.sh --bench
	@$(if $(BENCH),$(if $(filter songs small huge,$(BENCH)),compose/garage.sh >/dev/null,true),compose/garage.sh >/dev/null)
	@cargo build --release -p tourbus
	@cargo build -p tourbus -p tourbus-tests --bins
	@TOURBUS_BINARY=$(TARGET_DIR)/release/tourbus $(TARGET_DIR)/debug/stack \
		$(TARGET_DIR)/debug/bench $(BENCH)

.PHONY: fuzz
fuzz: cargo ## Feed the song reader what nobody meant, led by coverage: make fuzz FUZZ=convert FUZZ_S=60
	@command -v c++ >/dev/null || { echo "a C++ compiler is missing: libFuzzer is built with it" >&2; exit 1; }
	@mkdir -p fuzz/work/$(FUZZ) fuzz/artifacts
	@cd fuzz && env -u RUSTFLAGS cargo run --release --locked --bin $(FUZZ) -- \
		work/$(FUZZ) corpus/inspect -dict=dict -artifact_prefix=artifacts/$(FUZZ)- -max_len=20000 \
		-timeout=10 -rss_limit_mb=512 -max_total_time=$(FUZZ_S) -print_final_stats=1

.PHONY: unit
unit: cargo nextest ## The tests that need no servers
	@cargo nextest run --workspace --exclude tourbus-tests $(TESTS)

.PHONY: check
check: cargo ## Format, lints, documentation
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

.PHONY: fmt
fmt: cargo ## Format the code
	@cargo fmt --all

.PHONY: doctor
doctor: ## How the broker of the running stack differs from what it should be
	@if [ ! -e "$(DATA_DIR)/config/topology.toml" ] || flock -n "$(DATA_DIR)/lock" true; then \
		echo "no stack runs on $(DATA_DIR): start the stack with \`make run\` first" >&2; exit 1; fi
	@$(TOURBUS) topology doctor --config $(DATA_DIR)/config/topology.toml

.PHONY: clean-data
clean-data: ## Delete the demo's data (not while it runs)
	@if [ -e "$(DATA_DIR)/lock" ] && ! flock -n "$(DATA_DIR)/lock" true; then \
		echo "a stack runs on $(DATA_DIR): stop it with Ctrl-C first" >&2; exit 1; fi
	rm -rf "$(DATA_DIR)"

.PHONY: cargo
cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust as https://rustup.rs says;" \
		"rust-toolchain.toml names the version" >&2; exit 1; }

.PHONY: nextest
nextest:
	@cargo nextest --version >/dev/null 2>&1 || { echo "cargo-nextest is missing; building it once" >&2; \
		cargo install --locked cargo-nextest; }
