/** `sidegate whoami`: what identity a token or an API key yields, and which rules that opens. */
import { systemClock } from "../base/clock.ts";
import { KubeFault } from "../kube/port.ts";
import { judge } from "./whoami/judge.ts";
import { textToJudge, whoamiOptions } from "./whoami/options.ts";
import { whoamiJson, whoamiText } from "./whoami/report.ts";
import { sourceOf } from "./whoami/source.ts";

/** What `sidegate help` says of this command. */
export const whoamiUsage = `sidegate whoami < TOKEN                whose a token or an API key is, and which rules it opens; exit code 1 when it is refused
      --token-file FILE    instead of stdin; or the environment's SIDEGATE_TOKEN. Never an option: others can read those
  -f, --file FILE          AIRoute and Secret YAML; default: those of the cluster
      --identity NS/NAME   the service account of the pod that is called (default/default); or -n NS --service-account NAME
      --route NAME         the route that the pod picks by annotation
      --pod                it is the pod's own token (audience sidegate): what pod identity says of it
      --cluster-issuer URL with -f: who issues the tokens of type Cluster, such as http://127.0.0.1:15110/cluster
      --kubeconfig FILE    the cluster (KUBECONFIG, else ~/.kube/config); --context NAME
  -o, --output json        for scripts`;

/** Prints what it found; answers the exit code: 0 the identity is good, 1 it is refused or cannot be judged. Throws UsageFault. */
export async function whoami(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = whoamiOptions(args);
  const text = textToJudge(options.tokenFile, env);
  try {
    const report = await judge({ ...(await sourceOf(options)), text, isPod: options.isPod, clock: systemClock });
    process.stdout.write(options.isJson ? whoamiJson(report) : whoamiText(report, systemClock.nowMs()));
    return report.refusal ? 1 : 0;
  } catch (fault) {
    if (!(fault instanceof KubeFault)) throw fault;
    process.stderr.write(`sidegate: ${fault.message}\n`);
    return 1;
  }
}
