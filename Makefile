# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
# Processes of `make test`.
WORKERS ?= 2
STAMP   = $(VENV)/.installed

# What compiles the kernels (hatch_build.py), installed first: the numba that compiles is the one that runs.
BUILD   = $(shell sed -n 's/^requires = \[\(.*\)\].*/\1/p' pyproject.toml | sed 's/", "/" "/g')

# More packages for an environment that has the kernels already.
EXTRA   = KANTOROVICH_BASELINES= $(BIN)/python -m pip install --quiet --disable-pip-version-check \
          --no-build-isolation --editable

.PHONY: demo test deep lint docs gallery gpu-check bench bench-peers bench-smoke clean signatures matrix

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("kantorovich needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(BUILD) editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
	    --editable '.[test,cli,plot]'
	touch $@

demo: $(STAMP)
	$(BIN)/python -m divergences demo --out demo-out

test: $(STAMP)
	$(BIN)/python -m pytest -m "not deep" -n $(WORKERS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q --doctest-modules --import-mode=importlib \
	    --ignore=generative/_kernels/gpu.py transport divergences generative

# The site, warnings as errors: build/site/index.html.
docs: $(STAMP)
	$(EXTRA) '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs build/site

# Every picture of the README and the gallery, drawn anew into docs/pictures.
gallery: $(STAMP)
	$(EXTRA) '.[cli,plot]' POT scikit-learn
	$(BIN)/python -m examples

# Which kernels the tests call from Python, with which types: what hatch_build.py compiles. Commit the result.
signatures: $(STAMP)
	mkdir -p build
	rm -f build/called.txt
	-KANTOROVICH_RECORD=$(CURDIR)/build/called.txt $(BIN)/python -m pytest -m "not deep" -n $(WORKERS)
	(echo '# Kernels and types that the tests call them with: written by `make signatures`.'; \
	    LC_ALL=C sort -u build/called.txt | grep '\._kernels\.' | grep -v '?') > transport/internal/signatures.txt

# NVRTC and CuPy as wheels, so that the tests compile every CUDA source on a machine without a GPU.
gpu-check: $(STAMP)
	$(EXTRA) '.[gpu-check]' || \
	    echo "gpu-check: the CUDA wheels cannot be had here; their tests will skip"

# Python 3.11 and 3.13, oldest and newest dependencies, OpenBLAS's kernels: hours (.ci/matrix says more).
matrix:
	.ci/matrix

# Slow searches: the deep hypothesis profile, mutants, large problems.
deep: $(STAMP)
	$(EXTRA) '.[test]' lapjv scikit-learn
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest
	$(BIN)/python tests/mutation baseline
	$(BIN)/python tests/mutation run --sample 400 --seconds 30
	$(BIN)/python tests/mutation report --out bench/results/mutation.md
	-$(BIN)/python -m bench against HEAD~1

# Other people's solvers, in environments of their own: Wasserstein asks for NumPy 1, JAX for NumPy 2. What pip cannot
# install is left out, with its reason in the report. GeomLoss needs PyTorch (gigabytes): add `geomloss torch` to
# PEERS if you want it.
PEERS ?= POT scipy lapjv lapx highspy ortools networkx ott-jax pyemd regot
PEERS_NUMPY1 ?= Wasserstein
.venv-peers/.installed:
	$(PYTHON) -m venv .venv-peers
	for name in $(PEERS); do .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check $$name \
	    || echo "bench-peers: $$name cannot be installed here"; done
	touch $@

.venv-peers-numpy1/.installed:
	$(PYTHON) -m venv .venv-peers-numpy1
	for name in 'numpy<2' $(PEERS_NUMPY1); do \
	    .venv-peers-numpy1/bin/python -m pip install --quiet --disable-pip-version-check "$$name" \
	    || echo "bench-peers: $$name cannot be installed here"; done
	touch $@

bench-peers: .venv-peers/.installed .venv-peers-numpy1/.installed
PEERS_PYTHON = --python .venv-peers/bin/python --python .venv-peers-numpy1/bin/python

# Every solver on a dozen small problems: under five minutes on two cores, once the environments are there.
bench-smoke: $(STAMP) bench-peers
	$(BIN)/python -m bench run --suite smoke --limit 5 --repeats 3 $(PEERS_PYTHON) --out bench-out
	$(BIN)/python -m bench report bench-out

# All suites; resumable, an hour at a time. The older tables: python -m bench table --list
bench: $(STAMP) bench-peers
	$(BIN)/python -m bench run --suite all --budget 3600 $(PEERS_PYTHON) --out bench-out
	$(BIN)/python -m bench report bench-out

clean:
	rm -rf $(VENV) .venv-peers .venv-peers-numpy1 build dist demo-out bench-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
