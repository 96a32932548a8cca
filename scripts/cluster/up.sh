#!/usr/bin/env bash
# Brings up a single-node Kubernetes on this machine: etcd, API server, controller manager, scheduler, kubelet with containerd, kube-proxy,
# CoreDNS. What runs already is left as it is and what has died is started again, so it also serves to restart a daemon that a test stopped.
# Needs root (see env.sh), and the programs that build.sh makes. Take it down with down.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in env network certificates settings; do . "$here/$part.sh"; done
need_root up.sh
[[ -x $bin_dir/kube ]] || { echo "up.sh: run build.sh first" >&2; exit 1; }
started_ns=$(date +%s%N)
say() { printf '[%6d ms] %s\n' $((($(date +%s%N) - started_ns) / 1000000)) "$*"; }

# Taking ours down later would take another one's rules and cgroups along.
if other=$(pgrep -x kubelet | grep -vxF "$(pid_of kubelet kubelet || echo none)"); then
  echo "up.sh: another kubelet runs on this machine (process $other); use make e2e SIDEGATE_E2E_KUBECONFIG=... with that cluster" >&2
  exit 1
fi

"$here/packages.sh"
mkdir -p "$run_dir"/{pki,log,pid,kernel,etcd,kubelet,containerd,cni/net.d,cni/ipam,manifests}
chmod 700 "$run_dir/pki"
raise_network
make_certificates
write_settings
say "packages, network, certificates"

cd "$run_dir"
start() { # name command...; the command's last path part is what pid_of looks for
  local name=$1
  shift
  ! pid_of "$name" "$(basename "$1")" >/dev/null || return 0
  setsid nohup "$@" >>"log/$name.log" 2>&1 </dev/null &
  echo $! >"pid/$name"
}
wait_for() { # seconds what command...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "up.sh: not in time: $what; the logs are in $run_dir/log" >&2; exit 1; }
    sleep 0.1
  done
  say "$what"
}
http_ok() { # address port path: answers 200; without curl, which a small machine may lack
  exec 3<>"/dev/tcp/$1/$2" && printf 'GET %s HTTP/1.0\r\n\r\n' "$3" >&3 && grep -q "200 OK" <&3
}
export -f http_ok

start containerd "$(command -v containerd)" --config containerd.toml
# Data lost in a crash of the machine is no loss here, so it need not wait for the disk.
start etcd "$bin_dir/etcd" --data-dir "$run_dir/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
  --listen-peer-urls "http://127.0.0.1:$etcd_peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$etcd_peer_port" \
  --initial-cluster "default=http://127.0.0.1:$etcd_peer_port"
start apiserver "$bin_dir/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" \
  --bind-address "$node_ip" --advertise-address "$node_ip" --secure-port "$api_port" --service-cluster-ip-range "$service_cidr" \
  --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key --client-ca-file pki/ca.crt \
  --kubelet-client-certificate pki/apiserver-kubelet.crt --kubelet-client-key pki/apiserver-kubelet.key \
  --kubelet-certificate-authority pki/ca.crt --kubelet-preferred-address-types InternalIP \
  --requestheader-client-ca-file pki/ca.crt --requestheader-allowed-names front-proxy-client \
  --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra- \
  --proxy-client-cert-file pki/front-proxy.crt --proxy-client-key-file pki/front-proxy.key \
  --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file pki/sa.pub --service-account-signing-key-file pki/sa.key \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged --profiling=false \
  --audit-policy-file audit-policy.yaml --audit-log-path log/audit.log --audit-log-maxsize 200 --audit-log-maxbackup 1

wait_for 30 "containerd answers" ctr version
"$here/images.sh" pause
wait_for 60 "API server ready" kubectl get --raw /readyz
start controller-manager "$bin_dir/kube-controller-manager" --kubeconfig pki/kcm.kubeconfig --authentication-kubeconfig pki/kcm.kubeconfig \
  --authorization-kubeconfig pki/kcm.kubeconfig --bind-address "$node_ip" --leader-elect=false --use-service-account-credentials \
  --service-account-private-key-file pki/sa.key --root-ca-file pki/ca.crt --cluster-signing-cert-file pki/ca.crt \
  --cluster-signing-key-file pki/ca.key --service-cluster-ip-range "$service_cidr" --profiling=false
start scheduler "$bin_dir/kube-scheduler" --kubeconfig pki/scheduler.kubeconfig --authentication-kubeconfig pki/scheduler.kubeconfig \
  --authorization-kubeconfig pki/scheduler.kubeconfig --bind-address "$node_ip" --leader-elect=false --profiling=false
start coredns "$bin_dir/coredns" -conf Corefile

# With cgroups v2 the root group must hand its controllers down before pods can have them.
if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
  for controller in cpu cpuset memory pids io; do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true; done
fi
start kubelet "$bin_dir/kubelet" --config kubelet.yaml --kubeconfig pki/kubelet.kubeconfig --root-dir "$run_dir/kubelet" \
  --hostname-override "$node_name" --node-ip "$node_ip"
start kube-proxy "$bin_dir/kube-proxy" --config proxy.yaml
kubectl get clusterrolebinding sidegate-node-proxier >/dev/null 2>&1 ||
  kubectl create clusterrolebinding sidegate-node-proxier --clusterrole=system:node-proxier --user=system:kube-proxy >/dev/null

wait_for 60 "node registered" kubectl get node "$node_name"
# After the API server was away for a while the node counts as lost until the kubelet looks again, which may take it a minute.
wait_for 150 "node ready" kubectl wait --for=condition=Ready "node/$node_name" --timeout=1s
wait_for 30 "default service account" kubectl -n default get serviceaccount default
wait_for 30 "DNS answers" bash -c "http_ok $node_ip $dns_ready_port /ready"
wait_for 30 "Services answer" bash -c "exec 3<>/dev/tcp/$service_ip/443"
echo "The cluster is up:"
echo "  export KUBECONFIG=$KUBECONFIG"
echo "  export PATH=$bin_dir:\$PATH      # kubectl, helm"
