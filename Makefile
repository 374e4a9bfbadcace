# Two words for a stranger: `make serve` and `make test`. The rest is for whoever works on the house.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: serve demo test soak check lint migrate openapi catalogue profiler bench lock clean

serve: $(VENV)/serve.stamp            ## install, migrate, load the catalogue, serve on 127.0.0.1:8000
	@exec $(BIN)/splitplan serve --migrate --load-catalogue

demo: $(VENV)/serve.stamp             ## plan 12 cameras in an LTE cell through HTTP and print the plan
	@exec $(BIN)/python -m client.demo

test: $(VENV)/dev.stamp               ## everything, against a real Postgres too
	$(BIN)/python -m pytest -n 2

soak: $(VENV)/dev.stamp               ## what kills and freezes processes for minutes
	$(BIN)/python -m pytest -m soak

check: lint                           ## the inner loop: lint and the quick tests, migrations among them
	$(BIN)/python -m pytest -n 2 -m "not slow and not soak"

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

catalogue: $(VENV)/dev.stamp          ## recompute the shipped networks from their architectures
	$(BIN)/python -m app.catalogue.build

profiler: $(VENV)/dev.stamp           ## dist/splitplan-profiler.pyz, to carry to a device
	$(BIN)/python -m profiler.bundle dist/splitplan-profiler.pyz

bench: $(VENV)/dev.stamp              ## the figures in the documentation, measured here
	$(BIN)/python -m benchmarks

lock: $(VENV)/dev.stamp               ## resolve the dependencies again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# The wheels are built without isolation: setuptools comes from the lock, so a second run needs no network.
$(VENV)/serve.stamp: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/serve.stamp requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
