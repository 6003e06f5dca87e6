IMAGES ?= server training rollout spark
# An image with helm in it; empty means the Dockerfile's own.
HELM ?=
SBOM := build/sbom
PACKAGED = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: sbom vulnerabilities
sbom: $(VENV)/.dev ## Build the images and write what is in each, as CycloneDX with licences, to build/sbom (needs docker)
	@for image in $(IMAGES); do \
	  docker build --quiet --build-arg VERSION=$(PACKAGED) $(if $(HELM),--build-arg HELM=$(HELM)) --target $$image --tag loan-model-$$image:sbom --file k8s/Dockerfile . >/dev/null \
	    && $(BIN)/python k8s/sbom.py loan-model-$$image:sbom $(SBOM) || exit 1; \
	done

vulnerabilities: $(VENV)/.dev ## Look the locked packages up among the known vulnerabilities (needs a network)
	@$(BIN)/python k8s/vulnerabilities.py $(IMAGES:%=requirements/%.txt)
