# A cluster that the user names by PRESSRUN_TEST_KUBECONFIG: used as it is, and left running.
named_build() { :; }
named_down() { say "the cluster that PRESSRUN_TEST_KUBECONFIG names is left as it is"; }
named_up() {
  kubectl --kubeconfig "$PRESSRUN_TEST_KUBECONFIG" get --raw /readyz >/dev/null \
    || fail "the API server that $PRESSRUN_TEST_KUBECONFIG names does not answer"
  echo "$PRESSRUN_TEST_KUBECONFIG"
}
named_env() {
  environment_lines "$PRESSRUN_TEST_KUBECONFIG" "${PRESSRUN_TEST_GATEWAY_URL:-}" "${PRESSRUN_TEST_METRICS_URL:-}"
}
named_load() { say "push $1 to where the cluster that PRESSRUN_TEST_KUBECONFIG names can pull it"; }
named_kubectl() { kubectl --kubeconfig "$PRESSRUN_TEST_KUBECONFIG" "$@"; }
named_stop() { fail "components are stopped and started only in a cluster that is built here"; }
named_start() { named_stop; }
