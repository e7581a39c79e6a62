# The cluster that is built here: one node, all of it processes of this machine that listen on an address of lo.
NODE_IP=10.77.0.1
POD_CIDR=10.78.0.0/16
SERVICE_CIDR=10.96.0.0/16
GATEWAY_PORT=18080
METRICS_PORT=18082
COMPONENTS="etcd kube-apiserver containerd kube-controller-manager kube-scheduler kubelet kube-proxy traefik"
# Geometric, ratio about 1.25, 1 ms to 10 s: a quantile read from them is at most a quarter off.
BUCKETS=$(awk 'BEGIN { for (s = 0.001; s < 9.5; s *= 1.2589254) printf "%.4g,", s; print 10 }')

built_up() {
  built_build
  if healthy; then echo "$RUN/kubeconfig"; return; fi
  forget
  lay_out
  for name in etcd kube-apiserver containerd; do start_one $name; done
  wait_for kube-apiserver kubectl_here get --raw /readyz
  wait_for containerd ctr_here version
  load_pause
  for name in kube-controller-manager kube-scheduler kubelet kube-proxy; do start_one $name; done
  wait_for "the Gateway API" kubectl_here apply --server-side -f "$CACHE/gateway-api"
  start_one traefik
  wait_for "the gateway" kubectl_here apply --server-side -f "$HERE/manifests/gateway.yaml"
  wait_for "the node" kubectl_here wait --for=condition=Ready node/pressrun-1 --timeout=0
  wait_for "the default service account" kubectl_here get serviceaccount default
  wait_for "the gateway's listener" kubectl_here -n gateway wait --for=condition=Programmed gateway/web --timeout=0
  echo "$RUN/kubeconfig"
}

built_down() { forget; }

built_env() {
  [ -f "$RUN/kubeconfig" ] || fail "no cluster is up; bring it up with: cluster up"
  environment_lines "$RUN/kubeconfig" "http://$NODE_IP:$GATEWAY_PORT" "http://$NODE_IP:$METRICS_PORT/metrics"
  echo PRESSRUN_TEST_NODE_IS_HERE=1
}

environment_lines() { # KUBECONFIG GATEWAY METRICS
  printf '%s\n' "PRESSRUN_TEST_KUBECONFIG=$1" "PRESSRUN_TEST_GATEWAY_URL=$2" "PRESSRUN_TEST_METRICS_URL=$3"
}

built_load() { # IMAGE [ALIAS]: from buildah's store to the node, once; uncompressed, which is faster here
  local archive; archive=$(mktemp -u).tar
  buildah push -q "$1" "docker-archive:$archive:$1" >/dev/null
  ctr_here images import "$archive" >/dev/null
  rm -f "$archive"
  [ -z "${2:-}" ] || ctr_here images tag --force "$1" "$2" >/dev/null
}

built_kubectl() { kubectl_here "$@"; }
built_start() { known "$1"; start_one "$1"; }
built_stop() { known "$1"; stop_all "$1"; }
known() { [[ " $COMPONENTS " == *" $1 "* ]] || fail "no component $1; there are $COMPONENTS"; }

kubectl_here() { "$(cached kubelite)" kubectl --kubeconfig "$RUN/kubeconfig" "$@"; }
ctr_here() { ctr -a "$RUN/containerd.sock" -n k8s.io "$@"; }
healthy() { [ -f "$RUN/kubeconfig" ] && all_alive && kubectl_here get --raw /readyz >/dev/null 2>&1; }
all_alive() { for name in $COMPONENTS; do alive "$name" || return 1; done; }

lay_out() {
  mkdir -p "$RUN"/{log,pid,pki,cni}
  openssl rand -hex 16 >"$RUN/pki/token"
  echo "$(cat "$RUN/pki/token"),admin,admin,system:masters" >"$RUN/pki/tokens.csv"
  openssl genrsa -out "$RUN/pki/sa.key" 2048 2>/dev/null
  chmod -R go= "$RUN/pki"
  for file in kubeconfig containerd.toml kubelet.yaml proxy.yaml; do rendered $file >"$RUN/$file"; done
  rendered cni.json >"$RUN/cni/10-bridge.conflist"
  chmod 600 "$RUN/kubeconfig"
  ip addr show dev lo | grep -q "$NODE_IP/" || ip addr add $NODE_IP/32 dev lo
  cat /proc/sys/net/ipv4/ip_forward >"$RUN/ip_forward"
  sysctl -qw net.ipv4.ip_forward=1
}

rendered() {
  sed -e "s|@RUN@|$RUN|g" -e "s|@NODE_IP@|$NODE_IP|g" -e "s|@POD_CIDR@|$POD_CIDR|g" \
    -e "s|@TOKEN@|$(cat "$RUN/pki/token")|g" "$HERE/node/$1"
}

load_pause() {
  local context; context=$(mktemp -d)
  cp "$(cached pause)" "$context/pause"
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$context/Containerfile"
  buildah bud -q --isolation chroot -t localhost/pause:1 "$context" >/dev/null
  built_load localhost/pause:1
  rm -rf "$context"
}

start_one() {
  local name=$1
  ! alive "$name" || return 0
  setsid nohup bash -c 'exec "$@"' "$name" $(arguments "$name") >>"$RUN/log/$name.log" 2>&1 </dev/null 9>&- &
  echo "$! $(born $!)" >"$RUN/pid/$name"
}

# --node-monitor-grace-period: after the API server's return the controller manager's own caches stay old for up to
# half a minute more (client-go backs off), so at the default of 50 s it takes the one node there is for lost and with
# it every pod. Clusters with several API servers, as the clouds run them, do not come to that.
arguments() { # of one component; none has a space in it
  local etcd=http://127.0.0.1:23790 peer=http://127.0.0.1:23800 kubelite; kubelite=$(cached kubelite)
  case $1 in
    etcd) echo "$kubelite" etcd --name t --data-dir "$RUN/etcd" --unsafe-no-fsync \
      --listen-client-urls $etcd --advertise-client-urls $etcd \
      --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster t=$peer ;;
    kube-apiserver) echo "$kubelite" kube-apiserver --etcd-servers=$etcd --secure-port=6443 \
      --bind-address=$NODE_IP --advertise-address=$NODE_IP --cert-dir="$RUN/pki/apiserver" \
      --token-auth-file="$RUN/pki/tokens.csv" --authorization-mode=Node,RBAC --allow-privileged=true \
      --kubelet-preferred-address-types=InternalIP \
      --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$RUN/pki/sa.key" \
      --service-account-signing-key-file="$RUN/pki/sa.key" --service-cluster-ip-range=$SERVICE_CIDR ;;
    containerd) echo containerd --config "$RUN/containerd.toml" ;;
    kube-controller-manager) echo "$kubelite" kube-controller-manager --kubeconfig="$RUN/kubeconfig" \
      --node-monitor-grace-period=120s --leader-elect=false --bind-address=127.0.0.1 --use-service-account-credentials=true \
      --service-account-private-key-file="$RUN/pki/sa.key" --root-ca-file="$RUN/pki/apiserver/apiserver.crt" ;;
    kube-scheduler) echo "$kubelite" kube-scheduler --kubeconfig="$RUN/kubeconfig" --leader-elect=false \
      --bind-address=127.0.0.1 ;;
    kubelet) echo "$kubelite" kubelet --kubeconfig="$RUN/kubeconfig" --config="$RUN/kubelet.yaml" \
      --root-dir="$RUN/kubelet" --cert-dir="$RUN/pki/kubelet" --node-ip=$NODE_IP --hostname-override=pressrun-1 ;;
    kube-proxy) echo "$kubelite" kube-proxy --config="$RUN/proxy.yaml" ;;
    traefik) echo "$(cached gateway)" --log.level=INFO --api=false --providers.kubernetesgateway=true \
      --providers.kubernetesgateway.endpoint=https://$NODE_IP:6443 \
      --providers.kubernetesgateway.token="$(cat "$RUN/pki/token")" \
      --providers.kubernetesgateway.certauthfilepath="$RUN/pki/apiserver/apiserver.crt" \
      --entrypoints.web.address=$NODE_IP:$GATEWAY_PORT --entrypoints.metrics.address=$NODE_IP:$METRICS_PORT \
      --metrics.prometheus=true --metrics.prometheus.entrypoint=metrics \
      --metrics.prometheus.addserviceslabels=true --metrics.prometheus.addrouterslabels=true \
      --metrics.prometheus.buckets="$BUCKETS" ;;
  esac
}

# A process is known by its id and its start, so that a later one with the same id is left alone.
born() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
alive() {
  local pid start
  read -r pid start 2>/dev/null <"$RUN/pid/$1" || return 1
  [ -n "$start" ] && [ "$(born "$pid")" = "$start" ] && [ "$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$pid/stat")" != Z ]
}

wait_for() {
  local what=$1; shift
  for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  fail "$what is not up after 60 s; see $RUN/log"
}

stop_all() { # ask, then after 3 s insist
  for name; do ! alive "$name" || kill "$(cut -d' ' -f1 "$RUN/pid/$name")" || true; done
  for _ in $(seq 30); do
    local left=0
    for name; do ! alive "$name" || left=1; done
    [ $left = 1 ] || break; sleep 0.1
  done
  for name; do ! alive "$name" || kill -KILL "$(cut -d' ' -f1 "$RUN/pid/$name")" || true; rm -f "$RUN/pid/$name"; done
}

forget() {
  [ -d "$RUN" ] || return 0
  stop_all traefik kube-proxy kubelet kube-scheduler kube-controller-manager kube-apiserver etcd
  end_containers
  stop_all containerd
  grep -o " $RUN/[^ ]*" /proc/mounts | sort -r | xargs -r -n1 umount -l || true
  forget_network
  forget_elsewhere
  rm -rf "$RUN"
}

forget_elsewhere() { # what kubelet, CNI, runc and shims write to fixed places; folders that others use stay
  find /var/log/containers -lname "$RUN/*" -delete 2>/dev/null || true
  rm -f /var/lib/kubelet/device-plugins/kubelet.sock
  for result in /var/lib/cni/results/pressrun-*; do
    [ ! -e "$result" ] || rm -f "$result" "$(sed 's|/pressrun-|/cni-loopback-|; s|-eth0$|-lo|' <<<"$result")"
  done
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
  find /run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers -depth -type d -empty -delete 2>/dev/null || true
}

end_containers() {
  [ -S "$RUN/containerd.sock" ] && alive containerd || return 0
  for task in $(ctr_here tasks ls -q); do ctr_here tasks kill -s KILL "$task" 2>/dev/null || true; done
  for _ in $(seq 50); do ctr_here tasks ls | grep -q RUNNING || break; sleep 0.1; done
  for task in $(ctr_here tasks ls -q); do ctr_here tasks rm -f "$task" >/dev/null 2>&1 || true; done
}

forget_network() {
  for name in $(ls "$RUN"/netns 2>/dev/null) $(ip netns list 2>/dev/null | awk '/^cni-/{ print $1 }'); do ip netns del "$name" 2>/dev/null || true; done
  ip link del pressrun0 2>/dev/null || true
  ip addr del $NODE_IP/32 dev lo 2>/dev/null || true
  iptables-save 2>/dev/null | grep -vE 'KUBE-|CNI-' | iptables-restore 2>/dev/null || true
  [ ! -f "$RUN/ip_forward" ] || sysctl -qw net.ipv4.ip_forward="$(cat "$RUN/ip_forward")"
}
