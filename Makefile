# Every target makes the environment it needs; a second call finds it there.
# PYTHON may name an interpreter (3.11 to 3.13); otherwise the first that fits is taken.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2
# The interpreter of bench-gpu: JAX and PyTorch with CUDA are seldom in an environment made here.
GPU_PYTHON ?= python3
NEEDS := --editable '.[tensorflow,dev]'
JAX_NEEDS := --editable '.[jax,dev]'
TORCH_NEEDS := torch==2.13.0 --editable '.[torch,dev]'
PEERS_NEEDS := torch==2.13.0 monai torchio indexed_gzip nibabel
# Where the benchmarks find MONAI, TorchIO and plain PyTorch.
export VOXTEMPO_PEERS ?= .venv-peers
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test test-slow lint test-backends bench bench-gpu docs clean

demo: .venv/.ready
	$(BIN)/voxtempo demo --out demo

test: .venv/.ready
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

test-slow: .venv/.ready
	$(BIN)/pytest -m slow

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-backends: .venv-jax/.ready .venv-torch/.ready
	KERAS_BACKEND=jax .venv-jax/bin/pytest -m backends tests/backends
	KERAS_BACKEND=torch .venv-torch/bin/pytest -m backends tests/backends

bench: .venv/.ready $(if $(filter .venv-peers,$(VOXTEMPO_PEERS)),.venv-peers/.ready)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

bench-gpu:
	for script in benchmarks/gpu/*.py; do $(GPU_PYTHON) $$script || exit 1; done

docs: .venv/.ready
	$(BIN)/pip install --quiet --editable '.[docs]'
	$(BIN)/mkdocs build --strict

# Environments. The stamp is older than pyproject.toml when dependencies may have changed.
define environment
	@test -n "$(PYTHON)" || { echo "VoxTempo needs Python 3.11, 3.12 or 3.13 with venv; none was found on PATH." >&2; exit 1; }
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --upgrade pip
	$(1)/bin/python -m pip install --quiet $(2)
	@touch $(1)/.ready
endef

.venv/.ready: pyproject.toml
	$(call environment,.venv,$(NEEDS))

.venv-jax/.ready: pyproject.toml
	$(call environment,.venv-jax,$(JAX_NEEDS))

.venv-torch/.ready: pyproject.toml
	$(call environment,.venv-torch,$(TORCH_NEEDS))

.venv-peers/.ready:
	$(call environment,.venv-peers,$(PEERS_NEEDS))

clean:
	rm -rf .venv .venv-jax .venv-torch .venv-peers build dist site demo
