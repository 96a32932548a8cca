#!/usr/bin/env bash
# Makes .venv with the Python packages of the file $1 (exact versions), for the tests that drive the Python SDK.
# Where Python or its venv module is missing it installs them as root on Debian, or says what to do and leaves 0: the test
# run then skips those tests, says so, and fails if CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=$1

find_python() {
  local name
  for name in python3.13 python3.12 python3.11 python3.10 python3; do
    if "$name" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

if ! find_python >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  echo "setup: installing python3-venv from the distribution"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv; } >/dev/null 2>&1 </dev/null || true
fi

if ! python=$(find_python); then
  echo "setup: Python 3.9 or newer with its venv module is missing, and the Python SDK tests will be skipped." >&2
  echo "       Debian, Ubuntu: sudo apt-get install python3 python3-venv" >&2
  exit 0
fi

rm -rf .venv
"$python" -m venv .venv
if .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements"; then
  touch .venv/.installed
else
  echo "setup: pip could not install $requirements (its words are above), and the Python SDK tests will be skipped." >&2
fi
