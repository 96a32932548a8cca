// An application behind a corporate proxy: its proxy variables are not for the sidecar.
import { beforeAll, expect, test } from "vitest";
import { appDeployment } from "./harness/application.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, exec, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, credential, injected } from "./harness/route.ts";

const namespace = useNamespace("proxied");
/** The discard port of the pod itself: nobody listens. */
const deadProxy = "http://127.0.0.1:9";
let provider: ClusterProvider;
const pods: Record<string, string> = {};

/** Which spelling an application's owner has set: curl and Python look at the lower-case one first, Java's and Go's libraries at both. */
const spellings = {
  both: { HTTP_PROXY: deadProxy, HTTPS_PROXY: deadProxy, http_proxy: deadProxy, https_proxy: deadProxy },
  upper: { HTTP_PROXY: deadProxy, HTTPS_PROXY: deadProxy, NO_PROXY: "intranet.example" },
  lower: { http_proxy: deadProxy, https_proxy: deadProxy, no_proxy: "intranet.example" },
} as const;

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace);
  const deployments = Object.entries(spellings).map(([name, env]) =>
    appDeployment({ name, namespace, annotations: injected, env: { NODE_USE_ENV_PROXY: "1", ...env } }),
  );
  await apply([credential(namespace, "sk-proxied"), airoute({ namespace, provider }), ...deployments]);
  for (const name of Object.keys(spellings)) {
    await waitFor(`deployment/${name}`, "condition=Available", namespace);
    pods[name] = (await podsOf(`app=${name}`, namespace))[0]?.metadata.name ?? "";
  }
});

/** The SDK's answer and a call to the provider's Service that no NO_PROXY names, with some variables taken away. */
const callsWithout = async (name: string, without: readonly string[]): Promise<{ sdk: string; elsewhere: string }> => {
  const script = `
    import OpenAI from "openai";
    const answer = await new OpenAI({ maxRetries: 0 }).chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] });
    const elsewhere = await fetch("${provider.url}/_fake/state").then(() => "direct", () => "by the proxy");
    console.log(JSON.stringify({ sdk: answer.object, elsewhere }));`;
  const unset = without.flatMap((variable) => ["-u", variable]);
  const target = { namespace, pod: pods[name] ?? "", container: "app" };
  const output = await exec(target, ["env", ...unset, "node", "--input-type=module", "-e", script]);
  return JSON.parse(output) as { sdk: string; elsewhere: string }; // the script above wrote it
};

test.each<readonly [string, readonly string[], string]>([
  ["both", [], "all variables"],
  ["both", ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"], "only the lower-case ones, as Python and curl read them"],
  ["both", ["http_proxy", "https_proxy", "no_proxy"], "only the upper-case ones"],
  ["upper", [], "an upper-case NO_PROXY of its own"],
  ["lower", [], "a lower-case no_proxy of its own"],
])("with %s spellings set, %j unset, a client reaches the sidecar: %s", async (name, without) => {
  expect(await callsWithout(name, without)).toEqual({ sdk: "chat.completion", elsewhere: "by the proxy" });
});

test.each(["upper", "lower"])("what the owner wrote into NO_PROXY stays (%s)", async (name) => {
  const target = { namespace, pod: pods[name] ?? "", container: "app" };
  const env = await exec(target, ["env"]);
  const values = env.split("\n").filter((line) => /^no_proxy=/i.test(line));
  expect(values.map((line) => line.split("=")[1])).toEqual(Array(2).fill("intranet.example,127.0.0.1,localhost"));
});
