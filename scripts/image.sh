#!/usr/bin/env bash
# Builds the container image $IMAGE from $BASE_IMAGE with buildah, without a daemon.
# BUNDLE=npm installs and bundles inside the image build; BUNDLE=dist bundles here first and copies the files, which needs
# no registry of packages and no npm in the base.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${IMAGE:?name the image with IMAGE} base=${BASE_IMAGE:?name the base with BASE_IMAGE} bundle=${BUNDLE:-npm}

if ! command -v buildah >/dev/null; then
  echo "image: buildah is missing (Debian, Ubuntu: apt-get install buildah). With Docker:" >&2
  echo "       docker build --build-arg BASE_IMAGE=$base -t $image ." >&2
  exit 1
fi
if [[ $bundle == dist ]]; then make build; fi

# Works inside containers too, where there are no user namespaces to be had.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
buildah bud --layers --format docker --build-arg "BASE_IMAGE=$base" --build-arg "BUNDLE=$bundle" --tag "$image" .
