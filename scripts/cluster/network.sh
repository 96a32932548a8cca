# The node's network, sourced by up.sh: two bridges, a route for Services, and a fence that keeps all of it on this machine.

raise_network() {
  # In kernels where these are modules; where they are built in or may not be loaded, the checks below decide.
  modprobe -qa overlay br_netfilter nf_conntrack 2>/dev/null || true
  local bridge address
  for bridge in "$node_bridge $node_ip/24" "$pod_bridge $pod_gateway/16"; do
    read -r bridge address <<<"$bridge"
    ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
    ip addr replace "$address" dev "$bridge"
    ip link set "$bridge" up
  done
  # A route for Services' addresses that never leaves the machine: nftables' output hook rewrites the destination, and what no rule
  # rewrites dies on the bridge.
  ip route replace "$service_cidr" dev "$node_bridge" src "$node_ip"

  remember_and_set net/ipv4/ip_forward
  # Pod to Service to pod on the same bridge must pass nftables.
  [[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || remember_and_set net/bridge/bridge-nf-call-iptables

  # Pods have no way out and nobody outside has a way in, by design: a test that calls a real provider is a defect.
  nft -f - <<NFT
table inet sidegate_fence
delete table inet sidegate_fence
table inet sidegate_fence {
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "$pod_bridge" oifname != { "$pod_bridge", "$node_bridge" } drop
    iifname != { "$pod_bridge", "$node_bridge" } oifname "$pod_bridge" drop
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname != { "$pod_bridge", "$node_bridge", "lo" } ip daddr { $pod_cidr, $service_cidr, $node_cidr } drop
  }
}
NFT
}

# Sets a kernel switch to 1; what it was is kept for down.sh.
remember_and_set() {
  local kept=$run_dir/kernel/${1//\//.}
  [[ -s $kept ]] || cat "/proc/sys/$1" >"$kept"
  echo 1 >"/proc/sys/$1"
}
