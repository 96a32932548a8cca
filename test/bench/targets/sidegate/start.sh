#!/bin/bash
# Starts the built sidecar (dist/sidecar.mjs) with a Redis of its own, as production starts it.
#   BENCH_BUNDLE=FILE      another bundle than dist/sidecar.mjs
#   BENCH_NODE_FLAGS=...   further flags of Node, such as --cpu-prof --cpu-prof-dir=/tmp/profile
#   BENCH_STDOUT=FILE      the audit lines go there instead of to a pipe that is thrown away
# Settings (SIDEGATE_*) that are already in the environment win.
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(cd "$here/../../../.." && pwd)
node=$root/node_modules/node/bin/node
bundle=${BENCH_BUNDLE:-$root/dist/sidecar.mjs}
kept=$root/.cache/bench/race # outlives the runs: what the pod and the image have before a start
config=$kept/${MOCK_ADDR//:/-}.v1.json
[ -f "$bundle" ] || { echo "$bundle is missing: node cmd/build.ts" >&2; exit 1; }
read -r first <"$bundle" # #!/usr/bin/env -S node FLAGS: those that the image starts it with
flags=${first#*node}

if [ ! -f "$config" ] || [ "$here/../../config.ts" -nt "$config" ] || [ "$bundle" -nt "$config" ]; then
  rm -rf "$kept/v8" && mkdir -p "$kept"
  cp "$node" "$kept/node.new" && mv "$kept/node.new" "$kept/node" # a copy: PSS would halve what other processes of Node share with it
  # shellcheck disable=SC2086 # the flags are words
  NODE_ENV=production NODE_COMPILE_CACHE=$kept/v8 "$kept/node" $flags "$bundle" --help >/dev/null || exit 1 # V8's code, as the image makes it
  "$node" "$here/../../config.ts" "$config" "$MOCK" mock-gpt || exit 1
fi
if [ "$1" = --version ]; then
  echo "$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$root/package.json") ($(git -C "$root" describe --always --dirty)), node $("$node" -v)"
  exit
fi

mkfifo "$RUN/stdout"
# in a subshell that ends at once, so that nothing of it is a child of the server
(setsid env LOAD_CPU="${LOAD_CPU-1}" "$here/beside.sh" $$ "$REDIS_PORT" "$RUN" </dev/null >"$RUN/beside.log" 2>&1 &)

export NODE_ENV=production NODE_COMPILE_CACHE=$kept/v8
export SIDEGATE_CONFIG=${SIDEGATE_CONFIG:-$config} SIDEGATE_NAMESPACE=default SIDEGATE_SERVICE_ACCOUNT=default
export SIDEGATE_LISTEN=127.0.0.1:$PORT SIDEGATE_ADMIN=${SIDEGATE_ADMIN:-127.0.0.1:0}
export SIDEGATE_REDIS_URL=redis://127.0.0.1:$REDIS_PORT SIDEGATE_LOG_LEVEL=${SIDEGATE_LOG_LEVEL:-warn}
# shellcheck disable=SC2086 # the flags are words
cd "$RUN" && exec "$kept/node" $flags $BENCH_NODE_FLAGS "$bundle" >"${BENCH_STDOUT:-$RUN/stdout}"
