# `make serve` runs the system on this machine, `make test` checks it; both need Python 3.11 or newer and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTO := model_server/grpc/inference.proto
PACKAGES := loan_cli loan_model loan_spark model_server rollout tabular_model training_job
REGISTRY := $(or $(LOAN_REGISTRY),files/model_version)
DATA := files/dataset.csv
GO_BIN := tests/.cache/bin
MLFLOW := tests/.cache/mlflow
GO_TOOLS := $(GO_BIN)/registry $(GO_BIN)/oras $(GO_BIN)/h2spec
TOKEN := files/token
PIP := $(BIN)/pip --disable-pip-version-check install --require-hashes
COUNT := awk '/^Collecting/ {printf "\r  %d packages", ++n > "/dev/stderr"} END {print "" > "/dev/stderr"}'

.DEFAULT_GOAL := help
.PHONY: help serve test go-tools mlflow-server faults soak bench bench-quick docs format protocol lock clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## Install, train v1 on synthetic data if there is no version, and serve on :8080 and :8081
	@if [ -z "$$($(BIN)/loan versions list --registry $(REGISTRY) 2>/dev/null)" ]; then \
	  echo "The registry $(REGISTRY) is empty: training v1 on synthetic data" >&2; \
	  $(BIN)/loan data --output $(DATA) && $(BIN)/loan train --data $(DATA) --registry $(REGISTRY) || exit 1; \
	fi
	@if [ ! -s $(TOKEN) ]; then \
	  echo "Creating a token with the rights to train, load and promote: $(TOKEN)" >&2; \
	  $(BIN)/loan tokens remove owner >/dev/null 2>&1; umask 077; \
	  $(BIN)/loan tokens add owner --may train --may load --may promote > $(TOKEN) || exit 1; \
	fi
	@exec $(BIN)/loan serve --registry $(REGISTRY)

test: $(VENV)/.dev $(VENV)/.spark $(GO_TOOLS) $(MLFLOW)/.installed ## Install what tests need; check format, style, types, imports; run the unit tests; check the chart
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile
	@$(MAKE) --no-print-directory chart-check

# A container registry and its client, and the conformance tests of HTTP/2, for tests.
$(GO_BIN)/registry: MODULE := github.com/distribution/distribution/v3@v3.0.0
$(GO_BIN)/oras: MODULE := oras.land/oras/cmd/oras@v1.2.3
$(GO_BIN)/h2spec: MODULE := github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
with_go = @mkdir -p $(@D) && if command -v go >/dev/null; then $(1); \
	  else echo "Without Go there is no $(@F): the tests that need it are skipped" >&2; fi

go-tools: $(GO_TOOLS)

# A real MLflow server, for tests.
mlflow-server: $(MLFLOW)/.installed

$(MLFLOW)/.installed: requirements/mlflow.txt $(VENV)/.dev
	@echo "Installing the MLflow server that tests log to (once; 210 MB, some seconds)" >&2
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MLFLOW)
	@$(BIN)/uv pip install --quiet --require-hashes --python $(MLFLOW)/bin/python -r $< && touch $@

$(GO_BIN)/oras $(GO_BIN)/h2spec:
	$(call with_go,CGO_ENABLED=0 GOBIN=$(abspath $(@D)) go install $(MODULE))

# Its own program has the clients of four clouds, which take minutes to build.
$(GO_BIN)/registry: tests/tabular_model/oci/registry.go
	$(call with_go,rm -rf $@-module && mkdir $@-module && cp $< $@-module/main.go && cd $@-module \
	  && go mod init registry && go get $(MODULE) && go mod tidy && CGO_ENABLED=0 go build -o ../$(@F))

faults: $(VENV)/.dev $(VENV)/.spark $(GO_TOOLS) ## Kill trainings and servers, fill disks, fail stores, send hostile input (minutes)
	$(BIN)/pytest -m slow

soak: $(VENV)/.dev ## Serve at full load while versions come and go, and check each answer (LOAN_SOAK_SECONDS, 1200)
	$(BIN)/python -m tests.model_server.soak

BENCH := benchmarks/.cache
GHZ := $(BENCH)/bin/ghz

bench: $(VENV)/.dev $(GHZ) ## Measure beside KServe's predictor, MLServer, BentoML and FastAPI; write benchmarks/results.md (half an hour)
	$(BIN)/python -m benchmarks full

bench-quick: $(VENV)/.dev $(GHZ) ## The same in three minutes: print the ratios alone
	$(BIN)/python -m benchmarks quick

$(GHZ):
	@mkdir -p $(@D)
	@command -v wrk >/dev/null || { echo "wrk is required; install it, for example with apt-get install wrk" >&2; exit 1; }
	@if command -v go >/dev/null; then GOBIN=$(abspath $(@D)) go install github.com/bojand/ghz/cmd/ghz@v0.120.0; \
	  else echo "Go is required to install ghz; gRPC is not measured" >&2; fi

docs: $(VENV)/.dev ## Write the tables of settings and endpoints into docs/ from the code
	$(BIN)/python -m docs.tables

format: $(VENV)/.dev ## Format the code and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protocol: $(PROTO:.proto=.binpb) ## Compile the gRPC endpoint's protocol, as an installation does

$(PROTO:.proto=.binpb): $(PROTO) hatch_build.py $(BIN)/pip
	$(BIN)/python hatch_build.py

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

# All but Spark: the tests of a machine without Java do without its 450 MB.
EXTRAS = $(filter-out spark,$(shell $(BIN)/python -c "import tomllib; \
  print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'])"))

lock: $(VENV)/.dev ## Lock the newest compatible versions of all dependencies, with their hashes
	$(LOCK) pyproject.toml --upgrade $(EXTRAS:%=--extra %) --group dev --output-file requirements/dev.txt
	$(LOCK) pyproject.toml --extra server --extra tracing --extra oci --constraints requirements/dev.txt --output-file requirements/server.txt
	$(LOCK) pyproject.toml --extra training --extra cluster --extra oci --extra model-signing --constraints requirements/dev.txt --output-file requirements/training.txt
	$(LOCK) pyproject.toml --extra rollout --constraints requirements/dev.txt --output-file requirements/rollout.txt
	$(LOCK) pyproject.toml --extra spark --extra training --extra model-signing --constraints requirements/dev.txt --output-file requirements/spark.txt
	$(LOCK) --group build --constraints requirements/dev.txt --output-file requirements/build.txt
	$(LOCK) --group mlflow-server --constraints requirements/dev.txt --output-file requirements/mlflow.txt

clean: ## Remove what make created, except the registry
	rm -rf $(VENV) $(PROTO:.proto=.binpb) $(BENCH) $(GO_BIN) $(MLFLOW) build dist .*_cache *.egg-info

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required, but $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.12" >&2; exit 1; }
	@echo "Creating $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(BIN)/pip pyproject.toml hatch_build.py $(PROTO) requirements/build.txt requirements/server.txt requirements/training.txt requirements/rollout.txt
	@echo "Installing what serving and training need (once; about a minute)" >&2
	@$(PIP) --quiet -r requirements/build.txt
	@$(PIP) -r requirements/server.txt -r requirements/training.txt -r requirements/rollout.txt | $(COUNT)
	@$(MAKE) --no-print-directory .install
	@touch $@

$(VENV)/.dev: $(BIN)/pip pyproject.toml hatch_build.py $(PROTO) requirements/build.txt requirements/dev.txt
	@echo "Installing what tests need (once; about a minute)" >&2
	@$(PIP) --quiet -r requirements/build.txt
	@$(PIP) -r requirements/dev.txt | $(COUNT)
	@$(MAKE) --no-print-directory .install
	@touch $@ $(VENV)/.serve

# PySpark is published as source alone: its wheel is built by what the lock of builds has, and not compressed, because
# its jars are.
STORED := --config-settings=--build-option=--compression=stored
$(VENV)/.spark: $(VENV)/.dev requirements/spark.txt
	@if command -v java >/dev/null; then \
	  echo "Installing PySpark, because there is Java (once; 450 MB, about a minute)" >&2; \
	  $(PIP) --quiet --no-build-isolation $(STORED) -r requirements/spark.txt && touch $@; \
	  else echo "Without Java there is no Spark: the tests that need it are skipped" >&2; fi

.PHONY: .install
.install:
	@$(BIN)/pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .

-include k8s/*.mk
