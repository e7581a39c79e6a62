# kind, where a Docker engine answers. Written from its documentation: our CI has no Docker engine to run it on.
KIND_CLUSTER=pressrun-test
KIND_KUBECONFIG=$CACHE/kind-kubeconfig
GATEWAY_API=https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/standard-install.yaml

kind_build() { :; }
kind_up() {
  kind get clusters 2>/dev/null | grep -qx $KIND_CLUSTER \
    || kind create cluster --name $KIND_CLUSTER --config "$HERE/kind/cluster.yaml" --kubeconfig "$KIND_KUBECONFIG" --wait 120s >&2
  kind_kubectl apply --server-side -f $GATEWAY_API >&2
  kind_kubectl apply --server-side -f "$HERE/manifests/gateway.yaml" >&2
  sed "s|@BUCKETS@|$BUCKETS|" "$HERE/kind/traefik.yaml" | kind_kubectl apply --server-side -f - >&2
  kind_kubectl -n gateway rollout status deployment/traefik --timeout=180s >&2
  echo "$KIND_KUBECONFIG"
}
kind_down() { kind delete cluster --name $KIND_CLUSTER --kubeconfig "$KIND_KUBECONFIG" >&2; rm -f "$KIND_KUBECONFIG"; }
kind_env() {
  [ -f "$KIND_KUBECONFIG" ] || fail "no cluster is up; bring it up with: cluster up"
  environment_lines "$KIND_KUBECONFIG" http://127.0.0.1:18080 http://traefik.gateway.svc:18082/metrics
}
kind_load() { kind load docker-image --name $KIND_CLUSTER "$1" >&2; }
kind_kubectl() { kubectl --kubeconfig "$KIND_KUBECONFIG" "$@"; }
kind_stop() { named_stop; }
kind_start() { named_stop; }
