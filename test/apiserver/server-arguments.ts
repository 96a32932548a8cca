/** Command lines of the processes of a private API server. */

const loopback = "127.0.0.1";

/** An etcd that keeps its data in `folder` and does not wait for the disk. */
export const etcdArgs = (folder: string, port: number, peerPort: number): string[] => [
  "--unsafe-no-fsync",
  "--log-level=error",
  `--data-dir=${folder}/etcd`,
  ...["--listen-client-urls", "--advertise-client-urls"].map((flag) => `${flag}=http://${loopback}:${port}`),
  ...["--listen-peer-urls", "--initial-advertise-peer-urls"].map((flag) => `${flag}=http://${loopback}:${peerPort}`),
  `--initial-cluster=default=http://${loopback}:${peerPort}`,
];

/** A kube-apiserver whose keys and tokens lie in `folder`. */
export const apiServerArgs = (
  folder: string,
  port: number,
  etcdPort: number,
  options: { withControllerManager?: boolean; args?: readonly string[] },
): string[] => [
  `--etcd-servers=http://${loopback}:${etcdPort}`,
  `--bind-address=${loopback}`,
  `--advertise-address=${loopback}`,
  "--endpoint-reconciler-type=none", // a loopback address cannot be an endpoint
  `--secure-port=${port}`,
  "--service-cluster-ip-range=10.96.0.0/16",
  `--tls-cert-file=${folder}/serving.crt`,
  `--tls-private-key-file=${folder}/serving.key`,
  `--token-auth-file=${folder}/tokens.csv`,
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-account-key-file=${folder}/account.pub`,
  `--service-account-signing-key-file=${folder}/account.key`,
  "--authorization-mode=RBAC",
  "--allow-privileged",
  "--profiling=false",
  // Without a controller manager nobody makes service accounts, and every pod would be refused.
  ...(options.withControllerManager ? [] : ["--disable-admission-plugins=ServiceAccount"]),
  ...(options.args ?? []),
];

const controllers = [
  ...["namespace", "serviceaccount", "root-ca-certificate-publisher", "garbage-collector", "resourcequota"],
  ...["deployment", "replicaset", "statefulset", "job", "disruption"],
];

/** A controller manager that runs only the controllers that tests need. */
export const controllerManagerArgs = (folder: string): string[] => [
  ...["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"].map(
    (f) => `${f}=${folder}/kubeconfig`,
  ),
  "--leader-elect=false",
  "--secure-port=0",
  `--service-account-private-key-file=${folder}/account.key`,
  `--root-ca-file=${folder}/serving.crt`,
  `--controllers=${controllers.map((name) => (name === "resourcequota" ? name : `${name}-controller`)).join(",")}`,
];
