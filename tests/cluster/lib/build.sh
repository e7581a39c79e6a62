# What the cluster that is built here needs: Debian's packages, three programs from Go modules, a base image.
KUBERNETES=v1.34.3
BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
PACKAGES="containerd runc containernetworking-plugins buildah debootstrap iptables iproute2 conntrack openssl util-linux"
export STORAGE_DRIVER=${STORAGE_DRIVER:-overlay} # buildah's; the same as in containers/build

missing_to_build() {
  local lacks=()
  [ "$(uname -s)" = Linux ] || lacks+=("Linux")
  [ "$(id -u)" = 0 ] || lacks+=("root")
  command -v go >/dev/null || lacks+=("Go 1.24 or later")
  command -v apt-get >/dev/null || dpkg -s $PACKAGES >/dev/null 2>&1 || lacks+=("apt-get")
  [ ${#lacks[@]} = 0 ] || { local IFS=,; echo "no PRESSRUN_TEST_KUBECONFIG, no Docker engine, and to build one this machine lacks ${lacks[*]}"; }
}

built_build() {
  mkdir -p "$CACHE"
  packages
  program kubelite -ldflags "$(kubernetes_flags)" .
  program gateway -modfile "$(without_dns_providers)" -ldflags "-s -w" github.com/traefik/traefik/v3/cmd/traefik
  CGO_ENABLED=0 program pause -ldflags "-s -w" .
  gateway_api
  base_image
}

packages() {
  dpkg -s $PACKAGES >/dev/null 2>&1 && return
  say "installing $PACKAGES"
  apt-get -qq -o DPkg::Lock::Timeout=120 update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $PACKAGES >/dev/null
}

# Where the program of a folder is cached: built again only when the folder's files change.
cached() { echo "$CACHE/$1-$(cat "$HERE/$1"/* | sha256sum | cut -c1-12)"; }

program() { # FOLDER, then `go build`'s arguments
  local folder=$1 place; place=$(cached "$1"); shift
  [ -x "$place" ] && return
  say "building $folder from its Go modules: minutes the first time, then cached in $CACHE"
  (cd "$HERE/$folder" && go build -mod=mod -o "$place.new" "$@") 2>"$CACHE/$folder.log" \
    || { tail -n 20 "$CACHE/$folder.log" >&2; fail "$folder could not be built; see $CACHE/$folder.log"; }
  mv "$place.new" "$place"
  find "$CACHE" -maxdepth 1 -type f -name "$folder-????????????" ! -path "$place" -delete
}

kubernetes_flags() {
  printf -- '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' $package $KUBERNETES $package $package "$(echo $KUBERNETES | cut -d. -f2)"
  done
}

# Traefik can ask a hundred DNS services for certificates. Tests ask none, and their SDKs are half of its build: this is
# its go.mod with a copy of that one module in which the list is empty.
without_dns_providers() {
  local lego=$CACHE/lego
  rm -rf "$lego"; cp -r "$(module gateway github.com/go-acme/lego/v4)" "$lego"; chmod -R u+w "$lego"
  cp "$HERE/gateway/no_dns_providers.go.txt" "$lego/providers/dns/zz_gen_dns_providers.go"
  cp "$HERE/gateway/go.sum" "$CACHE/gateway.sum"
  { cat "$HERE/gateway/go.mod"; echo "replace github.com/go-acme/lego/v4 => $lego"; } >"$CACHE/gateway.mod"
  echo "$CACHE/gateway.mod"
}

module() { (cd "$HERE/$1" && go mod download -json "$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); } # where its source is

gateway_api() {
  [ -d "$CACHE/gateway-api" ] && [ "$CACHE/gateway-api" -nt "$HERE/gateway/go.mod" ] && return
  rm -rf "$CACHE/gateway-api"; mkdir "$CACHE/gateway-api"
  install -m 644 "$(module gateway sigs.k8s.io/gateway-api)"/config/crd/standard/*.yaml "$CACHE/gateway-api/"
}

base_image() { # under the name that Containerfiles use, made from Debian's own packages
  buildah inspect --type image $BASE_IMAGE >/dev/null 2>&1 && return
  say "making $BASE_IMAGE from Debian's packages"
  local root container; root=$(mktemp -d)
  debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$root" >"$CACHE/debootstrap.log" \
    || fail "debootstrap failed; see $CACHE/debootstrap.log"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED
  ln -sf python3 "$root/usr/bin/python"
  [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
  cp -r /etc/ssl/certs "$root/etc/ssl/"
  container=$(buildah from scratch)
  buildah add -q "$container" "$root" / >/dev/null
  buildah config --cmd python3 "$container"
  buildah commit -q "$container" $BASE_IMAGE >/dev/null
  buildah rm "$container" >/dev/null; rm -rf "$root"
}
