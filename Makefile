# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_WORKERS ?= 2

.PHONY: demo test thorough coverage mutation compat docs lint bench wheel clean

# The marker files tell what was installed; a change of the metadata installs again.
$(VENV)/demo.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	touch $@

demo: $(VENV)/demo.stamp ## the CIFAR-10 CNN with a wrong number in it, and then the fixed one
	$(BIN)/python examples/cifar10.py

test: $(VENV)/test.stamp ## the whole suite
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal --max-worker-restart 0

thorough: $(VENV)/test.stamp ## hours: every model, and thousands of random ones in each property
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal --max-worker-restart 0 -m "" --hypothesis-profile thorough

# Left out: the one test whose signal handler raises anywhere; inside coverage's own lock it leaves that lock taken.
coverage: $(VENV)/test.stamp ## the suite again, and which lines and branches it does not reach
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal --max-worker-restart 0 \
		--deselect tests/test_untouched.py::test_a_timeout_signal_in_forward_leaves_nothing_behind \
		--cov=convlin --cov-branch --cov-report=term-missing:skip-covered

mutation: $(VENV)/test.stamp ## hours: small changes of what computes sizes, and which of them no test notices
	$(BIN)/python -m tests.mutation.run arithmetic layers symbolic

compat: $(VENV)/test.stamp ## the suite beside torch $(VERSION) in a fresh environment of 5 to 8 GB; a row of docs/compatibility.md
	$(BIN)/python -m tests.compat $(VERSION) $(if $(filter-out python3,$(PYTHON)),--python $(PYTHON))

docs: $(VENV)/test.stamp ## the pages and the API reference as a site in build/site; a warning is an error
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python -m docs.make_site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(VENV)/test.stamp ## what a summary costs; writes benchmarks/RESULTS.md; BASE=REV beside another revision, ROWS=resnet-50 some of it
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	BASE=$(BASE) $(BIN)/python -m benchmarks.run $(ROWS)

lint: $(VENV)/test.stamp ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/test.stamp
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist build *.egg-info
