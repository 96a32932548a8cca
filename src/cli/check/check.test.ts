import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { selfSigned } from "../../../test/fixtures/certificate.ts";
import {
  base64,
  condition,
  type FakeApi,
  healthy,
  injectedPod,
  nowMs,
  pod,
  route,
} from "../../../test/fixtures/check-cluster.ts";
import { type KubeApi, KubeFault, type KubeObject } from "../../kube/port.ts";
import { allChecks } from "../check.ts";
import { Cluster } from "./cluster.ts";
import { reportJson, reportText } from "./print.ts";
import { type CheckResult, runChecks } from "./report.ts";

const checked = (api: FakeApi): Promise<readonly CheckResult[]> =>
  runChecks(
    allChecks,
    new Cluster({
      api: api as unknown as KubeApi, // the verbs that are not there are not used
      namespace: "sidegate-system",
      release: "0.1.0",
      nowMs: () => nowMs,
      isInCluster: false,
    }),
  );
const notOk = (results: readonly CheckResult[]): string[] =>
  results.filter(({ verdict }) => verdict !== "ok").map(({ name, verdict }) => `${name} ${verdict}`);

const refusedDryRun = (message: string, status: number) => (api: FakeApi) => {
  api.dryRun = () => {
    throw new KubeFault(message, { status });
  };
};
const readyz = (line: string) => (api: FakeApi) => {
  api.readyz = api.readyz.replace(new RegExp(`\\[\\+\\]${line.split(" ")[0]} ok`), `[-]${line}`);
};
const programmed = (status: string, reason: string) => (api: FakeApi) => {
  const conditions = [condition("Accepted"), condition("ResolvedRefs"), condition("Programmed", status, reason)];
  api.objects["airoutes"] = [route(conditions)];
};
const put =
  (plural: string, ...objects: KubeObject[]) =>
  (api: FakeApi) => {
    api.objects[plural] = objects;
  };
const add = (plural: string, object: KubeObject) => (api: FakeApi) => {
  api.objects[plural]?.push(object);
};
const edit = (plural: string, change: (text: string) => string) => (api: FakeApi) => {
  api.objects[plural] = (api.objects[plural] ?? []).map(
    (object) => JSON.parse(change(JSON.stringify(object))) as KubeObject,
  ); // as it was
};

const certificateUntil = (time: string) => (api: FakeApi) => {
  const bundle = base64(selfSigned({ until: new Date(time) }).cert);
  for (const kind of ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"])
    edit(kind, (text) => text.replace(/"caBundle":"[^"]+"/, `"caBundle":"${bundle}"`))(api);
  edit("secrets", (text) => text.replace(/"tls.crt":"[^"]+"/, `"tls.crt":"${bundle}"`))(api);
};

const cases: readonly { name: string; break: (api: FakeApi) => void; want: readonly string[] }[] = [
  { name: "nothing", break: () => undefined, want: [] },
  {
    name: "an operator of another namespace",
    break: put("deployments"),
    want: [
      "operator-available failed",
      "operator-settings failed",
      "operator-release skipped",
      "sidecars-of-this-release skipped",
    ],
  },
  {
    name: "one replica of two",
    break: edit("deployments", (text) => text.replace('"availableReplicas":2', '"availableReplicas":1')),
    want: ["operator-available warning"],
  },
  {
    name: "no replica",
    break: edit("deployments", (text) => text.replace('"availableReplicas":2', '"availableReplicas":0')),
    want: ["operator-available failed"],
  },
  {
    name: "an operator of another release",
    break: edit("deployments", (text) => text.replace("0.1.0", "0.2.0")),
    want: ["operator-release warning"],
  },
  {
    name: "settings that are wrong",
    break: edit("configmaps", (text) => text.replace("image", "imgae")),
    want: ["operator-settings failed", "sidecars-of-this-release skipped"],
  },
  {
    name: "a lease of a leader that is gone",
    break: edit("leases", (text) => text.replace("00:09:58", "00:08:00")),
    want: ["leader failed"],
  },
  {
    name: "a lease that nobody holds",
    break: edit("leases", (text) => text.replace("pod-a", "")),
    want: ["leader failed"],
  },
  { name: "no lease", break: put("leases"), want: ["leader failed"] },
  {
    name: "an older definition",
    break: edit("customresourcedefinitions", (text) => text.replaceAll('"maxItems":16', '"maxItems":8')),
    want: ["airoutes-schema failed", "aiquotas-schema failed"],
  },
  {
    name: "no definitions",
    break: put("customresourcedefinitions"),
    want: ["airoutes-served failed", "airoutes-schema failed", "aiquotas-served failed", "aiquotas-schema failed"],
  },
  {
    name: "a webhook without a CA",
    break: edit("mutatingwebhookconfigurations", (text) => text.replace(/"caBundle":"[^"]+"/, '"caBundle":""')),
    want: ["webhook-configurations failed", "webhook-certificate skipped"],
  },
  {
    name: "a webhook that fails open",
    break: edit("validatingwebhookconfigurations", (text) => text.replace("Fail", "Ignore")),
    want: ["webhook-configurations failed"],
  },
  {
    name: "a CA that did not sign the certificate",
    break: edit("mutatingwebhookconfigurations", (text) =>
      text.replace(/"caBundle":"[^"]+"/, `"caBundle":"${base64(selfSigned().cert)}"`),
    ),
    want: ["webhook-certificate failed"],
  },
  {
    name: "a certificate that has ended",
    break: certificateUntil("2026-05-31"),
    want: ["webhook-certificate failed"],
  },
  {
    name: "a certificate that nobody renews",
    break: certificateUntil("2026-06-04"),
    want: ["webhook-certificate warning"],
  },
  {
    name: "an API server that cannot reach the webhook",
    break: refusedDryRun('failed calling webhook "inject.sidegate.dev"', 500),
    want: ["webhook-answers failed"],
  },
  {
    name: "a webhook that is not asked",
    break: (api) => {
      api.dryRun = () => ({ metadata: { name: "x" }, spec: {} });
    },
    want: ["webhook-answers failed"],
  },
  {
    name: "a trial pod that the policy refuses",
    break: refusedDryRun("ValidatingAdmissionPolicy 'sidegate' denied request", 422),
    want: ["webhook-answers failed"],
  },
  {
    name: "a trial pod over somebody's quota",
    break: refusedDryRun("pods is forbidden: exceeded quota", 403),
    want: ["webhook-answers skipped"],
  },
  {
    name: "a policy without a binding",
    break: put("validatingadmissionpolicybindings"),
    want: ["admission-policy failed"],
  },
  { name: "Redis away", break: readyz("redis failed: connection refused"), want: ["redis-usable failed"] },
  { name: "a stale watch", break: readyz("watches failed: no word about pods"), want: ["operator-synced failed"] },
  {
    name: "a replica without a certificate",
    break: readyz("webhook-certificate failed: none"),
    want: ["webhook-certificate-loaded failed"],
  },
  {
    name: "a route that is not accepted",
    break: put(
      "airoutes",
      route([
        condition("Accepted", "False", "Conflicted"),
        condition("ResolvedRefs"),
        condition("Programmed", "False", "NotInForce"),
      ]),
    ),
    want: ["routes-accepted failed"],
  },
  {
    name: "a route without its Secret",
    break: put(
      "airoutes",
      route([condition("Accepted"), condition("ResolvedRefs", "False", "SecretNotFound"), condition("Programmed")]),
    ),
    want: ["routes-resolved failed"],
  },
  {
    name: "a route on its way",
    break: programmed("False", "PartiallyProgrammed"),
    want: ["routes-programmed warning"],
  },
  {
    name: "a config that a sidecar refused",
    break: programmed("False", "ConfigRefused"),
    want: ["routes-programmed failed"],
  },
  {
    name: "a route that nobody judged",
    break: put("airoutes", { metadata: { name: "new", namespace: "team", generation: 1 } }),
    want: ["judged warning"],
  },
  { name: "a pod from before the webhook", break: add("pods", pod({}, {})), want: ["annotated-pods-injected failed"] },
  {
    name: "a pod without its Secret",
    break: add("pods", injectedPod({ "sidegate.dev/config-secret": "absent" })),
    want: ["config-secrets failed"],
  },
  {
    name: "a pod that was not told",
    break: add("pods", injectedPod({ "sidegate.dev/config-digest": "sha256:0" })),
    want: ["config-announced warning"],
  },
  {
    name: "a pod of an older release",
    break: add("pods", injectedPod({ "sidegate.dev/injection-digest": "old" })),
    want: ["sidecars-of-this-release warning"],
  },
  {
    name: "an account that may not read Secrets",
    break: (api) => {
      api.denied.add("list secrets").add("get secrets");
    },
    want: ["permissions warning", "webhook-certificate skipped", "config-secrets skipped", "config-announced skipped"],
  },
];

describe("what is found with", () => {
  test.each(cases)("$name", async ({ break: breakIt, want }) => {
    const api = healthy();
    breakIt(api);
    expect(notOk(await checked(api))).toEqual(want);
  });

  test("an old Kubernetes, and nothing else is looked at", async () => {
    const api = healthy();
    api.version = { major: "1", minor: "29", gitVersion: "v1.29.1" };
    const [first, ...rest] = await checked(api);
    expect(first).toMatchObject({ verdict: "failed", details: ["it is v1.29.1"] });
    expect(new Set(rest.map(({ verdict }) => verdict))).toEqual(new Set(["skipped"]));
  });
});

test("whatever is not ok says why, and what to do where something is wrong", async () => {
  for (const { break: breakIt } of cases) {
    const api = healthy();
    breakIt(api);
    for (const { verdict, details, fix } of (await checked(api)).filter(({ verdict }) => verdict !== "ok")) {
      expect(details?.length).toBeGreaterThan(0);
      expect(fix === undefined).toBe(verdict === "skipped");
    }
  }
});

test("the text is plain, and coloured on request", async () => {
  const api = healthy();
  api.objects["leases"] = [];
  const results = await checked(api);
  const text = reportText(results, { isColoured: false });
  expect(text).not.toContain("\u001b");
  expect(text).toContain(
    "  failed   one replica leads and renews its lease\n           Lease sidegate-system/sidegate-operator does not exist\n           fix: See docs/troubleshooting.md#no-leader.\n",
  );
  expect(text.trimEnd().split("\n").at(-1)).toBe("25 ok, 0 warnings, 1 failed, 0 skipped");
  expect(reportText(results, { isColoured: true })).toContain("\u001b[31mfailed");
  expect(JSON.parse(reportJson(results))).toMatchObject({ verdict: "failed", counts: { ok: 25, failed: 1 } });
});

test("the page on the checks names each of them, and the fixes lead to pages that exist", () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
  const page = read("docs/check.md");
  for (const { name, sentence } of allChecks) {
    expect(page).toContain(`\`${name}\``);
    expect(page).toContain(sentence);
  }
  const sources = readdirSync(import.meta.dirname).filter((file) => file.endsWith("-checks.ts"));
  const anchors = sources.flatMap((file) =>
    [...read(`src/cli/check/${file}`).matchAll(/[ .a-z]#([a-z-]+)/g)].map(([, id]) => id),
  );
  expect(anchors.length).toBeGreaterThan(10);
  const troubleshooting = read("docs/troubleshooting.md");
  for (const id of anchors) expect(troubleshooting).toContain(`<a id="${id}"></a>`);
});
