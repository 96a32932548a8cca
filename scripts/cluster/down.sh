#!/usr/bin/env bash
# Takes down what up.sh brought up: pods, daemons, mounts, bridges, rules and all state; binaries and images stay for the next time.
# Ends only processes whose ids up.sh wrote down, and containers of its own containerd. Fine to run when nothing is up.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"
[[ -d $run_dir ]] || exit 0
need_root down.sh

stop() { # name:program ...; all get SIGTERM at once, and SIGKILL after 5 s
  local pair pid left pids=()
  for pair in "$@"; do pid=$(pid_of "${pair%:*}" "${pair#*:}") && kill "$pid" && pids+=("$pid"); done
  for _ in $(seq 50); do
    left=0
    for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null && left=1; done
    ((left)) || break
    sleep 0.1
  done
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
  for pair in "$@"; do rm -f "$run_dir/pid/${pair%:*}"; done
}

stop kubelet:kubelet kube-proxy:kube-proxy scheduler:kube-scheduler controller-manager:kube-controller-manager coredns:coredns \
  apiserver:kube-apiserver
namespaces=()
if pid_of containerd containerd >/dev/null; then
  mapfile -t namespaces < <(for each in $(ctr containers ls -q); do ctr containers info "$each"; done 2>/dev/null | grep -oE '/netns/cni-[0-9a-f-]+' | sort -u)
  # A shim goes with its task, so tasks first.
  for task in $(ctr tasks ls -q); do ctr tasks kill -s SIGKILL -a "$task"; done >/dev/null 2>&1
  for _ in $(seq 50); do
    [[ -n $(ctr tasks ls 2>/dev/null | awk 'NR > 1 && $3 != "STOPPED"') ]] || break
    sleep 0.1
  done
  for task in $(ctr tasks ls -q); do ctr tasks rm -f "$task"; done >/dev/null 2>&1
  for each in $(ctr containers ls -q); do ctr containers rm "$each"; done >/dev/null 2>&1
fi
stop etcd:etcd containerd:containerd

# What is still mounted below the state folder (pods' volumes, overlays), deepest first.
awk -v below="$run_dir/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
for each in "${namespaces[@]}"; do ip netns del "${each##*/}"; done 2>/dev/null
nft delete table inet sidegate_fence 2>/dev/null
for family in ip ip6; do nft delete table $family kube-proxy; done 2>/dev/null
ip link del "$pod_bridge" 2>/dev/null
ip link del "$node_bridge" 2>/dev/null
for kept in "$run_dir"/kernel/*; do
  name=${kept##*/}
  [[ -s $kept ]] && cat "$kept" >"/proc/sys/${name//./\/}"
done
# Empty cgroups that the kubelet leaves behind; up.sh made sure that no other kubelet was here.
find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} \; 2>/dev/null
rm -rf --one-file-system "$run_dir"
