# Two commands for a fresh machine with Python >= 3.11 and a C++ compiler: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BUILT  := $(VENV)/.built
ENGINE := $(shell find engine -type f)

.PHONY: demo test test-slow lint types check clean

# Editable, from the pins; installed again whenever the pins or the metadata change.  The engine is
# compiled by the next rule instead, which compiles only what changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Gatework needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	SKBUILD_WHEEL_CMAKE=false SKBUILD_EDITABLE_MODE=inplace $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check -c constraints.txt -e ".[all,test]"
	@touch $@

$(BUILT): $(STAMP) $(ENGINE) scripts/build
	bash scripts/build $(BIN)
	@touch $@

demo: $(BUILT)
	$(BIN)/gatework demo forecast -o demo

test: $(BUILT)
	bash scripts/check $(BIN)
	bash scripts/test $(BIN)

test-slow: $(BUILT)
	$(BIN)/python -m pytest -m slow

lint: $(BUILT)
	bash scripts/check $(BIN)

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache src/gatework/_engine.*.so
