# portproof. Every target sets up what it needs; nothing here is needed twice.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LAB    ?= demo
SEED   ?= 1
LOSS   ?= 0
APT    := nmap ndiff masscan iproute2 nftables ethtool openssl python3-venv systemd util-linux chromium libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core rsyslog rsyslog-gnutls

.DEFAULT_GOAL := help
.PHONY: help setup tools check format test suite soak demo lab-up lab-down bench bench-accuracy bench-diff bench-history bench-report bench-tune bench-xml bench-vulnerabilities clean

help:  ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: tools $(VENV)/.ready  ## Install the tools and the package into .venv

tools:
	@PYTHON="$(PYTHON)" fixtures/setup-tools $(APT)

$(VENV)/.ready: pyproject.toml constraints.txt pipeline/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

check: setup  ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup  ## Let ruff format the tree
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Whole runs in the lab wait more than they work: the checks are made meanwhile.
test: setup  ## All checks and tests, the network lab included (as root)
	@$(MAKE) --no-print-directory --jobs 2 check suite

suite: setup  ## The tests of `make test` alone
	$(BIN)/python -m pytest -m 'not soak' --numprocesses 5 --dist loadfile --no-loadscope-reorder $(PYTEST)

soak: setup  ## The long repetitions: 25 runs killed at random moments
	$(BIN)/python -m pytest -m soak $(PYTEST)

demo: setup  ## Build the lab, scan it, and hold the verdicts against the truth
	$(BIN)/python -m fixtures.demo --seed $(SEED) --loss $(LOSS)

lab-up: setup  ## Build the network lab (LAB, SEED, LOSS)
	$(BIN)/python -m fixtures.lab up --name $(LAB) --seed $(SEED) --loss $(LOSS)

lab-down: setup  ## Take the network lab down (LAB)
	$(BIN)/python -m fixtures.lab down --name $(LAB)

bench: setup  ## Time portproof beside nmap, and beside masscan followed by nmap (11 minutes)
	$(BIN)/python -m fixtures.bench $(BENCH)

bench-accuracy: setup  ## Count how often portproof and others are right on difficult hosts
	$(BIN)/python -m fixtures.accuracy $(BENCH)

bench-history: setup  ## Measure how large and how fast the history of three years is
	$(BIN)/python -m fixtures.bench_history $(BENCH)

bench-report: setup  ## Measure the report of 100,000 endpoints in Chromium, beside a plain table
	$(BIN)/python -m fixtures.bench_report $(BENCH)

bench-tune: setup  ## Scan a lab hastily, let tune propose, and scan it again
	$(BIN)/python -m fixtures.bench_tune $(BENCH)

bench-xml: setup  ## Time readers of nmap's XML, and comparisons of two files (10 minutes, 8 GB of memory)
	@PYTHON="$(PYTHON)" fixtures/setup-tools libxml2-utils ndiff
	$(BIN)/python -m fixtures.bench_xml $(BENCH)

bench-diff: setup  ## Time the comparison of two stored runs of a million endpoints each
	$(BIN)/python -m fixtures.bench_diff $(BENCH)

bench-vulnerabilities: setup  ## Read vulnerability scans of 100 MB of each format
	$(BIN)/python -m fixtures.bench_vulnerabilities $(BENCH)

clean:  ## Remove what was installed and built here
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis out
