# The cluster's fixed places and names; every script of this folder sources it. Sourced in a shell of your own it makes
# kubectl and helm work: `. scripts/cluster/env.sh`.

# Binaries and images are kept between runs; all state of a running cluster is in run/ and goes with down.sh.
export SIDEGATE_CLUSTER_DIR=${SIDEGATE_CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sidegate-cluster}
bin_dir=$SIDEGATE_CLUSTER_DIR/bin
images_dir=$SIDEGATE_CLUSTER_DIR/images
run_dir=$SIDEGATE_CLUSTER_DIR/run
export KUBECONFIG=$run_dir/pki/admin.kubeconfig

node_name=sidegate-node
# Bridges without ports: one carries the node's address (a loopback address is refused), one the pods.
node_bridge=sgnode0 node_ip=10.231.0.1 node_cidr=10.231.0.0/24
pod_bridge=sgpod0 pod_gateway=10.232.0.1 pod_cidr=10.232.0.0/16
service_cidr=10.233.0.0/16 service_ip=10.233.0.1
# etcd alone listens on 127.0.0.1, beside the usual port; everything else listens on the node's address.
etcd_port=12379 etcd_peer_port=12380
api_port=6443 dns_ready_port=8181

containerd_socket=$run_dir/containerd/containerd.sock
export CONTAINERD_ADDRESS=$containerd_socket CONTAINERD_NAMESPACE=k8s.io # read by ctr

pause_image=sidegate.test/pause:1
# Works inside containers too, where there are no user namespaces to be had.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}

case ":$PATH:" in *":$bin_dir:"*) ;; *) export PATH=$bin_dir:$PATH ;; esac

# Needs what only root may do; $1 is the script that asks.
need_root() {
  [[ $(uname -s) == Linux ]] || { echo "$1: the cluster runs on Linux only; on other systems use make e2e-kind" >&2; exit 3; }
  [[ $(id -u) == 0 ]] || {
    echo "$1: needs root: the kubelet mounts volumes and makes cgroups, containerd makes namespaces, kube-proxy writes nftables rules." >&2
    echo "   Run it in a virtual machine or a privileged container that is yours, or use make e2e-kind with Docker." >&2
    exit 3
  }
}

# The process id of a daemon that up.sh started and that still runs; nothing and 1 otherwise. $1 name, $2 a word of its command line,
# which guards against an id that was given out again.
pid_of() {
  local pid
  pid=$(cat "$run_dir/pid/$1" 2>/dev/null) && [[ -n $pid ]] && grep -qaF -- "$2" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}
