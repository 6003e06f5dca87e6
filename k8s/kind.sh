#!/usr/bin/env bash
# Installs the system on kind and asks it for a prediction. It makes a cluster with KServe unless kubectl's current
# context already is one, and is safe to repeat: it does what is missing, and brings changed code in.
set -euo pipefail
cd "$(dirname "$0")/.."

KSERVE=v0.20.0
ENVOY_GATEWAY=v1.8.1 # brings the CRDs of the Gateway API 1.5.1
CERT_MANAGER=v1.20.2
HOST=loan.localhost # which is 127.0.0.1 to browsers and to curl
GATEWAY=http://$HOST:30080
cluster=loan namespace=loans release=loans service=loans-loan-model

say() { echo "kind: $*" >&2; }
fail() { say "$*"; exit 1; }

for tool in docker kind kubectl helm curl; do
  command -v $tool >/dev/null || fail "$tool is needed on the PATH."
done

has_kserve() { kubectl get crd inferenceservices.serving.kserve.io --request-timeout=20s >/dev/null 2>&1; }

chart() { # name, namespace, chart, version, more
  say "installing $1 $4"
  helm upgrade --install "$1" "$3" --namespace "$2" --create-namespace --version "$4" --wait --timeout 10m "${@:5}" >/dev/null
}

make_cluster() {
  kind get clusters 2>/dev/null | grep -qx $cluster || kind create cluster --name $cluster --config k8s/kind.yaml --wait 180s
  kubectl config use-context kind-$cluster >/dev/null
  chart cert-manager cert-manager oci://quay.io/jetstack/charts/cert-manager $CERT_MANAGER --set crds.enabled=true
  chart envoy-gateway envoy-gateway-system oci://docker.io/envoyproxy/gateway-helm $ENVOY_GATEWAY
  chart kserve-crd kserve oci://ghcr.io/kserve/charts/kserve-crd $KSERVE
  chart kserve kserve oci://ghcr.io/kserve/charts/kserve-resources $KSERVE \
    --set kserve.controller.deploymentMode=Standard \
    --set kserve.controller.gateway.disableIstioVirtualHost=true \
    --set kserve.controller.gateway.ingressGateway.enableGatewayApi=true \
    --set kserve.controller.gateway.ingressGateway.kserveGateway=kserve/kserve-ingress-gateway
  kubectl apply -f k8s/gateway.yaml >/dev/null
  kubectl --namespace kserve wait gateway/kserve-ingress-gateway --for=condition=Programmed --timeout=180s >/dev/null
}

# Tagged by its content, so that the cluster never mistakes a rebuilt image for the one before.
load_image() { # target
  docker build --quiet --target "$1" --tag "loan-model-$1:kind" --file k8s/Dockerfile . >/dev/null
  tag=$(docker image inspect --format '{{.Id}}' "loan-model-$1:kind" | cut -c8-19)
  docker tag "loan-model-$1:kind" "loan-model-$1:$tag"
  kind load docker-image --name "$kind" "loan-model-$1:$tag" >/dev/null 2>&1
  images+=(--set "image.$1.tag=$tag")
}

install() {
  kubectl create namespace $namespace >/dev/null 2>&1 || true
  kubectl label namespace $namespace --overwrite pod-security.kubernetes.io/enforce=restricted >/dev/null
  if ! helm status $release --namespace $namespace >/dev/null 2>&1; then
    say "installing the chart and training v1 on synthetic data"
    helm install $release helm/loan-model --namespace $namespace "${images[@]}" --set training.run=true --set "gateway.hostnames={$HOST}" >/dev/null
    kubectl --namespace $namespace wait job/$service-training-initial --for=condition=Complete --timeout=10m >/dev/null
    images+=(--set stable.version=v1)
  fi
  helm upgrade $release helm/loan-model --namespace $namespace --reuse-values "${images[@]}" >/dev/null
  say "waiting for the predictor"
  kubectl --namespace $namespace wait inferenceservice/$service --for=condition=Ready --timeout=5m >/dev/null
  kubectl --namespace $namespace rollout status deployment/$service-predictor --timeout=5m >/dev/null
}

ask() { curl --silent --show-error --fail --retry 30 --retry-delay 1 --retry-all-errors --max-time 10 "$@"; }

# The version describes what a request looks like, with an example.
predict() {
  ask "$GATEWAY/openapi.json" \
    | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["components"]["schemas"]["Application"]["examples"][0]))' \
    | ask --header 'Content-Type: application/json' "$GATEWAY/predict" --data @-
}

if has_kserve; then say "using the cluster of the context $(kubectl config current-context), which has KServe"; else make_cluster; fi
context=$(kubectl config current-context)
kind=${context#kind-}
[ "$kind" != "$context" ] || fail "The context $context is not a kind cluster: push the images to your registry and install helm/loan-model with values like those in k8s/examples."
images=()
say "building and loading the images"
load_image server
load_image training
install
say "the answer of $GATEWAY/predict:"
predict
echo
