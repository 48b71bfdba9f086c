# Everything this project does, one target each. `make` alone explains itself.
# Works on a fresh Debian machine with Python 3.11 and root; what is missing is installed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq
# Installs the Debian packages named in the shell variable `missing`, or says what root has to do.
INSTALL_MISSING := if [ -n "$$missing" ]; then \
	  echo "installing Debian packages: $$missing"; \
	  if [ "$$(id -u)" != 0 ]; then echo "this needs root: sudo apt-get install $$missing"; exit 1; fi; \
	  apt-get update -qq && $(APT_INSTALL) $$missing >/dev/null; \
	fi
# Three files of tests at a time: most of the time they wait for clocks and processes.
PARALLEL := --numprocesses=3 --dist=loadfile --no-loadscope-reorder
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup setup-dev system system-dev system-preview demo gameday preview test test-wheel test-servers test-browser check build wheel bench bench-translate bench-rules bench-dashboards bench-pager bench-diagnosis bench-drift bench-gate bench-capacity test-chaos mutants fuzz clean

help: ## Show this help
	@echo "usage: make TARGET"; echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

demo: setup ## Show a fault become a page on this machine (ARGS="--scenario NAME --once" for more)
	$(BIN)/atlas-ops demo $(ARGS)

gameday: setup ## Play every scenario live and print a table: two hours (ARGS="--jobs 4 --only capacity" for less)
	$(BIN)/python benchmarks/gameday.py $(ARGS)

preview: setup build/preview/dist/index.html ## Show the dashboards in a browser, without a Grafana (ARGS="--prometheus URL" for another than this machine's)
	$(BIN)/atlas-ops preview $(ARGS)

test: setup-dev ## Run every test: unit, promtool, and end to end on real servers (ARGS goes to pytest)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# The tree has no atlas_ops/ of its own, so whatever the wheel forgot to pack is missed. Real servers are not started again.
test-wheel: wheel ## Run the suite against the installed wheel instead of the checkout
	rm -rf build/wheel && mkdir -p build/wheel/tree
	cp -r tests alerts dashboards docs exporters runbooks pyproject.toml *.md build/wheel/tree
	$(BIN)/python -m venv --without-pip build/wheel/venv
	site=$$(build/wheel/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$site/tools.pth"; \
	$(PIP_INSTALL) --no-deps --target "$$site" dist/*.whl
	cd build/wheel/tree && ../venv/bin/python -m pytest $(PARALLEL) --ignore=tests/stage --ignore=tests/servers --ignore=tests/test_wheel.py

# Each server lives in build/servers/NAME. They need 5 to 10 GB, an hour the first time, and 8 GB of memory.
test-servers: setup-dev ## Run real vLLM, llama.cpp, Ray Serve, KServe, MLServer, TorchServe into failures; alibi-detect, Ray Data, k6 (ARGS="vllm" for one)
	@missing=""; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	command -v g++ >/dev/null || missing="$$missing g++"; \
	command -v java >/dev/null || missing="$$missing openjdk-17-jre-headless"; \
	$(INSTALL_MISSING)
	$(BIN)/python -m tests.nightly $(ARGS)

# An hour of data for each fault: a quarter of an hour. Pictures of everything lie in build/screenshots afterwards.
test-browser: setup-dev build/preview/dist/index.html ## Draw every dashboard in Chromium, in calm and in each fault (ARGS="--screenshots DIR")
	@missing=""; command -v chromium >/dev/null || missing=chromium; $(INSTALL_MISSING)
	$(PIP_INSTALL) --editable '.[browser]'
	$(BIN)/python -m pytest $(PARALLEL) tests/browser $(ARGS)

check: setup-dev ## Lint, types, layers, and that rules, dashboards, runbooks and links belong together
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(BIN)/atlas-ops check

build: setup ## Write the generated files: alerts/, dashboards/, facts of the runbooks
	$(BIN)/atlas-ops build

bench: setup ## Measure the exporter against Debian's node_exporter: six minutes (ARGS goes to the benchmark)
	@missing=""; command -v prometheus-node-exporter >/dev/null || missing=prometheus-node-exporter; $(INSTALL_MISSING)
	$(BIN)/python benchmarks/exporter.py $(ARGS)

bench-translate: setup ## Measure the reading of servers' pages against prometheus_client: two minutes (ARGS goes to it)
	$(BIN)/python benchmarks/translate.py $(ARGS)

bench-rules: setup-dev ## Measure what the rules cost a real Prometheus at 10, 100 and 1,000 GPUs: twenty minutes (ARGS goes to it)
	$(BIN)/python -m benchmarks.rules $(ARGS)

bench-dashboards: setup-dev ## Measure what opening each dashboard costs a real Prometheus at 1,000 GPUs: ten minutes (ARGS="--gpus 100" for fewer)
	$(BIN)/python -m benchmarks.dashboards $(ARGS)

bench-drift: setup-dev ## Measure how often drift detectors are wrong and how soon they see a change: twenty minutes (ARGS goes to it)
	$(BIN)/python -m benchmarks.drift_quality $(ARGS)

bench-gate: setup-dev ## Simulate how often the release gate is wrong (ARGS goes to it)
	$(BIN)/python -m benchmarks.gate $(ARGS)

bench-capacity: setup-dev ## Measure how near capacity's saturation is to the truth of simulated servers: five minutes (ARGS goes to it)
	$(BIN)/python -m benchmarks.capacity $(ARGS)

bench-pager: setup-dev ## Measure what the pager takes in, how soon Slack hears of it, and what a storm leaves of it: ten minutes (ARGS goes to it)
	$(BIN)/python -m benchmarks.pager $(ARGS)

bench-diagnosis: setup-dev ## Measure whether diagnoses name the cause that is played, each fault in several ways: twenty minutes (ARGS=FAULT for one)
	$(BIN)/python -m benchmarks.diagnosis $(ARGS)

test-chaos: setup-dev ## Kill pagers 50 times at random moments on each database: a quarter of an hour (ARGS="--kills 10" for fewer)
	$(BIN)/python -m pytest --numprocesses=0 --kills 50 tests/pager/test_chaos.py -k killed $(ARGS)

mutants: setup-dev ## Change the rules one thing at a time, and see whether their promtool cases notice (ARGS="QueueBacklog" for one)
	$(BIN)/python -m tests.mutation $(ARGS)

fuzz: setup-dev ## Look for input that breaks the readers of foreign text: two minutes (ARGS="--seconds N" for more)
	$(PIP_INSTALL) --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz parser $(ARGS)
	$(BIN)/python -m tests.fuzz dialect $(ARGS)

wheel: setup-dev ## Build dist/*.whl, from the source distribution
	rm -rf dist
	$(BIN)/python -m build --outdir dist

setup: system $(VENV)/.ready ## Install what running needs: Debian packages and a virtual environment

setup-dev: setup system-dev $(VENV)/.ready-dev build/servers/bentoml/.installed ## Install what testing needs as well, real model servers included

clean: ## Remove the virtual environment and everything that was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml | system $(VENV)/bin/python
	@echo "installing atlas-ops into $(VENV)"
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.ready-dev: pyproject.toml $(VENV)/.ready
	@echo "installing the test and check tools into $(VENV) (a real Triton server among them: about 400 MB)"
	$(PIP_INSTALL) --editable '.[test,check]'
	touch $@

build/servers/bentoml/.installed: tests/nightly/install.py $(VENV)/.ready-dev
	$(BIN)/python -c 'from tests.nightly.install import install; install("bentoml")'
	touch $@

# Built outside of its sources: 475 MB of packages, a minute or two.
build/preview/node_modules/.ready: preview/package.json preview/package-lock.json preview/.npmrc | system-preview
	@echo "installing Grafana's packages into build/preview (475 MB)"
	mkdir -p build/preview && cp $^ build/preview
	cd build/preview && npm ci --loglevel=error
	touch $@

build/preview/dist/index.html: build/preview/node_modules/.ready $(shell find preview -name '*.ts*' -o -name '*.html' -o -name '*.js')
	@echo "building the page into build/preview/dist (under a minute)"
	rm -rf build/preview/src && cp -r preview/. build/preview
	cd build/preview && npm run --silent build -- --logLevel error

system-preview:
	@missing=""; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	$(INSTALL_MISSING)

# Debian's own names; the version of Prometheus there (2.42) is the oldest that the rules support.
system:
	@missing=""; \
	command -v prometheus >/dev/null && command -v promtool >/dev/null || missing="$$missing prometheus"; \
	command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null || missing="$$missing prometheus-alertmanager"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	$(INSTALL_MISSING)

# Triton's Python backend embeds the interpreter as a library; Debian's python3.11 is linked statically.
system-dev:
	@missing=""; \
	library="libpython$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_python_version())')"; \
	ls $$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')/$$library.so* >/dev/null 2>&1 \
	  || ls /usr/lib/*/$$library.so.1* >/dev/null 2>&1 || missing="$$library"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v faketime >/dev/null || missing="$$missing faketime"; \
	command -v shellcheck >/dev/null || missing="$$missing shellcheck"; \
	$(INSTALL_MISSING)
