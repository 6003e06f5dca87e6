# Where the images and the chart go, such as registry.example.com/lending. Empty: nothing leaves this machine.
PUBLISH ?=
# The URL that the wheel is uploaded to; its name and password are uv's, UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD.
INDEX ?=
BUILDX := build/bin/buildx

.PHONY: release version
release: $(VENV)/.dev $(if $(strip $(IMAGES)),$(BUILDX)) ## Build wheel, chart, images, SBOMs and provenance in dist; PUBLISH=registry.example.com/lending pushes
	@$(BIN)/python k8s/release --images "$(IMAGES)" --publish "$(PUBLISH)" --index "$(INDEX)" $(if $(BUILDER),--builder $(BUILDER))

version: $(VENV)/.dev ## Write VERSION=1.2.3 into pyproject.toml, chart and changelog
	@$(BIN)/python k8s/release/versions.py "$(VERSION)"

$(BUILDX):
	@mkdir -p $(@D)
	@if ! docker buildx version >/dev/null 2>&1 && command -v go >/dev/null; then \
	  echo "Building buildx, which docker here lacks (once; minutes)" >&2; \
	  GOBIN=$(abspath $(@D)) go install github.com/docker/buildx/cmd/buildx@v0.38.2; fi
