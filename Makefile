# Targets create the virtual environment .venv first.
# VENV=directory uses an existing virtual environment instead.

ifdef VENV
ready :=
else
VENV  := .venv
ready := $(VENV)/ready
endif

PYTHON := $(VENV)/bin/python
# A file is run by one process: its tests may share a server.  JOBS=0 runs all in this one.
JOBS   := auto
PYTEST := $(PYTHON) -m pytest -q -n $(JOBS) --dist loadfile
# The packages by themselves, and of the behaviour what most changes break first.
QUICK  := tests/cache tests/conf tests/core tests/http tests/http1 tests/jwt tests/upstream \
	tests/zones tests/test_layers.py tests/modules/test_core.py tests/modules/test_rewrite.py \
	tests/modules/test_proxy.py tests/modules/test_auth_jwt.py

run: $(ready)
	$(PYTHON) examples/run.py

# The oracle is a static Linux x86-64 program.
test: $(ready)
	$(PYTEST)
	if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(MAKE) oracle; fi

quick: $(ready)
	$(PYTEST) $(QUICK)

check: $(ready)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict pyngx_jwt tests bench

# The same behaviour tests against a real nginx, and some generated input for both.
oracle: $(ready)
	nginx=$${NGINX:-$$($(PYTHON) -m tests.oracle)} && \
	TEST_NGINX_BINARY=$$nginx $(PYTEST) tests/modules && \
	$(PYTHON) -m tests.fuzz --nginx $$nginx --seed 1 --count 800

# ROWS="static tls" for some rows, ROUNDS=9, PYNGX=path of another pyngx.
bench: $(ready)
	$(PYTHON) -m bench.bench --rows "$(ROWS)" $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(PYNGX),--pyngx $(PYNGX))

docs: $(ready)
	$(PYTHON) -m pyngx_jwt.docs docs

# The documentation as a site in build/site; --strict fails on broken links.
docs-site: docs
	$(PYTHON) -m pip install -q -e '.[docs]'
	$(PYTHON) -m zensical build --strict

# The wheel and sdist in dist/, checked, installed and tried.  PYTHONS: interpreters to try it with.
dist: $(ready)
	$(PYTHON) -m pip install -q -e '.[dist]'
	rm -rf dist
	$(PYTHON) -m build --outdir dist .
	$(PYTHON) -m twine check --strict dist/*
	$(PYTHON) -m tests.dist dist $(PYTHONS)

# A wheel for this Python in dist, compiled if there is a C compiler and PYNGX_COMPILE=0 is not set.
wheel: $(ready)
	compile=$${PYNGX_COMPILE:-1}; \
	$(CC) --version >/dev/null 2>&1 || { compile=0; echo "no C compiler: $(CC)"; }; \
	[ $$compile != 0 ] || echo "the wheel is not compiled"; \
	PYNGX_COMPILE=$$compile $(PYTHON) -m pip wheel -q --no-deps --no-build-isolation -w dist .

# All tests on a compiled copy of the tree.  What has not changed since is not compiled again.
test-compiled: build/compiled
	cd build/compiled && $(abspath $(PYTHON)) -m pytest -q -n $(JOBS) --dist loadfile

build/compiled: $(ready)
	mkdir -p $@
	find $@ -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	tar -c --exclude-vcs --exclude=./build --exclude=./.venv --exclude=__pycache__ . | tar -x -C $@
	cd $@ && PYNGX_COMPILE=1 $(abspath $(PYTHON)) setup.py -q build_ext --inplace

clean:
	rm -rf .venv .cache build dist run *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/ready: pyproject.toml
	python3 -m venv .venv
	.venv/bin/python -m pip install -q -e '.[dev]'
	touch $@

.PHONY: run test quick check oracle bench docs docs-site dist wheel test-compiled build/compiled clean
