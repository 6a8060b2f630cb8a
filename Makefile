# The commands of this project, for people and CI. `make` alone lists them.

CARGO ?= cargo
PROFILE_DIR := target/release
SETUP := scripts/setup
# Ready in half the time of a full optimisation, which FULL=1 asks for.
QUICK := $(if $(FULL),,--config .cargo/quick.toml)

# An option whose variable is given to make. Some shells export HOST, and some platforms PORT.
given = $(if $(findstring command,$(origin $(1))),$(2) $($(1)))

.PHONY: help setup run certs gotham metropolis capitol dispatch city test verify fix sim worlds endure histories network spread detection pictures film bench fuzz autobahn floods
.PHONY: deny dist instructions

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## check the toolchain, build the four processes and the client (the first time 5 to 10 minutes); FULL=1: fully optimised
	@$(SETUP) build
	$(CARGO) build --release $(QUICK) -p location-node -p dispatch-node -p launcher -p superhero --bins

run: setup ## start gotham, metropolis, capitol and dispatch; Ctrl-C stops all four; CERTS=directory: with TLS; DISPATCHES=2: two pages; PORT=5900 or HOST=127.0.0.2: next to another cluster
	@$(PROFILE_DIR)/superhero-cluster $(if $(CERTS),--certs $(CERTS)) $(if $(DISPATCHES),--dispatches $(DISPATCHES)) \
	  $(call given,PORT,--port) $(call given,HOST,--host)

certs: ## create a CA and certificates for the four, to try TLS with; CERTS=directory (my-certs), HOSTS="names and addresses", NODES="further nodes"
	@$(SETUP) build
	$(CARGO) build --release $(QUICK) -p certs
	@$(PROFILE_DIR)/superhero-certs $(or $(CERTS),my-certs) $(addprefix --host ,$(HOSTS)) $(if $(NODES),$(addprefix --node ,gotham metropolis capitol dispatch $(NODES)))

gotham metropolis capitol dispatch: setup ## run one process in the foreground
	@$(PROFILE_DIR)/$@

city: setup ## found a city: run one more process in the foreground; NAME=star-city
	@$(PROFILE_DIR)/location $(or $(NAME),$(error NAME is missing: make city NAME=star-city))

test: ## set up what tests need (a browser too), run every test, print a summary
	@CARGO="$(CARGO)" scripts/check test

verify: ## run the read-only gate: format, lints, docs, tests, dependencies; print a summary
	@CARGO="$(CARGO)" scripts/check verify

fix: ## format, and apply the linter's fixes
	$(CARGO) clippy --workspace --exclude benches --all-targets --all-features --fix --allow-dirty --allow-staged
	$(CARGO) clippy -p benches --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

sim: ## run the simulator; SEED=n prints one run (RECORD=file records it), SEEDS=a..b runs many, NODES=n (default: 3 to 9, random), FAULTY=1 (replicas that lose entries, a lying member), MINUTES=n (runs for that long)
	$(CARGO) run --quiet --release -p simulator --bin sim -- $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) \
	  $(if $(NODES),--nodes $(NODES)) $(if $(FAULTY),--faulty) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RECORD),--record $(RECORD))

worlds: ## explore the larger small worlds exhaustively, millions of states (minutes)
	$(CARGO) test --release -p simulator --test worlds -- --ignored --nocapture

endure: ## kill and bomb the real processes CYCLES times (200) under load, held to the simulator's checks (half a minute)
	$(CARGO) build --workspace --all-targets
	SUPERHERO_CYCLES=$(or $(CYCLES),200) $(if $(SEED),SUPERHERO_CYCLES_SEED=$(SEED)) \
	  $(CARGO) test --workspace --test processes -- --nocapture endurance::

histories: ## record histories under all faults for MINUTES (10), and check them against the guarantees; SEED=n repeats the faults of a run
	$(CARGO) build --workspace --all-targets
	SUPERHERO_HISTORIES_MINUTES=$(or $(MINUTES),10) $(if $(SEED),SUPERHERO_HISTORIES_SEED=$(SEED)) \
	  $(CARGO) test --workspace --test processes -- --nocapture histories_under

network: ## test four hosts on a network that loses, delays and duplicates packets, is cut, renumbered and unplugged (Linux, root; a minute)
	@$(SETUP) test
	$(CARGO) build --workspace --all-targets
	@CARGO="$(CARGO)" scripts/network

fuzz: ## fuzz every decoder, MINUTES=n (1) for each target; TARGET=name for one
	@CARGO="$(CARGO)" scripts/fuzz $(or $(MINUTES),1) $(TARGET)

autobahn: ## test the WebSockets against RFC 6455 with Autobahn's test suite (Python 2.7; a minute)
	@CARGO="$(CARGO)" scripts/autobahn

floods: ## flood the real processes for SECONDS (20) each, twice, and limit how long other clients wait (minutes)
	$(CARGO) build --workspace --all-targets
	SUPERHERO_FLOOD_SECONDS=$(or $(SECONDS),20) $(CARGO) test --workspace --test processes -- --nocapture floods:: --test-threads 1

spread: ## measure in how many rounds a write spreads, by number of nodes, and draw docs/spread.svg (some minutes)
	$(CARGO) run --quiet --release -p benches --no-default-features --features simulation --bin spread

detection: ## measure how soon a silent node is noticed, by links and by SWIM, among 3 to 1,000 nodes (a minute)
	$(CARGO) run --quiet --release -p benches --no-default-features --features simulation --bin detection

pictures: ## take new pictures of the page, from a cluster of its own, into docs/pictures
	@$(SETUP) test
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test processes -- --ignored --nocapture pictures::

film: ## take a new film of a bomb and its recovery, at a tenth of the speed: docs/pictures/bomb.png (a minute)
	@$(SETUP) test
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test processes -- --ignored --nocapture film::

bench: ## measure the core and the types next to other libraries, and the page against its budgets (15 minutes, without the build of the libraries)
	@$(SETUP) test
	$(CARGO) run --quiet --release -p benches --features peers --bin engine
	$(CARGO) run --quiet --release -p benches --features peers --bin types
	$(CARGO) run --quiet --release -p benches --bin messages
	$(CARGO) build --quiet --release -p location-node -p dispatch-node --bins
	$(CARGO) run --quiet --release -p benches --bin recovery
	$(CARGO) run --quiet --release -p benches --bin page

instructions: ## count the core's instructions; fail if they exceed benches/instructions.txt by more than 5 %; RECORD=1 writes that file
	@CARGO="$(CARGO)" scripts/instructions $(if $(RECORD),record)

deny: ## check the dependencies against deny.toml: licences, sources, duplicate versions, known vulnerabilities
	@$(SETUP) deny
	@scripts/deny || [ $$? -eq 3 ]  # 3: the vulnerability database is unreachable, which the script has just reported

dist: ## build stripped binaries with docs, deploy/ and all licences as target/distribution/*.tar.gz
	@$(SETUP) dist
	@CARGO="$(CARGO)" scripts/dist
