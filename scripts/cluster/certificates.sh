# The cluster's CA, certificates, token keys and kubeconfigs, sourced by up.sh. What exists is kept.

make_certificates() (
  cd "$run_dir/pki"
  if [[ ! -s ca.crt ]]; then
    ec_key ca.key
    openssl req -x509 -new -key ca.key -subj /CN=sidegate-cluster -days 365 -sha256 -out ca.crt \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
    # RSA for service-account tokens: what real clusters sign with, and what verifiers meet.
    openssl genrsa -out sa.key 2048 2>/dev/null
    openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  fi
  local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  certificate apiserver /CN=kube-apiserver "subjectAltName=$names,IP:$node_ip,IP:$service_ip"
  certificate kubelet-serving "/O=system:nodes/CN=system:node:$node_name" "subjectAltName=DNS:$node_name,IP:$node_ip"
  certificate apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
  certificate front-proxy /CN=front-proxy-client
  client admin /O=system:masters/CN=admin
  client kcm /CN=system:kube-controller-manager
  client scheduler /CN=system:kube-scheduler
  client kubelet "/O=system:nodes/CN=system:node:$node_name"
  client proxy /CN=system:kube-proxy
  client coredns /O=system:masters/CN=coredns
)

ec_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

certificate() { # name subject [extension]
  [[ ! -s $1.crt ]] || return 0
  ec_key "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAserial ca.srl -CAcreateserial -days 365 -sha256 -out "$1.crt" \
    -extfile <(printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n%s\n' "${3-}") 2>/dev/null
  rm -f "$1.csr"
}

client() { # name subject: a certificate and the kubeconfig that holds it
  certificate "$1" "$2"
  [[ ! -s $1.kubeconfig ]] || return 0
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: sidegate, cluster: {server: "https://$node_ip:$api_port", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: sidegate, context: {cluster: sidegate, user: $1}}]
current-context: sidegate
YAML
}
