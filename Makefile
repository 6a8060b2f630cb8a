# What a person or CI does with this project. `make` alone says so.

CARGO ?= cargo
PROFILE_DIR := target/release
SETUP := scripts/setup

.PHONY: help setup run gotham metropolis capitol dispatch test verify fix sim bench

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## check the toolchain, install what is missing where that can be done, build everything
	@$(SETUP) build
	$(CARGO) build --release --workspace --bins

run: setup ## start gotham, metropolis, capitol and dispatch; Ctrl-C stops all four
	@$(PROFILE_DIR)/superhero-cluster

gotham metropolis capitol dispatch: setup ## one process in the foreground
	@$(PROFILE_DIR)/$@

test: ## set up what tests need (a browser too), and run every test
	@$(SETUP) test
	$(CARGO) check --quiet -p shared --no-default-features
	$(CARGO) build --workspace --all-targets
	@if $(CARGO) nextest --version >/dev/null 2>&1; \
	  then set -x; $(CARGO) nextest run --workspace --no-fail-fast; \
	  else set -x; $(CARGO) test --workspace --no-fail-fast; fi

verify: ## the read-only gate: format, lints, docs, tests
	@$(SETUP) test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	$(MAKE) test

fix: ## format, and mend what the linter can
	$(CARGO) clippy --workspace --all-targets --all-features --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

sim: ## the simulator: SEED=n prints one run, SEEDS=a..b runs many
	$(CARGO) run --quiet --release -p simulator --bin sim -- $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS)))

bench: ## the benchmarks, side by side with what others would do
	$(CARGO) run --quiet --release -p benches
