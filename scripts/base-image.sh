#!/usr/bin/env bash
# Makes a base image without any registry of images: the Node of node_modules, the C library and `env` of this machine, and
# nothing else. For trials and tests; $1 is the image's name.
#   scripts/base-image.sh localhost/sidegate-base && make image BASE_IMAGE=localhost/sidegate-base BUNDLE=dist
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/copy-libraries.sh
name=${1:?usage: scripts/base-image.sh NAME}

node=$(readlink -f node_modules/.bin/node)
[[ -x $node ]] || { echo "base-image: no node_modules; run npm ci first" >&2; exit 1; }
command -v buildah >/dev/null || { echo "base-image: buildah is missing (Debian, Ubuntu: apt-get install buildah)" >&2; exit 1; }
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{usr/local/bin,usr/bin,etc,proc,sys,dev,tmp}
chmod 755 "$tree"
chmod 1777 "$tree/tmp"
cp "$node" "$tree/usr/local/bin/node"
cp /usr/bin/env "$tree/usr/bin/env"
printf 'root:x:0:0:root:/:/nologin\nsidegate:x:14100:14100:sidegate:/:/nologin\n' >"$tree/etc/passwd"
printf 'root:x:0:\nsidegate:x:14100:\n' >"$tree/etc/group"
printf 'hosts: files dns\n' >"$tree/etc/nsswitch.conf"

copy_libraries "$tree" "$node" /usr/bin/env

container=$(buildah from scratch)
buildah copy --quiet "$container" "$tree" / >/dev/null
buildah config --env PATH=/usr/local/bin:/usr/bin "$container"
buildah commit --quiet --rm "$container" "$name"
