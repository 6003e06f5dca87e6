.PHONY: e2e
e2e: $(VENV)/.dev $(GO_TOOLS) ## Try everything on the cluster that kubectl points at (about forty minutes)
	$(BIN)/pytest -m e2e --capture=no tests/e2e
