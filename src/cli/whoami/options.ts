/** The options of `sidegate whoami`, and the text that it judges: never from the command line, which others can read. */
import { readFileSync } from "node:fs";
import { loopbackPattern } from "../../api/url-patterns.ts";
import { kubeconfigOptions } from "../connection.ts";
import { parseIdentity } from "../identity.ts";
import { parseOptions, UsageFault } from "../usage.ts";

/** Largest token that is read, in bytes; more is told as too large by whoever judges it. */
const textBytesMax = 65_536;

/** Checked. */
export interface WhoamiOptions {
  /** Empty: the cluster. */
  readonly files: readonly string[];
  /** Undefined: the kubeconfig's, else default. */
  readonly namespace: string | undefined;
  readonly serviceAccount: string;
  readonly routePick: string | undefined;
  readonly tokenFile: string | undefined;
  readonly clusterIssuer: string | undefined;
  readonly isPod: boolean;
  readonly isJson: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** Throws UsageFault. */
export const whoamiOptions = (args: readonly string[]): WhoamiOptions => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true, // so that what is refused below is not shown
    options: {
      file: { type: "string", short: "f", multiple: true, default: [] },
      identity: { type: "string" },
      namespace: { type: "string", short: "n" },
      "service-account": { type: "string" },
      route: { type: "string" },
      "token-file": { type: "string" },
      "cluster-issuer": { type: "string" },
      pod: { type: "boolean", default: false },
      output: { type: "string", short: "o" },
      ...kubeconfigOptions,
    },
  });
  const { file: files, identity, kubeconfig, context } = values;
  const [account, clusterIssuer] = [values["service-account"], values["cluster-issuer"]];
  if (positionals.length > 0)
    throw new UsageFault("whoami takes no arguments: give the token on stdin, by --token-file, or in SIDEGATE_TOKEN");
  if (values.output !== undefined && values.output !== "json")
    throw new UsageFault(`-o ${values.output}: must be json, or left out`);
  if (identity !== undefined && (values.namespace !== undefined || account !== undefined))
    throw new UsageFault("--identity NS/NAME says both what -n and --service-account say: use one way");
  if (files.length > 0 && (kubeconfig !== undefined || context !== undefined))
    throw new UsageFault(
      "-f and --kubeconfig or --context exclude each other: resources come from files or from a cluster",
    );
  if (clusterIssuer !== undefined && files.length === 0)
    throw new UsageFault("--cluster-issuer goes with -f: a cluster is asked for its own keys");
  if (
    clusterIssuer !== undefined &&
    !/^https:\/\/[^/]/.test(clusterIssuer) &&
    !new RegExp(loopbackPattern).test(clusterIssuer)
  )
    throw new UsageFault(
      `--cluster-issuer ${clusterIssuer}: must be https, or http on loopback, such as http://127.0.0.1:15110/cluster`,
    );
  if (clusterIssuer !== undefined && !URL.canParse(clusterIssuer))
    throw new UsageFault(`--cluster-issuer ${clusterIssuer}: is no URL`);
  const [namespace, serviceAccount] = [values.namespace ?? "default", account ?? "default"];
  const parsed = parseIdentity(identity ?? `${namespace}/${serviceAccount}`);
  return {
    files,
    namespace: identity === undefined && values.namespace === undefined ? undefined : parsed.namespace,
    serviceAccount: parsed.serviceAccount,
    routePick: values.route,
    tokenFile: values["token-file"],
    clusterIssuer,
    isPod: values.pod,
    isJson: values.output === "json",
    kubeconfig,
    context,
  };
};

/** The text: of the file, else of SIDEGATE_TOKEN, else of stdin. Blanks around it are not part of it. Throws UsageFault. */
export const textToJudge = (file: string | undefined, env: NodeJS.ProcessEnv): string => {
  if (file === undefined && env["SIDEGATE_TOKEN"]) return env["SIDEGATE_TOKEN"].trim();
  if (file === undefined && process.stdin.isTTY)
    throw new UsageFault(
      "whoami reads a token or a key from stdin: sidegate whoami < FILE, --token-file FILE, or SIDEGATE_TOKEN",
    );
  let bytes: Buffer;
  try {
    bytes = readFileSync(file ?? 0);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new UsageFault(`${file ?? "stdin"}: cannot be read (${code})`);
  }
  if (bytes.length > textBytesMax)
    throw new UsageFault(`${file ?? "stdin"}: larger than ${textBytesMax} bytes, which no token is`);
  return bytes.toString("latin1").trim();
};
