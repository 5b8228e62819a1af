# The front door. Everything a target needs is installed when it is missing and skipped when it is there.
# Tools go to $(APIVERSE_CACHE), by default ~/.cache/apiverse.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help run build test unit e2e lint fmt bench benchusage fuzz screens clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the release and serve it; ARGS="--addr 127.0.0.1:9000" goes to `apiverse serve`
	@scripts/run.sh $(ARGS)

build: ## leave dist/: the binary and its site, runnable from anywhere
	@scripts/build.sh

test: ## every check and every test, on SQLite, PostgreSQL, Redis and in a real browser
	@scripts/test.sh

unit: ## the Rust tests only; ARGS="-p apiverse-store" goes to cargo nextest
	@scripts/tools.sh test
	@scripts/services.sh cargo nextest run $(or $(ARGS),--workspace --exclude apiverse-frontend)

e2e: build ## the browser tests only; ARGS="first-call" goes to playwright
	@scripts/tools.sh test
	@scripts/e2e.sh test $(ARGS)

screens: build ## a picture of every page in end2end/screenshots
	@scripts/tools.sh test
	@scripts/e2e.sh screens

lint: ## clippy for the server and for the browser, layers, shell scripts
	@scripts/tools.sh build
	cargo clippy --workspace --exclude apiverse-frontend --all-targets -- -D warnings
	cargo clippy -p apiverse-frontend --target wasm32-unknown-unknown -- -D warnings
	python3 scripts/check-layers.py
	if command -v shellcheck >/dev/null; then shellcheck -x scripts/*.sh scripts/wasm/*.sh bench/run.sh .ci/run; fi

fmt: ## format every crate
	cargo fmt --all

bench: ## APIverse beside nginx and HAProxy; ARGS="--help" lists the options
	@bench/run.sh $(ARGS)

benchusage: ## storing, summing up and asking about usage; ARGS="EVENTS=100000000 SQLITE=0" for more, PostgreSQL alone
	@scripts/services.sh env $(ARGS) cargo bench -p apiverse-store --bench sums

fuzz: ## look for bytes that break a parser; TIME=600 seconds for each, ARGS="chunked" names targets
	@fuzz/run.sh $(or $(TIME),60) $(ARGS)

clean: ## remove what was built here; installed tools stay
	rm -rf dist
	cargo clean
