# Checks of the chart. Each needs a tool on the PATH; a check whose tool is missing is skipped and named,
# or fails with ALL_TOOLS=1.
CHART := helm/loan-model
SCHEMAS := k8s/schemas/{{.ResourceKind}}{{.KindSuffix}}.json
with = @if { $(1); } >/dev/null 2>&1; then $(2); else echo "skipped: $(3)" >&2; test -z "$(ALL_TOOLS)"; fi

.PHONY: chart-check chart-lint chart-unittest chart-docs chart-schemas example-schemas
chart-check: chart-lint chart-unittest chart-docs chart-schemas example-schemas ## Lint the chart, test its templates, validate what it renders

chart-lint:
	$(call with,helm version,helm lint --strict --quiet $(CHART),helm lint (no helm on the PATH))

chart-unittest:
	$(call with,helm unittest --help,helm unittest $(CHART),helm unittest (no helm with the plugin unittest on the PATH))

chart-docs:
	$(call with,helm-docs --help,helm-docs --chart-search-root $(CHART) --dry-run --log-level error | diff $(CHART)/README.md - \
	  || { echo "$(CHART)/README.md is old: run helm-docs and commit it" >&2; exit 1; },chart README (no helm-docs on the PATH))

chart-schemas:
	$(call with,helm version && kubeconform -v,for values in $(CHART)/ci/*-values.yaml k8s/examples/*-values.yaml examples/gitops/values.yaml; do \
	  helm template loans $(CHART) --api-versions sparkoperator.k8s.io/v1beta2 --values $$values | kubeconform -strict -schema-location '$(SCHEMAS)' \
	    || { echo "above: with $$values" >&2; exit 1; }; done,schemas (no helm and kubeconform on the PATH))

example-schemas:
	$(call with,kubeconform -v,kubeconform -strict -schema-location '$(SCHEMAS)' examples/argo-rollouts examples/flagger examples/gitops/argo-cd examples/gitops/flux,schemas of examples (no kubeconform on the PATH))
