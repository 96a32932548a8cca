# The daemons' configuration files, sourced by up.sh and written anew at each start.

write_settings() {
  cat >"$run_dir/containerd.toml" <<TOML
version = 2
root = "$run_dir/containerd/root"
state = "$run_dir/containerd/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$containerd_socket"
[plugins."io.containerd.internal.v1.opt"]
  path = "$run_dir/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  # Without CAP_SYS_RESOURCE, as in some virtual machines, runc may not lower oom_score_adj below this process's own.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run_dir/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
TOML

  cat >"$run_dir/cni/net.d/10-sidegate.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "sidegate", "plugins": [
  {"type": "bridge", "bridge": "$pod_bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run_dir/cni/ipam", "ranges": [[{"subnet": "$pod_cidr", "gateway": "$pod_gateway"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON

  # What the operator asks of the API server is counted from this log; everything else stays out of it.
  cat >"$run_dir/audit-policy.yaml" <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, userGroups: ["system:serviceaccounts:sidegate-system"]}
  - {level: None}
YAML

  cat >"$run_dir/Corefile" <<CORE
. {
  bind $node_ip
  errors
  ready $node_ip:$dns_ready_port
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $run_dir/pki/coredns.kubeconfig sidegate
    pods insecure
    ttl 5
  }
  # Names outside the cluster: what tests write into this file, else NXDOMAIN at once.
  hosts $run_dir/hosts {
    ttl 1
    reload 500ms
    fallthrough
  }
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
CORE
  touch "$run_dir/hosts"
  echo "nameserver $node_ip" >"$run_dir/resolv.conf"

  # failCgroupV1, failSwapOn: the machine is taken as it is. makeIPTablesUtilChains: kube-proxy works with nftables, so no iptables.
  # imageGC and eviction: a full disk on a developer's machine must not delete images or pods under a test. syncFrequency stays at its
  # default of a minute on purpose: a shorter one would hide how long a Secret really takes to reach a pod.
  cat >"$run_dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
readOnlyPort: 0
healthzBindAddress: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run_dir/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $run_dir/pki/kubelet-serving.crt
tlsPrivateKeyFile: $run_dir/pki/kubelet-serving.key
containerRuntimeEndpoint: unix://$containerd_socket
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
clusterDomain: cluster.local
clusterDNS: [$node_ip]
resolvConf: $run_dir/resolv.conf
staticPodPath: $run_dir/manifests
podLogsDir: $run_dir/log/pods
volumePluginDir: $run_dir/kubelet/volume-plugins
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
imageMaximumGCAge: 0s
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", nodefs.inodesFree: "1%", imagefs.available: "1%"}
registerWithTaints: []
logging: {verbosity: 2}
YAML

  # The limits of conntrack belong to the machine: 0 leaves them alone.
  cat >"$run_dir/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
bindAddress: $node_ip
healthzBindAddress: $node_ip:10256
metricsBindAddress: $node_ip:10249
hostnameOverride: $node_name
clusterCIDR: $pod_cidr
oomScoreAdj: 0
clientConnection: {kubeconfig: $run_dir/pki/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
}
