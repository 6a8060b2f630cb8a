# What a person or CI does with this project. `make` alone says so.

CARGO ?= cargo
PROFILE_DIR := target/release
SETUP := scripts/setup

.PHONY: help setup run certs gotham metropolis capitol dispatch test verify fix sim worlds endure network spread pictures bench fuzz autobahn floods
.PHONY: deny dist instructions

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## check the toolchain, install what is missing where that can be done, build everything
	@$(SETUP) build
	$(CARGO) build --release --workspace --bins

run: setup ## start gotham, metropolis, capitol and dispatch; Ctrl-C stops all four. CERTS=directory: with TLS
	@$(PROFILE_DIR)/superhero-cluster $(if $(CERTS),--certs $(CERTS))

certs: setup ## an authority and certificates for the four, to try TLS with: CERTS=directory (my-certs), HOSTS="names and addresses"
	@$(PROFILE_DIR)/superhero-certs $(or $(CERTS),my-certs) $(addprefix --host ,$(HOSTS))

gotham metropolis capitol dispatch: setup ## one process in the foreground
	@$(PROFILE_DIR)/$@

test: ## set up what tests need (a browser too), run every test, and end with a summary
	@CARGO="$(CARGO)" scripts/check test

verify: ## the read-only gate: format, lints, docs, tests, dependencies; ends with a summary
	@CARGO="$(CARGO)" scripts/check verify

fix: ## format, and mend what the linter can
	$(CARGO) clippy --workspace --exclude benches --all-targets --all-features --fix --allow-dirty --allow-staged
	$(CARGO) clippy -p benches --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

sim: ## the simulator: SEED=n prints one run, SEEDS=a..b runs many; NODES=n (3 to 9 by chance), MINUTES=n (as long as that)
	$(CARGO) run --quiet --release -p simulator --bin sim -- $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) \
	  $(if $(NODES),--nodes $(NODES)) $(if $(MINUTES),--minutes $(MINUTES))

worlds: ## explores the larger small worlds, millions of states, to the end (minutes)
	$(CARGO) test --release -p simulator --test worlds -- --ignored --nocapture

endure: ## kills and bombs the real processes CYCLES times (200) under load, and holds them to what the simulator checks (half a minute)
	$(CARGO) build --workspace --all-targets
	SUPERHERO_CYCLES=$(or $(CYCLES),200) $(if $(SEED),SUPERHERO_CYCLES_SEED=$(SEED)) \
	  $(CARGO) test --workspace --test endurance -- --nocapture

network: ## four hosts on a network that loses, delays, repeats, is cut, renumbered and unplugged (Linux, root; a minute)
	@$(SETUP) test
	$(CARGO) build --workspace --all-targets
	@CARGO="$(CARGO)" scripts/network

fuzz: ## lets a fuzzer make up what comes in from outside, MINUTES=n (1) for each target, or for TARGET=name alone
	@CARGO="$(CARGO)" scripts/fuzz $(or $(MINUTES),1) $(TARGET)

autobahn: ## holds the WebSockets to RFC 6455 by Autobahn's test suite (Python 2.7; a minute)
	@CARGO="$(CARGO)" scripts/autobahn

floods: ## floods the real processes for SECONDS (20) each, twice, and holds them to what others wait (minutes)
	$(CARGO) build --workspace --all-targets
	SUPERHERO_FLOOD_SECONDS=$(or $(SECONDS),20) $(CARGO) test --workspace --test floods -- --nocapture --test-threads 1

spread: ## measures how many rounds news takes, by number of nodes, and draws docs/spread.svg (some minutes)
	$(CARGO) run --quiet --release -p benches --no-default-features --features simulation --bin spread

pictures: ## takes the pictures of the page anew, from a cluster of its own, into docs/pictures
	@$(SETUP) test
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test pictures -- --ignored --nocapture

bench: ## the core beside its peers, and the page beside its budgets (a quarter of an hour, the peers' own build not included)
	@$(SETUP) test
	$(CARGO) run --quiet --release -p benches --features peers --bin engine
	$(CARGO) build --quiet --release -p location-node -p dispatch-node --bins
	$(CARGO) run --quiet --release -p benches --bin recovery
	$(CARGO) run --quiet --release -p benches --bin page

instructions: ## counts the core's instructions, and fails where they are over 5 % more than benches/instructions.txt says; RECORD=1 writes that file
	@CARGO="$(CARGO)" scripts/instructions $(if $(RECORD),record)

deny: ## judges the dependencies by deny.toml: licences, sources, versions that are there twice, known holes
	@$(SETUP) deny
	@scripts/deny || [ $$? -eq 3 ]  # 3: the list of known holes cannot be had; that has just been said, last of all

dist: ## stripped binaries with docs, deploy/ and all licences as target/distribution/*.tar.gz
	@$(SETUP) dist
	@CARGO="$(CARGO)" scripts/dist
