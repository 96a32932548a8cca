#!/usr/bin/env bash
# Makes sure that `redis-server` is there for the tests, which start their own instances on free ports.
# As root on Debian or Ubuntu it installs the package. Elsewhere it says what to do and leaves 0: the test run then skips
# the tiers that need Redis, says so, and fails if CI=true.
set -euo pipefail

command -v redis-server >/dev/null && exit 0

if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  echo "setup: installing redis-server from the distribution"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if { apt-get update && apt-get install -y --no-install-recommends redis-server; } >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    command -v redis-server >/dev/null && exit 0
  else
    tail -n 20 "$log" >&2
    rm -f "$log"
  fi
fi

cat >&2 <<'TEXT'
setup: redis-server (7.0 or newer) is missing, and the tests that need it will be skipped. To install it:
         Debian, Ubuntu    sudo apt-get install redis-server
         Fedora            sudo dnf install redis
         macOS             brew install redis
       It only has to be on the PATH; no service has to run.
TEXT
