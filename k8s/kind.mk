.PHONY: kind
kind: ## Install the system on a kind cluster, made if there is none, and ask it for a prediction
	@k8s/kind.sh
