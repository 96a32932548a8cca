#!/usr/bin/env bash
# Runs the e2e tests on a kind cluster of its own, with images that Docker builds; arguments go to the tests. The cluster is deleted at
# the end, unless SIDEGATE_E2E_KEEP=1. Needs Docker, kind, kubectl, helm and a registry of images.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
cluster=${SIDEGATE_KIND_CLUSTER:-sidegate-e2e}
redis_image=${REDIS_IMAGE:-docker.io/library/redis:7.2-bookworm}

for program in docker kind kubectl helm; do
  command -v "$program" >/dev/null || { echo "e2e-kind: $program is missing; without Docker use make e2e (root, Go)" >&2; exit 1; }
done
docker info >/dev/null 2>&1 || { echo "e2e-kind: the Docker daemon does not answer; start it, or use make e2e (root, Go)" >&2; exit 1; }

folder=$(mktemp -d)
finish() {
  rm -rf "$folder"
  [[ ${SIDEGATE_E2E_KEEP:-} == 1 ]] || kind delete cluster --name "$cluster" >/dev/null 2>&1
}
trap finish EXIT

docker build -t sidegate:e2e .
for name in app fakeprovider release; do
  "$here/images.sh" --context "$name" "$folder/$name"
  docker build -f "test/e2e/images/$name.Dockerfile" -t "sidegate.test/$name:e2e" "$folder/$name"
done
docker tag sidegate.test/release:e2e sidegate:0.0.9
docker pull "$redis_image"
docker tag "$redis_image" sidegate.test/redis:7

kind get clusters 2>/dev/null | grep -qx "$cluster" || kind create cluster --name "$cluster" --wait 120s
kind load docker-image --name "$cluster" sidegate:e2e sidegate:0.0.9 sidegate.test/app:e2e sidegate.test/fakeprovider:e2e sidegate.test/redis:7
kind get kubeconfig --name "$cluster" >"$folder/kubeconfig"
SIDEGATE_E2E_KUBECONFIG=$folder/kubeconfig SIDEGATE_E2E_IMAGE=sidegate:e2e node scripts/e2e.ts "$@"
