#!/usr/bin/env bash
# Fails when the checkout has changes that are not committed. $1 says when: `before` or `after` the checks.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  echo "verify: not a git checkout, so whether the tree is clean was not checked" >&2
  exit 0
fi
changes=$(git status --porcelain)
[[ -z $changes ]] && exit 0
case $1 in
  before) echo "verify: the tree is dirty; commit or remove these first:" >&2 ;;
  *) echo "verify: the checks left these changes behind:" >&2 ;;
esac
echo "$changes" >&2
exit 1
