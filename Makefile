# `make demo` and `make test` are all the set-up there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
ENVIRONMENT ?= laptop
WORKERS ?= 2
RUN := uv run --no-sync
CLUSTER := tests/cluster/cluster
# Serving in a cluster takes one, and our images in it; both stay for the next time (`make cluster-down` ends it).
DEMO_laptop :=
DEMO_s3 :=
DEMO_gcs :=
DEMO_kubernetes = eval "$$(tests/cluster/for-the-demo)" &&
export PATH := $(HOME)/.local/bin:$(PATH)
# Modules are compiled once, also where the shell says not to: Airflow alone starts many processes.
export PYTHONDONTWRITEBYTECODE :=

# What tests use and no wheel brings: Debian's package, a colon, and the program by which it is found.
SYSTEM := postgresql:/usr/lib/postgresql/*/bin/initdb chromium:/usr/bin/chromium
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120

define NO_UV
uv is missing and could not be installed. Install it (https://docs.astral.sh/uv/) and run make again.
endef
export NO_UV
define NO_PACKAGES
The environment could not be made; uv says why above. It takes about 3 GB of disk (df -h .) and, the first time, a network
that reaches PyPI or the index that UV_DEFAULT_INDEX names (behind a proxy: HTTPS_PROXY). Then run make again: what was
fetched is kept.
endef
export NO_PACKAGES

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 17 | sed 's/^/  make /'

uv:
	@command -v uv >/dev/null \
		|| { echo "Installing uv"; python3 -m pip install --user --quiet uv 2>/dev/null; } \
		|| { curl -LsSf https://astral.sh/uv/install.sh | sh; }; \
	command -v uv >/dev/null || { echo "$$NO_UV" >&2; exit 2; }

setup: uv ## the locked environment in .venv, installing uv if it is missing
	@uv sync --locked || { echo "$$NO_PACKAGES" >&2; exit 2; }

system: ## what the tests use beside Python, by apt-get as root; elsewhere it says what to install
	@missing=""; for each in $(SYSTEM); do \
		compgen -G "$${each#*:}" >/dev/null || command -v "$${each##*/}" >/dev/null || missing+=" $${each%%:*}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "Missing:$$missing (Debian's names). The tests that use them are skipped until you install them."; exit 0; fi; \
	echo "Installing$$missing by apt-get: some tests use them"; $(APT) update >/dev/null 2>&1; \
	for package in $$missing; do $(APT) install -y --no-install-recommends $$package >/dev/null 2>&1 \
		|| echo "$$package could not be installed; the tests that use it are skipped"; done

demo: setup ## the whole loop on this machine, told in five parts; ARGS=--exit ends after it; ENVIRONMENT=kubernetes, s3 or gcs
	@java=$$($(RUN) python -m pressrun.java) && eval "$$java" && $(DEMO_$(ENVIRONMENT)) \
		exec $(RUN) pressrun demo --environment $(ENVIRONMENT) $(ARGS)

lint: setup ## ruff, mypy, import-linter and pressrun check
	$(RUN) ruff check .
	$(RUN) ruff format --check --quiet .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) pressrun check

test: lint system ## lint, then every test that needs neither a cluster nor minutes, in parallel; ARGS go to pytest
	@java=$$($(RUN) python -m pressrun.java) && eval "$$java" \
		&& $(RUN) pytest -n $(WORKERS) --dist loadgroup -m "not kubernetes and not chaos and not deep" $(ARGS)

test-deep: uv ## families that fine-tune a transformer, in an environment of their own (9 GB more); ARGS go to pytest
	@UV_PROJECT_ENVIRONMENT=.venv-deep uv sync --locked --extra deep || { echo "$$NO_PACKAGES" >&2; exit 2; }
	UV_PROJECT_ENVIRONMENT=.venv-deep $(RUN) pytest -n 0 -m deep tests/deep $(ARGS)

cluster: ## a Kubernetes with the Gateway API on this machine, and our images in it; prints its KUBECONFIG
	@$(CLUSTER) up >/dev/null && $(MAKE) --no-print-directory images && $(CLUSTER) env && echo && echo \
		"Next: export KUBECONFIG=$$($(CLUSTER) env | sed -n 's/^PRESSRUN_TEST_KUBECONFIG=//p'), then: kubectl get pods -A"

cluster-down: ## ends that cluster and all that runs in it
	@$(CLUSTER) down

images: setup ## the images of containers/server and containers/controller, handed to the cluster if one is up
	@images=$$(containers/build server controller) && for image in $$images; do echo "$$image"; \
		if $(CLUSTER) env >/dev/null 2>&1; then $(CLUSTER) load "$$image" "$${image%:*}:dev"; fi; done

test-kubernetes: setup system ## what needs a cluster, on one that it brings up and ends; ARGS go to pytest
	@tests/kubernetes/run $(ARGS)

chaos: setup system ## parts of a whole site are taken away in mid-run, one after the other; 15 minutes; ARGS go to pytest
	@java=$$($(RUN) python -m pressrun.java) && eval "$$java" && $(RUN) pytest -n 0 -m chaos tests/chaos $(ARGS)

soak: setup ## a model server at half load for half an hour, a swap a minute; ARGS go to benchmarks/soak.py
	@$(RUN) python benchmarks/soak.py $(ARGS)

clean: ## removes what was made here, but not your data in .pressrun
	rm -rf .venv .venv-deep .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dist

.PHONY: help uv setup system demo lint test test-deep chaos soak cluster cluster-down images test-kubernetes clean
