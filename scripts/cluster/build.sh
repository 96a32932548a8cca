#!/usr/bin/env bash
# Builds the cluster's programs from Go modules into $SIDEGATE_CLUSTER_DIR/bin: `kube` (etcd, all of Kubernetes, CoreDNS and kubectl in
# one file, linked under each name), helm, pause and kubeconform. Does nothing when gomod/ and this script are unchanged.
# Needs Go 1.24 or newer and no root. Leaves 3 when Go is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"
kubeconform_version=v0.8.0

wanted=$(cd "$here" && find gomod build.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
if [[ $(cat "$bin_dir/.built" 2>/dev/null) == "$wanted" && -x $bin_dir/kube && -x $bin_dir/helm ]]; then exit 0; fi

go_minor=$({ go env GOVERSION 2>/dev/null || true; } | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
if [[ -z $go_minor || $go_minor -lt 24 ]]; then
  echo "cluster: needs Go 1.24 or newer to build Kubernetes from its modules; found ${go_minor:+Go 1.}${go_minor:-none}. Install it from your" >&2
  echo "         distribution or the Go project's site, or use make e2e-kind with Docker." >&2
  exit 3
fi

version_of() { sed -n "s|^[[:space:]]*$1 \(v[0-9.]*\)\$|\1|p" "$here/gomod/go.mod" | head -1; }
kubernetes=$(version_of k8s.io/kubernetes) helm=$(version_of helm.sh/helm/v3)
minor=${kubernetes#v1.} minor=${minor%%.*}
# Without these the API server says v0.0.0 and clients that look at its version turn away.
set_versions=""
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  for field in gitVersion="$kubernetes" gitMajor=1 gitMinor="$minor" gitTreeState=clean gitCommit=0000000000000000000000000000000000000000 \
    buildDate=2026-01-01T00:00:00Z; do set_versions+=" -X $package.$field"; done
done
set_versions+=" -X helm.sh/helm/v3/internal/version.version=$helm"
# Without these `helm template` and `helm lint` believe in Kubernetes 1.20.
for package in helm.sh/helm/v3/pkg/chartutil helm.sh/helm/v3/pkg/lint/rules; do
  set_versions+=" -X $package.k8sVersionMajor=1 -X $package.k8sVersionMinor=$minor"
done

mkdir -p "$bin_dir"
echo "cluster: building Kubernetes $kubernetes and helm $helm (minutes the first time, seconds from Go's build cache)"
started=$SECONDS
export CGO_ENABLED=0 GOTOOLCHAIN=local
(cd "$here/gomod" && nice -n 10 go build -mod=readonly -trimpath -buildvcs=false -tags selinux_disabled -ldflags "-s -w$set_versions" \
  -o "$bin_dir/" ./kube ./pause helm.sh/helm/v3/cmd/helm)
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl coredns; do ln -sfn kube "$bin_dir/$name"; done
# The chart's tests use it; the cluster does not.
GOBIN=$bin_dir nice -n 10 go install -trimpath -buildvcs=false -ldflags "-s -w" "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform_version" ||
  echo "cluster: kubeconform was not built; the tests that use it are skipped" >&2
echo "$wanted" >"$bin_dir/.built"
echo "cluster: built in $((SECONDS - started)) s"
