#!/usr/bin/env bash
# Builds the images that the cluster and its tests use, without a registry or a daemon, and imports them into the cluster's containerd.
#   images.sh [NAME...]                pause, redis, app, fakeprovider, release (the one before), sidegate; all by default
#   images.sh --context NAME FOLDER    only fills FOLDER with what the image's Dockerfile copies, for other builders
# An image is built when its inputs changed, and imported when the cluster does not have that build. $SIDEGATE_CLUSTER_DIR/images keeps
# NAME.tar (a docker-archive), NAME.hash and NAME.ref, the image's name for pods.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/env.sh"
. "$root/scripts/copy-libraries.sh"
export PATH=$root/node_modules/.bin:$PATH
base_image=localhost/sidegate-base:e2e
dockerfiles=test/e2e/images
kept_release=test/e2e/releases/0.0.9
cd "$root"
mkdir -p "$images_dir"

# Files whose content decides an image, as one hash; the names come on standard input.
hash_of_files() { sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-12; }
inputs_of() {
  local base=(scripts/base-image.sh scripts/copy-libraries.sh node_modules/node/package.json)
  echo scripts/cluster/images.sh
  [[ $1 == sidegate ]] || echo "$dockerfiles/$1.Dockerfile"
  case $1 in
    pause) echo "$bin_dir/pause" ;;
    redis) command -v redis-server ;;
    app) printf '%s\n' "${base[@]}" node_modules/openai/package.json ;;
    fakeprovider) printf '%s\n' "${base[@]}"; find src/fakeprovider -name '*.ts' ! -name '*.test.ts' ;;
    release) printf '%s\n' "${base[@]}"; find "$kept_release" -type f ;;
    sidegate)
      printf '%s\n' "${base[@]}" scripts/image.sh Dockerfile .dockerignore LICENSE package.json package-lock.json
      find src cmd -type f ! -name '*.test.ts' ;;
  esac
}

# What COPY finds: fills the folder $2 for the image $1.
fill() {
  local name=$1 tree=$2
  case $name in
    pause) cp "$bin_dir/pause" "$tree/pause" ;;
    redis)
      mkdir -p "$tree"/{usr/local/bin,etc,proc,sys,dev,tmp,data}
      cp -L "$(command -v redis-server)" "$tree/usr/local/bin/redis-server"
      cp -L "$(command -v redis-cli)" "$tree/usr/local/bin/redis-cli"
      copy_libraries "$tree" "$(command -v redis-server)" "$(command -v redis-cli)"
      add_busybox "$tree"
      printf 'root:x:0:0:root:/:/bin/sh\nredis:x:999:999:redis:/data:/bin/sh\n' >"$tree/etc/passwd"
      printf 'root:x:0:\nredis:x:999:\n' >"$tree/etc/group"
      chmod 1777 "$tree/tmp" "$tree/data" ;;
    app)
      mkdir -p "$tree/app/node_modules"
      tar -C node_modules --exclude='*.map' --exclude='*.d.ts' --exclude='*.d.mts' --exclude=openai/src -c openai | tar -C "$tree/app/node_modules" -x
      add_busybox "$tree" ;;
    fakeprovider)
      mkdir -p "$tree/app"
      esbuild src/fakeprovider/main.ts --bundle --platform=node --format=esm --log-level=warning --outfile="$tree/app/fakeprovider.mjs" ;;
    release)
      mkdir -p "$tree/app"
      node -e 'const { brotliDecompressSync } = require("node:zlib"), fs = require("node:fs"), [from, to] = process.argv.slice(1);
        for (const name of ["operator", "sidecar"])
          fs.writeFileSync(`${to}/${name}.mjs`, brotliDecompressSync(fs.readFileSync(`${from}/${name}.mjs.br`)), { mode: 0o755 });' \
        "$kept_release" "$tree/app" ;;
  esac
}
add_busybox() { # a shell and the usual small programs, for whoever looks into a container; other builders' bases have their own
  [[ -z ${is_for_others:-} ]] || return 0
  mkdir -p "$1/bin"
  cp "$(command -v busybox)" "$1/bin/busybox"
  for applet in sh cat ls sleep wget env grep id ps head tail date touch mkdir rm true false nslookup kill; do ln -sf busybox "$1/bin/$applet"; done
}

ensure_base() {
  local wanted
  wanted=$(printf '%s\n' scripts/base-image.sh scripts/copy-libraries.sh node_modules/node/package.json | hash_of_files)
  [[ $(cat "$images_dir/base.hash" 2>/dev/null) == "$wanted" ]] && buildah inspect --type image "$base_image" >/dev/null 2>&1 && return 0
  scripts/base-image.sh "$base_image" >/dev/null
  echo "$wanted" >"$images_dir/base.hash"
}

build() { # name reference; leaves NAME.tar
  local name=$1 reference=$2 built=localhost/$1:e2e
  case $name in app | fakeprovider | release | sidegate) ensure_base ;; esac
  if [[ $name == sidegate ]]; then
    # The project's own Dockerfile, the way that users build it.
    built=localhost/$reference
    make image ARGS= BASE_IMAGE="$base_image" IMAGE="$built" BUNDLE=dist
  else
    rm -rf "$images_dir/context"
    mkdir -m 755 "$images_dir/context"
    fill "$name" "$images_dir/context"
    buildah bud --format docker --build-arg "BASE_IMAGE=$base_image" -f "$dockerfiles/$name.Dockerfile" -t "$built" "$images_dir/context"
    rm -rf "$images_dir/context"
  fi
  rm -f "$images_dir/$name.tar"
  buildah push "$built" "docker-archive:$images_dir/$name.tar:$reference"
}

build_quietly() { # name reference; the log appears when it fails
  local status log=$images_dir/$1.log
  set +e # a function that is a condition would run on after a failure
  (set -e; build "$@") >"$log" 2>&1
  status=$?
  set -e
  ((status == 0)) && return 0
  echo "images: building $1 failed:" >&2
  tail -n 30 "$log" >&2
  return 1
}

if [[ ${1:-} == --context ]]; then
  is_for_others=1
  mkdir -p "$3"
  fill "$2" "$3"
  exit
fi
release_version() { sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json; }
exec 9>"$images_dir/.lock"
flock 9 # two runs at a time would build into one another's files
names=("$@")
((${#names[@]})) || names=(pause redis app fakeprovider release sidegate)
for name in "${names[@]}"; do
  hash=$(inputs_of "$name" | hash_of_files)
  case $name in
    pause) reference=$pause_image ;;
    redis) reference=sidegate.test/redis:7 ;;
    # Its own name for each build: a Deployment then rolls when the code has changed.
    sidegate) reference=sidegate:e2e-$hash ;;
    release) reference=sidegate:${kept_release##*/} ;;
    *) reference=sidegate.test/$name:e2e ;;
  esac
  started=$SECONDS
  if [[ $(cat "$images_dir/$name.hash" 2>/dev/null) != "$hash" || ! -s $images_dir/$name.tar ]]; then
    build_quietly "$name" "$reference"
    echo "$hash" >"$images_dir/$name.hash"
    echo "$reference" >"$images_dir/$name.ref"
    echo "images: built $reference in $((SECONDS - started)) s"
  fi
  pid_of containerd containerd >/dev/null || continue
  # The mark lies in the state folder, so it goes with the cluster.
  [[ $(cat "$run_dir/containerd/$name.imported" 2>/dev/null) != "$hash" ]] || continue
  ctr images import "$images_dir/$name.tar" >/dev/null
  case $name in
    # The names that the chart's own values have: the README's commands work here as they stand.
    sidegate) for tag in e2e "$(release_version)"; do ctr images tag --force "docker.io/library/$reference" "docker.io/library/sidegate:$tag" >/dev/null; done ;;
    redis) ctr images tag --force "$reference" docker.io/library/redis:7.2-bookworm >/dev/null ;;
  esac
  echo "$hash" >"$run_dir/containerd/$name.imported"
done
