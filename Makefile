# Two words for a stranger: `make serve` and `make test`. The rest is for whoever works on the project.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Where Python may not keep what it compiled, each of the processes that tests start compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

KERNEL := solvers/compiled/build.py $(wildcard solvers/compiled/sources/*)

.PHONY: help serve demo test soak fuzz load check costs fix lint migrate openapi examples licences sbom catalogue profiler bench docs lock hook fetched-kernel clean

help:                                 ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/serve.stamp            ## install, migrate, load the catalogue, serve on 127.0.0.1:8000
	@exec $(BIN)/splitplan serve --migrate --load-catalogue

demo: $(VENV)/serve.stamp             ## plan 12 cameras in a 5G cell through HTTP and print the plan
	@exec $(BIN)/python -m client.demo

# Three on two cores: cases on one database stay in one process, which often waits for the services that it started.
test: $(VENV)/dev.stamp               ## everything, against a real Postgres too
	$(BIN)/python -m pytest -n 3

# Another SEED is another day's search; the one that found something finds it again.
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif

soak: $(VENV)/dev.stamp               ## what kills processes for minutes, and what is drawn, drawn anew
	@echo "to have this run again: make soak SEED=$(SEED)"
	SPLITPLAN_TEST_SEED=$(SEED) $(BIN)/python -m pytest --hypothesis-profile=soak --hypothesis-seed=$(SEED) -m "soak or drawn or hypothesis or either"

SECONDS := 600

fuzz: $(VENV)/dev.stamp               ## schemathesis with all checks, without keys and with them: SECONDS=600 each, SEED=...
	$(BIN)/python -m benchmarks.fuzz --seconds $(SECONDS) --seed $(SEED)

load: $(VENV)/dev.stamp               ## 200 mixed requests a second on SQLite, then on Postgres with two workers: SECONDS=600 each
	$(BIN)/python -m benchmarks.load --seconds $(SECONDS)

check: lint                           ## the inner loop: lint and the quick tests, migrations among them
	$(BIN)/python -m pytest -n 3 -m "not slow and not soak"

costs: $(VENV)/dev.stamp              ## processor time of every test, and which mark is wrong by it
	$(BIN)/python -m pytest -p tests.support.costs

fix: $(VENV)/dev.stamp                ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV)/dev.stamp               ## style, walls, types, OpenAPI drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/splitplan openapi --check

migrate: $(VENV)/serve.stamp          ## bring the configured database to the newest schema
	$(BIN)/splitplan migrate

openapi: $(VENV)/serve.stamp          ## write openapi/openapi.json from the code
	$(BIN)/splitplan openapi

examples: $(VENV)/dev.stamp           ## record from a service what the OpenAPI document shows, and write both
	$(BIN)/python -m tests.support.examples
	$(BIN)/splitplan openapi

licences: $(VENV)/dev.stamp           ## write docs/licences.md: the licences of what ships
	$(BIN)/python -m tests.support.licences

sbom: $(VENV)/dev.stamp               ## dist/splitplan.cdx.json: what ships, for machines (CycloneDX)
	$(BIN)/python -m tests.support.sbom dist/splitplan.cdx.json

catalogue: $(VENV)/dev.stamp          ## recompute the shipped networks from their architectures
	$(BIN)/python -m app.catalogue.build

profiler: $(VENV)/dev.stamp           ## dist/splitplan-profiler.pyz, to carry to a device
	$(BIN)/python -m profiler.bundle dist/splitplan-profiler.pyz

bench: $(VENV)/dev.stamp              ## the figures in the documentation, measured here
	$(BIN)/python -m benchmarks

docs: $(VENV)/docs.stamp              ## the site of the documentation, build/site/index.html: a warning is an error, nobody is asked
	$(BIN)/kubernetes-validate --strict --quiet docs/how-to/kubernetes/*.yaml
	@rm -rf build/site
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --jobs auto --conf-dir docs/site --doctree-dir build/doctrees . build/site

UPGRADE := --upgrade
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock: $(VENV)/dev.stamp               ## resolve the dependencies again; UPGRADE= moves only what must move
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) $(UPGRADE) --group docs -c requirements-dev.lock -o requirements-docs.lock
	$(COMPILE) $(UPGRADE) --group compiler -o requirements-compiler.lock

hook: $(VENV)/dev.stamp               ## have git run ruff and the walls before a commit, `make check` before a push
	$(BIN)/pre-commit install

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# The wheels are built without isolation: setuptools comes from the lock, so a second run needs no network.
$(VENV)/serve.stamp: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml setup.py $(KERNEL)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python solvers/compiled/build.py || true  # numpy solves without
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/serve.stamp requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python solvers/compiled/build.py 2>/dev/null || $(MAKE) --no-print-directory fetched-kernel
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

# One from a package (100 MB), of which only what it compiled is kept: for the tests of the kernel, and for who wants it.
fetched-kernel:                       ## the compiled kernel, where the machine has no C compiler
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-compiler.lock \
		&& $(BIN)/python solvers/compiled/build.py; } || echo "no compiled kernel: numpy computes alone" >&2
	@$(BIN)/python -m pip uninstall --quiet --disable-pip-version-check --yes ziglang

clean:
	rm -rf $(VENV) solvers/compiled/libsplitplan.* build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
