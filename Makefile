# Two commands matter: `make demo` and `make test`. Each does all of its own set-up in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Modules are compiled when they are first imported: most of what the packages bring never is.
INSTALL := -m pip install --quiet --no-compile

.PHONY: help demo test checks test-koalas clients validators lint typecheck imports bench docs clean

help:
	@echo "make demo   the main job on real images, embedded, end to end"
	@echo "make test   lint, types, import contracts and all tests"
	@echo "make clients  other people's clients, which are tested against our service"
	@echo "make validators  other people's validators, which are run on what we write"
	@echo "make lint   formatting and lint only"
	@echo "make bench  measure speed and size, each beside a limit or a peer"
	@echo "make docs   build the manual into build/docs"
	@echo "make clean  remove the environment, the demo's data and caches"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) --upgrade pip

# Packages of npm that tests run: a provider of logins. Where npm is absent they are skipped.
$(VENV)/node/.ready: tests/support/package.json | $(BIN)/python
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then \
	  cp $< $(@D)/package.json && \
	  npm install --prefix $(@D) --no-audit --no-fund --silent && touch $@; fi

$(VENV)/.demo-ready: pyproject.toml | $(BIN)/python
	$(BIN)/python $(INSTALL) --editable '.[examples]'
	@touch $@

$(VENV)/.test-ready: pyproject.toml | $(BIN)/python
	$(BIN)/python $(INSTALL) --editable '.[examples,postgresql,server,dataflow,ray,spark,tracking,formats,plots,models,bridges,observing,notebook,test]'
	@touch $@ $(VENV)/.demo-ready

demo: $(VENV)/.demo-ready
	@$(BIN)/python examples/digits/demo.py

lint: $(VENV)/.test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# What a new project begins with.
TEMPLATE := src/deriva_ml/template/project/src

typecheck: $(VENV)/.test-ready
	$(BIN)/mypy
	MYPYPATH=src:$(TEMPLATE) $(BIN)/mypy $$(cd $(TEMPLATE) && \
	  find * -name '*.py' ! -name '__init__.py' | sed 's|/|.|g; s|\.py$$||; s|^|-m |')

imports: $(VENV)/.test-ready
	$(BIN)/lint-imports

# Spark's pandas API goes with an older pandas, which lies beside the environment's own.
$(VENV)/pandas-for-spark: | $(VENV)/.test-ready
	rm -rf $@.part
	$(BIN)/python $(INSTALL) --no-deps --target $@.part 'pandas<3'
	mv $@.part $@

# Clients that others have written, each in an environment of its own: the tests run them against
# our service. They need other versions of packages than we do.
$(VENV)/clients/deriva/ready: CLIENT := deriva==1.7.12
$(VENV)/clients/deriva-ml/ready: CLIENT := deriva-ml==1.17.10
$(VENV)/clients/%/ready: | $(BIN)/python
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) '$(CLIENT)'
	@touch $@

clients: $(VENV)/clients/deriva/ready $(VENV)/clients/deriva-ml/ready

# Validators of the formats that we write, each in an environment of its own. What RO-Crates refer
# to on the web comes from two releases of a package, so that validating needs no network.
VALIDATORS := $(VENV)/validators
$(VALIDATORS)/rocrate/ready: | $(BIN)/python
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) 'roc-validator==0.13.0' 'rocrate==0.16.0'
	$(@D)/bin/python $(INSTALL) --no-deps --target $(@D)/contexts/1.1 'rocrate==0.15.0'
	$(@D)/bin/python $(INSTALL) --no-deps --target $(@D)/contexts/1.3 'rocrate==0.16.0'
	@touch $@

$(VALIDATORS)/croissant/ready: | $(BIN)/python
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) 'mlcroissant==1.1.1' 'pillow>=10' 'pyarrow>=15'
	@touch $@

validators: $(VALIDATORS)/rocrate/ready $(VALIDATORS)/croissant/ready

KOALAS := tests/hamilton/plugins/test_spark_koalas.py

test-koalas: $(VENV)/pandas-for-spark
	PYTHONPATH=$< $(BIN)/python -m pytest $(KOALAS)

checks: lint typecheck imports test-koalas clients validators $(VENV)/node/.ready

# Each check's lines together, which make can since version 4; macOS has 3.81.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# What comes before pytest waits for downloads or for one core: two of them run at a time. pytest
# comes last, so that its closing line is the last thing printed. The tests start hundreds of
# processes, which need not compile the same modules again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.test-ready
	@$(MAKE) --no-print-directory --jobs 2 $(SYNC) checks
	@tests/support/in_memory.sh \
	  $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore=$(KOALAS)

bench: $(VENV)/.test-ready $(VENV)/clients/deriva-ml/ready
	$(BIN)/python benchmarks/run.py

docs: $(BIN)/python
	$(BIN)/python $(INSTALL) --editable '.[docs]'
	$(BIN)/mkdocs build --strict --site-dir build/docs

clean:
	rm -rf $(VENV) .demo build .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
