#!/usr/bin/env bash
# Installs the Debian packages that the cluster needs and that are missing. As root on Debian or Ubuntu; elsewhere it names them and
# leaves 3.
set -euo pipefail

# program or file | package
wanted=(
  "containerd|containerd" "runc|runc" "nft|nftables" "conntrack|conntrack" "/usr/lib/cni/bridge|containernetworking-plugins"
  "busybox|busybox-static" "buildah|buildah" "redis-server|redis-server" "modprobe|kmod" "ip|iproute2" "openssl|openssl"
)
missing=()
for pair in "${wanted[@]}"; do
  program=${pair%|*}
  if [[ $program == /* ]]; then [[ -x $program ]] || missing+=("${pair#*|}")
  else command -v "$program" >/dev/null || missing+=("${pair#*|}"); fi
done
((${#missing[@]} > 0)) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "cluster: these are missing and there is no apt-get to install them: ${missing[*]} (names of Debian's packages)" >&2
  exit 3
fi
echo "cluster: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Packages may start their services right away; ours are private instances, so nothing else shall start.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
log=$(mktemp)
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
